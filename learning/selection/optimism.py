"""Optimism: how much choosing the best of many candidates has raised the score that is told of it.

The final round partitions the same rows as the search, so the luck that chose the winner is in its score there, too. As
in the bootstrap bias-corrected cross-validation of Tsamardinos, Greasidou and Borboudakis (Bootstrapping the
Out-of-sample Predictions for Efficient and Accurate Cross-Validation, 2018), the choice is repeated on resampled rows,
and scored on those that were not drawn; no candidate is fitted again. The luck is drawn from the normal distribution
that the rows' influence gives: with luck Z in the scores, and Z' of the same distribution, a choice by the scores plus
g Z' is independent of the scores less Z' / g, which are therefore honest (Oliveira, Lei and Tibshirani, Unbiased Risk
Estimation in the Normal Means Problem via Coupled Bootstrap Techniques, 2021). The smaller g is, the more the choice
resembles the one that was made, and the less certain is the estimate.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from ..estimators import ensemble
from ..estimators.families import BASELINE, Candidate
from ..evaluation.folds import Round
from ..evaluation.influence import is_known
from .decision import Incumbent
from .final_round import FinalRound
from .row_luck import RowLuck, draw_luck
from .search import Search

Floats = NDArray[np.float64]

#: Draws of the luck of all candidates.
DRAWS = 10_000
#: The g above. With 1, recipes that differ are chosen less well than they were, and the correction is too strong: over
#: 110 searches on ten real sets it left −0.0043 ± 0.0012 of +0.0066 in ROC AUC, with this −0.0009 ± 0.0014.
MORE_LUCK = 0.5
#: Random halves of the rows on which an ensemble's weights are chosen anew, and rows that are halved at most.
HALVINGS, HALVED_ROWS = 5, 5_000


@dataclass(frozen=True, kw_only=True)
class Optimism:
    """Estimates the optimism of a build's candidates."""

    search: Search
    final_round: FinalRound
    #: The champion.
    incumbent: Incumbent | None = None

    def of(self, recipe: Candidate, is_winner: bool = True) -> float:
        """Estimate how far the recipe's score in the final round is too high because it was chosen; at least 0.

        An alternative to the winner was chosen from its family. The champion's recipe was chosen by an earlier build:
        the luck of that build's examples is part of a larger mean now. A model without features has no luck to choose.
        """
        if recipe.incumbent:
            return self._remaining()
        if recipe.family == BASELINE or not self._is_measurable:
            return 0.0
        if len(ensemble.members(recipe)) > 1:
            return self._carried_over * self._estimate_ensemble
        family = next(iter(ensemble.members(recipe))).family
        rivals = [c for c in self._searched if is_winner or c.family == family]
        return self._carried_over * self._estimate_best(rivals)

    def _remaining(self) -> float:
        if self.incumbent is None:
            return 0.0
        analysis, rows = self.incumbent.analysis, len(self.search.context.dataset)
        return self.incumbent.optimism * (1.0 if analysis is None else min(1.0, analysis.rows / rows))

    @property
    def _is_measurable(self) -> bool:
        context = self.search.context
        return context.problem_type.learns_from_labels and is_known(
            context.metric, len(context.dataset.classes)
        )

    @cached_property
    def _searched(self) -> dict[Candidate, Floats]:
        """The luck of each candidate that was scored on all folds of the search: `(units,)`, with mean 0."""
        board = self.search.scoreboard
        return self._luck(self._rows("search"), board.means)

    def _rows(self, round: Round) -> RowLuck:
        context = self.search.context
        board = self.search.scoreboard if round == "search" else self.final_round.scoreboard
        return RowLuck(context=context, scoreboard=board, folds=board.folds, metric=context.metric)

    def _luck(self, rows: RowLuck, candidates: Iterable[Candidate]) -> dict[Candidate, Floats]:
        contributions = ((c, rows.contributions(c)) for c in candidates)
        return {c: values for c, values in contributions if values is not None}

    def _estimate_best(self, rivals: Sequence[Candidate]) -> float:
        """Estimate the optimism of the best of these candidates by the search's score."""
        if len(rivals) < 2:
            return 0.0
        standings, means = self.search.standings(), self.search.scoreboard.means
        luck = np.array([self._searched[c] for c in rivals])
        scores, standing = (np.array([values[c] for c in rivals]) for values in (means, standings))
        draws = draw_luck(luck, DRAWS, np.random.default_rng(self.search.context.seed))
        chosen = (standing + MORE_LUCK * draws).argmax(axis=1)
        honest = scores[chosen] - draws[np.arange(DRAWS), chosen] / MORE_LUCK
        return max(0.0, float(scores[standing.argmax()] - honest.mean()))

    @cached_property
    def _carried_over(self) -> float:
        """The share of the luck in the search that is in the final round, too: from 0 to 1.

        It is the slope of the regression of the finalists' luck there on that in the search, each less the finalists'
        mean luck, which all share.
        """
        finalists = [c for c in self.final_round.scoreboard.means if c in self._searched]
        if len(finalists) < 2:
            return 1.0
        rounds = self._rows("search"), self._rows("contest")
        final = self._luck(rounds[1], finalists)
        before, after = (np.array([luck[c] for c in finalists]) for luck in (self._searched, final))
        before, after = before - before.mean(axis=0), after - after.mean(axis=0)
        _, ours, theirs = np.intersect1d(rounds[0].units, rounds[1].units, return_indices=True)
        spread, common = float((before**2).sum()), float((before[:, ours] * after[:, theirs]).sum())
        return min(1.0, max(0.0, common / spread)) if spread else 1.0

    @cached_property
    def _estimate_ensemble(self) -> float:
        """Estimate the optimism of weights that were chosen by the score on the same rows.

        They are chosen anew on a random half of the rows, and scored on the other. A half has twice the luck of all
        rows, so that the estimate is rather too large.
        """
        context, board = self.search.context, self.search.scoreboard
        y = context.dataset.y
        assert y is not None
        rows = np.concatenate([held_out for _, held_out in context.split("search")[: board.folds]])
        random = np.random.default_rng(context.seed)
        units = context.dataset.rows_together()
        units = rows if units is None else units[rows]
        sampled = random.permutation(np.unique(units))
        share = min(1.0, HALVED_ROWS / len(np.unique(rows)))
        sampled = sampled[: max(2, round(share * len(sampled)))]
        inside = np.isin(units, sampled)
        rows, units = rows[inside], units[inside]
        pool = [c for c in self.search.leaders() if c.family != BASELINE and c in self._searched]
        predictions = {c: board.predictions(c)[inside] for c in pool[: ensemble.MOST]}
        if len(predictions) < 2:
            return 0.0
        return share * self._halve(predictions, rows, units, sampled, random)

    def _halve(
        self,
        predictions: Mapping[Candidate, NDArray[np.float32]],
        rows: NDArray[np.intp],
        units: NDArray[np.intp],
        sampled: NDArray[np.intp],
        random: np.random.Generator,
    ) -> float:
        everything, honest = np.ones(len(rows), dtype=np.bool_), []
        for _ in range(HALVINGS):
            half = np.isin(units, random.permutation(sampled)[: len(sampled) // 2])
            if self._have_all_classes(rows[half], rows[~half]):
                pairs = (half, ~half), (~half, half)
                honest += [self._score_weights(predictions, rows, *pair) for pair in pairs]
        if not honest:
            return 0.0
        return max(0.0, self._score_weights(predictions, rows, everything, everything) - fmean(honest))

    def _have_all_classes(self, *parts: NDArray[np.intp]) -> bool:
        dataset = self.search.context.dataset
        assert dataset.y is not None
        return all(np.isin(np.arange(len(dataset.classes)), dataset.y[rows]).all() for rows in parts)

    def _score_weights(
        self,
        predictions: Mapping[Candidate, NDArray[np.float32]],
        rows: NDArray[np.intp],
        chosen_on: NDArray[np.bool_],
        scored_on: NDArray[np.bool_],
    ) -> float:
        """Choose an ensemble's weights on some of the rows, and score it on others."""
        context = self.search.context
        assert context.dataset.y is not None
        weights = ensemble.select(
            {c: values[chosen_on] for c, values in predictions.items()},
            context.dataset.y[rows[chosen_on]],
            len(context.dataset.classes),
        )
        averaged = ensemble.average({c: predictions[c][scored_on] for c in weights}, weights)
        return context.score_predictions(averaged, rows[scored_on]).score
