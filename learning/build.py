"""READ FIRST: the build phase as a generator of steps.

    candidates drawn ─▶ search ─▶ contest on fresh folds ─▶ decided ─▶ fitted on all examples

Whoever iterates decides what to do about each step: store it, show it, stop. Closing the generator ends every fit.
"""

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

from . import families, model, search, select
from .dataset import Dataset
from .evaluate import Measure
from .exceptions import NothingFitted, TimedOut
from .families import Candidate
from .folds import Round
from .model import Model
from .problem import Clustering, Problem
from .search import Failed, Fit, Scored, Workers
from .select import Entry, Incumbent

__all__ = ["CandidateFailed", "CandidateScored", "CandidatesDrawn", "Decided", "Fitted", "FoldScored", "Incumbent"]
__all__ += ["Step", "build"]

#: The share of `problem.seconds` that the search may take.
SEARCH_SHARE = 0.6
#: Percent of the build that is done when a stage begins and when it ends.
SEARCHING, CONTESTING, FITTING = (1.0, 70.0), (70.0, 90.0), (90.0, 100.0)
#: The `fold` of a failure that did not happen on a fold, but when the candidate was fitted on all examples.
ALL_EXAMPLES = -1


@dataclass(frozen=True, kw_only=True)
class CandidatesDrawn:
    """It is known who takes part."""

    percent: float
    #: In the order in which they are scored; the champion's recipe first.
    candidates: tuple[Candidate, ...]

    @property
    def message(self) -> str:
        names = ", ".join(dict.fromkeys(candidate.family for candidate in self.candidates))
        return f"Drew {len(self.candidates)} candidates of the families {names}."


@dataclass(frozen=True, kw_only=True)
class FoldScored:
    """A candidate learned from all folds but one, and was scored on that one."""

    percent: float
    candidate: Candidate
    round: Round
    #: From 0.
    fold: int
    #: The problem's metric, greater is better.
    score: float
    measures: tuple[Measure, ...]
    fit_seconds: float
    predict_seconds: float

    @property
    def message(self) -> str:
        return f"{self.candidate} scored {self.score:.4g} on fold {self.fold + 1} of the {self.round}."


@dataclass(frozen=True, kw_only=True)
class CandidateScored:
    """A candidate was scored on all folds of a round."""

    percent: float
    candidate: Candidate
    round: Round
    #: Mean over the folds.
    score: float
    #: The best such mean of this round so far.
    best: float

    @property
    def message(self) -> str:
        return f"{self.candidate} scored {self.score:.4g} in the {self.round}; the best so far is {self.best:.4g}."


@dataclass(frozen=True, kw_only=True)
class CandidateFailed:
    """A candidate could not be fitted or scored; it is out, and the others go on."""

    percent: float
    candidate: Candidate
    round: Round
    #: `ALL_EXAMPLES` (−1) where it was the last fit that failed.
    fold: int
    code: str
    reason: str

    @property
    def message(self) -> str:
        return f"{self.candidate} is out of the {self.round}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class Decided:
    """The contest is over."""

    percent: float
    #: Whose model is fitted next; None where the champion's has learned all there is.
    winner: Candidate | None
    incumbent_kept: bool
    #: Why a person must decide whether the model serves; None where nobody must.
    held: str | None
    reason: str

    @property
    def message(self) -> str:
        return f"{self.reason} Held for a person: {self.held}" if self.held else self.reason


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A model learned from all examples."""

    percent: float
    candidate: Candidate
    model: Model
    metric: str
    #: The candidate's mean over the contest's folds.
    score: float
    #: Whether it won; the others are alternatives.
    winner: bool

    @property
    def message(self) -> str:
        role = "the winner" if self.winner else "an alternative"
        return f"Fitted {self.candidate} on all examples, {role} with {self.metric} {self.score:.4g}."


Step = CandidatesDrawn | FoldScored | CandidateScored | CandidateFailed | Decided | Fitted


def build(
    problem: Problem,
    dataset: Dataset,
    incumbent: Incumbent | None = None,
    scored: Mapping[tuple[str, str, int], FoldScored] | None = None,
    *,
    workers: int = 2,
    folder: Path | None = None,
) -> Iterator[Step]:
    """Search, contest, decide, fit: `workers` fits at a time, temporary files in `folder`.

    `scored` are folds of an interrupted run by (candidate's key, round, fold): they are not fitted again, but yielded
    again. The same dataset, problem, and incumbent give the same winner whatever `workers`, unless `problem.seconds`
    bit, which the decision's reason says.

    Raises InvalidProblem (a metric for another number of classes), NothingFitted or TimedOut (no candidate could be
    scored on all folds), WorkersLost (the processes could not be kept alive).
    """
    started = time.monotonic()
    metric = problem.metric_for(len(dataset.classes) or None)
    candidates = _drawn(problem, incumbent)
    yield CandidatesDrawn(percent=SEARCHING[0], candidates=tuple(candidates))
    bench = search.Bench(task=problem.task, dataset=dataset, metric=metric, folds=problem.folds, seed=problem.seed)
    known = {key: _scored(step) for key, step in (scored or {}).items()}
    deadline = None if problem.seconds is None else started + problem.seconds * SEARCH_SHARE
    with search.at(bench, workers, folder, problem.seconds) as processes:
        searched = yield from _Round("search", candidates, problem, SEARCHING).run(processes, known, deadline)
        finalists = select.finalists(searched.means, problem.keep)
        met = yield from _Round("contest", finalists, problem, CONTESTING).run(processes, known)
        entries = met.entries(searched.means)
        if not entries:
            raise _nothing(problem, searched, met)
        decision = select.decide(problem, metric, entries, incumbent, dataset.fingerprint)
        yield Decided(
            percent=FITTING[0] if decision.winner else FITTING[1],
            winner=decision.winner,
            incumbent_kept=decision.incumbent_kept,
            held=decision.held,
            reason=decision.reason + searched.cut_short(problem),
        )
        if decision.winner is not None:
            last = select.kept(decision.winner, entries, problem.keep)
            yield from _fitted(processes, last, decision.winner, metric, met.means)


@dataclass(kw_only=True)
class _Tally:
    """What a round has told so far."""

    candidates: Sequence[Candidate]
    folds: int
    #: Of each candidate that has not failed.
    scored: dict[Candidate, list[FoldScored]] = field(default_factory=dict)
    failures: list[CandidateFailed] = field(default_factory=list)

    @property
    def means(self) -> dict[Candidate, float]:
        """Of each candidate that was scored on all folds, in the candidates' order."""
        return {c: fmean(s.score for s in steps) for c, steps in self.scored.items() if len(steps) == self.folds}

    def entries(self, searched: Mapping[Candidate, float]) -> list[Entry]:
        """Those that were scored on all folds, as the contest sees them."""
        return [
            Entry(
                candidate=candidate,
                searched=searched.get(candidate),
                scores=tuple(step.score for step in self.scored[candidate]),
                recalls=_recalls(self.scored[candidate]),
            )
            for candidate in self.means
        ]

    def cut_short(self, problem: Problem) -> str:
        """A sentence where the clock bit, to be added to a reason."""
        done = len(self.means) + len(self.failures)
        if done == len(self.candidates):
            return ""
        return (
            f" The time limit of {problem.seconds:g} s cut the search short after {done} of "
            f"{len(self.candidates)} candidates."
        )


class _Round:
    """All candidates on all folds of one round."""

    def __init__(self, name: Round, candidates: Sequence[Candidate], problem: Problem, span: tuple[float, float]):
        self._name = name
        self._fits = [Fit(candidate, name, fold) for candidate in candidates for fold in range(problem.folds)]
        self._tally = _Tally(candidates=candidates, folds=problem.folds)
        self._positions = {fit: position for position, fit in enumerate(self._fits, start=1)}
        self._span = span

    def run(
        self,
        processes: Workers,
        known: Mapping[tuple[str, str, int], Scored],
        deadline: float | None = None,
    ) -> Generator[Step, None, _Tally]:
        for fit, outcome in processes.score(self._fits, known, deadline):
            if isinstance(outcome, Failed):
                yield self._failure(fit, outcome)
                continue
            yield self._score(fit, outcome)
            if len(self._tally.scored[fit.candidate]) == self._tally.folds:
                yield self._candidate(fit)
        return self._tally

    def _percent(self, fit: Fit) -> float:
        start, end = self._span
        return start + (end - start) * self._positions[fit] / len(self._fits)

    def _score(self, fit: Fit, outcome: Scored) -> FoldScored:
        step = FoldScored(
            percent=self._percent(fit),
            candidate=fit.candidate,
            round=self._name,
            fold=fit.fold,
            score=outcome.score,
            measures=outcome.measures,
            fit_seconds=outcome.fit_seconds,
            predict_seconds=outcome.predict_seconds,
        )
        self._tally.scored.setdefault(fit.candidate, []).append(step)
        return step

    def _candidate(self, fit: Fit) -> CandidateScored:
        means = self._tally.means
        return CandidateScored(
            percent=self._percent(fit),
            candidate=fit.candidate,
            round=self._name,
            score=means[fit.candidate],
            best=max(means.values()),
        )

    def _failure(self, fit: Fit, outcome: Failed) -> CandidateFailed:
        step = CandidateFailed(
            percent=self._percent(fit),
            candidate=fit.candidate,
            round=self._name,
            fold=fit.fold,
            code=outcome.code,
            reason=outcome.reason,
        )
        self._tally.failures.append(step)
        return step


def _drawn(problem: Problem, incumbent: Incumbent | None) -> list[Candidate]:
    """The champion's recipe, where its family is still known, and the problem's number of others."""
    clusters = problem.clusters if isinstance(problem, Clustering) else ()
    drawn = families.candidates(problem.task, problem.families, problem.candidates, problem.seed, clusters)
    if incumbent is None or incumbent.family not in families.names(problem.task):
        return drawn
    return [incumbent.candidate, *(c for c in drawn if c.key != incumbent.candidate.key)]


def _scored(step: FoldScored) -> Scored:
    return Scored(
        score=step.score,
        measures=step.measures,
        fit_seconds=step.fit_seconds,
        predict_seconds=step.predict_seconds,
    )


def _recalls(steps: Sequence[FoldScored]) -> dict[str, float]:
    """Each class's recall over all held-out rows together: its folds' recalls, weighed by its rows in each."""
    hits: dict[str, float] = {}
    support: dict[str, float] = {}
    for step in steps:
        of = {(m.metric, m.label): m.value or 0.0 for m in step.measures if m.label is not None}
        for (metric, label), value in of.items():
            if metric == "support" and label is not None:
                support[label] = support.get(label, 0.0) + value
                hits[label] = hits.get(label, 0.0) + value * of["recall", label]
    return {label: hits[label] / n for label, n in support.items() if n}


def _fitted(
    processes: Workers, candidates: Sequence[Candidate], winner: Candidate, metric: str, scores: Mapping[Candidate, float]
) -> Iterator[Step]:
    start, end = FITTING
    for position, (candidate, artifact) in enumerate(processes.fit(candidates), start=1):
        percent = start + (end - start) * position / len(candidates)
        if not isinstance(artifact, Failed):
            yield Fitted(
                percent=percent,
                candidate=candidate,
                model=model.loads(artifact),
                metric=metric,
                score=scores[candidate],
                winner=candidate == winner,
            )
            continue
        if candidate == winner:
            raise NothingFitted(f"The winner, {candidate}, could not be fitted on all examples: {artifact.reason}")
        yield CandidateFailed(
            percent=percent,
            candidate=candidate,
            round="contest",
            fold=ALL_EXAMPLES,
            code=artifact.code,
            reason=artifact.reason,
        )


def _nothing(problem: Problem, searched: _Tally, met: _Tally) -> NothingFitted | TimedOut:
    failures = searched.failures + met.failures
    if not failures:
        return TimedOut(f"No candidate could be scored on all folds within {problem.seconds:g} s; allow more.")
    first = failures[0]
    return NothingFitted(f"No candidate could be fitted and scored on all folds. {first.candidate}: {first.reason}")
