"""Following: what happens to builds and champions, as it happens; the rows fill every gap."""

from collections.abc import AsyncIterator
from typing import Any

from ..builds.builds import Build, BuildEvent
from ..db import threads
from ..exceptions import UnknownId
from ..jobs.events import Event, hub
from ..jobs.jobs import UNFINISHED
from ..products import catalogue
from ..registry.versions import Promotion

#: Seconds after which a silent stream is compared with the rows: a ring may be lost, or Redis down.
POLL_SECONDS = 2.0

#: What comes next of a build; None: nothing any more.
Events = list[BuildEvent] | None


async def build_events(pk: int, cursor: str | None = None) -> AsyncIterator[BuildEvent]:
    """The build's events from the start or behind `cursor`, each once and in order, until the final one.

    Where that one is not behind `cursor`, nothing comes once the build has ended.

    Raises UnknownId, BadInput.
    """
    async with hub.subscription() as subscriber:
        # Subscribed before the rows are read, so that nothing falls between the two.
        waiting = await threads.run(_events, pk, cursor)
        while waiting is not None:
            for event in waiting:
                yield event
                cursor = event.cursor
                if event.final:
                    return
            ring = await subscriber.next(POLL_SECONDS)
            waiting = await _next(pk, cursor, ring)


async def _next(pk: int, cursor: str | None, ring: Event | None) -> Events:
    """What has come: the event that was rung, where it is the next one; else what the rows say."""
    if ring is None:
        return await threads.run(_events, pk, cursor)  # type: ignore[no-any-return]
    if ring["kind"] != "build_event" or ring["build"] != pk:
        return []
    sequence, seen = ring["event"]["sequence"], int(cursor or 0)
    if sequence == seen + 1:
        return [BuildEvent.from_ring(ring["event"])]
    return [] if sequence <= seen else await threads.run(_events, pk, cursor)


def _events(pk: int, cursor: str | None) -> Events:
    # Looked at before its events, or the final one could come between the two.
    followed = Build.objects.filter(pk=pk).first()
    if followed is None:
        raise UnknownId("No build has this id.", argument=("build",))
    found = list(BuildEvent.objects.after(pk, cursor))
    return None if followed.ended and not found else found


async def job_changes(kind: Any, pk: int) -> AsyncIterator[Any]:
    """The job whenever something has happened to it, the first time at once, until it has ended. Raises UnknownId."""
    async with hub.subscription() as subscriber:
        seen = None
        while seen is None or not seen.ended:
            found = await threads.run(kind.objects.filter(pk=pk).first)
            if found is None:
                raise UnknownId("No job has this id.", argument=("job",))
            if seen is None or (found.percent, found.status) != (seen.percent, seen.status):
                yield found
            seen = found
            ring = await subscriber.next(POLL_SECONDS)
            while ring is not None and not _is_about(ring, kind, pk):
                ring = await subscriber.next(POLL_SECONDS)


def _is_about(ring: Event, kind: Any, pk: int) -> bool:
    if kind is Build:
        return ring["kind"] in ("build", "build_event") and bool(ring["build"] == pk)
    return ring["kind"] == "job" and bool(ring["job"] == pk)


async def build_changes(product: str | None = None) -> AsyncIterator[Build]:
    """The unfinished builds, then each build whenever something has happened to it. Raises UnknownProduct."""
    _check(product)
    async with hub.subscription() as subscriber:
        for running in await threads.run(_unfinished, product):
            yield running
        while True:
            ring = await subscriber.next(POLL_SECONDS)
            if ring is None:
                continue
            wanted = ring["kind"] in ("build", "build_event") and product in (None, ring["product"])
            if wanted and (found := await threads.run(Build.objects.filter(pk=ring["build"]).first)):
                yield found


def _unfinished(product: str | None) -> list[Build]:
    rows = Build.objects.filter(status__in=UNFINISHED).order_by("pk")
    return list(rows if product is None else rows.filter(product=product))


async def promotion_events(product: str | None = None) -> AsyncIterator[Promotion]:
    """Each promotion from now on, in order, none left out. Raises UnknownProduct."""
    _check(product)
    async with hub.subscription() as subscriber:
        newest = await threads.run(_newest_promotion)
        while True:
            ring = await subscriber.next(POLL_SECONDS)
            if ring is None or ring["kind"] == "promotion":
                for promotion in await threads.run(_promotions, product, newest):
                    yield promotion
                    newest = promotion.pk


def _newest_promotion() -> int:
    return Promotion.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


def _promotions(product: str | None, after: int) -> list[Promotion]:
    rows = Promotion.objects.filter(pk__gt=after).order_by("pk")
    return list(rows if product is None else rows.filter(product=product))


def _check(product: str | None) -> None:
    if product is not None:
        catalogue.get(product)
