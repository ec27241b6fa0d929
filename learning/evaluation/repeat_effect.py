"""Effect of repeated rows on the score: a small forest, scored with and without equal rows in one fold."""

from dataclasses import replace
from statistics import fmean

import numpy as np

from ..dataset import Dataset
from ..exceptions import TooFewInstances
from ..problem import Problem
from .evaluate import score_labels
from .folds import FoldPlan
from .learnable import Learnable
from .reference_models import FOREST, predict

#: Upper bound of the different rows that are scored.
ROWS = 1_000


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
    return dataset.take_with_repeats(rows)


def _score(problem: Problem, dataset: Dataset, metric: str, n_folds: int) -> float:
    """Score the forest on one partition into folds."""
    folds = FoldPlan.of(problem, dataset, n_folds).split(dataset, "search")[:n_folds]
    y = dataset.y
    assert y is not None
    return fmean(
        score_labels(
            predict(problem, dataset, FOREST, learn, held_out), y[held_out], metric, dataset.classes
        ).score
        for learn, held_out in folds
    )
