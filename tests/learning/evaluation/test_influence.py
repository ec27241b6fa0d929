"""Influence of rows on scores."""

import numpy as np
import pytest

from learning.evaluation.evaluate import score_classification, score_regression
from learning.evaluation.influence import CLASSIFICATION, OF_ANSWERS, REGRESSION, influence, is_known
from learning.metrics import TWO_CLASSES

ROWS = 240
LEFT_OUT = np.arange(0, ROWS, 12)


def leave_one_out(score, kinds=None):
    """Compute how the score changes with each row of `LEFT_OUT`, from the scores without it.

    Args:
        kinds: `(ROWS,)`: rows of one kind change it alike; None: each row has a change of its own.
    """
    rows, kinds = np.arange(ROWS), np.arange(ROWS) if kinds is None else kinds
    total = score(rows)
    _, first, place = np.unique(kinds[LEFT_OUT], return_index=True, return_inverse=True)
    return np.array([(total - score(np.delete(rows, row))) * (ROWS - 1) for row in LEFT_OUT[first]])[place]


def assert_agrees(values, expected):
    assert values.mean() == pytest.approx(0, abs=1e-9)
    values = values[LEFT_OUT]
    assert np.corrcoef(values, expected)[0, 1] > 0.99
    assert values.std() == pytest.approx(expected.std(), rel=0.03)


CASES = [
    (metric, classes)
    for metric in CLASSIFICATION
    for classes in (2, 3)
    if not (metric in TWO_CLASSES and classes > 2) and not (metric.startswith("roc_auc_") and classes == 2)
]


@pytest.mark.parametrize(("metric", "classes"), CASES)
def test_the_influence_on_a_classifiers_score_is_that_of_leaving_out_the_row(metric, classes):
    random = np.random.default_rng(0)
    y = random.integers(0, classes, ROWS)
    odds = np.exp(random.normal(size=(ROWS, classes)) + np.eye(classes)[y])
    probabilities = odds / odds.sum(axis=1, keepdims=True)
    names = tuple("abc"[:classes])
    # Metrics of answers alone know of a row no more than its class and its answer.
    kinds = y * classes + probabilities.argmax(axis=1) if metric in OF_ANSWERS else None
    expected = leave_one_out(
        lambda rows: score_classification(probabilities[rows], y[rows], metric, names).score, kinds
    )
    values = influence(probabilities, y, metric, classes)
    if metric == "roc_auc_ovr_weighted":  # that of the prevalences is left out
        assert np.corrcoef(values[LEFT_OUT], expected)[0, 1] > 0.9
    else:
        assert_agrees(values, expected)


@pytest.mark.parametrize("metric", REGRESSION)
def test_the_influence_on_a_regressors_score_is_that_of_leaving_out_the_row(metric):
    random = np.random.default_rng(1)  # without a value below -1, which has no logarithm
    y = random.normal(size=ROWS) + 5
    values = y + random.normal(size=ROWS)
    expected = leave_one_out(lambda rows: score_regression(values[rows], y[rows], metric).score)
    assert_agrees(influence(values, y, metric, 0), expected)


def test_a_score_without_a_formula_has_no_influence():
    assert influence(np.full((4, 2), 0.5), np.array([0, 1, 0, 1]), "top_k_accuracy", 2) is None
    assert not is_known("top_k_accuracy", 2)
    assert is_known("r2", 0)


def test_a_missing_class_and_a_constant_label_have_no_influence():
    assert not influence(np.full((3, 2), 0.5), np.zeros(3, dtype=int), "roc_auc", 2).any()
    assert not influence(np.zeros(3), np.ones(3), "r2", 0).any()
    assert not influence(np.ones(3), np.ones(3), "neg_root_mean_squared_error", 0).any()
