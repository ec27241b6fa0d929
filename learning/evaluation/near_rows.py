"""Near rows: clusters of rows that are nearer to each other than independent rows can be.

Where rows are independent, the density around each is smooth at the scale of its neighbours, and the logarithms of the
ratios of their distances, each times its rank, are exponential with the same mean, one over the dimension (Facco and
others, Estimating the intrinsic dimension of datasets by a minimal neighborhood information, 2017; Levina and Bickel,
Maximum likelihood estimation of intrinsic dimension, 2004). A ratio far beyond that is the edge of a cluster: of rows
of one person, machine or place, or of copies with small changes. Smooth functions, correlated columns, few large
clusters and columns of few values have no such edges.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..analysis import Analysis, FindingKind
from ..columns import Column
from ..dataset import Dataset
from ..lazy_imports import LazyModule
from .folds import FoldPlan, has_valid_folds

if TYPE_CHECKING:
    import pandas as pd
    from scipy import sparse, special
    from scipy.cluster import hierarchy
    from scipy.sparse import csgraph
    from scipy.spatial import distance
    from sklearn import ensemble, neighbors
else:
    pd = LazyModule("pandas")
    sparse = LazyModule("scipy.sparse")
    special = LazyModule("scipy.special")
    hierarchy = LazyModule("scipy.cluster.hierarchy")
    csgraph = LazyModule("scipy.sparse.csgraph")
    distance = LazyModule("scipy.spatial.distance")
    ensemble = LazyModule("sklearn.ensemble")
    neighbors = LazyModule("sklearn.neighbors")

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

#: Upper bound of the rows that are compared; of more, as many are taken from CELLS regions that have all of theirs.
MOST, CELLS = 3_000, 4
#: Least number of rows from which anything is concluded.
LEAST = 60
#: Upper bound of the neighbours of a row: larger clusters are not looked for.
NEIGHBOURS = 64
#: An edge has this many times the mean; of 64 neighbours of an independent row one does with probability 0.02.
EDGE = 8.0
#: Least share of rows that are in clusters. Of honest sets at most 0.14 are.
SHARE = 0.2
#: Rows that a first look at a set of columns compares with all, and the least share of edges for a second look.
FIRST_ROWS, FIRST_SHARE = 400, 0.15
#: Least number of clusters: few are kinds of rows, which new rows will be of as well.
FEWEST = 20
#: Quantile of the rows' distances to the farthest that they are linked with, up to which clusters are joined.
JOINED = 0.9
#: Trees of the forest that orders the columns, and growth of the sets of columns.
TREES, GROWTH = 50, 1.4
#: Upper bound of the columns that are compared in pairs, and score from which on two of them cluster together.
PAIRED, PAIR = 32, 2.5
#: Neighbours in one column: those next to a row, and others that are near in honest columns as well.
NEXT, NEARBY = (1, 2, 3), tuple(range(30, 60, 5))
#: Differences of ranks, as shares of the rows, that are near in another column.
NEAR = (0.01, 0.03, 0.1)


@dataclass(frozen=True, kw_only=True, eq=False)
class NearRows:
    """Clusters of near rows."""

    #: The rows that were compared, ascending: none repeats another.
    rows: Rows
    #: `(len(rows),)`: number of the cluster of each, from 0.
    clusters: NDArray[np.int64]
    #: Names of the columns in which rows of a cluster are near.
    columns: tuple[str, ...]


def find_near_rows(dataset: Dataset, analysis: Analysis, seed: int) -> NearRows | None:
    """Find clusters of near rows; None if the rows may well be independent, or for clusterings.

    The columns are ordered by what a forest makes of them, which learns clusters by heart where it can, and by whether
    neighbours in one are neighbours in another; the first of them are tried, in growing numbers.
    """
    rows = dataset.distinct_rows()
    columns = _compared_columns(dataset, analysis)
    if dataset.y is None or len(rows) < LEAST or len(columns) < 2:
        return None
    random = np.random.default_rng(seed)
    rows = _sample(dataset, columns, rows, random)
    scores = _normal_scores([_cells(dataset, column, rows) for column in columns], random)
    places = _most_clustered(scores, list(_column_sets(dataset, scores, rows, seed)), random)
    clusters = None if places is None else _cluster(scores[:, places])
    if places is None or clusters is None:
        return None
    return NearRows(rows=rows, clusters=clusters, columns=tuple(columns[place].name for place in places))


def keep_near_rows_together(plan: FoldPlan, dataset: Dataset, near: NearRows) -> Dataset | None:
    """Make the clusters groups; None if not all rows were compared, or if that leaves no valid folds."""
    if len(near.rows) < len(dataset.distinct_rows()):
        return None
    first = np.arange(len(dataset)) if dataset.repeated is None else dataset.repeated
    together = dataset.with_groups(near.clusters[np.searchsorted(near.rows, first)])
    return together if has_valid_folds(plan, together) else None


def _compared_columns(dataset: Dataset, analysis: Analysis) -> list[Column]:
    """List the columns without those that identify rows, or tell nothing of their own."""
    ignored = {f.feature for f in analysis.findings if f.kind is FindingKind.IDENTIFIER}
    return [c for c in dataset.columns if c.name not in ignored and c.name not in analysis.useless]


def _cells(dataset: Dataset, column: Column, rows: Rows) -> Floats:
    """Encode the cells of a column as numbers, the missing ones first: `(len(rows),)`."""
    cells = dataset.X[column.name].iloc[rows]
    if column.kind.is_category:
        return np.asarray(cells.cat.codes, dtype=np.float64)
    if cells.dtype == object:
        return np.asarray(pd.factorize(cells)[0], dtype=np.float64)
    values = cells.to_numpy(dtype=np.float64)
    return np.where(np.isnan(values), -np.inf, values)


def _sample(dataset: Dataset, columns: Sequence[Column], rows: Rows, random: np.random.Generator) -> Rows:
    """Select the rows to compare: all, or those of a few regions, so that neighbours stay among each other."""
    if len(rows) <= MOST:
        return rows
    regions = [_region(dataset, columns, rows, MOST // CELLS, random) for _ in range(CELLS)]
    return np.unique(np.concatenate(regions))


def _region(
    dataset: Dataset, columns: Sequence[Column], rows: Rows, most: int, random: np.random.Generator
) -> Rows:
    """Halve the rows at the median of one random column after the other, on the side of a random row."""
    centre = random.choice(rows)
    for _ in range(4 * ceil(np.log2(len(rows) / most))):
        if len(rows) <= most:
            break
        values = _cells(dataset, columns[int(random.integers(len(columns)))], rows)
        is_below = values <= np.median(values)
        rows = rows[is_below == is_below[np.searchsorted(rows, centre)]]
    return rows[:most]


def _normal_scores(cells: Sequence[Floats], random: np.random.Generator) -> Floats:
    """Replace cells by the normal scores of their ranks, equal ones in random order: `(rows, columns)`.

    So each column is smooth by itself, whatever its scale, its outliers and its few values are.
    """
    scores = np.empty((len(cells[0]), len(cells)))
    quantiles = special.ndtri((np.arange(len(scores)) + 0.5) / len(scores))
    for place, values in enumerate(cells):
        scores[np.lexsort((random.random(len(values)), values)), place] = quantiles
    return scores


def _column_sets(dataset: Dataset, scores: Floats, rows: Rows, seed: int) -> Iterator[list[int]]:
    """Yield sets of places of columns that may cluster."""
    assert dataset.y is not None
    forest = (ensemble.ExtraTreesClassifier if dataset.classes else ensemble.ExtraTreesRegressor)(
        TREES, random_state=seed
    )
    weights = forest.fit(scores, dataset.y[rows]).feature_importances_
    important = np.argsort(-weights, kind="stable")
    for count in _counts(len(important)):
        yield important[:count].tolist()
    important = important[:PAIRED]
    strengths = _score_pairs(scores[:, important])
    paired = important[np.argsort(-strengths, kind="stable")]
    for count in _counts(int((strengths > PAIR).sum())):
        yield paired[:count].tolist()


def _counts(most: int) -> Iterator[int]:
    """Yield numbers of columns from 2 on, each a share larger."""
    count = 2
    while count < most:
        yield count
        count = ceil(count * GROWTH)
    if most >= 2:
        yield most


def _score_pairs(scores: Floats) -> Floats:
    """Score each column by the other whose neighbours are most often neighbours in it, and vice versa: `(columns,)`.

    The score is the excess, in standard errors, of rows next to each other that are near in the other column, over
    rows that are still close. Noise has none, whatever other columns there are.
    """
    ranks = np.argsort(np.argsort(scores, axis=0), axis=0) / len(scores)
    excess = np.array([_score_neighbours(ranks[order]) for order in np.argsort(ranks, axis=0).T])
    np.fill_diagonal(excess, 0.0)
    return np.asarray(np.minimum(excess, excess.T).max(axis=0))


def _score_neighbours(ranks: Floats) -> Floats:
    """Compute the excess in each column for rows that are sorted by one of them: `(columns,)`."""
    n = len(ranks)
    lags = {lag: np.abs(ranks[lag:] - ranks[:-lag]) for lag in (*NEXT, *NEARBY) if lag < n}
    best = np.zeros(ranks.shape[1])
    for near in NEAR:
        shares = {lag: (differences < near).mean(axis=0) for lag, differences in lags.items()}
        close = np.mean([shares[lag] for lag in NEXT], axis=0)
        nearby = np.mean([share for lag, share in shares.items() if lag in NEARBY], axis=0)
        expected = np.clip(nearby, 1 / n, 0.999)
        best = np.maximum(best, (close - nearby) / np.sqrt(expected * (1 - expected) / n))
    return best


def _most_clustered(
    scores: Floats, sets: Sequence[list[int]], random: np.random.Generator
) -> list[int] | None:
    """Select the set of columns in which most of some rows have an edge; None if few have in each."""
    rows = random.permutation(len(scores))[:FIRST_ROWS]
    shares = [_find_edges(scores[:, places], rows)[2].mean() for places in sets]
    return sets[int(np.argmax(shares))] if max(shares) >= FIRST_SHARE else None


def _find_edges(scores: Floats, rows: Rows) -> tuple[Rows, Rows, NDArray[np.bool_]]:
    """Find the sharpest edge among the neighbours of each of these rows.

    Returns:
        The neighbours of each row, nearest first: `(len(rows), k + 1)`; how many lie within its edge, and whether
        that is one: both `(len(rows),)`.
    """
    count = min(NEIGHBOURS, len(scores) // 4)
    index = neighbors.NearestNeighbors(n_neighbors=count + 2).fit(scores)
    distances, near = index.kneighbors(scores[rows])
    distances = np.maximum(distances[:, 1:], np.finfo(np.float32).tiny)  # the first is the row itself
    ratios = np.log(distances[:, 1:] / distances[:, :-1]) * np.arange(1, count + 1)
    ratios /= np.median(ratios.mean(axis=0))
    return near[:, 1:], ratios.argmax(axis=1) + 1, ratios.max(axis=1) > EDGE


def _cluster(scores: Floats) -> NDArray[np.int64] | None:
    """Cluster the rows: `(n,)`; None if too few rows lie in clusters, or too few clusters.

    Rows within each other's edge are linked. Their distances tell up to which distance other clusters are joined, whose
    edges are hidden by rows that lie between them by chance.
    """
    n = len(scores)
    near, inside, has_edge = _find_edges(scores, np.arange(n))
    is_linked = (np.arange(near.shape[1]) < inside[:, None]) & has_edge[:, None]
    one, place = np.nonzero(is_linked)
    links = sparse.coo_array((np.ones(len(one)), (one, near[one, place])), shape=(n, n)).tocsr()
    mutual = links.multiply(links.T).tocoo()
    components = csgraph.connected_components(mutual, directed=False)[1]
    if not _are_clusters(components):
        return None
    farthest = np.zeros(n)
    np.maximum.at(farthest, mutual.row, np.linalg.norm(scores[mutual.row] - scores[mutual.col], axis=1))
    tree = hierarchy.linkage(distance.pdist(scores), "average")
    clusters = hierarchy.fcluster(tree, np.quantile(farthest[farthest > 0], JOINED), "distance") - 1
    return clusters.astype(np.int64) if _are_clusters(clusters) else None


def _are_clusters(clusters: NDArray[np.integer]) -> bool:
    sizes = np.bincount(clusters)
    several = sizes[sizes > 1]
    return len(several) >= FEWEST and several.sum() >= SHARE * len(clusters)
