"""Luck of the rows: how much each row adds to a candidate's mean score, from its out-of-fold predictions."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from ..estimators import ensemble
from ..estimators.families import Candidate
from ..evaluation.influence import influence
from ..fits.fold_fit import FitContext
from .rounds import Scoreboard

Floats = NDArray[np.float64]

#: Rows of a fold, times classes, whose influence is computed at most, and rows at least: more of them hardly change how
#: large it is.
MOST_VALUES, LEAST_ROWS = 20_000, 2_000
#: Keeps the sample's random numbers apart from others of the same seed.
STREAM = 98


def draw_luck(contributions: Floats, draws: int, random: np.random.Generator) -> Floats:
    """Draw the joint luck of candidates from the normal distribution that their contributions, `(k, units)`, give.

    Returns: `(draws, k)`.
    """
    values, vectors = np.linalg.eigh(contributions @ contributions.T)
    return random.standard_normal((draws, len(values))) @ (vectors * np.sqrt(values.clip(0))).T


@dataclass(frozen=True, kw_only=True)
class RowLuck:
    """Contributions of rows to the mean scores on the first `folds` folds of a round."""

    context: FitContext
    scoreboard: Scoreboard
    folds: int
    #: The problem's metric, or the loss that `ensemble.row_losses` computes.
    metric: str

    def contributions(self, recipe: Candidate) -> Floats | None:
        """Compute what each independent set of rows adds to the recipe's mean score: `(units,)`, with mean 0.

        The sum of their squares is the variance of the mean score over draws of the rows. An average that was not
        scored has the average of its members' predictions. None without predictions, or if the metric has no formula.
        """
        y, classes = self.context.dataset.y, len(self.context.dataset.classes)
        if y is None or not self.knows(recipe):
            return None
        total = np.zeros(len(self.units))
        for predictions, (held_out, sample) in zip(self._predictions(recipe), self._samples, strict=True):
            rows = held_out[sample]
            values = influence(predictions[sample], y[rows], self.metric, classes)
            if values is None:
                return None
            values /= np.sqrt(len(rows) * len(held_out))
            total += np.bincount(self._positions(rows), weights=values, minlength=len(total))
        return total / self.folds

    def knows(self, recipe: Candidate) -> bool:
        """Return whether the recipe, or all that it averages, has predictions on these folds."""
        return self._is_scored(recipe) or all(self._is_scored(each) for each in ensemble.members(recipe))

    def score(self, recipe: Candidate) -> float:
        """Compute the mean score on these folds, by `metric`, of a recipe that has predictions on them."""
        if self.metric == self.context.metric and self._is_scored(recipe):
            return self.scoreboard.mean(recipe, range(self.folds))
        return fmean(
            self._score_fold(predictions, held_out)
            for predictions, (held_out, _) in zip(self._predictions(recipe), self._samples, strict=True)
        )

    def _score_fold(self, predictions: NDArray[np.float32], held_out: NDArray[np.intp]) -> float:
        if self.metric == self.context.metric:
            return self.context.score_predictions(predictions, held_out).score
        dataset = self.context.dataset
        assert dataset.y is not None
        return -float(ensemble.row_losses(predictions, dataset.y[held_out], len(dataset.classes)).mean())

    def _is_scored(self, candidate: Candidate) -> bool:
        steps = self.scoreboard.scored.get(candidate, {})
        return all(fold in steps and steps[fold].predictions is not None for fold in range(self.folds))

    def _predictions(self, recipe: Candidate) -> Iterator[NDArray[np.float32]]:
        members = {recipe: 1.0} if self._is_scored(recipe) else ensemble.members(recipe)
        for fold in range(self.folds):
            outputs = {c: self.scoreboard.scored[c][fold].predictions for c in members}
            yield ensemble.average({c: each for c, each in outputs.items() if each is not None}, members)

    @cached_property
    def units(self) -> NDArray[np.intp]:
        """Numbers of the independent sets of rows, ascending."""
        rows = np.concatenate([held_out[sample] for held_out, sample in self._samples])
        return np.unique(rows if self._together is None else self._together[rows])

    def _positions(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Find the positions of the rows' sets in `units`."""
        return np.searchsorted(self.units, rows if self._together is None else self._together[rows])

    @cached_property
    def _samples(self) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """The held-out rows of each fold, and the positions of a sample of them: much the same rows in all rounds."""
        most = max(LEAST_ROWS, MOST_VALUES // max(1, len(self.context.dataset.classes)))
        random = np.random.default_rng([self.context.seed, STREAM])
        order = random.permutation(len(self.context.dataset))
        folds = self.context.split(self.scoreboard.round)[: self.folds]
        return [(held_out, np.sort(np.argsort(order[held_out])[:most])) for _, held_out in folds]

    @cached_property
    def _together(self) -> NDArray[np.int64] | None:
        return self.context.dataset.rows_together()

    @property
    def freedom(self) -> int:
        """Degrees of freedom of an error estimated from the contributions: those of the rarest class."""
        dataset = self.context.dataset
        counts = [len(dataset) if self._together is None else len(np.unique(self._together))]
        if dataset.classes and dataset.y is not None:
            counts += np.bincount(dataset.y, minlength=len(dataset.classes)).tolist()
        return max(1, min(counts) - 1)
