"""Leases: the running process renews its lease every second and kills itself once another process holds it."""

import ctypes
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connection, transaction

from learning.exceptions import ExemplarError

from ..db import full_disks, sqlstates
from ..db.unreachable import UNREACHABLE
from ..exceptions import Unavailable
from .jobs import Job, Superseded

log = logging.getLogger(__name__)

#: Seconds between two renewals; a cancelled job stops within this time even without Redis.
RENEWAL_SECONDS = 1.0
#: The prctl option that sends a signal to a process when its parent dies.
PR_SET_PDEATHSIG = 1


class UnexpectedError(ExemplarError):
    """Something unexpected happened."""


def run_with_lease(job: Job, work: Callable[[threading.Event], None]) -> None:
    """Run the work of a claimed job under its lease.

    An error ends the job as FAILED. Without PostgreSQL the lease expires and another attempt starts.

    Args:
        work: receives an event, which it sets before the job's last write.
    """
    with _lease(job) as finished:
        try:
            work(finished)
        except Superseded as error:
            log.warning("%s", error)
        except ExemplarError as error:
            _fail(job, error, finished)
        except Exception as error:
            if sentence := full_disks.describe(error):  # as full for another attempt
                _fail(job, Unavailable(f"{sentence} Make room, then request it again."), finished)
            elif isinstance(error, UNREACHABLE) or sqlstates.is_unreachable(error):
                raise
            else:
                _fail(job, UnexpectedError(_describe(error)), finished, traceback.format_exc())
                raise


def _describe(error: Exception) -> str:
    """Describe an unexpected error; one of PostgreSQL with what to do about it."""
    return sqlstates.explain(error) if sqlstates.get_sqlstate(error) else f"{type(error).__name__}: {error}"


@contextmanager
def _lease(job: Job) -> Iterator[threading.Event]:
    """Renew the lease while the block runs. Yields the event to set before the job's last write."""
    finished = threading.Event()
    renewer = threading.Thread(target=_renew_lease, args=[job, finished], name="lease", daemon=True)
    renewer.start()
    try:
        yield finished
    finally:
        finished.set()
        renewer.join()


def _renew_lease(job: Job, finished: threading.Event) -> None:
    while not finished.wait(RENEWAL_SECONDS):
        try:
            if not job.renew() and not finished.is_set():
                log.warning("Another process holds the lease of %s; this one stops.", job)
                _die()
        except UNREACHABLE as error:
            log.warning("The lease of %s was not renewed: %s", job, error)
        finally:
            connection.close()


def die_with_parent() -> None:
    """Make the kernel kill this process when its parent dies (Linux; elsewhere the lease ends it)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _die() -> None:
    """Kill this process and its process group, running fits included."""
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)


def _fail(job: Job, error: ExemplarError, finished: threading.Event, trace: str = "") -> None:
    finished.set()
    with transaction.atomic():
        job.hold()
        job.fail(error, trace)
