"""Effect of groups on the score: a small forest on the same rows, with and without others of their groups learned."""

from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.dummy import DummyClassifier, DummyRegressor

from ..dataset import Dataset
from ..estimators.families import catalogue
from ..exceptions import LearningError
from ..problem import Problem
from .evaluate import score_classification, score_regression
from .folds import Fold, FoldPlan
from .repeat_effect import FOREST

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


def measure_effect(problem: Problem, dataset: Dataset, metric: str) -> GroupEffect | None:
    """Score the forest with the groups of the dataset and without; None if that leaves no valid folds."""
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
        apart = plan.split(replace(dataset, groups=None), "search")
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
    forest = catalogue.pipeline(problem.task, FOREST, dataset.columns, problem.seed)
    dummy = DummyClassifier(strategy="prior") if dataset.classes else DummyRegressor()
    predictions = (
        _predict(forest, dataset, together),
        _predict(forest, dataset, apart),
        _predict(dummy, dataset, together),
    )
    one, other, baseline = (
        [_score(dataset, predicted[rows], rows, metric) for _, rows in together] for predicted in predictions
    )
    return one, other, baseline


def _predict(model: BaseEstimator, dataset: Dataset, folds: list[Fold]) -> Predictions:
    """Predict each row out of fold: `(n, classes)` probabilities, or `(n,)` values."""
    assert dataset.y is not None
    predicted = np.zeros((len(dataset), len(dataset.classes)) if dataset.classes else len(dataset))
    for learn, held_out in folds:
        model.fit(dataset.X.iloc[learn], dataset.y[learn])
        X = dataset.X.iloc[held_out]
        predicted[held_out] = model.predict_proba(X) if dataset.classes else model.predict(X)
    return predicted


def _score(dataset: Dataset, predicted: Predictions, rows: NDArray[np.intp], metric: str) -> float:
    assert dataset.y is not None
    if dataset.classes:
        return score_classification(predicted, dataset.y[rows], metric, dataset.classes).score
    return score_regression(predicted, dataset.y[rows], metric).score
