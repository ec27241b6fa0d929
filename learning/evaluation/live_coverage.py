"""Live coverage: what a champion's intervals contained, by truths that came after its predictions."""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple

from ..lazy_imports import LazyModule
from .interval_coverage import ALPHA, TESTED
from .intervals import Intervals, LiveCoverage

if TYPE_CHECKING:
    from scipy import special
else:
    special = LazyModule("scipy.special")

#: Below this number of truths nothing is measured; of more than the second the newest count.
LEAST_ROWS, MOST_ROWS = 50, 500
#: Upper bound of the widening: people who correct what is wrong, and nothing else, ask for more than is true.
MOST_WIDENING = 2.0


class LiveRow(NamedTuple):
    """A prediction whose truth came later."""

    value: float
    truth: float
    #: The instance as it is stored, by the features' names.
    features: Mapping[str, Any]


def measure(intervals: Intervals, rows: Sequence[LiveRow]) -> LiveCoverage | None:
    """Measure the coverage at TESTED, and how much wider intervals must be if it is less beyond noise.

    The factor is the conformal quantile of the truths' distances from the intervals' middles, as in split conformal
    prediction with these rows for calibration. An earlier widening does not count, so that it stays as long as it is
    needed and no longer.

    Returns: None if there are too few rows.
    """
    if len(rows) < LEAST_ROWS:
        return None
    distances = sorted(intervals.distance(row.value, row.truth, TESTED, row.features) for row in rows)
    inside = sum(distance <= 1 for distance in distances)
    widening = 1.0
    if special.bdtr(inside, len(rows), TESTED) < ALPHA:
        place = min(ceil((len(rows) + 1) * TESTED), len(rows)) - 1
        widening = min(max(distances[place], 1.0), MOST_WIDENING)
    return LiveCoverage(rows=len(rows), coverage=inside / len(rows), widening=widening)
