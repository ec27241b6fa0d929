"""One face for all clusterings: rows that were not there when the clusters were found get one too."""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.neighbors import KNeighborsClassifier

#: The cluster of rows that belong to none.
NOISE = -1


class Clusters(ClusterMixin, BaseEstimator):  # type: ignore[misc]
    """`algorithm` on a dense `(n, columns)` array; its clusters numbered by size, the largest 0, noise −1.

    Algorithms that cannot assign new rows serve through the nearest neighbour among the rows they were given.
    """

    def __init__(self, algorithm: Any):
        self.algorithm = algorithm

    def fit(self, X: NDArray[np.float64], y: Any = None) -> Self:
        found = np.asarray(self.algorithm.fit_predict(X))
        self.numbers_ = _by_size(found)
        self.labels_ = self._renumbered(found)
        clusters = range(len(self.numbers_))
        self.centres_ = np.array([X[self.labels_ == cluster].mean(axis=0) for cluster in clusters])
        self.neighbour_ = None
        if not hasattr(self.algorithm, "predict"):
            self.neighbour_ = KNeighborsClassifier(1).fit(X, self.labels_)
        return self

    def predict(self, X: NDArray[np.float64]) -> NDArray[np.int64]:
        """The cluster of each row: `(n,)`."""
        if self.neighbour_ is not None:
            return np.asarray(self.neighbour_.predict(X), dtype=np.int64)
        return self._renumbered(np.asarray(self.algorithm.predict(X)))

    def transform(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Each row's distance to each cluster's centre: `(n, clusters)`."""
        return np.asarray(cdist(X, self.centres_), dtype=np.float64)

    def _renumbered(self, found: NDArray[Any]) -> NDArray[np.int64]:
        return np.array([self.numbers_.get(int(label), NOISE) for label in found], dtype=np.int64)


def _by_size(labels: NDArray[Any]) -> dict[int, int]:
    """The algorithm's label of each cluster, largest first, to our number for it."""
    found, sizes = np.unique(labels[labels != NOISE], return_counts=True)
    order = sorted(range(len(found)), key=lambda i: (-sizes[i], found[i]))
    return {int(found[i]): number for number, i in enumerate(order)}
