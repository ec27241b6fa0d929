"""Numeric steps: the fitted transformers of `preprocess` for numbers, as arithmetic on arrays."""

from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..lazy_imports import LazyModule

if TYPE_CHECKING:
    from scipy import special
else:
    special = LazyModule("scipy.special")

Floats = NDArray[np.float64]

#: QuantileTransformer's tolerance: a number this near to the smallest or largest quantile counts as equal to it.
_TOLERANCE = 1e-7
#: Up to this many cells a loop over Python floats is faster than NumPy.
_FEW_CELLS = 400


@cache
def _normal_range() -> tuple[float, float]:
    """Compute the smallest and largest number of QuantileTransformer's normal output."""
    tail = _TOLERANCE - np.spacing(1)
    return special.ndtri(tail), special.ndtri(1 - tail)


@dataclass(frozen=True, eq=False)
class Imputation:
    """Fills missing numbers, and appends indicator columns for some of them."""

    #: `(columns,)`: what a missing number becomes.
    values: Floats
    #: Columns that have an indicator; None: none has.
    indicated: NDArray[np.intp] | None

    def __call__(self, x: Floats, missing: NDArray[np.bool_] | None) -> Floats:
        filled = x if missing is None else np.where(missing, self.values, x)
        if self.indicated is None:
            return filled
        indicators = np.zeros((len(x), len(self.indicated)))
        if missing is not None:
            indicators[:] = missing.take(self.indicated, axis=1)
        return np.concatenate((filled, indicators), axis=1)


@dataclass(frozen=True, eq=False)
class Standardisation:
    """Subtracts the mean and divides by the scale, per column."""

    mean: Floats
    scale: Floats

    def __call__(self, x: Floats) -> Floats:
        centred = x - self.mean
        centred /= self.scale
        return centred

    def invert(self, x: Floats) -> Floats:
        """Undo the standardisation."""
        return x * self.scale + self.mean


@dataclass(frozen=True, eq=False)
class PairProducts:
    """Appends the squares and the pairwise products of the columns."""

    #: `(products,)`: the factors' columns.
    left: NDArray[np.intp]
    right: NDArray[np.intp]

    def __call__(self, x: Floats) -> Floats:
        return np.concatenate((x, x.take(self.left, axis=1) * x.take(self.right, axis=1)), axis=1)


class QuantileRanks:
    """Maps numbers to their ranks among the training data, 0 to 1, or to the normal quantiles of these ranks.

    A number that occurred more than once has the middle of its ranks.
    """

    def __init__(self, quantiles: Floats, ranks: Floats, normal: bool):
        #: `(quantiles, columns)`.
        self.quantiles = quantiles
        self.ranks = ranks
        self.normal = normal
        self._curves = [_RankCurve.from_quantiles(column, ranks) for column in quantiles.T]

    def __call__(self, x: Floats) -> Floats:
        ranks = self._ranks(x)
        lowest, highest = self.quantiles[0], self.quantiles[-1]
        if not self.normal:
            ranks[x == highest] = 1.0
            ranks[x == lowest] = 0.0
            return ranks
        ranks[x + _TOLERANCE > highest] = 1.0
        ranks[x - _TOLERANCE < lowest] = 0.0
        return np.clip(special.ndtri(ranks), *_normal_range())

    def _ranks(self, x: Floats) -> Floats:
        if x.size <= _FEW_CELLS:
            return np.array(
                [
                    [curve.rank(cell) for curve, cell in zip(self._curves, row, strict=True)]
                    for row in x.tolist()
                ]
            )
        columns = [curve.ranks(column) for curve, column in zip(self._curves, x.T, strict=True)]
        return np.column_stack(columns)

    def invert(self, x: Floats) -> Floats:
        """Map normal quantiles of a single column back to numbers."""
        column, ranks = self.quantiles[:, 0], special.ndtr(x)
        numbers = np.interp(ranks, self.ranks, column)
        numbers[ranks + _TOLERANCE > 1.0] = column[-1]
        numbers[ranks - _TOLERANCE < 0.0] = column[0]
        return np.asarray(numbers, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class _RankCurve:
    """Piecewise linear map from a column's numbers to ranks."""

    #: Distinct quantiles, ascending, and their ranks.
    knots: Floats
    middle: Floats
    #: Rank at the start of the line after each knot, and the line's slope.
    start: Floats
    slope: Floats
    #: The four above as Python lists, for single numbers.
    _lists: tuple[list[float], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        lists = tuple(part.tolist() for part in (self.knots, self.middle, self.start, self.slope))
        object.__setattr__(self, "_lists", lists)

    @classmethod
    def from_quantiles(cls, quantiles: Floats, ranks: Floats) -> "_RankCurve":
        knots, first, counts = np.unique(quantiles, return_index=True, return_counts=True)
        low, high = ranks[first], ranks[first + counts - 1]
        slope = np.append((low[1:] - high[:-1]) / np.diff(knots), 0.0)
        # Beyond the last knot the rank is the highest.
        start = np.append(high[:-1], ranks[-1])
        return cls(knots, (low + high) / 2, start, slope)

    def rank(self, x: float) -> float:
        knots, middle, start, slope = self._lists
        index = bisect_right(knots, x) - 1
        if index < 0:
            return 0.0
        if x == knots[index]:
            return middle[index]
        return start[index] + slope[index] * (x - knots[index])

    def ranks(self, x: Floats) -> Floats:
        index = np.searchsorted(self.knots, x, side="right") - 1
        inside = np.maximum(index, 0)
        beyond = x - self.knots[inside]
        ranks = np.where(beyond == 0, self.middle[inside], self.start[inside] + self.slope[inside] * beyond)
        return np.where(index < 0, 0.0, ranks)
