"""Rows that one model has classified: scores and influences from the counts and rankings that they share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import special
from sklearn.metrics import roc_auc_score

from .class_counts import ClassCounts, brier_of_two
from .class_ranking import ClassRanking
from .influence import OF_ANSWERS, Confusion, area_influence, influence, precision_influence

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ClassifiedRows:
    """Truths and probabilities: `(n,)` codes and `(n, classes)`, whose rows sum to 1."""

    y: Codes
    probabilities: Floats

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.probabilities.shape[1]

    @cached_property
    def answer(self) -> NDArray[np.intp]:
        """The most probable class of each row: `(n,)`."""
        return self.probabilities.argmax(axis=1)

    @cached_property
    def counts(self) -> ClassCounts:
        """Counts by class."""
        return ClassCounts.of(self.y, self.answer, self.classes)

    @cached_property
    def scores(self) -> Mapping[str, Callable[[], float]]:
        """Computations of what scikit-learn's scorers of these names return, to the last digit.

        Empty where rows of a class are missing, or probabilities are none: the scorers know which scores that leaves.
        """
        if self.classes < 2 or not self.counts.support.all() or not self._are_probabilities:
            return {}
        of_any: dict[str, Callable[[], float]] = {
            "accuracy": self.counts.accuracy,
            "balanced_accuracy": self.counts.balanced_accuracy,
            "f1_macro": self.counts.f1_macro,
            "matthews_corrcoef": self.counts.matthews_correlation,
            "neg_log_loss": self._log_likelihood,
        }
        if self.classes > 2:
            return {**of_any, "neg_brier_score": self._brier, "roc_auc_ovr": self._mean_area}
        return {
            **of_any,
            "neg_brier_score": lambda: -brier_of_two(self.probabilities[:, 1], self.y == 1),
            "roc_auc": lambda: self.area(1),
            "average_precision": lambda: self._ranking(1).average_precision(),
        }

    def measures(self) -> dict[str, Floats]:
        """Compute precision, recall and F1 of each class: `(classes,)`; NaN where not defined."""
        counts = self.counts
        with np.errstate(invalid="ignore"):
            return {
                "precision": counts.hits / counts.predicted,
                "recall": counts.hits / counts.support,
                "f1": 2.0 * counts.hits / (counts.support + counts.predicted),
            }

    def area(self, code: int) -> float:
        """Compute the ROC AUC of one class, of which there are rows as well as others."""
        if not self._are_probabilities:
            return float(roc_auc_score(self.y == code, self.probabilities[:, code]))
        return self._ranking(code).roc_auc()

    def influence(self, metric: str) -> Floats | None:
        """Compute each row's influence on the score of a metric: `(n,)`; None if the metric has no formula."""
        if metric in OF_ANSWERS:
            return OF_ANSWERS[metric](Confusion.of(self.answer, self.y, self.classes))
        if metric == "roc_auc":
            return self.area_influence(1)
        if metric == "roc_auc_ovr":
            return np.asarray(np.mean([self.area_influence(code) for code in range(self.classes)], axis=0))
        if metric == "average_precision":
            return precision_influence(self._ranking(1))
        return influence(self.probabilities, self.y, metric, self.classes)

    def area_influence(self, code: int) -> Floats:
        """Compute each row's influence on the ROC AUC of a class, of which there are rows as well as others."""
        return area_influence(self._ranking(code))

    def class_influence(self, code: int, metric: str) -> Floats:
        """Compute each row's influence on a class's precision or F1: `(n,)`."""
        return OF_ANSWERS[metric](self._against_others(code))

    def _log_likelihood(self) -> float:
        tiny = np.finfo(np.float64).eps
        truth = np.clip(self.probabilities[np.arange(len(self.y)), self.y], tiny, 1 - tiny)
        return float(special.xlogy(1.0, truth).mean())

    def _brier(self) -> float:
        squares = (np.eye(self.classes)[self.y] - self.probabilities) ** 2
        return -float(squares.sum(axis=1).mean())

    def _mean_area(self) -> float:
        return float(np.mean([self.area(code) for code in range(self.classes)]))

    @cached_property
    def _are_probabilities(self) -> bool:
        return bool(self.probabilities.min(initial=0.0) >= 0 and self.probabilities.max(initial=1.0) <= 1)

    def _ranking(self, code: int) -> ClassRanking:
        if code not in self._rankings:
            # Two classes are ranked the other way round, as long as their probabilities add up.
            other = self._rankings.get(1 - code) if self.classes == 2 else None
            order = None if other is None else other.order[::-1]
            self._rankings[code] = ClassRanking(self.probabilities[:, code], self.y == code, order)
        return self._rankings[code]

    @cached_property
    def _rankings(self) -> dict[int, ClassRanking]:
        return {}

    def _against_others(self, code: int) -> Confusion:
        if code not in self._confusions:
            answered, true = ((codes == code).astype(np.int64) for codes in (self.answer, self.y))
            self._confusions[code] = Confusion.of(answered, true, 2)
        return self._confusions[code]

    @cached_property
    def _confusions(self) -> dict[int, Confusion]:
        return {}
