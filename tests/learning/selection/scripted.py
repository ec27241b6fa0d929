"""Searches and final rounds with scripted outcomes instead of fits, so that tests reach every decision."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import numpy as np

from learning.columns import Column, Kind
from learning.dataset import Dataset, dataset
from learning.estimators.families import Candidate
from learning.evaluation.folds import FoldPlan
from learning.evaluation.measures import Measure
from learning.fits.fold_fit import Failed, Fit, FitContext, Scored
from learning.fits.scheduler import FitScheduler
from learning.problem import Classification, Problem
from learning.selection.final_round import FinalRound
from learning.selection.rounds import FoldRunner, Span
from learning.selection.search import Search

#: Measures of each fold that is scored.
MEASURES = (Measure("log_loss", None, 0.5), Measure("brier_score", None, 0.2))
#: Noise added to a candidate's quality on each fold; its mean is 0.
NOISE = (0.01, -0.01, 0.02, -0.02)


@dataclass(frozen=True, kw_only=True)
class Scripted:
    """Scripted outcome of a candidate's fits."""

    quality: float = 0.5
    noise: float = 1.0
    #: Probability of the true class.
    sure: float = 0.6
    seconds: float = 0.0
    microseconds: float | None = None
    #: Round in which its fits fail.
    fails_in: str = ""


Script = Callable[[Candidate], Scripted]


class ScriptedPool:
    """Pool that returns scripted outcomes at once; `submitted` has the fits in order."""

    count = 2

    def __init__(self, context: FitContext, script: Script, has_models: bool = False):
        self.context, self.script, self.has_models = context, script, has_models
        self.submitted: list[Fit] = []

    def score(self, fit: Fit) -> "Future[Scored | Failed]":
        self.submitted.append(fit)
        future: Future[Scored | Failed] = Future()
        future.set_result(self.outcome(fit))
        return future

    def outcome(self, fit: Fit) -> Scored | Failed:
        scripted = self.script(fit.candidate)
        if scripted.fails_in == fit.round:
            return Failed("INTERNAL", "The script lets it fail.")
        return Scored(
            score=scripted.quality + scripted.noise * NOISE[fit.fold % len(NOISE)],
            measures=MEASURES,
            fit_seconds=scripted.seconds,
            predict_seconds=0.0,
            predictions=self.predictions(scripted, fit),
            microseconds=scripted.microseconds,
        )

    def predictions(self, scripted: Scripted, fit: Fit) -> Any:
        if self.context.task == "CLUSTERING":
            return None
        _, held_out = self.context.split(fit.round)[fit.fold]
        y = self.context.dataset.y[held_out]
        if self.context.task == "REGRESSION":
            return (y * scripted.sure).astype(np.float32)
        rows = np.full((len(y), 2), 1 - scripted.sure, dtype=np.float32)
        rows[np.arange(len(y)), y] = scripted.sure
        return rows

    def fit(self, candidate: Candidate, fold: int | None = None) -> Any:
        raise AssertionError("Nothing is fitted in a round.")

    def has_model(self, candidate: Candidate, fold: int) -> bool:
        return self.has_models

    def restart(self) -> None:
        pass


class FittingPool(ScriptedPool):
    """Scripted scores, and real fits on all examples."""

    fails = False

    def fit(self, candidate: Candidate, fold: int | None = None) -> Any:
        future: Future[Any] = Future()
        outcome = Failed("INTERNAL", "It fails.") if self.fails else self.context.fit(candidate, fold)
        future.set_result(outcome)
        return future


def rows_of(problem: Problem, rows: int = 200) -> Dataset:
    values = np.random.default_rng(0).normal(size=(rows, 2))
    columns = [Column(name=name, kind=Kind.NUMBER) for name in "ab"]
    labels = {
        "CLASSIFICATION": (values[:, 0] > 0).tolist(),
        "REGRESSION": values[:, 0].tolist(),
        "CLUSTERING": None,
    }
    return dataset(problem, columns, values.tolist(), labels[problem.task])


def build_search(
    problem: Problem, script: Script, *, rows: int = 200, has_models: bool = False, **clock: Any
) -> Search:
    """Return a search that has not started; `clock` has its deadlines and incumbents."""
    data = rows_of(problem, rows)
    context = FitContext(
        task=problem.task,
        dataset=data,
        metric=problem.metric_for(len(data.classes) or None),
        plan=FoldPlan.of(problem, data),
        seed=0,
    )
    runner = FoldRunner(scheduler=FitScheduler(ScriptedPool(context, script, has_models), 60.0), recorded={})
    times = {"deadline": None, "latest_deadline": None, "end": None} | clock
    return Search(problem=problem, context=context, runner=runner, span=Span(0, 70), **times)


def submitted_fits(search: Search) -> list[Fit]:
    """Return the submitted fits in order."""
    pool = search.runner.scheduler._pool
    assert isinstance(pool, ScriptedPool)
    return pool.submitted


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


def by_family(outcomes: dict[str, Scripted], otherwise: Scripted | None = None) -> Script:
    """Return a script with one outcome per family."""
    return lambda candidate: outcomes.get(candidate.family, otherwise or Scripted())


FOUR = Classification(folds=4, candidates=6, families=("linear", "baseline", "forest", "boosting"))
