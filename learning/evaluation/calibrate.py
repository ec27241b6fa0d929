"""Calibration of probabilities by temperature scaling, so that they match the observed frequencies.

Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks, 2017. One temperature for all classes, so
that rankings within a row and the most probable class do not change.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..lazy_imports import LazyModule

if TYPE_CHECKING:
    from scipy import optimize
else:
    optimize = LazyModule("scipy.optimize")

#: Probabilities are clipped to this, because no temperature changes a 0.
_CLIP = 1e-6
#: Natural logarithms of the temperatures that are searched.
_BOUNDS = (-3.0, 3.0)
#: Least improvement of the log loss, cross-validated over the folds.
_WORTH = 1e-3


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Temperature that softens (above 1) or sharpens (below 1) probabilities."""

    temperature: float
    #: Mean over the out-of-fold rows: as predicted, and calibrated with the temperature of other rows.
    log_loss_before: float
    log_loss_after: float

    def apply(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Calibrate `(n, classes)` probabilities; rows sum to 1."""
        return _scale(probabilities, self.temperature)


class Calibrated(NamedTuple):
    """A calibration, and what it makes of the probabilities that it was fitted to."""

    calibration: Calibration
    #: `(m, classes)`: each fold's probabilities, with the temperature of the rows that the fold does not hold out.
    probabilities: NDArray[np.float32]


def fit(
    probabilities: NDArray[np.float32], y: NDArray[np.int64], held_out: Sequence[NDArray[np.intp]]
) -> Calibrated | None:
    """Fit the temperature to out-of-fold probabilities; None if that gains less than `_WORTH`.

    The gain is cross-fitted, and so are the calibrated probabilities. A row that several partitions hold out is in
    several folds: none of its probabilities helps to choose the temperature for any of them.

    Args:
        probabilities: `(m, classes)`, concatenated over the folds.
        held_out: The rows of `y` of each fold.
    """
    exact, rows = probabilities.astype(np.float64), np.concatenate(held_out)
    truth, calibrated = y[rows], np.empty_like(exact)
    ends = np.cumsum([len(fold) for fold in held_out])
    for fold, end in zip(held_out, ends, strict=True):
        own = slice(end - len(fold), end)
        others = ~_mark(fold, len(y))[rows]
        calibrated[own] = _scale(exact[own], _best_temperature(exact[others], y, rows[others]))
    before, after = _log_loss(exact, truth), _log_loss(calibrated, truth)
    if before - after < _WORTH:
        return None
    calibration = Calibration(
        temperature=_best_temperature(exact, y, rows), log_loss_before=before, log_loss_after=after
    )
    return Calibrated(calibration, calibrated.astype(np.float32))


def _mark(rows: NDArray[np.intp], n: int) -> NDArray[np.bool_]:
    marked = np.zeros(n, dtype=np.bool_)
    marked[rows] = True
    return marked


def _best_temperature(
    probabilities: NDArray[np.float64], y: NDArray[np.int64], rows: NDArray[np.intp]
) -> float:
    """Find the temperature with the least loss against smoothed labels: the probabilities are of these rows of `y`."""
    targets = _smooth_labels(probabilities, y, rows)
    result = optimize.minimize_scalar(
        lambda log: -float((targets * np.log(_scale(probabilities, np.exp(log)))).sum()),
        bounds=_BOUNDS,
        method="bounded",
    )
    return float(np.exp(result.x))


def _smooth_labels(
    probabilities: NDArray[np.float64], y: NDArray[np.int64], rows: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Build the labels as if there were one more row that is right, and one that is wrong: `(m, classes)`.

    Without that, few rows that are all predicted right would make every probability certain (Platt, Probabilistic
    outputs for support vector machines, 1999, does so for each of two classes). The wrong label may be each other
    class, as probable as the class is.
    """
    wrong = 1 / (len(np.unique(rows)) + 2)
    targets = np.clip(probabilities, _CLIP, 1.0)
    targets[np.arange(len(rows)), y[rows]] = 0.0
    targets *= wrong / targets.sum(axis=1, keepdims=True)
    targets[np.arange(len(rows)), y[rows]] = 1 - wrong
    return targets


def _scale(probabilities: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    logits = np.log(np.clip(probabilities, _CLIP, 1.0)) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float64)


def _log_loss(probabilities: NDArray[np.float64], y: NDArray[np.int64]) -> float:
    return float(-np.log(np.clip(probabilities[np.arange(len(y)), y], _CLIP, 1.0)).mean())
