"""Distance-based runtimes: nearest neighbours, and clusters with the distances to their centres."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..lazy_imports import LazyModule
from .numeric import Floats

if TYPE_CHECKING:
    import scipy.spatial
    import sklearn.neighbors
    from scipy.spatial import distance
else:
    distance = LazyModule("scipy.spatial.distance")

#: Upper bound of the distances that are computed at once.
_MOST_DISTANCES = 2_000_000
#: The k nearest training rows of each row: their distances and their indices, `(n, k)` each.
Neighbours = tuple[Floats, NDArray[np.intp]]


class BruteForceNeighbours:
    """Finds the `k` nearest rows by comparing with every training row; ties go to the first rows."""

    def __init__(self, rows: Floats, k: int):
        self.rows = rows
        self.k = k
        self.squared_norms = np.einsum("ij,ij->i", rows, rows)

    def __call__(self, X: Floats) -> Neighbours:
        step = max(1, _MOST_DISTANCES // len(self.rows))
        chunks = [self._nearest(X[start : start + step]) for start in range(0, len(X), step)]
        distances, indices = chunks[0] if len(chunks) == 1 else map(np.concatenate, zip(*chunks, strict=True))
        return distances, indices

    def _nearest(self, X: Floats) -> Neighbours:
        # The order of the terms matters: a row far away from all others rounds to the same distance to each,
        # as it does in scikit-learn.
        squared = np.einsum("ij,ij->i", X, X)[:, None] + X @ (-2.0 * self.rows.T) + self.squared_norms
        indices = np.argpartition(squared, self.k - 1, axis=1)[:, : self.k]
        last = np.take_along_axis(squared, indices, axis=1).max(axis=1, keepdims=True)
        tied = np.flatnonzero((squared <= last).sum(axis=1) > self.k)
        if len(tied):
            indices[tied] = np.argsort(squared[tied], axis=1, kind="stable")[:, : self.k]
        differences = X[:, None, :] - self.rows[indices]
        return np.sqrt(np.einsum("ijk,ijk->ij", differences, differences)), indices


@dataclass(frozen=True, eq=False)
class TreeNeighbours:
    """Finds the `k` nearest rows with scikit-learn's tree of the training rows."""

    tree: "sklearn.neighbors.KDTree | sklearn.neighbors.BallTree"
    k: int

    def __call__(self, X: Floats) -> Neighbours:
        return self.tree.query(X, self.k)  # type: ignore[no-any-return]


@dataclass(frozen=True, eq=False)
class WeightedVotes:
    """Averages the neighbours' labels, weighted by the inverse of their distances."""

    #: `(training rows, k)`: one-hot classes, or the values in one column.
    labels: Floats

    def __call__(self, neighbours: Neighbours) -> Floats:
        distances, indices = neighbours
        same = distances == 0
        with np.errstate(divide="ignore"):
            weights = np.where(same.any(axis=1, keepdims=True), same, 1.0 / distances)
        weights = weights / weights.sum(axis=1, keepdims=True)
        return np.einsum("ij,ijk->ik", weights, self.labels[indices])


@dataclass(frozen=True, eq=False)
class ClusterRuntime:
    """Computes each row's cluster and its distances to all centres."""

    #: Rows to the algorithm's labels.
    assign: Callable[[Floats], NDArray[np.integer]]
    #: The algorithm's labels to cluster numbers; None: they are equal.
    numbers: NDArray[np.int64] | None
    centres: Floats

    def __call__(self, X: Floats) -> tuple[NDArray[np.int64], Floats]:
        labels = self.assign(X)
        clusters = labels if self.numbers is None else self.numbers[labels]
        return np.asarray(clusters, dtype=np.int64), distance.cdist(X, self.centres)


@dataclass(frozen=True, eq=False)
class NearestCentre:
    """Assigns the cluster with the nearest centre."""

    centres: Floats

    def __call__(self, X: Floats) -> NDArray[np.intp]:
        squared_norms = np.einsum("ij,ij->i", self.centres, self.centres)
        return (squared_norms - 2.0 * (X @ self.centres.T)).argmin(axis=1)


@dataclass(frozen=True, eq=False)
class NearestRow:
    """Assigns the cluster of the nearest training row."""

    tree: "scipy.spatial.KDTree"
    labels: NDArray[np.int64]

    def __call__(self, X: Floats) -> NDArray[np.int64]:
        return self.labels[self.tree.query(X)[1]]


@dataclass(frozen=True, eq=False)
class DiagonalMixture:
    """Assigns the most probable component of a Gaussian mixture with diagonal covariances."""

    #: `(components, columns)` each.
    means: Floats
    precisions: Floats
    #: `(components,)`: the terms of the log density that do not depend on the row.
    constant: Floats

    def __call__(self, X: Floats) -> NDArray[np.intp]:
        norms = (self.means**2 * self.precisions).sum(axis=1)
        mahalanobis = norms - 2.0 * (X @ (self.means * self.precisions).T) + X**2 @ self.precisions.T
        return (self.constant - 0.5 * mahalanobis).argmax(axis=1)


@dataclass(frozen=True, eq=False)
class FullMixture:
    """Assigns the most probable component of a Gaussian mixture with full covariances."""

    #: `(columns, components × columns)`: the Cholesky factors of the precisions, which whiten each component.
    whitening: Floats
    #: The components' whitened means.
    means: Floats
    #: `(components,)`: the terms of the log density that do not depend on the row.
    constant: Floats

    def __call__(self, X: Floats) -> NDArray[np.intp]:
        whitened = (X @ self.whitening - self.means).reshape(len(X), len(self.constant), -1)
        return (self.constant - 0.5 * np.einsum("ijk,ijk->ij", whitened, whitened)).argmax(axis=1)
