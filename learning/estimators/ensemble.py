"""The ensemble: a weighted average of candidates, chosen greedily by what they predicted out of fold, or of one
candidate's models, each of which learned from all but one part of the rows.

Caruana, Niculescu-Mizil, Crew and Ksikes, Ensemble Selection from Libraries of Models, 2004. Parmanto, Munro and Doyle,
Reducing Variance of Committee Prediction with Resampling Techniques, 1996.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .families import Candidate

if TYPE_CHECKING:
    from pandas import DataFrame

#: A candidate on all rows, or on those that this fold of the search learns from.
Piece = tuple[Candidate, int | None]

FAMILY = "ensemble"
#: Times that a candidate is added, the best one each time.
TURNS = 25
#: Members with a smaller weight than this are left out.
LEAST = 0.08
#: Candidates that may become members, the best ones.
MOST = 16


class Ensemble:
    """Fitted pipelines that answer together, each with its weight; weights sum to 1."""

    def __init__(self, members: Sequence[Any], weights: Sequence[float]):
        self.members = list(members)
        self.weights = list(weights)

    def predict_proba(self, X: "DataFrame") -> NDArray[np.float64]:
        """`(n, classes)`: the members' probabilities, averaged."""
        return self._averaged([member.predict_proba(X) for member in self.members])

    def predict(self, X: "DataFrame") -> NDArray[np.float64]:
        """`(n,)`: the members' values, averaged."""
        return self._averaged([member.predict(X) for member in self.members])

    def _averaged(self, answers: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        return np.average(answers, axis=0, weights=self.weights)


def candidate(weights: Mapping[Candidate, float]) -> Candidate:
    """The recipe of an ensemble of these candidates."""
    members = [
        {"family": c.family, "hyperparameters": c.hyperparameters, "weight": weight}
        for c, weight in weights.items()
    ]
    return Candidate(FAMILY, {"members": members})


def of_parts(recipe: Candidate, parts: int) -> Candidate:
    """The recipe of the average of what a recipe gives on the search's first folds, as many as `parts`."""
    return Candidate(FAMILY, candidate(members(recipe)).hyperparameters | {"parts": parts})


def members(recipe: Candidate) -> dict[Candidate, float]:
    """The candidates that a recipe averages, with their weights; of one that averages none, itself."""
    if recipe.family != FAMILY:
        return {recipe: 1.0}
    return {
        Candidate(each["family"], each["hyperparameters"]): each["weight"]
        for each in recipe.hyperparameters["members"]
    }


def pieces(recipe: Candidate) -> dict[Piece, float]:
    """What a recipe fits, with the weights of what comes of it."""
    parts = recipe.hyperparameters.get("parts") if recipe.family == FAMILY else None
    if parts is None:
        return {(member, None): weight for member, weight in members(recipe).items()}
    return {
        (member, part): weight / parts for member, weight in members(recipe).items() for part in range(parts)
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
        told = {c: float(losses(each / (turn + 1), y, classes).mean()) for c, each in sums.items()}
        best = min(told, key=lambda c: told[c])
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


def losses(predictions: NDArray[Any], y: NDArray[Any], classes: int) -> NDArray[Any]:
    """Of each row, `(n,)`: log loss for classes, squared error for numbers."""
    if not classes:
        return np.asarray((predictions - y) ** 2)
    return np.asarray(-np.log(np.clip(predictions[np.arange(len(y)), y], 1e-7, 1.0)))
