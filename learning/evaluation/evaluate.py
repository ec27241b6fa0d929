"""Scores of predictions for held-out rows: the problem's metric, and the usual further measures."""

from collections.abc import Callable, Mapping, Sequence
from math import isfinite, sqrt
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import (
    calinski_harabasz_score,
    davies_bouldin_score,
    get_scorer,
    r2_score,
    silhouette_score,
)

from ..estimators.clusters import NOISE
from ..exceptions import NotFinite, OneCluster
from .measures import Measure, Scores

Floats = NDArray[np.float64]
#: Class codes, or values.
Labels = NDArray[np.int64] | NDArray[np.float64]

CLASSIFICATION = (
    "accuracy",
    "balanced_accuracy",
    "f1_macro",
    "matthews_corrcoef",
    "neg_log_loss",
    "neg_brier_score",
)
TWO_CLASSES = (*CLASSIFICATION, "roc_auc", "average_precision")
SEVERAL_CLASSES = (*CLASSIFICATION, "roc_auc_ovr")
REGRESSION = ("r2", "neg_mean_absolute_error", "neg_root_mean_squared_error", "neg_median_absolute_error")
#: Quantiles whose pinball loss is measured; that of 0.5 is half the mean absolute error.
QUANTILES = (0.1, 0.5, 0.9)
CLUSTERING = ("separation", "silhouette", "calinski_harabasz", "neg_davies_bouldin")


def score_labels(
    predictions: NDArray[np.floating], y: NDArray[Any], metric: str, classes: Sequence[str]
) -> Scores:
    """Score probabilities, `(n, classes)`, or values, `(n,)`, of a task without classes."""
    return (
        score_classification(predictions, y, metric, classes)
        if classes
        else score_regression(predictions, y, metric)
    )


def score_classification(
    probabilities: NDArray[np.floating], y: NDArray[np.int64], metric: str, classes: Sequence[str]
) -> Scores:
    """Score a classifier's probabilities, `(n, classes)`.

    The measures include precision, recall, F1, support, ROC AUC and average precision of each class.

    Args:
        metric: A scikit-learn scorer's name.
    """
    exact = np.asarray(probabilities, dtype=np.float64)
    exact = exact / exact.sum(axis=1, keepdims=True)  # float32 rows sum to 1 only approximately
    pairs = y * len(classes) + exact.argmax(axis=1)
    confusion = np.bincount(pairs, minlength=len(classes) ** 2).reshape(len(classes), -1)
    by_class = _measure_classes(y, exact, confusion)
    computed = _measure_classification(y, exact, confusion, by_class)
    predictor = _StoredProbabilities(exact).fit(None, None)
    others = TWO_CLASSES if len(classes) == 2 else SEVERAL_CLASSES
    scores = _report(metric, others, _scorer(computed, predictor, y))
    measures = (
        Measure(name, label, float(value) if isfinite(value) else None)
        for name, values in by_class.items()
        for label, value in zip(classes, values, strict=True)
    )
    return Scores(scores.score, (*scores.measures, *measures))


def _measure_classes(
    y: NDArray[np.int64], probabilities: Floats, confusion: NDArray[np.intp]
) -> dict[str, Floats]:
    """Compute the measures of each class: `(classes,)` by name; NaN if not defined.

    Args:
        confusion: `(classes, classes)` counts: true classes in rows, predicted classes in columns.
    """
    hits, support, predicted = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    with np.errstate(invalid="ignore"):
        measures: dict[str, Floats] = {
            "precision": hits / predicted,
            "recall": hits / support,
            "f1": 2 * hits / (support + predicted),
        }
    rankings = [_measure_ranking(y == code, probabilities[:, code]) for code in range(len(confusion))]
    areas, precisions = (np.array(values) for values in zip(*rankings, strict=True))
    if len(areas) == 2:
        areas[0] = areas[1]  # equal for both of two classes, but for rounding
    return measures | {"support": support, "roc_auc": areas, "average_precision": precisions}


def _measure_ranking(positive: NDArray[np.bool_], probabilities: Floats) -> tuple[float, float]:
    """Compute ROC AUC and average precision of one class against all others; NaN without any positive or negative."""
    if not 0 < positive.sum() < len(positive):
        return np.nan, np.nan
    order = np.argsort(-probabilities, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(probabilities[order]), 1.0))  # the last row of each tie
    true = positive[order].cumsum()[ends]
    false = ends + 1 - true
    area = np.trapezoid(np.append(0, true), np.append(0, false)) / (true[-1] * false[-1])
    precision = np.diff(true, prepend=0) @ (true / (true + false)) / true[-1]
    return float(area), float(precision)


def _measure_classification(
    y: NDArray[np.int64],
    probabilities: Floats,
    confusion: NDArray[np.intp],
    by_class: Mapping[str, Floats],
) -> dict[str, float]:
    """Compute the values of scikit-learn's scorers of these names.

    The scorers themselves would each validate, count and rank the rows again.
    """
    rows, support, predicted = len(y), confusion.sum(axis=1), confusion.sum(axis=0)
    squares = (probabilities - np.eye(len(confusion))[y]) ** 2
    truth = np.clip(probabilities[np.arange(rows), y], np.finfo(probabilities.dtype).eps, 1.0)
    measures = {
        "accuracy": confusion.trace() / rows,
        "balanced_accuracy": by_class["recall"][support > 0].mean(),
        "f1_macro": by_class["f1"][support + predicted > 0].mean(),
        "matthews_corrcoef": _matthews_correlation(confusion),
        "neg_log_loss": np.log(truth).mean(),
        "neg_brier_score": -squares.sum(axis=1).mean() / (2 if len(confusion) == 2 else 1),
    }
    if len(confusion) == 2:
        measures |= {name: by_class[name][1] for name in ("roc_auc", "average_precision")}
    else:
        measures["roc_auc_ovr"] = by_class["roc_auc"].mean()
    return {name: float(value) for name, value in measures.items()}


def _matthews_correlation(confusion: NDArray[np.intp]) -> float:
    """Compute Matthews' correlation for any number of classes; 0 if truth or prediction is constant.

    Gorodkin, Comparing two K-category assignments by a K-category correlation coefficient, 2004.
    """
    rows, support, predicted = confusion.sum(), confusion.sum(axis=1), confusion.sum(axis=0)
    spread = float(rows**2 - predicted @ predicted) * float(rows**2 - support @ support)
    return float(confusion.trace() * rows - support @ predicted) / sqrt(spread) if spread else 0.0


def score_regression(values: NDArray[np.floating], y: Floats, metric: str) -> Scores:
    """Score a regressor's values, `(n,)`."""
    exact = np.asarray(values, dtype=np.float64)
    errors = y - exact
    computed = {
        "r2": r2_score(y, exact),
        "neg_mean_absolute_error": -np.abs(errors).mean(),
        "neg_root_mean_squared_error": -sqrt((errors**2).mean()),
        "neg_median_absolute_error": -np.median(np.abs(errors)),
    }
    predictor = _StoredValues(exact).fit(None, None)
    scores = _report(metric, REGRESSION, _scorer(computed, predictor, y))
    pinball = (
        Measure(f"pinball_{alpha:g}", None, float(np.maximum(alpha * errors, (alpha - 1) * errors).mean()))
        for alpha in QUANTILES
    )
    return Scores(scores.score, (*scores.measures, *pinball))


def score_clustering(
    clusters: NDArray[np.int64], reference: Floats, separation: float, metric: str
) -> Scores:
    """Score a clustering of held-out rows.

    Args:
        clusters: `(n,)`
        reference: `(n, columns)`: the rows in the space in which all candidates are compared.
        separation: That of `separation.Neighbourhoods`, which needs the learned rows.

    Raises:
        OneCluster: The rows do not fall into at least two clusters, or each row is a cluster.
    """
    if not 1 < len(np.unique(clusters)) < len(clusters):
        raise OneCluster("The held-out rows did not fall into two or more clusters.")
    inside = clusters != NOISE
    if len(np.unique(clusters[inside])) < 2:
        raise OneCluster("All held-out rows but noise fell into one cluster.")
    compute: dict[str, Callable[[Floats, NDArray[np.int64]], float]] = {
        "separation": lambda X, labels: separation,
        # Noise counts as 0: if it were left out, a clustering could improve by calling doubtful rows noise.
        "silhouette": lambda X, labels: silhouette_score(X, labels) * inside.mean(),
        "calinski_harabasz": calinski_harabasz_score,
        "neg_davies_bouldin": lambda X, labels: -davies_bouldin_score(X, labels),
    }
    scores = _report(metric, CLUSTERING, lambda name: compute[name](reference[inside], clusters[inside]))
    noise = Measure("noise", None, 1 - float(inside.mean()))
    return Scores(scores.score, (*scores.measures, noise))


class _StoredProbabilities(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Classifier that looks up stored probabilities by row index, for scikit-learn's scorers."""

    def __init__(self, probabilities: Floats, answers: NDArray[np.intp] | None = None):
        self.probabilities = probabilities
        #: Those that were served; by default the most probable classes.
        self.answers = answers

    def fit(self, X: None, y: None) -> Self:
        self.classes_ = np.arange(self.probabilities.shape[1])
        return self

    def predict_proba(self, rows: NDArray[np.intp]) -> Floats:
        return self.probabilities[rows]

    def predict(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        return self.probabilities[rows].argmax(axis=1) if self.answers is None else self.answers[rows]


class _StoredValues(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Regressor that looks up stored values by row index, for scikit-learn's scorers."""

    def __init__(self, values: Floats):
        self.values = values

    def fit(self, X: None, y: None) -> Self:
        self.fitted_ = True
        return self

    def predict(self, rows: NDArray[np.intp]) -> Floats:
        return self.values[rows]


def stored_predictor(predictions: Floats, answers: NDArray[np.intp] | None = None) -> BaseEstimator:
    """Make an estimator for scikit-learn's scorers that looks these predictions up by row index.

    Args:
        predictions: `(n, classes)` probabilities, or `(n,)` values.
        answers: `(n,)` classes that were answered; None: the most probable ones.
    """
    if predictions.ndim == 1:
        return _StoredValues(predictions).fit(None, None)
    return _StoredProbabilities(predictions, answers).fit(None, None)


def _scorer(computed: Mapping[str, float], predictor: BaseEstimator, y: Labels) -> Callable[[str], float]:
    """Return a function from a scorer's name to its value, computed by scikit-learn unless it is already."""
    return lambda name: (
        computed[name] if name in computed else get_scorer(name)(predictor, np.arange(len(y)), y)
    )


def _report(metric: str, others: Sequence[str], score_by: Callable[[str], float]) -> Scores:
    """Compute the metric and the other measures. Raises NotFinite if the metric is not defined."""
    score = float(score_by(metric))
    if not isfinite(score):
        raise NotFinite(f"{metric} is not defined on this fold.")
    values = {metric: score} | {name: float(score_by(name)) for name in others if name != metric}
    return Scores(score, tuple(_to_measure(name, value) for name, value in values.items()))


def _to_measure(name: str, value: float) -> Measure:
    """Convert a scorer's value to a measure: scikit-learn negates errors, a report does not."""
    bare = name.removeprefix("neg_")
    sign = 1.0 if bare == name else -1.0
    return Measure(bare, None, sign * value if isfinite(value) else None)
