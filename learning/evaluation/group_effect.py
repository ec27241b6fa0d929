"""Effect of groups on the score: a small forest on the same rows, with and without others of their groups learned."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from ..dataset import Dataset
from ..exceptions import LearningError
from ..problem import Problem
from .evaluate import score_labels
from .folds import Fold, FoldPlan
from .reference_models import FOREST, predict, predict_without_features

#: Folds of a partition, and partitions.
FOLDS, PARTITIONS = 5, 2

Predictions = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class GroupEffect:
    """Scores of the same held-out rows, by the folds that keep groups together."""

    #: Learned from rows of other groups only.
    together: tuple[float, ...]
    #: Learned from as many rows, of which some are of the same groups.
    apart: tuple[float, ...]
    #: Mean score without any feature.
    baseline: float
    #: Held-out rows per training row of a fold.
    ratio: float


def measure_effect(
    problem: Problem, dataset: Dataset, metric: str, separated: Dataset | None = None
) -> GroupEffect | None:
    """Score the forest on folds that keep groups together and on others; None if there are no valid folds.

    Args:
        separated: The same rows with what the other folds keep together; None: nothing.
    """
    folds = min(FOLDS, problem.folds_for(len(dataset)))
    plan = FoldPlan(
        folds=folds,
        repeats=PARTITIONS,
        final_repeats=PARTITIONS,
        ordered=False,
        gap=0.0,
        seed=problem.seed,
        rows=len(dataset),
    )
    try:
        together = plan.split(dataset, "search")
        apart = plan.split(replace(dataset, groups=None) if separated is None else separated, "search")
        scores = [
            _score_partition(
                problem, dataset, metric, together[start : start + folds], apart[start : start + folds]
            )
            for start in range(0, len(together), folds)
        ]
    except LearningError:  # a fold lacks a class, or the metric is not defined on it
        return None
    alone, mixed, baseline = ([score for part in scores for score in part[each]] for each in range(3))
    return GroupEffect(together=tuple(alone), apart=tuple(mixed), baseline=fmean(baseline), ratio=plan.ratio)


def _score_partition(
    problem: Problem, dataset: Dataset, metric: str, together: list[Fold], apart: list[Fold]
) -> tuple[list[float], list[float], list[float]]:
    """Score the held-out rows of each fold that keeps groups together: by either model, and without features."""
    predictions = (
        _predict(problem, dataset, together),
        _predict(problem, dataset, apart),
        _collect(
            dataset,
            together,
            [predict_without_features(dataset, learn, len(rows)) for learn, rows in together],
        ),
    )
    one, other, baseline = (
        [_score(dataset, predicted[rows], rows, metric) for _, rows in together] for predicted in predictions
    )
    return one, other, baseline


def _predict(problem: Problem, dataset: Dataset, folds: list[Fold]) -> Predictions:
    """Predict each row out of fold by the forest: `(n, classes)` probabilities, or `(n,)` values."""
    return _collect(dataset, folds, [predict(problem, dataset, FOREST, *fold) for fold in folds])


def _collect(dataset: Dataset, folds: list[Fold], predictions: Sequence[Predictions]) -> Predictions:
    """Order the predictions of the folds' held-out rows by row."""
    collected = np.zeros((len(dataset), *predictions[0].shape[1:]))
    for (_, held_out), values in zip(folds, predictions, strict=True):
        collected[held_out] = values
    return collected


def _score(dataset: Dataset, predicted: Predictions, rows: NDArray[np.intp], metric: str) -> float:
    assert dataset.y is not None
    return score_labels(predicted, dataset.y[rows], metric, dataset.classes).score
