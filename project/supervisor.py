"""Keeps processes running: one that dies by itself is started again."""

import json
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL

from project.processes import GLANCE, Child, adopt_orphans, reap

#: Seconds after which a process counts as having worked: whatever cannot start ends sooner.
SETTLED = 10.0
#: The longest pause before another try, in seconds.
LONGEST = 30.0


@dataclass
class Kept:
    """A child that is to run until it is stopped."""

    child: Child
    started: float = field(default_factory=time.monotonic)
    failures: int = 0
    due: float | None = None

    def look(self, say: Callable[[str], None]) -> bool:
        """Notice that it ended, or start it again when it is time; return whether anything happened."""
        now = time.monotonic()
        if self.due is None and not self.child.alive:
            self._ended(now, say)
        if self.due is None or now < self.due:
            return False
        self.child.start()
        self.started, self.due = now, None
        return True

    def _ended(self, now: float, say: Callable[[str], None]) -> None:
        self.child.sweep()
        self.failures = 1 if now - self.started > SETTLED else self.failures + 1
        # The first time at once: most deaths are accidents.
        pause = min(LONGEST, 2.0 ** (self.failures - 2)) if self.failures > 1 else 0
        self.due = now + pause
        say(
            f"{self.child.name} ended ({self.child.end}): starting it again"
            + (f" in {pause:.0f} s." if pause else ".")
        )


class Supervisor:
    """The processes of `up`, in the order they were started; `processes.json` in the state folder has their pids."""

    def __init__(self, folder: Path, say: Callable[[str], None]):
        adopt_orphans()
        self.say = say
        self.kept: list[Kept] = []
        self.directory = folder / "processes.json"

    def start(self, child: Child) -> None:
        child.start()
        self.keep(child)

    def keep(self, child: Child) -> None:
        """Keep a child running that has been started already."""
        self.kept.append(Kept(child))
        self._write()

    def look(self) -> None:
        """Start again what is due."""
        reap([kept.child.pid for kept in self.kept])
        if [kept for kept in self.kept if kept.look(self.say)]:
            self._write()

    def watch(self) -> None:
        """Keep them running until a signal raises an exception here."""
        while True:
            self.look()
            time.sleep(0.1)

    def stop(self, *names: str) -> None:
        """Stop the processes of these names side by side, and keep them no longer."""
        going = [kept for kept in self.kept if kept.child.name.partition("-")[0] in names]
        self.kept = [kept for kept in self.kept if kept not in going]
        if going:
            with ThreadPoolExecutor(len(going)) as pool:
                list(pool.map(lambda kept: kept.child.stop(), going))
        self._write()

    def farewell(self, seconds: float = 2.0) -> None:
        """Wait for the last of those that a killed process has left to us."""
        until = time.monotonic() + seconds
        while reap(()) and time.monotonic() < until:
            time.sleep(GLANCE)

    def kill(self) -> None:
        """Let nobody finish anything."""
        for kept in self.kept:
            kept.child.ask(SIGKILL)

    def _write(self) -> None:
        pids = {"supervisor": os.getpid()} | {kept.child.name: kept.child.pid for kept in self.kept}
        draft = self.directory.with_suffix(".tmp")
        draft.write_text(json.dumps(pids))
        draft.replace(self.directory)


def numbered(name: str, count: int) -> Sequence[str]:
    """`web`, `web-2`, `web-3`."""
    return [name if number == 1 else f"{name}-{number}" for number in range(1, count + 1)]
