"""An estimator as it is, asked on a plan's array: what has no faster runtime still skips pandas."""

import threading
from typing import Any

import numpy as np

from ..estimators.clusters import Clusters
from .plan import Matrix, Mixed
from .runtimes import ModelOutput

#: Held while an estimator computes: forests reset the process's warning filters for a moment, and another thread that
#: meets them reset warns for each of its trees. Python's own lock lets only one compute at a time anyway.
asking = threading.Lock()
#: Names of libraries that are not those of their packages.
_NAMES = {"sklearn": "scikit-learn"}


class NativeEstimator:
    """The estimator's own prediction."""

    def __init__(self, estimator: Any, task: str):
        self.estimator = estimator
        self.task = task

    @property
    def name(self) -> str:
        """Of the library that the estimator is from."""
        made = self.estimator.algorithm if isinstance(self.estimator, Clusters) else self.estimator
        package = type(made).__module__.split(".")[0]
        return _NAMES.get(package, package)

    def __call__(self, X: Matrix) -> ModelOutput:
        with asking:
            return native_output(self.estimator, X.matrix() if isinstance(X, Mixed) else X, self.task)


def native_output(estimator: Any, X: Any, task: str) -> ModelOutput:
    """What an estimator, or a pipeline, says of what it takes."""
    match task:
        case "CLASSIFICATION":
            return np.asarray(estimator.predict_proba(X), dtype=np.float64)
        case "REGRESSION":
            return np.asarray(estimator.predict(X), dtype=np.float64)
    return np.asarray(estimator.predict(X), dtype=np.int64), np.asarray(estimator.transform(X))
