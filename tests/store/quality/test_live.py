"""Live quality: the periods of a history are side by side, whatever the clocks of a time zone do."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db.models import F

from store.predictions.predictions import Prediction
from store.products.product import DataProduct
from store.quality import live
from store.quality.live import HistoryBy

from ..conftest import NOON, version
from .streams import answer_class, store_prediction

QUARTER = timedelta(minutes=15)

#: Zones and moments at which clocks are changed: by an hour, by half an hour, in the middle of an hour, at midnight.
CHANGES = [
    ("Europe/Berlin", datetime(2024, 3, 31, 1, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2024, 10, 27, 1, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2024, 4, 6, 15, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2024, 10, 5, 15, 30, tzinfo=UTC)),
    ("Pacific/Chatham", datetime(2024, 4, 6, 14, tzinfo=UTC)),
    ("Pacific/Chatham", datetime(2024, 9, 28, 14, tzinfo=UTC)),
    ("Africa/Cairo", datetime(2024, 4, 25, 22, tzinfo=UTC)),
    ("Africa/Cairo", datetime(2024, 10, 31, 21, tzinfo=UTC)),
    ("America/Havana", datetime(2024, 11, 3, 5, tzinfo=UTC)),
]


@pytest.mark.django_db
@pytest.mark.parametrize("by", HistoryBy)
@pytest.mark.parametrize("zone, change", CHANGES)
def test_each_prediction_is_in_one_period_when_the_clock_is_changed(
    stay: DataProduct, zone: str, change: datetime, by: HistoryBy
) -> None:
    served, columns = version(stay), answer_class(["False", "True"], [0.2, 0.8])
    times = [change + serial * QUARTER for serial in range(-12, 12)]
    for serial, at in enumerate(times):
        store_prediction(stay, served, f"{serial}", at, serial, **columns)
    buckets = live.find(stay, served).history(by, ZoneInfo(zone))
    assert sum(bucket.counted.predictions for bucket in buckets) == len(times)
    ends = [bucket.until for bucket in buckets]
    assert all(end is not None and end <= after.start for end, after in zip(ends, buckets[1:], strict=False))
    assert all(bucket.since == bucket.start for bucket in buckets)
    if by is HistoryBy.HOUR:
        assert change in [bucket.start for bucket in buckets]


@pytest.mark.django_db
def test_an_hour_is_that_of_the_clock_of_the_zone(stay: DataProduct) -> None:
    columns = answer_class(["False", "True"], [0.2, 0.8])
    store_prediction(stay, version(stay), "a", NOON, 1, **columns)
    Prediction.objects.update(created_at=F("created_at") + timedelta(minutes=20, seconds=7))
    [bucket] = live.find(stay).history(HistoryBy.HOUR, ZoneInfo("Asia/Kathmandu"))
    assert (bucket.start, bucket.until) == (NOON + QUARTER, NOON + 5 * QUARTER)
