"""Yellowbrick's charts that no other library draws, with the workarounds for current libraries.

Its visualizers draw on given axes. They check `_estimator_type`, which scikit-learn removed in 1.8, unless they get
`force_model`. Visualizers that fit their model get an adapter that looks up stored clusters.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Self

import matplotlib
import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClusterMixin


@contextmanager
def suppress_warnings() -> Iterator[None]:
    """Suppress warnings of Yellowbrick and its dependencies, and of characters that only the viewer's font has."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


# Importing Yellowbrick changes matplotlib's global style; the context restores it.
with suppress_warnings(), matplotlib.rc_context():
    matplotlib.use("agg")
    from yellowbrick.cluster import InterclusterDistance, KElbowVisualizer, SilhouetteVisualizer, icdm
    from yellowbrick.features import Rank2D

__all__ = [
    "InterclusterDistance",
    "KElbowVisualizer",
    "Rank2D",
    "SilhouetteVisualizer",
    "StoredClusters",
    "suppress_warnings",
]

# The module calls pyplot.sca, which refuses figures that pyplot does not manage.
icdm.plt = SimpleNamespace(sca=lambda axes: None)


class StoredClusters(ClusterMixin, BaseEstimator):  # type: ignore[misc]
    """Adapter that lets Yellowbrick use stored clusters.

    Args:
        labels: `(n,)`, without noise.
        centres: `(clusters, columns)`.
    """

    def __init__(self, labels: NDArray[np.int64], centres: NDArray[np.float64]):
        self.labels = labels
        self.centres = centres
        self.n_clusters = len(centres)
        self.labels_ = labels
        self.cluster_centers_ = centres

    def fit(self, X: object, y: None = None) -> Self:
        return self

    def predict(self, X: object) -> NDArray[np.int64]:
        return self.labels
