"""Intervals around a regression's values, from the errors of its predictions out of fold.

Cross-conformal prediction (Vovk, Cross-conformal predictors, 2015) around the model that learned from all rows. No
promise beyond the folds: the coverage that was measured on them stands beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

#: Levels whose coverage is measured.
LEVELS = (0.5, 0.8, 0.9, 0.95)
#: Errors that are kept, as quantiles: more would not be seen.
MOST = 1_001


@dataclass(frozen=True, kw_only=True)
class Intervals:
    """How far truths lie from values."""

    #: Truth less value, in ascending order, in the label's unit: all of them, or as many quantiles.
    errors: tuple[float, ...]
    #: How many errors there were.
    count: int
    #: By level as text: the share of held-out truths inside intervals that other folds told.
    coverage: Mapping[str, float]
    #: By level as text: the mean width of those intervals.
    width: Mapping[str, float]

    def interval(self, value: float, level: float) -> tuple[float, float]:
        """Where the truth lies with this probability, above 0 and below 1."""
        low, high = _offsets(np.array(self.errors), self.count, level)
        return value + low, value + high

    def as_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        return asdict(self) | {"errors": list(self.errors)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(**(dict(stored) | {"errors": tuple(stored["errors"])}))


def fitted(
    values: NDArray[np.float32], y: NDArray[np.float64], held_out: Sequence[NDArray[np.intp]]
) -> Intervals:
    """What out-of-fold values, `(n,)`, those of the folds one behind the other, tell; `held_out` are the folds' rows
    of `y`.
    """
    ends = np.cumsum([len(rows) for rows in held_out])[:-1]
    errors = np.split(y[np.concatenate(held_out)] - values.astype(np.float64), ends)
    told = {f"{level:g}": _measured(errors, level) for level in LEVELS}
    everything = np.sort(np.concatenate(errors))
    kept = everything
    if len(everything) > MOST:
        kept = np.quantile(everything, np.linspace(0, 1, MOST))
    return Intervals(
        errors=tuple(kept.tolist()),
        count=len(everything),
        coverage={level: coverage for level, (coverage, _) in told.items()},
        width={level: width for level, (_, width) in told.items()},
    )


def _measured(errors: Sequence[NDArray[np.float64]], level: float) -> tuple[float, float]:
    """The share of each fold's errors inside what the other folds' tell, and the mean width."""
    inside, width, n = 0, 0.0, 0
    for fold, mine in enumerate(errors):
        others = np.sort(np.concatenate([each for i, each in enumerate(errors) if i != fold]))
        low, high = _offsets(others, len(others), level)
        inside += int(((low <= mine) & (mine <= high)).sum())
        width += (high - low) * len(mine)
        n += len(mine)
    return inside / n, width / n


def _offsets(errors: NDArray[np.float64], count: int, level: float) -> tuple[float, float]:
    """The two quantiles of sorted errors, a little further out than the level: one more error is to come."""
    tail = (1 - level) / 2
    outer = max(0.0, (tail * (count + 1) - 1) / max(1, count - 1))
    low, high = np.quantile(errors, [min(outer, 0.5), max(1 - outer, 0.5)])
    return float(low), float(high)
