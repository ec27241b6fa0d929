"""READ FIRST: the build phase as a generator of steps.

    candidates drawn ─▶ search ─▶ contest on fresh folds ─▶ decided ─▶ fitted on all examples

Whoever iterates decides what to do about each step: store it, show it, stop. Closing the generator ends
every fit.
"""

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path

from . import families, model, portfolio, rounds, search, select
from .dataset import Dataset
from .exceptions import NothingFitted, TimedOut
from .families import Candidate
from .problem import Clustering, Problem
from .rounds import Key, Span, Tally
from .search import Failed, Workers
from .select import Decision, Incumbent
from .steps import (
    ALL_EXAMPLES,
    CandidateFailed,
    CandidateScored,
    CandidatesDrawn,
    Decided,
    Fitted,
    FoldScored,
    Step,
)

__all__ = [
    "CandidateFailed",
    "CandidateScored",
    "CandidatesDrawn",
    "Decided",
    "Fitted",
    "FoldScored",
    "Incumbent",
    "Step",
    "build",
]

#: The share of `problem.seconds` that the search may take.
SEARCH_SHARE = 0.6
SEARCHING, CONTESTING, FITTING = Span(1, 70), Span(70, 90), Span(90, 100)


def build(
    problem: Problem,
    dataset: Dataset,
    incumbent: Incumbent | None = None,
    scored: Mapping[Key, FoldScored] | None = None,
    *,
    workers: int = 2,
    folder: Path | None = None,
) -> Generator[Step, None, None]:
    """Search, contest, decide, fit: `workers` fits at a time, temporary files in `folder`.

    `scored` are folds of an interrupted run by (candidate's key, round, fold): they are not fitted again,
    but yielded again. The same dataset, problem, and incumbent give the same winner whatever `workers`,
    unless `problem.seconds` bit, which the decision's reason says.

    Raises InvalidProblem (a metric for another number of classes), NothingFitted or TimedOut (no candidate
    could be scored on all folds), WorkersLost (the processes could not be kept alive).
    """
    started = time.monotonic()
    metric = problem.metric_for(len(dataset.classes) or None)
    candidates = _drawn(problem, incumbent)
    yield CandidatesDrawn(percent=SEARCHING.start, candidates=tuple(candidates))
    bench = search.Bench(problem.task, dataset, metric, problem.folds, problem.seed)
    known = scored or {}
    deadline = None if problem.seconds is None else started + problem.seconds * SEARCH_SHARE
    with search.at(bench, workers, folder, problem.seconds) as processes:
        searched = yield from rounds.play(
            "search", candidates, problem, processes, known, SEARCHING, deadline
        )
        finalists = select.finalists(searched.means, problem.keep)
        met = yield from rounds.play("contest", finalists, problem, processes, known, CONTESTING)
        entries = met.entries(searched.means)
        if not entries:
            raise _nothing(problem, searched, met)
        baseline = next((s for c, s in searched.means.items() if c.family == "baseline"), None)
        decision = select.decide(problem, metric, entries, incumbent, dataset.fingerprint, baseline)
        yield _decided(decision, searched.cut_short(problem.seconds))
        last = select.kept(decision.winner, entries, problem.keep) if decision.winner else []
        yield from _fitted(processes, last, metric, met.means)


def _decided(decision: Decision, cut_short: str) -> Decided:
    return Decided(
        percent=FITTING.start if decision.winner else FITTING.end,
        winner=decision.winner,
        incumbent_kept=decision.incumbent_kept,
        held=decision.held,
        reason=decision.reason + cut_short,
    )


def _drawn(problem: Problem, incumbent: Incumbent | None) -> list[Candidate]:
    """The champion's recipe, where its family is still known, and the problem's number of others."""
    clusters = problem.clusters if isinstance(problem, Clustering) else ()
    drawn = portfolio.candidates(problem.task, problem.families, problem.candidates, problem.seed, clusters)
    if incumbent is None or incumbent.family not in families.names(problem.task):
        return drawn
    return [incumbent.candidate, *(c for c in drawn if c.key != incumbent.candidate.key)]


def _fitted(
    processes: Workers, candidates: Sequence[Candidate], metric: str, scores: Mapping[Candidate, float]
) -> Iterator[Step]:
    """The first of the candidates is the winner."""
    for place, (candidate, artifact) in enumerate(processes.fit(candidates)):
        percent, winner = FITTING.at(place + 1, len(candidates)), place == 0
        if not isinstance(artifact, Failed):
            yield Fitted(
                percent=percent,
                candidate=candidate,
                model=model.loads(artifact),
                metric=metric,
                score=scores[candidate],
                winner=winner,
            )
        elif winner:
            raise NothingFitted(f"The winner, {candidate}, failed on all examples: {artifact.reason}")
        else:
            yield CandidateFailed(
                percent=percent,
                candidate=candidate,
                round="contest",
                fold=ALL_EXAMPLES,
                **vars(artifact),
            )


def _nothing(problem: Problem, searched: Tally, met: Tally) -> NothingFitted | TimedOut:
    failures = searched.failures + met.failures
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
