"""Influence of single rows on a score: how much it rises or falls with each row that it was measured on.

A score's luck is that of its rows. The influence values show it without another fit, and those of two candidates on the
same rows show which part of the luck they share. Hampel, The Influence Curve and its Role in Robust Estimation, 1974.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .class_ranking import ClassRanking

Floats = NDArray[np.float64]
Labels = NDArray[np.int64] | NDArray[np.float64]
#: Influence of each row, `(n,)`, of predictions, labels and the number of classes.
Influence = Callable[[Floats, Labels, int], Floats]

#: Measures of hits and misses, and how they are averaged over the classes.
COUNTED, MEANS = ("precision", "recall", "f1", "jaccard"), ("macro", "micro", "weighted")
#: Classes whose pairs are numbers of 16 bits.
FEW_CLASSES = 256


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


@dataclass(frozen=True, eq=False)
class Confusion:
    """Right and wrong answers: pairs of a true class and the answered one, and the pair that each row is."""

    #: `(n,)`: places of the pairs.
    cell: NDArray[np.intp]
    #: `(pairs,)`: how many rows they are.
    counts: Floats
    #: `(pairs,)`.
    truth: NDArray[np.int64]
    #: `(pairs, classes)` ones and zeros: the true class, and the answered one.
    true: Floats
    predicted: Floats

    @classmethod
    def of(cls, answer: NDArray[np.integer], truth: Labels, classes: int) -> "Confusion":
        """Count the pairs that occur among rows."""
        pairs = truth.astype(np.int64) * classes + answer
        if classes <= FEW_CLASSES:
            pairs = pairs.astype(np.uint16)  # are sorted faster
        occurring, cell, counts = np.unique(pairs, return_inverse=True, return_counts=True)
        true, answered = np.divmod(occurring.astype(np.int64), classes)
        row = np.eye(classes)
        return cls(cell, counts.astype(np.float64), true, row[true], row[answered])

    def mean(self, values: Floats) -> Any:
        """Compute the mean over the rows of values of the pairs."""
        return self.counts @ values / self.counts.sum()


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
    if positive.all() or not positive.any():
        return np.zeros(len(scores))
    return area_influence(ClassRanking(scores, positive))


def area_influence(ranking: ClassRanking) -> Floats:
    """Compute the influence on the ROC AUC from a ranking of rows of both kinds."""
    shares, positive = ranking.area_shares(), ranking.positive
    result, rows = np.empty(len(shares)), int(positive.sum())
    result[positive] = _centre(shares[positive]) * len(shares) / rows
    result[~positive] = -_centre(shares[~positive]) * len(shares) / (len(shares) - rows)
    return result


def _binary_area(probabilities: Floats, y: Labels, classes: int) -> Floats:
    return _area(probabilities[:, 1], y == 1)


def _mean_area(probabilities: Floats, y: Labels, classes: int) -> Floats:
    return np.mean([_area(probabilities[:, code], y == code) for code in range(classes)], axis=0)


def _weighted_area(probabilities: Floats, y: Labels, classes: int) -> Floats:
    areas = [(y == code).mean() * _area(probabilities[:, code], y == code) for code in range(classes)]
    return np.sum(areas, axis=0)


def _hits(probabilities: Floats, y: Labels, classes: int) -> Floats:
    return _centre((probabilities.argmax(axis=1) == y).astype(np.float64))


def _balanced_hits(answered: Confusion) -> Floats:
    hits = (answered.true * answered.predicted).sum(axis=1)
    support = answered.true.T @ answered.counts
    means = np.divide(
        answered.true.T @ (hits * answered.counts), support, out=np.zeros_like(support), where=support > 0
    )
    growth = np.sqrt(np.divide(support, support - 1, out=np.zeros_like(support), where=support > 1))
    n, present = answered.counts.sum(), (support > 0).sum()
    return (
        (hits - means[answered.truth]) * growth[answered.truth] * n / (support[answered.truth] * present)
    )[answered.cell]


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


def _ratio(numerator: Floats, denominator: Floats, values: Floats, means: Floats) -> Floats:
    """Compute the influence on ratios of two means: `(n, k)`; a ratio of nothing has none.

    Args:
        numerator, denominator: `(n, k)`.
        values: `(k,)`: the ratios.
        means: `(k,)`, of the denominators.
    """
    excess = numerator - values * denominator
    return np.divide(excess, means, out=np.zeros_like(excess), where=means > 0)


def _counted(measure: str, mean: str, answered: Confusion) -> Floats:
    """Compute the influence on a measure of hits and misses of each class, averaged as scikit-learn's scorer does."""
    true, predicted = answered.true, answered.predicted
    hits = true * predicted
    numerator, denominator = {
        "precision": (hits, predicted),
        "recall": (hits, true),
        "f1": (2 * hits, true + predicted),
        "jaccard": (hits, np.maximum(true, predicted)),
    }[measure]
    if mean == "micro":
        numerator, denominator = (each.sum(axis=1, keepdims=True) for each in (numerator, denominator))
    means = answered.mean(denominator)
    values = np.divide(answered.mean(numerator), means, out=np.zeros(len(means)), where=means > 0)
    influences = _ratio(numerator, denominator, values, means)
    if mean == "binary":
        return _centre(influences[answered.cell, 1])
    if mean == "weighted":
        return _centre((influences @ answered.mean(true) + true @ values)[answered.cell])
    present = np.maximum(true, predicted).any(axis=0) if mean == "macro" else [True]
    return _centre(influences[:, present].mean(axis=1)[answered.cell])


def _correlation(answered: Confusion) -> Floats:
    """Compute the influence on the Matthews correlation coefficient."""
    true, predicted = answered.true, answered.predicted
    of_true, of_predicted = answered.mean(true), answered.mean(predicted)
    hits = (true * predicted).sum(axis=1)
    covariance = answered.mean(hits) - of_true @ of_predicted
    spreads = 1 - of_true @ of_true, 1 - of_predicted @ of_predicted
    if not all(spreads):
        return np.zeros(len(answered.cell))
    changes = (true @ of_true) / spreads[0] + (predicted @ of_predicted) / spreads[1]
    influences = hits - true @ of_predicted - predicted @ of_true + covariance * changes
    return _centre((influences / np.sqrt(spreads[0] * spreads[1]))[answered.cell])


def _average_precision(probabilities: Floats, y: Labels, classes: int) -> Floats:
    """Compute the influence on the average precision: a row's own precision, and its part in those of lower ones."""
    positive = y == 1
    if not positive.any():
        return np.zeros(len(y))
    return precision_influence(ClassRanking(probabilities[:, 1], positive))


def precision_influence(ranking: ClassRanking) -> Floats:
    """Compute the influence on the average precision from a ranking of rows of which some are of the class."""
    return _centre(ranking.precision_gains())


def _of_answers(
    formula: Callable[[Confusion], Floats], probabilities: Floats, y: Labels, classes: int
) -> Floats:
    return formula(Confusion.of(probabilities.argmax(axis=1), y, probabilities.shape[1]))


#: Influence by what was answered alone.
OF_ANSWERS: Mapping[str, Callable[[Confusion], Floats]] = {
    "balanced_accuracy": _balanced_hits,
    "matthews_corrcoef": _correlation,
    **{measure: partial(_counted, measure, "binary") for measure in COUNTED},
    **{f"{measure}_{mean}": partial(_counted, measure, mean) for measure in COUNTED for mean in MEANS},
}
CLASSIFICATION: Mapping[str, Influence] = {
    "roc_auc": _binary_area,
    "roc_auc_ovr": _mean_area,
    "roc_auc_ovr_weighted": _weighted_area,
    "accuracy": _hits,
    "neg_log_loss": _log_likelihood,
    "neg_brier_score": _brier,
    "average_precision": _average_precision,
    **{metric: partial(_of_answers, formula) for metric, formula in OF_ANSWERS.items()},
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
