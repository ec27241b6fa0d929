"""The families that compete: estimators with their preprocessing, and the hyperparameters that are tried
with each.
"""

from collections.abc import Mapping, Sequence

from sklearn.pipeline import Pipeline

from ..columns import Column
from . import classifiers, clusterers, regressors
from .averaged import Averaged
from .family import Candidate, Family, Hyperparameters

__all__ = ["EVERYBODYS", "FAMILIES", "Candidate", "Family", "Hyperparameters", "names", "pipeline"]

#: Hyperparameters that every family has.
EVERYBODYS = ("features", "parts")
#: By task, then by name.
FAMILIES: Mapping[str, Mapping[str, Family]] = {
    "CLASSIFICATION": classifiers.FAMILIES,
    "REGRESSION": regressors.FAMILIES,
    "CLUSTERING": clusterers.FAMILIES,
}


def names(task: str) -> tuple[str, ...]:
    """The families that know this task, in the order in which they are tried."""
    return tuple(FAMILIES[task])


def pipeline(
    task: str, candidate: Candidate, columns: Sequence[Column], seed: int, doubtful: Sequence[str] = ()
) -> Pipeline:
    """The candidate, not fitted, as a pipeline that takes what `dataset.frame` makes of these columns.

    Two hyperparameters are every family's own: `features` is "sound" where the `doubtful` columns are left out, and
    `parts` makes it the average of as many models, each learned on all but one part of the rows.
    """
    family = FAMILIES[task][candidate.family]
    own = {name: value for name, value in candidate.hyperparameters.items() if name not in EVERYBODYS}
    if candidate.hyperparameters.get("features") == "sound":
        columns = [column for column in columns if column.name not in doubtful] or columns
    estimator = family.estimator(own, columns, seed)
    made = Pipeline([("prepare", family.prepare(columns)), ("estimate", estimator)])
    if parts := candidate.hyperparameters.get("parts"):
        return Pipeline([("average", Averaged(made, parts, seed))])
    return made
