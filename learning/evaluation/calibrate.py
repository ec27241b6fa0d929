"""Temperature scaling: probabilities that are as often right as they say.

Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks, 2017. One number for all classes, so that
ranks and the most probable class stay what they were.
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

#: Probabilities are kept this far from 0 and 1, of which no temperature could move them.
_CLIP = 1e-6
#: Temperatures that are looked at, as natural logarithms.
_BOUNDS = (-3.0, 3.0)
#: The log loss must fall by this much, on folds that the temperature was not fitted on.
_WORTH = 1e-3


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Softens (above 1) or sharpens (below 1) probabilities."""

    temperature: float
    #: Mean over out-of-fold rows, as predicted and as calibrated by what other folds told.
    log_loss_before: float
    log_loss_after: float

    def apply(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """`(n, classes)` calibrated; rows sum to 1."""
        return _scaled(probabilities, self.temperature)


def fitted(
    probabilities: NDArray[np.float32], y: NDArray[np.int64], held_out: Sequence[NDArray[np.intp]]
) -> Calibration | None:
    """The temperature that out-of-fold probabilities ask for; None where it would not help.

    `probabilities`, `(n, classes)`, are those of the folds one behind the other, and `held_out` the folds' rows of `y`.
    """
    parts = np.split(probabilities.astype(np.float64), np.cumsum([len(rows) for rows in held_out])[:-1])
    labels = [y[rows] for rows in held_out]
    after = 0.0
    for fold, (part, label) in enumerate(zip(parts, labels, strict=True)):
        others = [i for i in range(len(parts)) if i != fold]
        temperature = _best(
            np.concatenate([parts[i] for i in others]), np.concatenate([labels[i] for i in others])
        )
        after += _log_loss(_scaled(part, temperature), label) * len(label)
    everything, truth = np.concatenate(parts), np.concatenate(labels)
    before, after = _log_loss(everything, truth), after / len(truth)
    if before - after < _WORTH:
        return None
    temperature = _best(everything, truth)
    return Calibration(temperature=temperature, log_loss_before=before, log_loss_after=after)


def _best(probabilities: NDArray[np.float64], y: NDArray[np.int64]) -> float:
    found = optimize.minimize_scalar(
        lambda log: _log_loss(_scaled(probabilities, np.exp(log)), y), bounds=_BOUNDS, method="bounded"
    )
    return float(np.exp(found.x))


def _scaled(probabilities: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    logits = np.log(np.clip(probabilities, _CLIP, 1.0)) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float64)


def _log_loss(probabilities: NDArray[np.float64], y: NDArray[np.int64]) -> float:
    return float(-np.log(np.clip(probabilities[np.arange(len(y)), y], _CLIP, 1.0)).mean())
