"""The charts that only Yellowbrick draws; what today's libraries have broken in it is mended here, and nowhere else.

Its visualizers draw on the axes they are given. `force_model` stands where they ask for `_estimator_type`, which
scikit-learn has not had since 1.8. Those that want to fit get a clustering that has been fitted already.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, Self

import matplotlib
import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClusterMixin


@contextmanager
def quiet() -> Iterator[None]:
    """Without the warnings of Yellowbrick, of what it calls, and of letters that the font lacks, which viewers have."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


# Importing Yellowbrick changes the style of everybody's figures, which is taken back here.
with quiet(), matplotlib.rc_context():
    matplotlib.use("agg")
    from yellowbrick.cluster import InterclusterDistance, KElbowVisualizer, SilhouetteVisualizer, icdm
    from yellowbrick.features import Rank2D

__all__ = [
    "InterclusterDistance",
    "KElbowVisualizer",
    "Rank2D",
    "SilhouetteVisualizer",
    "StoredClusters",
    "quiet",
]

# It makes its axes pyplot's current ones, and pyplot refuses figures that it does not manage.
icdm.plt = SimpleNamespace(sca=lambda axes: None)


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
