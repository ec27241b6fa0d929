"""Counts of answers by class, and the scores that follow from counts alone: scikit-learn's to the last digit."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ClassCounts:
    """Right answers, truths and answers of each class: `(classes,)` each."""

    hits: NDArray[np.integer]
    support: NDArray[np.integer]
    predicted: NDArray[np.integer]

    @classmethod
    def of(cls, truth: Codes, answer: NDArray[np.integer], classes: int) -> "ClassCounts":
        """Count rows by their true class and by the one that was answered: `(n,)` codes."""
        right = truth[truth == answer]
        return cls(*(np.bincount(codes, minlength=classes) for codes in (right, truth, answer)))

    @cached_property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.support.sum())

    def accuracy(self) -> float:
        """Compute the share of right answers, of at least one row."""
        return float(self.hits.sum() / self.rows)

    def balanced_accuracy(self) -> float:
        """Compute the mean recall of the classes that there are."""
        present = self.support > 0
        return float((self.hits[present] / self.support[present]).mean())

    def f1_macro(self) -> float:
        """Compute the mean F1 of the classes that are true or answered."""
        present = self.support + self.predicted > 0
        return float((2.0 * self.hits[present] / (self.support + self.predicted)[present]).mean())

    def matthews_correlation(self) -> float:
        """Compute Matthews' correlation; 0 if all truths or all answers are of one class."""
        true, answered = self.support.astype(np.float64), self.predicted.astype(np.float64)
        n = float(self.rows)
        spread = (n**2 - answered @ answered) * (n**2 - true @ true)
        return float((self.hits.sum() * n - true @ answered) / np.sqrt(spread)) if spread else 0.0


def brier_of_two(positive: Floats, is_true: NDArray[np.bool_]) -> float:
    """Compute the Brier score of two classes by the probability of the positive one, in scikit-learn's order."""
    negative = 1 - positive
    errors = np.where(is_true, negative, 1 - negative) ** 2 + np.where(is_true, negative, positive) ** 2
    return float(errors.mean() * 0.5)
