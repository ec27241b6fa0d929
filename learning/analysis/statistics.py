"""Each column for itself: gaps, range, quantiles, how many values."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pandas import Series

from ..columns import Column
from ..dataset import Dataset
from ..encoding import MISSING
from .report import LabelShare

#: Cells that are sorted, or compared as texts, at most.
CELLS = 20_000_000
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)

Rows = NDArray[np.intp]


def sample(n: int, columns: int, seed: int, cells: int = CELLS) -> Rows | None:
    """Positions of rows, in order, so that the columns have at most `cells` of them; None: all `n`."""
    most = max(1, cells // max(1, columns))
    return None if n <= most else np.sort(np.random.default_rng(seed).choice(n, most, replace=False))


class Look:
    """A look at one column: at all of its cells where that is cheap, else at those of the drawn rows."""

    def __init__(self, column: Column, cells: Series, drawn: Rows | None):
        self.name = column.name
        self.column = column
        self.kind = column.kind.analysed_as(column.choices)
        #: `(n,)`: numbers, a category's codes, or texts.
        self.values = _values(column, cells)
        self.drawn = self.values if drawn is None else self.values[drawn]

    @cached_property
    def gaps(self) -> int:
        """Cells without a value."""
        return int(missing(self.values).sum())

    @property
    def rows(self) -> int:
        return len(self.values)

    @property
    def missing(self) -> float:
        return self.gaps / self.rows if self.rows else 0.0

    @cached_property
    def present(self) -> NDArray[Any]:
        """The values of the drawn rows that have one; numbers and codes sorted."""
        values = self.drawn[~missing(self.drawn)]
        return values if self.kind.is_text else np.sort(values)

    @cached_property
    def seen(self) -> int:
        """Different values among the drawn rows."""
        return len(self._counts)

    @cached_property
    def _counts(self) -> NDArray[np.intp]:
        """How often each of the different values comes among the drawn rows."""
        if self.kind.is_text:
            return Series(self.present).value_counts(sort=False).to_numpy()
        new = np.flatnonzero(self.present[1:] != self.present[:-1]) + 1
        return np.diff(np.concatenate(([0], new, [len(self.present)]))) if len(self.present) else new

    @cached_property
    def distinct(self) -> int:
        """Different values of all rows: Haas and Stokes' estimate, as PostgreSQL's ANALYZE has it, where not all
        were drawn ("Estimating the number of classes in a finite population", 1998).
        """
        drawn, all_ = len(self.present), self.rows - self.gaps
        if drawn in (0, all_):
            return self.seen
        once = int((self._counts == 1).sum())
        estimate = drawn * self.seen / (drawn - once + once * drawn / all_)
        return min(all_, round(estimate))

    @cached_property
    def minimum(self) -> float | None:
        return float(np.nanmin(self.values)) if self._ranged else None

    @cached_property
    def maximum(self) -> float | None:
        return float(np.nanmax(self.values)) if self._ranged else None

    @cached_property
    def quantiles(self) -> tuple[float, ...] | None:
        if not self._ranged or not len(self.present):
            return None
        return quantiles(self.present)

    @property
    def _ranged(self) -> bool:
        return self.kind.is_ranged and self.gaps < self.rows

    @cached_property
    def spaces(self) -> float:
        """Spaces in a text or in a category's name, on average."""
        if self.kind.is_text:
            counts = [text.count(" ") for text in self.present[:: max(1, len(self.present) // 1000)]]
        else:
            counts = [self.column.choices[int(code)].count(" ") for code in np.unique(self.present)]
        return float(np.mean(counts)) if counts else 0.0


def _values(column: Column, cells: Series) -> NDArray[Any]:
    if column.kind.is_category:
        return np.asarray(cells.cat.codes.to_numpy())
    return np.asarray(cells.to_numpy())


def missing(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Which of a look's values say nothing."""
    if values.dtype.kind == "f":
        return np.isnan(values)
    return values == (None if values.dtype == object else MISSING)


def quantiles(ordered: NDArray[np.float64]) -> tuple[float, ...]:
    """Of sorted numbers, at QUANTILES, between two neighbours in proportion."""
    places = np.array(QUANTILES) * (len(ordered) - 1)
    return tuple(np.interp(places, np.arange(len(ordered)), ordered).tolist())


def balance(dataset: Dataset) -> tuple[LabelShare, ...]:
    """How often each class comes; nothing unless it is a classification."""
    if dataset.y is None or not dataset.classes:
        return ()
    counts: Sequence[int] = np.bincount(dataset.y, minlength=len(dataset.classes)).tolist()
    shares = zip(dataset.classes, counts, strict=True)
    return tuple(LabelShare(label=label, share=n / len(dataset), count=n) for label, n in shares)


def label_quantiles(dataset: Dataset) -> tuple[float, ...] | None:
    """Of a regression's label."""
    if dataset.y is None or dataset.classes:
        return None
    return quantiles(np.sort(dataset.y))
