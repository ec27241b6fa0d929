"""Child processes which leave nothing behind, whoever dies first."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
#: Loaded here because a child may only do little between fork and exec.
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None

#: Seconds between two looks at a process that is expected to change.
GLANCE = 0.02


@dataclass(kw_only=True)
class Child:
    """A program, run in a session of its own so that a Ctrl-C in the terminal does not reach it."""

    name: str
    command: Sequence[str | Path]
    #: What asks it to end; each signal is given `patience` seconds before the next, and SIGKILL comes last.
    signals: Sequence[signal.Signals] = (signal.SIGTERM,)
    patience: float = 10
    #: What it gets when its parent dies without a word (Linux).
    orphaned: signal.Signals = signal.SIGKILL
    #: Who runs it (user and group id); None: whoever runs this.
    owner: tuple[int, int] | None = None
    environment: dict[str, str] | None = None
    #: What it reads; None: nothing.
    stdin: str | None = None
    #: Where its output goes; None: where ours goes.
    log: Path | None = None
    inherited: Sequence[int] = ()
    process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)

    def start(self) -> None:
        """Start it, for the first time or again; it is not known yet whether it will live."""
        assert not self.alive
        with _output(self.log) as log:
            self.process = subprocess.Popen(
                [str(part) for part in self.command],
                stdin=subprocess.DEVNULL if self.stdin is None else subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=self.environment,
                pass_fds=self.inherited,
                start_new_session=True,
                preexec_fn=_bound_to(os.getpid(), self.orphaned),
                **_identity(self.owner),
            )
        if self.stdin is not None:
            self._tell(self.stdin)

    def _tell(self, text: str) -> None:
        assert self.process is not None and self.process.stdin is not None
        with self.process.stdin as pipe:
            pipe.write(text.encode())

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process else None

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def end(self) -> str:
        """How it ended, in words."""
        code = self.process.returncode if self.process else None
        return f"killed by {signal.Signals(-code).name}" if code and code < 0 else f"exit status {code}"

    def stop(self) -> None:
        """End it and everything that it started; return when they are gone."""
        for request in (*self.signals, signal.SIGKILL):
            if not self.alive:
                break
            self.ask(request)
            self.wait(self.patience)
        self.sweep()

    def ask(self, request: signal.Signals) -> None:
        if self.alive and self.process:
            self.process.send_signal(request)

    def wait(self, seconds: float) -> bool:
        """Wait for its end; return whether it has come."""
        until = time.monotonic() + seconds
        while self.alive and time.monotonic() < until:
            time.sleep(GLANCE)
        return not self.alive

    def sweep(self) -> None:
        """Kill what it left behind: killing a process does not kill those that it started."""
        if self.pid is None:
            return
        while left := list(members(self.pid)):
            for pid in left:
                _kill(pid)
            time.sleep(GLANCE)


def adopt_orphans() -> None:
    """Make this process the parent of whatever its children leave behind (Linux): not every init reaps soon."""
    if LIBC:
        LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1)


def reap(known: Collection[int | None]) -> bool:
    """Bury the adopted that have ended; those in `known` are waited for elsewhere. Whether any child is left."""
    look = os.WEXITED | os.WNOHANG | os.WNOWAIT
    try:
        while (ended := os.waitid(os.P_ALL, 0, look)) and ended.si_pid not in known:
            os.waitpid(ended.si_pid, 0)
    except ChildProcessError:
        return False
    return True


def members(session: int) -> Iterator[int]:
    """Yield the living processes of a session (Linux; elsewhere nothing is known about sessions)."""
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The command's name stands in parentheses and may hold anything.
            state, _, _, its_session = entry.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(its_session) == session and state not in "ZX":
            yield int(entry.parent.name)


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _bound_to(parent: int, orphaned: signal.Signals):  # type: ignore[no-untyped-def]
    def between_fork_and_exec() -> None:
        if LIBC:
            LIBC.prctl(PR_SET_PDEATHSIG, int(orphaned))
        if os.getppid() != parent:  # it died in between
            os._exit(1)

    return between_fork_and_exec


def _identity(owner: tuple[int, int] | None):  # type: ignore[no-untyped-def]
    return {"user": owner[0], "group": owner[1], "extra_groups": []} if owner else {}


class _output:
    """The log opened for adding to it, while a child is given it; a long one is put aside."""

    LONG = 10_000_000  # bytes

    def __init__(self, path: Path | None):
        self.path = path
        self.file: IO[bytes] | None = None

    def __enter__(self) -> IO[bytes] | None:
        if self.path:
            self.path.parent.mkdir(exist_ok=True, mode=0o700)
            if self.path.exists() and self.path.stat().st_size > self.LONG:
                self.path.replace(self.path.with_suffix(".old"))
            self.file = self.path.open("ab")
        return self.file

    def __exit__(self, *exception: object) -> None:
        if self.file:
            self.file.close()
