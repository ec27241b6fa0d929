"""Influence of single rows on a score: how much it rises or falls with each row that it was measured on.

A score's luck is that of its rows. The influence values show it without another fit, and those of two candidates on the
same rows show which part of the luck they share. Hampel, The Influence Curve and its Role in Robust Estimation, 1974.
"""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int64] | NDArray[np.float64]
#: Influence of each row, `(n,)`, of predictions, labels and the number of classes.
Influence = Callable[[Floats, Labels, int], Floats]

#: Measures of hits and misses, and how they are averaged over the classes.
COUNTED, MEANS = ("precision", "recall", "f1", "jaccard"), ("macro", "micro", "weighted")


def influence(predictions: NDArray[np.floating], y: Labels, metric: str, classes: int) -> Floats | None:
    """Compute each row's influence on the score of these predictions; None if the metric has no formula here.

    Args:
        predictions: `(n, classes)` probabilities, or `(n,)` values.
        y: `(n,)`.
        metric: A scikit-learn scorer's name.
        classes: Number of classes; 0 for a regression.

    Returns: `(n,)`, with mean 0; the score differs from its expectation by about the mean of the rows' true influence.
        The values are scaled so that their sum of squares has no bias from few rows.
    """
    formula = (CLASSIFICATION if classes else REGRESSION).get(metric)
    return None if formula is None else formula(np.asarray(predictions, dtype=np.float64), y, classes)


def is_known(metric: str, classes: int) -> bool:
    """Return whether the metric has a formula here."""
    return metric in (CLASSIFICATION if classes else REGRESSION)


def _centre(values: Floats) -> Floats:
    """Subtract the mean, and undo that this makes the squares of few values smaller."""
    n = len(values)
    return (values - values.mean()) * (np.sqrt(n / (n - 1)) if n > 1 else 0.0)


def _area(scores: Floats, positive: NDArray[np.bool_]) -> Floats:
    """Compute the influence on the ROC AUC of one class against all others.

    DeLong, DeLong and Clarke-Pearson, Comparing the Areas under Two or More Correlated ROC Curves, 1988.
    """
    result = np.zeros(len(scores))
    high, low = scores[positive], scores[~positive]
    if not len(high) or not len(low):
        return result
    result[positive] = _centre(_share_below(high, low)) * len(scores) / len(high)
    result[~positive] = -_centre(_share_below(low, high)) * len(scores) / len(low)
    return result


def _share_below(values: Floats, others: Floats) -> Floats:
    """Compute the share of the others that is below each value; equal ones count half."""
    ordered = np.sort(others)
    counts = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
    return counts / (2.0 * len(others))


def _binary_area(probabilities: Floats, y: Labels, classes: int) -> Floats:
    return _area(probabilities[:, 1], y == 1)


def _mean_area(probabilities: Floats, y: Labels, classes: int) -> Floats:
    return np.mean([_area(probabilities[:, code], y == code) for code in range(classes)], axis=0)


def _weighted_area(probabilities: Floats, y: Labels, classes: int) -> Floats:
    areas = [(y == code).mean() * _area(probabilities[:, code], y == code) for code in range(classes)]
    return np.sum(areas, axis=0)


def _hits(probabilities: Floats, y: Labels, classes: int) -> Floats:
    return _centre((probabilities.argmax(axis=1) == y).astype(np.float64))


def _balanced_hits(probabilities: Floats, y: Labels, classes: int) -> Floats:
    hits = (probabilities.argmax(axis=1) == y).astype(np.float64)
    present = np.unique(y)
    result = np.zeros(len(y))
    for code in present:
        rows = y == code
        result[rows] = _centre(hits[rows]) * len(y) / (rows.sum() * len(present))
    return result


def _log_likelihood(probabilities: Floats, y: Labels, classes: int) -> Floats:
    truth = probabilities[np.arange(len(y)), y.astype(np.intp)]
    return _centre(np.log(np.clip(truth, 1e-7, 1.0)))


def _brier(probabilities: Floats, y: Labels, classes: int) -> Floats:
    squares = ((probabilities - np.eye(classes)[y.astype(np.intp)]) ** 2).sum(axis=1)
    return _centre(-squares / (2 if classes == 2 else 1))


def _squares(values: Floats, y: Labels, classes: int) -> Floats:
    return _centre(-((y - values) ** 2))


def _root_of_squares(values: Floats, y: Labels, classes: int) -> Floats:
    root = np.sqrt(((y - values) ** 2).mean())
    return _squares(values, y, classes) / (2 * root) if root else np.zeros(len(y))


def _absolute(values: Floats, y: Labels, classes: int) -> Floats:
    return _centre(-np.abs(y - values))


def _relative(values: Floats, y: Labels, classes: int) -> Floats:
    return _centre(-np.abs(y - values) / np.maximum(np.abs(y), np.finfo(np.float64).eps))


def _squares_of_logarithms(values: Floats, y: Labels, classes: int) -> Floats:
    return _squares(np.log1p(np.maximum(values, 0)), np.log1p(np.maximum(y, 0)), classes)


def _root_of_squares_of_logarithms(values: Floats, y: Labels, classes: int) -> Floats:
    return _root_of_squares(np.log1p(np.maximum(values, 0)), np.log1p(np.maximum(y, 0)), classes)


def _explained(values: Floats, y: Labels, classes: int) -> Floats:
    """Compute the influence on r2: on the mean squared error, and on the variance by which it is divided."""
    spread = float(np.var(y))
    if not spread:
        return np.zeros(len(y))
    errors = (y - values) ** 2
    return _centre(-errors + errors.mean() * (y - y.mean()) ** 2 / spread) / spread


def _ratio(numerator: Floats, denominator: Floats, values: Floats) -> Floats:
    """Compute the influence on ratios of two means: `(n, k)`; a ratio of nothing has none.

    Args:
        numerator, denominator: `(n, k)`, of each row.
        values: `(k,)`: the ratios.
    """
    means = denominator.mean(axis=0)
    excess = numerator - values * denominator
    return np.divide(excess, means, out=np.zeros_like(excess), where=means > 0)


def _count(probabilities: Floats, y: Labels) -> tuple[Floats, Floats]:
    """Compute whether each row is of each class, and whether it is predicted: `(n, classes)` ones and zeros."""
    classes = np.eye(probabilities.shape[1])
    return classes[y.astype(np.intp)], classes[probabilities.argmax(axis=1)]


def _counted(measure: str, mean: str, probabilities: Floats, y: Labels, classes: int) -> Floats:
    """Compute the influence on a measure of hits and misses of each class, averaged as scikit-learn's scorer does."""
    true, predicted = _count(probabilities, y)
    hits = true * predicted
    numerator, denominator = {
        "precision": (hits, predicted),
        "recall": (hits, true),
        "f1": (2 * hits, true + predicted),
        "jaccard": (hits, np.maximum(true, predicted)),
    }[measure]
    if mean == "micro":
        numerator, denominator = (each.sum(axis=1, keepdims=True) for each in (numerator, denominator))
    means = denominator.mean(axis=0)
    values = np.divide(numerator.mean(axis=0), means, out=np.zeros(len(means)), where=means > 0)
    influences = _ratio(numerator, denominator, values)
    if mean == "binary":
        return _centre(influences[:, 1])
    if mean == "weighted":
        return _centre(influences @ true.mean(axis=0) + true @ values)
    present = np.maximum(true, predicted).any(axis=0) if mean == "macro" else [True]
    return _centre(influences[:, present].mean(axis=1))


def _correlation(probabilities: Floats, y: Labels, classes: int) -> Floats:
    """Compute the influence on the Matthews correlation coefficient."""
    true, predicted = _count(probabilities, y)
    of_true, of_predicted = true.mean(axis=0), predicted.mean(axis=0)
    hits = (true * predicted).sum(axis=1)
    covariance = hits.mean() - of_true @ of_predicted
    spreads = 1 - of_true @ of_true, 1 - of_predicted @ of_predicted
    if not all(spreads):
        return np.zeros(len(y))
    changes = (true @ of_true) / spreads[0] + (predicted @ of_predicted) / spreads[1]
    influences = hits - true @ of_predicted - predicted @ of_true + covariance * changes
    return _centre(influences / np.sqrt(spreads[0] * spreads[1]))


def _average_precision(probabilities: Floats, y: Labels, classes: int) -> Floats:
    """Compute the influence on the average precision: a row's own precision, and its part in those of lower ones."""
    positive, scores = y == 1, -probabilities[:, 1]
    if not positive.any():
        return np.zeros(len(y))
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    ranked, position = positive[order], np.searchsorted(ordered, scores, "left")
    above = np.searchsorted(ordered, ordered, "right")
    precision = ranked.cumsum()[above - 1] / above
    lower = [np.where(ranked, each, 0.0)[::-1].cumsum()[::-1] for each in (1 / above, precision / above)]
    own = np.empty(len(y))
    own[order] = precision
    gains = positive * (own - precision[ranked].mean() + lower[0][position]) - lower[1][position]
    return _centre(gains / positive.mean())


CLASSIFICATION: Mapping[str, Influence] = {
    "roc_auc": _binary_area,
    "roc_auc_ovr": _mean_area,
    "roc_auc_ovr_weighted": _weighted_area,
    "accuracy": _hits,
    "balanced_accuracy": _balanced_hits,
    "neg_log_loss": _log_likelihood,
    "neg_brier_score": _brier,
    "matthews_corrcoef": _correlation,
    "average_precision": _average_precision,
    **{measure: partial(_counted, measure, "binary") for measure in COUNTED},
    **{f"{measure}_{mean}": partial(_counted, measure, mean) for measure in COUNTED for mean in MEANS},
}
REGRESSION: Mapping[str, Influence] = {
    "r2": _explained,
    "neg_mean_squared_error": _squares,
    "neg_root_mean_squared_error": _root_of_squares,
    "neg_mean_absolute_error": _absolute,
    "neg_mean_absolute_percentage_error": _relative,
    "neg_mean_squared_log_error": _squares_of_logarithms,
    "neg_root_mean_squared_log_error": _root_of_squares_of_logarithms,
}
