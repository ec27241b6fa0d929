"""The watchdog: ends the statements of this process that wait for a frozen PostgreSQL.

libpq waits for an answer for ever, and PostgreSQL's own time limits need a server that runs. A statement may take long
where there is much to do, so the watchdog asks the server by another connection before it ends any.
"""

import logging
import os
import socket
import threading
import time
import weakref
from contextlib import suppress
from typing import Any

import psycopg2
from psycopg2.extensions import TRANSACTION_STATUS_ACTIVE

from .asynchronous import NoAnswer, open_connection

log = logging.getLogger(__name__)

#: Seconds after which a statement ends that a frozen server does not answer.
DEADLINE = 5.0
#: Seconds between two looks at the statements that run.
TICK = 0.5


class WatchedConnection:
    """A synchronous connection of psycopg2, seen from another thread."""

    def __init__(self, connection: Any):
        self.connection = weakref.ref(connection)
        # A duplicate: the number of a socket that its owner has closed may by then be another's.
        self.socket = socket.socket(fileno=os.dup(connection.fileno()))

    @property
    def closed(self) -> bool:
        connection = self.connection()
        return connection is None or bool(connection.closed)

    @property
    def is_waiting(self) -> bool:
        """True while the server's answer to a statement is outstanding."""
        connection = self.connection()
        try:
            return connection is not None and connection.get_transaction_status() == TRANSACTION_STATUS_ACTIVE
        except psycopg2.InterfaceError:  # closed just now
            return False

    def cut(self) -> None:
        """End the statement: its thread gets an OperationalError."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)


class Watchdog:
    """Watches the connections of this process, on a thread of its own."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.thread: threading.Thread | None = None
        self.watched: set[WatchedConnection] = set()
        #: Those that waited at the last tick.
        self.waiting: set[WatchedConnection] = set()
        #: True from the first question that the server did not answer to the next that it does.
        self.frozen = False
        #: By which the server is asked.
        self.parameters: dict[str, Any] = {}

    def start_over(self) -> None:
        """Forget the connections and the thread: a process that was forked has neither."""
        for each in self.watched:
            each.socket.close()
        vars(self).update(vars(Watchdog()))

    def check(self) -> None:
        """Check that the server is not known to be frozen. Raises psycopg2.OperationalError."""
        if self.frozen:
            raise psycopg2.OperationalError("PostgreSQL does not answer.")

    def watch(self, connection: Any, parameters: dict[str, Any]) -> None:
        """Watch a connection, opened with these parameters, until it is closed."""
        self.parameters = {name: value for name, value in parameters.items() if name != "cursor_factory"}
        self.watched.add(WatchedConnection(connection))
        with self.lock:
            if self.thread is None:
                self.thread = threading.Thread(target=self._run, name="postgresql-watchdog", daemon=True)
                self.thread.start()

    def _run(self) -> None:
        while True:
            time.sleep(TICK)
            try:
                self.tick()
            except Exception:  # one failure must not end the watch for the life of the process
                log.exception("The connections to PostgreSQL could not be watched; it is tried again.")

    def tick(self) -> None:
        """Ask the server if a statement has waited since the last tick; end those that wait for a frozen one."""
        self._forget_closed()
        waiting = {each for each in list(self.watched) if each.is_waiting}
        if self.frozen or waiting & self.waiting:
            self._note(frozen=not self._is_answering())
        self.waiting = waiting
        if self.frozen:
            for each in list(self.watched):
                if each.is_waiting:
                    each.cut()

    def _forget_closed(self) -> None:
        for each in list(self.watched):
            if each.closed:
                self.watched.discard(each)
                each.socket.close()

    def _is_answering(self) -> bool:
        """Ask the server; a refusal is an answer, too."""
        try:
            open_connection(self.parameters, "SELECT 1", DEADLINE - 3 * TICK).close()
        except NoAnswer:
            return False
        except psycopg2.Error:
            pass
        return True

    def _note(self, frozen: bool) -> None:
        if frozen and not self.frozen:
            log.warning("PostgreSQL does not answer: statements that wait for it are ended.")
        if self.frozen and not frozen:
            log.warning("PostgreSQL answers again.")
        self.frozen = frozen


watchdog = Watchdog()
os.register_at_fork(after_in_child=watchdog.start_over)
