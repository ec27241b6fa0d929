"""The average of models that each learned from all but one part of the rows."""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.model_selection import KFold, StratifiedKFold


class Averaged(BaseEstimator):  # type: ignore[misc]
    """`parts` clones of `pipeline`, whose probabilities or values are averaged.

    They vary less than one model does, and take as many times as long to predict (Breiman, Bagging Predictors,
    1996; Parmanto et al., Reducing Variance of Committee Prediction with Resampling Techniques, 1996).
    """

    def __init__(self, pipeline: Any, parts: int = 5, seed: int = 0):
        self.pipeline = pipeline
        self.parts = parts
        self.seed = seed

    def fit(self, X: DataFrame, y: NDArray[Any]) -> Self:
        splitter = StratifiedKFold if is_classifier(self.pipeline) else KFold
        parts = splitter(self.parts, shuffle=True, random_state=self.seed).split(np.zeros(len(y)), y)
        self.fitted_ = [clone(self.pipeline).fit(X.iloc[learn], y[learn]) for learn, _ in parts]
        return self

    def predict_proba(self, X: DataFrame) -> NDArray[np.float64]:
        """`(n, classes)`."""
        return np.mean([model.predict_proba(X) for model in self.fitted_], axis=0)

    def predict(self, X: DataFrame) -> NDArray[np.float64]:
        """`(n,)`: values."""
        return np.mean([model.predict(X) for model in self.fitted_], axis=0)
