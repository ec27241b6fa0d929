"""Common interface of clusterings: numbered clusters, and an assignment of new rows."""

from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial import KDTree
from scipy.spatial.distance import cdist
from sklearn.base import BaseEstimator, ClusterMixin

from ..exceptions import OneCluster

#: Number of the rows that belong to no cluster.
NOISE = -1
Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


class Clusters(ClusterMixin, BaseEstimator):  # type: ignore[misc]
    """Clustering of a dense `(n, columns)` array; clusters are numbered by size, the largest 0, and noise is −1.

    If the algorithm cannot assign new rows, a row gets the cluster of the nearest training row. Such algorithms compare
    each row with each, so they are fitted on a sample.

    Args:
        algorithm: Estimator of scikit-learn.
        most_rows: Upper bound of the sample.
        seed: Of the sample.
    """

    def __init__(self, algorithm: BaseEstimator, most_rows: int = 5_000, seed: int = 0):
        self.algorithm = algorithm
        self.most_rows = most_rows
        self.seed = seed

    def fit(self, X: Floats, y: None = None) -> Self:
        """Find the clusters. Raises OneCluster if all rows are noise."""
        can_assign = hasattr(self.algorithm, "predict")
        sample = X if can_assign else self._sample(X)
        raw = np.asarray(self.algorithm.fit_predict(sample))
        self.numbers_ = _number_by_size(raw)
        if not self.numbers_:
            raise OneCluster("All rows are noise.")
        labels = self._to_numbers(raw)
        self.centres_ = np.array([sample[labels == c].mean(axis=0) for c in range(len(self.numbers_))])
        self.nearest_ = None if can_assign else (KDTree(sample), labels)
        self.labels_ = self.predict(X)
        return self

    def align_numbers(self, clusters: Labels, earlier: Labels) -> Self:
        """Renumber the clusters as an earlier clustering of the same rows, by the greatest overlap of both.

        Kuhn, The Hungarian method for the assignment problem, 1955. Numbers stay without a gap: clusters that
        correspond to none of the earlier ones take the lowest free numbers.

        Args:
            clusters: `(n,)`: this clustering's cluster of each row.
            earlier: `(n,)`: the earlier clustering's.
        """
        k = len(self.numbers_)
        overlap = np.zeros((k, max(k, int(earlier.max(initial=0)) + 1)), dtype=np.int64)
        both = (clusters != NOISE) & (earlier != NOISE)
        np.add.at(overlap, (clusters[both], earlier[both]), 1)
        pairs = zip(*linear_sum_assignment(-overlap), strict=True)
        matched = {int(new): int(old) for new, old in pairs if overlap[new, old] and old < k}
        free = iter(sorted(set(range(k)) - set(matched.values())))
        number = np.array([matched[new] if new in matched else next(free) for new in range(k)] + [NOISE])
        self.numbers_ = {label: int(number[new]) for label, new in self.numbers_.items()}
        self.centres_ = self.centres_[np.argsort(number[:k])]
        self.labels_ = number[self.labels_]
        if self.nearest_ is not None:
            tree, labels = self.nearest_
            self.nearest_ = tree, number[labels]
        return self

    def predict(self, X: Floats) -> Labels:
        """Assign each row to a cluster: `(n,)`."""
        if self.nearest_ is None:
            return self._to_numbers(np.asarray(self.algorithm.predict(X)))
        tree, labels = self.nearest_
        return np.asarray(labels[tree.query(X)[1]], dtype=np.int64)

    def transform(self, X: Floats) -> Floats:
        """Compute each row's distance to each cluster's centre: `(n, clusters)`."""
        return np.asarray(cdist(X, self.centres_), dtype=np.float64)

    def _sample(self, X: Floats) -> Floats:
        if len(X) <= self.most_rows:
            return X
        rows = np.random.default_rng(self.seed).choice(len(X), self.most_rows, replace=False)
        return X[np.sort(rows)]

    def _to_numbers(self, raw: NDArray[np.integer]) -> Labels:
        return np.array([self.numbers_.get(int(label), NOISE) for label in raw], dtype=np.int64)


def _number_by_size(labels: NDArray[np.integer]) -> dict[int, int]:
    """Map the algorithm's label of each cluster, largest first, to the cluster's number."""
    distinct, sizes = np.unique(labels[labels != NOISE], return_counts=True)
    order = sorted(range(len(distinct)), key=lambda i: (-sizes[i], distinct[i]))
    return {int(distinct[i]): number for number, i in enumerate(order)}
