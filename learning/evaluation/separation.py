"""Separation: how much clearer the boundaries of clusters are than the clearest cuts through them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import log2
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import linalg
from sklearn.cluster import KMeans
from sklearn.covariance import ledoit_wolf
from sklearn.neighbors import NearestNeighbors

from ..estimators.clusters import NOISE

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Marks = NDArray[np.bool_]

#: Least number of neighbours of a row. It grows with the logarithm of the rows, as a graph of clusters needs (Maier,
#: Hein and von Luxburg, Optimal construction of k-nearest-neighbor graphs for identifying noisy clusters, 2009).
LEAST_NEIGHBOURS = 5
#: Least rows of a cluster that can be cut.
LEAST_ROWS = 4
#: Starts of 2-means, and upper bound of its iterations and of those of the eigenvectors.
STARTS, ITERATIONS = 2, 30
#: Relative precision of the eigenvectors' values.
TOLERANCE = 1e-3
#: Number of eigenvectors that order the rows, and the least share of the rows in the smaller half of a cut.
VECTORS, LEAST_SHARE = 2, 0.1
#: Number of cuts at random, and the quantile of their conductances that is the unit.
DIRECTIONS, CHEAP = 9, 0.25
#: Least separation of clear clusters. In simulations of 300 rows, the best of 13 clusterings of one normal, uniform or
#: skewed cloud had at most 0.17, of a bent one 0.23. Few rows of a cloud may have more: the best of five clusterings of
#: clouds of 8 kinds at most 0.20 from 600 rows on, 0.27 from 300, 0.46 from 150, 0.54 from 100; 20 of 89 look clear. A
#: bound of 5 / √rows leaves 2 of them, but also holds what the three cultivars of 178 wines have, 0.24 to 0.34.
CLEAR = 0.22
#: Least variance of a direction inside clusters before it is made equal to the others, as a share of the greatest.
LEAST_VARIANCE = 1e-3
#: What a boundary's conductance is multiplied by where directions were made equal: halves of an even cloud become round
#: there, and a cut through one has twice the conductance of their boundary, as many links to half as many rows.
HALVES = 2.0
#: Weight of the least separated cluster, against the mean of the rows.
WORST = 0.5


@dataclass(frozen=True, eq=False)
class Neighbourhoods:
    """The neighbours of rows among learned rows; they are the same for all clusterings of a fold.

    Learned rows count beside those held out: that halves the noise. What a clustering gains by its boundaries' being
    where its learned rows are few, the cut through a cluster gains as well.
    """

    #: `(m, columns)` and `(h, columns)`: the rows in the space in which clusterings are compared.
    learned: Floats
    held_out: Floats
    #: `(m + h, neighbours)`: indices into the learned rows, of each learned row and then of each held-out row.
    neighbours: NDArray[np.intp]
    #: `(m, m)`: the links of the learned rows to their neighbours, in both directions.
    links: sparse.csr_array
    seed: int

    @cached_property
    def _all_rows(self) -> Floats:
        return np.concatenate([self.learned, self.held_out])

    @classmethod
    def find(cls, learned: Floats, held_out: Floats, seed: int) -> Self:
        """Find the neighbours."""
        count = min(len(learned) - 1, max(LEAST_NEIGHBOURS, round(log2(len(learned)))))
        search = NearestNeighbors(n_neighbors=count).fit(learned)
        links = sparse.csr_array(search.kneighbors_graph())
        neighbours = [links.indices.reshape(-1, count), search.kneighbors(held_out, return_distance=False)]
        return cls(learned, held_out, np.concatenate(neighbours), links.maximum(links.T).tocsr(), seed)

    def separation(self, learned: Labels, held_out: Labels) -> float:
        """Compute the separation of a clustering: from −1 to 1, greater is better.

        A good clustering has few neighbours across its boundaries, and no cluster that could be cut as cheaply (Kannan,
        Vempala and Vetta, On clusterings: good, bad and spectral, 2004). Of each cluster, the conductance of the
        boundary is subtracted from that of the clearest cut through it, in units of a cut at random: near 1 if no
        neighbours are across the boundary, and no cut is clearer than another; about 0 or less if the boundary is no
        clearer than a cut, as in one cloud of any shape that was divided, or if the cluster should be divided itself.
        Noise counts as 0. The result is the mean of the rows and of the least separated cluster, because a clustering
        is as good as its worst cluster (Tibshirani and Walther, Cluster Validation by Prediction Strength, 2005).

        Clusters that are stretched, all in one direction, are neighbours at their ends. So they may be separated either
        in the given space, or in the one where rows of a cluster vary as much in all directions (Art, Gnanadesikan and
        Kettenring, Data-based metrics for cluster analysis, 1982), with HALVES.

        Args:
            learned: `(m,)`: the cluster of each learned row.
            held_out: `(h,)`: that of each held-out row.
        """
        if (learned == NOISE).all():
            return 0.0
        whitened = self._whiten(learned)
        return max(self._compare(learned, held_out), whitened._compare(learned, held_out, HALVES))

    def _whiten(self, clusters: Labels) -> Self:
        """Find the neighbours where the rows of a cluster, given by those of the learned rows, vary equally."""
        numbers = np.unique(clusters[clusters != NOISE])
        rows = [self.learned[clusters == number] for number in numbers]
        inside = np.concatenate([own - own.mean(axis=0) for own in rows])
        variances, directions = np.linalg.eigh(ledoit_wolf(inside, assume_centered=True)[0])
        least = max(LEAST_VARIANCE * variances[-1], np.finfo(np.float64).tiny)
        scale = directions / np.sqrt(np.maximum(variances, least))
        return self.find(self.learned @ scale, self.held_out @ scale, self.seed)

    def _compare(self, learned: Labels, held_out: Labels, weight: float = 1.0) -> float:
        """Compare boundaries, whose conductance has this weight, with cuts; see `separation`."""
        rows = np.concatenate([learned, held_out])
        numbers = [number for number in np.unique(rows) if number != NOISE]
        separations = np.array([self._separate(learned == c, rows == c, weight) for c in numbers])
        shares = np.array([(rows == c).mean() for c in numbers])
        inside = float(shares.sum())
        return float((1 - WORST) * (shares @ separations) + WORST * inside * separations.min())

    def _separate(self, learned: Marks, rows: Marks, weight: float) -> float:
        """Compare the boundary of one cluster, given by marks of its rows, with cuts through it."""
        if learned.sum() < LEAST_ROWS or rows.all():
            return -1.0
        outer = weight * _conductance(rows, learned[self.neighbours])
        inner = _cut_conductance(*self._cut(learned, rows))
        random = [_cut_conductance(*cut) for cut in self._cut_at_random(learned, rows)]
        return float((inner - outer) / max(inner, outer, np.quantile(random, CHEAP)))

    def _cut_at_random(self, learned: Marks, rows: Marks) -> Iterator[tuple[Labels, Labels]]:
        """Halve a cluster by its rows' median in random directions; yields what `_cut` returns."""
        random = np.random.default_rng(self.seed)
        directions = random.standard_normal((self.learned.shape[1], DIRECTIONS))
        positions = self.learned[learned] @ directions
        medians = np.median(positions, axis=0)
        halves = np.full((len(learned), DIRECTIONS), NOISE)
        halves[learned] = positions > medians
        own = (self._all_rows[rows] @ directions > medians).astype(np.int64)
        neighbours = halves[self.neighbours[rows]]
        for direction in range(DIRECTIONS):
            yield own[:, direction], neighbours[:, :, direction]

    def _cut(self, learned: Marks, rows: Marks) -> tuple[Labels, Labels]:
        """Cut a cluster where its learned rows are linked least.

        A row is in the half of most of its neighbours.

        Returns:
            The half, 0 or 1, of each row of the cluster, and of its neighbours; NOISE for neighbours in other
            clusters.
        """
        links = self.links[learned][:, learned]
        means = KMeans(2, n_init=STARTS, max_iter=ITERATIONS, random_state=self.seed)
        distances = means.fit_transform(self.learned[learned])
        orders = [distances[:, 1] - distances[:, 0], *_order_by_links(links, self.seed)]
        half = np.full(len(learned), NOISE)
        half[learned] = min((_cut_order(order, links) for order in orders), key=lambda cut: cut[0])[1]
        neighbours = half[self.neighbours[rows]]
        own = np.where(neighbours == NOISE, 0, 2 * neighbours - 1).sum(axis=1) > 0
        return own.astype(np.int64), neighbours


def _order_by_links(links: sparse.csr_array, seed: int) -> Floats:
    """Order the rows of a graph, which may form any shape, by the first eigenvectors of its links: `(orders, rows)`.

    Shi and Malik, Normalized cuts and image segmentation, 2000.
    """
    degrees = _count_links(links)
    first = np.sqrt(degrees / degrees.sum())
    scale = sparse.diags_array(1.0 / np.sqrt(degrees))
    matrix = scale @ links @ scale
    # The first eigenvector is known; subtracted, it leaves the others, also if the graph is not connected.
    rest = linalg.LinearOperator(
        matrix.shape, lambda x: matrix @ x + x - 2 * first * (first @ x), dtype=np.float64
    )
    start = np.random.default_rng(seed).standard_normal(len(first))
    count = min(VECTORS, len(first) - 1)
    try:
        vectors = linalg.eigsh(rest, k=count, which="LA", v0=start, tol=TOLERANCE, maxiter=ITERATIONS)[1]
    except linalg.ArpackNoConvergence as error:
        vectors = error.eigenvectors  # those that were found so far, perhaps none
    return np.asarray(vectors.T / np.sqrt(degrees), dtype=np.float64)


def _cut_order(order: Floats, links: sparse.csr_array) -> tuple[float, Labels]:
    """Find the cut of least conductance in one order of a graph's rows; the smaller half has at least LEAST_SHARE.

    Returns:
        The conductance, and the half of each row: `(rows,)`, 0 or 1.
    """
    rows = len(order)
    ranks = np.empty(rows, dtype=np.intp)
    ranks[np.argsort(order, kind="stable")] = np.arange(rows)
    pairs = links.tocoo()
    ends = np.sort([ranks[pairs.row], ranks[pairs.col]], axis=0)
    # Each link is in the matrix twice, and crosses all cuts between its ends.
    opened, closed = (np.bincount(end, minlength=rows) for end in ends)
    crossing = np.cumsum(opened - closed) / 2
    volumes = np.cumsum(np.bincount(ranks, _count_links(links), minlength=rows))
    conductances = crossing / np.maximum(np.minimum(volumes, volumes[-1] - volumes), 1.0)
    smallest = max(1, int(LEAST_SHARE * rows))
    cut = smallest - 1 + int(conductances[smallest - 1 : rows - smallest].argmin())
    return float(conductances[cut]), (ranks > cut).astype(np.int64)


def _count_links(links: sparse.csr_array) -> Floats:
    return np.maximum(np.asarray(links.sum(axis=1), dtype=np.float64), 1.0)


def _cut_conductance(own: Labels, neighbours: Labels) -> float:
    """Compute the conductance of a cut, as `Neighbourhoods._cut` returns it."""
    return _conductance(own == 1, neighbours == 1, counted=neighbours != NOISE)


def _conductance(rows: Marks, neighbours: Marks, counted: Marks | None = None) -> float:
    """Compute the share of a set's links to neighbours that leave it, or its complement if that is smaller.

    Args:
        rows: `(h,)`: marks of the set's rows.
        neighbours: `(h, neighbours)`: marks of those of its neighbours.
        counted: `(h, neighbours)`: marks of the links that count; None: all.
    """
    counted = np.ones_like(neighbours) if counted is None else counted
    crossing = ((rows[:, None] != neighbours) & counted).sum() / 2
    links = counted.sum(axis=1)
    # Half a link more, so that a boundary that nothing crosses is the clearer the more rows show it.
    return float((crossing + 0.5) / (min(links[rows].sum(), links[~rows].sum()) + 1))
