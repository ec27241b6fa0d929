"""Repeated rows: rows whose features equal those of others, which folds must not separate.

A model that has learned from a row knows its copy, so that a fold with copies on both sides scores memory. But where
features have few values, equal rows are different instances by chance, and new instances will equal known ones, too:
such rows stay independent.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..analysis import Analysis, Finding, FindingKind
from ..columns import Column
from ..dataset import Dataset
from ..lazy_imports import LazyModule
from .folds import FoldPlan, has_valid_folds
from .near_rows import find_near_rows, keep_near_rows_together

if TYPE_CHECKING:
    import pandas as pd
    from scipy import special
else:
    pd = LazyModule("pandas")
    special = LazyModule("scipy.special")

#: Repeats are copies if chance gives fewer than this share of the pairs of equal rows, and so many at this probability.
EXPLAINED, UNLIKELY = 0.5, 0.001
#: Mean number of rows per value from which on the values of a column repeat by nature.
FEW_VALUES = 5
#: Mean number of equal rows from which on rows are the cells of a table rather than copies.
CELLS = 10
#: Upper bound of the rows that the frequencies of values are counted in.
SAMPLE = 20_000

#: `(n,)`: for each row, the index of the first row with equal features.
FirstEqual = NDArray[np.intp]


@dataclass(frozen=True, kw_only=True)
class Repeats:
    """Rows that repeat others, beyond chance."""

    #: Number of all rows, and of rows that repeat an earlier one.
    rows: int
    repeated: int
    #: Number of rows among equal ones whose label is not that of the first.
    contradicting: int
    #: The dataset whose folds keep equal rows together; None if that leaves no valid folds.
    together: Dataset | None
    #: The same dataset, whatever the folds.
    dataset: Dataset

    def finding(self, effect: str = "") -> Finding:
        """Build the finding.

        Args:
            effect: Sentence about the difference that it makes to the score.
        """
        consequence = "Equal rows are in the same fold."
        if self.together is None:
            consequence = (
                "Too few different rows are left to keep equal ones in one fold: scores are too high."
            )
        other = f", {self.contradicting:,} of them with another label" if self.contradicting else ""
        sentence = f"{self.repeated:,} of {self.rows:,} rows repeat the features of another row{other}. "
        return Finding(
            kind=FindingKind.REPETITION, feature="", sentence=f"{sentence}{consequence} {effect}".strip()
        )


def find_repeats(plan: FoldPlan, dataset: Dataset, analysis: Analysis) -> Repeats | None:
    """Find copies of rows; None if there are none, if chance explains them, or for clusterings.

    Columns that identify rows are ignored: a copy may have a number of its own.
    """
    if dataset.y is None:
        return None
    columns = _compared_columns(dataset, analysis)
    first = find_equal_rows(dataset, columns)
    if first is None or _is_chance(dataset, columns, first):
        return None
    repeated = first != np.arange(len(first))
    marked = replace(dataset, repeated=first)
    return Repeats(
        rows=len(dataset),
        repeated=int(repeated.sum()),
        contradicting=int((dataset.y != dataset.y[first]).sum()),
        together=marked if has_valid_folds(plan, marked) else None,
        dataset=marked,
    )


def restore(plan: FoldPlan, dataset: Dataset, analysis: Analysis | None) -> Dataset:
    """Return the dataset with the same folds as in the build that made this analysis."""
    if analysis is None:
        return dataset
    if analysis.has(FindingKind.REPETITION):
        repeats = find_repeats(plan, dataset, analysis)
        dataset = dataset if repeats is None or repeats.together is None else repeats.together
    if analysis.has(FindingKind.GROUPING):
        near = find_near_rows(dataset, analysis, plan.seed)
        together = None if near is None else keep_near_rows_together(plan, dataset, near)
        dataset = dataset if together is None else together
    return dataset


def _compared_columns(dataset: Dataset, analysis: Analysis) -> list[Column]:
    """List the columns to compare, those with most values first, so that few of them distinguish most rows."""
    ignored = {
        f.feature for f in analysis.findings if f.kind in (FindingKind.IDENTIFIER, FindingKind.CONSTANT)
    }
    distinct = {feature.name: feature.distinct for feature in analysis.features}
    columns = [column for column in dataset.columns if column.name not in ignored]
    return sorted(columns, key=lambda column: (column.kind.is_text, -distinct.get(column.name, 0)))


def find_equal_rows(dataset: Dataset, columns: Sequence[Column]) -> FirstEqual | None:
    """Find the rows that are equal in these columns; None if no row equals another.

    Missing values equal each other. Only rows whose hashes so far repeat are compared in further columns.
    """
    rows = np.arange(len(dataset))
    hashes = np.zeros(len(dataset), dtype=np.uint64)
    for number, column in enumerate(columns, start=1):
        hashes = _mix(hashes + _bits(column, dataset.X[column.name].iloc[rows]))
        if number & (number - 1) == 0 or number == len(columns):
            is_repeated = _mark_repeated(hashes)
            rows, hashes = rows[is_repeated], hashes[is_repeated]
    if not len(rows) or not columns:
        return None
    _, places, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    first = np.arange(len(dataset))
    first[rows] = rows[places[inverse]]
    return first


def _bits(column: Column, cells: "pd.Series") -> NDArray[np.uint64]:
    """Encode values as 64 bits that are equal for equal values: `(n,)`."""
    if column.kind.is_category:
        return cells.cat.codes.to_numpy().astype(np.int64).view(np.uint64)
    if column.kind.is_text:
        return pd.util.hash_array(cells.to_numpy(dtype=object))
    values = cells.to_numpy(dtype=np.float64) + 0.0  # makes the two signs of zero equal
    values[np.isnan(values)] = np.nan
    return values.view(np.uint64)


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Mix the bits (the finaliser of Steele, Lea and Flood's SplitMix, 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31)) ^ np.uint64(0x9E3779B97F4A7C15)


def _mark_repeated(hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
    ordered = np.sort(hashes)
    repeated = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if not len(repeated):
        return np.zeros(len(hashes), dtype=np.bool_)
    places = np.minimum(np.searchsorted(repeated, hashes), len(repeated) - 1)
    return np.asarray(repeated[places] == hashes)


def _is_chance(dataset: Dataset, columns: Sequence[Column], first: FirstEqual) -> bool:
    """Return whether independent draws of the columns' values would give about as many pairs of equal rows."""
    rows = len(first)
    distinct = np.flatnonzero(first == np.arange(rows))
    if len(distinct) * CELLS <= rows or (len(columns) == 1 and not columns[0].kind.is_text):
        return True
    pairs = _count_pairs(first)
    chance = np.prod([_coincidence(dataset, column, distinct) for column in columns])
    expected = float(chance) * rows * (rows - 1) / 2
    return expected > EXPLAINED * pairs or special.pdtrc(pairs - 1, expected) > UNLIKELY


def _coincidence(dataset: Dataset, column: Column, distinct: NDArray[np.intp]) -> float:
    """Estimate the probability that two rows have the same value.

    Copies are left out, unless the values of the column repeat by nature.
    """
    bits = _bits(column, dataset.X[column.name].iloc[_sample(np.arange(len(dataset)))])
    if len(np.unique(bits)) * FEW_VALUES > len(bits):
        bits = _bits(column, dataset.X[column.name].iloc[_sample(distinct)])
    return _count_pairs(bits) / max(1, len(bits) * (len(bits) - 1) / 2)


def _sample(rows: NDArray[np.intp]) -> NDArray[np.intp]:
    return rows if len(rows) <= SAMPLE else np.random.default_rng(0).choice(rows, SAMPLE, replace=False)


def _count_pairs(values: NDArray[np.generic]) -> int:
    """Count the pairs of equal values."""
    counts = np.unique(values, return_counts=True)[1].astype(np.int64)
    return int((counts * (counts - 1) // 2).sum())
