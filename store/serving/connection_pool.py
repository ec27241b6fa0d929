"""Lanes: a few connections to PostgreSQL that the event loop drives, each with one statement at a time."""

import asyncio
import logging
import select
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import psycopg2
from django.db import connection as django_connection
from psycopg2.extensions import POLL_OK, POLL_READ, POLL_WRITE

log = logging.getLogger(__name__)

#: Seconds that PostgreSQL has for an answer, and for letting us in: a frozen one must not freeze us.
PATIENCE = 5.0
#: Seconds between two attempts to connect: the first two, and any two after more and more failures.
SOON, LATE = 0.1, 2.0

Tuples = list[tuple[Any, ...]]


class ConnectionLost(psycopg2.OperationalError):
    """PostgreSQL cannot be reached, has hung up, or does not answer."""


class PooledConnection:
    """One connection, or the place for one. Each statement commits by itself."""

    def __init__(self, prepared: str, on_lost: "Callable[[PooledConnection], None]"):
        #: Run once on every new connection.
        self.prepared = prepared
        self.on_lost = on_lost
        self.connection: Any = None
        self.socket = -1
        self.answer: asyncio.Future[None] | None = None

    async def connect(self) -> None:
        """Raises what psycopg2 raises."""
        loop = asyncio.get_running_loop()
        # On a thread, as looking up a host's name blocks; not on the rows' pool, which may wait for PostgreSQL.
        self.connection = await loop.run_in_executor(None, connected, self.prepared)
        self.socket = self.connection.fileno()
        # Also while nothing runs: so we hear when PostgreSQL hangs up.
        loop.add_reader(self.socket, self.advance)

    async def run(self, statement: str, parameters: Mapping[str, Any]) -> Tuples:
        """What a statement returned, once it is committed.

        Raises Lost, when it may have been committed or not, and whatever PostgreSQL refuses it with.
        """
        if self.connection is None:
            raise ConnectionLost("The connection to PostgreSQL was lost before its turn.")
        loop = asyncio.get_running_loop()
        cursor = self.connection.cursor()
        self.answer = loop.create_future()
        timer = loop.call_later(PATIENCE, self.lose, f"no answer within {PATIENCE:g} s")
        try:
            cursor.execute(statement, parameters)
            self.advance()
            await self.answer
            return cursor.fetchall()  # type: ignore[no-any-return]
        finally:
            self.answer = None
            timer.cancel()

    def advance(self) -> None:
        """Go on with what is running, as PostgreSQL has spoken or listens again."""
        try:
            state = self.connection.poll()
        except psycopg2.Error as error:
            if self.connection.closed:
                self.lose(str(error).strip())
            else:
                self.settle(error)
            return
        loop = asyncio.get_running_loop()
        if state == POLL_WRITE:
            loop.add_writer(self.socket, self.advance)
        else:
            loop.remove_writer(self.socket)
        if state == POLL_OK:
            self.settle()

    def settle(self, error: Exception | None = None) -> None:
        if self.answer is None or self.answer.done():
            return
        if error is None:
            self.answer.set_result(None)
        else:
            self.answer.set_exception(error)

    def lose(self, reason: str) -> None:
        log.warning("A connection to PostgreSQL was lost: %s", reason)
        self.close()
        self.settle(ConnectionLost(reason))
        self.on_lost(self)

    def close(self) -> None:
        if self.connection is None:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(self.socket)
        loop.remove_writer(self.socket)
        self.connection.close()
        self.connection = None


class ConnectionPool:
    """Whoever wants to run a statement gets the next lane that is free, in turn; lost ones come back by themselves."""

    def __init__(self, number: int, prepared: str):
        self.all = [PooledConnection(prepared, self.on_lost) for _ in range(number)]
        self.free: list[PooledConnection] = []
        self.waiting: deque[asyncio.Future[PooledConnection]] = deque()
        self.restoring: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Try to connect; go on trying in the background."""
        for lane in self.all:
            self.restore(lane)
        await asyncio.wait(self.restoring, timeout=PATIENCE)

    def stop(self) -> None:
        for task in self.restoring:
            task.cancel()
        for lane in self.all:
            lane.close()

    async def run(self, statement: str, parameters: Mapping[str, Any]) -> Tuples:
        """As `Lane.run`. Raises Lost at once while no lane is connected."""
        lane = await self.next_free()
        try:
            return await lane.run(statement, parameters)
        finally:
            if lane.connection is not None:
                self.release(lane)

    async def next_free(self) -> PooledConnection:
        if self.free:
            return self.free.pop()
        if not any(lane.connection for lane in self.all):
            raise ConnectionLost("There is no connection to PostgreSQL.")
        turn = asyncio.get_running_loop().create_future()
        self.waiting.append(turn)
        return await turn

    def release(self, lane: PooledConnection) -> None:
        while self.waiting:
            turn = self.waiting.popleft()
            if not turn.done():
                turn.set_result(lane)
                return
        self.free.append(lane)

    def on_lost(self, lane: PooledConnection) -> None:
        if lane in self.free:
            self.free.remove(lane)
        if not any(other.connection for other in self.all):
            for turn in self.waiting:
                if not turn.done():
                    turn.set_exception(ConnectionLost("There is no connection to PostgreSQL any more."))
            self.waiting.clear()
        self.restore(lane)

    def restore(self, lane: PooledConnection) -> None:
        task = asyncio.create_task(self.reconnect(lane), name="lane")
        self.restoring.add(task)
        task.add_done_callback(self.restoring.discard)

    async def reconnect(self, lane: PooledConnection) -> None:
        pause = SOON
        while True:
            try:
                await lane.connect()
            except (psycopg2.Error, OSError) as error:
                log.warning("PostgreSQL cannot be reached: %s", str(error).strip())
                await asyncio.sleep(pause)
                pause = min(LATE, 2 * pause)
            else:
                self.release(lane)
                return


def connected(prepared: str) -> Any:
    """A new asynchronous connection on which `prepared` was run. Blocks, for PATIENCE at most."""
    until = time.monotonic() + PATIENCE
    connection = psycopg2.connect(**parameters(), async_=True)
    try:
        wait(connection, until)
        cursor = connection.cursor()  # kept, or the connection forgets what it runs
        cursor.execute(prepared)
        wait(connection, until)
    except BaseException:
        connection.close()
        raise
    return connection


def parameters() -> dict[str, Any]:
    """Django's, and the server's own deadline: what nobody waits for any more shall not run on."""
    given: dict[str, Any] = django_connection.get_connection_params()
    del given["cursor_factory"]
    options = f"{given.get('options', '')} -c statement_timeout={PATIENCE * 1000:.0f} -c timezone=UTC"
    return given | {"options": options.strip()}


def wait(connection: Any, until: float) -> None:
    """Block until what was begun on an asynchronous connection is done. Raises Lost."""
    while (state := connection.poll()) != POLL_OK:
        reading = [connection] if state == POLL_READ else []
        writing = [connection] if state == POLL_WRITE else []
        seconds = until - time.monotonic()
        if seconds <= 0 or not any(select.select(reading, writing, [], seconds)):
            raise ConnectionLost(f"PostgreSQL did not let us in within {PATIENCE:g} s.")
