"""Catalogue of the families by task, and the pipelines of candidates."""

from collections.abc import Mapping, Sequence

from sklearn.compose import TransformedTargetRegressor
from sklearn.feature_selection import f_classif, f_regression
from sklearn.pipeline import Pipeline

from ...columns import Column
from .. import preprocess
from . import boosters, classifiers, clusterers, regressors
from .family import Candidate, Family

#: Hyperparameters of the pipeline, which every family has.
COMMON = ("features", "prepare", "rows", "smoothing", "target")
#: Families by task and name; `family_names` lists the same names in the same order.
FAMILIES: Mapping[str, Mapping[str, Family]] = {
    "CLASSIFICATION": {**classifiers.FAMILIES, **boosters.families("Classifier")},
    "REGRESSION": {**regressors.FAMILIES, **boosters.families("Regressor")},
    "CLUSTERING": clusterers.FAMILIES,
}

#: Univariate measure of a feature's relevance, by task.
RELEVANCE = {"CLASSIFICATION": f_classif, "REGRESSION": f_regression}


def pipeline(
    task: str, candidate: Candidate, columns: Sequence[Column], seed: int, doubtful: Sequence[str] = ()
) -> Pipeline:
    """Build the candidate's pipeline, not fitted, for frames of these columns (`columns.frame`).

    Five hyperparameters are common to all families. `features` "sound" leaves the doubtful columns out, "best" keeps
    the more relevant half of the prepared columns. `prepare` names one of `preprocess.PREPROCESSINGS` instead of the
    family's own. `rows` is the number of rows that fits learn from at most, which `FitContext` samples. `smoothing` is
    that of open categories (`preprocess.SMOOTHING`). `target` "ranks" learns the ranks of the label, mapped to a normal
    distribution.

    Args:
        doubtful: Columns that the analysis advises against.
    """
    family = FAMILIES[task][candidate.family]
    own = {name: value for name, value in candidate.hyperparameters.items() if name not in COMMON}
    if candidate.hyperparameters.get("features") == "sound":
        columns = [column for column in columns if column.name not in doubtful] or columns
    estimator = family.estimator(own, columns, seed)
    if candidate.hyperparameters.get("target") == "ranks":
        ranks = preprocess.Ranks(output_distribution="normal")
        estimator = TransformedTargetRegressor(estimator, transformer=ranks, check_inverse=False)
    name = candidate.hyperparameters.get("prepare")
    prepare = preprocess.PREPROCESSINGS[name] if name else family.prepare
    smoothing = candidate.hyperparameters.get("smoothing", preprocess.SMOOTHING)
    prepared = preprocess.with_smoothing(prepare(columns), smoothing)
    steps = [("prepare", prepared), ("estimate", estimator)]
    if candidate.hyperparameters.get("features") == "best":
        steps.insert(1, ("select", preprocess.BestHalf(RELEVANCE[task], percentile=50)))
    return Pipeline(steps)
