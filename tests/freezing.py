"""A PostgreSQL that is frozen: its processes live, and none of them does anything."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGCONT, SIGSTOP


@contextmanager
def frozen(postmaster: int) -> Iterator[None]:
    """Stop the server and the processes that it started, and let them go on at the end of the block (Linux)."""
    stopped = [postmaster]
    os.kill(postmaster, SIGSTOP)  # first: it starts no more
    try:
        for pid in children(postmaster):
            os.kill(pid, SIGSTOP)
            stopped.append(pid)
        yield
    finally:
        for pid in reversed(stopped):
            os.kill(pid, SIGCONT)


def children(parent: int) -> list[int]:
    return [pid for pid, its_parent in parents().items() if its_parent == parent]


def parents() -> dict[int, int]:
    """Every process with its parent (Linux)."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            found[int(entry.parent.name)] = int(entry.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    return found
