"""Live rows: the rows of a list as they are stored, for many subscribers, from one reader in each process.

The reader polls the newest rows by their index while somebody subscribes. That costs those who store rows nothing, and
needs neither Redis nor that the rows were stored by this process. Subscribers then read the rows themselves, each with
a filter and permissions of its own.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from django.db.models import Model, Q, QuerySet

from ..access.acting import acting_as
from ..access.actors import Actor
from ..db import clock, pagination
from ..exceptions import BadInput, FellBehind
from .event_streams import read_when_reachable

log = logging.getLogger(__name__)

#: Seconds between two looks at the rows, while somebody subscribes.
POLL_SECONDS = 0.5
#: The time in which a row may still be committed after a later one: a statement that stores rows ends within it.
OVERLAP = timedelta(seconds=5)
#: Rows that one look reads, at most.
MOST_READ = 10_000
#: Rows that may wait for one subscriber, at most.
MOST_WAITING = 1_000
#: Rows that a subscriber reads at once, and the seconds after which it reads again those that still wait.
PAGE, FRESH_SECONDS = 100, 2.0

#: Select the rows that an actor may read. Called on a thread, as that actor.
Select: TypeAlias = Callable[[Actor], QuerySet[Any]]
#: Choose some of the selected rows.
Choose: TypeAlias = Callable[[QuerySet[Any]], QuerySet[Any]]


class RowPosition(NamedTuple):
    """The place of a row in its list: when it was stored, and its key; without one, before all rows of a moment."""

    at: datetime
    key: Any = None

    def encode(self) -> str:
        """Encode the position as a cursor."""
        return pagination.encode([self.at.isoformat(), self.key])

    @classmethod
    def decode(cls, cursor: str) -> "RowPosition":
        """Decode a cursor. Raises BadInput."""
        try:
            text, key = pagination.decode(cursor)
            at = datetime.fromisoformat(text).astimezone(UTC)
            at - OVERLAP  # where it is read from, which must be a time, too
        except (BadInput, TypeError, ValueError, OverflowError):
            message = "This is no cursor of this subscription: take it from an event."
            raise BadInput(message, argument=("after",)) from None
        return cls(at, key)


class LiveRow(NamedTuple):
    """A row that was stored, and its cursor."""

    row: Any
    cursor: str


class PendingRows:
    """The positions of new rows that wait for one subscriber."""

    def __init__(self) -> None:
        self.waiting: deque[RowPosition] = deque()
        #: The first row that was dropped because too many waited; None while none was.
        self.dropped: RowPosition | None = None
        self.changed = asyncio.Event()

    def put(self, positions: list[RowPosition]) -> None:
        """Add positions; where too many wait, all are dropped."""
        if self.dropped is None:
            self.waiting += positions
            if len(self.waiting) > MOST_WAITING:
                self.dropped = self.waiting[0]
                self.waiting.clear()
        self.changed.set()

    async def take(self) -> list[RowPosition]:
        """Wait for new rows, and take a page of them. Raises FellBehind."""
        await self.changed.wait()
        self.check()
        positions = [self.waiting.popleft() for _ in range(min(PAGE, len(self.waiting)))]
        if not self.waiting:
            self.changed.clear()
        return positions

    def check(self) -> None:
        """Check that no row was dropped. Raises FellBehind."""
        if self.dropped is not None:
            raise FellBehind(
                f"More than {MOST_WAITING} rows waited for this stream: subscribe again `after` the cursor in "
                "`extensions`, and what was missed comes first; or load the list.",
                maximum=MOST_WAITING,
                cursor=self.dropped.encode(),
            )

    def restart(self) -> bool:
        """Forget that rows were dropped, and return whether some were."""
        dropped, self.dropped = self.dropped, None
        return dropped is not None


class Tail:
    """The reader of one list's newest rows in this process; it reads while it has subscribers."""

    def __init__(self, rows: QuerySet[Any]):
        #: All rows of the list, whoever may read them; they have `created_at`.
        self.rows = rows
        self.subscribers: set[PendingRows] = set()
        #: The rows that were seen already, of those that the next look reads.
        self.seen: set[RowPosition] = set()
        self.beginning: asyncio.Task[None] | None = None
        self.following: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def subscription(self) -> AsyncIterator[PendingRows]:
        """Subscribe to the rows that are stored from now on."""
        subscriber = PendingRows()
        self.subscribers.add(subscriber)
        try:
            self.beginning = self.beginning or asyncio.create_task(self._begin(), name="live rows")
            await asyncio.shield(self.beginning)
            yield subscriber
        finally:
            self.subscribers.discard(subscriber)
            if not self.subscribers:
                self._end()

    async def _begin(self) -> None:
        since = await read_when_reachable(clock.now) - OVERLAP
        self.seen = set(await read_when_reachable(self._read, since))
        self.following = asyncio.create_task(self._follow(since), name="live rows")

    def _end(self) -> None:
        for task in filter(None, (self.beginning, self.following)):
            task.cancel()
        self.beginning = self.following = None

    async def _follow(self, since: datetime) -> None:
        """Distribute new rows until nobody subscribes."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                positions = await read_when_reachable(self._read, since)
            except Exception:  # one failure must not end all streams of this list
                log.exception("New rows could not be read; it is tried again in %g s.", POLL_SECONDS)
                continue
            if fresh := [position for position in positions if position not in self.seen]:
                since = max(since, positions[-1].at - OVERLAP)
                self.seen = {position for position in positions if position.at >= since}
                for subscriber in self.subscribers:
                    subscriber.put(fresh)

    def _read(self, since: datetime) -> list[RowPosition]:
        """Read the positions of the newest rows, in order."""
        rows = self.rows.filter(created_at__gte=since).order_by("-created_at", "-pk")
        return [RowPosition(*values) for values in rows.values_list("created_at", "pk")[:MOST_READ]][::-1]


@dataclass(frozen=True)
class LiveRows:
    """The rows of a list that one caller hears of."""

    tail: Tail
    select: Select
    #: Finds the caller as it is now. Raises Unauthenticated.
    find_caller: Callable[[], Awaitable[Actor]]

    async def follow(self, cursor: str | None) -> AsyncGenerator[LiveRow, None]:
        """Stream what is stored from now on; with a cursor, first what was stored after that of an event.

        A row may come twice, never not at all. Raises BadInput, FellBehind.
        """
        last = None if cursor is None else RowPosition.decode(cursor)
        async with self.tail.subscription() as subscriber:
            while last is not None:
                # Rows that are stored meanwhile wait, up to the limit; beyond it they are read here, too.
                async for row in self._read_on(everything, RowPosition(last.at - OVERLAP)):
                    last = position_of(row)
                    yield LiveRow(row, last.encode())
                if not subscriber.restart():
                    break
            while True:
                keys = [position.key for position in await subscriber.take()]
                async for row in self._read_on(partial(with_keys, keys)):
                    yield LiveRow(row, position_of(row).encode())

    async def _read_on(self, choose: Choose, last: RowPosition | None = None) -> AsyncIterator[Any]:
        """Read rows page by page, in order.

        A slow client takes long for a page: what still waits then is read again, for the caller as it is by now.
        """
        is_complete = False
        while not is_complete:
            actor, read_at = await self.find_caller(), time.monotonic()
            rows = await read_when_reachable(self._read_page, actor, choose, last)
            is_complete = len(rows) < PAGE
            for place, row in enumerate(rows):
                is_old = time.monotonic() - read_at > FRESH_SECONDS
                if place and (is_old or await self.find_caller() is not actor):
                    is_complete = False
                    break
                yield row
                last = position_of(row)

    def _read_page(self, actor: Actor, choose: Choose, last: RowPosition | None) -> list[Any]:
        with acting_as(actor):
            rows = choose(self.select(actor)).order_by("created_at", "pk")
            return list(rows.filter(after(last))[:PAGE])


def everything(rows: QuerySet[Any]) -> QuerySet[Any]:
    """All of the rows."""
    return rows


def with_keys(keys: Sequence[Any], rows: QuerySet[Any]) -> QuerySet[Any]:
    """The rows with these keys."""
    return rows.filter(pk__in=keys)


def position_of(row: Any) -> RowPosition:
    """The position of a row."""
    return RowPosition(row.created_at, row.pk)


def after(position: RowPosition | None) -> Q:
    """The condition that a row stands after a position."""
    if position is None:
        return Q()
    since = Q(created_at__gte=position.at)
    if position.key is None:
        return since
    return since & (Q(created_at__gt=position.at) | Q(pk__gt=position.key))


#: By table and product.
_tails: dict[tuple[type[Model], str], Tail] = {}


def tail_of(rows: QuerySet[Any], product: str) -> Tail:
    """The one reader in this process of a product's rows of a table."""
    return _tails.setdefault((rows.model, product), Tail(rows.filter(product=product)))
