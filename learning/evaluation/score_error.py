"""Error of a cross-validated score, from its held-out rows instead of the few folds' spread.

The mean score of folds that are stable is nearly normal, and its variance is that of the rows' influences (Bayle,
Bayle, Janson and Mackey, Cross-validation Confidence Intervals for Test Error, 2020). Rows of one group count as one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..dataset import Dataset
from ..lazy_imports import LazyModule
from .influence import COUNTED, influence, is_known

if TYPE_CHECKING:
    from scipy import optimize
else:
    optimize = LazyModule("scipy.optimize")

Floats = NDArray[np.float64]

#: Confidence of the intervals that are told.
CONFIDENCE = 0.95
#: Standard errors on each side of them.
WIDTH = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
#: Distance from 0 and 1 at which scores between them are still computed.
TINY = 1e-9
#: Least number of independent held-out rows, and of each class, that show the error of a score.
LEAST_ROWS, LEAST_OF_CLASS = 20, 2

RANKING = ("roc_auc", "roc_auc_ovr")


@dataclass(frozen=True, eq=False)
class ScoreError:
    """Error of a mean score, as far as the held-out rows show it."""

    #: `(units,)`: what each held-out row, or group, contributed to the score's deviation.
    contributions: Floats = field(repr=False)
    #: Variance of a score between 0 and 1 that is truly this large; None for scores of another range.
    variance: Callable[[float], float] | None = field(default=None, repr=False)
    #: The rows' variance compared with `variance` of the measured score.
    scale: float = 1.0

    @property
    def error(self) -> float:
        """Standard error."""
        return sqrt(float((self.contributions**2).sum()))

    def minus(self, other: "ScoreError") -> "ScoreError":
        """Return the error of the difference of two scores on the same held-out rows."""
        return ScoreError(self.contributions - other.contributions)

    def interval(self, score: float, growth: float = 1.0, width: float = WIDTH) -> tuple[float, float]:
        """Compute the interval around a score of `growth` times as many rows.

        Scores between 0 and 1 get all true scores that are not further than `width` standard errors from this one,
        where each has its own error (Wilson, Probable Inference, 1927; for ROC AUC with the variance of Hanley and
        McNeil, 1982, as Newcombe's method 5, 2006). It stays right near 1, where rows hardly show any variance.
        """
        half = width * self.error / sqrt(growth)
        if self.variance is None or not 0 <= score <= 1:
            return score - half, score + half
        variance, scale = self.variance, self.scale / growth

        def excess(true: float) -> float:
            return (score - true) ** 2 - width**2 * scale * variance(true)

        # At 0 and 1 the variance is 0: the score itself is no bound.
        low = optimize.brentq(excess, 0.0, min(score, 1 - TINY)) if score > 0 else 0.0
        high = optimize.brentq(excess, max(score, TINY), 1.0) if score < 1 else 1.0
        return low, high

    def measured_at(self, score: float) -> "ScoreError":
        """Compare the rows' variance with the assumed one; less is believed by half: few rows understate it."""
        if self.variance is None or not 0 < score < 1:
            return self
        ratio = self.error**2 / self.variance(score)
        return replace(self, scale=ratio if ratio > 1 else (1 + ratio) / 2)


def proportion_interval(hits: float, rows: float, width: float = WIDTH) -> tuple[float, float]:
    """Compute the interval of a share, such as a recall (Wilson, 1927)."""
    share, squared = hits / rows, width**2
    centre = (share + squared / (2 * rows)) / (1 + squared / rows)
    half = width * sqrt(share * (1 - share) / rows + squared / (4 * rows**2)) / (1 + squared / rows)
    return max(0.0, centre - half), min(1.0, centre + half)


def estimate_error(
    metric: str,
    dataset: Dataset,
    predictions: Sequence[NDArray[np.floating]],
    held_out: Sequence[NDArray[np.intp]],
) -> ScoreError | None:
    """Estimate the error of the mean score of folds; None if the metric has no influence values, or rows are few.

    Args:
        predictions: Of each fold: `(held out, classes)` probabilities or `(held out,)` values.
        held_out: Row indices of each fold.
    """
    if dataset.y is None:
        return None
    contributions = np.zeros(len(dataset))
    for values, rows in zip(predictions, held_out, strict=True):
        influences = influence(_normalise(values), dataset.y[rows], metric, len(dataset.classes))
        if influences is None:
            return None
        contributions[rows] += influences / (len(rows) * len(held_out))
    return _to_error(metric, dataset, contributions, np.unique(np.concatenate(held_out)))


def estimate_live_error(
    metric: str,
    predictions: NDArray[np.floating],
    y: NDArray[np.int64] | Floats,
    classes: int,
    influences: Callable[[], Floats] | None = None,
) -> ScoreError | None:
    """Estimate the error of one score on independent rows; None if the metric has no influence values, or rows are few.

    Args:
        predictions: `(n, classes)` probabilities, or `(n,)` values.
        y: `(n,)`.
        classes: Number of classes; 0 for a regression.
        influences: what computes the rows' influence from what is there already; else the metric's formula.
    """
    if len(y) < LEAST_ROWS or not is_known(metric, classes):
        return None
    assumed = None
    if classes:
        counts = np.bincount(y.astype(np.int64), minlength=classes)
        if counts.min() < LEAST_OF_CLASS:
            return None
        assumed = _assumed_variance(metric, counts)
    values = influence(predictions, y, metric, classes) if influences is None else influences()
    return None if values is None else ScoreError(values / len(y), assumed)


def _normalise(predictions: NDArray[np.floating]) -> Floats:
    """Normalise probabilities in float32 to a sum of 1; values stay."""
    exact = np.asarray(predictions, dtype=np.float64)
    return exact if exact.ndim == 1 else exact / exact.sum(axis=1, keepdims=True)


def _to_error(
    metric: str, dataset: Dataset, contributions: Floats, rows: NDArray[np.intp]
) -> ScoreError | None:
    together = dataset.rows_together()
    units = np.arange(len(rows)) if together is None else np.unique(together[rows], return_inverse=True)[1]
    count = int(units.max()) + 1
    assumed = None
    if dataset.classes and dataset.y is not None:
        counts = np.bincount(dataset.y[rows].astype(np.int64), minlength=len(dataset.classes))
        if counts.min() < LEAST_OF_CLASS:
            return None
        assumed = _assumed_variance(metric, counts)
    if count < LEAST_ROWS:
        return None
    sums = np.bincount(units, weights=contributions[rows], minlength=count)
    return ScoreError(sums.astype(np.float64), assumed)


def _assumed_variance(metric: str, counts: NDArray[np.int64]) -> Callable[[float], float] | None:
    """Return the variance of a score between 0 and 1 by its true value, for rows of these classes."""
    rows = int(counts.sum())
    measure, _, mean = metric.partition("_")
    if metric == "accuracy" or (measure in COUNTED and mean in ("micro", "weighted")):
        return lambda true: true * (1 - true) / rows
    if metric == "average_precision" or metric in COUNTED:
        return lambda true: true * (1 - true) / int(counts[1])
    if metric == "balanced_accuracy" or (measure in COUNTED and mean == "macro"):
        return lambda true: true * (1 - true) * float((1 / counts).sum()) / len(counts) ** 2
    if metric in RANKING:
        positives = counts.astype(np.float64) if len(counts) > 2 else counts[1:].astype(np.float64)

        def variance(true: float) -> float:
            others = rows - positives
            pairs = (rows / 2 - 1) * ((1 - true) / (2 - true) + true / (1 + true))
            return float((true * (1 - true) * (1 + pairs) / (positives * others)).sum()) / len(positives) ** 2

        return variance
    return None
