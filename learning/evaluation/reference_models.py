"""Reference models: quick ones that show what folds do to a score, before the search has fitted any."""

import numpy as np
from numpy.typing import NDArray

from ..dataset import Dataset
from ..estimators.families import Candidate, catalogue
from ..problem import Problem

#: A forest learns rows by heart, as most models do to some degree.
FOREST = Candidate("forest", {"n_estimators": 30})

Rows = NDArray[np.intp]


def predict(
    problem: Problem, dataset: Dataset, model: Candidate, learn: Rows, held_out: Rows
) -> NDArray[np.float64]:
    """Predict held-out rows: `(held out, classes)` probabilities, or `(held out,)` values.

    A class that no row to learn from has gets the probability 0.
    """
    assert dataset.y is not None
    pipeline = catalogue.pipeline(problem.task, model, dataset.columns, problem.seed)
    pipeline.fit(dataset.X.iloc[learn], dataset.y[learn])
    X = dataset.X.iloc[held_out]
    if not dataset.classes:
        return np.asarray(pipeline.predict(X), dtype=np.float64)
    probabilities = np.zeros((len(held_out), len(dataset.classes)))
    probabilities[:, pipeline.classes_] = pipeline.predict_proba(X)
    return probabilities


def predict_without_features(
    dataset: Dataset, learn: Rows, count: int, median: bool = False
) -> NDArray[np.float64]:
    """Predict the frequencies of classes, or the mean or median of numbers, for `count` rows: as `predict` does."""
    assert dataset.y is not None
    y = dataset.y[learn]
    if not dataset.classes:
        return np.full(count, np.median(y) if median else y.mean())
    return np.tile(np.bincount(y, minlength=len(dataset.classes)) / len(y), (count, 1))
