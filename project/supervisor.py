"""Supervision of processes: one that ends by itself is started again."""

import json
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL

from project import state
from project.processes import POLL_SECONDS, Child, adopt_orphans, reap

#: Seconds after which a process counts as started: one that cannot start ends sooner.
STABLE_SECONDS = 10.0
#: Longest pause before another start, in seconds.
MAX_PAUSE = 30.0


@dataclass
class SupervisedChild:
    """A child that has to run until it is stopped."""

    child: Child
    started: float = field(default_factory=time.monotonic)
    #: Ends in a row that came within `STABLE_SECONDS` of a start.
    failures: int = 0
    #: Time of the next start; None while it runs.
    due: float | None = None
    #: True from the request to start it anew until it has ended.
    ends_by_request: bool = False

    def renew(self) -> None:
        """Request the child's end once, so that it finishes its work; the tick afterwards starts it again."""
        # A second signal would end a worker in the middle of a build.
        if self.child.alive and not self.ends_by_request:
            self.ends_by_request = True
            self.child.send_signal(self.child.signals[0])

    def tick(self, report: Callable[[str], None]) -> bool:
        """Report the child's end, or start it again when that is due; return True if it was started."""
        now = time.monotonic()
        if self.due is None and not self.child.alive and self.ends_by_request:
            self.ends_by_request = False
            self.child.kill_descendants()
            self.due = now
        if self.due is None and not self.child.alive:
            self._plan_restart(now, f"ended ({self.child.end})", report)
        if self.due is None or now < self.due:
            return False
        return self._restart(now, report)

    def _restart(self, now: float, report: Callable[[str], None]) -> bool:
        self.started = now
        try:
            self.child.start()
        except OSError as error:  # no room for its log, or no more processes allowed
            self._plan_restart(now, f"could not be started ({error.strerror})", report)
            return False
        self.due = None
        return True

    def _plan_restart(self, now: float, reason: str, report: Callable[[str], None]) -> None:
        self.child.kill_descendants()
        self.failures = 1 if now - self.started > STABLE_SECONDS else self.failures + 1
        # The first time at once: most deaths are accidents.
        pause = min(MAX_PAUSE, 2.0 ** (self.failures - 2)) if self.failures > 1 else 0
        self.due = now + pause
        report(f"{self.child.name} {reason}: starting it again" + (f" in {pause:.0f} s." if pause else "."))


class Supervisor:
    """The processes of `up`, in start order; `processes.json` in the state folder has their process ids."""

    def __init__(self, folder: Path, report: Callable[[str], None]):
        adopt_orphans()
        self.report = report
        self.supervised: list[SupervisedChild] = []
        self.space = DiskSpace(folder)
        self.folder = folder
        self.pid_file = folder / "processes.json"
        #: True while `pid_file` has not the newest process ids.
        self.stale = False

    def start(self, child: Child) -> None:
        """Start a child and supervise it."""
        child.start()
        self.add(child)

    def add(self, child: Child) -> None:
        """Supervise a child that runs already."""
        self.supervised.append(SupervisedChild(child))
        self._write_pids()

    def tick(self) -> None:
        """Reap orphans, report a full disk, and start again the children that are due, or for which it is requested."""
        self.space.tick(self.report)
        if state.take_restart_request(self.folder):
            self.renew("web", "worker")
        reap([each.child.pid for each in self.supervised])
        if [each for each in self.supervised if each.tick(self.report)] or self.stale:
            self._write_pids()

    def watch(self) -> None:
        """Supervise until a signal raises an exception here."""
        while True:
            self.tick()
            time.sleep(0.1)

    def renew(self, *names: str) -> None:
        """Have the processes of these names finish their work, end, and start again."""
        self.report(f"Starting {' and '.join(names)} anew, as was requested.")
        for each in self.supervised:
            if each.child.name.partition("-")[0] in names:
                each.renew()

    def stop(self, *names: str) -> None:
        """Stop the processes of these names side by side, and supervise them no longer."""
        ending = [each for each in self.supervised if each.child.name.partition("-")[0] in names]
        self.supervised = [each for each in self.supervised if each not in ending]
        if ending:
            with ThreadPoolExecutor(len(ending)) as pool:
                list(pool.map(lambda each: each.child.stop(), ending))
        self._write_pids()

    def reap_orphans(self, seconds: float = 2.0) -> None:
        """Wait for the last orphans of killed processes."""
        until = time.monotonic() + seconds
        while reap(()) and time.monotonic() < until:
            time.sleep(POLL_SECONDS)

    def kill(self) -> None:
        """Kill all children at once."""
        for each in self.supervised:
            each.child.send_signal(SIGKILL)

    def _write_pids(self) -> None:
        """Write the process ids; the next tick tries again if that fails, as the processes matter more."""
        pids = {"supervisor": os.getpid()} | {each.child.name: each.child.pid for each in self.supervised}
        draft = self.pid_file.with_suffix(".tmp")
        try:
            draft.write_text(json.dumps(pids))
            draft.replace(self.pid_file)
        except OSError as error:
            if not self.stale:
                self.report(f"{self.pid_file} is out of date until it can be written: {error.strerror}.")
            self.stale = True
        else:
            self.stale = False


@dataclass
class DiskSpace:
    """Reports when the disk of a folder becomes full, and when there is room again."""

    folder: Path
    full: bool = False

    def tick(self, report: Callable[[str], None]) -> None:
        """Report a change since the last tick."""
        # There must be more room before it counts as enough, or one file would change the answer every second.
        full = state.free_bytes(self.folder) < state.FULL_BYTES * (2 if self.full else 1)
        if full and not self.full:
            report(f"{state.describe_full_disk(self.folder)} Until there is, writes are refused.")
        if self.full and not full:
            report(f"There is room on the disk of {self.folder} again.")
        self.full = full


def numbered_names(name: str, count: int) -> Sequence[str]:
    """Return `count` names: `web`, `web-2`, `web-3`."""
    return [name if number == 1 else f"{name}-{number}" for number in range(1, count + 1)]
