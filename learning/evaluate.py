"""What a fitted candidate is worth on rows it has not seen: the problem's metric, and the usual others."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import (
    calinski_harabasz_score,
    davies_bouldin_score,
    get_scorer,
    precision_recall_fscore_support,
    silhouette_score,
)

from .exceptions import NotFinite, OneCluster

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
CLUSTERING = ("silhouette", "calinski_harabasz", "neg_davies_bouldin")


@dataclass(frozen=True)
class Measure:
    """One number of a report, in its natural sign."""

    metric: str
    #: The class it is about; None where it is about all.
    label: str | None
    #: None where it is not defined, as the precision of a class that was never predicted.
    value: float | None


@dataclass(frozen=True)
class Scores:
    """A fold's report."""

    #: The problem's metric, finite, greater is better.
    score: float
    measures: tuple[Measure, ...]


def classification(
    estimator: Any, X: DataFrame, y: NDArray[np.int64], metric: str, classes: Sequence[str]
) -> Scores:
    """Scores of a classifier on held-out rows, with precision, recall, F1 and support of each class."""
    probabilities = estimator.predict_proba(X)
    answers = _Classified(probabilities).fit(None, None)
    others = TWO_CLASSES if len(classes) == 2 else SEVERAL_CLASSES
    scores = _scores(metric, others, lambda name: get_scorer(name)(answers, np.arange(len(y)), y))
    by_class = _by_class(y, probabilities.argmax(axis=1), classes)
    return Scores(scores.score, (*scores.measures, *by_class))


def regression(estimator: Any, X: DataFrame, y: NDArray[np.float64], metric: str) -> Scores:
    """Scores of a regressor on held-out rows."""
    answers = _Regressed(estimator.predict(X)).fit(None, None)
    return _scores(metric, REGRESSION, lambda name: get_scorer(name)(answers, np.arange(len(y)), y))


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
    compare: dict[str, Callable[[Any, Any], float]] = {
        "silhouette": silhouette_score,
        "calinski_harabasz": calinski_harabasz_score,
        "neg_davies_bouldin": lambda X, labels: -davies_bouldin_score(X, labels),
    }
    return _scores(metric, CLUSTERING, lambda name: compare[name](reference, clusters))


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


def _by_class(
    y: NDArray[np.int64], predicted: NDArray[np.int64], classes: Sequence[str]
) -> Iterator[Measure]:
    codes = range(len(classes))
    numbers = precision_recall_fscore_support(y, predicted, labels=list(codes), zero_division=np.nan)
    for name, of_class in zip(("precision", "recall", "f1", "support"), numbers, strict=True):
        for label, value in zip(classes, of_class, strict=True):
            yield Measure(name, label, float(value) if isfinite(value) else None)
