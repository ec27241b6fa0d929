"""Statistics of single columns: missing values, range, quantiles, distinct values."""

from collections.abc import Sequence
from functools import cached_property
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pandas import Series

from ..columns import Column
from ..dataset import Dataset
from ..encoding import MISSING
from .report import GRID, QUANTILES, LabelShare, ValueCount

#: Upper bound of the cells that are sorted, or compared as texts.
CELLS = 20_000_000
#: Upper bound of the frequent values that are stored, and their least share.
VALUES, FREQUENT = 32, 0.01

Rows = NDArray[np.intp]
#: `(n,)`: numbers as float64, codes of categories as integers, or texts as objects.
Cells = NDArray[Any]


def sample(n: int, columns: int, seed: int, cells: int = CELLS) -> Rows | None:
    """Draw ascending row indices such that the columns have at most `cells` cells; None: all `n` rows."""
    most = max(1, cells // max(1, columns))
    return None if n <= most else np.sort(np.random.default_rng(seed).choice(n, most, replace=False))


class ColumnStatistics:
    """Statistics of one column: of all cells if that is cheap, else of the sampled rows."""

    def __init__(self, column: Column, cells: Series, rows: Rows | None):
        self.name = column.name
        self.column = column
        self.kind = column.kind.analysed_as(column.choices)
        #: Of a category, its choices or levels by their codes.
        self.levels: Sequence[str] = cells.cat.categories if column.kind.is_category else ()
        self.values = _to_cells(column, cells)
        self.sampled = self.values if rows is None else self.values[rows]

    @cached_property
    def missing_count(self) -> int:
        """Number of cells without a value."""
        return int(is_missing(self.values).sum())

    @property
    def rows(self) -> int:
        """Number of all rows."""
        return len(self.values)

    @property
    def missing(self) -> float:
        """Share of cells without a value."""
        return self.missing_count / self.rows if self.rows else 0.0

    @cached_property
    def present(self) -> Cells:
        """Sampled values that are not missing; numbers and codes are sorted."""
        values = self.sampled[~is_missing(self.sampled)]
        return values if self.kind.is_text else np.sort(values)

    @cached_property
    def sampled_distinct(self) -> int:
        """Number of distinct values in the sample."""
        return len(self._counts)

    @property
    def _counts(self) -> NDArray[np.intp]:
        """Frequency of each distinct value in the sample."""
        return self._values_and_counts[1]

    @cached_property
    def _values_and_counts(self) -> tuple[Cells, NDArray[np.intp]]:
        """Distinct values of the sample, and their frequencies."""
        present = self.present
        if self.kind.is_text:
            counts = Series(present).value_counts(sort=False)
            return counts.index.to_numpy(dtype=object), counts.to_numpy()
        starts = np.flatnonzero(np.concatenate(([True], present[1:] != present[:-1]))[: len(present)])
        return present[starts], np.diff(np.append(starts, len(present)))

    @cached_property
    def frequent(self) -> tuple[ValueCount, ...]:
        """Most frequent values of the sample, the most frequent first."""
        values, counts = self._values_and_counts
        order = np.argsort(-counts, kind="stable")[:VALUES]
        order = order[counts[order] >= FREQUENT * len(self.present)]
        return tuple(
            ValueCount(value=self._name(values[place]), count=int(counts[place]))
            for place in order
            if counts[place] > 1
        )

    def _name(self, value: Any) -> str:
        if self.kind.is_text or self.kind.is_open:
            text = value if self.kind.is_text else self.levels[int(value)]
            return blake2b(str(text).encode(errors="replace"), digest_size=6).hexdigest()
        return self.levels[int(value)] if self.column.kind.is_category else f"{float(value):.15g}"

    @cached_property
    def distinct(self) -> int:
        """Number of distinct values in all rows, estimated if they were sampled.

        Haas and Stokes, Estimating the number of classes in a finite population, 1998, as in PostgreSQL's ANALYZE.
        """
        sampled, total = len(self.present), self.rows - self.missing_count
        if sampled in (0, total):
            return self.sampled_distinct
        once = int((self._counts == 1).sum())
        estimate = sampled * self.sampled_distinct / (sampled - once + once * sampled / total)
        return min(total, round(estimate))

    @cached_property
    def minimum(self) -> float | None:
        """Smallest value of a kind with a range."""
        return float(np.nanmin(self.values)) if self._has_range else None

    @cached_property
    def maximum(self) -> float | None:
        """Largest value of a kind with a range."""
        return float(np.nanmax(self.values)) if self._has_range else None

    @cached_property
    def quantiles(self) -> tuple[float, ...] | None:
        """Values at QUANTILES of a kind with a range."""
        if not self._has_range or not len(self.present):
            return None
        return compute_quantiles(self.present)

    @cached_property
    def grid(self) -> tuple[float, ...] | None:
        """Values at GRID of a kind with a range."""
        if not self._has_range or not len(self.present):
            return None
        return compute_quantiles(self.present, GRID)

    @cached_property
    def is_whole(self) -> bool:
        """True if numbers are whole, as far as a thousand of them show."""
        values = self.present[:: max(1, len(self.present) // 1_000)]
        return bool(len(values)) and bool((values == np.round(values)).all())

    @property
    def middle(self) -> float:
        """Median of the numbers in the sample; 0 if there are none."""
        return float(self.present[len(self.present) // 2]) if len(self.present) else 0.0

    @property
    def _has_range(self) -> bool:
        return self.kind.is_ranged and self.missing_count < self.rows

    @cached_property
    def spaces(self) -> float:
        """Mean number of spaces in a text or in a category's name."""
        if self.kind.is_text:
            counts = [text.count(" ") for text in self.present[:: max(1, len(self.present) // 1000)]]
        else:
            counts = [self.levels[int(code)].count(" ") for code in np.unique(self.present)]
        return float(np.mean(counts)) if counts else 0.0


def _to_cells(column: Column, cells: Series) -> Cells:
    if column.kind.is_category:
        return np.asarray(cells.cat.codes.to_numpy())
    return np.asarray(cells.to_numpy())


def is_missing(values: Cells) -> NDArray[np.bool_]:
    """Mark the cells without a value: `(n,)`."""
    if values.dtype.kind == "f":
        return np.isnan(values)
    return values == (None if values.dtype == object else MISSING)


def compute_quantiles(
    ordered: NDArray[np.float64], positions: Sequence[float] = QUANTILES
) -> tuple[float, ...]:
    """Compute the quantiles of sorted numbers at these positions, with linear interpolation."""
    places = np.array(positions) * (len(ordered) - 1)
    return tuple(np.interp(places, np.arange(len(ordered)), ordered).tolist())


def label_balance(dataset: Dataset) -> tuple[LabelShare, ...]:
    """Compute the share of each class; empty unless the task is classification."""
    if dataset.y is None or not dataset.classes:
        return ()
    counts: Sequence[int] = np.bincount(dataset.y, minlength=len(dataset.classes)).tolist()
    shares = zip(dataset.classes, counts, strict=True)
    return tuple(LabelShare(label=label, share=n / len(dataset), count=n) for label, n in shares)


def label_quantiles(dataset: Dataset, positions: Sequence[float] = QUANTILES) -> tuple[float, ...] | None:
    """Compute the quantiles of a regression's label; None for other tasks."""
    if dataset.y is None or dataset.classes:
        return None
    return compute_quantiles(np.sort(dataset.y), positions)
