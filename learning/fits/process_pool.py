"""Processes that fit: each fit has a clock and a memory limit, can be killed, and dies with whoever asked for it."""

import ctypes
import multiprocessing
import os
import resource
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from multiprocessing import forkserver
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import joblib
import threadpoolctl
from pebble import ProcessPool

from ..estimators.families import Candidate
from ..exceptions import WorkersLost
from .fold_fit import Failed, Fit, FitContext, Scored
from .model_cache import FoldModelCache

#: What every worker process needs: imported once, by the server that they are forked from.
PRELOAD = ["pandas", "sklearn.ensemble", "sklearn.pipeline", "sklearn.metrics", "learning.fits.fold_fit"]
#: The share of the memory that is available now which all fits together may take.
MEMORY_SHARE = 0.8

_PR_SET_PDEATHSIG = 1


class FitProcesses:
    """A pool of processes of this machine at a bench; `at` makes it."""

    #: Whether a fit can be killed, and so has a clock.
    killable = True

    def __init__(
        self, count: int, path: Path, fit_seconds: float, megabytes: int | None, shelf: FoldModelCache
    ):
        self.count = count
        self._shelf = shelf
        self._path = str(path)
        self._fit_seconds = fit_seconds
        self._bytes = megabytes * 2**20 if megabytes else _share(count)
        self._pool = self._started()

    def _started(self) -> ProcessPool:
        context = multiprocessing.get_context("forkserver")
        return ProcessPool(self.count, context=context, initializer=_initialise, initargs=[self._bytes])

    def score(self, fit: Fit) -> Future[Scored | Failed]:
        """Begin a fit of one fold. Raises WorkersLost."""
        return self._schedule(fit.seconds(self._fit_seconds), _score, fit)

    def fit(self, candidate: Candidate, part: int | None = None) -> Future[bytes | Failed]:
        """Begin a fit which gives an artifact, as `Bench.fitted` does. Raises WorkersLost."""
        return self._schedule(self._fit_seconds, _fit, candidate, part)

    def keeps(self, candidate: Candidate, part: int) -> bool:
        """Whether the model of this part is kept from the search: then it costs no fit."""
        return self._shelf.has(candidate, part)

    def _schedule(self, seconds: float, function: Any, *task: Any) -> Future[Any]:
        try:
            return self._pool.schedule(function, args=(self._path, *task), timeout=seconds)
        except RuntimeError as error:  # how the pool says that its processes are gone for good
            raise WorkersLost from error

    def restart(self) -> None:
        """Kill what is running and begin anew with nothing to do.

        All of them: the pool may lose another fit when one process of several is stopped.
        """
        self.stop()
        self._pool = self._started()

    def stop(self) -> None:
        """Kill the processes, whatever they are doing."""
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()


def prepare() -> None:
    """Start, without waiting for it, the server that worker processes are forked from.

    It imports scikit-learn once (about a second); whoever has other work to do before a build may call this
    early.
    """
    multiprocessing.set_forkserver_preload(PRELOAD)
    forkserver.ensure_running()


@contextmanager
def start_pool(
    bench: FitContext,
    workers: int,
    fit_seconds: float,
    megabytes: int | None = None,
    folder: Path | None = None,
) -> Iterator[FitProcesses]:
    """`workers` processes at the bench, whose arrays they share by memory map from a file in `folder`.

    A fit may take `fit_seconds` and `megabytes` (None: its share of what is available now). The processes are
    gone, and so is the file, when the context ends, whatever they were doing.
    """
    prepare()
    with TemporaryDirectory(prefix="bench-", dir=folder, ignore_cleanup_errors=True) as place:
        path = Path(place) / "bench.joblib"
        shelf = FoldModelCache(Path(place))
        joblib.dump(replace(bench, shelf=shelf), path)
        processes = FitProcesses(workers, path, fit_seconds, megabytes, shelf)
        try:
            yield processes
        finally:
            processes.stop()


def _initialise(most_bytes: int | None) -> None:
    """In each worker process, before its first fit."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a Python handler would wait for the end of compiled code
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if most_bytes is not None:
            # What it writes to, not what it maps: the bench's arrays are everybody's.
            resource.setrlimit(resource.RLIMIT_DATA, (most_bytes, resource.RLIM_INFINITY))
    threading.Thread(target=_die_with_the_build, daemon=True).start()
    threadpoolctl.threadpool_limits(1)  # the processes are the parallelism


def _die_with_the_build() -> None:
    # The parent by signals is the fork server, which outlives a build that was killed; this watches the
    # build itself.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _share(workers: int) -> int | None:
    """One worker's share, in bytes, of the memory that is left; None where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    kilobytes = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    return int(min([kilobytes * 1024, *_cgroup_left()]) * MEMORY_SHARE / workers)


def _cgroup_left() -> Iterator[int]:
    """What a container's limit leaves, in bytes; nothing where there is none."""
    folder = Path("/sys/fs/cgroup")
    try:
        most, used = ((folder / f"memory.{name}").read_text().strip() for name in ("max", "current"))
    except OSError:
        return
    if most != "max":
        yield max(0, int(most) - int(used))


@lru_cache(maxsize=1)
def _bench(path: str) -> FitContext:
    bench = joblib.load(path, mmap_mode="r")
    assert isinstance(bench, FitContext)
    return bench


def _score(path: str, fit: Fit) -> Scored | Failed:
    return _bench(path).score(fit)


def _fit(path: str, candidate: Candidate, part: int | None) -> bytes | Failed:
    return _bench(path).fitted(candidate, part)
