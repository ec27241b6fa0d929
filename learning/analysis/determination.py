"""Determination: several features that together give the label, by a formula or by a few rules.

A feature that gives the label alone is found by `findings`. All models are scored on rows that they have not learned
from.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..dataset import Dataset
from ..sentences import list_names
from .pairs import find_pair
from .rules import CLEARLY, DETERMINES, Rules, r2
from .statistics import ColumnStatistics, is_missing
from .univariate import PARTS, Target, encode_ranks

Columns = Sequence[ColumnStatistics]
Matrix = NDArray[np.float64]

#: Upper bounds of the sampled rows, and of their cells.
ROWS, CELLS = 3_000, 300_000
#: Least number of rows for formulas, and for rules: fewer cannot distinguish them from chance.
LEAST, ENOUGH = 100, 200
#: Upper bound of the features that are few.
FEW = 5
#: Score of a formula that is exact but for rounding; it may have any number of features.
EXACT = 1 - 1e-9
#: Share of the rows, between extreme labels, on which a formula must hold too: one huge label outweighs all others.
CENTRAL = 0.9
#: Upper bound of a feature's missing share, for formulas.
MISSING_SHARE = 0.1


class Relation(Protocol):
    """Model of the label whose columns, numbered from 0, can be left out."""

    @property
    def names(self) -> Sequence[str]:
        """Names of the columns."""

    @property
    def measure(self) -> str:
        """Name of the score."""

    @property
    def determines(self) -> float:
        """Least score of columns that determine the label."""

    def score(self, places: Sequence[int], least: float = -inf) -> float:
        """Score a model of these columns on held-out rows; 1 is perfect.

        Args:
            least: A model that cannot reach it may be scored on a part of the rows, as if it were right on the rest.
        """

    def weights(self) -> Matrix:
        """Compute the importance of each column: `(columns,)`."""


def find_determination(columns: Columns, dataset: Dataset, seed: int) -> tuple[tuple[str, ...], str] | None:
    """Find several columns that together determine the label; None if there are none.

    Returns:
        The names, the most important first, and a sentence.
    """
    for relation, kind in _relations(columns, dataset, seed):
        if carriers := find_carriers(relation):
            names = tuple(relation.names[place] for place in carriers.places)
            return names, _describe(names, kind, relation.measure, carriers.score)
    rules = _rules(columns, dataset, seed)
    pair = None if rules is None else find_pair(_without_texts(columns), rules.target, seed)
    if rules is None or pair is None:
        return None
    derived, score = pair
    return derived.names, _describe(derived.names, derived.words, rules.measure, score)


def _describe(names: Sequence[str], kind: str, measure: str, score: float) -> str:
    return (
        f"{list_names(names)} together give the label {kind} ({measure} {score:.4g} on held-out rows): is it computed "
        "from them, or are they known only after it?"
    )


@dataclass(frozen=True)
class Carriers:
    """Columns that carry a relation."""

    #: Places of the columns, the most important first.
    places: list[int]
    #: Score of a model of them.
    score: float


def find_carriers(relation: Relation, counts: Sequence[int] = range(2, FEW + 1)) -> Carriers | None:
    """Find the columns that carry a relation; None if they do not determine the label.

    The most important columns are taken until they suffice, then those are left out that the others replace.

    Args:
        counts: Numbers of columns that are few, ascending.
    """
    weights, scores = relation.weights(), _Scores(relation)
    order = [int(place) for place in np.argsort(-weights, kind="stable") if weights[place] > 0]
    for count in counts:
        if count <= len(order) and scores.suffice(order[:count]):
            places = _without_replaceable(scores, order[:count])
            return scores.carriers(places) if len(places) in counts and _is_clear(scores, places) else None
    needed = [place for place in order if weights[place] > 1e-6 * weights.max()]
    return scores.carriers(needed) if len(needed) > FEW and scores.reach(EXACT, needed) else None


class _Scores:
    """Scores of a relation by columns; none is computed twice, nor further than it takes to compare it."""

    def __init__(self, relation: Relation) -> None:
        self.relation = relation
        #: Scores, and upper bounds of insufficient ones.
        self._exact: dict[tuple[int, ...], float] = {}
        self._bounds: dict[tuple[int, ...], float] = {}

    def exact(self, places: Sequence[int]) -> float:
        """Return the score of these columns."""
        key = tuple(places)
        if key not in self._exact:
            self._exact[key] = self.relation.score(places)
        return self._exact[key]

    def suffice(self, places: Sequence[int]) -> bool:
        """Return whether these columns determine the label."""
        return self.reach(self.relation.determines, places)

    def reach(self, least: float, places: Sequence[int]) -> bool:
        """Return whether the score of these columns is at least so large."""
        key = tuple(places)
        if key not in self._exact and self._bounds.get(key, inf) >= least:
            score = self.relation.score(places, least)
            (self._exact if score >= least else self._bounds)[key] = score
        bounds = self._bounds if key not in self._exact else self._exact
        return bounds[key] >= least

    def is_error_from(self, least: float, places: Sequence[int]) -> bool:
        """Return whether the error of these columns is at least so large."""
        if self.reach(1 - least, places):
            return 1 - self.exact(places) >= least
        return 1 - self._bounds[tuple(places)] >= least or 1 - self.exact(places) >= least

    def carriers(self, places: list[int]) -> Carriers:
        """Return these columns with their score."""
        return Carriers(places, self.exact(places))


def _without_replaceable(scores: _Scores, places: list[int]) -> list[int]:
    for place in reversed(places):
        others = [other for other in places if other != place]
        if others and scores.suffice(others):
            places = others
    return places


def _is_clear(scores: _Scores, places: Sequence[int]) -> bool:
    """Return whether the error grows by far without any one of several columns."""
    if len(places) == 1:
        return True
    error = 1 - scores.exact(places)
    without = [[other for other in places if other != place] for place in places]
    return all(scores.is_error_from(CLEARLY * error, each) for each in without)


@dataclass(frozen=True)
class Formula:
    """Linear model of a regression's label, or of its logarithm: sums and differences, products and ratios."""

    names: Sequence[str]
    #: `(m, columns)`: standardised.
    X: Matrix
    #: `(m,)`
    y: Matrix
    measure: str = "R²"
    determines: float = DETERMINES

    @classmethod
    def of(cls, names: Sequence[str], X: Matrix, y: Matrix) -> "Formula | None":
        """Build the model; None if there are too few rows or columns."""
        if len(y) < max(LEAST, 2 * len(names)) or len(names) < 2:
            return None
        return cls.standardised(names, X, y)

    @classmethod
    def standardised(cls, names: Sequence[str], X: Matrix, y: Matrix) -> "Formula":
        """Build the model of standardised columns; constant ones become 0."""
        deviations = X.std(axis=0)
        return cls(names, (X - X.mean(axis=0)) / np.where(deviations > 0, deviations, np.inf), y)

    def score(self, places: Sequence[int], least: float = -inf) -> float:
        """Compute R² on the held-out rows, and on those of them without extreme labels: the lower one."""
        coefficients, y = self._fit(places), self.y[self._held_out]
        X = self.X[self._held_out][:, list(places)]
        residuals = y - coefficients[0] - X @ coefficients[1:]
        low, high = np.quantile(y, [(1 - CENTRAL) / 2, (1 + CENTRAL) / 2])
        central = (y >= low) & (y <= high)
        return min(r2(y, residuals), r2(y[central], residuals[central]))

    def weights(self) -> Matrix:
        """Compute the absolute coefficients; zeros if all columns are worse than few could be."""
        columns = range(len(self.names))
        if self.score(columns) < 2 * DETERMINES - 1:
            return np.zeros(len(columns))
        return np.abs(self._fit(columns)[1:])

    def _fit(self, places: Sequence[int]) -> Matrix:
        learn = np.setdiff1d(np.arange(len(self.y)), self._held_out)
        X = np.column_stack([np.ones(len(learn)), self.X[learn][:, list(places)]])
        return np.asarray(np.linalg.lstsq(X, self.y[learn], rcond=None)[0])

    @cached_property
    def _held_out(self) -> NDArray[np.intp]:
        return np.arange(0, len(self.y), PARTS)


def _relations(columns: Columns, dataset: Dataset, seed: int) -> Iterator[tuple[Relation, str]]:
    """Yield the relations that are tried, with words for each."""
    if not dataset.classes:
        yield from _formulas(columns, dataset, seed)
    rules = _rules(columns, dataset, seed)
    if rules is not None:
        yield rules, "by a few rules"


def _formulas(columns: Columns, dataset: Dataset, seed: int) -> Iterator[tuple[Formula, str]]:
    numbers = [c for c in columns if (c.kind.is_ranged or c.kind.is_boolean) and c.missing < MISSING_SHARE]
    if dataset.y is None or len(numbers) < 2:
        return
    rows = np.random.default_rng(seed).permutation(len(dataset))[: min(ROWS, CELLS // len(numbers))]
    cells = [column.values[rows] for column in numbers]
    complete = ~np.any([is_missing(column) for column in cells], axis=0)
    X, y = np.column_stack(cells).astype(np.float64)[complete], dataset.y[rows][complete]
    names = [column.name for column in numbers]
    if (linear := Formula.of(names, X, y)) is not None:
        yield linear, "as a sum or difference"
    positive = (X > 0).all(axis=0)
    if len(y) and (y > 0).all() and positive.any():
        names = [name for name, is_positive in zip(names, positive, strict=True) if is_positive]
        if (product := Formula.of(names, np.log(X[:, positive]), np.log(y))) is not None:
            yield product, "as a product or ratio"


def _without_texts(columns: Columns) -> list[ColumnStatistics]:
    return [column for column in columns if not column.kind.is_text]


def _rules(columns: Columns, dataset: Dataset, seed: int) -> Rules | None:
    columns = _without_texts(columns)
    if len(columns) < 2:
        return None
    target = Target.balanced(dataset, min(ROWS, CELLS // len(columns)), seed)
    if target is None or len(target.rows) < ENOUGH:
        return None
    X = np.column_stack([encode_ranks(column.values[target.rows]) for column in columns])
    return Rules([column.name for column in columns], X, target)
