"""Searches and final rounds whose fits are told by a script instead of fitted, so that each decision can be reached."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import numpy as np

from learning.columns import Column, Kind
from learning.dataset import Dataset, dataset
from learning.estimators.families import Candidate
from learning.evaluation.folds import FoldPlan
from learning.fits.fold_fit import Failed, Fit, FitContext, Scored
from learning.fits.scheduler import FitScheduler
from learning.problem import Classification, Problem
from learning.selection.final_round import FinalRound
from learning.selection.rounds import FoldRunner, Span
from learning.selection.search import Search

#: What is added to a candidate's quality on each fold; their mean is 0.
NOISE = (0.01, -0.01, 0.02, -0.02)


@dataclass(frozen=True, kw_only=True)
class Told:
    """What is told of a candidate."""

    quality: float = 0.5
    noise: float = 1.0
    #: The probability that it gives to the right class.
    sure: float = 0.6
    seconds: float = 0.0
    microseconds: float | None = None
    #: The round in which its fits fail.
    fails_in: str = ""


Script = Callable[[Candidate], Told]


class ScriptedPool:
    """Fits nothing: each outcome is there at once. `asked` are the fits in the order in which they were begun."""

    count = 2

    def __init__(self, context: FitContext, script: Script, kept: bool = False):
        self.context, self.script, self.kept = context, script, kept
        self.asked: list[Fit] = []

    def score(self, fit: Fit) -> "Future[Scored | Failed]":
        self.asked.append(fit)
        future: Future[Scored | Failed] = Future()
        future.set_result(self.outcome(fit))
        return future

    def outcome(self, fit: Fit) -> Scored | Failed:
        told = self.script(fit.candidate)
        if told.fails_in == fit.round:
            return Failed("INTERNAL", "It is scripted to fail.")
        return Scored(
            score=told.quality + told.noise * NOISE[fit.fold % len(NOISE)],
            measures=(),
            fit_seconds=told.seconds,
            predict_seconds=0.0,
            predictions=self.predictions(told, fit),
            microseconds=told.microseconds,
        )

    def predictions(self, told: Told, fit: Fit) -> Any:
        if self.context.task == "CLUSTERING":
            return None
        _, held_out = self.context.split(fit.round)[fit.fold]
        y = self.context.dataset.y[held_out]
        if self.context.task == "REGRESSION":
            return (y * told.sure).astype(np.float32)
        rows = np.full((len(y), 2), 1 - told.sure, dtype=np.float32)
        rows[np.arange(len(y)), y] = told.sure
        return rows

    def fit(self, candidate: Candidate, part: int | None = None) -> Any:
        raise AssertionError("Nothing is fitted in a round.")

    def has_model(self, candidate: Candidate, part: int) -> bool:
        return self.kept

    def restart(self) -> None:
        pass


def rows_of(problem: Problem, rows: int = 200) -> Dataset:
    values = np.random.default_rng(0).normal(size=(rows, 2))
    columns = [Column(name=name, kind=Kind.NUMBER) for name in "ab"]
    labels = {
        "CLASSIFICATION": (values[:, 0] > 0).tolist(),
        "REGRESSION": values[:, 0].tolist(),
        "CLUSTERING": None,
    }
    return dataset(problem, columns, values.tolist(), labels[problem.task])


def searched(
    problem: Problem, script: Script, *, rows: int = 200, kept: bool = False, **clock: Any
) -> Search:
    """Return a search that has not begun; `clock` are its deadlines, and what it begins with."""
    data = rows_of(problem, rows)
    context = FitContext(
        task=problem.task,
        dataset=data,
        metric=problem.metric_for(len(data.classes) or None),
        plan=FoldPlan.of(problem, data),
        seed=0,
    )
    player = FoldRunner(scheduler=FitScheduler(ScriptedPool(context, script, kept), 60.0), recorded={})
    times = {"deadline": None, "latest_deadline": None, "end": None} | clock
    return Search(problem=problem, context=context, runner=player, span=Span(0, 70), **times)


def asked(search: Search) -> list[Fit]:
    """Return the fits that were begun, in their order."""
    pool = search.runner.scheduler._pool
    assert isinstance(pool, ScriptedPool)
    return pool.asked


def final_round(search: Search, incumbent: Candidate | None = None, end: float | None = None) -> FinalRound:
    return FinalRound(
        problem=search.problem,
        context=search.context,
        runner=search.runner,
        span=Span(70, 85),
        search=search,
        incumbent=incumbent,
        end=end,
    )


def by_family(told: dict[str, Told], otherwise: Told | None = None) -> Script:
    """Return a script that tells of a candidate what its family has."""
    return lambda candidate: told.get(candidate.family, otherwise or Told())


FOUR = Classification(folds=4, candidates=6, families=("linear", "baseline", "forest", "boosting"))
