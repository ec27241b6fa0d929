"""Dask pool: the fits of one build on the workers of a Dask scheduler, on this host and others.

Each Dask worker runs its fits in a process pool of its own (`process_pool`), so that there too a fit has a time and
memory limit, can be killed, and shares the dataset by memory map with its neighbours.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar
from uuid import uuid4

from pebble import ProcessExpired

from ..estimators.families import Candidate
from ..exceptions import ClusterUnfit, ClusterUnreachable
from ..inference.libraries import versions
from . import process_pool
from .fold_fit import Failed, Fit, FitContext, Scored

if TYPE_CHECKING:
    import distributed

#: Seconds within which a scheduler must answer.
ANSWERS_WITHIN = 5.0
#: Names of Dask's exceptions after the loss of a worker.
LOST = ("KilledWorker", "FutureCancelledError", "CancelledError")

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class WorkerPoolKey:
    """Identity of the process pools that one Dask pool opens on the workers, and their limits."""

    id: str
    fit_seconds: float
    megabytes: int | None


class DaskPool:
    """Pool of a scheduler's workers that share a fit context; `connect_pool` opens it."""

    def __init__(
        self, client: "distributed.Client", context: FitContext, fit_seconds: float, megabytes: int | None
    ):
        self._client = client
        self._context = context
        self._limits = fit_seconds, megabytes
        self.count = sum(client.nthreads().values())
        self._open()

    def score(self, fit: Fit) -> Future[Scored | Failed]:
        """Submit a fit of one fold; see `FitContext.score`."""
        return self._submit(_score, fit)

    def fit(self, candidate: Candidate, fold: int | None = None) -> Future[bytes | Failed]:
        """Submit a fit that returns an artifact; see `FitContext.fit`."""
        return self._submit(_fit, candidate, fold)

    def has_model(self, candidate: Candidate, fold: int) -> bool:
        """Return False: the workers' caches cannot be inspected."""
        return False

    def restart(self) -> None:
        """Kill the running fits and drop the waiting ones."""
        self.stop()
        self._open()

    def stop(self) -> None:
        """Kill the fits on all workers; their outcomes are dropped."""
        self._client.cancel(list(self._submitted), force=True)
        self._client.run(_close, self._key.id, on_error="ignore")

    def _open(self) -> None:
        # A new key after each restart, so that fits submitted before cannot open the process pools again.
        self._key = WorkerPoolKey(uuid4().hex, *self._limits)
        # Dask drops a fit whose future is not referenced. Adding to and discarding from a set are atomic, which the
        # callbacks in other threads rely on.
        self._submitted: set[distributed.Future] = set()
        self._scatter()

    def _scatter(self) -> None:
        self._shared = self._client.scatter(self._context, broadcast=True, hash=False)

    def _submit(
        self,
        function: Callable[Concatenate[WorkerPoolKey, FitContext, P], T | None],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Future[T]:
        if self._shared.cancelled():
            # Dask deletes replicas that no fit needs; the last one was lost with its worker.
            self._scatter()
        outcome: Future[T | None] = Future()
        outcome.set_running_or_notify_cancel()  # Dask does not tell which of its tasks still wait
        remote = self._client.submit(function, self._key, self._shared, *args, **kwargs, pure=False)
        self._submitted.add(remote)
        remote.add_done_callback(partial(self._resolve, outcome))
        return outcome  # type: ignore[return-value]

    def _resolve(self, outcome: Future[T | None], remote: "distributed.Future") -> None:
        """Resolve with the remote outcome, or with None if the worker was lost. Runs in a thread of the client."""
        self._submitted.discard(remote)
        error = remote.exception() if remote.status == "error" else None
        if error is None or type(error).__name__ in LOST:
            outcome.set_result(remote.result() if remote.status == "finished" else None)
        else:
            outcome.set_exception(error)


@contextmanager
def connect_pool(
    context: FitContext, address: str, fit_seconds: float, megabytes: int | None = None
) -> Iterator[DaskPool]:
    """Open a pool on the workers of the scheduler at this address (`tcp://host:8786`).

    Raises:
        ClusterUnreachable: No scheduler answers, or it has no workers.
        ClusterUnfit: Workers have other versions of the libraries that a model depends on, or lack Exemplar.
    """
    with _connect(address) as client:
        _check_workers(client, address)
        pool = DaskPool(client, context, fit_seconds, megabytes)
        try:
            yield pool
        finally:
            pool.stop()


@contextmanager
def _connect(address: str) -> Iterator["distributed.Client"]:
    try:
        from distributed import Client
    except ImportError as error:
        raise ClusterUnfit(
            "SEARCH_SCHEDULER needs the package distributed: install the extra `cluster`."
        ) from error
    try:
        client = Client(address, timeout=ANSWERS_WITHIN, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ClusterUnreachable(
            f"No Dask scheduler answers at {address}: start one, or unset SEARCH_SCHEDULER."
        ) from error
    with client:
        yield client


def _check_workers(client: "distributed.Client", address: str) -> None:
    replies = client.run(_worker_versions, on_error="return")
    if not replies:
        raise ClusterUnreachable(f"The Dask scheduler at {address} has no workers: start some.")
    for worker, reply in replies.items():
        if isinstance(reply, Exception):
            raise ClusterUnfit(f"The Dask worker {worker} cannot run Exemplar: {reply}")
        if differing := {name: its for name, its in reply.items() if versions().get(name) != its}:
            other = ", ".join(
                f"{name} {its} (here {versions().get(name)})" for name, its in differing.items()
            )
            raise ClusterUnfit(f"The Dask worker {worker} has {other}.")


# The functions below run in the workers.


def _worker_versions() -> dict[str, str]:
    """Return the versions that models depend on. Raises RuntimeError if the worker cannot start processes."""
    import multiprocessing

    if multiprocessing.current_process().daemon:
        raise RuntimeError("it may have no processes of its own; start it with --no-nanny.")
    return versions()


_pools: dict[str, tuple[process_pool.FitProcesses, ExitStack]] = {}
_closed: set[str] = set()
_opening = threading.Lock()


def _local_pool(key: WorkerPoolKey, context: FitContext) -> process_pool.FitProcesses:
    """Return this worker's process pool; the first fit opens it."""
    from distributed import get_worker

    with _opening:
        if key.id in _closed:
            raise RuntimeError("The build has dropped this fit.")
        if key.id not in _pools:
            stack = ExitStack()
            count = get_worker().state.nthreads
            pool = process_pool.start_pool(context, count, key.fit_seconds, key.megabytes)
            _pools[key.id] = stack.enter_context(pool), stack
        return _pools[key.id][0]


def _close(id: str) -> None:
    with _opening:
        _closed.add(id)
        _, stack = _pools.pop(id, (None, ExitStack()))
    stack.close()


def _score(key: WorkerPoolKey, context: FitContext, fit: Fit) -> Scored | Failed | None:
    return _wait(key, _local_pool(key, context).score(fit))


def _fit(
    key: WorkerPoolKey, context: FitContext, candidate: Candidate, fold: int | None
) -> bytes | Failed | None:
    return _wait(key, _local_pool(key, context).fit(candidate, fold))


def _wait(key: WorkerPoolKey, future: Future[T]) -> T | None:
    """Wait for the outcome; None if its process was lost or the pool was closed."""
    # A pool that is stopped does not resolve the futures of the fits that it killed.
    while key.id not in _closed and not future.done():
        wait([future], timeout=0.5)
    if not future.done():
        return None
    try:
        return future.result()
    except ProcessExpired:
        return None
