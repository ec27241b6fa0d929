"""Servers as processes of their own, each ended with everything that it started."""

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from project.management.commands.up import is_healthy
from project.processes import Child, members

#: Seconds after which one that does not answer is given up.
PATIENCE = 120.0


@contextmanager
def served(
    name: str, command: Sequence[str | Path], url: str, log: Path, environment: Mapping[str, str] = {}
) -> Iterator[Child]:
    """A server, from when it has answered at `url` with 200."""
    child = start(name, command, log, environment)
    try:
        await_answer(child, url)
        yield child
    finally:
        child.stop()


def start(name: str, command: Sequence[str | Path], log: Path, environment: Mapping[str, str] = {}) -> Child:
    made = child(name, command, log, environment, patience=5)
    made.start()
    return made


def child(
    name: str, command: Sequence[str | Path], log: Path, environment: Mapping[str, str], **options: Any
) -> Child:
    """A process with our environment and more, not started yet."""
    return Child(name=name, command=command, environment={**os.environ, **environment}, log=log, **options)


def await_answer(child: Child, url: str) -> None:
    """Raises SystemExit with the last lines of its log where it ends, or nothing comes."""
    until = time.monotonic() + PATIENCE
    while not is_healthy(url):
        if not child.alive or time.monotonic() > until:
            said = child.log.read_text()[-2_000:] if child.log and child.log.exists() else ""
            raise SystemExit(
                f"{child.name} does not answer ({child.end if not child.alive else url}):\n{said}"
            )
        time.sleep(0.05)


def web(port: int) -> list[str | Path]:
    """The command of one web process of ours."""
    return [sys.executable, "manage.py", "web", f"--port={port}"]


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def children(pid: int) -> list[int]:
    """The processes that a process has started and that live (Linux; elsewhere none)."""
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


@contextmanager
def frozen(others: Sequence[Child]) -> Iterator[None]:
    """They do nothing meanwhile: some servers are busy also when nobody asks them anything."""
    pids = [pid for child in others if child.pid for pid in members(child.pid)]
    try:
        _signal(pids, signal.SIGSTOP)
        yield
    finally:
        _signal(pids, signal.SIGCONT)


def _signal(pids: Sequence[int], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def resident(pid: int) -> float:
    """The memory of a process in MB, NaN where that is not told (it is on Linux)."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return float("nan")
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")), float("nan"))
