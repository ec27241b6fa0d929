"""Descendants of a process on Linux; run as a program, a build that never ends, on a fork server of its own.

With `forked` the server is a fork of the program.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from learning.build import FoldScored, Incumbent, Step, build
from learning.columns import Column, Kind
from learning.dataset import dataset
from learning.estimators.families import Candidate
from learning.fits.process_pool import fork_server
from learning.problem import Classification

ENDLESS = Candidate("boosting", {"max_iter": 10_000_000})


def endless_build() -> Iterator[Step]:
    """Return a build whose first two steps come at once, and whose fits never end."""
    values = np.random.default_rng(0).normal(size=100)
    columns = [Column(name="x", kind=Kind.NUMBER)]
    examples = dataset(Classification(), columns, [(x,) for x in values], [x > 0 for x in values.tolist()])
    champion = Incumbent(
        family=ENDLESS.family,
        hyperparameters=ENDLESS.hyperparameters,
        metric="roc_auc",
        score=1.0,
        fingerprint="",
    )
    first = FoldScored(
        percent=0,
        candidate=ENDLESS,
        round="search",
        fold=0,
        score=1.0,
        measures=(),
        fit_seconds=0,
        predict_seconds=0,
    )
    recorded = {(ENDLESS.key, "search", 0): first}
    return build(Classification(pictures=0.0), examples, champion, lambda digest: recorded)


def descendants(pid: int) -> set[int]:
    """Find the running children of a process, their children and so on."""
    parents, pids, before = _parents(), {pid}, set[int]()
    while pids != before:
        before, pids = pids, pids | {child for child, parent in parents.items() if parent in pids}
    return pids - {pid}


def worker_processes(pid: int) -> set[int]:
    """Find the worker processes of a build in this process: the children of its fork server."""
    servers = {
        child for child, parent in _parents().items() if parent == pid and _is_fork_server(child, parent)
    }
    return {child for child, parent in _parents().items() if parent in servers}


def processor_seconds(pid: int) -> float:
    """Return how long a process has computed."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _is_fork_server(pid: int, parent: int) -> bool:
    try:
        command, parents = (Path(f"/proc/{each}/cmdline").read_bytes() for each in (pid, parent))
    except OSError:
        return False
    return b"multiprocessing.forkserver" in command or command == parents


def running(pids: set[int]) -> set[int]:
    return pids & _parents().keys()


def _parents() -> dict[int, int]:
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:  # the process has just ended
            continue
        if state != "Z":
            parents[int(folder.name)] = int(parent)
    return parents


if __name__ == "__main__":
    if sys.argv[1:] == ["forked"]:
        fork_server()
    for step in endless_build():
        print(step.message, flush=True)
