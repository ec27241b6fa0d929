"""The families that compete: estimators with their preprocessing, and the hyperparameters that are tried
with each.
"""

from collections.abc import Mapping, Sequence

from sklearn.pipeline import Pipeline

from ..columns import Column
from . import classifiers, clusterers, regressors
from .family import Candidate, Family, Hyperparameters

__all__ = ["FAMILIES", "Candidate", "Family", "Hyperparameters", "names", "pipeline"]

#: By task, then by name.
FAMILIES: Mapping[str, Mapping[str, Family]] = {
    "CLASSIFICATION": classifiers.FAMILIES,
    "REGRESSION": regressors.FAMILIES,
    "CLUSTERING": clusterers.FAMILIES,
}


def names(task: str) -> tuple[str, ...]:
    """The families that know this task, in the order in which they are tried."""
    return tuple(FAMILIES[task])


def pipeline(task: str, candidate: Candidate, columns: Sequence[Column], seed: int) -> Pipeline:
    """The candidate, not fitted, as a pipeline that takes what `dataset.frame` makes of these columns."""
    family = FAMILIES[task][candidate.family]
    estimator = family.estimator(candidate.hyperparameters, columns, seed)
    return Pipeline([("prepare", family.prepare(columns)), ("estimate", estimator)])
