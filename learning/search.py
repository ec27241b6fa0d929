"""Fits in processes of their own: each has a clock, can be killed, and dies with whoever asked for it."""

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import forkserver
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import joblib
import threadpoolctl
from pebble import ProcessExpired, ProcessPool

from . import evaluate, families, preprocess
from .dataset import Dataset
from .evaluate import Measure, Scores
from .exceptions import LearningError, WorkersLost
from .families import Candidate
from .folds import Fold, Round, split
from .model import Model, Signature

#: A fit may take this many seconds where the problem names no limit.
FIT_SECONDS = 600.0
#: After this many seconds more than a fit may take, with none ended, the processes are given up.
GRACE_SECONDS = 30.0
#: Fits handed out beyond one for each process.
AHEAD = 2
#: What every worker process needs: imported once, by the server that they are forked from.
PRELOAD = ["pandas", "sklearn.ensemble", "sklearn.pipeline", "sklearn.metrics", "learning.search"]

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Fit:
    """One candidate, to be scored on one fold."""

    candidate: Candidate
    round: Round
    fold: int

    @property
    def key(self) -> tuple[str, str, int]:
        return self.candidate.key, self.round, self.fold


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A fit that went well."""

    score: float
    measures: tuple[Measure, ...]
    fit_seconds: float
    predict_seconds: float


@dataclass(frozen=True)
class Failed:
    """A fit that did not, and why: a code for machines, a sentence for people."""

    code: str
    reason: str


@dataclass(frozen=True, eq=False)
class Bench:
    """What all fits of a build have in common."""

    task: str
    dataset: Dataset
    metric: str
    folds: int
    seed: int

    def split(self, round: Round) -> Sequence[Fold]:
        """The folds of this round."""
        classes = self.dataset.y if self.task == "CLASSIFICATION" else None
        return split(len(self.dataset), classes, self.folds, self.seed, round)

    def pipeline(self, candidate: Candidate) -> Any:
        """The candidate, not fitted."""
        return families.pipeline(self.task, candidate, self.dataset.columns, self.seed)

    @property
    def signature(self) -> Signature:
        return Signature(task=self.task, columns=self.dataset.columns, classes=self.dataset.classes)


class Workers:
    """A pool of processes at a bench; `at` makes it."""

    def __init__(self, count: int, path: Path, fit_seconds: float):
        self._count = count
        self._path = str(path)
        self._fit_seconds = fit_seconds
        self._pool = self._started()

    def _started(self) -> ProcessPool:
        context = multiprocessing.get_context("forkserver")
        return ProcessPool(self._count, context=context, initializer=_initialise)

    def stop(self) -> None:
        """Kill the processes, whatever they are doing."""
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()

    def score(
        self,
        fits: Sequence[Fit],
        known: Mapping[tuple[str, str, int], Scored],
        deadline: float | None = None,
    ) -> Iterator[tuple[Fit, Scored | Failed]]:
        """The fits' outcomes in the fits' own order, whichever ends first; what is `known` is not fitted
        again.

        After a candidate's first failure its other fits are left out. At the `deadline` (by
        `time.monotonic`) what is unfinished is killed, and the outcomes end. Raises WorkersLost.
        """
        told: dict[Fit, Scored | Failed] = {fit: known[fit.key] for fit in fits if fit.key in known}
        running: dict[Future[Scored | Failed], Fit] = {}
        todo, out = deque(fit for fit in fits if fit not in told), set[Candidate]()
        for fit in fits:
            self._start(todo, running, deadline)
            while fit not in told and fit.candidate not in out:
                if not self._listen(running, told, deadline):
                    # All of them: the pool may lose another fit when one process of several is stopped.
                    self.stop()
                    self._pool = self._started()
                    return
                self._start(todo, running, deadline)
            if fit.candidate in out:
                continue
            outcome = told.pop(fit)
            yield fit, outcome
            if isinstance(outcome, Failed):
                out.add(fit.candidate)
                todo = deque(other for other in todo if other.candidate != fit.candidate)

    def fit(self, candidates: Sequence[Candidate]) -> Iterator[tuple[Candidate, bytes | Failed]]:
        """Each candidate fitted on all rows, as an artifact, in the candidates' order. Raises WorkersLost."""
        started = [(candidate, self._schedule(_fit_all, candidate)) for candidate in candidates]
        for candidate, future in started:
            yield candidate, self._outcome(future)

    def _start(
        self, todo: deque[Fit], running: dict[Future[Scored | Failed], Fit], deadline: float | None
    ) -> None:
        """Keep every process busy, and no more waiting than hide the way to it: what waits may be called
        off.
        """
        while todo and len(running) < self._count + AHEAD and not _over(deadline):
            fit = todo.popleft()
            running[self._schedule(_score, fit)] = fit

    def _listen(
        self,
        running: dict[Future[Scored | Failed], Fit],
        told: dict[Fit, Scored | Failed],
        deadline: float | None,
    ) -> bool:
        """Wait until something ends, and tell whether anything did before the deadline."""
        longest = self._fit_seconds + GRACE_SECONDS
        left = longest if deadline is None else min(longest, max(0.0, deadline - time.monotonic()))
        ended, _ = wait(running, timeout=left, return_when=FIRST_COMPLETED)
        if not ended and not _over(deadline):
            raise WorkersLost
        for future in ended:
            told[running.pop(future)] = self._outcome(future)
        return bool(ended)

    def _schedule(self, function: Any, task: Any) -> Future[Any]:
        try:
            return self._pool.schedule(function, args=(self._path, task), timeout=self._fit_seconds)
        except RuntimeError as error:  # how the pool says that its processes are gone for good
            raise WorkersLost from error

    def _outcome(self, future: Future[Any]) -> Any:
        try:
            return future.result()
        except TimeoutError:
            return Failed("TIMED_OUT", f"The fit took longer than {self._fit_seconds:g} s.")
        except ProcessExpired as expired:
            return Failed(
                "WORKER_LOST", f"The process ended with code {expired.exitcode}; it may have lacked memory."
            )
        except (BrokenProcessPool, CancelledError) as error:
            raise WorkersLost from error


def prepare() -> None:
    """Start, without waiting for it, the server that worker processes are forked from.

    It imports scikit-learn once (about a second); whoever has other work to do before a build may call this
    early.
    """
    multiprocessing.set_forkserver_preload(PRELOAD)
    forkserver.ensure_running()


@contextmanager
def at(
    bench: Bench, workers: int, folder: Path | None = None, fit_seconds: float | None = None
) -> Iterator[Workers]:
    """`workers` processes at the bench, whose arrays they share by memory map from a file in `folder`.

    They are gone, and so is the file, when the context ends, whatever they were doing.
    """
    prepare()
    with TemporaryDirectory(prefix="bench-", dir=folder, ignore_cleanup_errors=True) as place:
        path = Path(place) / "bench.joblib"
        joblib.dump(bench, path)
        processes = Workers(workers, path, fit_seconds or FIT_SECONDS)
        try:
            yield processes
        finally:
            processes.stop()


def _initialise() -> None:
    """In each worker process, before its first fit."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a Python handler would wait for the end of compiled code
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=_die_with_the_build, daemon=True).start()
    threadpoolctl.threadpool_limits(1)  # the processes are the parallelism
    warnings.simplefilter("ignore")


def _die_with_the_build() -> None:
    # The parent by signals is the fork server, which outlives a build that was killed; this watches the
    # build itself.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@lru_cache(maxsize=1)
def _bench(path: str) -> Bench:
    bench = joblib.load(path, mmap_mode="r")
    assert isinstance(bench, Bench)
    return bench


@lru_cache(maxsize=2)
def _split(path: str, round: Round) -> Sequence[Fold]:
    return _bench(path).split(round)


def _score(path: str, fit: Fit) -> Scored | Failed:
    try:
        bench = _bench(path)
        learn, held_out = _split(path, fit.round)[fit.fold]
        estimator = bench.pipeline(fit.candidate)
        started = time.perf_counter()
        estimator.fit(
            bench.dataset.X.iloc[learn], None if bench.dataset.y is None else bench.dataset.y[learn]
        )
        fitted = time.perf_counter()
        scores = _evaluated(bench, estimator, learn, held_out)
        ended = time.perf_counter()
    except Exception as error:  # the edge of the process: whatever it was becomes the fit's outcome
        return _failed(error)
    return Scored(
        score=scores.score,
        measures=scores.measures,
        fit_seconds=fitted - started,
        predict_seconds=ended - fitted,
    )


def _evaluated(bench: Bench, estimator: Any, learn: Any, held_out: Any) -> Scores:
    data = bench.dataset
    X = data.X.iloc[held_out]
    if bench.task == "CLUSTERING":
        reference = preprocess.dense(data.columns).fit(data.X.iloc[learn]).transform(X)
        return evaluate.clustering(estimator, X, reference, bench.metric, bench.seed)
    assert data.y is not None
    y = data.y[held_out]
    if bench.task == "REGRESSION":
        return evaluate.regression(estimator, X, y, bench.metric)
    return evaluate.classification(estimator, X, y, bench.metric, data.classes)


def _fit_all(path: str, candidate: Candidate) -> bytes | Failed:
    try:
        bench = _bench(path)
        estimator = bench.pipeline(candidate).fit(bench.dataset.X, bench.dataset.y)
        return Model(bench.signature, candidate.family, candidate.hyperparameters, estimator).dumps()
    except Exception as error:  # as in _score
        return _failed(error)


def _failed(error: Exception) -> Failed:
    code = error.code if isinstance(error, LearningError) else "INTERNAL"
    lines = str(error).strip().splitlines()
    said = lines[0] if lines else "no reason given"
    return Failed(code, said if isinstance(error, LearningError) else f"{type(error).__name__}: {said}")


def _over(deadline: float | None) -> bool:
    return deadline is not None and time.monotonic() >= deadline
