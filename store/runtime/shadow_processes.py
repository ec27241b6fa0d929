"""Shadow processes: a worker runs each shadow that no other worker runs, in a process of its own."""

import logging
import os
import subprocess
import sys
import threading
import uuid

from django.conf import settings
from django.db import DatabaseError, InterfaceError

from ..access import performers
from ..db import sqlstates
from ..db.repeating import repeat
from ..jobs import leases
from ..registry.trials import Trial
from ..serving import shadowing

log = logging.getLogger(__name__)

#: Seconds between two looks for shadows.
INTERVAL = 1.0
#: The priority of a shadow's process, from 0 to 19: less than that of whatever serves.
NICENESS = 10


class ShadowProcesses:
    """The processes that a worker has started, by their trials."""

    def __init__(self) -> None:
        self.running: dict[int, subprocess.Popen[bytes]] = {}

    def tick(self) -> None:
        """Start a process for each shadow that has none, and note those that have died."""
        for pk, process in list(self.running.items()):
            if (code := process.poll()) is None:
                continue
            del self.running[pk]
            if code:
                _note_death(pk, code)
        for pk in shadowing.list_free():
            if pk not in self.running:
                self.running[pk] = start(pk)

    def stop(self) -> None:
        """End all processes."""
        for process in self.running.values():
            process.terminate()


def _note_death(pk: int, code: int) -> None:
    if trial := Trial.objects.running().filter(pk=pk).select_related("model").first():
        trial.note_failures(1, f"The process that predicted has ended with {code}.")


def start(pk: int) -> "subprocess.Popen[bytes]":
    """Start the process of a shadow."""
    command = [sys.executable, str(settings.BASE_DIR / "worker.py"), "shadow", str(pk)]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL)


def run(pk: int) -> int:
    """Run a shadow in this process; returns the process's exit code."""
    leases.die_with_parent()
    os.nice(NICENESS)
    performers.identify_process("worker", "WORKER")
    try:
        shadowing.run(pk, uuid.uuid4().hex)
    except (DatabaseError, InterfaceError) as error:  # the worker starts it again
        log.warning("%s", sqlstates.explain(error))
    return 0


def keep_running(stopped: threading.Event) -> None:
    """Keep a process for each shadow until the worker stops."""
    processes = ShadowProcesses()
    failed = f"Shadows could not be looked for; it is tried again in {INTERVAL:g} s."
    # Maintenance warns of a database that cannot be reached, less often.
    repeat(processes.tick, stopped, INTERVAL, log, failed, level=logging.DEBUG)
    processes.stop()
