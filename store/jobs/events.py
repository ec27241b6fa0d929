"""Events: Redis carries them to the web processes as they happen; the rows hold them all."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import orjson
from django.conf import settings
from django.db import transaction

from learning.lazy_imports import LazyModule

if TYPE_CHECKING:
    import redis
    import redis.asyncio
    import redis.backoff
    import redis.retry
else:
    redis = LazyModule("redis")

log = logging.getLogger(__name__)

#: One stream for all products: every web process reads it with one connection.
STREAM = "exemplar:events"
#: Entries that the stream keeps; who falls further behind reads the rows.
STREAM_LENGTH = 10_000
#: Events that wait for one slow subscriber before it has to read the rows.
QUEUE_SIZE = 1_000
#: Seconds that one read of the stream blocks.
BLOCK_SECONDS = 2.0

Event = dict[str, Any]


def connect() -> "redis.Redis":
    """A connection that gives up at once: whoever rings must not wait for a Redis that is down."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_connect_timeout=1,
        socket_timeout=2,
        retry=redis.retry.Retry(redis.backoff.NoBackoff(), 0),
    )


def publish(kind: str, **event: Any) -> None:
    """Tell the web processes. A ring that is lost is harmless: whoever waits for it looks at the rows now and then."""
    try:
        with connect() as server:
            server.xadd(
                STREAM,
                {"event": orjson.dumps({"kind": kind, **event})},
                maxlen=STREAM_LENGTH,
                approximate=True,
            )
    except redis.RedisError as error:
        log.warning("Redis cannot be reached, subscribers learn of this later: %s", error)


def publish_after_commit(kind: str, **event: Any) -> None:
    """Commit, then tell."""
    transaction.on_commit(lambda: publish(kind, **event))


class Subscriber:
    """A bounded queue of events; when it overflows it forgets them all and says so."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Event] = asyncio.Queue(QUEUE_SIZE)
        self.missed = False

    def put(self, event: Event) -> None:
        if self.queue.full():
            self.missed = True
            while not self.queue.empty():
                self.queue.get_nowait()
        self.queue.put_nowait(event)

    async def next(self, seconds: float) -> Event | None:
        """The next event, or None when none came within `seconds`, or some were missed: then look at the rows."""
        try:
            event = await asyncio.wait_for(self.queue.get(), seconds)
        except TimeoutError:
            return None
        missed, self.missed = self.missed, False
        return None if missed else event


class Hub:
    """The one reader of the stream in a web process; hands each event to everybody who listens."""

    def __init__(self) -> None:
        self._subscribers: set[Subscriber] = set()
        self._listeners: list[Callable[[Event], None]] = []
        self._task: asyncio.Task[None] | None = None

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Call `listener` on the loop with every event, for as long as the process lives."""
        self._listeners.append(listener)

    @asynccontextmanager
    async def subscription(self) -> AsyncIterator[Subscriber]:
        subscriber = Subscriber()
        self._subscribers.add(subscriber)
        try:
            yield subscriber
        finally:
            self._subscribers.discard(subscriber)

    async def start(self) -> None:
        self._task = asyncio.create_task(self._read_for_ever(), name="events")

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _read_for_ever(self) -> None:
        server = redis.asyncio.Redis.from_url(
            settings.REDIS_URL, socket_timeout=None, socket_connect_timeout=2, retry=None
        )
        last = "$"
        async with server:
            while True:
                try:
                    last = await self._read(server, last)
                except (redis.RedisError, OSError) as error:
                    log.warning("Redis cannot be reached, events come late: %s", error)
                    await asyncio.sleep(1)

    async def _read(self, server: Any, last: str) -> str:
        """Hand on what came after `last`; returns where to go on. "$" is pinned: between reads it would move."""
        if last == "$":
            newest = await server.xrevrange(STREAM, count=1)
            last = newest[0][0].decode() if newest else "0-0"
        for _, entries in (
            await server.xread({STREAM: last}, block=int(BLOCK_SECONDS * 1000), count=500) or ()
        ):
            for entry, fields in entries:
                last = entry.decode()
                self._hand_on(orjson.loads(fields[b"event"]))
        return last

    def _hand_on(self, event: Event) -> None:
        for listener in self._listeners:
            listener(event)
        for subscriber in self._subscribers:
            subscriber.put(event)


hub = Hub()
