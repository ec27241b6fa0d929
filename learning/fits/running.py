"""Running fits: the fits that a pool works on now, for another thread to read while learning goes on."""

import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from ..estimators.families import Candidate
from ..evaluation.folds import Round

_Outcome = TypeVar("_Outcome")


class FitStage(StrEnum):
    """Stage of a build that a fit is for."""

    SCREENING = "SCREENING"
    SEARCH = "SEARCH"
    FINAL_ROUND = "FINAL_ROUND"
    ALL_EXAMPLES = "ALL_EXAMPLES"


#: The stages of the fits that are scored, by their round.
STAGES: Mapping[Round, FitStage] = {
    "taste": FitStage.SCREENING,
    "search": FitStage.SEARCH,
    "contest": FitStage.FINAL_ROUND,
}


@dataclass(frozen=True)
class RunningFit:
    """A fit that runs."""

    candidate: Candidate
    stage: FitStage
    #: None: all examples at once.
    fold: int | None
    #: Since the first reading that contained it.
    seconds: float


class RunningFits:
    """The fits that were submitted and have not ended. Each operation on the two dicts is atomic."""

    def __init__(self) -> None:
        self._fits: dict[Future[object], tuple[Candidate, FitStage, int | None]] = {}
        #: By `time.monotonic`.
        self._first_seen: dict[Future[object], float] = {}

    def add(
        self, future: Future[_Outcome], candidate: Candidate, stage: FitStage, fold: int | None
    ) -> Future[_Outcome]:
        """Add a fit until its future is done, and return the future."""
        self._fits[future] = candidate, stage, fold  # type: ignore[index]
        future.add_done_callback(self._remove)  # at once if it is done already
        return future

    def _remove(self, future: Future[_Outcome]) -> None:
        self._fits.pop(future, None)  # type: ignore[arg-type]
        self._first_seen.pop(future, None)  # type: ignore[arg-type]

    def clear(self) -> None:
        """Remove all fits: their processes were killed."""
        self._fits.clear()
        self._first_seen.clear()

    def read(self) -> list[RunningFit]:
        """List the fits that a process has begun, in the order of submission."""
        now, fits = time.monotonic(), []
        for future, (candidate, stage, fold) in self._fits.copy().items():
            if future.running():
                seconds = now - self._first_seen.setdefault(future, now)
                fits.append(RunningFit(candidate, stage, fold, seconds))
        for future in self._first_seen.copy().keys() - self._fits.copy().keys():  # ended while it was read
            self._first_seen.pop(future, None)
        return fits
