"""Ridge recipes: cheap fits on real rows, of which the score on many other rows is known as well.

A build's search, final round and correction are real, and so are rows and labels; only the recipes are as simple as can
be, a ridge regression of some of the columns, so that hundreds of builds take minutes. Each model of a fold is scored
on the fresh rows, too: what the fold's score is told to be and what it is then differ by luck and by choosing alone,
not because fewer rows were learned from.
"""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from statistics import fmean
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from learning.dataset import Dataset
from learning.estimators.families import BASELINE, Candidate
from learning.evaluation.folds import Round
from learning.fits.fold_fit import Failed, Fit, FitContext, Scored
from learning.problem import Classification

from .builds import InlinePool
from .planted import Floats, Sample
from .simulated import MICROSECONDS

#: Share of the columns that a recipe reads, and decimal logarithms of its penalties, relative to the rows.
SHARE, LEAST, MOST = 0.5, -3.0, 0.5
#: The recipe that nothing chooses: it reads all columns.
REFERENCE = Candidate("reference", {})
#: Columns of the examples that a build analyses: mixtures of the real ones, since no recipe reads them.
COLUMNS = 4


@dataclass
class RidgeWorld:
    """Real rows to learn from, and others that tell the truth."""

    learn: Sample
    fresh: Sample
    seed: int
    pools: "list[RidgePool]" = field(default_factory=list)

    @classmethod
    def draw(cls, sample: Sample, rows: int, seed: int) -> "RidgeWorld":
        """Draw rows to learn from."""
        order = np.random.default_rng(seed).permutation(len(sample))
        return cls(sample.take(order[:rows]), sample.take(order[rows:]), seed)

    def dataset(self, problem: Classification) -> Dataset:
        """Build the examples."""
        X = self.learn.X / np.maximum(self.learn.X.std(axis=0), 1e-9)
        mixtures = np.random.default_rng(self.seed).normal(size=(X.shape[1], COLUMNS))
        return Sample(X=X @ mixtures, y=self.learn.y).dataset(problem)

    @property
    def pool(self) -> "Callable[[FitContext], RidgePool]":
        """Return what opens a pool over these rows."""
        return partial(RidgePool, world=self)

    def predict(self, recipe: Candidate, rows: NDArray[np.intp], X: Floats) -> Floats:
        """Fit a recipe on these rows, and predict others: `(n,)` probabilities of the positive class."""
        random = np.random.default_rng([self.seed, crc32(recipe.key.encode())])
        width = X.shape[1]
        columns, penalty = np.arange(width), 1.0
        if recipe != REFERENCE:
            columns = np.sort(random.permutation(width)[: max(1, round(SHARE * width))])
            penalty = 10 ** random.uniform(LEAST, MOST)
        own, y = self.learn.X[np.ix_(rows, columns)], self.learn.y[rows].astype(np.float64)
        mean, scale = own.mean(axis=0), np.maximum(own.std(axis=0), 1e-9)
        Z = (own - mean) / scale
        weights = np.linalg.solve(Z.T @ Z + penalty * len(rows) * np.eye(len(columns)), Z.T @ (y - y.mean()))
        return np.clip(y.mean() + (X[:, columns] - mean) / scale @ weights, 0.001, 0.999)

    def compare(
        self, context: FitContext, recipe: Candidate, round: Round = "contest"
    ) -> tuple[float, float]:
        """Score a recipe's models of the folds: on the rows that the folds held out, and on the fresh rows."""
        held, fresh = [], []
        for rows, held_out in context.split(round):
            held.append(area(self.predict(recipe, rows, self.learn.X[held_out]), self.learn.y[held_out]))
            fresh.append(area(self.predict(recipe, rows, self.fresh.X), self.fresh.y))
        return fmean(held), fmean(fresh)


@dataclass
class RidgePool(InlinePool):
    """Pool that fits ridge recipes on folds; the fits on all rows are one small real one."""

    world: RidgeWorld = field(kw_only=True)
    _artifact: bytes | Failed | None = None

    def __post_init__(self) -> None:
        self.world.pools.append(self)

    def score(self, fit: Fit) -> "Future[Scored | Failed]":
        """Fit a recipe on a fold, and score it."""
        rows, held_out = self.context.split(fit.round)[fit.fold]
        if fit.candidate.family == BASELINE:
            positive = np.full(len(held_out), self.world.learn.y[rows].mean())
        else:
            positive = self.world.predict(fit.candidate, rows, self.world.learn.X[held_out])
        predictions = np.column_stack([1 - positive, positive]).astype(np.float32)
        scores = self.context.score_predictions(predictions, held_out)
        future: Future[Scored | Failed] = Future()
        future.set_result(
            Scored(
                score=scores.score,
                measures=scores.measures,
                fit_seconds=0.001,
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


def area(scores: Floats, y: NDArray[np.float64] | NDArray[np.int64]) -> float:
    """Compute the ROC AUC."""
    positive = int(y.sum())
    ranks = rankdata(scores)[y == 1].sum()
    return float((ranks - positive * (positive + 1) / 2) / (positive * (len(y) - positive)))
