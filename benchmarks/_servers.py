"""Servers as child processes, each stopped together with all processes that it has started."""

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

#: Seconds to wait for a server's first answer.
PATIENCE = 120.0


@contextmanager
def serve(
    name: str, command: Sequence[str | Path], url: str, log: Path, environment: Mapping[str, str] = {}
) -> Iterator[Child]:
    """Start a server, yield it once `url` answers with 200, and stop it afterwards."""
    child = start(name, command, log, environment)
    try:
        await_answer(child, url)
        yield child
    finally:
        child.stop()


def start(name: str, command: Sequence[str | Path], log: Path, environment: Mapping[str, str] = {}) -> Child:
    """Start a process."""
    process = create_child(name, command, log, environment, patience=5)
    process.start()
    return process


def create_child(
    name: str, command: Sequence[str | Path], log: Path, environment: Mapping[str, str], **options: Any
) -> Child:
    """Create a process, without starting it. `environment` extends that of this process."""
    return Child(name=name, command=command, environment={**os.environ, **environment}, log=log, **options)


def await_answer(child: Child, url: str) -> None:
    """Wait until `url` answers. Raises SystemExit, with the log's end, where the process ends or PATIENCE is over."""
    until = time.monotonic() + PATIENCE
    while not is_healthy(url):
        if not child.alive or time.monotonic() > until:
            log = child.log.read_text()[-2_000:] if child.log and child.log.exists() else ""
            raise SystemExit(
                f"{child.name} does not answer ({child.end if not child.alive else url}):\n{log}"
            )
        time.sleep(0.05)


def web_command(port: int) -> list[str | Path]:
    """Return the command of one web process."""
    return [sys.executable, "manage.py", "web", f"--port={port}"]


def find_free_port() -> int:
    """Find a port that no process listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def find_children(pid: int) -> list[int]:
    """Find the running child processes of a process (Linux; elsewhere none)."""
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


@contextmanager
def freeze(children: Sequence[Child]) -> Iterator[None]:
    """Stop the processes while the block runs: some servers use the processor without requests too."""
    with freeze_processes([pid for child in children if child.pid for pid in members(child.pid)]):
        yield


@contextmanager
def freeze_processes(pids: Sequence[int]) -> Iterator[None]:
    """Stop the processes of these ids while the block runs."""
    try:
        _signal(pids, signal.SIGSTOP)
        yield
    finally:
        _signal(pids, signal.SIGCONT)


def _signal(pids: Sequence[int], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def get_resident_memory(pid: int) -> float:
    """Get the resident memory of a process in MB (Linux; elsewhere NaN)."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return float("nan")
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")), float("nan"))
