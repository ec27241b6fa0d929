"""Fit scheduler: submits fits to a pool, collects their outcomes, and resubmits those whose process was lost."""

import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Protocol, TypeVar

from pebble import ProcessExpired

from ..estimators.ensemble import Piece
from ..estimators.families import Candidate
from ..exceptions import WorkersLost
from .fold_fit import Failed, Fit, Scored
from .running import STAGES, FitStage, RunningFits

#: If no fit ends within the time limit plus these seconds, the pool is considered lost.
GRACE_SECONDS = 30.0
#: Fits submitted beyond one per process.
AHEAD = 2

_Outcome = TypeVar("_Outcome")


class Pool(Protocol):
    """Runs fits: in processes of this machine, or on the workers of a Dask cluster."""

    @property
    def count(self) -> int:
        """Number of fits that run at a time."""

    def score(self, fit: Fit) -> Future[Scored | Failed]:
        """Submit a fit of one fold; see `FitContext.score`. Raises WorkersLost."""

    def fit(self, candidate: Candidate, fold: int | None = None) -> Future[bytes | Failed]:
        """Submit a fit that returns an artifact; see `FitContext.fit`. Raises WorkersLost."""

    def has_model(self, candidate: Candidate, fold: int) -> bool:
        """Return whether the model of this fold of the search is cached, and costs no fit."""

    def restart(self) -> None:
        """Kill the running fits and drop the waiting ones."""


class FitScheduler:
    """Fits submitted to a pool, and the outcomes that were not asked for yet."""

    def __init__(self, pool: Pool, fit_seconds: float, in_progress: RunningFits | None = None):
        self._pool = pool
        #: What is submitted, for other threads.
        self._in_progress = in_progress or RunningFits()
        self._fit_seconds = fit_seconds
        self._running: dict[Future[Scored | Failed], Fit] = {}
        self._outcomes: dict[Fit, Scored | Failed] = {}
        #: Number of processes lost per fit: the first loss may be an accident, the second is the fit's fault.
        self._losses: Counter[Fit] = Counter()

    @property
    def count(self) -> int:
        """Number of fits that run at a time."""
        return self._pool.count

    def has_model(self, candidate: Candidate, fold: int) -> bool:
        """Return whether the model of this fold of the search is cached, and costs no fit."""
        return self._pool.has_model(candidate, fold)

    def start(self, fits: Sequence[Fit]) -> None:
        """Submit as many of these as the pool can run, so that it is busy until `score` asks for them."""
        self._submit(deque(self._without_submitted(fits)))

    def score(
        self, fits: Sequence[Fit], ahead: Sequence[Fit] = (), deadline: float | None = None
    ) -> Iterator[tuple[Fit, Scored | Failed]]:
        """Yield the fits' outcomes in the order in which they end.

        After a candidate's first failure its other fits are skipped. At the deadline (by `time.monotonic`) unfinished
        fits are killed, and the iteration ends. Raises WorkersLost.

        Args:
            ahead: Fits for processes that would be idle; their outcomes are stored until a later call asks for them.
        """
        wanted = dict.fromkeys(fits)
        waiting = deque(self._without_submitted([*fits, *ahead]))
        while wanted:
            ready = next((fit for fit in wanted if fit in self._outcomes), None)
            if ready is None:
                if not self._wait(waiting, deadline):
                    return
                continue
            outcome = self._outcomes.pop(ready)
            yield ready, outcome
            failed = ready.candidate if isinstance(outcome, Failed) else None
            wanted = {fit: None for fit in wanted if fit != ready and fit.candidate != failed}
            waiting = deque(fit for fit in waiting if fit.candidate != failed)

    def fit(
        self, pieces: Sequence[Piece], deadline: float | None = None
    ) -> Iterator[tuple[Piece, bytes | Failed]]:
        """Fit each piece; yields their artifacts in the pieces' order. Raises WorkersLost.

        Args:
            deadline: By `time.monotonic`; pieces that are not fitted then have failed with TIMED_OUT.
        """
        submitted = [(piece, self._submit_piece(piece)) for piece in pieces]
        for piece, future in submitted:
            outcome = self._await(future, deadline)
            if outcome is None:
                outcome = self._await(self._submit_piece(piece), deadline) or _WORKER_LOST
            yield piece, outcome

    def _submit_piece(self, piece: Piece) -> Future[bytes | Failed]:
        return self._in_progress.add(self._pool.fit(*piece), piece[0], FitStage.ALL_EXAMPLES, piece[1])

    def _await(self, future: Future[_Outcome], deadline: float | None) -> _Outcome | Failed | None:
        """Wait for a fit until the deadline; returns as `_outcome` does."""
        if deadline is not None:
            wait([future], timeout=max(0.0, deadline - time.monotonic()))
            if not future.done():
                return _NO_TIME
        return self._outcome(future, self._fit_seconds)

    def discard(self) -> None:
        """Kill the running fits, and forget the outcomes that were not asked for."""
        if self._running:
            self._pool.restart()
            self._in_progress.clear()
        self._running.clear()
        self._outcomes.clear()

    def _without_submitted(self, fits: Sequence[Fit]) -> list[Fit]:
        submitted = {*self._running.values(), *self._outcomes}
        return [fit for fit in fits if fit not in submitted]

    def _wait(self, waiting: deque[Fit], deadline: float | None) -> bool:
        """Submit waiting fits and wait until one ends; returns False if the deadline came first."""
        if not is_past(deadline):
            self._submit(waiting)
        longest = self._fit_seconds + GRACE_SECONDS
        left = longest if deadline is None else min(longest, max(0.0, deadline - time.monotonic()))
        ended, _ = wait(self._running, timeout=left, return_when=FIRST_COMPLETED)
        if not ended and is_past(deadline):
            self.discard()
            return False
        if not ended:
            raise WorkersLost
        for future in ended:
            self._finish(self._running.pop(future), future, waiting)
        return True

    def _submit(self, waiting: deque[Fit]) -> None:
        """Submit only as many as hide the latency of the pool: a fit that still waits here can be skipped."""
        while waiting and len(self._running) < self._pool.count + AHEAD:
            fit = waiting.popleft()
            future = self._pool.score(fit)
            self._running[self._in_progress.add(future, fit.candidate, STAGES[fit.round], fit.fold)] = fit

    def _finish(self, fit: Fit, future: Future[Scored | Failed], waiting: deque[Fit]) -> None:
        outcome = self._outcome(future, fit.time_limit(self._fit_seconds))
        if outcome is None and not self._losses[fit]:
            self._losses[fit] += 1
            waiting.appendleft(fit)
            return
        self._outcomes[fit] = outcome or _WORKER_LOST

    def _outcome(self, future: Future[_Outcome], seconds: float) -> _Outcome | Failed | None:
        """Return the result of an ended fit; None if its process was lost."""
        try:
            return future.result()
        except TimeoutError:
            return Failed("TIMED_OUT", f"The fit took longer than {seconds:g} s.")
        except ProcessExpired:
            return None
        except (BrokenProcessPool, CancelledError) as error:
            raise WorkersLost from error


_WORKER_LOST = Failed(
    "WORKER_LOST", "The fit's process ended twice before the fit did; it may have lacked memory."
)
#: Outcome of a fit that the build's time limit left no time for.
_NO_TIME = Failed("TIMED_OUT", "The build's time limit left no time for the fit on all examples.")


def is_past(deadline: float | None) -> bool:
    """Return whether the deadline (by `time.monotonic`) has passed; None never does."""
    return deadline is not None and time.monotonic() >= deadline
