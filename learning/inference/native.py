"""Native runtime: the fitted estimator itself, on the column plan's array. It still saves the pandas part."""

import threading
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from ..problem import problem_type
from .plan import Matrix, MixedMatrix
from .runtimes import ModelOutput

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

#: Serialises the estimators' predictions. Forests reset the process's warning filters for a moment, and another thread
#: that predicts meanwhile would warn once per tree. The GIL lets only one compute at a time anyway.
estimator_lock = threading.Lock()


class NativeEstimator:
    """Runtime step that calls the fitted estimator."""

    def __init__(self, estimator: "BaseEstimator", task: str):
        self.estimator = estimator
        self.task = task

    def __call__(self, X: Matrix) -> ModelOutput:
        with estimator_lock:
            return native_output(self.estimator, X.to_scipy() if isinstance(X, MixedMatrix) else X, self.task)


def native_output(estimator: "BaseEstimator", X: ArrayLike, task: str) -> ModelOutput:
    """Predict with a fitted estimator, or a pipeline if `X` is a frame."""
    return problem_type(task).predict_arrays(estimator, X)
