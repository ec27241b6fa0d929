"""What a fitted candidate is worth on rows it has not seen: the problem's metric, and the usual others."""

from collections.abc import Callable, Mapping, Sequence
from math import isfinite, sqrt
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame
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

#: Rows that a silhouette looks at; it compares each with each.
MOST_ROWS = 4_000

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
#: Of which the pinball loss is told: 0.5 is half the mean absolute error.
QUANTILES = (0.1, 0.5, 0.9)
CLUSTERING = ("silhouette", "calinski_harabasz", "neg_davies_bouldin")


def classification(
    probabilities: NDArray[Any], y: NDArray[np.int64], metric: str, classes: Sequence[str]
) -> Scores:
    """Scores of what a classifier told of held-out rows, `(n, classes)`, with precision, recall, F1, support, ROC
    AUC and average precision of each class.
    """
    told = np.asarray(probabilities, dtype=np.float64)
    told = told / told.sum(axis=1, keepdims=True)  # float32 sums to 1 but nearly
    pairs = y * len(classes) + told.argmax(axis=1)
    counts = np.bincount(pairs, minlength=len(classes) ** 2).reshape(len(classes), -1)
    by_class = _by_class(y, told, counts)
    known = _over_classes(y, told, counts, by_class)
    answers = _Classified(told).fit(None, None)
    others = TWO_CLASSES if len(classes) == 2 else SEVERAL_CLASSES
    scores = _scores(metric, others, _scored(known, answers, y))
    measures = (
        Measure(name, label, float(value) if isfinite(value) else None)
        for name, of_class in by_class.items()
        for label, value in zip(classes, of_class, strict=True)
    )
    return Scores(scores.score, (*scores.measures, *measures))


def _by_class(y: NDArray[np.int64], told: NDArray[np.float64], counts: NDArray[np.intp]) -> dict[str, Any]:
    """By measure one number for each class, `(classes,)`; not a number where it is not defined."""
    hits, support, named = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
    with np.errstate(invalid="ignore"):
        found = {"precision": hits / named, "recall": hits / support, "f1": 2 * hits / (support + named)}
    ranked = [_ranking(y == code, told[:, code]) for code in range(len(counts))]
    areas, precisions = (np.array(of_classes) for of_classes in zip(*ranked, strict=True))
    if len(areas) == 2:
        areas[0] = areas[1]  # whoever ranks one of two before the other ranks both as well
    return found | {"support": support, "roc_auc": areas, "average_precision": precisions}


def _ranking(mine: NDArray[np.bool_], told: NDArray[np.float64]) -> tuple[float, float]:
    """ROC AUC and average precision of one class beside all others; not a number where there are no others."""
    if not 0 < mine.sum() < len(mine):
        return np.nan, np.nan
    order = np.argsort(-told, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(told[order]), 1.0))  # of those that rank alike, the last
    true = mine[order].cumsum()[ends]
    false = ends + 1 - true
    area = np.trapezoid(np.append(0, true), np.append(0, false)) / (true[-1] * false[-1])
    precision = np.diff(true, prepend=0) @ (true / (true + false)) / true[-1]
    return float(area), float(precision)


def _over_classes(
    y: NDArray[np.int64],
    told: NDArray[np.float64],
    counts: NDArray[np.intp],
    by_class: Mapping[str, NDArray[Any]],
) -> dict[str, float]:
    """What scikit-learn's scorers of these names say; each would check, count and rank the rows anew."""
    rows, support, named = len(y), counts.sum(axis=1), counts.sum(axis=0)
    squares = (told - np.eye(len(counts))[y]) ** 2
    found = {
        "accuracy": counts.trace() / rows,
        "balanced_accuracy": by_class["recall"][support > 0].mean(),
        "f1_macro": by_class["f1"][support + named > 0].mean(),
        "matthews_corrcoef": _correlation(counts),
        "neg_log_loss": np.log(np.clip(told[np.arange(rows), y], np.finfo(told.dtype).eps, 1.0)).mean(),
        "neg_brier_score": -squares.sum(axis=1).mean() / (2 if len(counts) == 2 else 1),
    }
    if len(counts) == 2:
        found |= {name: by_class[name][1] for name in ("roc_auc", "average_precision")}
    else:
        found["roc_auc_ovr"] = by_class["roc_auc"].mean()
    return {name: float(value) for name, value in found.items()}


def _correlation(counts: NDArray[np.intp]) -> float:
    """Matthews' for any number of classes (Gorodkin, Comparing two K-category assignments, 2004); 0 where either
    does not vary.
    """
    rows, support, named = counts.sum(), counts.sum(axis=1), counts.sum(axis=0)
    spread = float(rows**2 - named @ named) * float(rows**2 - support @ support)
    return float(counts.trace() * rows - support @ named) / sqrt(spread) if spread else 0.0


def regression(values: NDArray[Any], y: NDArray[np.float64], metric: str) -> Scores:
    """Scores of the values, `(n,)`, that a regressor told of held-out rows."""
    told = np.asarray(values, dtype=np.float64)
    missed = y - told
    known = {
        "r2": r2_score(y, told),
        "neg_mean_absolute_error": -np.abs(missed).mean(),
        "neg_root_mean_squared_error": -sqrt((missed**2).mean()),
        "neg_median_absolute_error": -np.median(np.abs(missed)),
    }
    answers = _Regressed(told).fit(None, None)
    scores = _scores(metric, REGRESSION, _scored(known, answers, y))
    pinball = (
        Measure(f"pinball_{alpha:g}", None, float(np.maximum(alpha * missed, (alpha - 1) * missed).mean()))
        for alpha in QUANTILES
    )
    return Scores(scores.score, (*scores.measures, *pinball))


def clustering(
    estimator: Any, X: DataFrame, reference: NDArray[np.float64], metric: str, seed: int
) -> Scores:
    """Scores of a clustering on held-out rows, whose places in the space that all candidates share are
    `reference`.

    Raises OneCluster where the rows do not fall into at least two clusters (and fewer than there are rows).
    """
    clusters = estimator.predict(X)
    if len(clusters) > MOST_ROWS:
        some = np.random.default_rng(seed).choice(len(clusters), MOST_ROWS, replace=False)
        clusters, reference = clusters[some], reference[some]
    if not 1 < len(np.unique(clusters)) < len(clusters):
        raise OneCluster("The held-out rows did not fall into two or more clusters.")
    inside = clusters != NOISE
    if len(np.unique(clusters[inside])) < 2:
        raise OneCluster("All held-out rows but noise fell into one cluster.")
    compare: dict[str, Callable[[Any, Any], float]] = {
        # Noise lies neither well nor badly: left out, it would pay to call all doubtful rows noise.
        "silhouette": lambda X, labels: silhouette_score(X, labels) * inside.mean(),
        "calinski_harabasz": calinski_harabasz_score,
        "neg_davies_bouldin": lambda X, labels: -davies_bouldin_score(X, labels),
    }
    scores = _scores(metric, CLUSTERING, lambda name: compare[name](reference[inside], clusters[inside]))
    noise = Measure("noise", None, 1 - float(inside.mean()))
    return Scores(scores.score, (*scores.measures, noise))


class _Classified(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Probabilities that were predicted once, for as many scorers as ask."""

    def __init__(self, probabilities: Any):
        self.probabilities = probabilities

    def fit(self, X: Any, y: Any) -> Self:
        self.classes_ = np.arange(self.probabilities.shape[1])
        return self

    def predict_proba(self, rows: NDArray[np.intp]) -> Any:
        return self.probabilities[rows]

    def predict(self, rows: NDArray[np.intp]) -> Any:
        return self.probabilities[rows].argmax(axis=1)


class _Regressed(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Values that were predicted once, for as many scorers as ask."""

    def __init__(self, values: Any):
        self.values = values

    def fit(self, X: Any, y: Any) -> Self:
        self.fitted_ = True
        return self

    def predict(self, rows: NDArray[np.intp]) -> Any:
        return self.values[rows]


def _scored(known: Mapping[str, float], answers: Any, y: NDArray[Any]) -> Callable[[str], float]:
    """What a scorer's name stands for, where it is not known already."""
    return lambda name: known[name] if name in known else get_scorer(name)(answers, np.arange(len(y)), y)


def _scores(metric: str, others: Sequence[str], scored: Callable[[str], float]) -> Scores:
    score = float(scored(metric))
    if not isfinite(score):
        raise NotFinite(f"{metric} is not defined on this fold.")
    values = {metric: score} | {name: float(scored(name)) for name in others if name != metric}
    return Scores(score, tuple(_natural(name, value) for name, value in values.items()))


def _natural(name: str, value: float) -> Measure:
    """scikit-learn negates errors so that greater is better; a report says the error itself."""
    bare = name.removeprefix("neg_")
    sign = 1.0 if bare == name else -1.0
    return Measure(bare, None, sign * value if isfinite(value) else None)
