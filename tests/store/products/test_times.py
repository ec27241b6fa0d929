"""Nothing of an instance's own time or later is a feature, whether times are told by the moment or by the day."""

from datetime import UTC, date, datetime, timedelta
from itertools import product as pairs
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db.models import Count, Sum
from hypothesis import given, settings
from hypothesis import strategies as st

from learning.problem import Classification
from store.exceptions import InvalidJoin
from store.products import Before, DataProduct, Join, Latest, Recency
from store.products.checks import find_problems
from store.snapshots.snapshots import Snapshot
from tests.drawing import draws
from tests.samples.models import Event, Sample

from ..conftest import drop_snapshots

pytestmark = pytest.mark.django_db

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/Los_Angeles",
    "Pacific/Kiritimati",
    "America/Havana",
    "Asia/Kathmandu",
]
#: Around changes of daylight saving time, by which Havana has no midnight in March and two in November.
MOMENTS = st.datetimes(datetime(2024, 3, 9), datetime(2024, 3, 12), timezones=st.just(UTC)) | st.datetimes(
    datetime(2024, 11, 2), datetime(2024, 11, 5), timezones=st.just(UTC)
)
DAYS = MOMENTS.map(datetime.date)
#: Columns with a time: of the sample, and of its events.
TIMES = ["moment", "day"]

many = settings(max_examples=draws(15))


def declare(zone: str | None = None, at: str | None = "moment", **features: Any) -> DataProduct:
    join = Join(Sample.objects.all(), features=features, label="good", at=at, time_zone=zone)
    return DataProduct(name="sample", join=join, problem=Classification(folds=2))


def read(product: DataProduct) -> dict[str, Any]:
    names = [f"feature_{name}" for name in product.feature_names]
    row = product.join.instances().values(*names).get()
    return {name.removeprefix("feature_"): value for name, value in row.items()}


def end(time: date | datetime, zone: str) -> datetime:
    """When a time is over: a day at the start of the next."""
    return time if isinstance(time, datetime) else start(time + timedelta(days=1), zone)


def start(time: date | datetime, zone: str) -> datetime:
    if isinstance(time, datetime):
        return time
    midnight = datetime(time.year, time.month, time.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    return midnight


def is_before(row: date | datetime, instance: date | datetime, zone: str) -> bool:
    """By the rule as it is written, in arithmetic of moments."""
    if isinstance(row, datetime):
        return row < start(instance, zone)
    return end(row, zone) <= start(instance, zone)


def days_between(row: date | datetime, instance: date | datetime, zone: str) -> float:
    """Whole days between days, else the time since the moment or since the day began."""
    if not (isinstance(row, datetime) or isinstance(instance, datetime)):
        return (instance - row).days
    return (start(instance, zone) - start(row, zone)) / timedelta(days=1)


@many
@given(
    zone=st.sampled_from(ZONES),
    moment=MOMENTS,
    events=st.lists(st.tuples(MOMENTS, DAYS, MOMENTS, DAYS), max_size=6),
)
def test_exactly_what_was_over_and_known_before_counts(
    zone: str, moment: datetime, events: list[tuple[datetime, date, datetime, date]]
) -> None:
    Sample.objects.all().delete()
    sample = Sample.objects.create(pk="a", moment=moment, day=moment.date())
    for place, (at, day, known_at, known_day) in enumerate(events):
        columns = {"moment": at, "day": day, "known_moment": known_at, "known_day": known_day}
        Event.objects.create(sample=sample, size=2**place, **columns)
    times: dict[str, Any] = {"moment": moment, "day": moment.date()}
    for at, row, known in pairs(TIMES, TIMES, [None, "known_moment", "known_day"]):
        place, known_place = TIMES.index(row), known and 2 + TIMES.index(known.removeprefix("known_"))
        expected = {
            number
            for number, event in enumerate(events)
            if is_before(event[place], times[at], zone)
            and (known_place is None or is_before(event[known_place], times[at], zone))
        }
        path, known_path = f"events__{row}", known and f"events__{known}"
        found = read(
            declare(
                zone,
                at,
                events=Before(Count("events"), at=path, known=known_path),
                sizes=Before(Sum("events__size"), at=path, known=known_path),
                latest=Latest("events__size", at=path, known=known_path),
                recency=Recency(path, known=known_path),
            )
        )
        latest = max(expected, key=lambda number: (events[number][place], number), default=None)
        days = None if latest is None else days_between(events[latest][place], times[at], zone)
        assert found == {
            "events": len(expected),
            "sizes": float(sum(2**number for number in expected)) if expected else None,
            "latest": None if latest is None else float(2**latest),
            "recency": days if days is None else pytest.approx(days, abs=1e-6),
        }, (at, row, known)


def test_a_day_counts_from_its_end_in_the_declared_zone() -> None:
    """At half past midnight in Berlin it is still the day before in London."""
    sample = Sample.objects.create(pk="a", moment=datetime(2024, 5, 17, 22, 30, tzinfo=UTC))
    Event.objects.create(sample=sample, day=date(2024, 5, 17), size=1)
    count = Before(Count("events"), at="events__day")
    assert read(declare("Europe/Berlin", events=count)) == {"events": 1}
    assert read(declare("Europe/London", events=count)) == {"events": 0}
    assert read(declare(None, events=count)) == {"events": 0}


def test_what_was_never_known_does_not_count() -> None:
    sample = Sample.objects.create(pk="a", moment=datetime(2024, 5, 17, tzinfo=UTC))
    Event.objects.create(sample=sample, moment=datetime(2024, 5, 1, tzinfo=UTC), size=1)
    known = {"at": "events__moment", "known": "events__known_moment"}
    found = read(declare(events=Before(Count("events"), **known), size=Latest("events__size", **known)))
    assert found == {"events": 0, "size": None}


def test_an_instance_that_is_told_by_the_day_is_placed_at_its_start(transactional_db: None) -> None:
    drop_snapshots()
    Sample.objects.create(pk="a", day=date(2024, 5, 17), good=True)
    product = declare("Europe/Berlin", "day", whole="whole")
    snapshot = Snapshot.objects.take(product)
    [at] = [row.moment_at for row in product.join.queryset.annotate(moment_at=product.join.moment)]
    assert at == datetime(2024, 5, 16, 22, tzinfo=UTC)
    assert snapshot.rows == 1
    assert product.join.stored_moment(at) == date(2024, 5, 17)
    drop_snapshots()


@pytest.mark.parametrize("zone", ["Europe/Atlantis", "Berlin", "../etc/passwd", " ", "UTC+2"])
def test_an_unknown_zone_is_refused_by_check(zone: str) -> None:
    sentences = list(find_problems(declare(zone, whole="whole")))
    assert any("is no time zone: name one of the IANA database" in sentence for sentence in sentences)


def test_known_needs_an_events_time_and_a_column_of_the_same_rows() -> None:
    count = Before(Count("events"), at="events__day", known="events__known_day")
    with pytest.raises(InvalidJoin, match="needs an event's time to come before"):
        declare(None, None, events=count).join.column("events")
    for column, sentence in {
        "day": "known='day' is not a column of 'events'",
        "events__size": "known='events__size' is a FloatField",
    }.items():
        with pytest.raises(InvalidJoin, match=sentence):
            bad = Before(Count("events"), at="events__day", known=column)
            declare(events=bad).join.column("events")


def test_latest_may_come_before_a_day_of_its_own() -> None:
    sample = Sample.objects.create(pk="a", moment=datetime(2024, 6, 1, tzinfo=UTC), day=date(2024, 5, 17))
    for hour, size in ((12, 1.0), (36, 2.0)):
        at = datetime(2024, 5, 16, tzinfo=UTC) + timedelta(hours=hour)
        Event.objects.create(sample=sample, moment=at, size=size)
    latest = Latest("events__size", at="events__moment", before="day")
    assert read(declare(size=latest)) == {"size": 1.0}
    with pytest.raises(InvalidJoin, match="'number' is a FloatField"):
        wrong = Latest("events__size", at="events__moment", before="number")
        declare(size=wrong).join.column("size")
