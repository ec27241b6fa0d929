"""Gate: whether the best of many recipes is better than the champion's, and not only the luckiest.

The folds of the search and of the final round are partitions of the same rows, so what a recipe owes to lucky rows is
in both. The challenger's lead is therefore measured by that of the luckiest of all its rivals, if none were better: the
largest of many correlated t statistics (Hothorn, Bretz and Westfall, Simultaneous Inference in General Parametric
Models, 2008). White, A Reality Check for Data Snooping, 2000, has the same idea for forecasts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log, sqrt
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..estimators import ensemble
from ..estimators.families import Candidate, full_recipe
from ..evaluation.influence import is_known
from ..lazy_imports import LazyModule
from .final_round import FinalRound
from .noise import ROUNDING, SIGNIFICANT, Lead, differences, margin, standard_error
from .reasons import FinalScores
from .row_luck import RowLuck, draw_luck
from .search import Search

if TYPE_CHECKING:
    from scipy import stats
else:
    stats = LazyModule("scipy.stats")

Floats = NDArray[np.float64]

#: Draws of the largest luck of all rivals.
DRAWS = 20_000
#: What shows how much luck rivals share where the metric has no formula: whether they predict classes.
LOSSES = {True: "neg_log_loss", False: "neg_mean_squared_error"}


@dataclass(frozen=True, kw_only=True)
class Gate:
    """Comparison of a challenger with a defender on the folds of a final round."""

    search: Search
    final_round: FinalRound

    def compare(self, challenger: FinalScores, defender: FinalScores) -> Lead:
        """Measure the challenger's lead, and the lead that the luckiest of its rivals would have by chance.

        It must exceed two margins. One has the error of the mean over rows, which shows how much luck rivals share, and
        is corrected for their number. The other has the folds' error, which also shows what refits change.
        """
        rivals = self._rivals(challenger.candidate, defender.candidate)
        if rivals is None:
            return self._compare_folds(challenger, defender)
        ratio = self.search.context.plan.ratio
        advantages = differences(challenger.scores, defender.scores)
        rows, error = self._row_error(challenger.candidate, defender.candidate)
        if error < ROUNDING:
            noise = rivals.critical_value(len(advantages) - 1, self._seed) * standard_error(advantages, ratio)
        else:
            noise = rivals.critical_value(rows.freedom, self._seed) * error
        return Lead(
            advantage=fmean(advantages), margin=max(noise, margin(advantages, ratio)), rivals=rivals.count
        )

    def _compare_folds(self, challenger: FinalScores, defender: FinalScores) -> Lead:
        """Compare by the folds' scores alone, as if the rivals shared no luck."""
        tried = {*self.search.screening.scored, *self.search.scoreboard.scored} - {
            _all_rows(defender.candidate)
        }
        return Lead.of(challenger.scores, defender.scores, self.search.context.plan.ratio, len(tried))

    def _row_error(self, challenger: Candidate, defender: Candidate) -> tuple[RowLuck, float]:
        """Compute the standard error of the lead over draws of the held-out rows; 0 if it is unknown."""
        board, context = self.final_round.scoreboard, self.search.context
        rows = RowLuck(context=context, scoreboard=board, folds=board.folds, metric=context.metric)
        ours, theirs = rows.contributions(challenger), rows.contributions(defender)
        return rows, 0.0 if ours is None or theirs is None else float(np.linalg.norm(ours - theirs))

    def _rivals(self, challenger: Candidate, defender: Candidate) -> "Rivals | None":
        """Compare what was tried in the search with the defender there; None if that is unknown."""
        luck = self._search_luck()
        reference = None if luck is None else luck.contributions(_all_rows(defender))
        if luck is None or reference is None:
            return None
        tried = [c for c in luck.scoreboard.scored if luck.knows(c) and c != _all_rows(defender)]
        if challenger.family == ensemble.FAMILY and luck.knows(challenger):
            tried.append(challenger)
        score, shapes = luck.score(_all_rows(defender)), []
        for candidate in tried:
            contributions = luck.contributions(candidate)
            lead = reference if contributions is None else contributions - reference
            error, deficit = float(np.linalg.norm(lead)), score - luck.score(candidate)
            has_hope = candidate == _all_rows(challenger) or deficit <= error * _hopeless(len(lead))
            if has_hope and error > ROUNDING:
                shapes.append(lead / error)
        return Rivals(shapes=shapes, count=len(tried))

    def _search_luck(self) -> RowLuck | None:
        """Return the luck on the folds that all candidates of the search were scored on; None without predictions."""
        search, context = self.search, self.search.context
        if not context.problem_type.learns_from_labels:
            return None
        folds = min(context.plan.opening_folds, search.scoreboard.folds)
        metric = context.metric
        if not is_known(metric, len(context.dataset.classes)):
            metric = LOSSES[context.problem_type.has_classes]
        return RowLuck(context=context, scoreboard=search.scoreboard, folds=folds, metric=metric)

    @property
    def _seed(self) -> int:
        return self.search.context.seed


@dataclass(frozen=True, kw_only=True)
class Rivals:
    """Candidates that the challenger was chosen from."""

    #: `(units,)` of each that is not hopelessly worse than the defender: how its lead depends on the rows, of length 1.
    shapes: Sequence[Floats]
    #: Number of all that were tried.
    count: int

    def critical_value(self, freedom: int, seed: int) -> float:
        """Compute what the largest of the rivals' t statistics exceeds by chance in `SIGNIFICANT` of all cases.

        The statistics are those of a multivariate t distribution with the correlations of the rivals' leads.
        """
        single = float(stats.t.isf(SIGNIFICANT, df=freedom))
        if len(self.shapes) < 2:
            return single
        random = np.random.default_rng(seed)
        draws = draw_luck(np.array(self.shapes), DRAWS, random)
        scales = np.sqrt(random.chisquare(freedom, DRAWS) / freedom)
        return max(single, float(np.quantile(draws.max(axis=1) / scales, 1 - SIGNIFICANT)))


def _hopeless(rows: int) -> float:
    """Compute how many standard errors below the defender a rival counts no more.

    Hansen, A Test for Superior Predictive Ability, 2005: the test is weaker with rivals that cannot win anyway.
    """
    return sqrt(2 * log(log(max(rows, 3))))


def _all_rows(recipe: Candidate) -> Candidate:
    """Return the recipe that learns from all rows: the search has scored no other."""
    return replace(recipe, hyperparameters=full_recipe(recipe.hyperparameters))
