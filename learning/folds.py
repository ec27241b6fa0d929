"""The parts of the cross-validation: which rows teach and which are held out."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import KFold, StratifiedKFold

#: Candidates are searched for on one set of folds; finalists are compared and reported on another.
Round = Literal["search", "contest"]
ROUNDS: tuple[Round, ...] = ("search", "contest")

Fold = tuple[NDArray[np.intp], NDArray[np.intp]]


def split(n: int, classes: NDArray[Any] | None, folds: int, seed: int, round: Round) -> Sequence[Fold]:
    """`folds` pairs of row positions (to learn from, held out), shuffled; each of the `n` rows is held out
    once.

    `classes`, `(n,)`, keeps each fold's labels in the data's proportions. The two rounds shuffle differently.
    """
    shuffle = int(np.random.default_rng([seed, ROUNDS.index(round)]).integers(2**31))
    splitter = KFold if classes is None else StratifiedKFold
    return list(splitter(folds, shuffle=True, random_state=shuffle).split(np.zeros(n), classes))


def ratio(folds: int) -> float:
    """Held-out rows for each row to learn from."""
    return 1 / (folds - 1)
