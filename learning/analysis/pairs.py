"""Pairs: two features that together give the label by their difference, by whether they are equal, and the like.

A tree of the columns themselves cannot cut along a diagonal. So columns are derived from each pair, and all of them are
ranked by how well few rows sorted by them are sorted by label; the best are scored on rows not learned from.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .rules import CLEARLY, DETERMINES, Rules, least_accuracy
from .statistics import ColumnStatistics, is_missing
from .univariate import PARTS, Target, encode_ranks

Columns = Sequence[ColumnStatistics]
Numbers = NDArray[np.float64]

#: Upper bounds of the pairs, of the cells that rank what is derived from them, and of the derived columns scored.
PAIRS, CELLS, SCORED = 3_000, 3_000_000, 8
#: Upper bound of the columns that are derived from a pair.
DERIVED = 10
#: Least and largest number of rows that rank.
RANKED = (60, 400)
#: Upper bound of the distinct values of two columns whose table is tried, and least mean rows of a cell.
LEVELS, ROWS_PER_CELL = 16, 5


@dataclass(frozen=True, eq=False)
class Derived:
    """Column that is derived from two others."""

    one: ColumnStatistics
    other: ColumnStatistics
    #: How, as a part of a sentence.
    words: str
    #: `(m,)`: on the target's rows.
    cells: NDArray[Any]
    #: Whether the cells are the places of a table, which have no order.
    is_table: bool = False

    @property
    def names(self) -> tuple[str, str]:
        """Names of the two columns."""
        return self.one.name, self.other.name

    def score(self, target: Target, least: float = -inf) -> float:
        """Score the out-of-fold predictions by these cells alone: accuracy, or R² of the ranks.

        Args:
            least: See `rules.score_parts`.
        """
        if self.is_table:
            return _score_table(self.cells, target)
        return Rules(("",), encode_ranks(self.cells), target).score([0], least)


def _score_table(cells: NDArray[np.intp], target: Target) -> float:
    hits = 0
    for part in range(PARTS):
        held_out = target.parts == part
        counts = np.zeros((int(cells.max()) + 1, target.classes))
        np.add.at(counts, (cells[~held_out], target.y[~held_out].astype(np.intp)), 1)
        hits += int((counts.argmax(axis=1)[cells[held_out]] == target.y[held_out]).sum())
    return hits / len(cells)


def find_pair(columns: Columns, target: Target, seed: int) -> tuple[Derived, float] | None:
    """Find two columns that determine the label, and their score; None if there are none.

    Neither alone may come near, nor any other pair: many honest columns each tell much.
    """
    derived = [*rank_tables(columns, target), *rank_pairs(columns, target, seed)]
    least = least_accuracy(len(target.y), target.classes - 1) if target.classes else DETERMINES
    if all(each.score(target, least) < least for each in derived):
        return None
    scored = sorted(((each, each.score(target)) for each in derived), key=lambda pair: -pair[1])
    best, score = scored[0]
    ranks = np.column_stack([encode_ranks(column.values[target.rows]) for column in (best.one, best.other)])
    alone = Rules(best.names, ranks, target)
    others = [other for each, other in scored if set(each.names) != set(best.names)]
    next_best = max([alone.score([0]), alone.score([1]), *others])
    error = max(1 - score, 1 / len(target.y))
    return (best, score) if 1 - next_best >= CLEARLY * error else None


def rank_pairs(columns: Columns, target: Target, seed: int) -> list[Derived]:
    """List the columns derived from pairs whose order follows the label best, the best first."""
    pairs = sorted(combinations(columns, 2), key=lambda pair: pair[0].kind != pair[1].kind)[:PAIRS]
    rows = _ranking_rows(target, len(pairs), seed)
    best: list[tuple[float, int, int]] = []
    for place, pair in enumerate(pairs):
        cells = [derived.cells for derived in _derive(*pair, target, rows)]
        if cells:
            disorders = _disorder(np.column_stack(cells), target, rows)
            best += [(float(disorder), place, number) for number, disorder in enumerate(disorders)]
    chosen = sorted(best)[:SCORED]
    every = np.arange(len(target.y))
    return [list(_derive(*pairs[place], target, every))[number] for _, place, number in chosen]


def _ranking_rows(target: Target, pairs: int, seed: int) -> NDArray[np.intp]:
    """Draw rows in random order, so that equal values come in any order; as many of each class."""
    count = int(np.clip(CELLS // max(1, DERIVED * pairs), *RANKED))
    random = np.random.default_rng(seed)
    rows = random.permutation(len(target.y))
    if not target.classes:
        return rows[:count]
    each = max(2, count // target.classes)
    return random.permutation(
        np.concatenate([rows[target.y[rows] == c][:each] for c in range(target.classes)])
    )


def _disorder(derived: Numbers, target: Target, rows: NDArray[np.intp]) -> Numbers:
    """Compute how often, or how far, neighbours in the order of each column have another label.

    The numerator of Chatterjee, A new coefficient of correlation, 2021.
    """
    y = target.y[rows][np.argsort(derived, axis=0, kind="stable")]
    differences = y[1:] != y[:-1] if target.classes else abs(y[1:] - y[:-1])
    return np.asarray(differences.mean(axis=0))


def _derive(
    one: ColumnStatistics, other: ColumnStatistics, target: Target, rows: NDArray[np.intp]
) -> Iterator[Derived]:
    """Yield what is derived from two columns; on the same rows of the dataset always in the same order."""
    for words, cells in _cells(one, other, target.rows[rows]):
        yield Derived(one, other, words, cells)


def _cells(
    one: ColumnStatistics, other: ColumnStatistics, rows: NDArray[np.intp]
) -> Iterator[tuple[str, Numbers]]:
    if _is_number(one) and _is_number(other):
        a, b = (column.values[rows].astype(np.float64) for column in (one, other))
        with np.errstate(all="ignore"):
            yield "by their difference", _fill(a - b)
            yield "by the size of their difference", _fill(abs(a - b))
            yield "by their sum", _fill(a + b)
            yield "by their product", _fill((a - one.middle) * (b - other.middle))
            yield "by their ratio", _fill(a / b)
            yield "by the smaller of both", _fill(np.minimum(a, b))
            yield "by the larger of both", _fill(np.maximum(a, b))
            if one.is_whole and other.is_whole:
                yield "by whether their sum is even", _fill(np.mod(a + b, 2))
                yield "by the remainder of a division", _fill(np.mod(a, b))
                yield "by the remainder of a division", _fill(np.mod(b, a))
    elif one.column.kind.is_category and other.column.kind.is_category:
        yield "by whether they are equal", _equal(one, other, rows)


def _is_number(column: ColumnStatistics) -> bool:
    return column.kind.is_ranged or column.kind.is_boolean


def _fill(values: Numbers) -> Numbers:
    """Replace undefined values by the lowest number, so that they come first."""
    return np.where(np.isfinite(values), values, -np.finfo(np.float64).max)


def _equal(one: ColumnStatistics, other: ColumnStatistics, rows: NDArray[np.intp]) -> Numbers:
    number = {level: place for place, level in enumerate(one.levels)}
    translated = np.array([*(number.get(level, -2) for level in other.levels), -2])
    return (one.values[rows] == translated[other.values[rows]]).astype(np.float64)


def rank_tables(columns: Columns, target: Target) -> list[Derived]:
    """List the pairs of columns with few values whose table follows the classes best, the best first."""
    if not target.classes:
        return []
    codes = {}
    for column in columns:
        cells = column.values[target.rows]
        values, coded = np.unique(np.where(is_missing(cells), -np.inf, cells), return_inverse=True)
        if 2 <= len(values) <= LEVELS:
            codes[column.name] = (column, coded, len(values))
    tables = []
    for (one, a, _), (other, b, width) in list(combinations(codes.values(), 2))[:PAIRS]:
        cells = a * width + b
        counts = np.zeros((int(cells.max()) + 1, target.classes))
        np.add.at(counts, (cells, target.y.astype(np.intp)), 1)
        used = counts.sum(axis=1) > 0
        if used.sum() * ROWS_PER_CELL <= len(cells):
            wrong = len(cells) - counts.max(axis=1).sum()
            tables.append(
                (float(wrong), Derived(one, other, "by the table of their values", cells, is_table=True))
            )
    return [derived for _, derived in sorted(tables, key=lambda each: each[0])[:SCORED]]
