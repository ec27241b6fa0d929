"""The history of quality as a page shows it: parts of time without gaps, what happened in them, and charts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.dateparse import parse_datetime
from django.utils.safestring import SafeString

from .api import JSONObject
from .charts import Mark, Series, Value, lines
from .interval_charts import stacked_bars
from .measures import Measure, bounded, find_measure
from .wording import metric_title

STEPS = {"HOUR": timedelta(hours=1), "DAY": timedelta(days=1), "WEEK": timedelta(days=7)}
#: Parts without predictions are drawn as gaps, unless there would be more parts than this.
MOST_PLACES = 400
#: Labels that the chart of volume tells apart.
MOST_LABELS = 5


@dataclass(frozen=True)
class Happening:
    """A promotion or a build, with its place in the history."""

    at: str
    text: str
    place: int


@dataclass(frozen=True)
class History:
    """Parts of time from the first to the last with predictions, each with what it has."""

    starts: Sequence[datetime]
    buckets: Sequence[JSONObject | None]
    by: str

    @classmethod
    def of(cls, buckets: Sequence[JSONObject], by: str) -> "History":
        """Build the history of buckets, with parts for those that are left out."""
        step, starts, filled = STEPS[by], list[datetime](), list[JSONObject | None]()
        dated = [(parse_moment(bucket["start"]), bucket) for bucket in buckets]
        span = (dated[-1][0] - dated[0][0]) / step if dated else 0
        for start, bucket in dated:
            # Days differ in length where clocks are changed.
            while starts and span <= MOST_PLACES and starts[-1] + step < start - step / 2:
                starts.append(starts[-1] + step)
                filled.append(None)
            starts.append(start)
            filled.append(bucket)
        return cls(starts, filled, by)

    @property
    def labels(self) -> list[str]:
        """The parts' labels for an axis."""
        form = "%d %b %Hh" if self.by == "HOUR" else "%d %b"
        return [f"{start:{form}}" for start in self.starts]

    def place(self, moment: datetime) -> int | None:
        """Find the part of a moment; None before the first, and after the last one."""
        if not self.starts or not self.starts[0] <= moment < self.starts[-1] + STEPS[self.by]:
            return None
        return max(place for place, start in enumerate(self.starts) if start <= moment)

    def values(self, name: str) -> list[Value]:
        """List a value of all parts."""
        return [None if bucket is None else bucket[name] for bucket in self.buckets]

    def draw_measure(
        self, metric: str, label: str | None, promised: Measure, marks: list[Mark]
    ) -> SafeString:
        """Draw a measure with its intervals, beside what was promised of it."""
        measures = [
            bucket and bounded(find_measure(bucket["measured"], metric, label)) for bucket in self.buckets
        ]
        if not any(measure and measure["value"] is not None for measure in measures):
            return SafeString("")
        # Without an interval, a value says little: it has a line of its own.
        sure = [measure if measure and measure["low"] is not None else None for measure in measures]
        few = [measure if measure and measure["low"] is None else None for measure in measures]
        series = [
            Series("live", _pick(sure, "value"), _pick(sure, "low"), _pick(sure, "high")),
            Series("few labels", _pick(few, "value"), dashed=True),
        ]
        if promised and promised["value"] is not None and label is None and promised["metric"] == metric:
            series.append(Series("promised", [promised["value"]] * len(self.starts), dashed=True))
        return lines(f"{metric_title(metric)} over time", self.labels, series, marks)

    def draw_coverage(self, marks: list[Mark]) -> SafeString:
        """Draw the share of predictions that have a label by now."""
        return lines(
            "Coverage over time", self.labels, [Series("labelled", self.values("coverage"))], marks, 140
        )

    def draw_volume(
        self, counts: Iterable[JSONObject], titles: dict[str, str], marks: list[Mark]
    ) -> SafeString:
        """Draw how much was predicted, by label."""
        return stacked_bars("Predictions over time", self.labels, self.list_volumes(counts, titles), marks)

    def list_volumes(self, counts: Iterable[JSONObject], titles: dict[str, str]) -> list[Series]:
        """List the numbers of predictions of all parts by label, the most frequent labels first."""
        volumes: dict[str, list[float]] = {}
        for each in counts:
            place = self.place(parse_moment(each["start"]))
            if place is not None:
                name = each.get("answer") or ""
                volumes.setdefault(name, [0.0] * len(self.starts))[place] += each["count"]
        ordered = sorted(volumes, key=lambda name: -sum(volumes[name]))
        series = [
            Series(titles.get(name, name or "predictions"), volumes[name]) for name in ordered[:MOST_LABELS]
        ]
        if rest := [volumes[name] for name in ordered[MOST_LABELS:]]:
            series.append(Series("others", [sum(column) for column in zip(*rest, strict=True)]))
        return series

    def list_happenings(self, product: JSONObject) -> list[Happening]:
        """List promotions and builds in the history, the oldest first."""
        happenings = []
        for promotion in (product["promotions"] or {}).get("nodes", ()):
            verb = "was rolled back to" if promotion["rollback"] else "was promoted"
            number = promotion["model"]["number"]
            text = f"It {verb} version {number}" if promotion["rollback"] else f"Version {number} {verb}"
            happenings.append((promotion["at"], text))
        for build in (product["builds"] or {}).get("nodes", ()):
            ended = "failed" if build["status"] == "FAILED" else "ended"
            happenings.append((build["endedAt"], f"Build {build['number']} {ended}"))
        placed = ((at, text, self.place(parse_moment(at))) for at, text in sorted(happenings))
        return [Happening(at, text, place) for at, text, place in placed if place is not None]


def _pick(measures: Sequence[Measure], name: str) -> list[Value]:
    return [None if measure is None else measure[name] for measure in measures]


def parse_moment(text: str) -> datetime:
    """Parse a moment of the API."""
    moment = parse_datetime(text)
    assert moment is not None, text
    return moment
