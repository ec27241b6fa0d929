"""Fit of the factor that an error's size has by the features: boosted trees on a logarithmic scale."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..columns import Column
from ..dataset import Dataset
from ..lazy_imports import LazyModule
from .error_size import LEAST_FACTOR, MOST_FACTOR, Node, SizeColumn, SizeFactor

if TYPE_CHECKING:
    from sklearn import ensemble
else:
    ensemble = LazyModule("sklearn.ensemble")

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

#: Rows that the trees learn from, at most, columns that they may use, and rows by which these are selected.
TREE_ROWS, COLUMNS, SELECT_ROWS = 10_000, 40, 2_000
#: Trees, leaves of each, and the share that each step learns of what is left.
TREES, LEAVES, RATE = 20, 3, 0.3
#: Rows in a leaf, at least. A level of a category with fewer counts as missing.
LEAF_ROWS = 15
#: Number of rows of average size with which the mean of a level is mixed.
PRIOR = 10.0
#: Sizes beyond this multiple of their mean count as this multiple, sizes below its inverse as that.
OUTLIER = 25.0


@dataclass(frozen=True, kw_only=True)
class Features:
    """Features of examples on which the size of an error may depend: all but texts and sets."""

    columns: tuple[Column, ...]
    #: `(m, columns)`: numbers, codes of categories; NaN is missing.
    matrix: Floats
    #: Levels of each category; None: no category.
    levels: tuple[tuple[str, ...] | None, ...]

    @classmethod
    def of(cls, dataset: Dataset, rows: Rows) -> "Features":
        """Read the features of these rows of a dataset."""
        columns = tuple(c for c in dataset.columns if c.kind.is_numeric or c.kind.is_category)
        matrix = np.empty((len(rows), len(columns)))
        levels: list[tuple[str, ...] | None] = []
        for place, column in enumerate(columns):
            cells = dataset.X[column.name]
            if column.kind.is_category:
                codes = cells.cat.codes.to_numpy()[rows]
                matrix[:, place] = np.where(codes < 0, np.nan, codes)
                levels.append(tuple(map(str, cells.cat.categories)))
            else:
                matrix[:, place] = cells.to_numpy(dtype=np.float64)[rows]
                levels.append(None)
        return cls(columns=columns, matrix=matrix, levels=tuple(levels))


@dataclass(frozen=True, kw_only=True)
class ErrorTrees:
    """Boosted trees that predict the size of an error from features and predicted value."""

    features: Features
    #: Indices of the features that the trees take, before the predicted value.
    places: Rows
    #: Of each of these: number of each level of a category, the last one for missing; None: no category.
    numbers: tuple[Floats | None, ...]
    boosting: Any
    #: Mean of the predicted logarithms.
    centre: float

    def factors(self, values: Floats, rows: Rows) -> Floats:
        """Compute the factor of these rows: `(n,)`."""
        matrix = _encode(self.features.matrix[np.ix_(rows, self.places)], self.numbers, values)
        factors = np.log(self.boosting.predict(matrix)) - self.centre
        return np.asarray(np.clip(np.exp(factors), LEAST_FACTOR, MOST_FACTOR))

    def export(self) -> SizeFactor:
        """Write the trees as tables."""
        used = sorted({column for tree in self._trees() for column in _columns(tree)} - {len(self.places)})
        index = {column: place for place, column in enumerate([*used, len(self.places)])}
        trees = [[_renumber(node, index) for node in tree] for tree in self._trees()]
        base = float(self.boosting._baseline_prediction.item()) - self.centre
        return SizeFactor(
            columns=tuple(self._column(place) for place in used), trees=(((base,),), *map(tuple, trees))
        )

    def _trees(self) -> list[list[Node]]:
        return [_nodes(predictor) for [predictor] in self.boosting._predictors]

    def _column(self, place: int) -> SizeColumn:
        column, numbers = self.features.columns[self.places[place]], self.numbers[place]
        levels = self.features.levels[self.places[place]]
        if numbers is None or levels is None:
            return SizeColumn(name=column.name, kind=column.kind)
        number_of = {level: float(number) for level, number in zip(levels, numbers, strict=False)}
        return SizeColumn(
            name=column.name,
            kind=column.kind,
            levels={level: number for level, number in number_of.items() if number == number},
        )


def fit(features: Features, values: Floats, sizes: Floats, rows: Rows, seed: int) -> ErrorTrees | None:
    """Fit trees to the sizes of some rows' errors; None if they find nothing.

    Args:
        values: `(m,)`: predicted values.
        sizes: `(n,)`: size of the errors of the rows to learn from, never negative.
        rows: `(n,)`: indices of these rows.
    """
    random = np.random.default_rng(seed)
    if len(rows) > TREE_ROWS:
        sample = np.sort(random.choice(len(rows), TREE_ROWS, replace=False))
        rows, sizes = rows[sample], sizes[sample]
    mean = float(sizes.mean())
    if mean <= 0 or len(rows) < 4 * LEAF_ROWS:
        return None
    y = np.clip(sizes / mean, 1 / OUTLIER, OUTLIER)
    places = _select(features.matrix, y, rows, random)
    numbers = tuple(_level_numbers(features, place, y, rows) for place in places)
    matrix = _encode(features.matrix[np.ix_(rows, places)], numbers, values[rows])
    boosting = ensemble.HistGradientBoostingRegressor(
        loss="gamma",
        learning_rate=RATE,
        max_iter=TREES,
        max_leaf_nodes=LEAVES,
        min_samples_leaf=LEAF_ROWS,
        early_stopping=False,
        categorical_features=None,
        random_state=seed,
    ).fit(matrix, y)
    centre = float(np.log(boosting.predict(matrix)).mean())
    return ErrorTrees(features=features, places=places, numbers=numbers, boosting=boosting, centre=centre)


def _select(matrix: Floats, y: Floats, rows: Rows, random: np.random.Generator) -> Rows:
    """Select the columns between whose ranges the sizes differ most, if there are many."""
    if matrix.shape[1] <= COLUMNS:
        return np.arange(matrix.shape[1])
    sample = random.choice(len(rows), min(len(rows), SELECT_ROWS), replace=False)
    sizes = y[sample] - y[sample].mean()
    between = [_between(matrix[rows[sample], place], sizes) for place in range(matrix.shape[1])]
    return np.sort(np.argsort(between, kind="stable")[-COLUMNS:])


def _between(numbers: Floats, sizes: Floats) -> float:
    """Compute the variance of the sizes between eighths of a column."""
    bins = np.argsort(np.argsort(numbers, kind="stable"), kind="stable") * 8 // len(numbers)
    return float((np.bincount(bins, sizes) ** 2 / np.bincount(bins)).sum())


def _level_numbers(features: Features, place: int, y: Floats, rows: Rows) -> Floats | None:
    """Compute a number for each level of a category: the mean size of its errors, mixed with that of all."""
    levels = features.levels[place]
    if levels is None:
        return None
    codes = features.matrix[rows, place]
    present = ~np.isnan(codes)
    codes = codes[present].astype(np.intp)
    counts = np.bincount(codes, minlength=len(levels))
    sums = np.bincount(codes, y[present], minlength=len(levels))
    numbers = (sums + PRIOR) / (counts + PRIOR)
    return np.append(np.where(counts < LEAF_ROWS, np.nan, numbers), np.nan)


def _encode(matrix: Floats, numbers: Sequence[Floats | None], values: Floats) -> Floats:
    """Encode features and predicted values as the trees take them: `(n, columns + 1)`."""
    encoded = np.column_stack([matrix, values])
    for place, of_level in enumerate(numbers):
        if of_level is not None:
            codes = matrix[:, place]
            encoded[:, place] = of_level[np.where(np.isnan(codes), len(of_level) - 1, codes).astype(np.intp)]
    return encoded


def _nodes(predictor: Any) -> list[Node]:
    """Read a tree of scikit-learn's boosting."""
    names = ("value", "is_leaf", "feature_idx", "num_threshold", "left", "right", "missing_go_to_left")
    return [
        (float(value),)
        if is_leaf
        else (int(column), float(threshold), int(left), int(right), int(missing_left))
        for value, is_leaf, column, threshold, left, right, missing_left in predictor.nodes[
            list(names)
        ].tolist()
    ]


def _columns(tree: Sequence[Node]) -> set[int]:
    return {int(node[0]) for node in tree if len(node) > 1}


def _renumber(node: Node, index: dict[int, int]) -> Node:
    return node if len(node) == 1 else (index[int(node[0])], *node[1:])
