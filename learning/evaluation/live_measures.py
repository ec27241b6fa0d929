"""Measures of what was served, by truths that came later: each with the number of rows it is of, and an interval.

Values are those of scikit-learn's scorers to the last digit, of the answers as they were served. Intervals, at
95 %:

* shares, such as accuracy, recall and precision: Wilson, Probable Inference, 1927;
* ROC AUC: DeLong, DeLong and Clarke-Pearson, Comparing the Areas under Two or More Correlated ROC Curves, 1988, whose
  structural components are counted from ranks as in Sun and Xu, Fast Implementation of DeLong's Algorithm, 2014;
* other means and ratios: the delta method, by the influence of each row (Hampel, 1974);
* the median of errors: order statistics, which assume no distribution (Conover, Practical Nonparametric Statistics,
  3.2);
* what has no formula: the bootstrap's percentiles (Efron, 1979), of fewer rows than there are where they are many
  (Bickel, Götze and van Zwet, Resampling Fewer than n Observations, 1997).

Few rows have no interval but that of a share, and what is not defined has no value.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import isfinite, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.stats import binom
from sklearn import metrics as scores
from sklearn.base import BaseEstimator
from sklearn.exceptions import UndefinedMetricWarning

from .. import metrics
from .class_counts import ClassCounts, brier_of_two
from .class_ranking import ClassRanking
from .evaluate import REGRESSION, SEVERAL_CLASSES, TWO_CLASSES, stored_predictor
from .influence import OF_ANSWERS, Confusion, area_influence, precision_influence
from .score_error import CONFIDENCE, LEAST_ROWS, RANKING, estimate_live_error, proportion_interval

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Bounds = tuple[float, float]

WILSON, DELONG, DELTA, ORDER, BOOTSTRAP = "WILSON", "DELONG", "DELTA", "ORDER", "BOOTSTRAP"
#: Measures of each class, in the order of reports.
OF_CLASS = ("precision", "recall", "f1", "roc_auc", "average_precision")
#: Resamples of a bootstrap, and the most rows of one.
RESAMPLES, MOST_RESAMPLED = 200, 2_000
#: Metrics of all classes that are the share of right answers where each row has one class.
SHARES = frozenset({"accuracy", "f1_micro", "precision_micro", "recall_micro"})
#: Metrics whose value one row decides: no resample knows of a greater one.
EXTREMES = frozenset({"neg_max_error"})


@dataclass(frozen=True)
class LiveMeasure:
    """One number of what was served, greater is better."""

    metric: str
    #: The class that the number is about; None: all.
    label: str | None
    #: None where there is nothing to measure, or the metric is not defined on these rows.
    value: float | None
    #: Rows that the number is of: those that it divides by.
    n: int
    #: Interval of 95 %; None where the rows are too few for one.
    low: float | None = None
    high: float | None = None
    #: Method of the interval.
    method: str | None = None

    @classmethod
    def of(
        cls, metric: str, label: str | None, value: float | None, n: int, bounds: Bounds | None, method: str
    ) -> "LiveMeasure":
        """A measure without what is not finite."""
        if value is None or not n or not isfinite(value):
            return cls(metric, label, None, n)
        if bounds is None or not all(map(isfinite, bounds)):
            return cls(metric, label, float(value), n)
        low, high = min(bounds[0], value), max(bounds[1], value)  # but for rounding, they contain it
        return cls(metric, label, float(value), n, float(low), float(high), method)


@dataclass(frozen=True, eq=False)
class ServedClasses:
    """Classes as they were answered, and the true ones."""

    #: `(n,)` positions in `classes`.
    truth: Codes
    answer: Codes
    #: `(n, classes)`.
    probabilities: Floats
    #: The positive one of two is the last.
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.truth)

    def rows(self, chosen: NDArray[Any]) -> "ServedClasses":
        """Choose rows."""
        return ServedClasses(
            self.truth[chosen], self.answer[chosen], self.probabilities[chosen], self.classes
        )

    def measure(self, names: Sequence[str]) -> list[LiveMeasure]:
        """Measure all classes together by each metric, then each class."""
        together = [self.measure_all(name) for name in names]
        return [*together, *(self.measure_class(name, code) for name in OF_CLASS for code in self._codes)]

    def measure_all(self, name: str) -> LiveMeasure:
        """Measure all classes by a metric."""
        counts = self._share(name)
        if counts is not None:
            return _measure_share(name, None, *counts)
        if len(self.classes) == 2 and name in ("roc_auc", "average_precision"):
            return replace(self.measure_class(name, 1), label=None)
        value = self.score(name) if len(self) else None
        if value is None:
            return LiveMeasure(name, None, None, len(self))
        classes = len(self.classes)
        is_answer = name in OF_ANSWERS
        rows = self.probabilities if _is_of_probabilities(name) or is_answer else np.eye(classes)[self.answer]
        compute = (lambda: OF_ANSWERS[name](self._answered)) if is_answer else None
        error = estimate_live_error(name, rows, self.truth, classes, compute)
        if error is not None:
            bounds = error.measured_at(value).interval(value)
            method = DELONG if name in RANKING else DELTA
            return LiveMeasure.of(name, None, value, len(self), _clip(name, bounds), method)
        return LiveMeasure.of(name, None, value, len(self), _bootstrap(self, name, value), BOOTSTRAP)

    def measure_class(self, name: str, code: int) -> LiveMeasure:
        """Measure one class against all others by one of OF_CLASS."""
        if (name, code) not in self._measured:
            self._measured[name, code] = self._measure_class(name, code)
        return self._measured[name, code]

    @cached_property
    def _measured(self) -> dict[tuple[str, int], LiveMeasure]:
        return {}

    def _measure_class(self, name: str, code: int) -> LiveMeasure:
        label = self.classes[code]
        of_class = (self._counts.hits, self._counts.support, self._counts.predicted)
        hits, support, predicted = (int(counts[code]) for counts in of_class)
        match name:
            case "precision":
                return _measure_share(name, label, hits, predicted)
            case "recall":
                return _measure_share(name, label, hits, support)
            case "f1":
                n = support + predicted - hits
                value = 2 * hits / (support + predicted) if n else None
                answer = (self.answer == code).astype(np.int64)
            case _:
                return self._measure_ranks(name, code)
        if value is None:
            return LiveMeasure(name, label, None, n)
        truth = (self.truth == code).astype(np.int64)
        error = estimate_live_error(
            name, answer, truth, 2, lambda: OF_ANSWERS[name](Confusion.of(answer, truth, 2))
        )
        bounds = None if error is None else error.measured_at(value).interval(value)
        return LiveMeasure.of(name, label, value, n, bounds, DELTA)

    def _measure_ranks(self, name: str, code: int) -> LiveMeasure:
        """Measure an area of one class against all others."""
        n, label, truth = len(self), self.classes[code], self.truth == code
        if not 0 < int(self._counts.support[code]) < n or not np.isfinite(self.probabilities[:, code]).all():
            return LiveMeasure(name, label, None, n)
        ranking = self._rank(code)
        is_roc = name == "roc_auc"
        value = ranking.roc_auc() if is_roc else ranking.average_precision()
        compute = area_influence if is_roc else precision_influence
        error = estimate_live_error(
            name, self.probabilities, truth.astype(np.int64), 2, lambda: compute(ranking)
        )
        bounds = None if error is None else error.measured_at(value).interval(value)
        return LiveMeasure.of(name, label, value, n, bounds, DELONG if is_roc else DELTA)

    def _rank(self, code: int) -> ClassRanking:
        if code not in self._rankings:
            # The classes of two are ranked the other way round, as long as their probabilities add up.
            other = self._rankings.get(1 - code) if len(self.classes) == 2 else None
            order = None if other is None else other.order[::-1]
            self._rankings[code] = ClassRanking(self.probabilities[:, code], self.truth == code, order)
        return self._rankings[code]

    @cached_property
    def _answered(self) -> Confusion:
        return Confusion.of(self.answer, self.truth, len(self.classes))

    @cached_property
    def _rankings(self) -> dict[int, ClassRanking]:
        return {}

    def score(self, name: str) -> float | None:
        """Compute scikit-learn's scorer of a name; None where it is not defined."""
        codes = np.arange(len(self.classes))
        with_labels: Mapping[str, Callable[[], float]] = {
            # The scorers take the classes from the rows, of which some may be absent.
            "neg_log_loss": lambda: -scores.log_loss(self.truth, self._positive_or_all, labels=codes),
            "neg_brier_score": lambda: (
                -scores.brier_score_loss(self.truth, self._positive_or_all, labels=codes)
            ),
            "d2_log_loss_score": lambda: scores.d2_log_loss_score(
                self.truth, self._positive_or_all, labels=codes
            ),
            "d2_brier_score": lambda: scores.d2_brier_score(self.truth, self._positive_or_all, labels=codes),
            # As scikit-learn has them, from the counts that all share.
            "balanced_accuracy": self._counts.balanced_accuracy,
            "f1_macro": self._counts.f1_macro,
            "matthews_corrcoef": self._counts.matthews_correlation,
            "top_k_accuracy": lambda: scores.top_k_accuracy_score(
                self.truth, self.probabilities, labels=codes
            ),
        }
        if len(self.classes) == 2 and self._has_shares:
            with_labels = {**with_labels, "neg_log_loss": self._log_loss, "neg_brier_score": self._brier}
        compute = with_labels.get(name, lambda: self._scorer(name))
        return _defined(compute)

    @cached_property
    def _has_shares(self) -> bool:
        """True if the probabilities of the positive class are between 0 and 1."""
        positive = self.probabilities[:, 1]
        return bool(len(positive)) and bool(positive.min() >= 0) and bool(positive.max() <= 1)

    def _log_loss(self) -> float:
        """Compute as scikit-learn does for two classes, but without the terms that are 0."""
        tiny, positive = np.finfo(np.float64).eps, self.probabilities[:, 1]
        right = np.clip(np.where(self.truth == 1, positive, 1 - positive), tiny, 1 - tiny)
        return float((-special.xlogy(1.0, right)).mean() * -1)

    def _brier(self) -> float:
        """Compute as scikit-learn does for two classes, in its order."""
        return -brier_of_two(self.probabilities[:, 1], self.truth == 1)

    def _scorer(self, name: str) -> float:
        return float(scores.get_scorer(name)(self._predictor, np.arange(len(self)), self.truth))

    def _share(self, name: str) -> tuple[int, int] | None:
        """Count the hits and the rows that a share is of; None if the metric is no share."""
        counts = self._counts
        if name in SHARES:
            return int(counts.hits.sum()), len(self)
        if len(self.classes) == 2 and name in ("precision", "recall"):
            return int(counts.hits[1]), int((counts.predicted if name == "precision" else counts.support)[1])
        return None

    @cached_property
    def _counts(self) -> ClassCounts:
        return ClassCounts.of(self.truth, self.answer, len(self.classes))

    @property
    def _codes(self) -> range:
        return range(len(self.classes))

    @property
    def _positive_or_all(self) -> Floats:
        return self.probabilities[:, 1] if len(self.classes) == 2 else self.probabilities

    @cached_property
    def _predictor(self) -> BaseEstimator:
        return stored_predictor(self.probabilities, self.answer)


@dataclass(frozen=True, eq=False)
class ServedValues:
    """Numbers as they were answered, and the true ones."""

    #: `(n,)`.
    truth: Floats
    value: Floats

    def __len__(self) -> int:
        return len(self.truth)

    def rows(self, chosen: NDArray[Any]) -> "ServedValues":
        """Choose rows."""
        return ServedValues(self.truth[chosen], self.value[chosen])

    def measure(self, names: Sequence[str]) -> list[LiveMeasure]:
        """Measure by each metric."""
        return [self.measure_all(name) for name in names]

    def measure_all(self, name: str) -> LiveMeasure:
        """Measure by a metric."""
        value = self.score(name) if len(self) else None
        if value is None:
            return LiveMeasure(name, None, None, len(self))
        if name == "neg_median_absolute_error":
            bounds = _median_bounds(np.abs(self.truth - self.value))
            return LiveMeasure.of(name, None, value, len(self), bounds, ORDER)
        error = estimate_live_error(name, self.value, self.truth, 0)
        if error is not None:
            bounds = _clip(name, error.interval(value))
            return LiveMeasure.of(name, None, value, len(self), bounds, DELTA)
        return LiveMeasure.of(name, None, value, len(self), _bootstrap(self, name, value), BOOTSTRAP)

    def score(self, name: str) -> float | None:
        """Compute scikit-learn's scorer of a name; None where it is not defined."""
        predictor = stored_predictor(self.value)
        return _defined(lambda: scores.get_scorer(name)(predictor, np.arange(len(self)), self.truth))


def usual_metrics(task: str, metric: str, classes: int = 0) -> list[str]:
    """List the metrics of a report: the problem's own first."""
    others = REGRESSION if not classes else TWO_CLASSES if classes == 2 else SEVERAL_CLASSES
    return list(dict.fromkeys([metric, *others])) if task in metrics.OF_TASK else [metric]


def _is_of_probabilities(name: str) -> bool:
    """Return whether a metric reads probabilities rather than answers."""
    parts = ("roc_auc", "average_precision", "log_loss", "brier", "top_k")
    return any(part in name for part in parts)


def _measure_share(name: str, label: str | None, hits: int, rows: int) -> LiveMeasure:
    if not rows:
        return LiveMeasure(name, label, None, 0)
    return LiveMeasure.of(name, label, hits / rows, rows, proportion_interval(hits, rows), WILSON)


def _defined(compute: Callable[[], float]) -> float | None:
    """Compute a score; None where scikit-learn says that it is not defined."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", UndefinedMetricWarning)
        try:
            value = float(compute())
        except (ValueError, UndefinedMetricWarning):
            return None
    return value if isfinite(value) else None


def _clip(name: str, bounds: Bounds) -> Bounds:
    """Limit an interval to what the metric may be."""
    low, high = bounds
    least = -1.0 if name == "matthews_corrcoef" else low
    return max(low, least), min(high, metrics.greatest_score(name))


def _median_bounds(errors: Floats) -> Bounds | None:
    """Compute the interval of a median by order statistics; negated, as the score is."""
    n = len(errors)
    place = int(binom.ppf((1 - CONFIDENCE) / 2, n, 0.5))
    if n < LEAST_ROWS or place < 1:
        return None
    ordered = np.sort(errors)
    return -float(ordered[n - place]), -float(ordered[place - 1])


def _bootstrap(served: ServedClasses | ServedValues, name: str, value: float) -> Bounds | None:
    """Compute the percentiles of a score on resampled rows; None if they are few, or most are not defined."""
    n, size = len(served), min(len(served), MOST_RESAMPLED)
    if n < LEAST_ROWS or name in EXTREMES:
        return None
    random = np.random.default_rng(0)
    resampled = [served.rows(random.integers(0, n, size)).score(name) for _ in range(RESAMPLES)]
    defined = np.array([each for each in resampled if each is not None])
    if len(defined) < RESAMPLES / 2:
        return None
    low, high = np.quantile(defined, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    narrower = sqrt(size / n)
    return _clip(name, (value + (low - value) * narrower, value + (high - value) * narrower))
