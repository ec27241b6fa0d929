"""From the frame to numbers: what each family's estimator needs to be done to the columns first.

Whatever comes here, numbers come out: missing values, unseen categories, columns that are constant or empty.
"""

import warnings
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, QuantileTransformer, StandardScaler

from .columns import Column, Kind

#: More categories than this are too many for histogram boosting's own treatment of categories.
MOST_CATEGORIES = 255
#: Words that a text column may contribute, the most frequent ones first.
MOST_WORDS = 20_000
#: Directions that a text column is reduced to where an estimator cannot take thousands of words.
TEXT_DIRECTIONS = 50


class Words(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Texts as TF-IDF weights of their words: sparse `(n, words)`, or dense `(n, directions)` if
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


def scaled(columns: Sequence[Column]) -> ColumnTransformer:
    """For what measures distances or weighs columns: standardised numbers, one-hot categories, sparse
    words.
    """
    numbers = make_pipeline(_imputer(indicator=True), StandardScaler())
    return _columns(
        columns, numbers, OneHotEncoder(categories=_categories(columns), handle_unknown="ignore"), None
    )


def dense(columns: Sequence[Column]) -> ColumnTransformer:
    """As `scaled`, with texts reduced to a few directions, never sparse, and nothing added where values are
    missing.
    """
    numbers = make_pipeline(_imputer(indicator=False), StandardScaler())
    categories = OneHotEncoder(categories=_categories(columns), handle_unknown="ignore", sparse_output=False)
    return _columns(columns, numbers, categories, TEXT_DIRECTIONS)


def normal(columns: Sequence[Column]) -> ColumnTransformer:
    """As `dense`, with numbers brought to a normal distribution by their ranks: outliers lose their weight."""
    numbers = make_pipeline(_imputer(indicator=False), Ranks(output_distribution="normal"), StandardScaler())
    categories = OneHotEncoder(categories=_categories(columns), handle_unknown="ignore", sparse_output=False)
    return _columns(columns, numbers, categories, TEXT_DIRECTIONS)


def plain(columns: Sequence[Column]) -> ColumnTransformer:
    """For trees that take no missing values: numbers as they are, one-hot categories, reduced texts."""
    categories = OneHotEncoder(categories=_categories(columns), handle_unknown="ignore", sparse_output=False)
    return _columns(columns, _imputer(indicator=True), categories, TEXT_DIRECTIONS)


def ordinal(columns: Sequence[Column]) -> Pipeline:
    """For histogram boosting: categories as codes (`coded` says which), missing values stay missing."""
    categories = OrdinalEncoder(
        categories=_categories(columns),
        handle_unknown="use_encoded_value",
        unknown_value=np.nan,
        encoded_missing_value=np.nan,
    )
    return make_pipeline(_columns(columns, "passthrough", categories, TEXT_DIRECTIONS), Filled())


def coded(columns: Sequence[Column]) -> list[int]:
    """Positions, in what `ordinal` makes, of categories that are few enough to be split as categories."""
    few = [len(column.choices) <= MOST_CATEGORIES for column in _of(columns, Kind.CATEGORY)]
    return [position for position, small in enumerate(few) if small]


def _columns(
    columns: Sequence[Column], numbers: Any, categories: Any, directions: int | None
) -> ColumnTransformer:
    coded_names = [column.name for column in _of(columns, Kind.CATEGORY)]
    texts = [column.name for column in columns if column.kind is Kind.TEXT]
    rest = [c.name for c in columns if c.kind not in (Kind.CATEGORY, Kind.TEXT)]
    steps: list[tuple[str, Any, Any]] = [("categories", categories, coded_names), ("numbers", numbers, rest)]
    steps += [(f"words_{name}", Words(directions), name) for name in texts]
    return ColumnTransformer([step for step in steps if step[2]], verbose_feature_names_out=False)


def _of(columns: Sequence[Column], kind: Kind) -> list[Column]:
    """The columns of this kind; a category without any choice says nothing and is left out."""
    return [c for c in columns if c.kind is kind and (c.choices or kind is not Kind.CATEGORY)]


def _categories(columns: Sequence[Column]) -> list[NDArray[Any]]:
    """Declared choices rather than those a fold happens to hold: every fold's model sees the same columns."""
    return [np.array(column.choices, dtype=object) for column in _of(columns, Kind.CATEGORY)]


def _imputer(indicator: bool) -> SimpleImputer:
    return SimpleImputer(strategy="median", keep_empty_features=True, add_indicator=indicator)


def _texts(X: Any) -> list[str]:
    cells = X.iloc[:, 0] if isinstance(X, DataFrame) else X
    return ["" if cell is None or cell != cell else str(cell) for cell in cells]
