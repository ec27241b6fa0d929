"""Asynchronous connections that are opened within a deadline: libpq itself waits for a frozen server for ever."""

import select
import time
from typing import Any

import psycopg2
from psycopg2.extensions import POLL_OK, POLL_READ


class NoAnswer(psycopg2.OperationalError):
    """PostgreSQL has not answered in time."""


def open_connection(parameters: dict[str, Any], statement: str, seconds: float) -> Any:
    """Open an asynchronous connection and run a statement on it. Blocks the thread.

    Raises: NoAnswer after so many seconds, and psycopg2's errors.
    """
    until = time.monotonic() + seconds
    connection = psycopg2.connect(**parameters, async_=True)
    try:
        wait(connection, until, seconds)
        cursor = connection.cursor()  # referenced, as the connection does not keep the cursor that it runs
        cursor.execute(statement)
        wait(connection, until, seconds)
    except BaseException:
        connection.close()
        raise
    return connection


def wait(connection: Any, until: float, seconds: float) -> None:
    """Block until the running operation of an asynchronous connection is done. Raises NoAnswer."""
    # Not `select.select`, which knows no descriptor beyond 1,023: a process may have as many clients.
    poll = select.poll()
    while (state := connection.poll()) != POLL_OK:
        poll.register(connection, select.POLLIN if state == POLL_READ else select.POLLOUT)
        left = until - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            raise NoAnswer(f"PostgreSQL did not accept the connection within {seconds:g} s.")
