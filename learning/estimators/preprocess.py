"""From the frame to numbers: what each family's estimator needs to be done to the columns first.

Whatever comes here, numbers come out: missing values, unseen categories, columns that are constant or empty.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectPercentile
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    QuantileTransformer,
    StandardScaler,
    TargetEncoder,
)

from ..columns import Column

#: More categories than this are too many for histogram boosting's own treatment of categories.
MOST_CODES = 255
#: More categories than this are too many for a column each, where columns are not sparse.
MOST_ONE_HOT = 50
#: Words that a text column may contribute, the most frequent ones first.
MOST_WORDS = 20_000
#: Directions that a text column is reduced to where an estimator cannot take thousands of words.
TEXT_DIRECTIONS = 50


class Words(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """One column of texts as TF-IDF weights of their words: sparse `(n, words)`, or dense `(n, directions)` if
    `directions` is given.

    Texts without any word (all of them missing, for example) become a single column of zeros.
    """

    def __init__(self, directions: int | None = None):
        self.directions = directions

    def fit(self, X: Any, y: Any = None) -> Self:
        texts = _texts(X)
        self.vectorizer_ = TfidfVectorizer(sublinear_tf=True, max_features=MOST_WORDS)
        self.svd_ = None
        try:
            weights = self.vectorizer_.fit_transform(texts)
        except ValueError:  # scikit-learn's way to say that there are no words
            self.vectorizer_ = None
            return self
        if self.directions and weights.shape[1] > self.directions:
            self.svd_ = TruncatedSVD(min(self.directions, weights.shape[0]), random_state=0).fit(weights)
        return self

    def transform(self, X: Any) -> Any:
        texts = _texts(X)
        if self.vectorizer_ is None:
            return (
                sparse.csr_matrix((len(texts), 1)) if self.directions is None else np.zeros((len(texts), 1))
            )
        weights = self.vectorizer_.transform(texts)
        if self.svd_ is not None:
            return self.svd_.transform(weights)
        return weights if self.directions is None else weights.toarray()


class Filled(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Dense numbers as they are, but zeros in columns that had no value at all when this was fitted.

    Histogram boosting takes missing values, but cannot draw a histogram of nothing else.
    """

    def fit(self, X: NDArray[np.float64], y: Any = None) -> Self:
        self.empty_ = np.isnan(X).all(axis=0)
        return self

    def transform(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(self.empty_, 0.0, X)


class Ranks(QuantileTransformer):  # type: ignore[misc]
    """Numbers by their ranks, with no more quantiles than there are rows, and no warning about it."""

    def __init__(self, n_quantiles: int = 200, output_distribution: str = "uniform", random_state: int = 0):
        super().__init__(
            n_quantiles=n_quantiles, output_distribution=output_distribution, random_state=random_state
        )

    def fit(self, X: NDArray[np.float64], y: Any = None) -> Self:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="n_quantiles")
            super().fit(X, y)
        return self


class Effects(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Categories as what the label is like where they occur, or as their frequency where there is no label.

    Each row is coded by other rows than itself (Micci-Barreca, A preprocessing scheme for high-cardinality categorical
    attributes, 2001), so that a category of one row does not give its label away.
    """

    def fit(self, X: DataFrame, y: Any = None) -> Self:
        self.fit_transform(X, y)
        return self

    def fit_transform(self, X: DataFrame, y: Any = None) -> NDArray[np.float64]:
        texts = _text_columns(X)
        if y is None:
            self.shares_ = [dict(zip(*_shares(column), strict=True)) for column in texts.T]
            return self.transform(X)
        number = y.dtype.kind == "f"
        folds = (KFold if number else StratifiedKFold)(5, shuffle=True, random_state=0)
        self.encoder_ = TargetEncoder(target_type="continuous" if number else "auto", cv=folds)
        return np.asarray(self.encoder_.fit_transform(texts, y))

    def transform(self, X: DataFrame) -> NDArray[np.float64]:
        texts = _text_columns(X)
        if hasattr(self, "encoder_"):
            return np.asarray(self.encoder_.transform(texts))
        coded = [
            [of.get(cell, 0.0) for cell in column] for of, column in zip(self.shares_, texts.T, strict=True)
        ]
        return np.array(coded, dtype=np.float64).T


class Best(SelectPercentile):  # type: ignore[misc]
    """The better half of the columns, each by itself, without a warning about those that are constant."""

    def fit(self, X: Any, y: Any = None) -> Self:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.filterwarnings("ignore", message="Features .* are constant")
            super().fit(X, y)
        return self


def scaled(columns: Sequence[Column]) -> ColumnTransformer:
    """For what weighs columns: standardised numbers, one-hot categories, sparse words."""
    numbers = make_pipeline(_imputer(indicator=True), StandardScaler())
    return _columns(columns, numbers, _sparse)


def positive(columns: Sequence[Column]) -> ColumnTransformer:
    """For what counts: numbers' ranks from 0 to 1, one-hot categories, sparse words."""
    return _columns(columns, make_pipeline(_imputer(indicator=False), Ranks()), _sparse)


def dense(columns: Sequence[Column]) -> ColumnTransformer:
    """For what measures distances: as `scaled`, but never sparse: texts reduced to a few directions, categories that
    are many to what the label is like; nothing is added where values are missing.
    """
    return _columns(columns, make_pipeline(_imputer(indicator=False), StandardScaler()), _dense)


def normal(columns: Sequence[Column]) -> ColumnTransformer:
    """As `dense`, with numbers brought to a normal distribution by their ranks: outliers lose their weight."""
    ranks = Ranks(output_distribution="normal")
    return _columns(columns, make_pipeline(_imputer(indicator=False), ranks, StandardScaler()), _dense)


def products(columns: Sequence[Column]) -> ColumnTransformer:
    """As `normal`, with the numbers' squares and products of two: for what only weighs columns."""
    ranks, squares = Ranks(output_distribution="normal"), PolynomialFeatures(2, include_bias=False)
    return _columns(
        columns, make_pipeline(_imputer(indicator=False), ranks, squares, StandardScaler()), _dense
    )


def plain(columns: Sequence[Column]) -> ColumnTransformer:
    """For trees that take no missing values: as `dense`, with numbers as they are."""
    return _columns(columns, _imputer(indicator=True), _dense)


def ordinal(columns: Sequence[Column]) -> Pipeline:
    """For histogram boosting: categories as codes (`coded` says which), missing values stay missing."""
    return make_pipeline(_columns(columns, "passthrough", _codes), Filled())


def coded(columns: Sequence[Column]) -> list[int]:
    """Positions of codes in what `ordinal` makes."""
    return [place for place, _ in enumerate(_few(columns, MOST_CODES))]


#: Ways that a recipe may name.
WAYS: Mapping[str, Callable[[Sequence[Column]], Any]] = {
    way.__name__: way for way in (scaled, positive, dense, normal, products, plain)
}

Step = tuple[str, Any, list[str]]


def _columns(
    columns: Sequence[Column], numbers: Any, others: Callable[[Sequence[Column]], list[Step]]
) -> ColumnTransformer:
    rest = [column.name for column in columns if column.kind.is_numeric]
    first, *last = others(columns)
    steps = [first, ("numbers", numbers, rest), *last]
    return ColumnTransformer([step for step in steps if step[2]], verbose_feature_names_out=False)


def _sparse(columns: Sequence[Column]) -> list[Step]:
    return [_one_hot(_categories(columns), sparse=True), *_words(columns, None)]


def _dense(columns: Sequence[Column]) -> list[Step]:
    few = _few(columns, MOST_ONE_HOT)
    many = [column.name for column in _categories(columns) if column not in few]
    return [_one_hot(few, sparse=False), ("effects", Effects(), many), *_words(columns, TEXT_DIRECTIONS)]


def _codes(columns: Sequence[Column]) -> list[Step]:
    few = _few(columns, MOST_CODES)
    many = [column.name for column in _categories(columns) if column not in few]
    codes = OrdinalEncoder(
        categories=_choices(few),
        handle_unknown="use_encoded_value",
        unknown_value=np.nan,
        encoded_missing_value=np.nan,
    )
    names = [column.name for column in few]
    return [("categories", codes, names), ("effects", Effects(), many), *_words(columns, TEXT_DIRECTIONS)]


def _one_hot(categories: Sequence[Column], sparse: bool) -> Step:
    encoder = OneHotEncoder(categories=_choices(categories), handle_unknown="ignore", sparse_output=sparse)
    return "categories", encoder, [column.name for column in categories]


def _words(columns: Sequence[Column], directions: int | None) -> list[Step]:
    return [(f"words_{c.name}", Words(directions), [c.name]) for c in columns if c.kind.is_text]


def _few(columns: Sequence[Column], most: int) -> list[Column]:
    return [column for column in _categories(columns) if len(column.choices) <= most]


def _categories(columns: Sequence[Column]) -> list[Column]:
    """The categories; one without any choice says nothing and is left out."""
    return [column for column in columns if column.kind.is_category and column.choices]


def _choices(columns: Sequence[Column]) -> list[NDArray[Any]]:
    """As declared rather than those a fold happens to hold: every fold's model sees the same columns."""
    return [np.array(column.choices, dtype=object) for column in columns]


def _imputer(indicator: bool) -> SimpleImputer:
    return SimpleImputer(strategy="median", keep_empty_features=True, add_indicator=indicator)


def _texts(X: Any) -> list[str]:
    cells = X.iloc[:, 0] if isinstance(X, DataFrame) else X
    return ["" if cell is None or cell != cell else str(cell) for cell in cells]


def _text_columns(X: DataFrame) -> NDArray[Any]:
    return np.array([_texts(X.iloc[:, place]) for place in range(X.shape[1])], dtype=object).T


def _shares(cells: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.float64]]:
    found, counts = np.unique(cells, return_counts=True)
    return found, counts / len(cells)
