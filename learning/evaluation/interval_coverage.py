"""Coverage of prediction intervals: of all rows, by thirds of the predicted value, and by slices."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..dataset import Dataset
from ..lazy_imports import LazyModule
from .intervals import LEVELS, Coverage

if TYPE_CHECKING:
    from scipy import special
else:
    special = LazyModule("scipy.special")

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: Rows of a slice, at least; number of slices that are told, at most.
SLICE_ROWS, SLICES = 30, 12
#: Level whose coverage is tested in each part, and chance that the tests of all find one below it that is not.
TESTED, ALPHA = 0.9, 0.05


class Part(NamedTuple):
    """Some of the rows."""

    #: The feature whose value they share; None: a third.
    feature: str | None
    value: str
    mask: Mask


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Intervals of held-out rows that were computed from others."""

    #: `(n,)` each: predicted value, label, row of the dataset, which may be there more than once.
    values: Floats
    truths: Floats
    rows: NDArray[np.intp]
    #: `(levels, n)` each: the intervals' ends.
    low: Floats
    high: Floats

    @property
    def count(self) -> int:
        """Number of different rows."""
        return len(np.unique(self.rows))

    @cached_property
    def inside(self) -> Mask:
        """Marks of the intervals that contain the truth: `(levels, n)`."""
        return np.asarray((self.low <= self.truths) & (self.truths <= self.high))

    @property
    def score(self) -> Floats:
        """Interval score of each row, weighted over the levels: `(n,)`; less is better."""
        tails = (1 - np.array(LEVELS)[:, None]) / 2
        misses = np.maximum(self.low - self.truths, 0) + np.maximum(self.truths - self.high, 0)
        return np.asarray((tails * (self.high - self.low) + misses).mean(axis=0))

    @property
    def coverage(self) -> dict[str, float]:
        """Share of the truths inside, by level as text."""
        return _by_level(self.inside.mean(axis=1))

    @property
    def width(self) -> dict[str, float]:
        """Mean width, by level as text."""
        return _by_level((self.high - self.low).mean(axis=1))

    def by_row(self, numbers: Floats) -> Floats:
        """Average `(n,)` numbers over the times that a row is there."""
        index = np.unique(self.rows, return_inverse=True)[1]
        return np.asarray(np.bincount(index, numbers) / np.bincount(index))

    def by_part(self, dataset: Dataset) -> tuple[tuple[Coverage, ...], tuple[Coverage, ...]]:
        """Compute the coverage of thirds, and of slices, the lowest at TESTED first."""
        # Of predictions that are equal, a third may be empty.
        parts = [part for part in (*self._thirds(), *self._slices(dataset)) if part.mask.any()]
        coverages = [self._coverage_of(part, tests=len(parts)) for part in parts]
        slices = [each for each in coverages if each.feature is not None]
        slices.sort(key=lambda each: each.coverage[f"{TESTED:g}"])
        return tuple(each for each in coverages if each.feature is None), tuple(slices[:SLICES])

    def _thirds(self) -> Iterator[Part]:
        """Yield thirds of the rows by their predicted value, the smallest first, if there are enough rows."""
        first, second = np.quantile(self.values, [1 / 3, 2 / 3])
        if first == second or self.count < 3 * SLICE_ROWS:
            return
        low, high = self.values <= first, self.values > second
        yield Part(None, f"up to {first:.4g}", low)
        yield Part(None, f"{first:.4g} to {second:.4g}", ~low & ~high)
        yield Part(None, f"above {second:.4g}", high)

    def _slices(self, dataset: Dataset) -> Iterator[Part]:
        """Yield the rows that share a value of a category or of a boolean, if there are enough of them."""
        for column in dataset.columns:
            if not column.kind.is_discrete:
                continue
            cells = dataset.X[column.name]
            counts = cells.iloc[np.unique(self.rows)].value_counts(sort=False)
            held_out = cells.iloc[self.rows]
            for value in counts.index[(counts >= SLICE_ROWS) & (counts < counts.sum())]:
                yield Part(column.name, column.kind.describe_value(value), (held_out == value).to_numpy())

    def _coverage_of(self, part: Part, tests: int) -> Coverage:
        measured = Measured(
            values=self.values[part.mask],
            truths=self.truths[part.mask],
            rows=self.rows[part.mask],
            low=self.low[:, part.mask],
            high=self.high[:, part.mask],
        )
        rows, coverage = measured.count, measured.coverage
        inside = round(coverage[f"{TESTED:g}"] * rows)
        return Coverage(
            feature=part.feature,
            value=part.value,
            rows=rows,
            coverage=coverage,
            width=measured.width,
            # An exact binomial test, with Bonferroni's correction.
            short=bool(special.bdtr(inside, rows, TESTED) * tests < ALPHA),
        )


def _by_level(numbers: Floats) -> dict[str, float]:
    return {f"{level:g}": number for level, number in zip(LEVELS, numbers.tolist(), strict=True)}
