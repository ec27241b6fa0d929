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

from .asynchronous import NoAnswer, list_hosts, name_host, open_connection

log = logging.getLogger(__name__)

#: Seconds after which a statement ends that a frozen server does not answer.
DEADLINE = 5.0
#: Seconds between two looks at the statements that run.
TICK = 0.5


DEFAULT_PORT = "5432"
#: A host and its port.
Server = tuple[str, str]


class WatchedConnection:
    """A synchronous connection of psycopg2, seen from another thread."""

    def __init__(self, connection: Any):
        self.connection = weakref.ref(connection)
        #: The one of several hosts that accepted the connection.
        self.server: Server = connection.info.host or "", str(connection.info.port)
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
        #: Servers from the first question that they did not answer to the next that they do.
        self.frozen: set[Server] = set()
        #: By which servers are asked.
        self.parameters: dict[str, Any] = {}
        #: A pooler is asked for no more than to be let in: its connections to the server may all be in use.
        self.statement = "SELECT 1"

    def start_over(self) -> None:
        """Forget the connections and the thread: a process that was forked has neither."""
        for each in self.watched:
            each.socket.close()
        vars(self).update(vars(Watchdog()))

    def admit(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return the parameters without hosts that are known to be frozen.

        Raises: psycopg2.OperationalError where no other is left.
        """
        if not (frozen := set(self.frozen)):
            return parameters
        hosts = list_hosts(parameters)
        left = [(host, port) for host, port in hosts if (host, port or DEFAULT_PORT) not in frozen]
        if len(hosts) < 2 or not left:
            raise psycopg2.OperationalError("PostgreSQL does not answer.")
        return name_host(parameters, *map(",".join, zip(*left, strict=True)))

    def watch(self, connection: Any, parameters: dict[str, Any], is_pooled: bool = False) -> None:
        """Watch a connection, opened with these parameters, until it is closed."""
        self.parameters = {name: value for name, value in parameters.items() if name != "cursor_factory"}
        self.statement = "" if is_pooled else "SELECT 1"
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
        """Ask a server if a statement has waited for it since the last tick; end those that wait for a frozen one."""
        self._forget_closed()
        waiting = {each for each in list(self.watched) if each.is_waiting}
        suspects = {each.server for each in waiting & self.waiting} | self.frozen
        self._note({server for server in suspects if not self._is_answering(server)})
        self.waiting = waiting
        if self.frozen:
            for each in list(self.watched):
                if each.server in self.frozen and each.is_waiting:
                    each.cut()

    def _forget_closed(self) -> None:
        for each in list(self.watched):
            if each.closed:
                self.watched.discard(each)
                each.socket.close()

    def _is_answering(self, server: Server) -> bool:
        """Ask a server; a refusal is an answer, too."""
        host, port = server
        is_named = host and "hostaddr" not in self.parameters
        parameters = name_host(self.parameters, host, port) if is_named else self.parameters
        try:
            open_connection(parameters, self.statement, DEADLINE - 3 * TICK).close()
        except NoAnswer:
            return False
        except psycopg2.Error:
            pass
        return True

    def _note(self, frozen: set[Server]) -> None:
        if frozen - self.frozen:
            log.warning("PostgreSQL does not answer: statements that wait for it are ended.")
        if self.frozen - frozen:
            log.warning("PostgreSQL answers again.")
        self.frozen = frozen


watchdog = Watchdog()
os.register_at_fork(after_in_child=watchdog.start_over)
