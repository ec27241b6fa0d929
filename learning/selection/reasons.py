"""Reasons of a decision, in sentences for people: what is best, by how much and how surely, on which examples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Protocol

from ..estimators import ensemble
from ..estimators.families import Candidate
from ..evaluation.score_error import CONFIDENCE, ScoreError
from ..lazy_imports import LazyModule
from .noise import ROUNDING, Lead, differences, margin, standard_error

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
    """The examples and the folds that the scores of a final round were measured on."""

    examples: int
    #: Folds of one partition.
    folds: int
    ordered: bool = False
    #: The number of examples of each class; empty without classes.
    classes: Mapping[str, int] = field(default_factory=dict)
    #: The same of those examples that were held out.
    held_out: Mapping[str, int] = field(default_factory=dict)

    def describe(self, scored: int) -> str:
        """Describe means over `scored` folds."""
        repeats = scored / self.folds
        times = f" ({self.folds} folds, {repeats:.0f} times)" if repeats > 1 and repeats.is_integer() else ""
        order = " in the order of time" if self.ordered else ""
        return (
            f"All these scores are means over {scored} folds{times}{order} of the same {self.examples:,} examples; "
            "scores of other rows, folds or snapshots are not comparable with them."
        )

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
        parts = [
            f"Chose {winner.candidate}: {self._score(winner)} on fresh folds.",
            self._distance(winner, others),
            *self._shortage(winner, half_width(winner, self.ratio), "how good it is"),
        ]
        return self._with_ground(parts, winner)

    def _distance(self, winner: FinalScores, others: Sequence[FinalScores]) -> str:
        """Compare a winner with the best of the others."""
        best = max(others, key=mean, default=None)
        if best is None or (best.candidate.family == "baseline" and mean(best) <= mean(winner)):
            return "No other recipe reached the final round."
        lead = mean(winner) - mean(best)
        if abs(lead) <= ROUNDING:
            return f"The next best, {best.candidate}, has the same score."
        if lead < 0:
            return f"Not the first here: {explain_rank(winner, best, self.ratio)}."
        advantages = differences(winner.scores, best.scores)
        beyond = fmean(advantages) > margin(advantages, self.ratio)
        difference = describe_difference(winner.scores, best.scores, self.ratio)
        return (
            f"The next best, {best.candidate}, has {format_score(mean(best))}: less by {difference}, which is "
            f"{'beyond' if beyond else 'within'} the folds' noise."
        )

    def win(self, challenger: MeasuredScores, defender: FinalScores, lead: Lead) -> str:
        """Explain that a recipe replaces the champion's."""
        parts = [
            f"Chose {challenger.candidate}: {self._score(challenger)} on fresh folds, where the champion's recipe, "
            f"{defender.candidate}, has {format_score(mean(defender))}.",
            f"It is better by {describe_lead(lead)}, which is beyond the noise{describe_choice(lead)}.",
        ]
        return self._with_ground(parts, challenger)

    def succession(self, challenger: MeasuredScores, defender: FinalScores) -> str:
        """Explain that a recipe that learns from all rows replaces an early version that is no better."""
        parts = [
            f"Chose {challenger.candidate}, which learns from all rows: {self._score(challenger)} on fresh folds.",
            f"The early version, {defender.candidate}, has {format_score(mean(defender))}.",
        ]
        return self._with_ground(parts, challenger)

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
        verdict = f"Kept the champion's recipe, {defender.candidate}: {self._score(defender)} on fresh folds."
        if challenger is None or lead is None:
            return self._with_ground([verdict, "No other could be compared with it."], defender)
        parts = [verdict, *self._comparison(challenger, lead)]
        if mean(best) > max(mean(defender), mean(challenger)) + ROUNDING:
            parts.append(f"Not the first here: {explain_rank(defender, best, self.ratio)}.")
        return self._with_ground(parts, defender)

    def _comparison(self, challenger: MeasuredScores, lead: Lead) -> list[str]:
        other, score = (
            f"The best other by the search, {challenger.candidate},",
            format_score(mean(challenger)),
        )
        if lead.advantage <= ROUNDING:
            return [f"{other} is not better: {score}.", *self._blind(lead)]
        return [
            f"{other} has {score}: better by {describe_lead(lead)}, which is within the noise{describe_choice(lead)}.",
            *self._blind(lead),
            *self._shortage(challenger, lead.margin, "which of the two is better"),
        ]

    def _blind(self, lead: Lead) -> list[str]:
        """Say how large a lead had to be to be seen."""
        if lead.margin <= ROUNDING:
            return []
        examples = f" with {self.ground.examples:,} examples" if self.ground else ""
        return [f"A lead below {format_noise(lead.margin)} could not have been seen{examples}."]

    def unjudged(self, defender: MeasuredScores, least: int) -> str:
        """Explain that the champion's recipe is kept because there were too few folds to judge any other."""
        parts = [
            f"Kept the champion's recipe, {defender.candidate}: {self._score(defender)} on fresh folds.",
            f"The time limit left {len(defender.scores)} of them, fewer than {least}: no recipe is replaced, and none "
            "held for its score, on that ground.",
        ]
        return self._with_ground(parts, defender)

    def recorded(self, score: float) -> str:
        """Explain that the champion's recorded score is of other examples."""
        return (
            f"The champion's recorded {self.metric} {format_score(score)} is of another snapshot: a difference to "
            "these scores may come from the rows alone."
        )

    def _score(self, entry: MeasuredScores) -> str:
        low, high = interval(entry, self.ratio)
        bounds = f"{CONFIDENCE:.0%}: {format_score(low)} to {format_score(high)}"
        return f"{self.metric} {format_score(mean(entry))} ({bounds})"

    def _shortage(self, better: MeasuredScores, noise: float, question: str) -> list[str]:
        """Say that the examples are too few where the noise hides much of the advantage over the baseline."""
        if self.baseline is None or self.ground is None:
            return []
        if noise <= HIDES * abs(mean(better) - self.baseline):
            return []
        return [f"There are too few examples to tell {question}: {self.ground.describe_shortage()}."]

    def _with_ground(self, parts: Sequence[str], entry: FinalScores) -> str:
        ground = [self.ground.describe(len(entry.scores))] if self.ground else []
        return " ".join([*parts, *ground])


def explain_rank(winner: FinalScores, best: FinalScores, ratio: float) -> str:
    """Explain, as part of a sentence, why the winner is not the candidate with the highest score."""
    advantages = differences(best.scores, winner.scores)
    beyond = fmean(advantages) > margin(advantages, ratio)
    lead = f"{best.candidate} is better by {describe_difference(best.scores, winner.scores, ratio)}"
    if beyond:
        return (
            f"{lead}, but the search ranked it lower, and the highest of several noisy scores is a lucky one"
        )
    if winner.candidate.incumbent:
        return f"{lead}, which is within the noise, and only a lead beyond it replaces the champion's recipe"
    if len(ensemble.pieces(best.candidate)) > len(ensemble.pieces(winner.candidate)):
        return f"{lead}, too little for an average of more models, which takes longer to predict"
    return f"{lead}, which is within the noise, and the search ranked it lower"


def describe_difference(challenger: Sequence[float], defender: Sequence[float], ratio: float) -> str:
    """Render the mean difference of two candidates' scores with its noise."""
    advantages = differences(challenger, defender)
    return f"{format_noise(fmean(advantages))} ± {format_noise(margin(advantages, ratio))}"


def describe_lead(lead: Lead) -> str:
    """Render a lead with its noise."""
    return f"{format_noise(lead.advantage)} ± {format_noise(lead.margin)}"


def describe_choice(lead: Lead) -> str:
    """Say, as part of a sentence, that the best of several is in part the luckiest."""
    return "" if lead.rivals == 1 else f" of the best of {lead.rivals:,} recipes"


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


def describe_optimism(optimism: float) -> str:
    """Say that choosing has raised the winner's score; empty if it has not."""
    if optimism < 0.0005:
        return ""
    return (
        f"Choosing the best of many raises a score by luck, here by about {format_noise(optimism)}: the score of the "
        "version is lower by that."
    )


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
