"""What goes by distances: nearest neighbours, and clusters with the distances to their centres."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from ..estimators.clusters import NOISE
from .numeric import Floats

#: Distances that are computed at once, at most.
_CELLS = 2_000_000
#: Of each row the nearest of the rows that were learned from, and how far they are: `(n, k)` each.
Found = tuple[Floats, NDArray[np.intp]]


class BruteForceNeighbours:
    """Compares with every row that was learned from; of those as far as each other, the first are the nearest."""

    def __init__(self, rows: Floats, k: int):
        self.rows = rows
        self.k = k
        self.lengths = np.einsum("ij,ij->i", rows, rows)

    def __call__(self, X: Floats) -> Found:
        step = max(1, _CELLS // len(self.rows))
        found = [self._of(X[start : start + step]) for start in range(0, len(X), step)]
        distances, places = found[0] if len(found) == 1 else map(np.concatenate, zip(*found, strict=True))
        return distances, places

    def _of(self, X: Floats) -> Found:
        # In this order: of a row far away from all, its own length leaves nothing of the others'.
        far = np.einsum("ij,ij->i", X, X)[:, None] + X @ (-2.0 * self.rows.T) + self.lengths
        places = np.argpartition(far, self.k - 1, axis=1)[:, : self.k]
        last = np.take_along_axis(far, places, axis=1).max(axis=1, keepdims=True)
        tied = np.flatnonzero((far <= last).sum(axis=1) > self.k)
        if len(tied):
            places[tied] = np.argsort(far[tied], axis=1, kind="stable")[:, : self.k]
        apart = X[:, None, :] - self.rows[places]
        return np.sqrt(np.einsum("ijk,ijk->ij", apart, apart)), places


@dataclass(frozen=True, eq=False)
class TreeNeighbours:
    """Asks scikit-learn's tree of the rows that were learned from."""

    tree: Any
    k: int

    def __call__(self, X: Floats) -> Found:
        return self.tree.query(X, self.k)  # type: ignore[no-any-return]


@dataclass(frozen=True, eq=False)
class WeightedVotes:
    """The neighbours' labels averaged, the nearer the heavier."""

    #: `(rows, k)`: of each row that was learned from, 1 for its class, or its value.
    labels: Floats

    def __call__(self, found: Found) -> Floats:
        distances, places = found
        same = distances == 0
        with np.errstate(divide="ignore"):
            weights = np.where(same.any(axis=1, keepdims=True), same, 1.0 / distances)
        weights = weights / weights.sum(axis=1, keepdims=True)
        return np.einsum("ij,ijk->ik", weights, self.labels[places])


@dataclass(frozen=True, eq=False)
class ClusterRuntime:
    """The cluster and the distances to all centres."""

    #: From rows to the algorithm's labels.
    assign: Callable[[Floats], NDArray[Any]]
    #: Our numbers of the algorithm's labels; None: they are ours.
    numbers: NDArray[np.int64] | None
    centres: Floats

    def __call__(self, X: Floats) -> tuple[NDArray[np.int64], Floats]:
        labels = self.assign(X)
        clusters = labels if self.numbers is None else self.numbers[labels]
        return np.asarray(clusters, dtype=np.int64), cdist(X, self.centres)


def numbered(numbers: dict[int, int], labels: int) -> NDArray[np.int64]:
    """By the algorithm's label: our number; noise for a label that nobody has."""
    return np.array([numbers.get(label, NOISE) for label in range(labels)], dtype=np.int64)


@dataclass(frozen=True, eq=False)
class NearestCentre:
    centres: Floats

    def __call__(self, X: Floats) -> NDArray[np.intp]:
        lengths = np.einsum("ij,ij->i", self.centres, self.centres)
        return (lengths - 2.0 * (X @ self.centres.T)).argmin(axis=1)


@dataclass(frozen=True, eq=False)
class NearestRow:
    """The cluster of the nearest of the rows that the clusters were found in."""

    tree: Any
    labels: NDArray[np.int64]

    def __call__(self, X: Floats) -> NDArray[np.int64]:
        return self.labels[self.tree.query(X)[1]]


@dataclass(frozen=True, eq=False)
class DiagonalMixture:
    """The most probable of normal distributions whose columns are independent."""

    means: Floats
    precisions: Floats
    #: `(components,)`: what does not depend on the row.
    constant: Floats

    def __call__(self, X: Floats) -> NDArray[np.intp]:
        lengths = (self.means**2 * self.precisions).sum(axis=1)
        far = lengths - 2.0 * (X @ (self.means * self.precisions).T) + X**2 @ self.precisions.T
        return (self.constant - 0.5 * far).argmax(axis=1)


@dataclass(frozen=True, eq=False)
class FullMixture:
    """The most probable of normal distributions."""

    #: `(columns, components × columns)`: what makes each component's columns independent, and where its middle is then.
    turns: Floats
    middles: Floats
    #: `(components,)`: what does not depend on the row.
    constant: Floats

    def __call__(self, X: Floats) -> NDArray[np.intp]:
        turned = (X @ self.turns - self.middles).reshape(len(X), len(self.constant), -1)
        return (self.constant - 0.5 * np.einsum("ijk,ijk->ij", turned, turned)).argmax(axis=1)
