"""READ FIRST: the build phase as a generator of steps.

Whoever iterates records what was done, and stops iterating to stop the build.
"""

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path

from . import analysis
from .analysis.overview import analyse
from .dataset import Dataset
from .estimators import ensemble, families
from .estimators.families import Candidate
from .evaluation.folds import FoldPlan
from .exceptions import NothingFitted, TimedOut
from .fits import process_pool
from .fits.fold_fit import FitContext
from .fits.scheduler import FitScheduler, Pool
from .problem import Problem
from .selection import fitting
from .selection.decision import Decision, Incumbent, decide, kept
from .selection.final_round import FinalRound
from .selection.rounds import FoldRunner, Key, Span
from .selection.search import Search
from .selection.steps import (
    Analysed,
    CandidateDropped,
    CandidateFailed,
    CandidateScored,
    CandidatesDrawn,
    Decided,
    DiagnosticDrawn,
    Fitted,
    FoldScored,
    Step,
)

__all__ = [
    "Analysed",
    "CandidateDropped",
    "CandidateFailed",
    "CandidateScored",
    "CandidatesDrawn",
    "Decided",
    "DiagnosticDrawn",
    "Fitted",
    "FoldScored",
    "Incumbent",
    "Opened",
    "Step",
    "build",
]

#: Of `problem.seconds`: what the search may take, what at most where its best is not done by then, and
#: what one fit may.
SEARCH_SHARE, LATEST_SHARE, FIT_SHARE = 0.6, 0.8, 0.3
#: Of `problem.seconds`: when all is done; stopping the processes takes its time too.
END_SHARE = 0.96
#: Of `problem.seconds`: until when the winner may be compiled; the alternatives, until all is done.
LAST_SHARE = 0.98
#: A fit may take this many seconds where the problem names no limit.
FIT_SECONDS = 600.0
SEARCHING, CONTESTING = Span(2, 70), Span(70, 85)

#: Opens a pool at a bench for fits that may take this many seconds and megabytes each; None: what there is.
Opened = Callable[[FitContext, float, int | None], AbstractContextManager[Pool]]


def build(
    problem: Problem,
    dataset: Dataset,
    incumbent: Incumbent | None = None,
    scored: Mapping[Key, FoldScored] | None = None,
    *,
    workers: int = 2,
    folder: Path | None = None,
    opened: Opened | None = None,
) -> Generator[Step, None, None]:
    """Analyse, search, contest, decide, fit, draw: `workers` fits at a time, temporary files in `folder`.

    `scored` are folds of an interrupted run by (candidate's key, round, fold): they are not fitted again,
    but yielded again. `opened` has the fits done elsewhere than in processes of this machine. The same dataset,
    problem, and incumbent give the same winner whatever does the fits, unless `problem.seconds` bit, which the
    decision's reason says.

    Raises InvalidProblem (a metric for another number of classes), TooFewInstances (a fold lacks a class),
    NothingFitted or TimedOut (no candidate could be scored on all folds), WorkersLost (the processes could not be
    kept alive).
    """
    started = time.monotonic()
    clock = partial(_at, started, problem.seconds)
    metric = problem.metric_for(len(dataset.classes) or None)
    analysed = analyse(dataset, problem)
    yield Analysed(percent=SEARCHING.start, analysis=analysed)
    bench = FitContext(
        task=problem.task,
        dataset=dataset,
        metric=metric,
        plan=FoldPlan.of(problem, dataset),
        seed=problem.seed,
        doubtful=analysed.doubtful,
        timed=problem.infer_limit is not None,
    )
    fit_seconds = FIT_SECONDS if problem.seconds is None else problem.seconds * FIT_SHARE

    def here(bench: FitContext, seconds: float, megabytes: int | None) -> AbstractContextManager[Pool]:
        return process_pool.start_pool(bench, workers, seconds, megabytes, folder)

    with (opened or here)(bench, fit_seconds, problem.megabytes) as pool:
        player = FoldRunner(workers=FitScheduler(pool, fit_seconds), known=scored or {})
        search = Search(
            problem=problem,
            bench=bench,
            player=player,
            span=SEARCHING,
            deadline=clock(SEARCH_SHARE),
            latest=clock(LATEST_SHARE),
            ends=clock(END_SHARE),
            first=_first(bench, incumbent),
        )
        yield from search.run()
        contest = FinalRound(
            problem=problem,
            bench=bench,
            player=player,
            span=CONTESTING,
            search=search,
            incumbent=_recipe(bench, incumbent),
            ends=clock(END_SHARE),
        )
        yield from contest.run()
        decision = _decision(problem, dataset, search, contest, incumbent, _changed(incumbent, analysed))
        yield _decided(decision, search.stopped + contest.stopped)
        if decision.winner:
            fitted = kept(decision.winner, contest.entries(), problem.keep)
            last = {True: clock(LAST_SHARE), False: clock(END_SHARE)}
            yield from fitting.fitted(player.workers, contest, fitted, incumbent, started, last)


def _at(started: float, seconds: float | None, share: float) -> float | None:
    """The moment by which this share of the seconds has passed; None: no limit."""
    return None if seconds is None else started + seconds * share


def _decision(
    problem: Problem,
    dataset: Dataset,
    search: Search,
    contest: FinalRound,
    incumbent: Incumbent | None,
    changed: Sequence[str] | None,
) -> Decision:
    entries = contest.entries()
    if not entries:
        raise _nothing(problem, search, contest)
    means = search.tally.means
    return decide(
        problem,
        contest.bench.metric,
        entries,
        incumbent,
        dataset.fingerprint,
        contest.bench.plan.ratio,
        baseline=next((score for c, score in means.items() if c.family == "baseline"), None),
        changed=changed,
    )


def _changed(incumbent: Incumbent | None, now: analysis.Analysis) -> list[str] | None:
    """The columns that differ from those that the champion learned from; None where these are not known."""
    if incumbent is None or incumbent.analysis is None:
        return None
    return analysis.changes(incumbent.analysis, now)


def _decided(decision: Decision, cut_short: str) -> Decided:
    return Decided(
        percent=fitting.FITTING.start if decision.winner else fitting.DRAWING.end,
        winner=decision.winner,
        incumbent_kept=decision.incumbent_kept,
        held=decision.held,
        reason=decision.reason + cut_short,
    )


def _recipe(bench: FitContext, incumbent: Incumbent | None) -> Candidate | None:
    """The champion's recipe, where all its families are still known; of its fold models, as many as there are
    folds now.
    """
    if incumbent is None:
        return None
    recipe, known = incumbent.candidate, families.names(bench.task)
    if any(member.family not in known for member in ensemble.members(recipe)):
        return None
    if "parts" in recipe.hyperparameters:
        recipe = replace(recipe, hyperparameters=recipe.hyperparameters | {"parts": bench.plan.folds})
    return recipe


def _first(bench: FitContext, incumbent: Incumbent | None) -> list[Candidate]:
    """The champion's recipe, or what it averages."""
    recipe = _recipe(bench, incumbent)
    if recipe is None:
        return []
    return [recipe] if recipe.family != ensemble.FAMILY else list(ensemble.members(recipe))


def _nothing(problem: Problem, search: Search, contest: FinalRound) -> NothingFitted | TimedOut:
    failures = search.tasted.failures + search.tally.failures + contest.tally.failures
    if not failures and problem.seconds is None:
        return NothingFitted(
            f"No candidate predicts a row within {problem.infer_limit:g} µs; allow more, or name faster families."
        )
    if not failures:
        return TimedOut(
            f"No candidate could be scored on all folds within {problem.seconds:g} s; allow more."
        )
    first = failures[0]
    nothing = NothingFitted(
        f"No candidate could be fitted and scored on all folds. {first.candidate}: {first.reason}"
    )
    if all(failure.code == first.code for failure in failures):
        nothing.code = first.code
    return nothing
