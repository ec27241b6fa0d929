"""Changes of live quality: a subscriber hears at once, then of each word, retraction and prediction."""

import asyncio
from datetime import timedelta

import pytest
from django.utils.timezone import now

from store.exceptions import UnknownProduct
from store.predictions.feedback import Feedback
from store.products.product import DataProduct
from store.quality import rollups
from store.runtime import quality_changes
from store.runtime.quality_changes import follow

from ...waiting import PATIENCE
from ..conftest import version, with_rows
from ..quality.streams import answer_class, store_prediction, store_word

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def poll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("store.db.threads.run", with_rows)
    monkeypatch.setattr(quality_changes, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(quality_changes, "_watches", {})


async def test_each_change_is_heard_of_by_every_subscriber(stay: DataProduct) -> None:
    streams = [follow("stay"), follow("stay")]
    assert [await anext(stream) for stream in streams] == [stay, stay]
    columns = answer_class(["False", "True"], [0.2, 0.8])

    def predict() -> None:
        store_prediction(stay, version(stay), "a", now(), 1, **columns)

    def speak() -> None:
        store_word(stay, "a", "ann", "True", now() + timedelta(seconds=1))

    def retract() -> None:
        Feedback.objects.from_people().update(retracted_at=now())

    for change in (predict, speak, retract):
        await with_rows(change)
        events = [asyncio.wait_for(anext(stream), PATIENCE) for stream in streams]
        assert await asyncio.gather(*events) == [stay, stay]
    await with_rows(rollups.maintain)  # takes what was noted, and changes nothing
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(streams[0]), 0.2)
    for stream in streams:
        await stream.aclose()
    watch = quality_changes._watches["stay"]
    assert not watch.subscribers
    await streams[1].aclose()
    assert watch.watching is None


async def test_an_unknown_product_is_refused() -> None:
    with pytest.raises(UnknownProduct):
        await anext(follow("nothing"))
