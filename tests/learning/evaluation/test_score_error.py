"""Errors of scores by their held-out rows."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from learning.columns import Column, Kind
from learning.dataset import Dataset, dataset
from learning.evaluation.score_error import estimate_error, proportion_interval
from learning.problem import Classification, Regression

FOLDS = 5


def classes_of(labels: list[str]) -> Dataset:
    return dataset(Classification(), [Column(name="a", kind=Kind.NUMBER)], [[0.0]] * len(labels), labels)


def split(random: np.random.Generator, *sizes: int) -> list[NDArray[np.intp]]:
    """Split rows of classes of these sizes, in order, into stratified folds."""
    parts = np.concatenate([random.permutation(size) % FOLDS for size in sizes])
    return [np.flatnonzero(parts == fold) for fold in range(FOLDS)]


@pytest.mark.slow
@pytest.mark.parametrize(("area", "kept"), [(0.95, FOLDS), (0.99, FOLDS), (0.95, 2)])
def test_the_interval_of_an_area_with_twenty_positives_covers_it(area: float, kept: int) -> None:
    """Check 20 positives of 400, and two folds that a time limit left: 0.92 to 0.98 at a nominal 0.95."""
    random, shift = np.random.default_rng(0), norm.ppf(area) * 2**0.5
    data = classes_of(["a"] * 380 + ["b"] * 20)
    covered = []
    for _ in range(300):
        scores = random.normal(size=400) + shift * (data.y == 1)
        positive = 1 / (1 + np.exp(-scores))
        folds = split(random, 380, 20)[:kept]
        predictions = [np.column_stack([1 - positive[rows], positive[rows]]) for rows in folds]
        score = np.mean([roc_auc_score(data.y[rows], positive[rows]) for rows in folds])
        error = estimate_error("roc_auc", data, predictions, folds)
        assert error is not None
        low, high = error.measured_at(float(score)).interval(float(score))
        covered.append(low <= area <= high)
    assert 0.92 <= np.mean(covered) <= 0.985


def test_the_interval_of_a_perfect_score_is_no_point() -> None:
    data = classes_of(["a", "b"] * 30)
    folds = split(np.random.default_rng(0), 60)
    predictions = [np.eye(2)[data.y[rows]] for rows in folds]
    error = estimate_error("roc_auc", data, predictions, folds)
    assert error is not None
    low, high = error.interval(1.0)
    assert 0.9 < low < 0.97 and high == 1.0
    assert error.interval(1.0, growth=10)[0] > low


def test_the_error_of_a_regression_counts_rows() -> None:
    random = np.random.default_rng(0)
    y = random.normal(size=600)
    columns = [Column(name="a", kind=Kind.NUMBER)]
    data = dataset(Regression(), columns, [[0.0]] * 600, y.tolist())
    folds, scores, errors = split(random, 600), [], []
    for _ in range(100):
        truth, noise = random.normal(size=600), random.normal(size=600)
        object.__setattr__(data, "y", truth)
        values = truth + 0.7 * noise
        score = np.mean([1 - np.mean((truth - values)[rows] ** 2) / np.var(truth[rows]) for rows in folds])
        error = estimate_error("r2", data, [values[rows] for rows in folds], folds)
        assert error is not None
        scores.append(score)
        errors.append(error.error)
    assert np.mean(errors) == pytest.approx(np.std(scores), rel=0.2)


def test_rows_of_one_group_count_as_one() -> None:
    random = np.random.default_rng(0)
    labels = np.repeat(random.permutation(["a", "b"] * 40), 5).tolist()
    data, together = classes_of(labels), np.repeat(np.arange(80), 5)
    positive = np.repeat(random.random(80), 5)
    predictions = [np.column_stack([1 - positive, positive])]
    alone = estimate_error("neg_log_loss", data, predictions, [np.arange(400)])
    object.__setattr__(data, "groups", together)
    grouped = estimate_error("neg_log_loss", data, predictions, [np.arange(400)])
    assert alone is not None and grouped is not None
    assert grouped.error == pytest.approx(alone.error * 5**0.5)


def test_metrics_without_influence_values_and_few_rows_have_no_error() -> None:
    data = classes_of(["a", "b"] * 8)
    predictions = [np.full((16, 2), 0.5)]
    assert estimate_error("top_k_accuracy", data, predictions, [np.arange(16)]) is None
    assert estimate_error("roc_auc", data, predictions, [np.arange(16)]) is None


@pytest.mark.parametrize("metric", ["f1", "precision", "recall", "jaccard", "average_precision", "f1_macro"])
def test_the_interval_of_a_measure_of_hits_stays_between_0_and_1(metric: str) -> None:
    labels, positive = ["a"] * 180 + ["b"] * 20, np.repeat([0.1, 0.9, 0.1, 0.9], [179, 1, 1, 19])
    predictions = [np.column_stack([1 - positive, positive])]
    data, held_out = classes_of(labels), [np.arange(200)]
    error = estimate_error(metric, data, predictions, held_out)
    assert error is not None
    low, high = error.measured_at(0.95).interval(0.95)
    assert 0.6 < low < 0.93
    assert 0.96 < high < 1.0


def test_the_interval_of_a_share_is_wilsons() -> None:
    assert proportion_interval(17, 20) == pytest.approx((0.6396, 0.9476), abs=1e-4)
    assert proportion_interval(20, 20)[1] == 1.0
    lows = [proportion_interval(0.9 * rows, rows)[0] for rows in (20, 200, 2_000)]
    assert all(low < next_low for low, next_low in pairwise(lows))
