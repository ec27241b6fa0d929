"""Prediction intervals of a regression, from its out-of-fold errors.

Cross-conformal prediction (Vovk, Cross-conformal predictors, 2015) around the model fitted on all rows. The coverage is
not guaranteed; the coverage measured on the folds is reported with the intervals.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self, TypedDict

import numpy as np
from numpy.typing import NDArray

#: Levels whose coverage is measured.
LEVELS = (0.5, 0.8, 0.9, 0.95)
#: Upper bound of the stored errors; more of them are reduced to as many quantiles.
MOST = 1_001


class IntervalsJSON(TypedDict):
    """Intervals in JSON's own types."""

    errors: list[float]
    count: int
    coverage: dict[str, float]
    width: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Intervals:
    """Distribution of a regressor's errors."""

    #: Truth minus prediction, ascending, in the label's unit: all errors, or MOST quantiles of them.
    errors: tuple[float, ...]
    #: Number of errors before the reduction to quantiles.
    count: int
    #: By level, as text: share of held-out truths inside the intervals computed from the other folds.
    coverage: Mapping[str, float]
    #: By level, as text: mean width of those intervals.
    width: Mapping[str, float]

    def interval(self, value: float, level: float) -> tuple[float, float]:
        """Compute the interval around a prediction that contains the truth with this probability, above 0, below 1."""
        low, high = _offsets(np.array(self.errors), self.count, level)
        return value + low, value + high

    def as_json(self) -> IntervalsJSON:
        """Convert to JSON's own types; `from_json` is the inverse."""
        return {
            "errors": list(self.errors),
            "count": self.count,
            "coverage": dict(self.coverage),
            "width": dict(self.width),
        }

    @classmethod
    def from_json(cls, stored: IntervalsJSON) -> Self:
        """Convert from `as_json`'s form."""
        return cls(
            errors=tuple(stored["errors"]),
            count=stored["count"],
            coverage=stored["coverage"],
            width=stored["width"],
        )


def fit(
    values: NDArray[np.float32], y: NDArray[np.float64], held_out: Sequence[NDArray[np.intp]]
) -> Intervals:
    """Compute intervals from out-of-fold predictions.

    Args:
        values: `(m,)`, concatenated over the folds.
        held_out: The rows of `y` of each fold.
    """
    ends = np.cumsum([len(rows) for rows in held_out])[:-1]
    errors = np.split(y[np.concatenate(held_out)] - values.astype(np.float64), ends)
    measured = {f"{level:g}": _measure(errors, level) for level in LEVELS}
    stored = everything = np.sort(np.concatenate(errors))
    if len(everything) > MOST:
        stored = np.quantile(everything, np.linspace(0, 1, MOST))
    return Intervals(
        errors=tuple(stored.tolist()),
        count=len(everything),
        coverage={level: coverage for level, (coverage, _) in measured.items()},
        width={level: width for level, (_, width) in measured.items()},
    )


def _measure(errors: Sequence[NDArray[np.float64]], level: float) -> tuple[float, float]:
    """Compute the share of errors inside the intervals of the other folds, and the intervals' mean width."""
    inside, width, n = 0, 0.0, 0
    for fold, part in enumerate(errors):
        others = np.sort(np.concatenate([each for i, each in enumerate(errors) if i != fold]))
        low, high = _offsets(others, len(others), level)
        inside += int(((low <= part) & (part <= high)).sum())
        width += (high - low) * len(part)
        n += len(part)
    return inside / n, width / n


def _offsets(errors: NDArray[np.float64], count: int, level: float) -> tuple[float, float]:
    """Compute the two quantiles of sorted errors, slightly outside of the level to account for one more error."""
    tail = (1 - level) / 2
    outer = max(0.0, (tail * (count + 1) - 1) / max(1, count - 1))
    low, high = np.quantile(errors, [min(outer, 0.5), max(1 - outer, 0.5)])
    return float(low), float(high)
