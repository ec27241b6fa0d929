"""Readiness: what a web process says of itself, and what it records when it starts."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import mock

import pytest
from django.db import connection

from project import asgi
from schema import schema as served
from store.db import threads
from store.models import ServedSchema
from store.products import catalogue
from store.registry.product_states import ProductState
from store.registry.versions import ModelVersion
from store.serving import champions, dispatcher

from ..store.conftest import version, with_rows

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One thread of the test's own, whose connection is closed at its end, and no champion in memory."""
    monkeypatch.setattr(champions, "_promoted", {})
    with ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(threads, "pool", pool)
        yield
        pool.submit(lambda: connection.close()).result()


def promote(name: str, **changes: Any) -> None:
    registered = version(catalogue.get(name))
    ModelVersion.objects.filter(pk=registered.pk).update(**changes)
    ProductState.objects.update_or_create(product=name, defaults={"champion": registered})


def promoted(*unservable: str, servable: tuple[str, ...] = ()) -> None:
    for name in servable:
        promote(name, product=name)
    for name in unservable:
        promote(name, seal="0" * 64)
    champions.refresh()


async def ready() -> tuple[int, Any]:
    response = await asgi.ready(mock.sentinel.request)
    return response.status_code, json.loads(bytes(response.body))


async def test_a_process_without_champions_or_with_all_of_them_is_ready() -> None:
    assert await ready() == (200, {"ready": True})
    await with_rows(lambda: promoted(servable=("stay", "diabetes")))
    assert await ready() == (200, {"ready": True})


async def test_what_is_promoted_and_cannot_be_served_is_degraded_and_the_rest_is_served() -> None:
    await with_rows(lambda: promoted("stay", servable=("diabetes",)))
    status, body = await ready()
    reason = "The seal of version 1 of stay was made with another key; build again."
    assert (status, body) == (
        200,
        {"ready": True, "degraded": [{"product": "stay", "version": 1, "reason": reason}]},
    )


async def test_a_process_that_can_serve_nothing_of_what_is_promoted_is_not_ready() -> None:
    await with_rows(lambda: promoted("stay", "diabetes"))
    status, body = await ready()
    assert (status, body["ready"]) == (503, False)
    assert body["reasons"] == ["None of the promoted versions can be served here."]
    assert [each["product"] for each in body["degraded"]] == ["diabetes", "stay"]


async def test_a_process_that_cannot_store_predictions_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    started = dispatcher.PredictionDispatcher()
    monkeypatch.setattr(dispatcher, "current", started)
    assert (await ready())[0] == 503
    await started.start()
    assert (await ready())[0] == 200
    await started.stop()


def forbid_writes() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")


async def test_a_process_whose_database_takes_no_writes_is_not_ready() -> None:
    await threads.run(forbid_writes)
    status, body = await ready()
    assert (status, body["ready"]) == (503, False)
    assert body["reasons"] == ["PostgreSQL takes no writes at present, so no prediction can be stored."]


async def test_a_web_process_records_the_schema_that_it_serves() -> None:
    for _ in range(2):
        await asgi.record_schema()
    newest = await with_rows(ServedSchema.objects.newest)
    assert newest and newest.sdl == served.schema.as_str()
    assert await with_rows(ServedSchema.objects.count) == 1


def fail_without_tables() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM nowhere.store_build")


def fail_unexpectedly() -> None:
    raise ValueError("unheard of")


@pytest.mark.parametrize(
    ("fail", "sentence", "tracebacks"),
    [
        (fail_without_tables, "./dev prepare makes Exemplar's own tables", 0),
        (fail_unexpectedly, "unheard of", 1),
    ],
)
async def test_a_process_that_cannot_start_says_why(
    fail: Callable[[], None],
    sentence: str,
    tracebacks: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(served, "recorded", fail)
    send = mock.AsyncMock()
    await asgi.lifespan(mock.AsyncMock(), send)
    (message,) = (call.args[0] for call in send.await_args_list)
    assert message["type"] == "lifespan.startup.failed" and sentence in message["message"]
    assert len([record for record in caplog.records if record.exc_info]) == tracebacks
