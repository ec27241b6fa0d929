"""Effect of repeated rows on the score: a small forest, scored with and without equal rows in one fold."""

from dataclasses import replace
from statistics import fmean

import numpy as np

from ..dataset import Dataset
from ..evaluation.group_effect import measure_effect
from ..evaluation.learnable import Learnable
from ..problem import Problem
from .noise import is_beyond_noise

#: Upper bound of the different rows that are scored.
ROWS = 1_000


def describe_effect(problem: Problem, learnable: Learnable) -> str:
    """Describe the difference in a sentence, in numbers if it is beyond noise.

    Empty if a sample of the rows has no valid folds, or if folds follow time.
    """
    if learnable.plan.ordered:
        return ""
    sample, metric = _sample(learnable.dataset, problem.seed), learnable.metric
    effect = measure_effect(problem, sample, metric, replace(sample, repeated=None))
    if effect is None:
        return ""
    forest = f"A forest has {metric} {fmean(effect.together):.3f} on such folds"
    if not is_beyond_noise(effect.apart, effect.together, effect.ratio):
        return f"{forest}, and no more beyond noise if they separate equal rows."
    return f"{forest}; it would seem to have {fmean(effect.apart):.3f} if they separated equal rows."


def _sample(dataset: Dataset, seed: int) -> Dataset:
    """Sample different rows with all that repeat them."""
    assert dataset.repeated is not None and dataset.y is not None
    chosen = np.random.default_rng(seed).permutation(dataset.distinct_rows())[:ROWS]
    rows = np.flatnonzero(np.isin(dataset.repeated, chosen))
    return dataset.take_with_repeats(rows)
