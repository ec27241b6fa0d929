"""Families with their estimators, their preprocessing, and the hyperparameters that are tried with each."""

from collections.abc import Mapping, Sequence

from sklearn.compose import TransformedTargetRegressor
from sklearn.feature_selection import f_classif, f_regression
from sklearn.pipeline import Pipeline

from ...columns import Column
from .. import preprocess
from . import boosters, classifiers, clusterers, regressors
from .family import Candidate, Family

#: Hyperparameters that every family has.
EVERYBODYS = ("features", "prepare", "target")
#: By task, then by name; `family_names` lists the same names in the same order.
FAMILIES: Mapping[str, Mapping[str, Family]] = {
    "CLASSIFICATION": {**classifiers.FAMILIES, **boosters.families("Classifier")},
    "REGRESSION": {**regressors.FAMILIES, **boosters.families("Regressor")},
    "CLUSTERING": clusterers.FAMILIES,
}

#: By task, the measure of how a feature bears on the label by itself.
RELEVANCE = {"CLASSIFICATION": f_classif, "REGRESSION": f_regression}


def pipeline(
    task: str, candidate: Candidate, columns: Sequence[Column], seed: int, doubtful: Sequence[str] = ()
) -> Pipeline:
    """The candidate, not fitted, as a pipeline that takes what `dataset.frame` makes of these columns.

    Three hyperparameters are every family's own: `features` is "sound" where the `doubtful` columns are left out and
    "best" where only the better half of what `prepare` makes is kept, which names another of the `preprocess.WAYS` than
    the family's; `target` is "ranks" where a number is learned as its rank in a normal distribution.
    """
    family = FAMILIES[task][candidate.family]
    own = {name: value for name, value in candidate.hyperparameters.items() if name not in EVERYBODYS}
    if candidate.hyperparameters.get("features") == "sound":
        columns = [column for column in columns if column.name not in doubtful] or columns
    estimator = family.estimator(own, columns, seed)
    if candidate.hyperparameters.get("target") == "ranks":
        ranks = preprocess.Ranks(output_distribution="normal")
        estimator = TransformedTargetRegressor(estimator, transformer=ranks, check_inverse=False)
    way = candidate.hyperparameters.get("prepare")
    prepare = preprocess.WAYS[way] if way else family.prepare
    steps = [("prepare", prepare(columns)), ("estimate", estimator)]
    if candidate.hyperparameters.get("features") == "best":
        steps.insert(1, ("select", preprocess.Best(RELEVANCE[task], percentile=50)))
    return Pipeline(steps)
