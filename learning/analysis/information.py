"""Mutual information of two columns in nats, corrected for chance, with its standard error.

Each estimate of dependence is too high where there are many values for the number of rows: random codes of two rows
each seem to tell half of a label. So what chance gives is subtracted.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.spatial import cKDTree
from scipy.special import digamma
from scipy.stats import rankdata
from sklearn.metrics.cluster import expected_mutual_information

from .statistics import Cells, is_missing

#: Least and largest number of nearest neighbours: more of them reduce noise, but blur what few rows show.
NEIGHBOURS = (3, 32)
#: Standard error in that of independent rows: rows share neighbours (simulated: 1.1 to 1.4 for 1,000 to 150 rows).
SHARED = 1.2
#: Number of shuffles that show what chance gives.
SHUFFLES = 4
#: Second part of the seed: no draw here repeats one that made the data.
STREAM = 2004
#: Distances of ranks closer than this are equal but for rounding.
ROUNDING = 1e-9

#: `(n,)`: class codes or other integers.
Codes = NDArray[np.int64]
#: `(n,)`: numbers.
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Information:
    """Estimate of mutual information."""

    nats: float = 0.0
    #: Standard error.
    error: float = 0.0

    @classmethod
    def corrected(
        cls, values: Numbers, chance: float, bound: float = np.inf, chance_error: float = 0.0
    ) -> "Information":
        """Correct the mean of the rows' values for chance.

        What chance gives becomes 0, and the bound, which is complete dependence, remains (as the adjusted mutual
        information of Vinh, Epps and Bailey, Information theoretic measures for clusterings comparison, 2010).
        """
        if bound - chance <= 1e-9:
            return cls()
        slope = 1.0 if np.isinf(bound) else bound / (bound - chance)
        error = max(float(values.std()) / np.sqrt(len(values)), chance_error)
        nats = (float(values.mean()) - chance) * slope
        return cls(float(np.clip(nats, 0.0, bound)), float(error * slope))


def between_codes(x: Codes, y: Codes) -> Information:
    """Count the information between two columns with few values."""
    x, y = pool_single(x), pool_single(y)
    counts = csr_matrix((np.ones(len(x)), (x, y)))
    counts.sum_duplicates()
    in_x, in_y = np.bincount(x), np.bincount(y)
    cells = counts.tocoo()
    logs = np.log(cells.data * len(x)) - np.log(in_x[cells.row]) - np.log(in_y[cells.col])
    values = np.repeat(logs, cells.data.astype(np.intp))
    chance = float(expected_mutual_information(counts.astype(np.int64), len(x)))
    return Information.corrected(values, chance, min(entropy(in_x), entropy(in_y)))


def pool_single(codes: Codes) -> Codes:
    """Number the values from 0, as one those of a single row, which tell nothing about other rows."""
    _, inverse, counts = np.unique(codes, return_inverse=True, return_counts=True)
    is_single = counts == 1
    number = np.where(is_single, 0, np.cumsum(~is_single) - (not is_single.any()))
    return np.asarray(number[inverse], dtype=np.int64)


def entropy(counts: NDArray[np.int64]) -> float:
    """Compute the entropy of a column whose values have these frequencies."""
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def spread(cells: Cells, seed: int) -> Numbers:
    """Convert cells to ranks, missing ones first, of which equal ones are spread at random over their places.

    Mutual information does not depend on the scale, and spreading adds none (the distributional transform: Rüschendorf,
    On the distributional transform, Sklar's theorem, and the empirical copula process, 2009).
    """
    random = np.random.default_rng((seed, STREAM))
    values = np.where(is_missing(cells), -np.inf, cells)
    order = np.lexsort((random.random(len(values)), values))
    ranks = np.empty(len(values))
    ranks[order] = np.arange(len(values)) + random.random(len(values))
    return ranks


def code(cells: Cells) -> Codes:
    """Number the distinct values, missing ones first."""
    return (
        np.asarray(rankdata(np.where(is_missing(cells), -np.inf, cells), method="dense"), dtype=np.int64) - 1
    )


@dataclass(frozen=True, eq=False)
class LabelInformation:
    """Estimator of the information that columns have about a label."""

    #: `(n,)`: classes, or the spread ranks of numbers.
    y: NDArray[Any]
    is_class: bool
    seed: int

    def of_codes(self, cells: Cells) -> Information:
        """Estimate the information of a column with few values."""
        codes = code(cells)
        if self.is_class:
            return between_codes(codes, self.y)
        codes, random = pool_single(codes), np.random.default_rng((self.seed, STREAM))
        by_chance = [_between_codes_and_numbers(codes, random.permutation(self.y)) for _ in range(SHUFFLES)]
        return _correct(_between_codes_and_numbers(codes, self.y), by_chance, entropy(np.bincount(codes)))

    def of_numbers(self, cells: Cells) -> Information:
        """Estimate the information of a column of numbers."""
        bound = entropy(np.bincount(self.y)) if self.is_class else np.inf
        return _correct(self._values(spread(cells, self.seed)), self._by_chance, bound)

    @cached_property
    def _by_chance(self) -> list[Numbers]:
        """The contributions for numbers in random order; being ranks, they are the same for all columns."""
        n, random = len(self.y), np.random.default_rng((self.seed, STREAM))
        return [self._values(random.permutation(n) + random.random(n)) for _ in range(2 * SHUFFLES)]

    def _values(self, x: Numbers) -> Numbers:
        if self.is_class:
            return _between_codes_and_numbers(pool_single(self.y), x)
        return _between_numbers(x, self.y)


def _correct(values: Numbers, by_chance: list[Numbers], bound: float) -> Information:
    means = [float(each.mean()) for each in by_chance]
    estimate = Information.corrected(values, float(np.mean(means)), bound, float(np.std(means, ddof=1)))
    return Information(estimate.nats, SHARED * estimate.error)


def _between_codes_and_numbers(codes: Codes, numbers: Numbers) -> Numbers:
    """Estimate the information of codes and spread ranks from the nearest neighbours with the same code.

    Ross, Mutual information between discrete and continuous data sets, 2014. scikit-learn's `mutual_info_classif` has
    the mean only, and without sorting takes ten times as long.

    Returns:
        The contribution of each row; their mean is the information.
    """
    order = np.lexsort((numbers, codes))
    x, c = numbers[order], codes[order]
    counts = np.bincount(c)[c]
    k = np.minimum(_neighbours(len(x)), counts - 1)
    radius = np.zeros(len(x))
    for neighbours in np.unique(k[k > 0]).tolist():
        rows = np.flatnonzero(k == neighbours)
        radius[rows] = _distance_in_code(x, c, rows, neighbours)
    within = _count_within(x, np.sort(numbers), radius)
    values = digamma(len(x)) + digamma(np.maximum(k, 1)) - digamma(counts) - digamma(within)
    return np.asarray(np.where(k > 0, values, 0.0))


def _distance_in_code(x: Numbers, codes: Codes, rows: NDArray[np.intp], k: int) -> Numbers:
    """Compute the distance of rows, sorted by code and number, to the k-th nearest with their code."""
    nearest = np.full(len(rows), np.inf)
    for before in range(k + 1):
        low, high = rows - before, rows + k - before
        inside = (low >= 0) & (high < len(x))
        low, high = np.maximum(low, 0), np.minimum(high, len(x) - 1)
        inside &= (codes[low] == codes[rows]) & (codes[high] == codes[rows])
        distance = np.maximum(x[rows] - x[low], x[high] - x[rows])
        nearest = np.where(inside, np.minimum(nearest, distance), nearest)
    return nearest


def _between_numbers(x: Numbers, y: Numbers) -> Numbers:
    """Estimate the information of two columns of spread ranks from the nearest neighbours in both.

    Kraskov, Stögbauer and Grassberger, Estimating mutual information, 2004, the first of their two estimators.

    Returns:
        The contribution of each row; their mean is the information.
    """
    k = min(_neighbours(len(x)), len(x) - 1)
    points = np.column_stack([x, y])
    distances, _ = cKDTree(points).query(points, k=[k + 1], p=np.inf)
    near_x, near_y = (_count_within(values, np.sort(values), distances[:, 0]) for values in (x, y))
    return np.asarray(digamma(len(x)) + digamma(k) - digamma(near_x) - digamma(near_y))


def _neighbours(rows: int) -> int:
    """Compute the number of nearest neighbours: half the square root of the rows."""
    return int(np.clip(round(np.sqrt(rows) / 2), *NEIGHBOURS))


def _count_within(ranks: Numbers, ordered: Numbers, radius: Numbers) -> NDArray[np.intp]:
    """Count the rows that are closer than the radius, each row itself included."""
    inner = radius - ROUNDING
    within = np.searchsorted(ordered, ranks + inner) - np.searchsorted(ordered, ranks - inner)
    return np.asarray(np.maximum(within, 1))
