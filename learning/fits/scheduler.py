"""Handing fits to whoever fits them, on this machine or on a cluster, and listening for what becomes of them."""

import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Protocol

from pebble import ProcessExpired

from ..estimators.ensemble import Piece
from ..estimators.families import Candidate
from ..exceptions import WorkersLost
from .fold_fit import Failed, Fit, Scored

#: After this many seconds more than a fit may take, with none ended, the processes are given up.
GRACE_SECONDS = 30.0
#: Fits handed out beyond one for each process.
AHEAD = 2


class Pool(Protocol):
    """Who fits: processes of this machine, or those of a cluster."""

    @property
    def count(self) -> int:
        """Fits at a time."""

    def score(self, fit: Fit) -> Future[Scored | Failed]:
        """Begin a fit of one fold. Raises WorkersLost."""

    def fit(self, candidate: Candidate, part: int | None = None) -> Future[bytes | Failed]:
        """Begin a fit which gives an artifact, as `Bench.fitted` does. Raises WorkersLost."""

    def keeps(self, candidate: Candidate, part: int) -> bool:
        """Whether the model of this part of the search is kept, and costs no fit."""

    def restart(self) -> None:
        """Give up what is running."""


class FitScheduler:
    """What is handed out to a pool, and what came back."""

    def __init__(self, pool: Pool, fit_seconds: float):
        self._pool = pool
        self._fit_seconds = fit_seconds
        self._running: dict[Future[Any], Fit] = {}
        self._told: dict[Fit, Scored | Failed] = {}
        #: How often a process was lost over a fit: once may be an accident.
        self._lost: Counter[Fit] = Counter()

    @property
    def count(self) -> int:
        """Fits at a time."""
        return self._pool.count

    def keeps(self, candidate: Candidate, part: int) -> bool:
        """Whether the model of this part of the search is kept, and costs no fit."""
        return self._pool.keeps(candidate, part)

    def begin(self, fits: Sequence[Fit]) -> None:
        """Keep everybody busy with these until they are asked for."""
        begun = {*self._running.values(), *self._told}
        self._hand_out(deque(fit for fit in fits if fit not in begun))

    def score(
        self, fits: Sequence[Fit], ahead: Sequence[Fit] = (), deadline: float | None = None
    ) -> Iterator[tuple[Fit, Scored | Failed]]:
        """The fits' outcomes as they come. Whoever would be idle meanwhile begins what is `ahead`: the outcomes
        are kept until they are asked for.

        After a candidate's first failure its other fits are left out. At the `deadline` (by `time.monotonic`)
        what is unfinished is given up, and the outcomes end. Raises WorkersLost.
        """
        wanted = dict.fromkeys(fits)
        begun = {*self._running.values(), *self._told}
        todo = deque(fit for fit in [*fits, *ahead] if fit not in begun)
        while wanted:
            told = next((fit for fit in wanted if fit in self._told), None)
            if told is None:
                if not self._go_on(todo, deadline):
                    return
                continue
            outcome = self._told.pop(told)
            yield told, outcome
            out = told.candidate if isinstance(outcome, Failed) else None
            wanted = {fit: None for fit in wanted if fit != told and fit.candidate != out}
            todo = deque(fit for fit in todo if fit.candidate != out)

    def fit(self, pieces: Sequence[Piece]) -> Iterator[tuple[Piece, bytes | Failed]]:
        """Each piece fitted, as an artifact, in the pieces' order. Raises WorkersLost."""
        self.forget()
        started = [(piece, self._pool.fit(*piece)) for piece in pieces]
        for piece, future in started:
            outcome = self._outcome(future, self._fit_seconds)
            if outcome is None:
                outcome = self._outcome(self._pool.fit(*piece), self._fit_seconds) or _LOST
            yield piece, outcome

    def forget(self) -> None:
        """Give up what was begun ahead and is not wanted any more."""
        if self._running:
            self._pool.restart()
        self._running.clear()
        self._told.clear()

    def _go_on(self, todo: deque[Fit], deadline: float | None) -> bool:
        """Keep everybody busy and wait until something ends; False where the deadline came first."""
        if not over(deadline):
            self._hand_out(todo)
        longest = self._fit_seconds + GRACE_SECONDS
        left = longest if deadline is None else min(longest, max(0.0, deadline - time.monotonic()))
        ended, _ = wait(self._running, timeout=left, return_when=FIRST_COMPLETED)
        if not ended and over(deadline):
            self.forget()
            return False
        if not ended:
            raise WorkersLost
        for future in ended:
            self._ended(self._running.pop(future), future, todo)
        return True

    def _hand_out(self, todo: deque[Fit]) -> None:
        """No more waiting than hide the way to the processes: what waits may be called off."""
        while todo and len(self._running) < self._pool.count + AHEAD:
            fit = todo.popleft()
            self._running[self._pool.score(fit)] = fit

    def _ended(self, fit: Fit, future: Future[Any], todo: deque[Fit]) -> None:
        outcome = self._outcome(future, fit.seconds(self._fit_seconds))
        if outcome is None and not self._lost[fit]:
            self._lost[fit] += 1
            todo.appendleft(fit)
            return
        self._told[fit] = outcome or _LOST

    def _outcome(self, future: Future[Any], seconds: float) -> Any:
        """What the future holds; None where its process was lost."""
        try:
            return future.result()
        except TimeoutError:
            return Failed("TIMED_OUT", f"The fit took longer than {seconds:g} s.")
        except ProcessExpired:
            return None
        except (BrokenProcessPool, CancelledError) as error:
            raise WorkersLost from error


_LOST = Failed("WORKER_LOST", "Its process ended twice in the middle of the fit; it may have lacked memory.")


def over(deadline: float | None) -> bool:
    """Whether the deadline (by `time.monotonic`) has passed."""
    return deadline is not None and time.monotonic() >= deadline
