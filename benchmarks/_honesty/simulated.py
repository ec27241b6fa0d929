"""Simulated recipes, whose true ROC AUC is known: the build is real, only its fits are drawn instead of made.

Each row has a signal of its label. What a recipe predicts is the signal, plus an error of the recipe at that row that
it makes in each fit (recipes differ), plus an error of the fit (the training rows differ). So recipes agree with each
other about as much as real ones, those that lead in the search by luck lead on the same rows of the final round, and
all of them have the same true score.
"""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cached_property, partial
from math import sqrt
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from learning.dataset import Dataset
from learning.estimators.families import Candidate
from learning.fits.fold_fit import Failed, Fit, FitContext, Scored
from learning.problem import Classification

from .builds import InlinePool
from .planted import Sample

#: Standard deviations of the errors of a recipe and of a fit; the signal's own is 1 within a class.
RECIPE, FIT = 0.5, 0.2
#: Time to predict a row that is told of each recipe, and a limit that only single recipes keep: an average of recipes
#: with independent errors would really be better.
MICROSECONDS, LIMIT = 60.0, 100.0


@dataclass(frozen=True)
class World:
    """Rows with signals of their labels, and recipes that read them."""

    #: `(n,)`
    signals: NDArray[np.float64]
    y: NDArray[np.int64]
    #: Distance of the classes' means.
    distance: float
    share: float
    #: True ROC AUC of the recipe that is better than the others, if any is.
    better: float | None = None
    #: Time that is told of each fit.
    seconds: float = 0.001
    seed: int = 0

    @classmethod
    def draw(
        cls,
        random: np.random.Generator,
        n: int,
        auc: float,
        share: float = 0.5,
        gain: float = 0.0,
        seconds: float = 0.001,
    ) -> "World":
        """Draw rows for recipes with this ROC AUC, of which one may have more."""
        distance = float(norm.ppf(auc)) * sqrt(2 * _variance(RECIPE))
        positive = max(round(n * share), 1)
        y = random.permutation((np.arange(n) < positive).astype(np.int64))
        signals = random.normal(size=n) + distance * y
        return cls(
            signals, y, distance, share, auc + gain if gain else None, seconds, int(random.integers(2**31))
        )

    def dataset(self, problem: Classification, random: np.random.Generator) -> Dataset:
        """Build the examples: two noisy readings of the signal, and two columns of noise."""
        n = len(self.y)
        readings = self.signals[:, None] + random.normal(size=(n, 2))
        X = np.hstack([readings, random.normal(size=(n, 2))])
        return Sample(X=X, y=self.y).dataset(problem)

    def predict(self, fit: Fit, held_out: NDArray[np.intp], is_better: bool) -> NDArray[np.float32]:
        """Draw calibrated probabilities, `(held out, 2)`."""
        if fit.candidate.family == "baseline":
            positive = np.full(len(held_out), self.share)
        else:
            recipe = self._recipe_error if not is_better else self._better_error
            own = np.random.default_rng([self.seed, crc32(fit.candidate.key.encode())])
            errors = own.normal(0, recipe, len(self.y))[held_out]
            new = np.random.default_rng(
                [self.seed, crc32(f"{fit.candidate.key}{fit.round}{fit.fold}".encode())]
            )
            read = self.signals[held_out] + errors + new.normal(0, FIT, len(held_out))
            margin = self.distance / _variance(recipe) * (read - self.distance / 2)
            positive = 1 / (1 + np.exp(-margin - np.log(self.share / (1 - self.share))))
        return np.column_stack([1 - positive, positive]).astype(np.float32)

    @property
    def _recipe_error(self) -> float:
        return RECIPE

    @cached_property
    def _better_error(self) -> float:
        """Standard deviation of the error of the recipe that is better."""
        assert self.better is not None
        variance = (self.distance / float(norm.ppf(self.better))) ** 2 / 2
        return sqrt(max(0.0, variance - 1 - FIT**2))

    @property
    def pool(self) -> Callable[[FitContext], "SimulatedPool"]:
        """Return what opens a pool over these rows."""
        return partial(SimulatedPool, world=self)


def _variance(recipe: float) -> float:
    return 1 + recipe**2 + FIT**2


@dataclass
class SimulatedPool(InlinePool):
    """Pool that draws the outcomes of the fits on folds; the fits on all rows are one small real one."""

    world: World = field(kw_only=True)
    _artifact: bytes | Failed | None = None

    def score(self, fit: Fit) -> "Future[Scored | Failed]":
        """Draw a candidate's predictions for a fold, and score them."""
        held_out = self.context.split(fit.round)[fit.fold][1]
        predictions = self.world.predict(
            fit, held_out, is_better(fit.candidate) and self.world.better is not None
        )
        scores = self.context.score_predictions(predictions, held_out)
        future: Future[Scored | Failed] = Future()
        future.set_result(
            Scored(
                score=scores.score,
                measures=scores.measures,
                fit_seconds=self.world.seconds,
                predict_seconds=0.0,
                predictions=predictions,
                microseconds=MICROSECONDS,
            )
        )
        return future

    def fit(self, candidate: Candidate, fold: int | None = None) -> "Future[bytes | Failed]":
        """Fit a small model in the candidate's place."""
        if self._artifact is None:
            self._artifact = self.context.fit(Candidate("naive_bayes", {}))
        future: Future[bytes | Failed] = Future()
        future.set_result(self._artifact)
        return future


def is_better(candidate: Candidate) -> bool:
    """Return whether this is the recipe that may be better: one of the first wave."""
    return candidate.family == "extra_trees" and candidate.hyperparameters.get("min_samples_leaf") == 1
