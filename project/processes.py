"""Child processes that leave no descendants behind, whichever process dies first."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TypedDict

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
#: Loaded here because a child may only do little between fork and exec.
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None

#: Seconds between two checks of a process that is expected to change.
POLL_SECONDS = 0.02
#: A log file of more bytes than this is renamed before a child appends to it.
MAX_LOG_BYTES = 10_000_000


class _Identity(TypedDict, total=False):
    """The options of `Popen` that run a process as another user."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(kw_only=True)
class Child:
    """A program, run in its own session so that a Ctrl-C in the terminal does not reach it."""

    name: str
    command: Sequence[str | Path]
    #: Requests to end, in order; after each, `patience` seconds pass before the next. SIGKILL comes last.
    signals: Sequence[signal.Signals] = (signal.SIGTERM,)
    #: In seconds.
    patience: float = 10
    #: Sent to the child when its parent dies (Linux).
    orphaned: signal.Signals = signal.SIGKILL
    #: User and group id that run it; None: those of this process.
    owner: tuple[int, int] | None = None
    #: None: this process's environment.
    environment: dict[str, str] | None = None
    #: Text for its standard input; None: no input.
    stdin: str | None = None
    #: File for its output; None: this process's output.
    log: Path | None = None
    #: File descriptors that it inherits.
    inherited: Sequence[int] = ()
    process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)

    def start(self) -> None:
        """Start the program, for the first time or again; return before it is known to run."""
        assert not self.alive
        with _opened_log(self.log) as log:
            self.process = subprocess.Popen(
                [str(part) for part in self.command],
                stdin=subprocess.DEVNULL if self.stdin is None else subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=self.environment,
                pass_fds=self.inherited,
                start_new_session=True,
                preexec_fn=_die_with_parent(os.getpid(), self.orphaned),
                **identity(self.owner),
            )
        if self.stdin is not None:
            self._write_stdin(self.stdin)

    def _write_stdin(self, text: str) -> None:
        assert self.process is not None and self.process.stdin is not None
        with self.process.stdin as pipe:
            pipe.write(text.encode())

    @property
    def pid(self) -> int | None:
        """Process id; None before the first start."""
        return self.process.pid if self.process else None

    @property
    def alive(self) -> bool:
        """True while the program runs."""
        return self.process is not None and self.process.poll() is None

    @property
    def end(self) -> str:
        """Description of its end: the signal that killed it, or its exit status."""
        code = self.process.returncode if self.process else None
        return f"killed by {signal.Signals(-code).name}" if code and code < 0 else f"exit status {code}"

    def stop(self) -> None:
        """End the program and all that it started; return when they are gone."""
        for request in (*self.signals, signal.SIGKILL):
            if not self.alive:
                break
            self.send_signal(request)
            self.wait(self.patience)
        self.kill_descendants()

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal if the program runs."""
        if self.alive and self.process:
            self.process.send_signal(number)

    def wait(self, seconds: float) -> bool:
        """Wait for the program's end; return True if it has ended."""
        until = time.monotonic() + seconds
        while self.alive and time.monotonic() < until:
            time.sleep(POLL_SECONDS)
        return not self.alive

    def kill_descendants(self) -> None:
        """Kill the other processes of its session: the end of a process does not end those that it started."""
        if self.pid is None:
            return
        while pids := list(members(self.pid)):
            for pid in pids:
                _kill(pid)
            time.sleep(POLL_SECONDS)


def adopt_orphans() -> None:
    """Make this process the parent of its descendants' orphans (Linux): not every init reaps them soon."""
    if LIBC:
        LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1)


def reap(others: Collection[int | None]) -> bool:
    """Reap ended children, but those in `others`, which are waited for elsewhere; return True if a child is left."""
    options = os.WEXITED | os.WNOHANG | os.WNOWAIT
    try:
        while (ended := os.waitid(os.P_ALL, 0, options)) and ended.si_pid not in others:
            os.waitpid(ended.si_pid, 0)
    except ChildProcessError:
        return False
    return True


def members(session: int) -> Iterator[int]:
    """Yield the living processes of a session (Linux; elsewhere sessions cannot be listed)."""
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The command's name is in parentheses and may contain any character.
            state, _, _, its_session = entry.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(its_session) == session and state not in "ZX":
            yield int(entry.parent.name)


def identity(owner: tuple[int, int] | None) -> _Identity:
    """Return the options of `Popen` that run a process as this user and group."""
    return {"user": owner[0], "group": owner[1], "extra_groups": []} if owner else {}


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _die_with_parent(parent: int, orphaned: signal.Signals) -> Callable[[], None]:
    """Return a function for the child, between fork and exec, that has the kernel signal its parent's death."""

    def request_signal() -> None:
        if LIBC:
            LIBC.prctl(PR_SET_PDEATHSIG, int(orphaned))
        if os.getppid() != parent:  # it died in between
            os._exit(1)

    return request_signal


@contextmanager
def _opened_log(path: Path | None) -> Iterator[IO[bytes] | None]:
    """Open a log to append to it; rename a long one first."""
    if path is None:
        yield None
        return
    path.parent.mkdir(exist_ok=True, mode=0o700)
    if path.exists() and path.stat().st_size > MAX_LOG_BYTES:
        path.replace(path.with_suffix(".old"))
    with path.open("ab") as file:
        yield file
