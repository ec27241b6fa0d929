"""Changes of builds, as they happen. One reader in each process reads the rows for all streams.

A stream that is slow hears of each build once, as it is then: what waits for it is bounded by the number of builds.
"""

import asyncio
import copy
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager

from django.db.models import Max, Q

from ..builds.builds import Build
from ..jobs.events import Event, Subscriber, hub
from ..jobs.jobs import UNFINISHED
from ..products import catalogue
from .event_streams import POLL_SECONDS, read_when_reachable

log = logging.getLogger(__name__)

#: The kinds of events that are about a build.
KINDS = ("build", "build_event")


class PendingBuilds:
    """The builds that have changed since one stream heard of them, by their keys."""

    def __init__(self) -> None:
        self.pending: dict[int, Build] = {}
        self.changed = asyncio.Event()

    def put(self, build: Build) -> None:
        """Note a build as it is now."""
        self.pending[build.pk] = build
        self.changed.set()

    async def next(self) -> Build:
        """Wait for the next build that has changed."""
        await self.changed.wait()
        build = self.pending.pop(next(iter(self.pending)))
        if not self.pending:
            self.changed.clear()
        return copy.copy(build)  # what a stream looks up for it is its own


class UnfinishedBuilds:
    """The unfinished builds as they were read last, so that a look at the rows finds what no event has said."""

    def __init__(self, newest: int, unfinished: Iterable[Build]) -> None:
        #: The newest build of which the streams have heard.
        self.newest = newest
        self.states: dict[int, tuple[str, float]] = {}
        for build in unfinished:
            self.note(build)

    @property
    def condition(self) -> Q:
        """The condition of the builds that may have changed."""
        return Q(status__in=UNFINISHED) | Q(pk__in=list(self.states)) | Q(pk__gt=self.newest)

    def note(self, build: Build) -> bool:
        """Note a build that was read; return True if it has changed."""
        state = (build.status, build.percent)
        is_new, self.newest = build.pk > self.newest, max(self.newest, build.pk)
        has_changed = is_new or self.states.get(build.pk) != state
        if build.ended:
            self.states.pop(build.pk, None)
        else:
            self.states[build.pk] = state
        return has_changed


class BuildWatch:
    """The reader of builds in this process; it reads while it has subscribers."""

    def __init__(self) -> None:
        self.subscribers: set[PendingBuilds] = set()
        self.begun = asyncio.Event()
        self.watching: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def subscription(self) -> AsyncIterator[PendingBuilds]:
        """Subscribe to the changes from now on, once the rows have been read that later ones are compared with."""
        subscriber = PendingBuilds()
        self.subscribers.add(subscriber)
        try:
            if self.watching is None:
                self.begun = asyncio.Event()
                self.watching = asyncio.create_task(self._watch(self.begun), name="build changes")
            await self.begun.wait()
            yield subscriber
        finally:
            self.subscribers.discard(subscriber)
            if not self.subscribers and self.watching:
                self.watching.cancel()
                self.watching = None

    async def _watch(self, begun: asyncio.Event) -> None:
        async with hub.subscription() as events:
            unfinished_builds: UnfinishedBuilds | None = None
            while True:
                try:
                    if unfinished_builds is None:
                        unfinished_builds = await read_when_reachable(_begin)
                        begun.set()
                    event = await events.next(POLL_SECONDS)
                    await self._follow(unfinished_builds, event, events)
                except Exception:  # one failure must not end all streams
                    log.exception("The builds could not be read; it is tried again.")
                    begun.set()  # a stream reads the rows itself, and ends with the error
                    await asyncio.sleep(POLL_SECONDS)

    async def _follow(
        self, unfinished_builds: UnfinishedBuilds, event: Event | None, events: Subscriber
    ) -> None:
        """Read what an event is about and what came behind it; without one, what may have changed."""
        keys = keys_of([event, *events.take_waiting()]) if event else []
        if event and not keys:
            return
        condition = Q(pk__in=keys) if event else unfinished_builds.condition
        for build in await read_when_reachable(_read, condition):
            if unfinished_builds.note(build) or event:
                for subscriber in self.subscribers:
                    subscriber.put(build)


watch = BuildWatch()


def keys_of(events: Iterable[Event]) -> Collection[int]:
    """The keys of the builds that events are about."""
    return {event["build"] for event in events if event["kind"] in KINDS}


async def follow(product: str | None = None) -> AsyncGenerator[Build, None]:
    """Stream the unfinished builds, then each build when it has changed. Raises UnknownProduct."""
    if product is not None:
        catalogue.get(product)
    async with watch.subscription() as subscriber:
        for build in await read_when_reachable(_read, Q(status__in=UNFINISHED)):
            if build.pk not in subscriber.pending:  # what was put meanwhile may be newer: its end
                subscriber.put(build)
        while True:
            build = await subscriber.next()
            if product in (None, build.product):
                yield build


def _begin() -> UnfinishedBuilds:
    newest = Build.objects.aggregate(newest=Max("pk"))["newest"] or 0
    return UnfinishedBuilds(newest, _read(Q(status__in=UNFINISHED)))


def _read(condition: Q) -> list[Build]:
    return list(Build.objects.filter(condition).order_by("pk"))
