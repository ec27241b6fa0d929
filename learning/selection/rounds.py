"""What rounds tell: candidates on folds, as steps, and a tally of what is known so far."""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from statistics import fmean

from ..estimators.families import Candidate
from ..evaluation.folds import Round
from ..fits.fold_fit import Failed, Fit, Scored
from ..fits.scheduler import FitScheduler
from .steps import CandidateFailed, CandidateScored, FoldScored, Step

#: Of a fold that was scored: the candidate's key, the round, the fold.
Key = tuple[str, str, int]


@dataclass(frozen=True)
class Span:
    """Where in a build, in percent, something begins and ends."""

    start: float
    end: float

    def at(self, done: float, of: float) -> float:
        """The percent that are done with `done` of its `of` parts."""
        return self.start + (self.end - self.start) * min(1.0, done / of)


@dataclass(kw_only=True)
class Scoreboard:
    """What a round has told so far."""

    round: Round
    #: Of the round.
    folds: int
    #: By fold.
    scored: dict[Candidate, dict[int, FoldScored]] = field(default_factory=dict)
    #: Of each candidate that was scored on all folds, in the order of their places.
    means: dict[Candidate, float] = field(default_factory=dict)
    #: Of candidates in the order in which they came in: which of two fits ends first must not matter.
    places: dict[Candidate, int] = field(default_factory=dict)
    failures: list[CandidateFailed] = field(default_factory=list)

    def add(self, step: FoldScored) -> None:
        self.enter([step.candidate])
        steps = self.scored.setdefault(step.candidate, {})
        steps[step.fold] = step
        if len(steps) == self.folds:
            means = self.means | {step.candidate: self.mean(step.candidate, range(self.folds))}
            self.means = {c: means[c] for c in self._placed(means)}

    def enter(self, candidates: Iterable[Candidate]) -> None:
        """Give places to those that have none."""
        for candidate in candidates:
            self.places.setdefault(candidate, len(self.places))

    def whole(self, candidate: Candidate) -> int:
        """How many of the first folds it was scored on, without a gap."""
        steps = self.scored.get(candidate, {})
        return next(fold for fold in range(self.folds + 1) if fold not in steps)

    def cut(self, folds: int) -> None:
        """Make do with the first folds: with whoever was scored on all of these."""
        if not folds:
            return
        self.folds = folds
        whole = [c for c, steps in self.scored.items() if all(fold in steps for fold in range(folds))]
        self.means = {c: self.mean(c, range(folds)) for c in self._placed(whole)}
        self.scored = {c: {fold: self.scored[c][fold] for fold in range(folds)} for c in self.means}

    def _placed(self, candidates: Iterable[Candidate]) -> list[Candidate]:
        return sorted(candidates, key=self.places.__getitem__)

    def mean(self, candidate: Candidate, folds: Iterable[int]) -> float:
        """Over these folds."""
        return fmean(self.scored[candidate][fold].score for fold in folds)

    def scores(self, candidate: Candidate) -> tuple[float, ...]:
        """Of each fold, for a candidate that was scored on all."""
        return tuple(self.scored[candidate][fold].score for fold in range(self.folds))

    def seconds(self, candidate: Candidate) -> float:
        """What one fold of it takes, on average."""
        steps = self.scored[candidate].values()
        return fmean(step.fit_seconds + step.predict_seconds for step in steps)

    def microseconds(self, candidate: Candidate) -> float | None:
        """What it takes to predict one row: the least of what was measured."""
        told = [s.microseconds for s in self.scored.get(candidate, {}).values() if s.microseconds is not None]
        return min(told, default=None)

    @property
    def failed(self) -> set[Candidate]:
        return {failure.candidate for failure in self.failures}

    def recalls(self, candidate: Candidate) -> dict[str, float]:
        """Each class's recall over all held-out rows together: its folds' recalls, weighed by its rows in each."""
        hits: dict[str, float] = {}
        support: dict[str, float] = {}
        for step in self.scored[candidate].values():
            of_class = {(m.metric, m.label): m.value or 0.0 for m in step.measures if m.label is not None}
            for (metric, label), rows in of_class.items():
                if metric == "support" and label is not None:
                    support[label] = support.get(label, 0.0) + rows
                    hits[label] = hits.get(label, 0.0) + rows * of_class["recall", label]
        return {label: hits[label] / n for label, n in support.items() if n}


@dataclass(frozen=True, kw_only=True)
class FoldRunner:
    """Plays rounds: has folds fitted that are not known yet, and tells what became of them."""

    workers: FitScheduler
    #: Folds of an interrupted run: they are told again, and not fitted.
    known: Mapping[Key, FoldScored]

    def play(
        self,
        tally: Scoreboard,
        candidates: Sequence[Candidate],
        folds: Sequence[int],
        percent: float,
        ahead: Sequence[Fit] = (),
        deadline: float | None = None,
        takes: Callable[[Candidate], float] | None = None,
    ) -> Generator[Step, None, None]:
        """Score the candidates on these folds of the tally's round, in whatever order the outcomes come.

        Those for whom a fit `takes` longest begin, so that nobody waits for them at the end; None: in their order.
        """
        tally.enter(candidates)
        fits = [
            Fit(candidate, tally.round, fold)
            for candidate in candidates
            if candidate not in tally.failed
            for fold in folds
            if fold not in tally.scored.get(candidate, {})
        ]
        new = [fit for fit in fits if fit.key not in self.known]
        if takes is not None:
            new.sort(key=lambda fit: takes(fit.candidate), reverse=True)
        self.workers.begin(new)
        for fit in fits:
            if fit.key in self.known:
                yield from _told(tally, fit, percent, _outcome(self.known[fit.key]))
        ahead = [fit for fit in ahead if fit.key not in self.known]
        for fit, outcome in self.workers.score(new, ahead, deadline):
            yield from _told(tally, fit, percent, outcome)


def _told(
    tally: Scoreboard, fit: Fit, percent: float, outcome: Scored | Failed
) -> Generator[Step, None, None]:
    if isinstance(outcome, Failed):
        failure = CandidateFailed(
            percent=percent, candidate=fit.candidate, round=fit.round, fold=fit.fold, **vars(outcome)
        )
        tally.failures.append(failure)
        yield failure
        return
    step = FoldScored(
        percent=percent, candidate=fit.candidate, round=fit.round, fold=fit.fold, **vars(outcome)
    )
    tally.add(step)
    yield step
    if fit.candidate in tally.means and tally.round == "search":
        yield CandidateScored(
            percent=percent,
            candidate=fit.candidate,
            round=fit.round,
            score=tally.means[fit.candidate],
            best=max(tally.means.values()),
        )


def _outcome(step: FoldScored) -> Scored:
    return Scored(**{each.name: getattr(step, each.name) for each in fields(Scored)})
