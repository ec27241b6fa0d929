"""Names of the families by task, which validate declared problems without importing estimators."""

from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec

#: Family of the models that use no feature.
BASELINE = "baseline"
#: Names by task, in the order in which the families are tried.
NAMES: Mapping[str, tuple[str, ...]] = {
    "CLASSIFICATION": (
        "linear",
        "boosting",
        "extra_trees",
        "forest",
        "svm",
        "kernel_svm",
        "naive_bayes",
        "neighbours",
        "mlp",
        BASELINE,
    ),
    "REGRESSION": (
        "linear",
        "boosting",
        "extra_trees",
        "forest",
        "kernel_svm",
        "neighbours",
        "mlp",
        BASELINE,
    ),
    "CLUSTERING": ("kmeans", "mixture", "agglomerative", "hdbscan"),
}
#: What people call a family, where that is not its name with blanks.
TITLES: Mapping[str, str] = {
    "svm": "SVM",
    "kernel_svm": "kernel SVM",
    "mlp": "neural network",
    "hdbscan": "HDBSCAN",
    "naive_bayes": "naive Bayes",
}
#: Tasks for which those libraries have families.
LIBRARY_TASKS = frozenset({"CLASSIFICATION", "REGRESSION"})
#: Libraries that have a family of their own if they are installed (the extra `boosters`).
LIBRARIES = ("lightgbm", "xgboost", "catboost")


def names(task: str) -> tuple[str, ...]:
    """List the families of this task that are available, in the order in which they are tried."""
    return (*NAMES[task], *installed_libraries()) if task in LIBRARY_TASKS else NAMES[task]


@cache
def installed_libraries() -> tuple[str, ...]:
    """List the libraries of `LIBRARIES` that are installed here."""
    return tuple(library for library in LIBRARIES if find_spec(library) is not None)
