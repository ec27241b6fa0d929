"""One face for all clusterings: rows that were not there when the clusters were found get one too."""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial import KDTree
from scipy.spatial.distance import cdist
from sklearn.base import BaseEstimator, ClusterMixin

from ..exceptions import OneCluster

#: The cluster of rows that belong to none.
NOISE = -1


class Clusters(ClusterMixin, BaseEstimator):  # type: ignore[misc]
    """`algorithm` on a dense `(n, columns)` array; its clusters numbered by size, the largest 0, noise −1.

    An algorithm that cannot assign new rows serves through the nearest of the rows it was given. Such
    algorithms compare each row with each: they are given `most_rows` at most, drawn from the seed.
    """

    def __init__(self, algorithm: Any, most_rows: int = 5_000, seed: int = 0):
        self.algorithm = algorithm
        self.most_rows = most_rows
        self.seed = seed

    def fit(self, X: NDArray[np.float64], y: Any = None) -> Self:
        """Raises OneCluster where there is nothing but noise."""
        assigns = hasattr(self.algorithm, "predict")
        given = X if assigns else self._some(X)
        found = np.asarray(self.algorithm.fit_predict(given))
        self.numbers_ = _by_size(found)
        if not self.numbers_:
            raise OneCluster("All rows are noise.")
        labels = self._renumbered(found)
        self.centres_ = np.array([given[labels == c].mean(axis=0) for c in range(len(self.numbers_))])
        self.nearest_ = None if assigns else (KDTree(given), labels)
        self.labels_ = self.predict(X)
        return self

    def numbered_as(self, mine: NDArray[np.int64], before: NDArray[np.int64]) -> Self:
        """Number the clusters as an earlier clustering of the same rows does, by the greatest overlap of both (Kuhn,
        The Hungarian method for the assignment problem, 1955). `mine` and `before` are what each says: `(n,)`.

        Numbers stay without a gap: what has no counterpart takes the lowest that are free.
        """
        k = len(self.numbers_)
        overlap = np.zeros((k, max(k, int(before.max(initial=0)) + 1)), dtype=np.int64)
        both = (mine != NOISE) & (before != NOISE)
        np.add.at(overlap, (mine[both], before[both]), 1)
        pairs = zip(*linear_sum_assignment(-overlap), strict=True)
        kept = {int(new): int(old) for new, old in pairs if overlap[new, old] and old < k}
        free = iter(sorted(set(range(k)) - set(kept.values())))
        number = np.array([kept[new] if new in kept else next(free) for new in range(k)] + [NOISE])
        self.numbers_ = {label: int(number[new]) for label, new in self.numbers_.items()}
        self.centres_ = self.centres_[np.argsort(number[:k])]
        self.labels_ = number[self.labels_]
        if self.nearest_ is not None:
            tree, labels = self.nearest_
            self.nearest_ = tree, number[labels]
        return self

    def predict(self, X: NDArray[np.float64]) -> NDArray[np.int64]:
        """The cluster of each row: `(n,)`."""
        if self.nearest_ is None:
            return self._renumbered(np.asarray(self.algorithm.predict(X)))
        tree, labels = self.nearest_
        return np.asarray(labels[tree.query(X)[1]], dtype=np.int64)

    def transform(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Each row's distance to each cluster's centre: `(n, clusters)`."""
        return np.asarray(cdist(X, self.centres_), dtype=np.float64)

    def _some(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        if len(X) <= self.most_rows:
            return X
        rows = np.random.default_rng(self.seed).choice(len(X), self.most_rows, replace=False)
        return X[np.sort(rows)]

    def _renumbered(self, found: NDArray[Any]) -> NDArray[np.int64]:
        return np.array([self.numbers_.get(int(label), NOISE) for label in found], dtype=np.int64)


def _by_size(labels: NDArray[Any]) -> dict[int, int]:
    """The algorithm's label of each cluster, largest first, to our number for it."""
    found, sizes = np.unique(labels[labels != NOISE], return_counts=True)
    order = sorted(range(len(found)), key=lambda i: (-sizes[i], found[i]))
    return {int(found[i]): number for number, i in enumerate(order)}
