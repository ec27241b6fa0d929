"""Changes of builds: each end is heard of, also without Redis, and rows are read once for all streams."""

import asyncio
from typing import Any

import pytest
from django.db import ProgrammingError
from django.db.models.functions import Now

from store.builds.builds import Build
from store.exceptions import UnknownProduct
from store.jobs.events import hub
from store.products.product import DataProduct
from store.runtime import build_changes
from store.runtime.build_changes import BuildWatch, PendingBuilds, follow

from ..conftest import with_rows

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def watch(monkeypatch: pytest.MonkeyPatch) -> BuildWatch:
    monkeypatch.setattr("store.db.threads.run", with_rows)
    monkeypatch.setattr(build_changes, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(build_changes, "watch", watch := BuildWatch())
    return watch


def request(product: DataProduct) -> Build:
    return Build.objects.request(product, by="a test", enqueue=False)[0]


def end(build: Build) -> None:
    Build.objects.filter(pk=build.pk).update(status="FAILED", ended_at=Now())


async def test_each_build_that_begins_and_ends_is_heard_of_without_redis(
    stay: DataProduct, diabetes: DataProduct, watch: BuildWatch
) -> None:
    first = await with_rows(request, stay)
    stream, other = follow("stay"), follow(None)
    assert (await anext(stream)).pk == (await anext(other)).pk == first.pk
    await with_rows(end, first)
    ended = await anext(stream)
    assert (ended.pk, ended.status) == (first.pk, "FAILED")
    second, third = await with_rows(request, diabetes), await with_rows(request, stay)
    await with_rows(end, third)
    while (heard := await anext(stream)).status != "FAILED":
        pass
    assert heard.pk == third.pk
    seen = {(await anext(other)).pk for _ in range(3)}
    assert seen == {first.pk, second.pk, third.pk}
    await stream.aclose()
    await other.aclose()
    assert watch.watching is None and not watch.subscribers


async def test_an_event_is_read_once_for_all_streams(
    stay: DataProduct, watch: BuildWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = [follow("stay") for _ in range(20)]
    waiting = [asyncio.ensure_future(anext(stream)) for stream in streams]
    while len(watch.subscribers) < 20:
        await asyncio.sleep(0.01)
    build = await with_rows(request, stay)
    rows = await asyncio.gather(*waiting)
    assert {row.pk for row in rows} == {build.pk}
    assert len({id(row) for row in rows}) == 20
    reads = []
    monkeypatch.setattr(
        build_changes, "_read", lambda q, read=build_changes._read: [reads.append(q), *read(q)][1:]
    )
    monkeypatch.setattr(build_changes, "POLL_SECONDS", 60)
    for _ in range(5):
        hub._distribute({"kind": "build", "build": build.pk, "product": "stay"})
    await asyncio.gather(*[anext(stream) for stream in streams])
    assert len(reads) <= 2
    for stream in streams:
        await stream.aclose()


async def test_a_slow_stream_hears_of_the_last_state_of_a_build(stay: DataProduct, watch: BuildWatch) -> None:
    slow = follow("stay")
    first = asyncio.ensure_future(anext(slow))
    while not watch.subscribers:
        await asyncio.sleep(0.01)
    build = await with_rows(request, stay)
    assert (await first).status == "READY"
    for percent in range(1, 50):
        await with_rows(lambda n=percent: Build.objects.filter(pk=build.pk).update(percent=n))
    await with_rows(end, build)
    await asyncio.sleep(0.2)
    (pending,) = watch.subscribers
    assert len(pending.pending) <= 1
    while (await anext(slow)).status != "FAILED":
        pass
    await slow.aclose()


async def test_an_end_that_comes_while_a_stream_reads_the_rows_is_heard_of(
    stay: DataProduct, watch: BuildWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = await with_rows(request, stay)
    first, second = follow("stay"), follow("stay")
    assert (await anext(first)).status == "READY"
    read = build_changes.read_when_reachable

    async def read_late(function: Any, *arguments: Any) -> Any:
        rows = await read(function, *arguments)
        if asyncio.current_task() is not watch.watching:
            await with_rows(end, build)
            while not all(b.status == "FAILED" for s in watch.subscribers for b in list_pending(s, build)):
                await asyncio.sleep(0.01)
        return rows

    monkeypatch.setattr(build_changes, "read_when_reachable", read_late)
    assert (await anext(second)).status == "FAILED"
    await first.aclose()
    await second.aclose()


async def test_an_end_before_the_first_look_at_the_rows_is_no_build_that_goes_on(
    stay: DataProduct, diabetes: DataProduct, watch: BuildWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, has_read, read = await with_rows(request, stay), asyncio.Event(), build_changes.read_when_reachable

    async def begin_late(function: Any, *arguments: Any) -> Any:
        if function is build_changes._begin:
            await asyncio.wait([asyncio.ensure_future(has_read.wait())], timeout=0.2)
            await with_rows(end, build)
        rows = await read(function, *arguments)
        if asyncio.current_task() is not watch.watching:
            has_read.set()
        return rows

    monkeypatch.setattr(build_changes, "read_when_reachable", begin_late)
    stream, heard = follow(), dict[int, str]()
    waiting = asyncio.ensure_future(anext(stream))
    await has_read.wait()
    other = await with_rows(request, diabetes)
    while other.pk not in heard:
        changed = await waiting
        heard[changed.pk] = changed.status
        waiting = asyncio.ensure_future(anext(stream))
    assert heard.get(build.pk) in (None, "FAILED")
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await stream.aclose()


async def test_rows_that_cannot_be_read_end_a_stream_with_the_error(
    watch: BuildWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Any = None) -> Any:
        raise ProgrammingError("permission denied")

    monkeypatch.setattr(build_changes, "_begin", refuse)
    monkeypatch.setattr(build_changes, "_read", refuse)
    with pytest.raises(ProgrammingError):
        await anext(follow())
    assert watch.watching is None


def list_pending(stream: PendingBuilds, build: Build) -> list[Build]:
    """List what waits for a stream of this build; the build as it was where nothing does."""
    return [stream.pending.get(build.pk, build)]


async def test_an_unknown_product_is_refused() -> None:
    with pytest.raises(UnknownProduct):
        await anext(follow("unheard of"))
