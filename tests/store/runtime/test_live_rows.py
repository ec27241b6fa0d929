"""Live rows: each row once it is committed, what was missed after a cursor, and never what the caller may not read."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
from django.db import transaction
from django.db.models import QuerySet

from learning.model import ClassAnswer
from store.access.actors import Actor
from store.access.grants import Grants
from store.access.permissions import Permission
from store.exceptions import BadInput, FellBehind
from store.predictions import upsert
from store.predictions.predictions import Prediction
from store.predictions.upsert import PredictionBatch, ValidRequest
from store.products.product import DataProduct
from store.registry.versions import ModelVersion
from store.runtime import live_rows
from store.runtime.live_rows import LiveRow, LiveRows, RowPosition, Tail

from ..conftest import NOON, STAY, version, with_rows

pytestmark = pytest.mark.django_db(transaction=True)

VERA = Actor(author="vera", name="vera", superuser=True)
ANSWER = ClassAnswer("True", 0.75, (0.25, 0.75))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    monkeypatch.setattr("store.db.threads.run", with_rows)
    monkeypatch.setattr(live_rows, "POLL_SECONDS", 0.02)
    settings.EXEMPLAR_OPEN = False


@pytest.fixture
def served(stay: DataProduct) -> ModelVersion:
    return version(stay)


def store(product: DataProduct, served: ModelVersion, *references: str, asker: str | None = None) -> None:
    requests = [
        ValidRequest(product.clean(STAY), reference=reference, asker=asker) for reference in references
    ]
    upsert.store(PredictionBatch(product, served, requests, [ANSWER] * len(requests)))


def everything(_: Actor) -> QuerySet[Prediction]:
    return Prediction.objects.all()


def listening(
    select: Callable[[Actor], QuerySet[Prediction]] = everything, caller: Callable[[], Actor] = lambda: VERA
) -> LiveRows:
    async def find_caller() -> Actor:
        return caller()

    return LiveRows(Tail(Prediction.objects.all()), select, find_caller)


async def begun(rows: LiveRows, cursor: str | None = None) -> "Listener":
    """Listen, and return once nothing that is stored from now on is missed."""
    listener = Listener(rows.follow(cursor))
    while not (rows.tail.beginning and rows.tail.beginning.done()):
        await asyncio.sleep(0.01)
    return listener


class Listener:
    """The events of a stream."""

    def __init__(self, stream: AsyncGenerator[LiveRow, None]):
        self.stream = stream
        self.next = asyncio.ensure_future(anext(stream))

    async def take(self, number: int) -> list[LiveRow]:
        events = []
        for _ in range(number):
            events.append(await self.next)
            self.next = asyncio.ensure_future(anext(self.stream))
        return events

    async def close(self) -> None:
        self.next.cancel()
        await asyncio.wait({self.next})
        await self.stream.aclose()


def references(events: list[LiveRow]) -> list[str]:
    return [event.row.reference for event in events]


async def test_what_is_stored_is_heard_of_once_and_in_order(stay: DataProduct, served: ModelVersion) -> None:
    await with_rows(store, stay, served, "before")
    rows = listening()
    listener = await begun(rows)
    for reference in ("a", "b", "c"):
        await with_rows(store, stay, served, reference)
    assert references(await listener.take(3)) == ["a", "b", "c"]
    await with_rows(store, stay, served, "a")  # is asked again
    await with_rows(store, stay, served, "d")
    assert references(await listener.take(1)) == ["d"]
    await listener.close()
    assert rows.tail.following is None and not rows.tail.subscribers


async def test_what_is_committed_after_a_later_row_is_heard_of(
    stay: DataProduct, served: ModelVersion
) -> None:
    is_stored, may_commit = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def store_slowly() -> None:
        with transaction.atomic():
            store(stay, served, "late")
            loop.call_soon_threadsafe(is_stored.set)
            asyncio.run_coroutine_threadsafe(may_commit.wait(), loop).result()

    listener = await begun(listening())
    slow = asyncio.create_task(with_rows(store_slowly))
    await is_stored.wait()
    await with_rows(store, stay, served, "early")
    assert references(await listener.take(1)) == ["early"]
    may_commit.set()
    await slow
    assert references(await listener.take(1)) == ["late"]
    await listener.close()


async def test_after_a_cursor_comes_what_was_missed(
    stay: DataProduct, served: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_rows, "PAGE", 2)
    await with_rows(store, stay, served, *"abcde")
    first = await with_rows(Prediction.objects.order_by("created_at", "pk").first)
    listener = await begun(listening(), live_rows.position_of(first).encode())
    # Those of the last seconds come again: one that was committed late may be among them.
    assert sorted(references(await listener.take(5))) == list("abcde")
    await with_rows(store, stay, served, "f")
    events = await listener.take(1)
    while references(events) != ["f"]:
        events = await listener.take(1)
    await listener.close()


async def test_who_does_not_keep_up_ends_with_a_cursor_and_misses_nothing(
    stay: DataProduct, served: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_rows, "MOST_WAITING", 3)
    rows = listening()
    stream = rows.follow(None)
    first = asyncio.ensure_future(anext(stream))
    while not rows.tail.subscribers or rows.tail.following is None:
        await asyncio.sleep(0.01)
    await with_rows(store, stay, served, "a")
    await first
    (subscriber,) = rows.tail.subscribers
    for number in range(5):
        await with_rows(store, stay, served, f"b{number}")
    while subscriber.dropped is None:
        await asyncio.sleep(0.01)
    with pytest.raises(FellBehind, match="subscribe again") as info:
        await anext(stream)
    assert info.value.code == "OVERLOADED" and not rows.tail.subscribers
    listener = await begun(rows, info.value.cursor)
    events = references(await listener.take(6))
    assert [event for event in events if event != "a"] == [f"b{number}" for number in range(5)]
    await listener.close()


async def test_what_the_caller_may_no_longer_read_is_not_sent(
    stay: DataProduct, served: ModelVersion
) -> None:
    """Whoever could view the product hears of its own predictions alone, from the next event on."""
    asker = Actor(
        author="ada", name="ada", grants=Grants(by_product={"stay": frozenset({Permission.PREDICT})})
    )
    callers = [VERA]

    def select(actor: Actor) -> QuerySet[Prediction]:
        rows = Prediction.objects.all()
        return rows if actor.may(Permission.VIEW, "stay") else rows.asked_by(actor.author)

    for others in ("others 1", "others 2"):
        await with_rows(store, stay, served, others)
    await with_rows(lambda: store(stay, served, "own", asker="ada"))
    stream = listening(select, lambda: callers[-1]).follow(RowPosition(NOON).encode())
    assert references([await anext(stream)]) == ["others 1"]
    callers.append(asker)
    assert references([await anext(stream)]) == ["own"]
    await stream.aclose()


async def test_a_filter_leaves_out_the_other_rows(stay: DataProduct, served: ModelVersion) -> None:
    listener = await begun(listening(lambda _: Prediction.objects.filter(reference="b")))
    await with_rows(store, stay, served, *"abc")
    assert references(await listener.take(1)) == ["b"]
    await listener.close()


@pytest.mark.parametrize("cursor", ["1", "x", "W10", "WyIwMDAxLTAxLTAxIiwxXQ"])
async def test_a_cursor_of_elsewhere_is_refused(cursor: str) -> None:
    with pytest.raises(BadInput, match="no cursor of this subscription"):
        await anext(listening().follow(cursor))
