"""Live quality: how good a product or a version is now, in a window of time and in its parts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np

from learning.lazy_imports import LazyModule

from ..access import acting
from ..db import clock
from ..exceptions import BadInput, ForeignModel, OutOfRange
from ..predictions.time_steps import STEP_MINUTES
from ..products.product import DataProduct
from ..registry.versions import ModelVersion
from . import clusters, counted, drift, estimates, measures, rollups, skew, windows
from .clusters import Cluster
from .counted import CountedPredictions
from .drift_hours import HOUR
from .estimates import Sample
from .parts import MOST_COUNTED, Part, PartCache
from .windows import PredictionWindow

if TYPE_CHECKING:
    from learning.evaluation import live_measures
    from learning.evaluation.live_measures import LiveMeasure
    from learning.selection import noise
else:
    live_measures = LazyModule("learning.evaluation.live_measures")
    noise = LazyModule("learning.selection.noise")

#: Parts of a history, at most.
MOST_BUCKETS = 1_000
#: Predictions of the windows that a process has in memory, at most; each window counts as a thousand.
MOST_RECENT = 500_000
#: The method of a promise's interval: of the folds' scores, corrected for the rows that they share.
CORRECTED_T = "CORRECTED_T"
#: The steps in which clocks are changed.
STEP = timedelta(minutes=STEP_MINUTES)
#: Probability that a mean lies beyond one end of its interval.
TAIL = 0.025


class HistoryBy(Enum):
    """The length of the parts of a history."""

    HOUR = "HOUR"
    DAY = "DAY"
    WEEK = "WEEK"


@dataclass(frozen=True, eq=False, kw_only=True)
class QualityOf:
    """The predictions of a window, what counts of them, and how good that is."""

    product: DataProduct
    #: None: all versions.
    model: ModelVersion | None
    #: None: from the first prediction on.
    since: datetime | None
    #: None: to the newest prediction.
    until: datetime | None

    @cached_property
    def window(self) -> PredictionWindow:
        """The predictions by what becomes of them."""
        raise NotImplementedError

    @cached_property
    def sample(self) -> Sample:
        """Predictions of the window, drawn at random, with or without labels."""
        raise NotImplementedError

    @cached_property
    def cluster_numbers(self) -> Any:
        """The numbers of predictions by steps of time and clusters."""
        raise NotImplementedError

    @cached_property
    def clusters(self) -> list[Cluster]:
        """The clusters that were answered, by number; empty unless the product clusters."""
        if self.product.learns_from_labels:
            return []
        return clusters.count_clusters(self.cluster_numbers, self.sample)

    @cached_property
    def memory(self) -> dict[Any, Any]:
        """Results that were computed, by the arguments of the call."""
        return {}

    @cached_property
    def part(self) -> Part:
        """The predictions that count, and what was measured of them."""
        return Part(counted.count(self.window, self.learned))

    @property
    def counted(self) -> CountedPredictions:
        """The predictions that count."""
        return self.part.counted

    @cached_property
    def learned(self) -> int:
        """Number of the window's classes that the version knows."""
        return len(windows.learned_classes(self.product, self.model)) if self.product.labels else 0

    def measure(self, metrics: Sequence[str] | None = None) -> "list[LiveMeasure]":
        """Measure by metrics of the task, then each class. Raises BadInput where the task has no such metric."""
        if not self.product.learns_from_labels:
            return []
        key, measured = None if metrics is None else tuple(metrics), self.part.measured
        if key not in measured:
            measured[key] = measures.measure(self.product, self.counted, metrics)
        return measured[key]

    def estimate(self, metric: str | None = None) -> "LiveMeasure | None":
        """Estimate a metric without labels; None where it has no estimate. Raises BadInput."""
        if not self.product.learns_from_labels:
            return None
        [name] = measures.list_metrics(self.product, (), [metric or self.product.metric])
        if name not in self.memory:
            self.memory[name] = estimates.estimate(self.product, self.sample, name)
        return self.memory[name]


class LiveQuality(QualityOf):
    """Quality of a product or a version in a window of time."""

    @cached_property
    def window(self) -> PredictionWindow:
        if not self.product.learns_from_labels:
            return windows.read_steps(self.product, self.model, self.since, self.until)
        return rollups.read(self.product, self.model, self.since, self.until)

    @cached_property
    def sample(self) -> Sample:
        predictions = int(self.window.steps["n"].sum())
        return estimates.read_sample(self.product, self.model, self.since, self.until, predictions)

    @cached_property
    def cluster_numbers(self) -> Any:
        return clusters.read_numbers(self.product, self.model, self.since, self.until)

    @property
    def champion(self) -> ModelVersion | None:
        """The version whose promise and snapshot the window is compared with: its own, else what serves."""
        return self.model or ModelVersion.objects.champion_of(self.product.name)

    @property
    def promised(self) -> "LiveMeasure | None":
        """The score of the final round of the contest, with the interval of its folds; None without a champion."""
        version = self.champion
        if version is None:
            return None
        candidate: Any = version.candidate
        scores = candidate.folds.served_scores(candidate.pk)
        snapshot = version.snapshot
        rows = snapshot.rows - snapshot.unlabelled if self.product.learns_from_labels else snapshot.rows
        bounds = _corrected_interval(version.score, scores, self.product.problem.folds_for(snapshot.rows))
        return live_measures.LiveMeasure.of(version.metric, None, version.score, rows, bounds, CORRECTED_T)

    @cached_property
    def drift(self) -> drift.WindowDrift:
        """Comparison of what the version has served with what it has learned from; without one, of the champion."""
        return drift.find(self.product, self.champion, self.since, self.until)

    @cached_property
    def skew(self) -> skew.Skew:
        """Features as they were served for entities, against the entities' rows."""
        return skew.find(self.product, self.model, self.since, self.until)

    def history(self, by: HistoryBy, zone: ZoneInfo) -> "list[Bucket]":
        """Cut the window into hours, days or weeks that have predictions. Raises OutOfRange."""
        if (by, zone.key) in self.memory:
            return self.memory[by, zone.key]  # type: ignore[no-any-return]
        starts = self._list_starts(by, zone)
        if len(starts) > MOST_BUCKETS:
            raise OutOfRange(
                f"There are {len(starts):,} parts: ask for at most {MOST_BUCKETS:,}, by longer ones or of less time.",
                argument=("by",),
                maximum=MOST_BUCKETS,
            )
        buckets = [self._bucket(start, _end_of(start, by, zone)) for start in starts]
        self.memory[by, zone.key] = buckets
        return buckets

    def _list_starts(self, by: HistoryBy, zone: ZoneInfo) -> list[datetime]:
        """List the starts of the periods that have predictions."""
        starts: list[datetime] = []
        steps, place = np.ascontiguousarray(self.window.steps["at"]), 0
        while place < len(steps):
            starts.append(start := _start_of(steps[place], by, zone))
            place = int(np.searchsorted(steps, windows.to_microseconds(_end_of(start, by, zone))))
        return starts

    def _bucket(self, start: datetime, end: datetime) -> "Bucket":
        since = start if self.since is None else max(start, self.since)
        return Bucket(
            product=self.product,
            model=self.model,
            since=since,
            until=end if self.until is None else min(end, self.until),
            start=start,
            whole=self,
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Bucket(QualityOf):
    """An hour, a day or a week of a window: the same as a window of its own."""

    #: The start of the period, which may lie before the window.
    start: datetime
    whole: LiveQuality

    @cached_property
    def part(self) -> Part:
        packed = self.whole.window.packed
        days = None if packed is None else packed.find_mark(self.since, self.until)
        if days is None:
            return Part(counted.count(self.window, self.learned))
        model = self.model and self.model.pk
        # What a version knows never changes; of all versions, a new one may know more.
        key = (
            self.product.name,
            model,
            self.learned,
            self.whole.window.classes,
            self.since,
            self.until,
            days,
        )
        return _parts.find(self.product, key, lambda: counted.count(self.window, self.learned))

    @cached_property
    def window(self) -> PredictionWindow:
        return self.whole.window.cut(self.since, self.until)

    @cached_property
    def learned(self) -> int:
        return self.whole.learned

    @cached_property
    def sample(self) -> Sample:
        return self.whole.sample.cut(self.since, self.until)

    @cached_property
    def cluster_numbers(self) -> Any:
        return windows.cut(self.whole.cluster_numbers, self.since, self.until)


class RecentQuality:
    """The windows that were asked for last, in memory as long as nothing changes what counts."""

    def __init__(self) -> None:
        self._entries: dict[Any, tuple[Any, LiveQuality]] = {}
        self._lock = Lock()

    def find(self, quality: LiveQuality) -> LiveQuality:
        """Find a window with what was computed of it; the given one where it is not in memory or no longer current."""
        key = (quality.product.name, quality.model and quality.model.pk, quality.since, quality.until)
        mark = rollups.read_mark(quality.product)  # before anything is read
        with self._lock:
            mark_before, recent = self._entries.pop(key, (None, quality))
            if mark_before != mark or recent.product is not quality.product:
                recent = quality
            self._entries[key] = mark, recent
            while len(self._entries) > 1 and self._count() > MOST_RECENT:
                del self._entries[next(iter(self._entries))]
        return recent

    def _count(self) -> int:
        """Count the predictions in memory, and one for each window."""
        windows = [vars(quality).get("window") for _, quality in self._entries.values()]
        return sum(1_000 if window is None else 1_000 + len(window.rows) for window in windows)


_recent = RecentQuality()
_parts = PartCache(MOST_COUNTED)


def find(
    product: DataProduct,
    model: ModelVersion | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> LiveQuality:
    """Find the quality of a version, or of all that any version has served, in a window of the predictions' time.

    Raises: ForeignModel, BadInput where the window has no time in it.
    """
    if model is not None and model.product != product.name:
        raise ForeignModel(
            f"Version {model.number} belongs to {model.product}, not to {product.name}.", argument=("model",)
        )
    since, until = _in_utc(since, "since"), _in_utc(until, "until")
    end = until or clock.now()
    if since is not None and since >= end:
        raise BadInput(
            f"since lies at {since.isoformat()} and until at {end.isoformat()}: there is no time between them.",
            argument=("since",),
        )
    quality = LiveQuality(product=product, model=model, since=since, until=until)
    return _recent.find(quality) if product.join.sees_all(acting.current()) else quality


def _in_utc(moment: datetime | None, argument: str) -> datetime | None:
    try:
        return None if moment is None else moment.astimezone(UTC)
    except (OverflowError, ValueError):
        raise BadInput("There is no such time in UTC.", argument=(argument,)) from None


def _corrected_interval(score: float, folds: Sequence[float], number: int) -> tuple[float, float] | None:
    """Compute the interval of a mean over folds; None of a single one."""
    if len(folds) < 2:
        return None
    half = noise.margin(folds, 1 / (number - 1), TAIL)
    return score - half, score + half


def _start_of(at: int, by: HistoryBy, zone: ZoneInfo) -> datetime:
    """The start of the period that has a moment, in microseconds since 1970."""
    moment = windows.to_moment(at)
    if by is HistoryBy.HOUR:
        return _start_of_hour(moment, zone)
    local = moment.astimezone(zone)
    days = local.weekday() if by is HistoryBy.WEEK else 0
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return (midnight - timedelta(days=days)).astimezone(UTC)


def _end_of(start: datetime, by: HistoryBy, zone: ZoneInfo) -> datetime:
    """The start of the next period."""
    if by is HistoryBy.HOUR:
        return _end_of_hour(start, zone)
    local = start.astimezone(zone)
    days = 7 if by is HistoryBy.WEEK else 1
    return (local.replace(fold=0, hour=0, minute=0) + timedelta(days=days)).astimezone(UTC)


def _start_of_hour(moment: datetime, zone: ZoneInfo) -> datetime:
    """The start of the hour of the clock, which begins anew when the clock is changed in it, by half an hour even."""
    local = moment.astimezone(zone)
    start = moment - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    while start.astimezone(zone).utcoffset() != local.utcoffset():
        start = min(start + STEP, moment)
    return start


def _end_of_hour(start: datetime, zone: ZoneInfo) -> datetime:
    """The end of the hour of the clock, or the moment at which the clock is changed in it."""
    end = start + HOUR - timedelta(minutes=start.astimezone(zone).minute)
    while _start_of_hour(end - STEP, zone) != start:
        end -= STEP
    return end
