"""Comparison of later rows with rows of the same time: are they harder to predict than shuffled folds say?

Shuffled folds hold out rows of the same time as those learned from. Where what is learned changes with time, their
scores promise more than comes true of later rows. Two small models, a forest and a linear one, predict the same rows
twice: from earlier rows only, and from as many rows of all times. Only the time of what was learned differs, and not
its amount (Bergmeir, Hyndman and Koo, A note on the validity of cross-validation for evaluating autoregressive time
series prediction, 2018, compare both ways).

The model that is better on rows of the same time is told, as shuffled folds choose such a model: it may be a forest,
which cannot extrapolate a trend, where a linear model could.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import sqrt
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..analysis import Finding, FindingKind
from ..dataset import Dataset
from ..estimators.families import Candidate
from ..exceptions import LearningError
from ..lazy_imports import LazyModule
from ..problem import Problem
from .evaluate import score_labels
from .folds import FoldPlan
from .learnable import Learnable
from .reference_models import predict, predict_without_features

if TYPE_CHECKING:
    from scipy import stats
else:
    stats = LazyModule("scipy.stats")

#: Upper bound of the rows that are sampled, and least number of rows of the comparison.
ROWS, LEAST_ROWS = 2_000, 100
#: Upper bound of the sampled cells, but at least so many rows of wide tables.
CELLS, WIDE_ROWS = 100_000, 500
#: The rows are cut by time into this many parts and one more; the first ones are too short to learn from.
PARTS, SKIPPED = 5, 1
#: Significance level at which later rows are harder. The growth of the loss is worth a sentence if it is this share of
#: the loss, or that share of what features gain.
SIGNIFICANT, WORTH, WORTH_OF_GAIN = 0.01, 0.1, 0.2
#: The models. Both are quick; a change that hides from both is small.
MODELS = (Candidate("forest", {"n_estimators": 20}), Candidate("linear", {}))
#: How the models are named in sentences.
NAME = "the better of a small forest and a linear model"

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class LaterRows:
    """Predictions of the same held-out rows: from rows of all times, and from earlier rows only."""

    metric: str
    #: Scores; None if the metric is not defined on these rows.
    plain: float | None
    later: float | None
    #: Mean losses: absolute errors of numbers, Brier scores of classes; and that of a model of earlier rows without
    #: features.
    plain_loss: float
    later_loss: float
    baseline_loss: float
    #: The least of the models' losses on later rows.
    least_later_loss: float
    #: Of the hypothesis that later rows are no harder.
    p_value: float

    @property
    def are_harder(self) -> bool:
        """True if they are harder beyond noise, and by enough to be worth a sentence."""
        growth, gain = self.later_loss - self.plain_loss, self.baseline_loss - self.plain_loss
        is_large = growth > WORTH * self.plain_loss or growth > WORTH_OF_GAIN * gain > 0
        return self.p_value < SIGNIFICANT and is_large

    @property
    def are_unpredicted(self) -> bool:
        """True if they are harder, and no model predicts them better than without features."""
        return self.are_harder and self.least_later_loss >= self.baseline_loss > self.plain_loss

    def finding(self) -> Finding:
        """Build the finding of harder rows."""
        growth = self.later_loss / self.plain_loss - 1 if self.plain_loss else float("inf")
        errors = f"errors are {growth:.0%} larger" if growth < 10 else "errors are many times larger"
        comparison = (
            f"From equally many rows, {NAME} predicts them worse than rows of the same time: {errors}."
        )
        if self.plain is not None and self.later is not None:
            comparison = (
                f"From equally many rows, {NAME} has {self.metric} {self.plain:.4g} for rows of the same time, and "
                f"{self.later:.4g} for later ones: {errors}."
            )
        consequence = (
            "Later rows are predicted no better than without features."
            if self.are_unpredicted
            else "The scores of the folds, which ignore time, promise too much of later rows."
        )
        kind = FindingKind.LATER_ROWS_UNPREDICTED if self.are_unpredicted else FindingKind.LATER_ROWS_HARDER
        return Finding(
            kind=kind,
            feature="",
            sentence=f"Later rows are harder to predict. {comparison} {consequence} Declare ordered=True, and gap= if "
            "labels become known late, so that scores are those of later rows.",
        )


def compare_later_rows(problem: Problem, learnable: Learnable) -> LaterRows | None:
    """Compare how later rows are predicted with how rows of the same time are.

    None for ordered folds, which hold out later rows; for clusterings, without times, and if rows are too few.
    """
    dataset, plan = learnable.dataset, learnable.plan
    if dataset.times is None or dataset.y is None or plan.ordered or len(dataset) < LEAST_ROWS:
        return None
    sample = _sample(dataset, problem.seed)
    pairs = list(_pairs(replace(plan, ordered=True, gap=0.0, folds=PARTS, rows=len(sample)), sample))
    results = [_compare(problem, sample, learnable.metric, model, pairs) for model in MODELS if pairs]
    return _summarise(learnable.metric, [result for result in results if result is not None])


@dataclass(frozen=True, kw_only=True)
class _Pair:
    """Rows that are held out, the earlier ones, and as many of all times."""

    held_out: NDArray[np.intp]
    earlier: NDArray[np.intp]
    mixed: NDArray[np.intp]


@dataclass(frozen=True, kw_only=True)
class _Result:
    """Losses of one model both ways, those of the baseline, and the scores both ways."""

    plain: Floats
    later: Floats
    baseline: Floats
    #: None if the metric is not defined on the parts.
    scores: tuple[float, float] | None


def _sample(dataset: Dataset, seed: int) -> Dataset:
    most = min(ROWS, max(WIDE_ROWS, CELLS // len(dataset.columns)))
    if len(dataset) <= most:
        return dataset
    rows = np.sort(np.random.default_rng(seed).choice(len(dataset), most, replace=False))
    return dataset.take_with_repeats(rows)


def _pairs(plan: FoldPlan, dataset: Dataset) -> Iterator[_Pair]:
    """Yield the parts; of each, one half at random is held out, and the other may be learned from as mixed rows."""
    random = np.random.default_rng([plan.seed, len(dataset)])
    for learn, part in plan.partition(dataset, "search")[SKIPPED:]:
        held_out = np.sort(random.permutation(part)[: (len(part) + 1) // 2])
        others = _independent(dataset, held_out)
        size = min(len(learn), len(others))
        if size < LEAST_ROWS // (PARTS + 1) or len(held_out) < 2:
            continue
        earlier = learn if size == len(learn) else np.sort(random.choice(learn, size, replace=False))
        yield _Pair(
            held_out=held_out, earlier=earlier, mixed=np.sort(random.choice(others, size, replace=False))
        )


def _independent(dataset: Dataset, held_out: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the rows that neither are held out, nor stay together with rows that are."""
    is_other = np.ones(len(dataset), dtype=np.bool_)
    is_other[held_out] = False
    for together in (dataset.groups, dataset.repeated):
        if together is not None:
            is_other &= ~np.isin(together, together[held_out])
    return np.flatnonzero(is_other)


def _compare(
    problem: Problem, dataset: Dataset, metric: str, model: Candidate, pairs: list[_Pair]
) -> _Result | None:
    """Compare one model both ways; None if it cannot be fitted to one of the parts, such as one of a single class."""
    try:
        return _predict_pairs(problem, dataset, metric, model, pairs)
    except (LearningError, ValueError):
        return None


def _predict_pairs(
    problem: Problem, dataset: Dataset, metric: str, model: Candidate, pairs: list[_Pair]
) -> _Result:
    assert dataset.y is not None
    truth = [dataset.y[pair.held_out] for pair in pairs]
    plain = [predict(problem, dataset, model, pair.mixed, pair.held_out) for pair in pairs]
    later = [predict(problem, dataset, model, pair.earlier, pair.held_out) for pair in pairs]
    featureless = [
        predict_without_features(dataset, pair.earlier, len(pair.held_out), median=True) for pair in pairs
    ]
    y = np.concatenate(truth)
    return _Result(
        plain=_losses(np.concatenate(plain), y),
        later=_losses(np.concatenate(later), y),
        baseline=_losses(np.concatenate(featureless), y),
        scores=_score_both(dataset, metric, plain, later, truth),
    )


def _score_both(
    dataset: Dataset, metric: str, plain: list[Floats], later: list[Floats], truth: list[NDArray]
) -> tuple[float, float] | None:
    """Score both ways: numbers over all parts, classes by part, as models of different parts rank differently.

    None if the metric is defined on no part.
    """
    if not dataset.classes:
        plain, later, truth = ([np.concatenate(each)] for each in (plain, later, truth))
    scores = [
        (_score(dataset, metric, one, y), _score(dataset, metric, other, y))
        for one, other, y in zip(plain, later, truth, strict=True)
    ]
    defined = [(one, other) for one, other in scores if one is not None and other is not None]
    if not defined:
        return None
    return fmean(one for one, _ in defined), fmean(other for _, other in defined)


def _losses(predictions: Floats, y: NDArray) -> Floats:
    """Compute the absolute error, or the Brier score, of each row: bounded, so that few rows do not decide."""
    if predictions.ndim == 1:
        return np.abs(predictions - y)
    truth = np.eye(predictions.shape[1])[y]
    return np.asarray(((predictions - truth) ** 2).sum(axis=1))


def _score(dataset: Dataset, metric: str, predictions: Floats, y: NDArray) -> float | None:
    """Compute the metric; None if it is not defined on these rows."""
    try:
        return score_labels(predictions, y, metric, dataset.classes).score
    except (LearningError, ValueError):
        return None


def _summarise(metric: str, results: list[_Result]) -> LaterRows | None:
    """Compare the better model both ways: a paired one-sided t-test of the rows' losses. None without any model."""
    if not results:
        return None
    better = min(results, key=lambda result: float(result.plain.mean()))
    growth = better.later - better.plain
    error = float(growth.std(ddof=1)) / sqrt(len(growth))
    p_value = float(stats.t.sf(growth.mean() / error, df=len(growth) - 1)) if error else 1.0
    return LaterRows(
        metric=metric,
        plain=better.scores[0] if better.scores is not None else None,
        later=better.scores[1] if better.scores is not None else None,
        plain_loss=float(better.plain.mean()),
        later_loss=float(better.later.mean()),
        baseline_loss=float(better.baseline.mean()),
        least_later_loss=min(float(result.later.mean()) for result in results),
        p_value=p_value,
    )
