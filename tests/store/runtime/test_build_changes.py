"""Changes of builds: each end is heard of, also without Redis, and rows are read once for all streams."""

import asyncio

import pytest
from django.db.models.functions import Now

from store.builds.builds import Build
from store.exceptions import UnknownProduct
from store.jobs.events import hub
from store.products.product import DataProduct
from store.runtime import build_changes
from store.runtime.build_changes import BuildWatch, follow

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


async def test_an_unknown_product_is_refused() -> None:
    with pytest.raises(UnknownProduct):
        await anext(follow("unheard of"))
