"""What models that had not seen them told of the rows: one answer a row, however often it was held out."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix

from ..evaluation.averages import mean_by_row
from ..evaluation.calibrate import Calibration

#: More classes than this cannot be told apart in a picture: the rarest are taken together.
MOST_CLASSES = 20

#: As `Contest.predictions` gives them: the folds' predictions one behind the other, and each fold's rows.
Predictions = tuple[NDArray[np.float32], Sequence[NDArray[np.intp]]]


@dataclass(frozen=True, eq=False, kw_only=True)
class HeldValues:
    """Numbers told of rows."""

    #: `(n,)`: the truth, and what was told.
    y: NDArray[np.float64]
    values: NDArray[np.float64]

    @property
    def residuals(self) -> NDArray[np.float64]:
        """Truth less value."""
        return self.y - self.values

    @cached_property
    def order(self) -> NDArray[np.intp]:
        return np.argsort(self.values, kind="stable")


@dataclass(frozen=True, eq=False, kw_only=True)
class HeldClasses:
    """Classes told of rows."""

    classes: tuple[str, ...]
    #: `(n,)`: codes into the classes: the truth, and the most probable one.
    y: NDArray[np.int64]
    predicted: NDArray[np.int64]
    #: `(n, classes)`; rows sum to 1.
    probabilities: NDArray[np.float64]
    #: A sentence where classes were taken together, else empty.
    gathered: str = ""

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Rows by actual class and predicted class, `(classes, classes)`."""
        counts: NDArray[np.int64] = confusion_matrix(self.y, self.predicted, labels=range(len(self.classes)))
        return counts

    @property
    def shown(self) -> list[int]:
        """The classes that have a curve: all, or of two the positive one."""
        return [1] if len(self.classes) == 2 else list(range(len(self.classes)))


def values(predictions: Predictions, y: NDArray[np.float64]) -> HeldValues:
    """Of a regression with the labels `y` `(n,)`."""
    told, rows = _by_row(predictions, len(y))
    return HeldValues(y=y[rows], values=told[rows])


def classes(
    predictions: Predictions, y: NDArray[np.int64], names: Sequence[str], calibration: Calibration | None
) -> HeldClasses:
    """Of a classification with the labels `y` `(n,)`, as the model serves them: calibrated."""
    told, held_out = predictions
    if calibration is not None:
        told = calibration.apply(told.astype(np.float64)).astype(np.float32)
    probabilities, rows = _by_row((told, held_out), len(y))
    probabilities = probabilities[rows] / probabilities[rows].sum(axis=1, keepdims=True)
    whole = HeldClasses(
        classes=tuple(names),
        y=y[rows],
        predicted=probabilities.argmax(axis=1),
        probabilities=probabilities,
    )
    return whole if len(names) <= MOST_CLASSES else _gathered(whole)


def _gathered(held: HeldClasses) -> HeldClasses:
    """The rarest classes as one, the last."""
    counts = np.bincount(held.y, minlength=len(held.classes))
    kept = np.sort(np.argsort(-counts, kind="stable")[: MOST_CLASSES - 1])
    code = np.full(len(held.classes), len(kept))
    code[kept] = np.arange(len(kept))
    probabilities = np.zeros((len(held.y), MOST_CLASSES))
    np.add.at(probabilities.T, code, held.probabilities.T)
    return HeldClasses(
        classes=(*(held.classes[place] for place in kept), f"{len(held.classes) - len(kept)} others"),
        y=code[held.y],
        predicted=code[held.predicted],
        probabilities=probabilities,
        gathered=f" The {len(kept)} most frequent of {len(held.classes)} classes are told apart.",
    )


def _by_row(predictions: Predictions, n: int) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Of each of `n` rows the mean of what was told, and which rows were held out at all."""
    told, held_out = predictions
    rows = np.concatenate(list(held_out))
    return mean_by_row(told, rows, n).astype(np.float64), np.unique(rows)
