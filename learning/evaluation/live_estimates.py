"""Estimates of a score without labels: of what a version has answered, and of nothing that came true.

Classification: confidence-based performance estimation (CBPE, as NannyML's documentation describes it): where
probabilities are calibrated, they say how often an answer is right, so that the expected counts of each pair of truth
and answer follow from them, and with these every measure of the counts; areas and losses follow likewise. Regression:
the errors that the version's conformal intervals expect here. Both know nothing of a relation between features and
label that has changed: only labels show that.
"""

from collections.abc import Callable, Mapping
from itertools import pairwise
from math import isfinite, sqrt

import numpy as np
from numpy.typing import NDArray

from .score_error import WIDTH

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

#: Groups of rows whose estimates show the noise of the estimate (Wolter, Introduction to Variance Estimation, 2007,
#: chapter 2), and the least rows of a group.
GROUPS, LEAST_OF_GROUP = 20, 20


def estimate_classification(
    metric: str, probabilities: Floats, answer: Codes
) -> tuple[float, float | None] | None:
    """Estimate a metric and its standard error from what was answered; None if the metric has no estimate here.

    Args:
        probabilities: `(n, classes)`, in a random order; the positive one of two classes is the last.
        answer: `(n,)` codes.
    """

    def estimate(rows: slice) -> float | None:
        return _expect(metric, probabilities[rows], answer[rows])

    return _with_error(estimate, len(answer))


def estimate_regression(
    metric: str, values: Floats, absolute: Floats, squared: Floats
) -> tuple[float, float | None] | None:
    """Estimate a metric and its standard error from what was answered; None if the metric has no estimate here.

    Args:
        values: `(n,)` answers, in a random order.
        absolute, squared: `(n,)` expected size of the error, and of its square.
    """

    def estimate(rows: slice) -> float | None:
        mean = float(squared[rows].mean())
        match metric:
            case "neg_mean_absolute_error":
                return -float(absolute[rows].mean())
            case "neg_mean_squared_error":
                return -mean
            case "neg_root_mean_squared_error":
                return -sqrt(mean)
            case "r2":
                spread = float(values[rows].var()) + mean
                return 1 - mean / spread if spread else None
        return None

    return _with_error(estimate, len(values))


def interval(value: float, error: float | None) -> tuple[float, float] | None:
    """Compute the interval of an estimate of 95 %; None if its error is not known."""
    return None if error is None else (value - WIDTH * error, value + WIDTH * error)


def _with_error(estimate: Callable[[slice], float | None], n: int) -> tuple[float, float | None] | None:
    value = estimate(slice(0, n)) if n else None
    if value is None or not isfinite(value):
        return None
    if n < GROUPS * LEAST_OF_GROUP:
        return value, None
    ends = np.linspace(0, n, GROUPS + 1).astype(int)
    groups = [estimate(slice(low, high)) for low, high in pairwise(ends)]
    defined = np.array([each for each in groups if each is not None and isfinite(each)])
    return value, float(defined.std(ddof=1)) / sqrt(len(defined)) if len(defined) > GROUPS / 2 else None


def _expect(metric: str, probabilities: Floats, answer: Codes) -> float | None:
    n, classes = probabilities.shape
    expected = np.zeros((classes, classes))
    np.add.at(expected.T, answer, probabilities)
    hits, support, predicted = expected.diagonal(), expected.sum(axis=1), expected.sum(axis=0)
    with np.errstate(all="ignore"):
        recall, precision = hits / support, hits / predicted
        f1 = 2 * hits / (support + predicted)
        counted: Mapping[str, Callable[[], float]] = {
            "accuracy": lambda: hits.sum() / n,
            "balanced_accuracy": lambda: np.nanmean(recall),
            "f1_macro": lambda: np.nanmean(f1),
            "f1_micro": lambda: hits.sum() / n,
            "f1_weighted": lambda: np.nansum(f1 * support) / n,
            "precision_macro": lambda: precision.mean(),
            "recall_macro": lambda: recall.mean(),
            "recall_weighted": lambda: hits.sum() / n,
            "matthews_corrcoef": lambda: _correlate(expected),
            "neg_log_loss": lambda: float(
                (probabilities * np.log(np.clip(probabilities, np.finfo(np.float64).eps, 1))).sum() / n
            ),
            "neg_brier_score": lambda: float(
                -(probabilities * (1 - probabilities)).sum() / n / (2 if classes == 2 else 1)
            ),
            "roc_auc_ovr": lambda: float(
                np.mean([_expect_area(probabilities[:, code]) for code in range(classes)])
            ),
        }
        if classes == 2:
            counted = {
                **counted,
                "f1": lambda: f1[1],
                "precision": lambda: precision[1],
                "recall": lambda: recall[1],
                "roc_auc": lambda: _expect_area(probabilities[:, 1]),
            }
        return float(counted[metric]()) if metric in counted else None


def _expect_area(positive: Floats) -> float:
    """Compute the area under the curve where each row is a positive one by its probability; ties count half."""
    levels, codes = np.unique(positive, return_inverse=True)
    ones = np.bincount(codes, weights=positive, minlength=len(levels))
    zeros = np.bincount(codes, weights=1 - positive, minlength=len(levels))
    below = np.concatenate([[0.0], zeros.cumsum()[:-1]])
    return float((ones * (below + zeros / 2)).sum() / (ones.sum() * zeros.sum()))


def _correlate(expected: Floats) -> float:
    n, support, predicted = expected.sum(), expected.sum(axis=1), expected.sum(axis=0)
    spread = float(n**2 - predicted @ predicted) * float(n**2 - support @ support)
    return float(expected.trace() * n - support @ predicted) / sqrt(spread) if spread > 0 else 0.0
