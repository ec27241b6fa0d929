"""Rounds: running candidates on folds, and the scoreboard of a round's outcomes so far."""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from ..estimators.families import Candidate
from ..evaluation.folds import Round
from ..fits.fold_fit import Failed, Fit, Scored
from ..fits.scheduler import FitScheduler
from .steps import CandidateFailed, CandidateScored, FoldScored, Step

#: Identity of a scored fold: the candidate's key, the round, the fold.
Key = tuple[str, str, int]


@dataclass(frozen=True)
class Span:
    """Part of a build, in percent."""

    start: float
    end: float

    def at(self, done: float, total: float) -> float:
        """Return the build's percent once `done` of `total` units of this part are done."""
        return self.start + (self.end - self.start) * min(1.0, done / total)


@dataclass(kw_only=True)
class Scoreboard:
    """Outcomes of one round so far."""

    round: Round
    #: Number of the round's folds.
    folds: int
    #: Scored folds by candidate and fold.
    scored: dict[Candidate, dict[int, FoldScored]] = field(default_factory=dict)
    #: Mean score of each candidate that was scored on all folds, in order of entry.
    means: dict[Candidate, float] = field(default_factory=dict)
    #: Order of entry of the candidates; results must not depend on which of two fits ends first.
    entry_order: dict[Candidate, int] = field(default_factory=dict)
    failures: list[CandidateFailed] = field(default_factory=list)

    def add(self, step: FoldScored) -> None:
        """Add a scored fold."""
        self.enter([step.candidate])
        steps = self.scored.setdefault(step.candidate, {})
        steps[step.fold] = step
        if len(steps) == self.folds:
            means = self.means | {step.candidate: self.mean(step.candidate, range(self.folds))}
            self.means = {c: means[c] for c in self._in_order(means)}

    def enter(self, candidates: Iterable[Candidate]) -> None:
        """Append candidates to the order of entry, unless they are in it."""
        for candidate in candidates:
            self.entry_order.setdefault(candidate, len(self.entry_order))

    def count_leading_folds(self, candidate: Candidate) -> int:
        """Return how many of the first folds, without a gap, the candidate was scored on."""
        steps = self.scored.get(candidate, {})
        return next(fold for fold in range(self.folds + 1) if fold not in steps)

    def truncate(self, folds: int) -> None:
        """Reduce the round to its first folds, and to the candidates scored on all of them; no effect for 0."""
        if not folds:
            return
        self.folds = folds
        complete = [c for c, steps in self.scored.items() if all(fold in steps for fold in range(folds))]
        self.means = {c: self.mean(c, range(folds)) for c in self._in_order(complete)}
        self.scored = {c: {fold: self.scored[c][fold] for fold in range(folds)} for c in self.means}

    def _in_order(self, candidates: Iterable[Candidate]) -> list[Candidate]:
        return sorted(candidates, key=self.entry_order.__getitem__)

    def mean(self, candidate: Candidate, folds: Iterable[int]) -> float:
        """Compute the mean score over these folds."""
        return fmean(self.scored[candidate][fold].score for fold in folds)

    def scores(self, candidate: Candidate) -> tuple[float, ...]:
        """Return the scores of all folds."""
        return tuple(self.scored[candidate][fold].score for fold in range(self.folds))

    def predictions(self, candidate: Candidate) -> NDArray[np.float32]:
        """Concatenate the predictions of all folds."""
        predictions = [self.scored[candidate][fold].predictions for fold in range(self.folds)]
        return np.concatenate([each for each in predictions if each is not None])

    def seconds(self, candidate: Candidate) -> float:
        """Compute the mean time of one fold."""
        steps = self.scored[candidate].values()
        return fmean(step.fit_seconds + step.predict_seconds for step in steps)

    def microseconds(self, candidate: Candidate) -> float | None:
        """Return the shortest measured time to predict one row; None if none was measured."""
        steps = self.scored.get(candidate, {}).values()
        return min((s.microseconds for s in steps if s.microseconds is not None), default=None)

    @property
    def failed(self) -> set[Candidate]:
        """Candidates that failed on a fold."""
        return {failure.candidate for failure in self.failures}

    def measures(self, candidate: Candidate) -> dict[str, float]:
        """Compute the mean over the folds of each measure of all classes that was defined."""
        values: dict[str, list[float]] = {}
        for step in self.scored[candidate].values():
            for measure in step.measures:
                if measure.label is None and measure.value is not None:
                    values.setdefault(measure.metric, []).append(measure.value)
        return {metric: fmean(each) for metric, each in values.items()}

    def recalls(self, candidate: Candidate) -> dict[str, float]:
        """Compute each class's recall over all held-out rows: the folds' recalls, weighted by the class's rows."""
        hits: dict[str, float] = {}
        support: dict[str, float] = {}
        for step in self.scored[candidate].values():
            values = {(m.metric, m.label): m.value or 0.0 for m in step.measures if m.label is not None}
            for (metric, label), rows in values.items():
                if metric == "support" and label is not None:
                    support[label] = support.get(label, 0.0) + rows
                    hits[label] = hits.get(label, 0.0) + rows * values["recall", label]
        return {label: hits[label] / n for label, n in support.items() if n}


@dataclass(frozen=True, kw_only=True)
class FoldRunner:
    """Runs candidates on folds, and yields the outcomes as steps."""

    scheduler: FitScheduler
    #: Folds scored by an interrupted run: they are yielded again, but not fitted.
    recorded: Mapping[Key, FoldScored]

    def run(
        self,
        scoreboard: Scoreboard,
        candidates: Sequence[Candidate],
        folds: Sequence[int],
        percent: float,
        ahead: Sequence[Fit] = (),
        deadline: float | None = None,
        seconds: Callable[[Candidate], float] | None = None,
    ) -> Generator[Step, None, None]:
        """Score the candidates on these folds of the scoreboard's round; steps come in the order in which fits end.

        Args:
            percent: The build's percent, for the steps.
            ahead: Fits for processes that would be idle.
            deadline: By `time.monotonic`; unfinished fits are killed.
            seconds: Estimated time of a candidate's fit: the longest start first, so that none runs alone at the end.
                None: fits start in the candidates' order.
        """
        scoreboard.enter(candidates)
        fits = [
            Fit(candidate, scoreboard.round, fold)
            for candidate in candidates
            if candidate not in scoreboard.failed
            for fold in folds
            if fold not in scoreboard.scored.get(candidate, {})
        ]
        new = [fit for fit in fits if fit.key not in self.recorded]
        if seconds is not None:
            new.sort(key=lambda fit: seconds(fit.candidate), reverse=True)
        self.scheduler.start(new)
        for fit in fits:
            if fit.key in self.recorded:
                yield from _add_outcome(scoreboard, fit, percent, _to_outcome(self.recorded[fit.key]))
        ahead = [fit for fit in ahead if fit.key not in self.recorded]
        for fit, outcome in self.scheduler.score(new, ahead, deadline):
            yield from _add_outcome(scoreboard, fit, percent, outcome)


def _add_outcome(
    scoreboard: Scoreboard, fit: Fit, percent: float, outcome: Scored | Failed
) -> Generator[Step, None, None]:
    """Add the outcome to the scoreboard, and yield its steps."""
    if isinstance(outcome, Failed):
        failure = CandidateFailed(
            percent=percent, candidate=fit.candidate, round=fit.round, fold=fit.fold, **vars(outcome)
        )
        scoreboard.failures.append(failure)
        yield failure
        return
    step = FoldScored(
        percent=percent, candidate=fit.candidate, round=fit.round, fold=fit.fold, **vars(outcome)
    )
    scoreboard.add(step)
    yield step
    if fit.candidate in scoreboard.means and scoreboard.round == "search":
        yield CandidateScored(
            percent=percent,
            candidate=fit.candidate,
            round=fit.round,
            score=scoreboard.means[fit.candidate],
            best=max(scoreboard.means.values()),
        )


def _to_outcome(step: FoldScored) -> Scored:
    return Scored(**{each.name: getattr(step, each.name) for each in fields(Scored)})
