"""Reasons of a decision, in sentences for people.

Their order: what was chosen, how good it is and how surely, what it was compared with, and where examples are too few.
Folds, ranks and the recipes of all others stand in the leaderboard.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Protocol

from ..estimators import ensemble
from ..estimators.families import BASELINE, Candidate
from ..evaluation.score_error import CONFIDENCE, ScoreError
from ..lazy_imports import LazyModule
from ..metrics import greatest_score
from .noise import ROUNDING, Lead, standard_error

if TYPE_CHECKING:
    from scipy import stats
else:
    stats = LazyModule("scipy.stats")

#: Noise that is larger than this share of the advantage over the baseline hides what matters.
HIDES = 1 / 3


class FinalScores(Protocol):
    """A candidate with its scores on the folds of the final round."""

    @property
    def candidate(self) -> Candidate: ...
    @property
    def scores(self) -> Sequence[float]: ...


class MeasuredScores(FinalScores, Protocol):
    """The same with the error of the mean score; None if only the folds' spread shows it."""

    @property
    def error(self) -> ScoreError | None: ...


@dataclass(frozen=True, kw_only=True)
class Ground:
    """The examples that the scores of a final round were measured on."""

    examples: int
    ordered: bool = False
    #: The number of examples of each class; empty without classes.
    classes: Mapping[str, int] = field(default_factory=dict)
    #: The same of those examples that were held out.
    held_out: Mapping[str, int] = field(default_factory=dict)

    def describe(self) -> str:
        """Describe, as part of a sentence, what was predicted to measure the scores."""
        rows = "the later" if self.ordered else "rows held out"
        return f" on {rows} of {self.examples:,} examples"

    def describe_shortage(self) -> str:
        """Name the number of examples, and of those of the rarest class."""
        if not self.classes:
            return f"{self.examples:,} examples"
        rarest = min(self.classes, key=lambda label: self.classes[label])
        return f"{self.examples:,} examples, of which {self.classes[rarest]:,} are {rarest!r}"


@dataclass(frozen=True, kw_only=True)
class Reasons:
    """Sentences about one final round."""

    metric: str
    #: Held-out rows per training row of a fold.
    ratio: float
    #: None: unknown.
    ground: Ground | None
    #: The baseline's mean score in the search; None if it took no part.
    baseline: float | None

    def first(self, winner: MeasuredScores, others: Sequence[FinalScores]) -> str:
        """Explain the choice of a recipe where no champion's recipe defends itself."""
        return f"Chose {winner.candidate}: {self._score(winner)}. {self._distance(winner, others)}"

    def first_shortage(self, winner: MeasuredScores) -> str:
        """Say that the examples are too few to tell how good a first choice is; empty if they are enough."""
        shortage = self._shortage(winner, half_width(winner, self.ratio), "how good it is")
        return "".join(f" {sentence}" for sentence in shortage)

    def _distance(self, winner: FinalScores, others: Sequence[FinalScores]) -> str:
        """Compare a winner with the best of the others."""
        best = max(others, key=mean, default=None)
        if best is None or (best.candidate.family == BASELINE and mean(best) <= mean(winner)):
            return "No other recipe reached the final round."
        lead = mean(winner) - mean(best)
        if abs(lead) <= ROUNDING:
            return f"The next best, {_name(best, winner)}, has the same score."
        if lead < 0:
            return f"Not the highest score: {explain_rank(winner, best, self.ratio)}."
        difference = describe_lead(Lead.of(winner.scores, best.scores, self.ratio))
        return f"The next best, {_name(best, winner)}, has {format_score(mean(best))}: less by {difference}."

    def win(self, challenger: MeasuredScores, defender: FinalScores, lead: Lead) -> str:
        """Explain that a recipe replaces the champion's."""
        return (
            f"Chose {challenger.candidate}: {self._score(challenger)}. The champion's recipe, {defender.candidate}, "
            f"has {format_score(mean(defender))}: less by {describe_lead(lead)}."
        )

    def succession(self, challenger: MeasuredScores, defender: FinalScores) -> str:
        """Explain that a recipe that learns from all rows replaces an early version that is no better."""
        return (
            f"Chose {challenger.candidate}, which learns from all rows: {self._score(challenger)}. The early version, "
            f"{defender.candidate}, has {format_score(mean(defender))}."
        )

    def defence(
        self,
        defender: MeasuredScores,
        challenger: MeasuredScores | None,
        best: FinalScores,
        lead: Lead | None,
    ) -> str:
        """Explain that the champion's recipe is kept.

        Args:
            challenger: The best other candidate by the search; None if there is none.
            best: The candidate with the highest score of the round.
            lead: The challenger's.
        """
        verdict = self._keep(defender)
        if challenger is None or lead is None:
            return f"{verdict} No other could be compared with it."
        is_surpassed = mean(best) > max(mean(defender), mean(challenger)) + ROUNDING
        comparison = self._comparison(challenger, defender, lead, is_surpassed)
        parts = [verdict, comparison, *self._blind(challenger, lead)]
        if is_surpassed:
            parts.append(f"Not the highest score: {explain_rank(defender, best, self.ratio)}.")
        return " ".join(parts)

    def _keep(self, defender: MeasuredScores) -> str:
        return f"Kept the champion's recipe, {defender.candidate}: {self._score(defender)}."

    def _comparison(
        self, challenger: FinalScores, defender: FinalScores, lead: Lead, is_surpassed: bool
    ) -> str:
        # The search chooses the challenger, so that another one may be the best of the final round.
        among = f"{lead.rivals:,}" if lead.rivals > 1 else ""
        if is_surpassed:
            subject = f"The rival that the search chose{among and f' from {among}'}"
        else:
            subject = f"The best other{among and f' of {among}'}"
        other, score = f"{subject}, {_name(challenger, defender)},", format_score(mean(challenger))
        if lead.advantage <= ROUNDING:
            return f"{other} is not better: {score}."
        return f"{other} has {score}: better by {format_noise(lead.advantage)}, which may be luck."

    def _blind(self, challenger: FinalScores, lead: Lead) -> list[str]:
        """Say how large a lead had to be to be seen, and where that is too large."""
        if lead.margin <= ROUNDING:
            return []
        if lead.advantage > ROUNDING and (
            shortage := self._shortage(challenger, lead.margin, "which of the two is better")
        ):
            return [f"Only a lead above {format_noise(lead.margin)} could be seen.", *shortage]
        examples = f" with {self.ground.examples:,} examples" if self.ground else ""
        return [f"Only a lead above {format_noise(lead.margin)} could be seen{examples}."]

    def unjudged(self, defender: MeasuredScores, least: int) -> str:
        """Explain that the champion's recipe is kept because there were too few folds to judge any other."""
        return (
            f"{self._keep(defender)} No recipe was replaced, or held for its score: fewer than {least} folds were "
            "scored in time."
        )

    def recorded(self, score: float) -> str:
        """Explain that the champion's recorded score is of other examples."""
        return (
            f"The champion's recorded {self.metric} {format_score(score)} is of other rows, so small differences to it "
            "mean nothing."
        )

    def _score(self, entry: MeasuredScores) -> str:
        low, high = interval(entry, self.ratio)
        high = max(mean(entry), min(high, greatest_score(self.metric)))
        bounds = f"{CONFIDENCE:.0%}: {format_score(low)} to {format_score(high)}"
        return f"{self.metric} {format_score(mean(entry))} ({bounds}){self.ground.describe() if self.ground else ''}"

    def _shortage(self, better: FinalScores, noise: float, question: str) -> list[str]:
        """Say that the examples are too few where the noise hides much of the advantage over the baseline."""
        if self.baseline is None or self.ground is None:
            return []
        if noise <= HIDES * abs(mean(better) - self.baseline):
            return []
        return [
            f"There are too few examples to tell {question}: {self.ground.describe_shortage()}. Label more rows."
        ]


def _name(other: FinalScores, beside: FinalScores) -> str:
    """Name another recipe: by its family, unless the one beside it is of the same."""
    return (
        str(other.candidate) if other.candidate.family == beside.candidate.family else other.candidate.family
    )


def explain_rank(winner: FinalScores, best: FinalScores, ratio: float) -> str:
    """Explain, as part of a sentence, why the winner is not the candidate with the highest score."""
    lead = Lead.of(best.scores, winner.scores, ratio)
    if lead.is_beyond_noise:
        return (
            f"{_name(best, winner)} is higher by {format_noise(lead.advantage)}, but the search ranked it lower, and "
            "the highest of several scores is in part luck"
        )
    advantage = f"{_name(best, winner)} is higher by {describe_lead(lead)}"
    if winner.candidate.incumbent:
        return f"{advantage}, and only a lead beyond luck replaces the champion's recipe"
    if len(ensemble.pieces(best.candidate)) > len(ensemble.pieces(winner.candidate)):
        return f"{advantage}, too little for an average of more models, which takes longer to predict"
    return f"{advantage}, and the search ranked it lower"


def describe_lead(lead: Lead) -> str:
    """Render a lead, and say, as part of a sentence, whether the luck of the best of so many explains it."""
    luck = "luck" if lead.rivals == 1 else f"the luck of the best of {lead.rivals:,} recipes"
    advantage, most = format_noise(lead.advantage), format_noise(lead.margin)
    if lead.is_beyond_noise:
        return f"{advantage}, more than {luck} explains ({most})"
    return f"{advantage}, which may be {luck} (up to {most})"


def interval(entry: MeasuredScores, ratio: float) -> tuple[float, float]:
    """Compute the interval of a mean score: by its held-out rows, or by the folds' spread and Student's t."""
    if entry.error is not None:
        return entry.error.interval(mean(entry))
    quantile = float(stats.t.isf((1 - CONFIDENCE) / 2, df=len(entry.scores) - 1))
    half = quantile * standard_error(entry.scores, ratio)
    return mean(entry) - half, mean(entry) + half


def half_width(entry: MeasuredScores, ratio: float) -> float:
    """Compute half of the width of the interval of a mean score."""
    low, high = interval(entry, ratio)
    return (high - low) / 2


def mean(entry: FinalScores) -> float:
    """Compute the mean score."""
    return fmean(entry.scores)


def format_score(score: float) -> str:
    """Render a score with three decimals, or four digits if it is large."""
    return f"{score:.3f}" if abs(score) < 10 else f"{score:.4g}"


def format_noise(value: float) -> str:
    """Render a difference or a noise: three decimals, or more where these are zeros."""
    if value and abs(value) < 0.0005:
        return f"{value:.1g}"
    return format_score(value)
