"""Asynchronous connection pool: a few connections to PostgreSQL that the event loop drives, one statement each."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import psycopg2
from django.db import connection as django_connection
from psycopg2.extensions import POLL_OK, POLL_WRITE

from ..db.postgresql import asynchronous, poolers

log = logging.getLogger(__name__)

#: Seconds for an answer of PostgreSQL, and for a connection: a frozen server must not freeze the process.
TIMEOUT = 5.0
#: Seconds between the first two attempts to connect, and at most: the pause doubles with each failure.
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0

#: What `limit` says, before a statement that a pooler passes on. Several statements are one transaction.
LIMITS = f"SET LOCAL statement_timeout = {TIMEOUT * 1000:.0f}; SET LOCAL timezone = 'UTC';"

Tuples = list[tuple[Any, ...]]


class ConnectionLost(psycopg2.OperationalError):
    """PostgreSQL cannot be reached, has closed the connection, or does not answer."""


class PooledConnection:
    """One connection of the pool, or its place while it is lost. Each statement commits by itself."""

    def __init__(self, prepared: str, on_lost: "Callable[[PooledConnection], None]"):
        #: Run once on every new connection, unless a pooler stands between.
        self.prepared = prepared
        #: True where a pooler stands between: what was prepared and set for one statement is not there for the next.
        self.is_pooled = False
        self.on_lost = on_lost
        self.connection: Any = None
        self.socket = -1
        self.answer: asyncio.Future[None] | None = None

    async def connect(self) -> None:
        """Open the connection. Raises psycopg2.Error and OSError."""
        loop = asyncio.get_running_loop()
        # On a thread, as resolving a host's name blocks; not on the pool of `threads`, which may wait for PostgreSQL.
        self.connection, self.is_pooled = await loop.run_in_executor(None, open_connection, self.prepared)
        self.socket = self.connection.fileno()
        # Also while no statement runs, to learn when PostgreSQL closes the connection.
        loop.add_reader(self.socket, self.advance)

    async def run(
        self, statement: str, parameters: Mapping[str, Any], unprepared: str | None = None
    ) -> Tuples:
        """Run a statement, and return its rows once it is committed.

        Args:
            unprepared: the same statement where nothing is prepared; None: it needs nothing that is.

        Raises: ConnectionLost, after which it may have been committed or not, and PostgreSQL's errors.
        """
        if self.connection is None:
            raise ConnectionLost("The connection to PostgreSQL was lost before its turn.")
        loop = asyncio.get_running_loop()
        if self.is_pooled:
            statement = f"{LIMITS} {unprepared or statement}"
        cursor = self.connection.cursor()
        self.answer = loop.create_future()
        timer = loop.call_later(TIMEOUT, self.expire)
        try:
            cursor.execute(statement, parameters)
            self.advance()
            await self.answer
            return cursor.fetchall()  # type: ignore[no-any-return]
        finally:
            self.answer = None
            timer.cancel()

    def advance(self) -> None:
        """Continue the running statement: the socket is readable or writable."""
        try:
            state = self.connection.poll()
        except psycopg2.Error as error:
            if self.connection.closed:
                self.fail(str(error).strip())
            else:
                self.resolve(error)
            return
        loop = asyncio.get_running_loop()
        if state == POLL_WRITE:
            loop.add_writer(self.socket, self.advance)
        else:
            loop.remove_writer(self.socket)
        if state == POLL_OK:
            self.resolve()

    def expire(self) -> None:
        """Fail the running statement unless its answer has arrived: this process itself may have been stopped."""
        self.advance()
        if self.answer is not None and not self.answer.done():
            self.fail(f"no answer within {TIMEOUT:g} s")

    def resolve(self, error: Exception | None = None) -> None:
        if self.answer is None or self.answer.done():
            return
        if error is None:
            self.answer.set_result(None)
        else:
            self.answer.set_exception(error)

    def fail(self, reason: str) -> None:
        log.warning("A connection to PostgreSQL was lost: %s", reason)
        self.close()
        self.resolve(ConnectionLost(reason))
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
    """Connections that run statements in turn; lost ones are reopened in the background."""

    def __init__(self, number: int, prepared: str):
        self.all = [PooledConnection(prepared, self.on_lost) for _ in range(number)]
        self.free: list[PooledConnection] = []
        self.waiting: deque[asyncio.Future[PooledConnection]] = deque()
        self.restoring: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Connect; connections that fail are tried again in the background."""
        for pooled in self.all:
            self.restore(pooled)
        await asyncio.wait(self.restoring, timeout=TIMEOUT)

    def stop(self) -> None:
        for task in self.restoring:
            task.cancel()
        for pooled in self.all:
            pooled.close()

    async def run(
        self, statement: str, parameters: Mapping[str, Any], unprepared: str | None = None
    ) -> Tuples:
        """Run a statement on the next free connection. Raises ConnectionLost at once while there is none."""
        pooled = await self.next_free()
        try:
            return await pooled.run(statement, parameters, unprepared)
        finally:
            if pooled.connection is not None:
                self.release(pooled)

    @property
    def is_connected(self) -> bool:
        """True while there is at least one connection."""
        return any(pooled.connection for pooled in self.all)

    def count(self) -> dict[str, int]:
        """Count the connections by their state."""
        lost = sum(pooled.connection is None for pooled in self.all)
        return {"free": len(self.free), "busy": len(self.all) - len(self.free) - lost, "lost": lost}

    async def next_free(self) -> PooledConnection:
        if self.free:
            return self.free.pop()
        if not self.is_connected:
            raise ConnectionLost("There is no connection to PostgreSQL.")
        turn = asyncio.get_running_loop().create_future()
        self.waiting.append(turn)
        return await turn

    def release(self, pooled: PooledConnection) -> None:
        while self.waiting:
            turn = self.waiting.popleft()
            if not turn.done():
                turn.set_result(pooled)
                return
        self.free.append(pooled)

    def on_lost(self, pooled: PooledConnection) -> None:
        if pooled in self.free:
            self.free.remove(pooled)
        if not self.is_connected:
            for turn in self.waiting:
                if not turn.done():
                    turn.set_exception(ConnectionLost("There is no connection to PostgreSQL any more."))
            self.waiting.clear()
        self.restore(pooled)

    def restore(self, pooled: PooledConnection) -> None:
        task = asyncio.create_task(self.reconnect(pooled), name="reconnect")
        self.restoring.add(task)
        task.add_done_callback(self.restoring.discard)

    async def reconnect(self, pooled: PooledConnection) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                await pooled.connect()
            except (psycopg2.Error, OSError) as error:
                log.warning("PostgreSQL cannot be reached: %s", str(error).strip())
                await asyncio.sleep(pause)
                pause = min(LONGEST_PAUSE, 2 * pause)
            else:
                self.release(pooled)
                return


def open_connection(prepared: str) -> tuple[Any, bool]:
    """Open an asynchronous connection and run `prepared` on it, unless a pooler stands between.

    Blocks, for a few times TIMEOUT at most. Returns: the connection, and True where a pooler stands between.
    """
    parameters: dict[str, Any] = django_connection.get_connection_params()
    del parameters["cursor_factory"]
    route = poolers.find_route(parameters)
    if route.is_pooled:
        return asynchronous.open_connection(route.adapt(parameters), "", TIMEOUT), True
    return asynchronous.open_connection(limit(parameters), prepared, TIMEOUT), False


def limit(parameters: dict[str, Any]) -> dict[str, Any]:
    """Add a time limit on the server: statements that have timed out here shall not run on."""
    options = f"{parameters.get('options', '')} -c statement_timeout={TIMEOUT * 1000:.0f} -c timezone=UTC"
    return parameters | {"options": options.strip()}
