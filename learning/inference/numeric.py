"""What is done to numbers: the fitted steps of `preprocess` as arithmetic on arrays."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures, QuantileTransformer, StandardScaler

from .exceptions import NotPlanned

Floats = NDArray[np.float64]

#: QuantileTransformer's: this near to the ends of what was seen, a number is at the end.
_NEAR = 1e-7
_ENDS = ndtri(_NEAR - np.spacing(1)), ndtri(1 - (_NEAR - np.spacing(1)))
#: Up to this many cells, one after the other is faster than all at once.
_FEW = 400


@dataclass(frozen=True, eq=False)
class Imputed:
    """Missing numbers filled; behind all numbers, for some of them whether they were missing."""

    values: Floats
    told: NDArray[np.intp] | None

    def __call__(self, x: Floats, missing: NDArray[np.bool_] | None) -> Floats:
        filled = x if missing is None else np.where(missing, self.values, x)
        if self.told is None:
            return filled
        flags = np.zeros((len(x), len(self.told)))
        if missing is not None:
            flags[:] = missing.take(self.told, axis=1)
        return np.concatenate((filled, flags), axis=1)


@dataclass(frozen=True, eq=False)
class Standardised:
    mean: Floats
    scale: Floats

    def __call__(self, x: Floats) -> Floats:
        centred = x - self.mean
        centred /= self.scale
        return centred

    def back(self, x: Floats) -> Floats:
        return x * self.scale + self.mean


@dataclass(frozen=True, eq=False)
class Multiplied:
    """Numbers, and behind them their squares and products of two."""

    left: NDArray[np.intp]
    right: NDArray[np.intp]

    def __call__(self, x: Floats) -> Floats:
        return np.concatenate((x, x.take(self.left, axis=1) * x.take(self.right, axis=1)), axis=1)


class QuantileRanks:
    """Numbers as their ranks among those seen, 0 to 1, or as a normal distribution has them.

    Where a number was seen more than once, its rank is the middle of theirs.
    """

    def __init__(self, quantiles: Floats, ranks: Floats, normal: bool):
        self.quantiles = quantiles
        self.ranks = ranks
        self.normal = normal
        self._curves = [_Curve.of(column, ranks) for column in quantiles.T]

    def __call__(self, x: Floats) -> Floats:
        if x.size <= _FEW:
            cells = [
                [curve.rank(cell) for curve, cell in zip(self._curves, row, strict=True)]
                for row in x.tolist()
            ]
            ranks = np.array(cells)
        else:
            ranks = np.column_stack(
                [curve.ranks(column) for curve, column in zip(self._curves, x.T, strict=True)]
            )
        lowest, highest = self.quantiles[0], self.quantiles[-1]
        if not self.normal:
            ranks[x == highest] = 1.0
            ranks[x == lowest] = 0.0
            return ranks
        ranks[x + _NEAR > highest] = 1.0
        ranks[x - _NEAR < lowest] = 0.0
        return np.clip(ndtri(ranks), *_ENDS)

    def back(self, x: Floats) -> Floats:
        """Of one column: what has these ranks in a normal distribution."""
        column, shares = self.quantiles[:, 0], ndtr(x)
        found = np.interp(shares, self.ranks, column)
        found[shares + _NEAR > 1.0] = column[-1]
        found[shares - _NEAR < 0.0] = column[0]
        return np.asarray(found, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class _Curve:
    """From numbers to ranks, by straight lines between those that were seen."""

    #: Each number seen once, ascending, and its rank.
    seen: Floats
    middle: Floats
    #: Where the line behind it begins, and how steep it is.
    start: Floats
    slope: Floats

    def __post_init__(self) -> None:
        lists = tuple(part.tolist() for part in (self.seen, self.middle, self.start, self.slope))
        object.__setattr__(self, "_lists", lists)

    @classmethod
    def of(cls, quantiles: Floats, ranks: Floats) -> "_Curve":
        seen, first, counts = np.unique(quantiles, return_index=True, return_counts=True)
        low, high = ranks[first], ranks[first + counts - 1]
        slope = np.append((low[1:] - high[:-1]) / np.diff(seen), 0.0)
        # Behind the last number all have the highest rank.
        start = np.append(high[:-1], ranks[-1])
        return cls(seen, (low + high) / 2, start, slope)

    def rank(self, x: float) -> float:
        seen, middle, start, slope = self._lists  # type: ignore[attr-defined]
        place = bisect_right(seen, x) - 1
        if place < 0:
            return 0.0
        if x == seen[place]:
            return middle[place]  # type: ignore[no-any-return]
        return start[place] + slope[place] * (x - seen[place])  # type: ignore[no-any-return]

    def ranks(self, x: Floats) -> Floats:
        place = np.searchsorted(self.seen, x, side="right") - 1
        inside = np.maximum(place, 0)
        beyond = x - self.seen[inside]
        found = np.where(beyond == 0, self.middle[inside], self.start[inside] + self.slope[inside] * beyond)
        return np.where(place < 0, 0.0, found)


def steps_of(transformers: Sequence[Any]) -> tuple[Imputed | None, list[Callable[[Floats], Floats]]]:
    """The fitted transformers, one after the other. Raises NotPlanned where one is of an unknown kind."""
    imputers = [_imputed(t) for t in transformers if isinstance(t, SimpleImputer)]
    others = [_step(t) for t in transformers if not isinstance(t, SimpleImputer | FunctionTransformer)]
    return (imputers[0] if imputers else None), others


def _imputed(imputer: SimpleImputer) -> Imputed:
    told = imputer.indicator_.features_ if imputer.indicator_ is not None else ()
    return Imputed(imputer.statistics_, np.array(told, dtype=np.intp) if len(told) else None)


def _step(transformer: Any) -> Callable[[Floats], Floats]:
    match transformer:
        case StandardScaler():
            return standardised(transformer)
        case QuantileTransformer():
            return ranked(transformer)
        case PolynomialFeatures():
            return _multiplied(transformer)
    raise NotPlanned(f"{type(transformer).__name__} is not planned.")


def standardised(scaler: StandardScaler) -> Standardised:
    return Standardised(scaler.mean_, scaler.scale_)


def ranked(ranks: QuantileTransformer) -> QuantileRanks:
    return QuantileRanks(ranks.quantiles_, ranks.references_, ranks.output_distribution == "normal")


def _multiplied(products: PolynomialFeatures) -> Multiplied:
    twos = [np.repeat(np.arange(len(powers)), powers) for powers in products.powers_ if powers.sum() == 2]
    left, right = np.array(twos, dtype=np.intp).reshape(-1, 2).T
    return Multiplied(left, right)
