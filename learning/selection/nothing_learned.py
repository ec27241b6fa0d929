"""Nothing learned: a winner that is no better than a model without features, as far as its rows can tell.

Cross-validation of noise gives scores on both sides of chance, further apart than single rows say because the folds
share training rows, and the search picks the highest of many. So the test is corrected for both: by Nadeau and Bengio's
term (Inference for the Generalization Error, 2003), and for the number of families (Bonferroni): recipes of one family
err on the same rows alike.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf, sqrt
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

from ..dataset import Dataset
from ..estimators.families import BASELINE
from ..evaluation import evaluate
from ..evaluation.folds import Fold
from ..evaluation.reference_models import predict_without_features
from ..evaluation.score_error import ScoreError, estimate_error
from .class_changes import are_comparable
from .decision import Entry, Incumbent
from .noise import ROUNDING, SIGNIFICANT, differences, standard_error
from .objections import Objection
from .reasons import format_score

#: Scores that are the same for each model without features.
CHANCE = {"roc_auc": 0.5, "roc_auc_ovr": 0.5}


@dataclass(frozen=True, kw_only=True)
class Advantage:
    """Advantage of a winner over the model without features, by one metric."""

    score: float
    baseline: float
    #: Advantage that chance alone explains.
    noise: float

    @property
    def is_beyond_noise(self) -> bool:
        """True if chance alone does not explain it."""
        return self.score - self.baseline > self.noise + ROUNDING

    @property
    def needed(self) -> float:
        """Score from which on the advantage is beyond noise."""
        return self.baseline + self.noise


@dataclass(frozen=True, kw_only=True)
class ChanceLevel:
    """Judge whether the final round's winner has learned anything."""

    dataset: Dataset
    metric: str
    #: Those of the final round.
    folds: Sequence[Fold]
    #: The winner's predictions of each fold.
    predictions: Sequence[NDArray[np.float32]]
    #: Held-out rows per training row of a fold.
    ratio: float
    #: Recipes that the winner is the best of, and their families.
    recipes: int
    families: int
    incumbent: Incumbent | None

    def objections(self, winner: Entry) -> Iterator[Objection]:
        """Yield the objection to a winner that has learned nothing, or is worse than a model without features."""
        own = self._advantage(winner)
        if winner.candidate.family == BASELINE or not (own.is_beyond_noise or self._ranks(winner)):
            if not self._is_accepted(own):
                yield Objection(self._describe(winner, own), holds_first=True)
        elif own.score < own.baseline - ROUNDING:
            # No significance test: if one fold has an extreme score, the noise is as large as the loss.
            yield Objection(
                f"{self.metric} {format_score(own.score)} is worse than the baseline's {format_score(own.baseline)}, "
                "which uses no feature: choose another metric, or promote the version if its ranking is enough."
            )

    def _describe(self, winner: Entry, own: Advantage) -> str:
        rows = len(np.unique(np.concatenate([held_out for _, held_out in self.folds])))
        if winner.candidate.family == BASELINE:
            reason = "no recipe was better than the baseline, which uses no feature"
        else:
            reason = (
                f"a model without features has {format_score(own.baseline)}, and the best of {self.recipes} recipes "
                f"would need {format_score(own.needed)} to show more"
            )
        return (
            f"{self.metric} {format_score(own.score)} is no better than chance, as far as {rows:,} rows can tell: "
            f"{reason}. Collect more rows or other features and build again; promote the version only if you know that "
            "it is of use."
        )

    def _is_accepted(self, own: Advantage) -> bool:
        """Return whether the champion had learned nothing either, as far as its own examples could tell.

        A person has accepted it, so its successor may follow. What few examples cannot tell is no licence to replace
        a champion that many have shown to be of use.
        """
        champion = self.incumbent
        if champion is None or champion.metric != self.metric:
            return False
        fewer = len(self.dataset) / champion.examples if champion.examples else 1.0
        needed = own.baseline + own.noise * sqrt(fewer)
        return are_comparable(champion.classes, self.dataset.classes) and champion.score <= needed

    def _advantage(self, winner: Entry) -> Advantage:
        """Compare by the problem's metric."""
        baseline = self._baseline_scores(self.metric)
        error = winner.error
        chance = self._chance_error(self.metric) if error is not None else None
        if error is not None and chance is not None:
            noise = self._noise(error, chance)
        else:
            advantages = differences(winner.scores, baseline)
            noise = self._quantile(len(advantages) - 1) * standard_error(advantages, self.ratio)
        return Advantage(score=winner.score, baseline=fmean(baseline), noise=noise)

    def _ranks(self, winner: Entry) -> bool:
        """Return whether the predictions tell rows apart, even if the metric does not show it.

        The accuracy for a rare class may be that of always predicting the other one.
        """
        metric = self._telling
        if metric == self.metric:
            return False
        error, chance = self._error(metric, self.predictions), self._chance_error(metric)
        if error is None or chance is None:
            return False
        advantage = Advantage(
            score=fmean(self._scores(metric, self.predictions)),
            baseline=fmean(self._baseline_scores(metric)),
            noise=self._noise(error, chance),
        )
        return advantage.is_beyond_noise

    def _noise(self, error: ScoreError, chance: ScoreError) -> float:
        """Compute the advantage that chance explains; shared training rows more than double the rows' variance."""
        return self._quantile(inf) * error.minus(chance).error * sqrt(2 + self.ratio)

    @property
    def _telling(self) -> str:
        """Metric that shows any information about the label."""
        classes = len(self.dataset.classes)
        return "neg_mean_squared_error" if not classes else "roc_auc" if classes == 2 else "roc_auc_ovr"

    def _quantile(self, degrees: float) -> float:
        tests = 1 if self._telling == self.metric else 2
        level = SIGNIFICANT / (tests * self.families)
        return float(norm.isf(level) if degrees == inf else t.isf(level, df=degrees))

    def _baseline_scores(self, metric: str) -> list[float]:
        if metric in CHANCE:
            return [CHANCE[metric]] * len(self.folds)
        return self._scores(metric, self._baseline)

    def _chance_error(self, metric: str) -> ScoreError | None:
        return self._error(metric, self._baseline)

    @cached_property
    def _baseline(self) -> list[NDArray[np.float32]]:
        """Predictions of a model that knows only the labels it learned from."""
        return [
            predict_without_features(self.dataset, learn, len(held_out)).astype(np.float32)
            for learn, held_out in self.folds
        ]

    def _scores(self, metric: str, predictions: Sequence[NDArray[np.float32]]) -> list[float]:
        assert self.dataset.y is not None
        y, classes = self.dataset.y, self.dataset.classes
        rows = [held_out for _, held_out in self.folds]
        return [
            evaluate.score_labels(p, y[r], metric, classes).score
            for p, r in zip(predictions, rows, strict=True)
        ]

    def _error(self, metric: str, predictions: Sequence[NDArray[np.float32]]) -> ScoreError | None:
        return estimate_error(metric, self.dataset, predictions, [held_out for _, held_out in self.folds])
