"""Events: changes of rows, carried to the web processes by a Redis stream. The rows hold them all."""

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

#: The one stream for all products; every web process reads it with one connection.
STREAM = "exemplar:events"
#: Entries that the stream keeps; a reader that falls further behind reads the rows.
STREAM_LENGTH = 10_000
#: Events that one slow subscriber may have pending before it has to read the rows.
QUEUE_SIZE = 1_000
#: Seconds that one read of the stream may block.
BLOCK_SECONDS = 2.0

Event = dict[str, Any]


def connect() -> "redis.Redis":
    """Connect to Redis without retries: a publisher must not wait for a server that is down."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        driver_info=None,  # else each connection reads the library's version from disk, and sends it
        socket_connect_timeout=1,
        socket_timeout=2,
        retry=redis.retry.Retry(redis.backoff.NoBackoff(), 0),
    )


def publish(kind: str, **event: Any) -> None:
    """Publish an event to the web processes. A lost event is harmless: subscribers also poll the rows."""
    try:
        with connect() as server:
            server.xadd(
                STREAM,
                {"event": orjson.dumps({"kind": kind, **event})},
                maxlen=STREAM_LENGTH,
                approximate=True,
            )
    except redis.RedisError as error:
        log.warning("Redis cannot be reached; subscribers are notified later: %s", error)


def publish_after_commit(kind: str, **event: Any) -> None:
    """Publish an event once the transaction has committed."""
    transaction.on_commit(lambda: publish(kind, **event))


class Subscriber:
    """A bounded queue of events. On overflow it drops them all and reports that some were missed."""

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
        """Wait for the next event.

        Returns: None where none came within `seconds` or some were missed; then read the rows.
        """
        try:
            event = await asyncio.wait_for(self.queue.get(), seconds)
        except TimeoutError:
            return None
        missed, self.missed = self.missed, False
        return None if missed else event

    def take_waiting(self) -> list[Event]:
        """Take the events that wait already."""
        return [self.queue.get_nowait() for _ in range(self.queue.qsize())]


class Hub:
    """The one reader of the stream in a web process. Distributes each event to all subscribers."""

    def __init__(self) -> None:
        self._subscribers: set[Subscriber] = set()
        self._listeners: list[Callable[[Event], None]] = []
        self._task: asyncio.Task[None] | None = None

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Call `listener` on the event loop with every event until the process ends."""
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
        self._task = asyncio.create_task(self._read_forever(), name="events")

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _read_forever(self) -> None:
        server = redis.asyncio.Redis.from_url(
            settings.REDIS_URL, socket_timeout=BLOCK_SECONDS + 3, socket_connect_timeout=2, retry=None
        )
        last = "$"
        async with server:
            while True:
                try:
                    last = await self._read(server, last)
                except (redis.RedisError, OSError) as error:
                    log.warning("Redis cannot be reached; events are delayed: %s", error)
                    await asyncio.sleep(1)

    async def _read(self, server: Any, last: str) -> str:
        """Distribute the entries after `last` and return the id of the newest one.

        "$" is resolved first: it would move between two reads.
        """
        if last == "$":
            newest = await server.xrevrange(STREAM, count=1)
            last = newest[0][0].decode() if newest else "0-0"
        for _, entries in (
            await server.xread({STREAM: last}, block=int(BLOCK_SECONDS * 1000), count=500) or ()
        ):
            for entry, fields in entries:
                last = entry.decode()
                self._distribute(orjson.loads(fields[b"event"]))
        return last

    def _distribute(self, event: Event) -> None:
        for listener in self._listeners:
            listener(event)
        for subscriber in self._subscribers:
            subscriber.put(event)


hub = Hub()
