"""Preprocessing: from frames to the numbers that each family's estimator takes.

The output is numeric whatever the columns contain: missing values, unseen categories, constant or empty columns.
"""

import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame, Series
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
from ..kinds import members_of, place_members

Floats = NDArray[np.float64]
#: Labels: class codes or values; None for clusterings.
Labels = NDArray[np.int64] | Floats | None

#: Upper bound of the categories that histogram boosting supports natively.
MOST_CODES = 255
#: Upper bound of the categories that are one-hot encoded in dense arrays.
MOST_ONE_HOT = 50
#: Upper bound of the words of a text column; the most frequent are kept.
MOST_WORDS = 20_000
#: Number of directions that a text column is projected to in dense arrays.
TEXT_DIRECTIONS = 50
#: The words of texts; a code of one character is one too.
WORD = r"(?u)\b\w+\b"
#: Least number of rows of a level of an open category; rarer ones are pooled with those that were never seen.
FEWEST_ROWS = 3
#: Upper bound of the levels that have an indicator each beside their means.
MOST_INDICATORS = 20
#: Folds of the encoding by labels.
ENCODING_FOLDS = 5
#: Smoothing of levels' means towards the overall mean: as many rows of it count in each level's mean; "auto": as many
#: as the spread of the labels within and between levels suggests (empirical Bayes).
SMOOTHING: float | str = "auto"


class Words(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """TF-IDF weights of the words of one text column: sparse `(n, words)`, or dense `(n, directions)`.

    A column without any word becomes a single column of zeros.

    Args:
        directions: Number of directions that truncated SVD projects to; None: weights stay sparse.
    """

    def __init__(self, directions: int | None = None):
        self.directions = directions

    def fit(self, X: DataFrame, y: Labels = None) -> Self:
        """Learn the words and their rarity."""
        texts = _texts(X)
        self.vectorizer_ = TfidfVectorizer(sublinear_tf=True, max_features=MOST_WORDS, token_pattern=WORD)
        self.svd_ = None
        try:
            weights = self.vectorizer_.fit_transform(texts)
        except ValueError:  # raised by scikit-learn if there are no words
            self.vectorizer_ = None
            return self
        if self.directions and weights.shape[1] > self.directions:
            self.svd_ = TruncatedSVD(min(self.directions, weights.shape[0]), random_state=0).fit(weights)
        return self

    def transform(self, X: DataFrame) -> Floats | sparse.csr_matrix:
        """Weigh the words."""
        texts = _texts(X)
        if self.vectorizer_ is None:
            is_sparse = self.directions is None
            return sparse.csr_matrix((len(texts), 1)) if is_sparse else np.zeros((len(texts), 1))
        weights = self.vectorizer_.transform(texts)
        if self.svd_ is not None:
            return self.svd_.transform(weights)
        return weights if self.directions is None else weights.toarray()


class Members(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Encodes a column of sets by indicators of their most frequent members; `(n, members)`.

    Other members, and those that were never seen, have no indicator. A column without any member becomes a single
    column of zeros.

    Args:
        most: Number of members that have an indicator.
        is_sparse: True for a sparse matrix.
    """

    def __init__(self, most: int, is_sparse: bool = False):
        self.most = most
        self.is_sparse = is_sparse

    def fit(self, X: DataFrame, y: Labels = None) -> Self:
        """Find the most frequent members; of equally frequent ones the first in their order."""
        counts = Counter(member for text in _texts(X) for member in members_of(text))
        frequent = sorted(counts, key=lambda member: (-counts[member], member))[: self.most]
        #: The column of each member that has one.
        self.places_ = {member: place for place, member in enumerate(frequent)}
        return self

    @property
    def width(self) -> int:
        """Number of columns."""
        return max(1, len(self.places_))

    def transform(self, X: DataFrame) -> Floats | sparse.csr_matrix:
        """Mark the members of each set."""
        places = [place_members(self.places_, text) for text in _texts(X)]
        ends = np.cumsum([0, *map(len, places)])
        columns = np.fromiter(chain.from_iterable(places), dtype=np.intp, count=ends[-1])
        marked = sparse.csr_matrix((np.ones(len(columns)), columns, ends), shape=(len(places), self.width))
        return marked if self.is_sparse else marked.toarray()


class EmptyColumnFiller(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Fills columns that were empty in the training data with zeros.

    Histogram boosting supports missing values, but not columns of nothing else.
    """

    def fit(self, X: Floats, y: Labels = None) -> Self:
        """Find the empty columns."""
        self.empty_ = np.isnan(X).all(axis=0)
        return self

    def transform(self, X: Floats) -> Floats:
        """Fill the empty columns."""
        return np.where(self.empty_, 0.0, X)


class Ranks(QuantileTransformer):  # type: ignore[misc]
    """Quantile transformer that accepts fewer rows than quantiles without a warning."""

    def __init__(self, n_quantiles: int = 200, output_distribution: str = "uniform", random_state: int = 0):
        super().__init__(
            n_quantiles=n_quantiles, output_distribution=output_distribution, random_state=random_state
        )

    def fit(self, X: Floats, y: Labels = None) -> Self:
        """Learn the quantiles."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="n_quantiles")
            super().fit(X, y)
        return self


class CategoryEffects(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Encodes categories by the mean of their labels, or by their frequency if there is no label.

    Training rows are encoded out of fold (Micci-Barreca, A preprocessing scheme for high-cardinality categorical
    attributes, 2001), so that a category of a single row does not leak its label.
    """

    def fit(self, X: DataFrame, y: Labels = None) -> Self:
        """Learn the categories' means or frequencies."""
        self.fit_transform(X, y)
        return self

    def fit_transform(self, X: DataFrame, y: Labels = None) -> Floats:
        """Learn from the training rows, and encode them out of fold."""
        texts = _text_columns(X)
        if y is None:
            self.shares_ = [dict(zip(*_shares(column), strict=True)) for column in texts.T]
            return self.transform(X)
        is_number = y.dtype.kind == "f"
        folds = (KFold if is_number else StratifiedKFold)(5, shuffle=True, random_state=0)
        self.encoder_ = TargetEncoder(target_type="continuous" if is_number else "auto", cv=folds)
        return np.asarray(self.encoder_.fit_transform(texts, y))

    def transform(self, X: DataFrame) -> Floats:
        """Encode the categories; unseen ones by the overall mean, or 0 without a label."""
        texts = _text_columns(X)
        if hasattr(self, "encoder_"):
            return np.asarray(self.encoder_.transform(texts))
        columns = [
            [shares.get(cell, 0.0) for cell in column]
            for shares, column in zip(self.shares_, texts.T, strict=True)
        ]
        return np.array(columns, dtype=np.float64).T


class LevelEffects(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Encodes open categories by the means of their labels and by how many rows have them.

    Each column becomes one of means, or one per class if there are more than two, and one of frequencies; without
    labels there are no means. Up to MOST_INDICATORS levels have an indicator each as well. Training rows are encoded
    out of fold by scikit-learn's TargetEncoder, as in `CategoryEffects`. Levels of fewer than FEWEST_ROWS training rows
    are one level with those that were never seen, and a missing value is a level of its own.

    Args:
        smoothing: See SMOOTHING.
    """

    def __init__(self, smoothing: float | str = SMOOTHING):
        self.smoothing = smoothing

    def fit(self, X: DataFrame, y: Labels = None) -> Self:
        """Learn the levels, their means and frequencies."""
        self.fit_transform(X, y)
        return self

    def fit_transform(self, X: DataFrame, y: Labels = None) -> Floats:
        """Learn from the training rows, and encode them out of fold."""
        #: Per column, the place of each level in its table.
        self.places_ = [{level: n for n, level in enumerate(frequent_levels(X[name]))} for name in X]
        #: Per column, a row for each level, for all other levels, and for a missing value: `(levels + 2, width)`.
        self.tables_: list[Floats] = []
        return np.column_stack(
            [self._fit_column(X[name], places, y) for name, places in zip(X, self.places_, strict=True)]
        )

    def transform(self, X: DataFrame) -> Floats:
        """Encode the levels."""
        columns = zip(X, self.places_, self.tables_, strict=True)
        return np.column_stack([table[_level_places(X[name], places)] for name, places, table in columns])

    def _fit_column(self, cells: Series, level_places: Mapping[str, int], y: Labels) -> Floats:
        places = _level_places(cells, level_places)
        own = np.hstack([_log_frequencies(places, len(level_places)), _indicators(len(level_places))])
        if y is None:
            self.tables_.append(own)
            return own[places]
        every = np.arange(len(own))
        encoder = TargetEncoder(
            categories=[every],
            target_type="continuous" if y.dtype.kind == "f" else "auto",
            smooth=self.smoothing,
            cv=_encoding_folds(y),
        )
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The least populated class")
            means = np.asarray(encoder.fit_transform(places[:, None], y))
        table = encoder.transform(every[:, None])
        self.tables_.append(np.hstack([table, own]))
        return np.hstack([means, own[places]])


def frequent_levels(cells: Series) -> list[str]:
    """List the levels of at least FEWEST_ROWS cells of an open category, in their order."""
    codes = cells.cat.codes.to_numpy()
    counts = np.bincount(codes[codes >= 0], minlength=len(cells.cat.categories))
    return cells.cat.categories[counts >= FEWEST_ROWS].tolist()  # type: ignore[no-any-return]


def _level_places(cells: Series, places: Mapping[str, int]) -> NDArray[np.intp]:
    """Look each cell's level up: `(n,)`; `len(places)` for one without a place, and one more for a missing value."""
    by_code = [places.get(level, len(places)) for level in cells.cat.categories]
    return np.array([*by_code, len(places) + 1], dtype=np.intp)[cells.cat.codes.to_numpy()]


def _log_frequencies(places: NDArray[np.intp], levels: int) -> Floats:
    """Compute the logarithm of each level's rows, plus one: `(levels + 2, 1)`; of all pooled levels together, 0.

    A pooled level has next to no rows of its own, however many others there are.
    """
    counts = np.bincount(places, minlength=levels + 2).astype(np.float64)
    counts[levels] = 0.0
    return np.log1p(counts)[:, None]


def _indicators(levels: int) -> Floats:
    """Build the indicators of few levels, which are none for any other level and for a missing value."""
    return np.eye(levels + 2, levels if levels <= MOST_INDICATORS else 0)


def _encoding_folds(y: NDArray[np.int64] | Floats) -> KFold | StratifiedKFold:
    parts = max(2, min(ENCODING_FOLDS, len(y)))
    if y.dtype.kind != "f" and np.bincount(y).max() >= parts:
        return StratifiedKFold(parts, shuffle=True, random_state=0)
    return KFold(parts, shuffle=True, random_state=0)


class BestHalf(SelectPercentile):  # type: ignore[misc]
    """Feature selection by univariate relevance that ignores constant columns without a warning."""

    def fit(self, X: Floats | sparse.csr_matrix, y: Labels = None) -> Self:
        """Compute the relevance of each column."""
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.filterwarnings("ignore", message="Features .* are constant")
            super().fit(X, y)
        return self


def scaled(columns: Sequence[Column]) -> ColumnTransformer:
    """Build the preprocessing of linear models: standardised numbers, one-hot categories, sparse words."""
    numbers = make_pipeline(_imputer(indicator=True), StandardScaler())
    return _transform_columns(columns, numbers, _sparse_steps, StandardScaler())


def positive(columns: Sequence[Column]) -> ColumnTransformer:
    """Build the preprocessing of count models: ranks from 0 to 1, one-hot categories, sparse words."""
    numbers = make_pipeline(_imputer(indicator=False), Ranks())
    return _transform_columns(columns, numbers, _sparse_steps, Ranks())


def dense(columns: Sequence[Column]) -> ColumnTransformer:
    """Build the preprocessing of distance-based models: like `scaled`, but always dense.

    Texts are projected to a few directions, many categories are encoded by their labels, and missing values have no
    indicator.
    """
    numbers = make_pipeline(_imputer(indicator=False), StandardScaler())
    return _transform_columns(columns, numbers, _dense_steps, StandardScaler())


def normal(columns: Sequence[Column]) -> ColumnTransformer:
    """Build a preprocessing that is robust against outliers: like `dense`, with numbers mapped to a normal."""
    ranks = Ranks(output_distribution="normal")
    numbers = make_pipeline(_imputer(indicator=False), ranks, StandardScaler())
    return _transform_columns(columns, numbers, _dense_steps, StandardScaler())


def products(columns: Sequence[Column]) -> ColumnTransformer:
    """Build a preprocessing for linear models with interactions: like `normal`, with squares and pairwise products."""
    ranks, squares = Ranks(output_distribution="normal"), PolynomialFeatures(2, include_bias=False)
    numbers = make_pipeline(_imputer(indicator=False), ranks, squares, StandardScaler())
    return _transform_columns(columns, numbers, _dense_steps, StandardScaler())


def ignored(columns: Sequence[Column]) -> ColumnTransformer:
    """Build the preprocessing of models that use no feature: of one column, because it takes as little time."""
    cheap = [column for column in columns if not column.kind.is_text]
    return plain((cheap or columns)[:1])


def plain(columns: Sequence[Column]) -> ColumnTransformer:
    """Build the preprocessing of trees without missing values: like `dense`, with numbers left as they are."""
    return _transform_columns(columns, _imputer(indicator=True), _dense_steps)


def ordinal(columns: Sequence[Column]) -> Pipeline:
    """Build the preprocessing of histogram boosting: categories as codes, missing values stay missing."""
    return make_pipeline(_transform_columns(columns, "passthrough", _code_steps), EmptyColumnFiller())


def code_positions(columns: Sequence[Column]) -> list[int]:
    """Return the positions of the columns of codes in the output of `ordinal`."""
    return list(range(len(_with_few_choices(columns, MOST_CODES))))


def with_smoothing(prepare: BaseEstimator, smoothing: float | str) -> BaseEstimator:
    """Set the smoothing of open categories in a preprocessing, and return it."""
    names = [name for name in prepare.get_params() if name.endswith("__smoothing")]
    return prepare.set_params(**dict.fromkeys(names, smoothing))


#: Preprocessings by the names that stored recipes use.
PREPROCESSINGS: Mapping[str, Callable[[Sequence[Column]], ColumnTransformer]] = {
    "scaled": scaled,
    "positive": positive,
    "dense": dense,
    "normal": normal,
    "products": products,
    "plain": plain,
}

#: Name, transformer and columns, as in ColumnTransformer.
Step = tuple[str, BaseEstimator | str, list[str]]


def _transform_columns(
    columns: Sequence[Column],
    numbers: BaseEstimator | str,
    build_steps: Callable[[Sequence[Column]], list[Step]],
    levels: BaseEstimator | str = "passthrough",
) -> ColumnTransformer:
    """Transform numbers by `numbers`, and other columns by the steps; the first step comes before the numbers.

    Args:
        levels: Transformer of the encoded open categories.
    """
    names = [column.name for column in columns if column.kind.is_numeric]
    open_names = [column.name for column in columns if column.kind.is_open]
    first, *last = build_steps(columns)
    effects = make_pipeline(LevelEffects(), levels)
    steps = [first, ("numbers", numbers, names), ("levels", effects, open_names), *last]
    return ColumnTransformer([step for step in steps if step[2]], verbose_feature_names_out=False)


def _sparse_steps(columns: Sequence[Column]) -> list[Step]:
    return [
        _one_hot(_categories(columns), sparse=True),
        *_set_steps(columns, is_sparse=True),
        *_text_steps(columns, None),
    ]


def _dense_steps(columns: Sequence[Column]) -> list[Step]:
    few = _with_few_choices(columns, MOST_ONE_HOT)
    many = [column.name for column in _categories(columns) if column not in few]
    return [
        _one_hot(few, sparse=False),
        ("effects", CategoryEffects(), many),
        *_set_steps(columns),
        *_text_steps(columns, TEXT_DIRECTIONS),
    ]


def _code_steps(columns: Sequence[Column]) -> list[Step]:
    few = _with_few_choices(columns, MOST_CODES)
    many = [column.name for column in _categories(columns) if column not in few]
    codes = OrdinalEncoder(
        categories=_choices(few),
        handle_unknown="use_encoded_value",
        unknown_value=np.nan,
        encoded_missing_value=np.nan,
    )
    names = [column.name for column in few]
    return [
        ("categories", codes, names),
        ("effects", CategoryEffects(), many),
        *_set_steps(columns),
        *_text_steps(columns, TEXT_DIRECTIONS),
    ]


def _one_hot(categories: Sequence[Column], sparse: bool) -> Step:
    encoder = OneHotEncoder(categories=_choices(categories), handle_unknown="ignore", sparse_output=sparse)
    return "categories", encoder, [column.name for column in categories]


def _text_steps(columns: Sequence[Column], directions: int | None) -> list[Step]:
    texts = [c.name for c in columns if c.kind.is_text and not c.kind.is_set]
    return [(f"words_{name}", Words(directions), [name]) for name in texts]


def _set_steps(columns: Sequence[Column], is_sparse: bool = False) -> list[Step]:
    sets = [c for c in columns if c.kind.is_set]
    return [(f"members_{c.name}", Members(c.most or MOST_INDICATORS, is_sparse), [c.name]) for c in sets]


def _with_few_choices(columns: Sequence[Column], most: int) -> list[Column]:
    return [column for column in _categories(columns) if len(column.choices) <= most]


def _categories(columns: Sequence[Column]) -> list[Column]:
    """List the category columns that have choices."""
    return [c for c in columns if c.kind.is_category and c.choices and not c.kind.is_open]


def _choices(columns: Sequence[Column]) -> list[NDArray[np.object_]]:
    """List the declared choices, so that models of all folds have the same columns."""
    return [np.array(column.choices, dtype=object) for column in columns]


def _imputer(indicator: bool) -> SimpleImputer:
    return SimpleImputer(strategy="median", keep_empty_features=True, add_indicator=indicator)


def _texts(X: DataFrame | Series) -> list[str]:
    cells = X.iloc[:, 0] if isinstance(X, DataFrame) else X
    return ["" if cell is None or cell != cell else str(cell) for cell in cells]


def _text_columns(X: DataFrame) -> NDArray[np.object_]:
    return np.array([_texts(X.iloc[:, index]) for index in range(X.shape[1])], dtype=object).T


def _shares(cells: NDArray[np.object_]) -> tuple[NDArray[np.object_], Floats]:
    distinct, counts = np.unique(cells, return_counts=True)
    return distinct, counts / len(cells)
