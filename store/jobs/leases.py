"""Leases: whoever runs a job says so every second, and is killed in the middle of it when it is another's."""

import ctypes
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import InterfaceError, OperationalError, connection, transaction

from learning.exceptions import ExemplarError

from .jobs import Job, Superseded

log = logging.getLogger(__name__)

#: Seconds between two renewals; a cancelled job stops within this time even without Redis.
RENEWAL_SECONDS = 1.0
#: The prctl option that sends a signal to a process when its parent dies.
PR_SET_PDEATHSIG = 1


class UnexpectedError(ExemplarError):
    """Something unexpected happened."""


def run_with_lease(job: Job, work: Callable[[threading.Event], None]) -> None:
    """Do the work of a claimed job to its end; it sets the event before the job's last write.

    What goes wrong ends the job as FAILED. If PostgreSQL is lost, the lease runs out and the job is taken up again.
    """
    with _lease(job) as finished:
        try:
            work(finished)
        except Superseded as error:
            log.warning("%s", error)
        except (OperationalError, InterfaceError):
            raise
        except ExemplarError as error:
            _fail(job, error, finished)
        except Exception as error:
            _fail(job, UnexpectedError(f"{type(error).__name__}: {error}"), finished, traceback.format_exc())
            raise


@contextmanager
def _lease(job: Job) -> Iterator[threading.Event]:
    """Renew the lease while the block runs; yields what to set before the job's last write."""
    finished = threading.Event()
    keeper = threading.Thread(target=_renew_until, args=[job, finished], name="lease", daemon=True)
    keeper.start()
    try:
        yield finished
    finally:
        finished.set()
        keeper.join()


def _renew_until(job: Job, finished: threading.Event) -> None:
    while not finished.wait(RENEWAL_SECONDS):
        try:
            if not job.renew() and not finished.is_set():
                log.warning("%s is no longer ours: stopping.", job)
                _die()
        except (OperationalError, InterfaceError) as error:
            log.warning("The lease of %s was not renewed: %s", job, error)
        finally:
            connection.close()


def die_with_parent() -> None:
    """On Linux, make the kernel kill this process when its parent dies; elsewhere the lease ends it."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _die() -> None:
    """End this process with the fits that it started, in the middle of whatever they do."""
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)


def _fail(job: Job, error: ExemplarError, finished: threading.Event, trace: str = "") -> None:
    finished.set()
    with transaction.atomic():
        job.hold()
        job.fail(error, trace)
