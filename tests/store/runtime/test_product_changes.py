"""Changes of products: each is heard of, also without Redis, and a slow subscriber hears of a product once."""

import asyncio

import pytest
from django.db import transaction

from store.builds.builds import Build
from store.exceptions import UnknownProduct
from store.products.product import DataProduct
from store.registry.product_states import ProductState
from store.registry.promotions import Promotion
from store.runtime import product_changes
from store.runtime.live_rows import RowPosition
from store.runtime.product_changes import ProductChange, ProductWatch, follow

from ..conftest import NOON, version, with_rows

pytestmark = pytest.mark.django_db(transaction=True)

CHAMPION, BUILD, HOLD = ProductChange.CHAMPION, ProductChange.BUILD, ProductChange.HOLD


@pytest.fixture(autouse=True)
def watch(monkeypatch: pytest.MonkeyPatch) -> ProductWatch:
    monkeypatch.setattr("store.db.threads.run", with_rows)
    monkeypatch.setattr(product_changes, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(product_changes, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(product_changes, "watch", watch := ProductWatch())
    return watch


def build(product: DataProduct) -> Build:
    return Build.objects.request(product, by="a test", enqueue=False)[0]


@transaction.atomic
def promote(product: DataProduct, hold: str = "") -> None:
    model = version(product)
    state = ProductState.objects.get_or_create(product=product.name)[0]
    Promotion.objects.record(state, model, "a test", "ann", hold=hold)


async def until_watching(watch: ProductWatch) -> None:
    while watch.watching is None:
        await asyncio.sleep(0.01)


async def test_each_change_is_heard_of_without_redis(stay: DataProduct, watch: ProductWatch) -> None:
    stream = follow("stay", None)
    changed = asyncio.ensure_future(anext(stream))
    await until_watching(watch)
    requested = await with_rows(build, stay)
    assert (await changed).changes == {BUILD}
    await with_rows(lambda: Build.objects.filter(pk=requested.pk).update(status="FAILED"))
    event = await anext(stream)
    assert event.changes == {BUILD} and event.product is stay
    await stream.aclose()
    assert watch.watching is None and not watch.subscribers


async def test_a_promotion_is_a_change_of_champion_and_hold(stay: DataProduct, watch: ProductWatch) -> None:
    stream = follow(None, None)
    changed = asyncio.ensure_future(anext(stream))
    await until_watching(watch)
    await with_rows(promote, stay, "rolled back")
    seen = set((await changed).changes)
    while not seen >= {CHAMPION, HOLD, BUILD}:
        seen |= (await anext(stream)).changes
    await stream.aclose()


async def test_who_is_slow_hears_of_a_product_once(
    stay: DataProduct, diabetes: DataProduct, watch: ProductWatch
) -> None:
    slow, quick = follow(None, None), follow("diabetes", None)
    first, other = (asyncio.ensure_future(anext(stream)) for stream in (slow, quick))
    await until_watching(watch)
    requested = await with_rows(build, stay)
    assert (await first).product is stay
    for status in ("RUNNING", "FAILED"):
        await with_rows(lambda status=status: Build.objects.filter(pk=requested.pk).update(status=status))
    await with_rows(promote, stay)
    await with_rows(build, diabetes)
    await other
    events = [await anext(slow), await anext(slow)]
    assert [event.product for event in events] == [stay, diabetes]
    assert events[0].changes == {BUILD, CHAMPION}
    await slow.aclose()
    await quick.aclose()


async def test_after_a_cursor_comes_what_has_changed_since(stay: DataProduct, diabetes: DataProduct) -> None:
    await with_rows(promote, stay)
    await with_rows(build, diabetes)
    stream = follow(None, RowPosition(NOON).encode())
    events = [await anext(stream), await anext(stream)]
    assert [event.product for event in events] == [diabetes, stay]
    assert [event.changes for event in events] == [{BUILD}, {CHAMPION, HOLD, BUILD}]
    await stream.aclose()


async def test_an_unknown_product_is_refused() -> None:
    with pytest.raises(UnknownProduct):
        await anext(follow("unheard of", None))
