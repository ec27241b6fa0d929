"""Paired comparison of two models on the same rows: the difference of each score, and the interval around it.

A score of two models on the same rows shares most of its luck, so the difference is known better than either score.
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from sklearn.metrics import get_scorer, log_loss

from .classified_rows import ClassifiedRows
from .evaluate import REGRESSION, SEVERAL_CLASSES, TWO_CLASSES, stored_predictor
from .influence import influence
from .paired_measure import IntervalMethod, PairedMeasure
from .score_error import LEAST_OF_CLASS, LEAST_ROWS, TINY, WIDTH

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

#: Resamples of a bootstrap, and those of more rows than the third number: a standard error needs 50 to 200 (Efron and
#: Tibshirani, An Introduction to the Bootstrap, 1993, 6.4).
RESAMPLES, FEW_RESAMPLES, MANY_ROWS = 200, 50, 20_000
#: Ranking metrics, whose influence values are those of DeLong.
RANKING = frozenset({"roc_auc", "roc_auc_ovr", "roc_auc_ovr_weighted"})
#: The metric whose resamples are scored without its scorer.
MEDIAN = "neg_median_absolute_error"
#: The measures of each class.
OF_CLASS = ("precision", "recall", "f1")


#: Low, high and method of an interval.
Interval = tuple[float, float, IntervalMethod]


@dataclass(frozen=True, eq=False)
class _TwoModels:
    """Truths, and what two models predict: `(n,)` codes or values, and two `(n, classes)` or `(n,)`."""

    y: NDArray[np.int64] | Floats
    first: Floats
    second: Floats
    classes: int

    def __len__(self) -> int:
        return len(self.y)

    @property
    def models(self) -> tuple[Floats, Floats]:
        return self.first, self.second

    @cached_property
    def classified(self) -> tuple[ClassifiedRows, ...]:
        """The rows of each model of classes."""
        return tuple(ClassifiedRows(self.y.astype(np.int64), each) for each in self.models)

    def take(self, rows: NDArray[np.intp]) -> "_TwoModels":
        """The pair on some of the rows."""
        return _TwoModels(self.y[rows], self.first[rows], self.second[rows], self.classes)


def compare_classes(
    y: Codes, first: Floats, second: Floats, metric: str, classes: Sequence[str]
) -> list[PairedMeasure]:
    """Compare two classifiers by the usual metrics and `metric`, which comes first, then class by class.

    Args:
        y: `(n,)` codes into `classes`.
        first, second: `(n, classes)` probabilities.
        classes: The positive one of two comes last.
    """
    pair = _TwoModels(y, _normalise(first), _normalise(second), len(classes))
    others = TWO_CLASSES if len(classes) == 2 else SEVERAL_CLASSES
    names = dict.fromkeys((metric, *others))
    measures = [_measure(pair, name) for name in names] if len(y) else []
    return [*measures, *_measures_of_classes(pair, classes)]


def compare_values(y: Floats, first: Floats, second: Floats, metric: str) -> list[PairedMeasure]:
    """Compare two regressions by the usual metrics and `metric`, which comes first: all `(n,)`."""
    pair = _TwoModels(y, first, second, 0)
    return [_measure(pair, name) for name in dict.fromkeys((metric, *REGRESSION))] if len(y) else []


def _normalise(probabilities: Floats) -> Floats:
    """Divide by the sums where those differ from 1 by more than rounding, as from a model in float32."""
    sums = probabilities.sum(axis=1, keepdims=True)
    return probabilities if np.abs(sums - 1).max(initial=0.0) < 1e-12 else probabilities / sums


def _measure(pair: _TwoModels, metric: str) -> PairedMeasure:
    scores = _score_both(pair, metric)
    interval = None if None in scores else _interval(pair, metric, scores)
    return _to_measure(metric, None, scores, len(pair), interval)


def _to_measure(
    metric: str,
    label: str | None,
    scores: Sequence[float | None],
    n: int,
    interval: Interval | None,
) -> PairedMeasure:
    first, second = scores
    difference = None if first is None or second is None else second - first
    low, high, method = interval if interval is not None and difference is not None else (None, None, None)
    return PairedMeasure(
        metric=metric,
        label=label,
        first=first,
        second=second,
        difference=difference,
        low=low,
        high=high,
        n=n,
        method=method,
    )


def _score(y: NDArray[np.int64] | Floats, predictions: Floats, metric: str, classes: int) -> float | None:
    """Compute scikit-learn's scorer of this name; None where it is not defined on these rows."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            if metric == "neg_log_loss":
                value = -log_loss(y, predictions, labels=range(classes))
            else:
                value = get_scorer(metric)(stored_predictor(predictions), np.arange(len(y)), y)
        except ValueError:
            return None
    return float(value) if isfinite(value) else None


def _interval(pair: _TwoModels, metric: str, scores: Sequence[float | None]) -> Interval | None:
    """Compute low, high and method of the difference's interval; None where the rows are too few to show it."""
    if metric == "accuracy":
        return (*tango(*_hits(pair)), IntervalMethod.TANGO)
    if len(pair) < LEAST_ROWS:
        return None
    if pair.classes and np.bincount(pair.y.astype(np.int64), minlength=pair.classes).min() < LEAST_OF_CLASS:
        return None
    influences = [_influence(pair, model, metric) for model in range(2)]
    if influences[0] is None or influences[1] is None:
        return _bootstrap(pair, metric, scores)
    method = IntervalMethod.DELONG if metric in RANKING else IntervalMethod.DELTA
    return (*_around(scores, _error(influences[1] - influences[0])), method)


def _influence(pair: _TwoModels, model: int, metric: str) -> Floats | None:
    if pair.classes:
        return pair.classified[model].influence(metric)
    return influence(pair.models[model], pair.y, metric, 0)


def _error(influences: Floats) -> float:
    """The standard error of a mean whose rows have these influences."""
    return sqrt(float((influences**2).sum())) / len(influences)


def _around(scores: Sequence[float | None], error: float) -> tuple[float, float]:
    first, second = scores
    assert first is not None and second is not None
    return second - first - WIDTH * error, second - first + WIDTH * error


def _bootstrap(pair: _TwoModels, metric: str, scores: Sequence[float | None]) -> Interval | None:
    """Compute the normal interval of the bootstrap's standard error: rows are drawn for both models together."""
    random, differences = np.random.default_rng(0), []
    errors = [np.abs(each - pair.y) for each in pair.models] if metric == MEDIAN else None
    for _ in range(RESAMPLES if len(pair) <= MANY_ROWS else FEW_RESAMPLES):
        rows = random.integers(0, len(pair), len(pair))
        # The scorer of the median needs a hundred times as long for the same number.
        first, second = (
            [-float(np.median(each[rows])) for each in errors]
            if errors
            else _score_both(pair.take(rows), metric)
        )
        if first is None or second is None:
            return None
        differences.append(second - first)
    return (*_around(scores, float(np.std(differences, ddof=1))), IntervalMethod.BOOTSTRAP)


def _score_both(pair: _TwoModels, metric: str) -> list[float | None]:
    if not pair.classes:
        return [_score(pair.y, each, metric, 0) for each in pair.models]
    scores = (each.scores.get(metric) for each in pair.classified)
    return [
        compute() if compute is not None else _score(pair.y, each, metric, pair.classes)
        for compute, each in zip(scores, pair.models, strict=True)
    ]


def _hits(pair: _TwoModels) -> tuple[int, int, int]:
    """Count the rows that only the second model gets right, those that only the first does, and all."""
    first, second = (each.argmax(axis=1) == pair.y for each in pair.models)
    return int((second & ~first).sum()), int((first & ~second).sum()), len(pair)


def tango(gains: int, losses: int, n: int, width: float = WIDTH) -> tuple[float, float]:
    """Compute the score interval of a difference of two paired shares, as of McNemar's test.

    It has a width even where no row tells the two apart. Tango, Equivalence test and confidence interval for the
    difference in proportions for the paired-sample design, 1998.

    Args:
        gains, losses: Rows that count for the second share only, and for the first only.
        n: All rows, at least one.
    """

    def excess(true: float) -> float:
        linear = -gains - losses + (2 * n - gains + losses) * true
        constant = -losses * true * (1 - true)
        root = sqrt(max(linear**2 - 8 * n * constant, 0.0))
        spread = n * (2 * (root - linear) / (4 * n) + true * (1 - true))
        distance = gains - losses - n * true
        return distance**2 - width**2 * max(spread, 0.0)

    share = (gains - losses) / n
    # At the share itself the distance is 0, and so may be the spread: the bounds lie further out.
    low = brentq(excess, -1.0, share - TINY) if share - TINY > -1 else -1.0
    high = brentq(excess, share + TINY, 1.0) if share + TINY < 1 else 1.0
    return float(low), float(high)


def _measures_of_classes(pair: _TwoModels, classes: Sequence[str]) -> Iterator[PairedMeasure]:
    """Yield precision, recall, F1 and ROC AUC of each class that the truths have."""
    if not len(pair):
        return
    scores = [each.measures() for each in pair.classified]
    for code, label in enumerate(classes):
        true = pair.y == code
        if not true.any():
            continue
        for name in OF_CLASS:
            values = [_finite(each[name][code]) for each in scores]
            yield _to_measure(name, label, values, int(true.sum()), _class_interval(pair, code, name, values))
        areas = [None if true.all() else each.area(code) for each in pair.classified]
        interval = None if None in areas else _area_interval(pair, code, areas)
        yield _to_measure("roc_auc", label, areas, int(true.sum()), interval)


def _finite(value: float) -> float | None:
    return float(value) if isfinite(value) else None


def _class_interval(
    pair: _TwoModels, code: int, metric: str, scores: Sequence[float | None]
) -> Interval | None:
    true = pair.y == code
    if metric == "recall":
        return (*tango(*_hits(pair.take(np.flatnonzero(true)))), IntervalMethod.TANGO)
    if None in scores or not _is_enough(true):
        return None
    first, second = (each.class_influence(code, metric) for each in pair.classified)
    return (*_around(scores, _error(second - first)), IntervalMethod.DELTA)


def _area_interval(pair: _TwoModels, code: int, areas: Sequence[float | None]) -> Interval | None:
    if not _is_enough(pair.y == code):
        return None
    first, second = (each.area_influence(code) for each in pair.classified)
    return (*_around(areas, _error(second - first)), IntervalMethod.DELONG)


def _is_enough(true: NDArray[np.bool_]) -> bool:
    """Return whether rows of two kinds show the error of a score."""
    n, hits = len(true), int(true.sum())
    return n >= LEAST_ROWS and min(hits, n - hits) >= LEAST_OF_CLASS
