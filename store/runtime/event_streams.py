"""Event streams: events of a build, changes of a job, and promotions as they happen; the rows fill every gap."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import ParamSpec, TypeVar

from ..builds.builds import Build, BuildEvent, EventCursors
from ..db import threads
from ..db.unreachable import UNREACHABLE
from ..exceptions import UnknownId
from ..jobs.events import Event, hub
from ..jobs.jobs import Job
from ..products import catalogue
from ..registry.promotions import Promotion

J = TypeVar("J", bound=Job)
P = ParamSpec("P")
R = TypeVar("R")

#: Seconds after which a silent stream is compared with the rows: an event may be lost, or Redis down.
POLL_SECONDS = 2.0

#: The next events of a build; None after the final one.
Events = list[BuildEvent] | None


async def build_events(pk: int, cursor: str | None = None) -> AsyncIterator[BuildEvent]:
    """Stream a build's events from the start or after `cursor`, each once and in order, until the final one.

    Of a build that has ended, nothing is streamed where `cursor` is the final event's.

    Raises: UnknownId, BadInput.
    """
    async with hub.subscription() as subscriber:
        # Subscribe before reading the rows, so that no event falls between the two.
        pending = await threads.run(_events, pk, cursor)
        while pending is not None:
            for event in pending:
                yield event
                cursor = event.cursor
                if event.final:
                    return
            published = await subscriber.next(POLL_SECONDS)
            pending = await _next(pk, cursor, published)


async def read_when_reachable(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Read rows for a stream that has begun, which waits for a PostgreSQL that is gone or frozen instead of ending."""
    while True:
        try:
            return await threads.run(function, *args, **kwargs)
        except UNREACHABLE:
            await asyncio.sleep(POLL_SECONDS)


async def _next(pk: int, cursor: str | None, published: Event | None) -> Events:
    """Get the next events: the published one where it follows `cursor`, else those in the rows."""
    if published is None:
        return await read_when_reachable(_events, pk, cursor)
    if published["kind"] != "build_event" or published["build"] != pk:
        return []
    sequence = published["event"]["sequence"]
    last = 0 if cursor is None else EventCursors(pk).sequence(cursor)
    if sequence == last + 1:
        return [BuildEvent.from_json(published["event"])]
    return [] if sequence <= last else await read_when_reachable(_events, pk, cursor)


def _events(pk: int, cursor: str | None) -> Events:
    # Read the build before its events, or the final event could be inserted between the two.
    build = Build.objects.filter(pk=pk).first()
    if build is None:
        raise UnknownId("No build has this id.", argument=("build",))
    events = list(BuildEvent.objects.after(pk, cursor))
    return None if build.ended and not events else events


async def job_changes(kind: type[J], pk: int) -> AsyncIterator[J]:
    """Stream a job's row at once and after each change, until the job has ended. Raises UnknownId."""
    async with hub.subscription() as subscriber:
        last: J | None = None
        while last is None or not last.ended:
            read = threads.run if last is None else read_when_reachable
            row = await read(kind._default_manager.filter(pk=pk).first)
            if row is None:
                raise UnknownId("No job has this id.", argument=("job",))
            if last is None or (row.percent, row.status) != (last.percent, last.status):
                yield row
            last = row
            event = await subscriber.next(POLL_SECONDS)
            while event is not None and not _is_about(event, kind, pk):
                event = await subscriber.next(POLL_SECONDS)


def _is_about(event: Event, kind: type[Job], pk: int) -> bool:
    if kind is Build:
        return event["kind"] in ("build", "build_event") and bool(event["build"] == pk)
    return event["kind"] == "job" and bool(event["job"] == pk)


async def promotion_events(product: str | None = None) -> AsyncIterator[Promotion]:
    """Stream each promotion from now on, in order and without a gap. Raises UnknownProduct."""
    _check(product)
    async with hub.subscription() as subscriber:
        newest = await threads.run(_newest_promotion)
        while True:
            event = await subscriber.next(POLL_SECONDS)
            if event is None or event["kind"] == "promotion":
                for promotion in await read_when_reachable(_promotions, product, newest):
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
