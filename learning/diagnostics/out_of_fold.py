"""Out-of-fold predictions as charts need them: one per row, as one model predicted it.

An average over the partitions that held a row out would be the prediction of several models, and better than that of
the one that serves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix

#: A chart can distinguish this many classes; the rarest of more are merged.
MOST_CLASSES = 20

#: Predictions concatenated over the folds, and the rows of each fold, as from `FinalRound.predictions`; probabilities
#: are calibrated as they serve.
Predictions = tuple[NDArray[np.float32], Sequence[NDArray[np.intp]]]


@dataclass(frozen=True, eq=False, kw_only=True)
class OutOfFoldValues:
    """Truths and predictions of a regression."""

    #: `(n,)` each.
    y: NDArray[np.float64]
    values: NDArray[np.float64]

    @property
    def residuals(self) -> NDArray[np.float64]:
        """Truth minus prediction."""
        return self.y - self.values


@dataclass(frozen=True, eq=False, kw_only=True)
class OutOfFoldClasses:
    """Truths and predictions of a classification."""

    classes: tuple[str, ...]
    #: `(n,)`: codes of the true and of the most probable class.
    y: NDArray[np.int64]
    predicted: NDArray[np.int64]
    #: `(n, classes)`; rows sum to 1.
    probabilities: NDArray[np.float64]
    #: A sentence about merged classes; empty if none were merged.
    merging: str = ""

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Rows by true class and predicted class: `(classes, classes)`."""
        counts: NDArray[np.int64] = confusion_matrix(self.y, self.predicted, labels=range(len(self.classes)))
        return counts

    @property
    def charted(self) -> list[int]:
        """Codes of the classes that have a curve: all, or the positive one of two."""
        return [1] if len(self.classes) == 2 else list(range(len(self.classes)))


def gather_values(predictions: Predictions, y: NDArray[np.float64]) -> OutOfFoldValues:
    """Gather the predictions of a regression with the labels `y`, `(n,)`."""
    values, rows = _take_first(predictions)
    return OutOfFoldValues(y=y[rows], values=values)


def gather_classes(predictions: Predictions, y: NDArray[np.int64], names: Sequence[str]) -> OutOfFoldClasses:
    """Gather the predictions of a classification, calibrated as they serve, with the labels `y`, `(n,)`."""
    first, rows = _take_first(predictions)
    probabilities = first / first.sum(axis=1, keepdims=True)
    gathered = OutOfFoldClasses(
        classes=tuple(names), y=y[rows], predicted=probabilities.argmax(axis=1), probabilities=probabilities
    )
    return gathered if len(names) <= MOST_CLASSES else _merge_rarest(gathered)


def _merge_rarest(gathered: OutOfFoldClasses) -> OutOfFoldClasses:
    """Merge the rarest classes into one, which comes last."""
    counts = np.bincount(gathered.y, minlength=len(gathered.classes))
    frequent = np.sort(np.argsort(-counts, kind="stable")[: MOST_CLASSES - 1])
    code = np.full(len(gathered.classes), len(frequent))
    code[frequent] = np.arange(len(frequent))
    probabilities = np.zeros((len(gathered.y), MOST_CLASSES))
    np.add.at(probabilities.T, code, gathered.probabilities.T)
    others = len(gathered.classes) - len(frequent)
    return OutOfFoldClasses(
        classes=(*(gathered.classes[index] for index in frequent), f"{others} others"),
        y=code[gathered.y],
        predicted=code[gathered.predicted],
        probabilities=probabilities,
        merging=f" The {len(frequent)} most frequent of {len(gathered.classes)} classes are distinguished.",
    )


def _take_first(predictions: Predictions) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Take each row's prediction of the first fold that held it out; returns them with the rows, ascending."""
    values, held_out = predictions
    rows, first = np.unique(np.concatenate(list(held_out)), return_index=True)
    return values[first].astype(np.float64), rows
