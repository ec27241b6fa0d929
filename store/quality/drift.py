"""Drift: features and answers that a version has served in a window, against what it has learned from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from learning.lazy_imports import LazyModule

from ..access import acting
from ..db import clock
from ..db.statements import compile_rows
from ..exceptions import BadInput, UnknownId
from ..products.features import Feature
from ..products.product import DataProduct
from ..registry.versions import ModelVersion
from . import windows
from .drift_hours import HOUR, DriftHour, Range, count_hours, count_places, floor_hour, unpack
from .drift_references import ANSWER, CountLayout, DriftReference
from .feature_bins import BinsBasis, Counts, FeatureBins

if TYPE_CHECKING:
    from learning.evaluation import drift
else:
    drift = LazyModule("learning.evaluation.drift")

#: Rows that are counted beside the hours that were counted before: the newest ones.
MOST_ROWS = 2_000
#: Before all predictions.
FIRST = datetime(1970, 1, 1, tzinfo=UTC)
#: The statistic of a feature, and of one that is compared by the lengths of its texts.
STATISTIC, LENGTHS_STATISTIC = "jensen_shannon", "jensen_shannon_of_lengths"


@dataclass(frozen=True, kw_only=True)
class BinsDrift:
    """Comparison of what was served with what was learned from, of one feature or of the answers."""

    statistic: str
    #: Jensen–Shannon distance, 0 to 1; None without predictions, or without anything to compare with.
    value: float | None
    #: Number of predictions that were counted.
    n: int
    #: Number of rows that were learned from.
    learned: int
    p_value: float | None
    #: The p-value corrected for the number of features.
    adjusted_p_value: float | None
    #: Share of predictions without a value, and of the rows that were learned from; None without any.
    missing: float | None
    learned_missing: float | None
    #: Share of the served values that are out of the range, or not among the values, that were learned from; None
    #: without any value, and if that is unknown.
    unseen: float | None


@dataclass(frozen=True, kw_only=True)
class FeatureDrift:
    """Drift of one feature."""

    column: Feature
    compared: BinsDrift


@dataclass(frozen=True, kw_only=True)
class WindowDrift:
    """Drift of all features of one version in a window, in declared order, and of its answers."""

    product: DataProduct
    version: ModelVersion | None
    since: datetime | None
    until: datetime
    #: Number of predictions that were counted.
    n: int
    features: Sequence[FeatureDrift]
    answers: BinsDrift | None
    #: OUT_OF_FOLD, LABELS, or empty.
    answers_basis: str
    #: Why nothing can be compared, as a sentence; empty if it can.
    problem: str


def find(
    product: DataProduct,
    version: ModelVersion | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> WindowDrift:
    """Compare what a version has served in a window with what it has learned from.

    Hours that the maintenance has counted are read from their counts. Of others, as of the hour that has not ended, the
    newest MOST_ROWS predictions are counted. Where predictions of more hours were deleted than that, the counts of the
    older ones are those from before. Who does not see all rows has the newest MOST_ROWS visible ones compared.

    Args:
        version: None: the one that serves.
        since, until: of the predictions' time, the first inclusive, the second exclusive; None: no limit, and now.

    Raises: BadInput where `since` is after `until`; UnknownId where the version is another product's.
    """
    until = until or clock.now()
    if since is not None and since > until:
        raise BadInput("`since` is after `until`.", argument=("since",))
    if version is not None and version.product != product.name:
        raise UnknownId(f"This version is not one of {product}.", argument=("model",))
    version = version or ModelVersion.objects.champion_of(product.name)
    problem, reference = "No version serves.", None
    if version is not None:
        problem = f"What version {version.number} learned from has not been counted yet."
        reference = DriftReference.objects.select_related("model").filter(pk=version.pk).first()
    window = _Window(product, reference, since, until)
    return WindowDrift(
        product=product,
        version=version,
        since=since,
        until=until,
        n=window.n,
        features=window.compare_features(),
        answers=window.compare_answers(),
        answers_basis=reference.answers_basis if reference else "",
        problem=reference.problem if reference else problem,
    )


class _Window:
    """The predictions of one version in a window, counted by the bins of its reference."""

    def __init__(
        self,
        product: DataProduct,
        reference: DriftReference | None,
        since: datetime | None,
        until: datetime,
    ):
        self.product, self.reference = product, reference
        self.since, self.until = since or FIRST, until
        self.layout = reference.layout if reference else CountLayout([])
        counts = self._count(reference) if reference else self._nothing
        self.parts = {bins.name: (bins, own) for bins, own in self.layout.split(counts)}

    @property
    def n(self) -> int:
        """Number of predictions that were counted."""
        return max((int(own.sum()) for _, own in self.parts.values()), default=0)

    def compare_features(self) -> list[FeatureDrift]:
        """Compare each feature of today's declaration that was learned from."""
        columns = [column for column in self.product.declared_columns if column.name in self.parts]
        compared = [_compare(*self.parts[column.name]) for column in columns]
        adjusted = drift.adjust([each.p_value for each in compared])
        return [
            FeatureDrift(column=column, compared=replace(each, adjusted_p_value=p_value))
            for column, each, p_value in zip(columns, compared, adjusted, strict=True)
        ]

    def compare_answers(self) -> BinsDrift | None:
        """Compare the answers; None if nothing is known of those before."""
        if ANSWER not in self.parts:
            return None
        compared = _compare(*self.parts[ANSWER])
        return replace(compared, adjusted_p_value=compared.p_value)

    @property
    def _nothing(self) -> Counts:
        return np.zeros(self.layout.size, dtype=np.int64)

    def _count(self, reference: DriftReference) -> Counts:
        if not self.product.join.sees_all(acting.current()):
            return self._count_visible(reference)
        if self.until - self.since < HOUR:  # also in the last hour that there is a time for
            return self._count_rows(reference, [(self.since, self.until)])
        # Whole hours that were counted, from `first` to `last`; the rest of the window is counted from the rows.
        first = floor_hour(self.since + HOUR - timedelta(microseconds=1))
        last = min(reference.counted_until or FIRST, floor_hour(self.until))
        if first >= last:
            return self._count_rows(reference, [(self.since, self.until)])
        total, ranges, left = self._nothing, [(self.since, first), (last, self.until)], MOST_ROWS
        hours = DriftHour.objects.filter(reference=reference, hour__gte=first, hour__lt=last)
        for hour, stored, stale in hours.order_by("-hour").values_list("hour", "counts", "stale"):
            counts = unpack(stored)
            rows = self._rows_in(counts)
            if stale and rows <= left:
                ranges.append((hour, hour + HOUR))
                left -= rows
            else:
                total += counts
        return total + self._count_rows(reference, ranges)

    def _rows_in(self, counts: Counts) -> int:
        """Number of predictions in counts: each has one place of the first feature; 0 for an hour without counts."""
        return int(counts[: self.layout.bins[0].size].sum()) if len(counts) else 0

    def _count_rows(self, reference: DriftReference, ranges: Sequence[Range]) -> Counts:
        ranges = [(since, until) for since, until in ranges if since < until]
        hours = count_hours(self.product, reference, ranges, MOST_ROWS) if ranges else {}
        return np.sum([self._nothing, *hours.values()], axis=0)

    def _count_visible(self, reference: DriftReference) -> Counts:
        """Count the newest predictions that the actor of this thread may see."""
        rows = windows.select(self.product, reference.model, self.since, self.until).served()
        statement, parameters = compile_rows(rows.order_by("-created_at", "pk")[:MOST_ROWS])
        hours = count_places(self.product, self.layout, statement, parameters)
        return np.sum([self._nothing, *hours.values()], axis=0)


def _compare(bins: FeatureBins, served: Counts) -> BinsDrift:
    learned = np.array(bins.counts, dtype=np.int64)
    distance = drift.compare(bins.compared(learned), bins.compared(served))
    n, rows = int(served.sum()), int(learned.sum())
    present, unseen = n - int(served[-1]), bins.unseen(served)
    return BinsDrift(
        statistic=LENGTHS_STATISTIC if bins.basis is BinsBasis.LENGTHS else STATISTIC,
        value=distance.value,
        n=n,
        learned=rows,
        p_value=distance.p_value,
        adjusted_p_value=None,
        missing=float(served[-1] / n) if n else None,
        learned_missing=float(learned[-1] / rows) if rows else None,
        unseen=None if unseen is None or not present else unseen / present,
    )
