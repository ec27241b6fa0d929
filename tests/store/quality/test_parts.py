"""Windows and histories of packed days are made of what is in memory; only what is open is read from rows."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from store.predictions.changed_subjects import ChangedSubject
from store.predictions.feedback import Feedback
from store.predictions.time_steps import STEP_MINUTES
from store.products.product import DataProduct
from store.quality import counted, live, parts, rollups, windows
from store.quality.days import QualityDay, QualityState, start_of
from store.quality.live import HistoryBy

from ..conftest import NOON, version
from .streams import MINUTE, answer_class, store_prediction, store_word, stream
from .test_rollups import keep_up

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
UTC = ZoneInfo("UTC")
Ends = list[tuple[datetime | None, datetime | None]]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> dict[str, Ends]:
    """Record the ends of what is read from rows."""
    recorded: dict[str, Ends] = {"read": [], "read_steps": []}

    def record(name: str) -> Callable[..., Any]:
        read = getattr(windows, name)

        def recording(product: Any, by: Any, since: Any = None, until: Any = None) -> Any:
            recorded[name].append((since, until))
            return read(product, by, since, until)

        return recording

    for name in recorded:
        monkeypatch.setattr(windows, name, record(name))
    return recorded


def test_of_ended_days_no_row_is_read(stay: DataProduct, reads: dict[str, Ends]) -> None:
    stream(stay, [version(stay), version(stay)], seed=21)
    keep_up()
    open_from = start_of(QualityState.objects.get(product="stay").packed_until)  # type: ignore[arg-type]
    reads["read"].clear()
    for since in (None, NOON + 5 * MINUTE, NOON + timedelta(hours=7, seconds=3)):
        quality = live.find(stay, None, since)
        assert quality.measure() and quality.history(HistoryBy.DAY, UTC)[0].measure()
    assert reads["read"] and set(reads["read"]) == {(open_from, None)}
    for low, high in reads["read_steps"]:  # of the step that the window begins in
        assert low and high and high - low < timedelta(minutes=STEP_MINUTES)


def test_the_open_time_is_read_again_only_if_something_changes(
    stay: DataProduct, reads: dict[str, Ends]
) -> None:
    from django.utils.timezone import now

    by = version(stay)
    stream(stay, [by], seed=22)
    keep_up()
    reads["read"].clear()
    assert {len(rollups.read(stay, by, NOON + place * MINUTE).steps) > 0 for place in range(3)} == {True}
    assert len(reads["read"]) == 1
    store_prediction(stay, by, "new", now(), 2_000, **answer_class(["False", "True"], [0.2, 0.8]))
    before = rollups.read(stay, by).steps["n"].sum()
    store_prediction(stay, by, "newer", now(), 2_001, **answer_class(["False", "True"], [0.2, 0.8]))
    assert rollups.read(stay, by).steps["n"].sum() == before + 1
    assert len(reads["read"]) == 3


def test_parts_of_a_history_are_counted_again_only_if_their_days_change(
    stay: DataProduct, monkeypatch: pytest.MonkeyPatch
) -> None:
    by = version(stay)
    stream(stay, [by], seed=23)
    keep_up()
    numbers: list[int] = []
    count = counted.count
    monkeypatch.setattr(counted, "count", lambda *arguments: numbers.append(1) or count(*arguments))

    def history(since: datetime) -> list[Any]:
        numbers.clear()
        buckets = live.find(stay, by, since).history(HistoryBy.DAY, UTC)
        result = [(each.start, each.counted.left_out, each.measure()) for each in buckets]
        fresh = [count(windows.read(stay, by, each.since, each.until), 2) for each in buckets]
        for bucket, expected in zip(buckets, fresh, strict=True):
            np.testing.assert_array_equal(bucket.counted.prediction_id, expected.prediction_id)
            assert (bucket.counted.labelled, bucket.counted.left_out) == (
                expected.labelled,
                expected.left_out,
            )
        return result

    first = history(NOON + MINUTE)
    assert len(first) > 2 and len(numbers) == len(first)
    second = history(NOON + 2 * MINUTE)
    assert len(numbers) == 1 and second[1:] == first[1:]  # of the day that the window begins in
    day = NOON.date() + DAY
    word = Feedback.objects.filter(
        subject=counted.texts(count(windows.read(stay, by, start_of(day), start_of(day + DAY))).subject)[0]
    )
    word.update(retracted_at=NOON)
    assert history(NOON + 2 * MINUTE)[1] != second[1]
    keep_up()
    assert history(NOON + 2 * MINUTE)[1] != second[1]


def test_a_change_of_the_declaration_counts_anew(stay: DataProduct, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, key = parts.PartCache(1_000), ("stay", 1)
    rows = counted.count(windows.join((), []))
    part = cache.find(stay, key, lambda: rows)
    assert cache.find(stay, key, lambda: rows) is part
    assert cache.find(object(), key, lambda: rows) is not part  # type: ignore[arg-type]
    for number in range(50):
        cache.find(stay, ("stay", number), lambda: rows)
    assert cache.size <= 1_000


def test_many_words_are_taken_at_once_and_days_are_packed_meanwhile(stay: DataProduct) -> None:
    by = version(stay)
    stream(stay, [by], seed=24)
    keep_up()
    QualityDay.objects.update(dirty=True)
    for number in range(50):
        store_word(stay, f"subject {number}", "late", "True", NOON + 90 * DAY)
    assert ChangedSubject.objects.filter(product="stay").count() >= 50
    rollups.maintain()
    assert not ChangedSubject.objects.exists()
    assert QualityDay.objects.filter(dirty=False).exists()


def test_another_version_of_the_same_number_is_no_repetition() -> None:
    rows = np.zeros(1_000, windows.stored_type(2))
    rows["at"] = np.arange(1_000)
    halves = np.zeros((1_000, 2), "<u8")
    halves[:, 1] = np.arange(1_000) % 7  # one number of all, by design
    rows["subject"] = halves.view("V16").ravel()
    window = windows.PredictionWindow(
        ("a", "b"), rows, np.zeros(0, windows.OTHERS), np.zeros(0, windows.STEPS)
    )
    assert counted.count(window).at.tolist() == list(range(993, 1_000))
