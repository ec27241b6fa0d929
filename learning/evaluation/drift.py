"""Drift: how far the distribution of served values is from the one that a model learned from.

Both are counts by the same bins, and both are samples. The distance is that of Jensen and Shannon (Endres and
Schindelin, A new metric for probability distributions, 2003): 0 for equal shares, 1 for shares without anything in
common. The p-value is of Pearson's χ² test that both samples are of one distribution; those of several features are
corrected by Benjamini and Hochberg's method (Controlling the false discovery rate, 1995).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..lazy_imports import LazyModule

if TYPE_CHECKING:
    from scipy import special, stats
    from scipy.spatial import distance
else:
    special, stats = LazyModule("scipy.special"), LazyModule("scipy.stats")
    distance = LazyModule("scipy.spatial.distance")

#: Least frequency that the test expects in each bin (Cochran, Some methods for strengthening the common χ² tests,
#: 1954). Bins with less are merged.
EXPECTED = 5.0
#: Bins that are compared, at most: the distance of more is that of their noise.
MOST_BINS = 30

Counts = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Distance:
    """Distance of two distributions, and whether it may be chance."""

    #: Jensen–Shannon distance with logarithms of base 2, 0 to 1; None if a sample is empty.
    value: float | None
    #: None if a sample is too small for the test.
    p_value: float | None


def compare(reference: Sequence[int] | Counts, served: Sequence[int] | Counts) -> Distance:
    """Compare two samples, `(bins,)` counts each. The most frequent bins of the reference count; the rest are one."""
    table = _merge_rare(np.array([reference, served], dtype=np.int64))
    if not table.sum(axis=1).all():
        return Distance(value=None, p_value=None)
    value = float(distance.jensenshannon(table[0], table[1], base=2))
    # Rounding makes of equal shares a distance of some 1e-9, or the root of a negative number.
    return Distance(value=0.0 if np.isnan(value) else min(value, 1.0), p_value=compute_p_value(table))


def _merge_rare(table: Counts) -> Counts:
    """Merge all but the most frequent bins of the reference."""
    if table.shape[1] <= MOST_BINS:
        return table
    order = np.argsort(-table[0], kind="stable")
    frequent, rest = np.sort(order[: MOST_BINS - 1]), order[MOST_BINS - 1 :]
    return np.column_stack([table[:, frequent], table[:, rest].sum(axis=1)])


def compute_p_value(table: Counts) -> float | None:
    """Compute the p-value of Pearson's χ² test of homogeneity: `(2, bins)` counts.

    Returns: None if merging cannot make all expected frequencies EXPECTED; 1 if all values are in one bin.
    """
    table = table[:, table.any(axis=0)]
    if table.shape[1] == 1:
        return 1.0
    share = table.sum(axis=1).min() / table.sum()
    table = table[:, np.argsort(-table.sum(axis=0), kind="stable")]
    while table.shape[1] > 1 and table[:, -1].sum() * share < EXPECTED:
        merged = table[:, -2:].sum(axis=1)
        table = np.column_stack([table[:, :-2], merged])
        table = table[:, np.argsort(-table.sum(axis=0), kind="stable")]
    if table.shape[1] == 1:
        return None
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    statistic = float(((table - expected) ** 2 / expected).sum())
    return float(special.chdtrc(table.shape[1] - 1, statistic))


def adjust(p_values: Sequence[float | None]) -> list[float | None]:
    """Correct p-values for their number by Benjamini and Hochberg's method. None stays None and does not count."""
    tested = [p_value for p_value in p_values if p_value is not None]
    if not tested:
        return list(p_values)
    adjusted = iter(stats.false_discovery_control(tested, method="bh").tolist())
    return [None if p_value is None else next(adjusted) for p_value in p_values]
