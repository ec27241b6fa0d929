"""Decision: which recipe is fitted, whether its model may serve at once, and the reason in sentences.

The search chooses the candidates of the final round. Only their scores on its fresh folds decide whether the champion's
recipe is beaten, and only these are reported: the best of many noisy scores would be too optimistic.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import sqrt
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from ..analysis import Analysis
from ..estimators import ensemble
from ..estimators.families import Candidate
from ..evaluation.intervals import LiveCoverage
from ..evaluation.score_error import CONFIDENCE, ScoreError, proportion_interval
from ..problem import Classification, Problem
from .class_changes import class_objections, describe_other_scale
from .noise import Lead, is_beyond_noise
from .objections import Objection
from .reasons import Ground, Reasons

#: An average of models takes several times as long to predict. It must save this share of the loss, at this
#: significance level, which is one standard error (Breiman, Friedman, Olshen and Stone, Classification and Regression
#: Trees, 1984). The level is higher than SIGNIFICANT because an average consists of the same candidates: a wrong choice
#: costs only time.
WORTH, ONE_ERROR = 0.005, 0.16
#: Corrected standard errors within which a score is as good as the champion's recorded one.
SHORT_BY = 2.0
#: Folds of a final round that judge; fewer do only if no more were planned.
ENOUGH_FOLDS = 4
#: What is said of a champion that has nothing to learn.
SAME_EXAMPLES = "The examples are those it was learned from"
#: The objection to a model that was not compared with the champion's recipe.
UNCOMPARED = (
    "The time limit ended before the champion's recipe was scored, so nothing shows that this one is better: "
    "allow more time, or promote it yourself."
)


@dataclass(frozen=True, kw_only=True)
class Incumbent:
    """The champion: its recipe, and the recorded facts of its version."""

    family: str
    hyperparameters: dict[str, object] = field(hash=False)
    #: Metric of `score`.
    metric: str
    #: Mean score on the fresh folds of the snapshot that the champion learned from.
    score: float
    #: Fingerprint of that snapshot; a different one, such as "", if the champion cannot be loaded or has not seen all
    #: that is declared, so that a model is fitted in any case.
    fingerprint: str
    #: Classes that the champion can predict; empty unless the task is classification.
    classes: tuple[str, ...] = ()
    #: `(n,)`: the champion's cluster of each example of the new snapshot, so that clusters keep their numbers.
    clusters: NDArray[np.int64] | None = field(default=None, repr=False, compare=False)
    #: Scores of the final round's folds behind `score`, and the examples that they were measured on; empty and None if
    #: unknown.
    scores: tuple[float, ...] = ()
    examples: int | None = None
    #: How much choosing it has raised its score, which `score` leaves out.
    optimism: float = 0.0
    #: Analysis of the champion's snapshot; None if it was not stored.
    analysis: Analysis | None = field(default=None, repr=False, compare=False)
    #: What its prediction intervals contained while it served; None if unknown.
    live: LiveCoverage | None = None

    @property
    def candidate(self) -> Candidate:
        """The champion's recipe as a candidate."""
        return Candidate(self.family, dict(self.hyperparameters), incumbent=True)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Results of a candidate that was scored on all folds of the final round."""

    candidate: Candidate
    #: Its standing in the search; None if it was scored in the final round only.
    searched: float | None
    #: Score of each fold.
    scores: tuple[float, ...]
    #: Out-of-fold recall of each class.
    recalls: Mapping[str, float] = field(default_factory=dict, hash=False)
    #: Mean of each measure of all classes that was defined.
    measures: Mapping[str, float] = field(default_factory=dict, hash=False)
    #: Log loss or squared error, averaged over the folds: of each row that was held out, or of all that folds keep
    #: together. None for clusterings.
    losses: NDArray[np.float32] | None = field(default=None, repr=False, compare=False)
    #: Estimates the mean score's error from the held-out rows; None for clusterings.
    estimate: Callable[[], ScoreError | None] | None = field(default=None, repr=False, compare=False)

    @property
    def score(self) -> float:
        """Mean score."""
        return fmean(self.scores)

    @property
    def error(self) -> ScoreError | None:
        """The mean score's error by its held-out rows; None if only the folds' spread shows it."""
        return self.estimate() if self.estimate is not None else None


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Outcome of a build, and its reason."""

    #: None: nothing is fitted, because the champion's model has learned from the same examples.
    winner: Candidate | None
    incumbent_kept: bool
    #: Why a person must decide whether the fitted model serves; None if it may serve at once.
    hold_reason: str | None
    #: One or more sentences.
    reason: str
    #: Whether the model waits even if there has never been a champion.
    holds_first: bool = False

    def hold(self, objections: Sequence[str]) -> "Decision":
        """Add reasons why a person must decide whether the fitted model serves."""
        if self.winner is None or not objections:
            return self
        return replace(self, hold_reason=" ".join([*filter(None, [self.hold_reason]), *objections]))


def finalists(ranked: Sequence[Candidate], keep: int) -> list[Candidate]:
    """Select the best candidate of each of the `keep` best families, and the incumbent.

    Args:
        ranked: Candidates, best first; the result keeps their order.
    """
    best = best_by_family(ranked)[:keep]
    return [candidate for candidate in ranked if candidate in best or candidate.incumbent]


def candidates_to_fit(winner: Candidate, entries: Sequence[Entry], keep: int) -> list[Candidate]:
    """Select the winner and its alternatives: the best of other families by the search, `keep` families in all."""
    ranked = [entry.candidate for entry in _rank(entries)]
    return best_by_family([winner, *ranked])[:keep]


def decide(
    problem: Problem,
    metric: str,
    entries: Sequence[Entry],
    incumbent: Incumbent | None,
    fingerprint: str,
    ratio: float,
    baseline: float | None = None,
    classes: Sequence[str] = (),
    ground: Ground | None = None,
    uncompared: bool = False,
    cut_short: bool = False,
    judge: Callable[[Entry], Iterable[Objection]] | None = None,
    compare: Callable[[Entry, Entry], Lead] | None = None,
) -> Decision:
    """Decide the final round.

    Args:
        entries: At least one.
        fingerprint: Of the snapshot.
        ratio: Held-out rows per training row of a fold.
        baseline: The baseline's mean score in the search; None if it took no part.
        classes: Those that were learned; empty unless the task is classification.
        ground: The examples and folds of the final round, for the reason; None if they are unknown.
        uncompared: True if the time limit ended before the champion's recipe was scored.
        cut_short: True if the time limit left so few folds that nothing can be replaced or held by their scores.
        judge: Yields the objections to the winner that depend on more than the scores; None: there are none.
        compare: Measures the challenger's lead over the champion's recipe; None: by the scores of one rival.
    """
    reasons = Reasons(metric=metric, ratio=ratio, ground=ground, baseline=baseline)
    decision = _decide(
        reasons, entries, incumbent, fingerprint, compare or partial(_compare, ratio), cut_short
    )
    winner = next((entry for entry in entries if entry.candidate == decision.winner), None)
    if winner is None:
        return decision
    judged = list(judge(winner)) if judge is not None else []
    objections = [
        *(objection.sentence for objection in judged),
        *class_objections(problem, incumbent.classes if incumbent is not None else (), classes),
        *_objections(problem, winner, ground),
        *([UNCOMPARED] if uncompared else []),
    ]
    holds_first = any(objection.holds_first for objection in judged)
    reason = decision.reason + "".join(_describe_floors(problem, winner, ground))
    if not holds_first and not any(entry.candidate.incumbent for entry in entries):
        reason += reasons.first_shortage(winner)
    if incumbent is not None:
        reason += describe_other_scale(
            incumbent.metric, incumbent.classes, metric, classes
        ) or _explain_recorded(reasons, incumbent, fingerprint)
    return replace(
        decision,
        hold_reason=" ".join(objections) or None,
        reason=reason,
        holds_first=holds_first,
    )


def _decide(
    reasons: Reasons,
    entries: Sequence[Entry],
    incumbent: Incumbent | None,
    fingerprint: str,
    compare: Callable[[Entry, Entry], Lead],
    cut_short: bool,
) -> Decision:
    """Decide which recipe wins, without regard to objections."""
    defender = next((entry for entry in entries if entry.candidate.incumbent), None)
    others = [entry for entry in _rank(entries) if entry is not defender]
    challenger, best = _challenger(others, reasons.ratio), max(entries, key=lambda entry: entry.score)
    if defender is None:
        assert challenger is not None
        return _won(challenger, _explain_first(reasons, challenger, others, incumbent))
    lead = None if challenger is None else compare(challenger, defender)
    if challenger is not None and lead is not None and lead.is_beyond_noise and not cut_short:
        return _won(challenger, reasons.win(challenger, defender, lead))
    if challenger is not None and _learns_from_more(challenger, defender, reasons.ratio):
        return _won(challenger, reasons.succession(challenger, defender))
    unjudged = reasons.unjudged(defender, ENOUGH_FOLDS) if cut_short else None
    reason = unjudged or reasons.defence(defender, challenger, best, lead)
    if incumbent is not None and incumbent.fingerprint == fingerprint:
        return Decision(
            winner=None,
            incumbent_kept=True,
            hold_reason=None,
            reason=f"{reason} {_describe_examples(defender.candidate)}: nothing was fitted.",
        )
    return replace(_won(defender, reason), incumbent_kept=True)


def _compare(ratio: float, challenger: Entry, defender: Entry) -> Lead:
    return Lead.of(challenger.scores, defender.scores, ratio)


def _learns_from_more(challenger: Entry, defender: Entry, ratio: float) -> bool:
    """Return whether the challenger has all rows, and the defender is an early version that is not clearly better."""
    rows = "rows" in defender.candidate.hyperparameters and "rows" not in challenger.candidate.hyperparameters
    return rows and not is_beyond_noise(defender.scores, challenger.scores, ratio)


def _describe_examples(champion: Candidate) -> str:
    rows = champion.hyperparameters.get("rows")
    return f"It was learned from {rows:,} of these examples" if rows else SAME_EXAMPLES


def _explain_first(
    reasons: Reasons, winner: Entry, entries: Sequence[Entry], incumbent: Incumbent | None
) -> str:
    reason = reasons.first(winner, [entry for entry in entries if entry is not winner])
    if incumbent is None:
        return reason
    return f"{reason} The champion's recipe ({incumbent.candidate}) could not be scored."


def _explain_recorded(reasons: Reasons, incumbent: Incumbent, fingerprint: str) -> str:
    return "" if incumbent.fingerprint == fingerprint else f" {reasons.recorded(incumbent.score)}"


def _challenger(others: Sequence[Entry], ratio: float) -> Entry | None:
    """Select the best candidate by the search.

    An average replaces it only if it is worth its prediction time, and an average of more models one of fewer likewise.
    """
    single = next((entry for entry in others if entry.candidate.family != ensemble.FAMILY), None)
    averages = [entry for entry in others if entry.candidate.family == ensemble.FAMILY]
    if single is None:
        return averages[0] if averages else None
    best = single
    for average in sorted(averages, key=lambda entry: len(ensemble.pieces(entry.candidate))):
        best = average if is_worth_it(average, best, ratio) else best
    return best


def is_worth_it(average: Entry, single: Entry, ratio: float) -> bool:
    """Return whether an average of models beats one of fewer beyond noise, and by enough to justify its cost.

    Both were scored out of fold on the same rows, so their losses are compared row by row: a paired one-sided t-test
    at ONE_ERROR, which is more sensitive than the few folds' scores. These must not contradict it.
    """
    if average.losses is None or single.losses is None:
        return is_beyond_noise(average.scores, single.scores, ratio)
    gains = single.losses.astype(np.float64) - average.losses
    if gains.mean() <= 0 or gains.mean() < WORTH * single.losses.mean() or average.score < single.score:
        return False
    error = gains.std(ddof=1) / sqrt(len(gains))
    return bool(error == 0 or t.sf(gains.mean() / error, df=len(gains) - 1) < ONE_ERROR)


def _won(winner: Entry, reason: str) -> Decision:
    return Decision(winner=winner.candidate, incumbent_kept=False, hold_reason=None, reason=reason)


def _objections(problem: Problem, winner: Entry, ground: Ground | None) -> Iterator[str]:
    """Yield the reasons why the winner may not serve before a person has promoted it."""
    if isinstance(problem, Classification):
        for label, floor in problem.floors.items():
            recall = winner.recalls.get(label)
            if recall is not None and recall < floor:
                yield (
                    f"The recall of {label!r} is {recall:.3f}, below its floor of {floor:g}"
                    f"{_describe_recall(label, recall, ground)}: collect more such rows, or promote the "
                    "version if that is enough."
                )
    if not problem.auto_promote:
        yield "Automatic promotion is switched off."


def _describe_floors(problem: Problem, winner: Entry, ground: Ground | None) -> Iterator[str]:
    """Yield which recalls keep their floors, but of so few rows that they may be below."""
    for label, floor in problem.floors.items() if isinstance(problem, Classification) else ():
        recall, rows = winner.recalls.get(label), ground.held_out.get(label, 0) if ground else 0
        if recall is None or not rows or recall < floor:
            continue
        low, _ = proportion_interval(recall * rows, rows)
        if low < floor:
            yield (
                f" The recall of {label!r} keeps its floor of {floor:g} with {recall:.3f}, but of {rows:,} rows only: "
                f"the truth may be as low as {low:.3f}."
            )


def _describe_recall(label: str, recall: float, ground: Ground | None) -> str:
    """Describe a recall's interval and its rows."""
    rows = ground.held_out.get(label, 0) if ground else 0
    if not rows:
        return ""
    low, high = proportion_interval(recall * rows, rows)
    return f" ({CONFIDENCE:.0%}: {low:.3f} to {high:.3f}, of {rows:,} rows)"


def _rank(entries: Sequence[Entry]) -> list[Entry]:
    """Sort by the search, best first; ties keep the order of drawing, in which simpler recipes come first."""
    return sorted(entries, key=lambda entry: float("inf") if entry.searched is None else -entry.searched)


def best_by_family(ranked: Sequence[Candidate]) -> list[Candidate]:
    """Select the first candidate of each family, in order."""
    best: dict[str, Candidate] = {}
    for candidate in ranked:
        best.setdefault(candidate.family, candidate)
    return list(best.values())
