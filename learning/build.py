"""READ FIRST: a build as a generator of steps.

`build` analyses a dataset, searches for candidates, compares the best on fresh folds, decides, and fits models. It
depends on no database: the caller iterates over the steps, stores them, and stops iterating to stop the build.
"""

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .analysis import Analysis
from .analysis.overview import analyse
from .dataset import Dataset
from .estimators import ensemble, families
from .estimators.families import BASELINE, Candidate
from .evaluation.later_rows import compare_later_rows
from .evaluation.learnable import Learnable, select_learnable
from .evaluation.repeats import find_repeats
from .exceptions import NothingFitted, TimedOut
from .fits import process_pool
from .fits.fold_fit import FitContext
from .fits.running import RunningFits
from .fits.scheduler import FitScheduler, Pool
from .problem import Problem
from .selection import fitting
from .selection.clock import EARLIEST_SHARE, END_SHARE, LAST_SHARE, LATEST_SHARE, SEARCH_SHARE, Clock
from .selection.cluster_numbers import explain_number
from .selection.decision import Decision, Incumbent, candidates_to_fit, decide
from .selection.early import EarlyVersions
from .selection.final_round import FinalRound
from .selection.fitting import FinalFits
from .selection.gate import Gate
from .selection.hidden_groups import find_hidden_groups
from .selection.judge import Judge
from .selection.optimism import Optimism
from .selection.reasons import Ground
from .selection.repeat_effect import describe_effect
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
from .selection.time_objections import TimeObjections

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
    "PoolFactory",
    "RecordedFolds",
    "Step",
    "build",
]

SEARCHING, FINAL = Span(2, 70), Span(70, 85)

#: Opens a pool that fits in this context, with a time limit in seconds and a memory limit in megabytes (None: none).
PoolFactory = Callable[[FitContext, float, int | None], AbstractContextManager[Pool]]
#: Loads the folds that an interrupted run has scored with the same `FitContext.digest`.
RecordedFolds = Callable[[str], Mapping[Key, FoldScored]]


def build(
    problem: Problem,
    dataset: Dataset,
    incumbent: Incumbent | None = None,
    load_recorded: RecordedFolds | None = None,
    *,
    workers: int = 2,
    folder: Path | None = None,
    pool_factory: PoolFactory | None = None,
    objections: Sequence[str] = (),
    started: float | None = None,
    is_unserved: bool | None = None,
    in_progress: RunningFits | None = None,
) -> Generator[Step, None, None]:
    """Analyse, search, run the final round, decide, fit, and draw diagnostics; yields each step when it is done.

    The same dataset, problem and incumbent give the same winner, whatever pool runs the fits, unless the time limit
    interfered; the decision's reason says so.

    Args:
        incumbent: The champion, which a new model must beat.
        load_recorded: Loads the folds that an interrupted run has scored; they are yielded again, but not fitted.
        workers: Number of fits at a time.
        folder: Parent of the temporary files; None: the system's.
        pool_factory: Opens the pool that runs the fits; None: processes of this machine.
        objections: Reasons of the caller why a person must promote the winner, one sentence each.
        is_unserved: Whether no version serves, so that an early one may; None: if there is no incumbent.
        in_progress: Receives the fits that run, for other threads to read.
        started: When the build started, by `time.monotonic`; None: now. `problem.seconds` count from then.

    Raises:
        InvalidProblem: The metric is for another number of classes.
        TooFewInstances: Fewer than two classes have enough examples for folds.
        NothingFitted, TimedOut: No candidate was scored on all folds.
        WorkersLost: The processes could not be kept alive.
    """
    started = time.monotonic() if started is None else started
    clock = Clock(started=started, seconds=problem.seconds, pictures=problem.pictures)
    learnable, analysed = _analyse(problem, select_learnable(problem, dataset))
    yield Analysed(percent=SEARCHING.start, analysis=analysed)
    context = _fit_context(problem, learnable, analysed)
    recorded = load_recorded(context.digest) if load_recorded else {}
    open_pool = pool_factory or partial(_open_process_pool, workers, folder)
    with open_pool(context, clock.fit_seconds, problem.megabytes) as pool:
        scheduler = FitScheduler(pool, clock.fit_seconds, in_progress)
        runner = FoldRunner(scheduler=scheduler, recorded=recorded)
        search = _prepare_search(problem, context, runner, incumbent, clock)
        early = _prepare_early(search, analysed, objections, clock)
        if problem.early and (incumbent is None if is_unserved is None else is_unserved):
            search.after_rung = early.run
        yield from search.run()
        incumbent = early.incumbent() or incumbent
        final_round = _prepare_final_round(search, incumbent, early, clock)
        yield from final_round.run()
        decision = _decide(search, final_round, incumbent, analysed).hold(objections)
        optimism = Optimism(search=search, final_round=final_round, incumbent=incumbent)
        later = TimeObjections(analysis=analysed, incumbent=incumbent).sentences()
        remarks = [*learnable.remarks, *(later or [final_round.horizon])]
        yield _decided(decision, search.stop_reason + final_round.stop_reason, remarks)
        if decision.winner:
            yield from _prepare_final_fits(final_round, decision.winner, incumbent, optimism, clock).run()


def _analyse(problem: Problem, learnable: Learnable) -> tuple[Learnable, Analysis]:
    """Analyse the examples and the folds, which keep repeated rows and hidden groups together."""
    learnable, analysed = _analyse_repeats(problem, learnable)
    groups = find_hidden_groups(problem, learnable, analysed)
    if groups is not None:
        learnable = replace(learnable, dataset=groups.together or learnable.dataset)
        analysed = analysed.add(groups.finding())
    later = compare_later_rows(problem, learnable)
    if later is None or not later.are_harder:
        return learnable, analysed
    return learnable, analysed.add(later.finding())


def _analyse_repeats(problem: Problem, learnable: Learnable) -> tuple[Learnable, Analysis]:
    """Analyse the examples, and let the folds keep repeated rows together."""
    analysed = replace(analyse(learnable.dataset, problem), remarks=learnable.remarks)
    repeats = find_repeats(learnable.plan, learnable.dataset, analysed)
    if repeats is None:
        return learnable, analysed
    analysed = replace(analyse(repeats.dataset, problem), remarks=learnable.remarks)
    if repeats.together is None:
        return learnable, analysed.add(repeats.finding())
    learnable = replace(learnable, dataset=repeats.together)
    return learnable, analysed.add(repeats.finding(describe_effect(problem, learnable)))


def _fit_context(problem: Problem, learnable: Learnable, analysed: Analysis) -> FitContext:
    return FitContext(
        task=problem.task,
        dataset=learnable.dataset,
        metric=learnable.metric,
        plan=learnable.plan,
        seed=problem.seed,
        doubtful=analysed.doubtful,
        time_predictions=problem.infer_limit is not None,
    )


def _prepare_search(
    problem: Problem, context: FitContext, runner: FoldRunner, incumbent: Incumbent | None, clock: Clock
) -> Search:
    return Search(
        problem=problem,
        context=context,
        runner=runner,
        span=SEARCHING,
        deadline=clock.at(SEARCH_SHARE),
        latest_deadline=clock.at(LATEST_SHARE),
        end=clock.at(END_SHARE),
        earliest=clock.at(EARLIEST_SHARE),
        incumbents=_incumbent_members(context, incumbent),
    )


def _prepare_early(
    search: Search, analysed: Analysis, objections: Sequence[str], clock: Clock
) -> EarlyVersions:
    def decide_early(final_round: FinalRound, incumbent: Incumbent | None) -> Decision:
        return _decide(search, final_round, incumbent, analysed).hold(objections)

    return EarlyVersions(
        search=search,
        analysed=analysed,
        decide=decide_early,
        deadline=clock.at(SEARCH_SHARE / 2),
        end=clock.at(SEARCH_SHARE),
    )


def _prepare_final_round(
    search: Search, incumbent: Incumbent | None, early: EarlyVersions, clock: Clock
) -> FinalRound:
    return FinalRound(
        problem=search.problem,
        context=search.context,
        runner=search.runner,
        span=FINAL,
        search=search,
        incumbent=_incumbent_recipe(search.context, incumbent),
        end=clock.at(END_SHARE),
        last=clock.last,
        scored=tuple(early.folds.values()),
    )


def _prepare_final_fits(
    final_round: FinalRound,
    winner: Candidate,
    incumbent: Incumbent | None,
    optimism: Optimism,
    clock: Clock,
) -> FinalFits:
    pictures = final_round.problem.pictures
    return FinalFits(
        scheduler=final_round.runner.scheduler,
        final_round=final_round,
        candidates=candidates_to_fit(winner, final_round.entries(), final_round.problem.keep),
        incumbent=incumbent,
        optimism=optimism,
        span=fitting.FITTING if pictures else fitting.ONLY_FITTING,
        winner_deadline=clock.at(LAST_SHARE),
        alternative_deadline=clock.fits_end,
        drawing_deadline=partial(clock.drawing_deadline, fitting.PICTURE_SECONDS) if pictures else None,
    )


def _open_process_pool(
    workers: int, folder: Path | None, context: FitContext, seconds: float, megabytes: int | None
) -> AbstractContextManager[Pool]:
    return process_pool.start_pool(context, workers, seconds, megabytes, folder)


def _incumbent_recipe(context: FitContext, incumbent: Incumbent | None) -> Candidate | None:
    """Return the champion's recipe; None if one of its families is not available.

    A recipe of fold models averages as many as there are folds now.
    """
    if incumbent is None:
        return None
    recipe, available = incumbent.candidate, families.names(context.task)
    if any(member.family not in available for member in ensemble.members(recipe)):
        return None
    if "parts" in recipe.hyperparameters:
        recipe = replace(recipe, hyperparameters=recipe.hyperparameters | {"parts": context.plan.folds})
    return recipe


def _incumbent_members(context: FitContext, incumbent: Incumbent | None) -> list[Candidate]:
    """Return the champion's recipe, or the recipes that it averages."""
    recipe = _incumbent_recipe(context, incumbent)
    if recipe is None:
        return []
    return [recipe] if recipe.family != ensemble.FAMILY else list(ensemble.members(recipe))


def _decide(
    search: Search, final_round: FinalRound, incumbent: Incumbent | None, analysed: Analysis
) -> Decision:
    """Decide the final round. Raises NothingFitted or TimedOut if it scored no candidate."""
    entries, context = final_round.entries(), final_round.context
    if not entries:
        raise _nothing_fitted(search, final_round)
    means = search.scoreboard.means
    judge = Judge(
        search=search, final_round=final_round, entries=entries, incumbent=incumbent, analysis=analysed
    )
    decision = decide(
        search.problem,
        context.metric,
        entries,
        incumbent,
        context.dataset.fingerprint,
        context.plan.ratio,
        baseline=next((score for c, score in means.items() if c.family == BASELINE), None),
        classes=context.dataset.classes,
        ground=_ground(final_round),
        uncompared=_is_uncompared(search, final_round),
        cut_short=final_round.is_cut_short,
        judge=judge.objections,
        compare=Gate(search=search, final_round=final_round).compare,
    )
    if context.problem_type.learns_from_labels or decision.winner is None:
        return decision
    number = explain_number(decision.winner, context.metric, search.scoreboard)
    return replace(decision, reason=decision.reason + number)


def _ground(final_round: FinalRound) -> Ground:
    """Describe what the final round is scored on."""
    dataset, plan = final_round.context.dataset, final_round.context.plan
    held_out = [rows for _, rows in final_round.folds]
    return Ground(
        examples=len(dataset),
        ordered=plan.ordered,
        classes=_count_classes(dataset, np.arange(len(dataset))),
        held_out=_count_classes(dataset, np.unique(np.concatenate(held_out))),
    )


def _count_classes(dataset: Dataset, rows: NDArray[np.intp]) -> dict[str, int]:
    """Count these rows of each class; nothing without classes."""
    if dataset.y is None or not dataset.classes:
        return {}
    counts = np.bincount(dataset.y[rows].astype(np.int64), minlength=len(dataset.classes))
    return dict(zip(dataset.classes, counts.tolist(), strict=True))


def _is_uncompared(search: Search, final_round: FinalRound) -> bool:
    """Return whether the time limit ended before the champion's recipe, which can be fitted, was scored."""
    recipe = final_round.incumbent
    if search.problem.seconds is None or recipe is None or recipe in final_round.scoreboard.means:
        return False
    failed = {*search.screening.failed, *search.scoreboard.failed, *final_round.scoreboard.failed}
    return not failed & {recipe, *ensemble.members(recipe)}


def _decided(decision: Decision, stop_reasons: str, remarks: Sequence[str]) -> Decided:
    percent = fitting.FITTING.start if decision.winner else fitting.DRAWING.end
    return Decided.of(decision, percent, stop_reasons + "".join(f" {remark}" for remark in remarks if remark))


def _nothing_fitted(search: Search, final_round: FinalRound) -> NothingFitted | TimedOut:
    """Build the error that names the first failure; its code is the failures' if all have the same."""
    problem = search.problem
    failures = search.screening.failures + search.scoreboard.failures + final_round.scoreboard.failures
    if not failures and problem.seconds is None:
        return NothingFitted(
            f"No candidate predicts a row within {problem.infer_limit:g} µs; allow more, or name faster families."
        )
    if not failures:
        return TimedOut(
            f"No candidate could be scored on all folds within {problem.seconds:g} s; allow more."
        )
    first = failures[0]
    error = NothingFitted(
        f"No candidate could be fitted and scored on all folds. {first.candidate}: {first.reason}"
    )
    if all(failure.code == first.code for failure in failures):
        error.code = first.code
    return error
