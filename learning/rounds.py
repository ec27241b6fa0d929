"""A round: all its candidates on all its folds, as steps, and what they told."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from statistics import fmean

from .families import Candidate
from .folds import Round
from .problem import Problem
from .search import Failed, Fit, Scored, Workers
from .select import Entry
from .steps import CandidateFailed, CandidateScored, FoldScored, Step

#: Of a fold that was scored: the candidate's key, the round, the fold.
Key = tuple[str, str, int]


@dataclass(frozen=True)
class Span:
    """Where in a build, in percent, something begins and ends."""

    start: float
    end: float

    def at(self, done: int, of: int) -> float:
        """The percent that are done with `done` of its `of` parts."""
        return self.start + (self.end - self.start) * done / of


@dataclass(kw_only=True)
class Tally:
    """What a round has told so far."""

    candidates: Sequence[Candidate]
    folds: int
    scored: dict[Candidate, list[FoldScored]] = field(default_factory=dict)
    #: Of each candidate that was scored on all folds, in the candidates' order.
    means: dict[Candidate, float] = field(default_factory=dict)
    failures: list[CandidateFailed] = field(default_factory=list)

    def add(self, step: FoldScored) -> FoldScored:
        steps = self.scored.setdefault(step.candidate, [])
        steps.append(step)
        if len(steps) == self.folds:
            self.means[step.candidate] = fmean(each.score for each in steps)
        return step

    def failed(self, step: CandidateFailed) -> CandidateFailed:
        self.failures.append(step)
        return step

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

    def cut_short(self, seconds: float | None) -> str:
        """A sentence where the clock bit, to be added to a reason."""
        done = len(self.means) + len(self.failures)
        if done == len(self.candidates):
            return ""
        return (
            f" The time limit of {seconds:g} s cut the search short after {done} of "
            f"{len(self.candidates)} candidates."
        )


def play(
    name: Round,
    candidates: Sequence[Candidate],
    problem: Problem,
    processes: Workers,
    known: Mapping[Key, FoldScored],
    span: Span,
    deadline: float | None = None,
) -> Generator[Step, None, Tally]:
    """Score all candidates on all folds of a round; folds that are `known` are not fitted again."""
    fits = [Fit(candidate, name, fold) for candidate in candidates for fold in range(problem.folds)]
    position = {fit: place for place, fit in enumerate(fits, start=1)}
    tally = Tally(candidates=candidates, folds=problem.folds)
    before = {key: _outcome(step) for key, step in known.items()}
    for fit, outcome in processes.score(fits, before, deadline):
        percent = span.at(position[fit], len(fits))
        if isinstance(outcome, Failed):
            yield tally.failed(_failure(fit, percent, outcome))
            continue
        yield tally.add(_fold(fit, percent, outcome))
        if fit.candidate in tally.means:
            yield _candidate(fit, percent, tally.means)
    return tally


def _fold(fit: Fit, percent: float, outcome: Scored) -> FoldScored:
    return FoldScored(
        percent=percent, candidate=fit.candidate, round=fit.round, fold=fit.fold, **vars(outcome)
    )


def _outcome(step: FoldScored) -> Scored:
    return Scored(**{each.name: getattr(step, each.name) for each in fields(Scored)})


def _candidate(fit: Fit, percent: float, means: Mapping[Candidate, float]) -> CandidateScored:
    score, best = means[fit.candidate], max(means.values())
    return CandidateScored(percent=percent, candidate=fit.candidate, round=fit.round, score=score, best=best)


def _failure(fit: Fit, percent: float, outcome: Failed) -> CandidateFailed:
    return CandidateFailed(
        percent=percent, candidate=fit.candidate, round=fit.round, fold=fit.fold, **vars(outcome)
    )


def _recalls(steps: Sequence[FoldScored]) -> dict[str, float]:
    """Each class's recall over all held-out rows together: its folds' recalls, weighed by its rows in
    each.
    """
    hits: dict[str, float] = {}
    support: dict[str, float] = {}
    for step in steps:
        recall = {
            m.label: m.value or 0.0 for m in step.measures if m.metric == "recall" and m.label is not None
        }
        rows = {
            m.label: m.value or 0.0 for m in step.measures if m.metric == "support" and m.label is not None
        }
        for label, n in rows.items():
            support[label] = support.get(label, 0.0) + n
            hits[label] = hits.get(label, 0.0) + n * recall[label]
    return {label: hits[label] / n for label, n in support.items() if n}
