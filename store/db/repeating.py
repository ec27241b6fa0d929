"""Repeating: what a thread of a process does again and again until the process stops."""

import logging
import threading
from collections.abc import Callable

from django.db import DatabaseError, InterfaceError, connection

from . import sqlstates, threads


def repeat(
    act: Callable[[], object],
    stopped: threading.Event,
    seconds: float,
    log: logging.Logger,
    failed: str,
    *,
    pause: float | None = None,
    level: int = logging.WARNING,
) -> None:
    """Act every so many seconds until `stopped`; one failure does not end it.

    Args:
        failed: the message in the log with the traceback of an unexpected error.
        pause: seconds after a failure; None: as after a success.
        level: that of messages while the database cannot be reached.
    """
    rest = seconds
    while not stopped.wait(rest):
        rest = seconds if pause is None else pause
        try:
            # The thread keeps its connection: a server forks a process for each one that is opened. A work-horse that
            # is forked meanwhile leaves it alone, as psycopg2 ends only what its own process has opened.
            threads.call(act)
            rest = seconds
        except (DatabaseError, InterfaceError) as error:
            log.log(level, "%s", sqlstates.explain(error))
        except Exception:
            log.exception("%s", failed)
    connection.close()
