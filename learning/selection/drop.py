"""Drop: whether the champion's recipe scores less on these examples than on its own, beyond both scores' errors.

Data that broke look like this. So does a record that was lucky because it was chosen, and comes down when measured
again: it counts less the optimism that was estimated of the choice. Of a record without an estimate, the luckiest
of many equal scores is assumed, which is above its truth by what `LUCK` says.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import hypot
from statistics import fmean

from scipy.stats import norm, t

from ..evaluation.score_error import WIDTH
from .decision import Entry, Incumbent
from .noise import ROUNDING, SIGNIFICANT, standard_error
from .objections import Objection
from .reasons import format_noise, format_score

#: Errors that the luckiest of 20 equal scores is above its truth, and their deviation: of the normal distribution that
#: has the deviation and the 95 % quantile (2.8) of the largest of 20 normal values.
LUCK, LUCK_SPREAD = 1.95, 0.525
#: Errors that a score falls by chance in `SIGNIFICANT` of all cases.
CHANCE = float(norm.isf(SIGNIFICANT))


@dataclass(frozen=True, kw_only=True)
class Drop:
    """The champion's recorded score beside what its recipe has now, or beside the winner if it has none."""

    metric: str
    recorded: Incumbent
    now: Entry
    #: Examples of the new snapshot; None: unknown.
    examples: int | None
    #: Folds of one partition; None: unknown.
    folds: int | None
    #: Held-out rows per training row of a fold.
    ratio: float
    #: Columns that changed since the champion's snapshot; None if that is unknown.
    changed: Sequence[str] | None

    def objections(self) -> Iterator[Objection]:
        """Yield the objection to the data, if the score fell."""
        description = self.describe()
        if description is not None:
            yield Objection(description)

    def describe(self) -> str | None:
        """Describe the drop and what to do; None if luck or chance explain it."""
        fall, allowance = self.record - self.now.score, self.allowance()
        if fall <= allowance + ROUNDING:
            return None
        recipe = "the champion's recipe" if self.now.candidate.incumbent else str(self.now.candidate)
        return (
            f"On these examples {recipe} has {self.metric} {format_score(self.now.score)}, below the champion's "
            f"recorded {format_score(self.record)} by {format_noise(fall)}; the errors of both scores explain "
            f"{format_noise(allowance)}.{_describe_changes(self.changed)} Look for broken columns or labels, and "
            "promote the version if the data are right."
        )

    @property
    def record(self) -> float:
        """The recorded score as the folds measured it, before the model was calibrated, less its optimism."""
        if not self.recorded.scores:
            return self.recorded.score
        return fmean(self.recorded.scores) - self.recorded.optimism

    def allowance(self) -> float:
        """Compute the fall that chance explains: of the record, and of the new score.

        The luck of a record whose optimism is unknown counts as well, unless columns changed visibly: it is no
        explanation that is needed then.
        """
        error = self.now.error
        if error is None:
            return self._by_folds()
        high = error.interval(self.now.score)[1]
        low = error.interval(self.record, growth=self._growth())[0]
        before, now = (self.record - low) / WIDTH, (high - self.now.score) / WIDTH
        if self.changed or self.recorded.optimism > 0:
            return CHANCE * hypot(before, now)
        return LUCK * before + CHANCE * hypot(LUCK_SPREAD * before, now)

    def _growth(self) -> float:
        """Compare the rows that the record was measured on with those of the new score."""
        before, now = self.recorded.examples, self.examples
        growth = before / now if before and now else 1.0
        return growth * self._share(len(self.recorded.scores)) / self._share(len(self.now.scores))

    def _share(self, scored: int) -> float:
        """Compute the share of the rows that were held out in this many folds."""
        return min(1.0, scored / self.folds) if scored and self.folds else 1.0

    def _by_folds(self) -> float:
        """Compute it from the folds' spread, which is wide enough for luck, because it counts shared training rows."""
        now = standard_error(self.now.scores, self.ratio)
        scores = self.recorded.scores
        before = standard_error(scores, self.ratio) if len(scores) > 1 else now
        degrees = len(self.now.scores) - 1 + max(0, len(scores) - 1)
        return float(t.isf(SIGNIFICANT, df=degrees)) * hypot(now, before)


def _describe_changes(changed: Sequence[str] | None) -> str:
    if changed is None:
        return ""
    if not changed:
        return " No visible changes since then."
    return f" Changes since then: {', '.join(changed)}."
