"""Fits on a Dask cluster: those of one build spread over the workers of a scheduler, on this host and others.

Each worker hands its fits to processes of its own (`processes`), so that there too a fit has a clock and a memory
limit, can be killed, and shares the frame by memory map with its neighbours.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, wait
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any
from uuid import uuid4

from pebble import ProcessExpired

from ..estimators.families import Candidate
from ..exceptions import ClusterUnfit, ClusterUnreachable
from ..model import versions
from . import process_pool
from .fold_fit import Failed, Fit, FitContext, Scored

#: Seconds until a scheduler must have answered.
ANSWERS_WITHIN = 5.0
#: Exceptions of Dask by which a worker is lost, and not the fit to blame.
LOST = ("KilledWorker", "FutureCancelledError", "CancelledError")


class DaskPool:
    """The workers of a scheduler at a bench; `at` makes it."""

    def __init__(self, client: Any, bench: FitContext, fit_seconds: float, megabytes: int | None):
        self._client = client
        self._bench = bench
        self._limits = fit_seconds, megabytes
        self.count = sum(client.nthreads().values())
        self._open()

    def score(self, fit: Fit) -> Future[Scored | Failed]:
        """Begin a fit of one fold."""
        return self._begin(_score, fit)

    def fit(self, candidate: Candidate, part: int | None = None) -> Future[bytes | Failed]:
        """Begin a fit which gives an artifact, as `Bench.fitted` does."""
        return self._begin(_fit, candidate, part)

    def keeps(self, candidate: Candidate, part: int) -> bool:
        """What is kept lies with the workers: here nothing is counted on."""
        return False

    def restart(self) -> None:
        """Kill what is running and begin anew with nothing to do."""
        self.stop()
        self._open()

    def stop(self) -> None:
        """Kill the fits, wherever they run; what comes of them is discarded."""
        self._client.cancel(list(self._begun), force=True)
        self._client.run(_close, self._key, on_error="ignore")

    def _open(self) -> None:
        # A key of its own after each restart: what was begun before must not open the bench again.
        self._key = uuid4().hex
        # Dask forgets a fit that nobody holds. Adding and discarding are atomic: callbacks come in other threads.
        self._begun: set[Any] = set()
        self._share()

    def _share(self) -> None:
        self._shared = self._client.scatter(self._bench, broadcast=True, hash=False)

    def _begin(self, function: Any, *task: Any) -> Future[Any]:
        if self._shared.cancelled():
            # Dask drops copies that no fit waits for, and then the last one went with its worker.
            self._share()
        told: Future[Any] = Future()
        begun = self._client.submit(function, self._key, self._shared, *self._limits, *task, pure=False)
        self._begun.add(begun)
        begun.add_done_callback(partial(self._tell, told))
        return told

    def _tell(self, told: Future[Any], begun: Any) -> None:
        """Runs in a thread of the client. None is the outcome of a fit whose worker was lost."""
        self._begun.discard(begun)
        error = begun.exception() if begun.status == "error" else None
        if error is None or type(error).__name__ in LOST:
            told.set_result(begun.result() if begun.status == "finished" else None)
        else:
            told.set_exception(error)


@contextmanager
def connect_pool(
    bench: FitContext, address: str, fit_seconds: float, megabytes: int | None = None
) -> Iterator[DaskPool]:
    """The workers of the scheduler at this address (`tcp://host:8786`) at the bench.

    Raises ClusterUnreachable (no scheduler answers, or it has no workers) and ClusterUnfit (workers with other versions
    of what a model depends on, or without Exemplar).
    """
    with _client(address) as client:
        _check(client, address)
        cluster = DaskPool(client, bench, fit_seconds, megabytes)
        try:
            yield cluster
        finally:
            cluster.stop()


@contextmanager
def _client(address: str) -> Iterator[Any]:
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
            f"No Dask scheduler answers at {address}: start one, or unset it."
        ) from error
    with client:
        yield client


def _check(client: Any, address: str) -> None:
    told = client.run(_fitness, on_error="return")
    if not told:
        raise ClusterUnreachable(f"The Dask scheduler at {address} has no workers: start some.")
    for worker, theirs in told.items():
        if isinstance(theirs, Exception):
            raise ClusterUnfit(f"The Dask worker {worker} cannot run Exemplar: {theirs}")
        if differing := {name: its for name, its in theirs.items() if versions().get(name) != its}:
            other = ", ".join(
                f"{name} {its} (here {versions().get(name)})" for name, its in differing.items()
            )
            raise ClusterUnfit(f"The Dask worker {worker} has {other}.")


# What follows runs in the workers.


def _fitness() -> dict[str, str]:
    """The versions that models depend on; raises where fits could not be killed here."""
    import multiprocessing

    if multiprocessing.current_process().daemon:
        raise RuntimeError("it may have no processes of its own; start it with --no-nanny.")
    return versions()


_benches: dict[str, tuple[process_pool.FitProcesses, ExitStack]] = {}
_closed: set[str] = set()
_opening = threading.Lock()


def _at(key: str, bench: FitContext, fit_seconds: float, megabytes: int | None) -> process_pool.FitProcesses:
    """This worker's processes at the bench, started with the first fit."""
    from distributed import get_worker

    with _opening:
        if key in _closed:
            raise RuntimeError("The build has given this fit up.")
        if key not in _benches:
            stack = ExitStack()
            count = get_worker().state.nthreads
            _benches[key] = (
                stack.enter_context(process_pool.start_pool(bench, count, fit_seconds, megabytes)),
                stack,
            )
        return _benches[key][0]


def _close(key: str) -> None:
    with _opening:
        _closed.add(key)
        _, stack = _benches.pop(key, (None, ExitStack()))
    stack.close()


def _score(key: str, bench: FitContext, fit_seconds: float, megabytes: int | None, fit: Fit) -> Any:
    return _outcome(key, _at(key, bench, fit_seconds, megabytes).score(fit))


def _fit(
    key: str,
    bench: FitContext,
    fit_seconds: float,
    megabytes: int | None,
    candidate: Candidate,
    part: int | None,
) -> Any:
    return _outcome(key, _at(key, bench, fit_seconds, megabytes).fit(candidate, part))


def _outcome(key: str, future: Future[Any]) -> Any:
    """What the future holds; None where its process was lost."""
    # A pool that is stopped leaves the futures of what it killed as they are.
    while key not in _closed and not future.done():
        wait([future], timeout=0.5)
    if not future.done():
        return None
    try:
        return future.result()
    except ProcessExpired:
        return None
