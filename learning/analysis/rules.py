"""Rules: a shallow tree that shows whether columns determine the label."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from .small_models import fit_predict, fit_tree, tree_input
from .univariate import LEAVES, PARTS, Target

Matrix = NDArray[np.float64]

#: Score on held-out rows from which on features determine the label.
DETERMINES = 0.999
#: Errors of a rule that are no errors: rows next to a threshold that lies between two learned rows.
BORDER = 2
#: Least error without one of the features, in errors with it. Honest features each add a little.
CLEARLY = 4
#: Leaves of the tree of a regression.
STEPS = 64


@dataclass(frozen=True)
class Rules:
    """Shallow tree of all columns but texts; it treats the codes of categories as ordered."""

    names: Sequence[str]
    #: `(m, columns)`: ranks; missing values come first.
    X: Matrix
    target: Target

    @property
    def measure(self) -> str:
        """Name of the score."""
        return "accuracy" if self.target.classes else "R² of the ranks"

    @property
    def determines(self) -> float:
        """Least score of columns that determine the label."""
        return least_accuracy(len(self.target.y)) if self.target.classes else DETERMINES

    def score(self, places: Sequence[int], least: float = -inf) -> float:
        """Score the tree's out-of-fold predictions, no further than it takes to know that `least` is not reached."""
        return score_parts(self._tree(), self.X[:, places], self.target, least)

    def weights(self) -> Matrix:
        """Compute the importances of a tree of all rows; zeros if it does not even fit these."""
        tree = fit_tree(self._tree(), tree_input(self.X), self.target.y)
        fits = tree.score(self.X, self.target.y) >= self.determines
        return np.asarray(tree.feature_importances_ if fits else np.zeros(len(self.names)))

    def _tree(self) -> DecisionTreeClassifier | DecisionTreeRegressor:
        if self.target.classes:
            return DecisionTreeClassifier(max_leaf_nodes=LEAVES * self.target.classes, random_state=0)
        return DecisionTreeRegressor(max_leaf_nodes=STEPS, random_state=0)


def score_parts(model: BaseEstimator, X: Matrix, target: Target, least: float = -inf) -> float:
    """Score a model's out-of-fold predictions: accuracy, or R² of the ranks.

    Where it cannot reach `least`, only some parts are predicted, and it is scored as if it were right on the others.
    """
    y, predicted = target.y, target.y.astype(np.float64)
    for part in range(PARTS):
        held_out = target.parts == part
        predicted[held_out] = fit_predict(model, X[~held_out], y[~held_out], X[held_out])
        score = _score(predicted, target)
        if score < least:
            break
    return score


def _score(predicted: Matrix, target: Target) -> float:
    if target.classes:
        return float((predicted == target.y).mean())
    return r2(target.y.astype(np.float64), target.y - predicted)


def least_accuracy(rows: int, thresholds: int = 1) -> float:
    """Compute the least accuracy on so many rows of rules that determine the label."""
    return min(DETERMINES, 1 - BORDER * thresholds / rows)


def r2(y: Matrix, residuals: Matrix) -> float:
    """Compute the share of the variance that residuals leave explained."""
    total = float(((y - y.mean()) ** 2).sum())
    return 1 - float((residuals**2).sum()) / total if total > 0 else 0.0
