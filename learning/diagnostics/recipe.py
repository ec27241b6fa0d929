"""A candidate as an estimator that scikit-learn's tools may fit again and again, until the deadline."""

from typing import Any, Self

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
    """Not fitted; of an ensemble, all its members are. After the `deadline` fits and predictions raise TimedOut."""

    def __init__(self, context: FitContext, candidate: Candidate, deadline: float | None):
        self.context = context
        self.candidate = candidate
        self.deadline = deadline

    def __sklearn_clone__(self) -> Self:
        # scikit-learn would copy the context with all its rows.
        return type(self)(self.context, self.candidate, self.deadline)

    def fit(self, X: DataFrame, y: NDArray[Any]) -> Self:
        self.fitted_ = []
        for member, weight in ensemble.members(self.candidate).items():
            self._check_time()
            self.fitted_.append((self.context.pipeline(member).fit(X, y), weight))
        return self

    def _check_time(self) -> None:
        if is_past(self.deadline):
            raise TimedOut("The time was over before all fits of this picture were done.")


class ClassRecipe(ClassifierMixin, Recipe):  # type: ignore[misc]
    """Of a classification: codes of the context's classes, also of those that the rows to learn from lack."""

    @property
    def classes_(self) -> NDArray[np.intp]:
        return np.arange(len(self.context.dataset.classes))

    def predict_proba(self, X: DataFrame) -> NDArray[np.float64]:
        self._check_time()
        told = np.zeros((len(X), len(self.classes_)))
        for pipeline, weight in self.fitted_:
            told[:, pipeline.classes_] += weight * pipeline.predict_proba(X)
        return told / told.sum(axis=1, keepdims=True)

    def predict(self, X: DataFrame) -> NDArray[np.intp]:
        return self.predict_proba(X).argmax(axis=1)


class ValueRecipe(RegressorMixin, Recipe):  # type: ignore[misc]
    """Of a regression."""

    def predict(self, X: DataFrame) -> NDArray[np.float64]:
        self._check_time()
        weights = [weight for _, weight in self.fitted_]
        return np.average([pipeline.predict(X) for pipeline, _ in self.fitted_], axis=0, weights=weights)


def recipe(context: FitContext, candidate: Candidate, deadline: float | None) -> Recipe:
    """As the context's task needs it."""
    return (ClassRecipe if context.problem_type.has_classes else ValueRecipe)(context, candidate, deadline)


def heaviest(candidate: Candidate) -> Candidate:
    """The member of an ensemble that has the most weight; a candidate that is none, itself."""
    weights = ensemble.members(candidate)
    return max(weights, key=lambda member: weights[member])
