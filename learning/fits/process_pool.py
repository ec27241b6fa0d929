"""Process pool: fits in processes of this machine, with time and memory limits, which end with the build."""

import ctypes
import gc
import multiprocessing
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import lru_cache
from multiprocessing import connection, forkserver, resource_tracker
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Concatenate, NoReturn, ParamSpec, TypeVar

import joblib
import threadpoolctl
from pebble import ProcessPool

from ..estimators.families import Candidate
from ..exceptions import WorkersLost
from .fold_fit import Failed, Fit, FitContext, Scored
from .model_cache import FoldModelCache

#: Modules that a fork server imports once for all worker processes, unless it was forked with them.
PRELOAD = ["pandas", "sklearn.ensemble", "sklearn.pipeline", "sklearn.metrics", "learning.fits.fold_fit"]
#: Share of the available memory that all fits together may take.
MEMORY_SHARE = 0.8

_PR_SET_PDEATHSIG = 1

P = ParamSpec("P")
T = TypeVar("T")


class FitProcesses:
    """Pool of processes of this machine that share a fit context; `start_pool` opens it."""

    #: Whether a fit can be killed, and so has a time limit.
    killable = True

    def __init__(
        self, count: int, path: Path, fit_seconds: float, megabytes: int | None, cache: FoldModelCache
    ):
        self.count = count
        self._cache = cache
        self._path = str(path)
        self._fit_seconds = fit_seconds
        self._bytes = megabytes * 2**20 if megabytes else _memory_share(count)
        self._pool = self._start()

    def _start(self) -> ProcessPool:
        context = multiprocessing.get_context("forkserver")
        return ProcessPool(
            self.count, context=context, initializer=_initialise, initargs=[self._bytes, self._path]
        )

    def score(self, fit: Fit) -> Future[Scored | Failed]:
        """Submit a fit of one fold; see `FitContext.score`. Raises WorkersLost."""
        return self._schedule(fit.time_limit(self._fit_seconds), _score, fit)

    def fit(self, candidate: Candidate, fold: int | None = None) -> Future[bytes | Failed]:
        """Submit a fit that returns an artifact; see `FitContext.fit`. Raises WorkersLost."""
        return self._schedule(self._fit_seconds, _fit, candidate, fold)

    def has_model(self, candidate: Candidate, fold: int) -> bool:
        """Return whether the model of this fold of the search is cached, and costs no fit."""
        return self._cache.has(candidate, fold)

    def _schedule(
        self, seconds: float, function: Callable[Concatenate[str, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        try:
            return self._pool.schedule(function, args=(self._path, *args), kwargs=kwargs, timeout=seconds)
        except RuntimeError as error:  # raised by pebble once the pool cannot start processes any more
            raise WorkersLost from error

    def restart(self) -> None:
        """Kill all processes and start new ones.

        All of them, because pebble may lose other fits when one process is stopped.
        """
        self.stop()
        self._pool = self._start()

    def stop(self) -> None:
        """Kill all processes at once."""
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()


def fork_server() -> None:
    """Fork the server of worker processes from this process, whose modules they share.

    Without it, `start_pool` starts a server that imports them anew: about two seconds of a processor, and their memory.
    Call it before this process has another thread: what others lock would stay locked in all worker processes.
    """
    resource_tracker.ensure_running()
    with socket.socket(socket.AF_UNIX) as listener:
        address = connection.arbitrary_address("AF_UNIX")  # type: ignore[attr-defined]
        listener.bind(address)
        os.chmod(address, 0o600)
        listener.listen()
        # The server ends when no process has the other end of this pipe any more.
        alive, owned = os.pipe()
        if not (pid := os.fork()):
            os.close(owned)
            _serve_forks(listener, alive)
        os.close(alive)
    # What `forkserver.ensure_running` records of a server that it starts.
    server: Any = forkserver._forkserver
    server._forkserver_address, server._forkserver_alive_fd, server._forkserver_pid = address, owned, pid


def _serve_forks(listener: socket.socket, alive: int) -> NoReturn:
    """Fork worker processes on request, until nobody is left to request any."""
    for number in (signal.SIGTERM, signal.SIGINT):  # not as the process that was forked has them handled
        signal.signal(number, signal.SIG_DFL)
    try:
        forkserver.main(listener.detach(), alive, [])
    finally:
        os._exit(0)


@contextmanager
def start_pool(
    context: FitContext,
    workers: int,
    fit_seconds: float,
    megabytes: int | None = None,
    folder: Path | None = None,
) -> Iterator[FitProcesses]:
    """Open a pool of processes; they share the context's arrays by memory map from a temporary file.

    The processes and the file are gone when the context manager ends, even in the middle of a fit.

    Args:
        workers: Number of processes.
        fit_seconds: Time limit of one fit.
        megabytes: Memory limit of one fit; None: an equal share of MEMORY_SHARE of the available memory.
        folder: Parent of the temporary files; None: the system's.
    """
    multiprocessing.set_forkserver_preload(PRELOAD)
    with TemporaryDirectory(prefix="fits-", dir=folder, ignore_cleanup_errors=True) as temporary:
        path = Path(temporary) / "context.joblib"
        cache = FoldModelCache(Path(temporary))
        joblib.dump(replace(context, cache=cache), path)
        processes = FitProcesses(workers, path, fit_seconds, megabytes, cache)
        try:
            yield processes
        finally:
            processes.stop()


def _initialise(most_bytes: int | None, path: str) -> None:
    """Prepare a worker process for its first fit."""
    gc.freeze()  # or the first collection copies all that it shares with the server that it was forked from
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a Python handler would wait for the end of compiled code
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if most_bytes is not None:
            # RLIMIT_DATA counts private memory only, not the memory-mapped arrays that all processes share. It counts
            # that of the libraries, too, which are the same for every fit.
            resource.setrlimit(resource.RLIMIT_DATA, (_private_bytes() + most_bytes, resource.RLIM_INFINITY))
    threading.Thread(target=_exit_with_the_build, daemon=True).start()
    threadpoolctl.threadpool_limits(1)  # the processes are the parallelism
    # Here it counts in no fit's time limit: it takes seconds if rows are many. What lacks memory here fails in the fit.
    with suppress(MemoryError):
        _load_context(path)


def _private_bytes() -> int:
    """Return what counts as private memory of this process, in bytes (Linux)."""
    return _read_kilobytes("/proc/self/status", "VmData") * 1024


def _read_kilobytes(file: str, name: str) -> int:
    """Read a value of a file of the kernel's. Raises OSError."""
    lines = Path(file).read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def _exit_with_the_build() -> None:
    # PR_SET_PDEATHSIG watches the fork server, which outlives a killed build; this thread watches the build.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _memory_share(workers: int) -> int | None:
    """Compute one worker's share of the available memory, in bytes; None if the system does not report it."""
    try:
        kilobytes = _read_kilobytes("/proc/meminfo", "MemAvailable")
    except OSError:
        return None
    return int(min([kilobytes * 1024, *_cgroup_left()]) * MEMORY_SHARE / workers)


def _cgroup_left() -> Iterator[int]:
    """Yield the bytes that a container's memory limit leaves; nothing without a limit."""
    folder = Path("/sys/fs/cgroup")
    try:
        most, used = ((folder / f"memory.{name}").read_text().strip() for name in ("max", "current"))
    except OSError:
        return
    if most != "max":
        yield max(0, int(most) - int(used))


@lru_cache(maxsize=1)
def _load_context(path: str) -> FitContext:
    context = joblib.load(path, mmap_mode="r")
    assert isinstance(context, FitContext)
    return context


def _score(path: str, fit: Fit) -> Scored | Failed:
    return _load_context(path).score(fit)


def _fit(path: str, candidate: Candidate, fold: int | None) -> bytes | Failed:
    return _load_context(path).fit(candidate, fold)
