"""Ensemble: a weighted average of several candidates, or of the models of one candidate that left out a fold each.

Caruana, Niculescu-Mizil, Crew and Ksikes, Ensemble Selection from Libraries of Models, 2004, for the weights. Parmanto,
Munro and Doyle, Reducing Variance of Committee Prediction with Resampling Techniques, 1996, for fold models.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .families import Candidate

if TYPE_CHECKING:
    from pandas import DataFrame
    from sklearn.pipeline import Pipeline

#: Unit of fitting: a candidate on all rows, or on the training rows of this fold of the search.
Piece = tuple[Candidate, int | None]

FAMILY = "ensemble"
#: Steps of the greedy selection; each adds the best candidate once more.
STEPS = 25
#: Members with a smaller weight are left out.
LEAST = 0.08
#: Upper bound of the candidates that may become members.
MOST = 16


class Ensemble:
    """Fitted pipelines and their weights, which sum to 1."""

    def __init__(self, members: Sequence["Pipeline"], weights: Sequence[float]):
        self.members = list(members)
        self.weights = list(weights)

    def predict_proba(self, X: "DataFrame") -> NDArray[np.float64]:
        """Average the members' probabilities: `(n, classes)`."""
        return self._average([member.predict_proba(X) for member in self.members])

    def predict(self, X: "DataFrame") -> NDArray[np.float64]:
        """Average the members' values: `(n,)`."""
        return self._average([member.predict(X) for member in self.members])

    def _average(self, outputs: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        return np.average(outputs, axis=0, weights=self.weights)


def build_recipe(weights: Mapping[Candidate, float]) -> Candidate:
    """Build the recipe of the weighted average of these candidates."""
    members = [
        {"family": c.family, "hyperparameters": c.hyperparameters, "weight": weight}
        for c, weight in weights.items()
    ]
    return Candidate(FAMILY, {"members": members})


def build_fold_average(recipe: Candidate, folds: int) -> Candidate:
    """Build the recipe of the average of a recipe's models on the search's first `folds` folds."""
    return Candidate(FAMILY, build_recipe(members(recipe)).hyperparameters | {"parts": folds})


def members(recipe: Candidate) -> dict[Candidate, float]:
    """Return the candidates that a recipe averages, with their weights; for other recipes, the recipe itself."""
    if recipe.family != FAMILY:
        return {recipe: 1.0}
    return {
        Candidate(each["family"], each["hyperparameters"]): each["weight"]
        for each in recipe.hyperparameters["members"]
    }


def pieces(recipe: Candidate) -> dict[Piece, float]:
    """Return the pieces that a recipe consists of, with the weights of their models."""
    folds = recipe.hyperparameters.get("parts") if recipe.family == FAMILY else None
    if folds is None:
        return {(member, None): weight for member, weight in members(recipe).items()}
    return {
        (member, fold): weight / folds for member, weight in members(recipe).items() for fold in range(folds)
    }


def select(
    predictions: Mapping[Candidate, NDArray[np.float32]],
    y: NDArray[np.int64] | NDArray[np.float64],
    classes: int,
) -> dict[Candidate, float]:
    """Select the ensemble with the least loss on out-of-fold predictions, greedily; returns the members' weights.

    Args:
        predictions: `(n, classes)` probabilities or `(n,)` values of each candidate, the best candidates first.
        y: `(n,)`.
        classes: Number of classes; 0 for a regression.
    """
    pool = dict(list(predictions.items())[:MOST])
    total: NDArray[np.float64] | None = None
    counts: Counter[Candidate] = Counter()
    for step in range(1, STEPS + 1):
        sums = {c: each if total is None else total + each for c, each in pool.items()}
        losses = {c: float(row_losses(each / step, y, classes).mean()) for c, each in sums.items()}
        best = min(losses, key=lambda c: losses[c])
        total, counts[best] = sums[best].astype(np.float64), counts[best] + 1
    weights = {c: counts[c] / STEPS for c in pool if counts[c] / STEPS >= LEAST}
    sum_of_weights = sum(weights.values())
    return {c: round(weight / sum_of_weights, 4) for c, weight in weights.items()}


def average(
    predictions: Mapping[Candidate, NDArray[np.float32]], weights: Mapping[Candidate, float]
) -> NDArray[np.float32]:
    """Average the members' predictions, which have the same shape."""
    outputs = [predictions[c] for c in weights]
    return np.average(outputs, axis=0, weights=list(weights.values())).astype(np.float32)


def row_losses(
    predictions: NDArray[np.floating], y: NDArray[np.int64] | NDArray[np.float64], classes: int
) -> NDArray[np.floating]:
    """Compute the log loss (classes) or squared error (numbers) of each row: `(n,)`."""
    if not classes:
        return np.asarray((predictions - y) ** 2)
    return np.asarray(-np.log(np.clip(predictions[np.arange(len(y)), y], 1e-7, 1.0)))
