"""Effect of repeated rows on the score: a small forest, scored with and without equal rows in one fold."""

from dataclasses import replace
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from ..dataset import Dataset
from ..estimators.families import Candidate, catalogue
from ..exceptions import TooFewInstances
from ..problem import Problem
from .evaluate import score_classification, score_regression
from .folds import FoldPlan
from .learnable import Learnable

#: Upper bound of the different rows that are scored.
ROWS = 1_000
#: The model: it learns rows by heart, as most models do to some degree.
FOREST = Candidate("forest", {"n_estimators": 30})


def describe_effect(problem: Problem, learnable: Learnable) -> str:
    """Describe the difference in a sentence; empty if a sample of the rows has no valid folds."""
    sample, metric, folds = _sample(learnable.dataset, problem.seed), learnable.metric, learnable.plan.folds
    try:
        together = _score(problem, sample, metric, folds)
        apart = _score(problem, replace(sample, repeated=None), metric, folds)
    except TooFewInstances:
        return ""
    return (
        f"A forest has {metric} {together:.3f} on such folds; it would seem to have {apart:.3f} if they separated "
        "equal rows."
    )


def _sample(dataset: Dataset, seed: int) -> Dataset:
    """Sample different rows with all that repeat them."""
    assert dataset.repeated is not None and dataset.y is not None
    chosen = np.random.default_rng(seed).permutation(dataset.distinct_rows())[:ROWS]
    rows = np.flatnonzero(np.isin(dataset.repeated, chosen))
    return replace(dataset.take(rows), repeated=np.searchsorted(rows, dataset.repeated[rows]))


def _score(problem: Problem, dataset: Dataset, metric: str, n_folds: int) -> float:
    """Score the forest on one partition into folds."""
    folds = FoldPlan.of(problem, dataset, n_folds).split(dataset, "search")[:n_folds]
    return fmean(_score_fold(problem, dataset, metric, learn, held_out) for learn, held_out in folds)


def _score_fold(
    problem: Problem, dataset: Dataset, metric: str, learn: NDArray[np.intp], held_out: NDArray[np.intp]
) -> float:
    assert dataset.y is not None
    pipeline = catalogue.pipeline(problem.task, FOREST, dataset.columns, problem.seed)
    pipeline.fit(dataset.X.iloc[learn], dataset.y[learn])
    X, y = dataset.X.iloc[held_out], dataset.y[held_out]
    if dataset.classes:
        return score_classification(pipeline.predict_proba(X), y, metric, dataset.classes).score
    return score_regression(pipeline.predict(X), y, metric).score
