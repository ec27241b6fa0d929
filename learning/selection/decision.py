"""The contest: which recipe is fitted, whether its model may serve at once, and why, in sentences.

The search chooses the candidates that meet here. Only their scores on fresh folds decide whether the
champion's recipe is beaten, and only these are reported: the best of many noisy scores would flatter.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import sqrt
from statistics import fmean, variance

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from ..analysis import Analysis
from ..estimators import ensemble
from ..estimators.families import Candidate
from ..problem import Classification, Problem

#: Below this probability of chance alone, better is better beyond the folds' noise.
SIGNIFICANT = 0.05
#: The share of the loss that an average of models must save, which takes as many times as long to predict, and the
#: probability of chance alone below which it does: one standard error (Breiman, Friedman, Olshen and Stone,
#: Classification and Regression Trees, 1984). It is no rival, but made of the same candidates: a wrong choice costs
#: time to predict.
WORTH, ONE_ERROR = 0.005, 0.16
#: Lower by more than this many corrected standard errors falls short of a recorded score.
SHORT_BY = 2.0
#: Scores closer than this are the same but for rounding.
_SAME = 1e-12


@dataclass(frozen=True, kw_only=True)
class Incumbent:
    """The champion: its recipe, and what its registered version promised."""

    family: str
    hyperparameters: dict[str, object] = field(hash=False)
    #: The metric that `score` was measured by.
    metric: str
    #: On fresh folds of the snapshot it was learned from.
    score: float
    #: That snapshot's. Give another (such as "") where the champion cannot be loaded: then a model is
    #: fitted anyway.
    fingerprint: str
    #: Which cluster its model puts each example of the new snapshot into, `(n,)`: clusters are numbered alike.
    clusters: NDArray[np.int64] | None = field(default=None, repr=False, compare=False)
    #: Of that snapshot; None where it is not known.
    analysis: Analysis | None = field(default=None, repr=False, compare=False)

    @property
    def candidate(self) -> Candidate:
        return Candidate(self.family, dict(self.hyperparameters), incumbent=True)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A candidate that was scored on all fresh folds."""

    candidate: Candidate
    #: Its standing in the search; None where only the contest scored it.
    searched: float | None
    #: Of each fresh fold.
    scores: tuple[float, ...]
    #: Out-of-fold recall of each class.
    recalls: Mapping[str, float] = field(default_factory=dict, hash=False)
    #: Of each row that was held out: log loss or squared error, averaged over the folds; None for clusters.
    losses: NDArray[np.float32] | None = field(default=None, repr=False, compare=False)

    @property
    def score(self) -> float:
        return fmean(self.scores)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What is to be done, and why."""

    #: None: nothing is fitted, the champion's model has learned all there is.
    winner: Candidate | None
    incumbent_kept: bool
    #: Why a person must decide whether the fitted model serves; None where nobody must.
    held: str | None
    #: A sentence or more.
    reason: str


def finalists(ranked: Sequence[Candidate], keep: int) -> list[Candidate]:
    """The best candidate of each of the `keep` best families and the incumbent, best first, as they are ranked."""
    best = _best_of_families(ranked)[:keep]
    return [candidate for candidate in ranked if candidate in best or candidate.incumbent]


def kept(winner: Candidate, entries: Sequence[Entry], keep: int) -> list[Candidate]:
    """The winner, then the best of other families by the search, `keep` families in all."""
    ranked = [entry.candidate for entry in _ranked(entries)]
    return _best_of_families([winner, *ranked])[:keep]


def decide(
    problem: Problem,
    metric: str,
    entries: Sequence[Entry],
    incumbent: Incumbent | None,
    fingerprint: str,
    ratio: float,
    baseline: float | None = None,
    changed: Sequence[str] | None = None,
) -> Decision:
    """Decide the contest of `entries`, at least one, on the snapshot with this fingerprint.

    `ratio` is the folds' number of held-out rows for each row to learn from; `baseline` is what the baseline scored
    in the search, None where it took no part; `changed` are the columns that did since the champion's snapshot, None
    where that is not known.
    """
    decision = _decided(metric, entries, incumbent, fingerprint, ratio)
    winner = next((entry for entry in entries if entry.candidate == decision.winner), None)
    if winner is None:
        return decision
    held = " ".join(_objections(problem, metric, winner, incumbent, ratio, baseline, changed))
    return replace(decision, held=held or None)


def _decided(
    metric: str, entries: Sequence[Entry], incumbent: Incumbent | None, fingerprint: str, ratio: float
) -> Decision:
    """Who won and why, whatever speaks against letting it serve."""
    defender = next((entry for entry in entries if entry.candidate.incumbent), None)
    others = [entry for entry in _ranked(entries) if entry is not defender]
    challenger = _challenger(others, ratio)
    if defender is None:
        assert challenger is not None
        return _won(challenger, _first(challenger, metric, incumbent))
    if challenger is not None and beyond_noise(challenger.scores, defender.scores, ratio):
        return _won(challenger, _comparison(challenger, defender, ratio))
    reason = _kept(defender, challenger)
    if incumbent is not None and incumbent.fingerprint == fingerprint:
        return Decision(
            winner=None,
            incumbent_kept=True,
            held=None,
            reason=f"{reason} The examples are those it was learned from: nothing was fitted.",
        )
    return replace(_won(defender, reason), incumbent_kept=True)


def _challenger(others: Sequence[Entry], ratio: float) -> Entry | None:
    """The best by the search; an average only where it is worth it, and one of more models than another too."""
    single = next((entry for entry in others if entry.candidate.family != ensemble.FAMILY), None)
    averages = [entry for entry in others if entry.candidate.family == ensemble.FAMILY]
    if single is None:
        return averages[0] if averages else None
    best = single
    for average in sorted(averages, key=lambda entry: len(ensemble.pieces(entry.candidate))):
        best = average if worth_it(average, best, ratio) else best
    return best


def worth_it(average: Entry, single: Entry, ratio: float) -> bool:
    """Whether an average of models is better than one of fewer beyond noise, and by enough to pay for.

    Both were scored on the same rows by models that had not seen them, so that their losses are compared row by
    row: a paired one-sided t-test to one standard error, which finds what the few folds' scores leave in the dark.
    Those must at least not contradict it.
    """
    if average.losses is None or single.losses is None:
        return beyond_noise(average.scores, single.scores, ratio)
    gained = single.losses.astype(np.float64) - average.losses
    if gained.mean() < WORTH * single.losses.mean() or average.score < single.score:
        return False
    error = gained.std(ddof=1) / sqrt(len(gained))
    return bool(error == 0 or t.sf(gained.mean() / error, df=len(gained) - 1) < ONE_ERROR)


def beyond_noise(challenger: Sequence[float], defender: Sequence[float], ratio: float) -> bool:
    """Whether the challenger's scores on the same folds are better beyond their noise."""
    return chance(challenger, defender, ratio) < SIGNIFICANT


def chance(challenger: Sequence[float], defender: Sequence[float], ratio: float) -> float:
    """The probability of so great a mean advantage, fold by fold, by chance: the one-sided p of the
    corrected resampled t-test (Nadeau and Bengio, Inference for the Generalization Error, 2003). `ratio` is
    the number of held-out rows for each row to learn from.
    """
    advantages = differences(challenger, defender)
    mean, error = fmean(advantages), standard_error(advantages, ratio)
    if error < _SAME:
        return 0.0 if mean > _SAME else 1.0
    return float(t.sf(mean / error, df=len(advantages) - 1))


def differences(challenger: Sequence[float], defender: Sequence[float]) -> list[float]:
    """The challenger's advantage on each fold."""
    return [a - b for a, b in zip(challenger, defender, strict=True)]


def standard_error(scores: Sequence[float], ratio: float) -> float:
    """Of the mean of scores whose folds share rows to learn from, corrected for that (as in `chance`)."""
    return sqrt((1 / len(scores) + ratio) * variance(scores))


def _won(winner: Entry, reason: str) -> Decision:
    return Decision(winner=winner.candidate, incumbent_kept=False, held=None, reason=reason)


def _objections(
    problem: Problem,
    metric: str,
    winner: Entry,
    incumbent: Incumbent | None,
    ratio: float,
    baseline: float | None,
    changed: Sequence[str] | None,
) -> Iterator[str]:
    """Why the winner may not serve without a person."""
    if baseline is not None and winner.candidate.family != "baseline" and winner.score < baseline - _SAME:
        # Where one fold went wild, the noise is as large as the loss, and no test would find it.
        yield (
            f"{metric} {_number(winner.score)} is worse than the baseline's {_number(baseline)}, "
            "which looks at no feature."
        )
    if isinstance(problem, Classification):
        for label, floor in problem.floors.items():
            recall = winner.recalls.get(label)
            if recall is not None and recall < floor:
                yield f"The recall of {label!r} is {recall:.3f}, below its floor of {floor:g}."
    if incumbent is not None and incumbent.metric == metric:
        allowed = SHORT_BY * standard_error(winner.scores, ratio)
        if incumbent.score - winner.score > allowed + _SAME:
            yield (
                f"{metric} {_number(winner.score)} is below the champion's recorded "
                f"{_number(incumbent.score)} by more than the folds' noise ({_number(allowed)})."
                f"{_since(changed)}"
            )
    if not problem.auto_promote:
        yield "Automatic promotion is switched off."


def _since(changed: Sequence[str] | None) -> str:
    if changed is None:
        return ""
    return f" What changed since: {', '.join(changed)}." if changed else " No column changed visibly since."


def _first(winner: Entry, metric: str, incumbent: Incumbent | None) -> str:
    reason = f"Chose {winner.candidate}: {metric} {_number(winner.score)} on fresh folds."
    if incumbent is None:
        return reason
    return f"{reason} The champion's recipe ({incumbent.candidate}) could not be scored."


def _comparison(challenger: Entry, defender: Entry, ratio: float) -> str:
    p = chance(challenger.scores, defender.scores, ratio)
    return (
        f"Chose {challenger.candidate}: better than the champion's recipe beyond the folds' noise "
        f"({_number(challenger.score)} vs {_number(defender.score)}, p = {p:.2g})."
    )


def _kept(defender: Entry, challenger: Entry | None) -> str:
    if challenger is None:
        return f"Kept the recipe: no other could be compared with it ({_number(defender.score)})."
    scores = f"{challenger.candidate.family} {_number(challenger.score)} vs {_number(defender.score)}"
    return f"Kept the recipe: no other was better beyond the folds' noise (best other: {scores})."


def _ranked(entries: Sequence[Entry]) -> list[Entry]:
    """By the search, best first; where it says the same, as drawn: simpler recipes are drawn first."""
    return sorted(entries, key=lambda entry: float("inf") if entry.searched is None else -entry.searched)


def _best_of_families(ranked: Sequence[Candidate]) -> list[Candidate]:
    best: dict[str, Candidate] = {}
    for candidate in ranked:
        best.setdefault(candidate.family, candidate)
    return list(best.values())


def _number(score: float) -> str:
    return f"{score:.3f}" if abs(score) < 10 else f"{score:.4g}"
