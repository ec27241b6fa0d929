"""Measures of what was served equal scikit-learn's scorers to the last digit."""

import numpy as np
import pytest
from sklearn import metrics

from learning.evaluation.live_measures import ServedClasses

CLASSES = ("no", "yes")


@pytest.mark.parametrize("rows", [1, 2, 19, 3_000, 70_001])
def test_losses_of_two_classes_are_those_of_scikit_learn(rows):
    random = np.random.default_rng(rows)
    for tie in (0.0, 0.2):
        positive = np.where(
            random.random(rows) < tie, random.choice([0.0, 1.0, 0.5], rows), random.random(rows)
        )
        truth = random.integers(0, 2, rows)
        answer = (positive > 0.5).astype(np.int64)
        served = ServedClasses(truth, answer, np.column_stack([1 - positive, positive]), CLASSES)
        measured = {name: served.measure_all(name).value for name in ("neg_log_loss", "neg_brier_score")}
        assert measured["neg_log_loss"] == -metrics.log_loss(truth, positive, labels=[0, 1])
        assert measured["neg_brier_score"] == -metrics.brier_score_loss(truth, positive, labels=[0, 1])


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -0.1, 1.1])
def test_what_is_no_probability_has_no_loss(wrong):
    positive = np.append(np.linspace(0, 1, 30), wrong)
    truth = np.arange(31) % 2
    served = ServedClasses(truth, truth, np.column_stack([1 - positive, positive]), CLASSES)
    for name in ("neg_log_loss", "neg_brier_score"):
        assert served.measure_all(name).value is None
