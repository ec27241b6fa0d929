"""Recipe estimators: a candidate in the interface that scikit-learn's tools fit repeatedly, until a deadline."""

from typing import Self

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from ..estimators import ensemble
from ..estimators.families import Candidate
from ..exceptions import TimedOut
from ..fits.fold_fit import FitContext
from ..fits.scheduler import is_past


class Recipe(BaseEstimator):  # type: ignore[misc]
    """Estimator of a candidate; that of an ensemble fits all members. Raises TimedOut after the deadline."""

    def __init__(self, context: FitContext, candidate: Candidate, deadline: float | None):
        self.context = context
        self.candidate = candidate
        self.deadline = deadline

    def __sklearn_clone__(self) -> Self:
        # scikit-learn's clone would copy the context with all its rows.
        return type(self)(self.context, self.candidate, self.deadline)

    def fit(self, X: DataFrame, y: NDArray) -> Self:
        """Fit the candidate, or the ensemble's members. Raises TimedOut."""
        self.fitted_ = []
        for member, weight in ensemble.members(self.candidate).items():
            self._check_time()
            self.fitted_.append((self.context.pipeline(member).fit(X, y), weight))
        return self

    def _check_time(self) -> None:
        if is_past(self.deadline):
            raise TimedOut("There was not enough time for all fits of this chart.")


class ClassRecipe(ClassifierMixin, Recipe):  # type: ignore[misc]
    """Recipe of a classification, with all classes of the context, even if the training rows lack some."""

    @property
    def classes_(self) -> NDArray[np.intp]:
        """Codes of the context's classes."""
        return np.arange(len(self.context.dataset.classes))

    def predict_proba(self, X: DataFrame) -> NDArray[np.float64]:
        """Predict probabilities: `(n, classes)`. Raises TimedOut."""
        self._check_time()
        total = np.zeros((len(X), len(self.classes_)))
        for pipeline, weight in self.fitted_:
            total[:, pipeline.classes_] += weight * pipeline.predict_proba(X)
        return total / total.sum(axis=1, keepdims=True)

    def predict(self, X: DataFrame) -> NDArray[np.intp]:
        """Predict the codes of the most probable classes: `(n,)`. Raises TimedOut."""
        return self.predict_proba(X).argmax(axis=1)


class ValueRecipe(RegressorMixin, Recipe):  # type: ignore[misc]
    """Recipe of a regression."""

    def predict(self, X: DataFrame) -> NDArray[np.float64]:
        """Predict values: `(n,)`. Raises TimedOut."""
        self._check_time()
        weights = [weight for _, weight in self.fitted_]
        return np.average([pipeline.predict(X) for pipeline, _ in self.fitted_], axis=0, weights=weights)


def build_recipe(context: FitContext, candidate: Candidate, deadline: float | None) -> Recipe:
    """Build the estimator of a candidate for the context's task."""
    return (ClassRecipe if context.problem_type.has_classes else ValueRecipe)(context, candidate, deadline)


def heaviest_member(candidate: Candidate) -> Candidate:
    """Return the ensemble's member with the largest weight; for other candidates, the candidate itself."""
    weights = ensemble.members(candidate)
    return max(weights, key=lambda member: weights[member])
