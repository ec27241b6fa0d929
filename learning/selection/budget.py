"""What a time limit leaves for the contest: who takes part, on how many folds."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..estimators.families import Candidate

#: Estimates of time are taken to be this much too low.
CAUTION = 1.25
#: Folds that a contest should have, if it can.
FEWEST, GOOD = 2, 3


@dataclass(frozen=True, kw_only=True)
class Budget:
    """The time that is left, and what fits take of it."""

    #: By `time.monotonic`; None: no limit.
    ends: float | None
    #: Of the contest.
    folds: int
    #: How many times the rows of a fold a fit on all rows learns from.
    growth: float
    #: Fits at a time.
    processes: int
    #: What one fit of a candidate on a fold takes.
    seconds: Callable[[Candidate], float]
    #: Who takes part whatever it takes: the champion's recipe.
    always: tuple[Candidate, ...]

    @property
    def left(self) -> float:
        """Seconds."""
        return float("inf") if self.ends is None else self.ends - time.monotonic()

    def fits(self, seconds: Sequence[float]) -> bool:
        """Whether there is time for last fits that take so long on a fold each."""
        return self._last(seconds) <= self.left

    def folds_for(self, playing: Sequence[Candidate], fitted: Sequence[Candidate]) -> int:
        """How many folds leave the time to fit these at last."""
        each = max(1e-9, sum(self.seconds(c) for c in playing) * CAUTION / self.processes)
        left = self.left - self._last([self.seconds(c) for c in fitted])
        return self.folds if left >= each * self.folds else max(0, int(left / each))

    def deadline(self, fitted: Sequence[Candidate]) -> float | None:
        """When the last fits of these must begin."""
        return None if self.ends is None else self.ends - self._last([self.seconds(c) for c in fitted])

    def _last(self, seconds: Sequence[float]) -> float:
        together = max(sum(seconds) / self.processes, max(seconds, default=0.0))
        return together * self.growth * CAUTION


@dataclass(frozen=True, kw_only=True)
class Affordable:
    """Who takes part."""

    singles: tuple[Candidate, ...]
    #: Of an ensemble; empty without one.
    weights: Mapping[Candidate, float]
    folds: int
    #: By `time.monotonic`; None: no limit.
    deadline: float | None


def affordable(
    budget: Budget, finalists: Sequence[Candidate], weights: Mapping[Candidate, float]
) -> Affordable:
    """As much of the contest as there is time for: the ensemble loses the members that cost most for their weight
    until a few folds can be played, then other finalists than the best are left out.
    """
    weights = dict(weights)
    while weights:
        best = finalists[:1]
        if _folds(budget, [*best, *weights], list(weights)) >= GOOD:
            break
        dearest = max(weights, key=lambda c: budget.seconds(c) / weights[c])
        weights = _without(weights, dearest)
    able = [c for c in finalists if budget.folds_for([c, *budget.always], [c]) >= FEWEST]
    singles = (able or sorted(finalists, key=budget.seconds))[:1]
    fitted = list(weights) or singles
    for finalist in able[1:]:
        if _folds(budget, [*singles, finalist, *weights], fitted) >= min(GOOD, budget.folds):
            singles.append(finalist)
    folds = max(FEWEST, _folds(budget, [*singles, *weights], fitted))
    return Affordable(
        singles=tuple(dict.fromkeys([*budget.always, *singles, *weights])),
        weights=weights,
        folds=min(folds, budget.folds),
        deadline=budget.deadline(fitted),
    )


def _folds(budget: Budget, playing: Sequence[Candidate], fitted: Sequence[Candidate]) -> int:
    return budget.folds_for(list(dict.fromkeys([*playing, *budget.always])), fitted)


def _without(weights: Mapping[Candidate, float], member: Candidate) -> dict[Candidate, float]:
    """The others' weights; none where only one is left."""
    rest = {c: weight for c, weight in weights.items() if c != member}
    whole = sum(rest.values())
    return {c: round(weight / whole, 4) for c, weight in rest.items()} if len(rest) > 1 else {}
