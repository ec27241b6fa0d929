"""Yellowbrick's visualizers for what was predicted before; what today's libraries have broken in them is mended here,
and nowhere else.

Visualizers draw on the axes they are given; `force_model` where they ask for `_estimator_type`, which scikit-learn has
not had since 1.8. Those that want to fit get estimators that have predicted already.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, Self

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, ClusterMixin, RegressorMixin

from .out_of_fold import HeldClasses


@contextmanager
def quiet() -> Iterator[None]:
    """Without the warnings of Yellowbrick, of what it calls, and of letters that the font lacks, which viewers have."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


# Importing Yellowbrick changes the style of everybody's figures, which is taken back here.
with quiet(), matplotlib.rc_context():
    matplotlib.use("agg")
    from yellowbrick.classifier import (
        ROCAUC,
        ClassificationReport,
        ClassPredictionError,
        ConfusionMatrix,
        PrecisionRecallCurve,
    )
    from yellowbrick.cluster import InterclusterDistance, KElbowVisualizer, SilhouetteVisualizer, icdm
    from yellowbrick.features import Rank2D
    from yellowbrick.model_selection import FeatureImportances, LearningCurve, ValidationCurve
    from yellowbrick.regressor import PredictionError, ResidualsPlot, residuals

__all__ = [
    "ROCAUC",
    "ClassPredictionError",
    "ClassificationReport",
    "ConfusionMatrix",
    "FeatureImportances",
    "InterclusterDistance",
    "KElbowVisualizer",
    "LearningCurve",
    "PrecisionRecallCurve",
    "PredictionError",
    "Rank2D",
    "ResidualsPlot",
    "SilhouetteVisualizer",
    "StoredClasses",
    "StoredClusters",
    "StoredRanks",
    "StoredValues",
    "ValidationCurve",
    "fed",
    "quiet",
]

# Both make their axes pyplot's current ones, and pyplot refuses figures that it does not manage.
residuals.plt = icdm.plt = SimpleNamespace(sca=lambda axes: None)


class StoredClasses(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier that has predicted: asked with rows' places, it answers what it told of them."""

    def __init__(self, probabilities: NDArray[np.float64], predicted: NDArray[np.int64]):
        self.probabilities = probabilities
        self.predicted = predicted
        self.classes_ = np.arange(probabilities.shape[1])

    def fit(self, places: Any, y: Any = None) -> Self:
        return self

    def predict_proba(self, places: NDArray[np.intp]) -> NDArray[np.float64]:
        return self.probabilities[places]

    def predict(self, places: NDArray[np.intp]) -> NDArray[np.int64]:
        return self.predicted[places]


class StoredValues(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """A regressor that has predicted."""

    def __init__(self, values: NDArray[np.float64]):
        self.values = values

    def fit(self, places: Any, y: Any = None) -> Self:
        return self

    def predict(self, places: NDArray[np.intp]) -> NDArray[np.float64]:
        return self.values[places]


class StoredClusters(ClusterMixin, BaseEstimator):  # type: ignore[misc]
    """A clustering that has assigned rows to clusters, without noise: `labels` `(n,)`, `centres` `(clusters, …)`."""

    def __init__(self, labels: NDArray[np.int64], centres: NDArray[np.float64]):
        self.labels = labels
        self.centres = centres
        self.n_clusters = len(centres)
        self.labels_ = labels
        self.cluster_centers_ = centres

    def fit(self, X: Any, y: Any = None) -> Self:
        return self

    def predict(self, X: Any) -> NDArray[np.int64]:
        return self.labels


class StoredRanks(BaseEstimator):  # type: ignore[misc]
    """Whatever it is, these are its features' importances."""

    def __init__(self, importances: NDArray[np.float64]):
        self.importances = importances
        self.feature_importances_ = importances

    def fit(self, X: Any, y: Any = None) -> Self:
        return self


def fed(kind: Callable[..., Any], held: HeldClasses, figure: Figure, axes: Axes, **options: Any) -> Any:
    """A visualizer of classes that has predictions instead of a model, ready to be asked for its score."""
    told = StoredClasses(held.probabilities, held.predicted)
    visualizer = kind(
        told,
        ax=axes,
        fig=figure,
        classes=list(held.classes),
        is_fitted=True,
        force_model=True,
        **options,
    )
    return visualizer.fit(held.places, held.y)
