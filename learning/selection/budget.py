"""Time budget of the final round: the candidates and folds that fit into the remaining time."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..estimators.families import Candidate
from .decision import ENOUGH_FOLDS

#: Safety factor on estimated times.
CAUTION = 1.25
#: Folds that the final round has at least, and folds below which it drops candidates to have more.
FEWEST, GOOD = 2, ENOUGH_FOLDS


@dataclass(frozen=True, kw_only=True)
class FinalRoundBudget:
    """Remaining time, and what fits take of it. Times are in seconds."""

    #: By `time.monotonic`; None: no limit.
    end: float | None
    #: Number of folds of the final round.
    folds: int
    #: Rows of a fit on all rows for each row of a fit on a fold.
    growth: float
    #: Number of fits that run at a time.
    processes: int
    #: Estimated time of one fit of a candidate on a fold.
    seconds: Callable[[Candidate], float]
    #: Candidates that take part whatever they cost: the champion's recipe.
    always: tuple[Candidate, ...]

    @property
    def left(self) -> float:
        """Remaining time."""
        return float("inf") if self.end is None else self.end - time.monotonic()

    def allows(self, seconds: Sequence[float]) -> bool:
        """Return whether there is time for final fits on all rows whose fits on a fold take these times."""
        return self._time_of_final_fits(seconds) <= self.left

    def folds_for(self, candidates: Sequence[Candidate], winners: Sequence[Candidate]) -> int:
        """Return how many folds the candidates can run so that the winners can still be fitted on all rows."""
        per_fold = max(1e-9, sum(self.seconds(c) for c in candidates) * CAUTION / self.processes)
        left = self.left - self._time_of_final_fits([self.seconds(c) for c in winners])
        return self.folds if left >= per_fold * self.folds else max(0, int(left / per_fold))

    def deadline(self, winners: Sequence[Candidate]) -> float | None:
        """Return when the winners' fits on all rows must start, by `time.monotonic`."""
        if self.end is None:
            return None
        return self.end - self._time_of_final_fits([self.seconds(c) for c in winners])

    def _time_of_final_fits(self, seconds: Sequence[float]) -> float:
        parallel = max(sum(seconds) / self.processes, max(seconds, default=0.0))
        return parallel * self.growth * CAUTION


@dataclass(frozen=True, kw_only=True)
class FinalRoundPlan:
    """Affordable final round."""

    singles: tuple[Candidate, ...]
    #: Weights of the ensemble's members; empty without an ensemble.
    weights: Mapping[Candidate, float]
    folds: int
    #: By `time.monotonic`; None: no limit.
    deadline: float | None


def plan_final_round(
    budget: FinalRoundBudget, finalists: Sequence[Candidate], weights: Mapping[Candidate, float]
) -> FinalRoundPlan:
    """Plan as much of the final round as there is time for.

    The ensemble loses the members with the highest cost per weight until GOOD folds are affordable; then finalists
    other than the best are left out.
    """
    weights = dict(weights)
    good = min(GOOD, budget.folds)
    while weights and _folds(budget, [*finalists[:1], *weights], list(weights)) < good:
        dearest = max(weights, key=lambda c: budget.seconds(c) / weights[c])
        weights = _without(weights, dearest)
    affordable = [c for c in finalists if budget.folds_for([c, *budget.always], [c]) >= FEWEST]
    singles = (affordable or sorted(finalists, key=budget.seconds))[:1]
    winners = list(weights) or singles
    for finalist in affordable[1:]:
        if _folds(budget, [*singles, finalist, *weights], winners) >= good:
            singles.append(finalist)
    folds = max(FEWEST, _folds(budget, [*singles, *weights], winners))
    return FinalRoundPlan(
        singles=tuple(dict.fromkeys([*budget.always, *singles, *weights])),
        weights=weights,
        folds=min(folds, budget.folds),
        deadline=budget.deadline(winners),
    )


def _folds(budget: FinalRoundBudget, candidates: Sequence[Candidate], winners: Sequence[Candidate]) -> int:
    return budget.folds_for(list(dict.fromkeys([*candidates, *budget.always])), winners)


def _without(weights: Mapping[Candidate, float], member: Candidate) -> dict[Candidate, float]:
    """Renormalise the other members' weights; returns none if only one is left."""
    rest = {c: weight for c, weight in weights.items() if c != member}
    total = sum(rest.values())
    return {c: round(weight / total, 4) for c, weight in rest.items()} if len(rest) > 1 else {}
