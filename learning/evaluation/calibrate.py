"""Calibration of probabilities by temperature scaling, so that they match the observed frequencies.

Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks, 2017. One temperature for all classes, so
that rankings within a row and the most probable class do not change.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

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
    #: Mean over the out-of-fold rows: as predicted, and calibrated with the temperature of the other folds.
    log_loss_before: float
    log_loss_after: float

    def apply(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Calibrate `(n, classes)` probabilities; rows sum to 1."""
        return _scale(probabilities, self.temperature)


def fit(
    probabilities: NDArray[np.float32], y: NDArray[np.int64], held_out: Sequence[NDArray[np.intp]]
) -> Calibration | None:
    """Fit the temperature to out-of-fold probabilities; None if that gains less than `_WORTH`.

    Args:
        probabilities: `(m, classes)`, concatenated over the folds.
        held_out: The rows of `y` of each fold.
    """
    folds = np.split(probabilities.astype(np.float64), np.cumsum([len(rows) for rows in held_out])[:-1])
    labels = [y[rows] for rows in held_out]
    total = 0.0
    for fold, (rows, label) in enumerate(zip(folds, labels, strict=True)):
        others = [i for i in range(len(folds)) if i != fold]
        temperature = _best_temperature(
            np.concatenate([folds[i] for i in others]), np.concatenate([labels[i] for i in others])
        )
        total += _log_loss(_scale(rows, temperature), label) * len(label)
    everything, truth = np.concatenate(folds), np.concatenate(labels)
    before, after = _log_loss(everything, truth), total / len(truth)
    if before - after < _WORTH:
        return None
    temperature = _best_temperature(everything, truth)
    return Calibration(temperature=temperature, log_loss_before=before, log_loss_after=after)


def _best_temperature(probabilities: NDArray[np.float64], y: NDArray[np.int64]) -> float:
    result = optimize.minimize_scalar(
        lambda log: _log_loss(_scale(probabilities, np.exp(log)), y), bounds=_BOUNDS, method="bounded"
    )
    return float(np.exp(result.x))


def _scale(probabilities: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    logits = np.log(np.clip(probabilities, _CLIP, 1.0)) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float64)


def _log_loss(probabilities: NDArray[np.float64], y: NDArray[np.int64]) -> float:
    return float(-np.log(np.clip(probabilities[np.arange(len(y)), y], _CLIP, 1.0)).mean())
