"""The ensemble: a weighted average of candidates, chosen greedily by what they predicted out of fold.

Caruana, Niculescu-Mizil, Crew and Ksikes, Ensemble Selection from Libraries of Models, 2004.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame

from .families import Candidate

FAMILY = "ensemble"
#: Times that a candidate is added, the best one each time.
TURNS = 25
#: Members with a smaller weight than this are left out.
LEAST = 0.08
#: Candidates that may become members, the best ones.
MOST = 12


class Ensemble:
    """Fitted pipelines that answer together, each with its weight; weights sum to 1."""

    def __init__(self, members: Sequence[Any], weights: Sequence[float]):
        self.members = list(members)
        self.weights = list(weights)

    def predict_proba(self, X: DataFrame) -> NDArray[np.float64]:
        """`(n, classes)`: the members' probabilities, averaged."""
        return self._averaged([member.predict_proba(X) for member in self.members])

    def predict(self, X: DataFrame) -> NDArray[np.float64]:
        """`(n,)`: the members' values, averaged."""
        return self._averaged([member.predict(X) for member in self.members])

    def _averaged(self, answers: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        return np.average(answers, axis=0, weights=self.weights)


def candidate(weights: Mapping[Candidate, float], incumbent: bool = False) -> Candidate:
    """The recipe of an ensemble of these candidates."""
    members = [
        {"family": c.family, "hyperparameters": c.hyperparameters, "weight": weight}
        for c, weight in weights.items()
    ]
    return Candidate(FAMILY, {"members": members}, incumbent)


def members(recipe: Candidate) -> dict[Candidate, float]:
    """The candidates that a recipe averages, with their weights; of one that averages none, itself."""
    if recipe.family != FAMILY:
        return {recipe: 1.0}
    return {
        Candidate(each["family"], each["hyperparameters"]): each["weight"]
        for each in recipe.hyperparameters["members"]
    }


def chosen(
    predictions: Mapping[Candidate, NDArray[np.float32]], y: NDArray[Any], classes: int
) -> dict[Candidate, float]:
    """Weights of the best ensemble of candidates by their out-of-fold predictions: log loss for classes,
    squared error for numbers. `predictions` are `(n, classes)` or `(n,)` each, best candidates first; `y` `(n,)`.
    """
    pool = dict(list(predictions.items())[:MOST])
    total: NDArray[np.float64] | None = None
    turns: Counter[Candidate] = Counter()
    for turn in range(TURNS):
        sums = {c: each if total is None else total + each for c, each in pool.items()}
        losses = {c: _loss(each / (turn + 1), y, classes) for c, each in sums.items()}
        best = min(losses, key=lambda c: losses[c])
        total, turns[best] = sums[best].astype(np.float64), turns[best] + 1
    weights = {c: turns[c] / TURNS for c in pool if turns[c] / TURNS >= LEAST}
    whole = sum(weights.values())
    return {c: round(weight / whole, 4) for c, weight in weights.items()}


def averaged(
    predictions: Mapping[Candidate, NDArray[np.float32]], weights: Mapping[Candidate, float]
) -> NDArray[np.float32]:
    """What the ensemble predicts where its members predict this."""
    answers = [predictions[c] for c in weights]
    return np.average(answers, axis=0, weights=list(weights.values())).astype(np.float32)


def _loss(predictions: NDArray[Any], y: NDArray[Any], classes: int) -> float:
    if not classes:
        return float(np.mean((predictions - y) ** 2))
    return float(-np.log(np.clip(predictions[np.arange(len(y)), y], 1e-7, 1.0)).mean())
