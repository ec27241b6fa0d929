"""Deadlines of operations: PostgreSQL ends the statements of an operation whose time is up, and no other is begun."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.db import connection
from django.db.utils import OperationalError
from psycopg2 import errorcodes

from learning.exceptions import TimedOut

from . import sqlstates

#: The moment, by the monotonic clock, at which this thread's operation must end.
_until: ContextVar[float | None] = ContextVar("until", default=None)

#: Take no time, and the first must be the first statement of a transaction that has failed.
SAVEPOINTS = ("ROLLBACK TO SAVEPOINT", "RELEASE SAVEPOINT", "SAVEPOINT")

TOO_LONG = "The operation took longer than it may and was stopped: ask for less in one request."


@contextmanager
def ending_at(until: float) -> Iterator[None]:
    """Run the operation of this thread until a moment of the monotonic clock; infinity is no limit.

    Raises TimedOut, at once if the moment is past.
    """
    if until == math.inf:
        yield
        return
    token = _until.set(until)
    try:
        check()
        with connection.execute_wrapper(_execute_in_time):
            yield
    finally:
        _until.reset(token)


def check() -> None:
    """Check that the time of this thread's operation is not up. Raises TimedOut."""
    until = _until.get()
    if until is not None and time.monotonic() > until:
        raise TimedOut(TOO_LONG)


def _execute_in_time(
    execute: Callable[..., Any], sql: Any, parameters: Any, many: bool, context: dict[str, Any]
) -> Any:
    """Execute a statement with the time that is left as its time limit."""
    check()
    until = _until.get()
    assert until is not None
    is_plain = isinstance(sql, str) and not sql.startswith(SAVEPOINTS)
    if is_plain and not many and context["cursor"].cursor.name is None:
        # In the same message, so that it takes no round trip; it holds for the statement's transaction, and so for no
        # other operation, also where a pooler lends the connection to others in between.
        milliseconds = max(int((until - time.monotonic()) * 1000), 1)
        sql = f"SET LOCAL statement_timeout = {milliseconds}; {sql}"
    try:
        return execute(sql, parameters, many, context)
    except OperationalError as error:
        if sqlstates.get_sqlstate(error) == errorcodes.QUERY_CANCELED and time.monotonic() > until - 0.05:
            raise TimedOut(TOO_LONG) from error
        raise
