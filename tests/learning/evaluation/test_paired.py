"""Paired comparisons: the scores are scikit-learn's, and the intervals contain the true difference as often as said."""

from collections import Counter
from itertools import product

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    f1_score,
    log_loss,
    matthews_corrcoef,
    mean_absolute_error,
    median_absolute_error,
    precision_score,
    r2_score,
    recall_score,
    roc_auc_score,
    root_mean_squared_error,
)

from learning.evaluation import paired
from learning.evaluation.paired import compare_classes, compare_values, tango
from learning.evaluation.paired_measure import IntervalMethod, PairedMeasure
from learning.evaluation.score_error import WIDTH

LABELS = "abcdef"


def probabilities(random: np.random.Generator, y: np.ndarray, classes: int, skill: float) -> np.ndarray:
    weights = np.exp(random.normal(size=(len(y), classes)) + skill * np.eye(classes)[y])
    return weights / weights.sum(axis=1, keepdims=True)


def by_name(measures: list[PairedMeasure]) -> dict[tuple[str, str | None], PairedMeasure]:
    return {(measure.metric, measure.label): measure for measure in measures}


@given(st.integers(0, 2**32 - 1), st.integers(20, 200), st.integers(2, 4))
def test_every_score_and_difference_is_that_of_scikit_learn_to_the_last_digit(seed, n, classes):
    random = np.random.default_rng(seed)
    y = np.concatenate([np.arange(classes), random.integers(0, classes, n)])
    models = [probabilities(random, y, classes, skill) for skill in (1.0, 1.5)]
    metric = "roc_auc" if classes == 2 else "roc_auc_ovr"
    measures = by_name(compare_classes(y, *models, metric, LABELS[:classes]))

    def expected(name, model):
        answers = model.argmax(axis=1)
        return {
            "accuracy": lambda: accuracy_score(y, answers),
            "balanced_accuracy": lambda: balanced_accuracy_score(y, answers),
            "f1_macro": lambda: f1_score(y, answers, average="macro"),
            "matthews_corrcoef": lambda: matthews_corrcoef(y, answers),
            "neg_log_loss": lambda: -log_loss(y, model),
            "neg_brier_score": lambda: -brier_score_loss(y, model[:, 1] if classes == 2 else model),
            "roc_auc": lambda: roc_auc_score(y, model[:, 1]),
            "average_precision": lambda: average_precision_score(y, model[:, 1]),
            "roc_auc_ovr": lambda: roc_auc_score(y, model, multi_class="ovr"),
        }[name]()

    names = {name for name, label in measures if label is None}
    assert len(names) == (8 if classes == 2 else 7)
    for name in names:
        first, second = (expected(name, model) for model in models)
        measure = measures[name, None]
        assert (measure.first, measure.second, measure.difference) == (first, second, second - first)
        assert measure.n == len(y)
    scores = {"precision": precision_score, "recall": recall_score, "f1": f1_score}
    of_classes = {
        name: [
            score(y, model.argmax(axis=1), labels=range(classes), average=None, zero_division=np.nan)
            for model in models
        ]
        for name, score in scores.items()
    }
    for code, label in enumerate(LABELS[:classes]):
        for name in scores:
            values = [each[code] for each in of_classes[name]]
            measure = measures[name, label]
            pairs = zip((measure.first, measure.second), values, strict=True)
            assert all(mine == theirs or (mine is None and np.isnan(theirs)) for mine, theirs in pairs)
        assert measures["roc_auc", label].first == roc_auc_score(y == code, models[0][:, code])
        assert measures["recall", label].n == (y == code).sum()


@given(st.integers(0, 2**32 - 1), st.integers(2, 300))
def test_the_scores_of_numbers_are_those_of_scikit_learn(monkeypatch, seed, n):
    monkeypatch.setattr(paired, "RESAMPLES", 2)  # of intervals, which another test compares
    random = np.random.default_rng(seed)
    y = random.normal(size=n)
    models = [y + noise * random.normal(size=n) for noise in (1.0, 0.8)]
    measures = by_name(compare_values(y, *models, "r2"))
    scores = {
        "r2": r2_score,
        "neg_mean_absolute_error": lambda y, values: -mean_absolute_error(y, values),
        "neg_root_mean_squared_error": lambda y, values: -root_mean_squared_error(y, values),
        "neg_median_absolute_error": lambda y, values: -median_absolute_error(y, values),
    }
    assert list(measures) == [(name, None) for name in scores]
    for name, score in scores.items():
        first, second = (float(score(y, model)) for model in models)
        measure = measures[name, None]
        assert (measure.first, measure.second, measure.difference) == (first, second, second - first)


def test_the_median_of_resamples_is_the_scorers(monkeypatch):
    random = np.random.default_rng(1)
    y = random.normal(size=41)
    models = [y + random.normal(size=41) for _ in range(2)]
    metric = "neg_median_absolute_error"
    monkeypatch.setattr(paired, "RESAMPLES", 20)
    fast = by_name(compare_values(y, *models, "r2"))[metric, None]
    monkeypatch.setattr(paired, "MEDIAN", None)
    slow = by_name(compare_values(y, *models, "r2"))[metric, None]
    assert fast == slow and fast.method == IntervalMethod.BOOTSTRAP


def test_equal_models_do_not_differ_and_no_rows_say_nothing():
    random = np.random.default_rng(0)
    y = random.integers(0, 2, 100)
    model = probabilities(random, y, 2, 1.0)
    for measure in compare_classes(y, model, model, "roc_auc", "ab"):
        assert measure.difference == 0
        assert measure.low is not None and measure.low <= 0 <= measure.high
    nothing = np.empty(0, np.int64)
    assert compare_classes(nothing, np.empty((0, 2)), np.empty((0, 2)), "roc_auc", "ab") == []
    assert compare_values(np.empty(0), np.empty(0), np.empty(0), "r2") == []


def test_too_few_rows_have_scores_and_no_interval_but_that_of_shares():
    y, model = np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    measures = by_name(compare_classes(y, model, model[:, ::-1], "roc_auc", "ab"))
    assert measures["roc_auc", None].first == 1.0
    assert measures["roc_auc", None].low is None and measures["roc_auc", None].method is None
    assert measures["accuracy", None].method == IntervalMethod.TANGO
    one_class = by_name(
        compare_classes(np.ones(50, int), *[np.tile([0.4, 0.6], (50, 1))] * 2, "roc_auc", "ab")
    )
    assert one_class["roc_auc", None].difference is None
    assert one_class["neg_log_loss", None].difference == 0


def test_a_metric_without_influence_values_has_a_bootstrapped_interval(monkeypatch):
    monkeypatch.setattr(paired, "RESAMPLES", 20)  # the difference is ten standard errors
    random = np.random.default_rng(0)
    y = random.integers(0, 3, 300)
    models = [probabilities(random, y, 3, skill) for skill in (0.5, 1.5)]
    measure = compare_classes(y, *models, "roc_auc_ovo", "abc")[0]
    assert (measure.metric, measure.method) == ("roc_auc_ovo", IntervalMethod.BOOTSTRAP)
    assert 0 < measure.low < measure.difference < measure.high


def test_intervals_of_equally_good_models_contain_no_difference_in_most_samples():
    random, misses, samples = np.random.default_rng(7), Counter(), 100
    for _ in range(samples):
        y = random.integers(0, 2, 150)
        models = [probabilities(random, y, 2, 1.0) for _ in range(2)]
        for measure in compare_classes(y, *models, "roc_auc", "ab"):
            misses[measure.metric, measure.label] += not measure.low <= 0 <= measure.high
    assert len(misses) == 16
    assert max(misses.values()) <= 12


def test_tangos_interval_solves_its_equation():
    for gains, losses, n in [(16, 2, 118), (0, 0, 50), (1, 0, 10), (3, 3, 20), (0, 9, 9)]:
        low, high = tango(gains, losses, n)
        assert -1 <= low < (gains - losses) / n < high or abs(gains - losses) == n
        for bound in {low, high} - {-1.0, 1.0}:
            # The maximum likelihood of discordant pairs, given the difference, by a fine search.
            losses_share = np.linspace(max(0.0, -bound), (1 - bound) / 2, 200_001)[1:-1]
            gains_share = losses_share + bound
            likelihood = (
                gains * np.log(gains_share)
                + losses * np.log(losses_share)
                + (n - gains - losses) * np.log1p(-gains_share - losses_share)
            )
            best = losses_share[likelihood.argmax()]
            z = (gains - losses - n * bound) / np.sqrt(n * (2 * best + bound * (1 - bound)))
            assert abs(abs(z) - WIDTH) < 0.02


def test_tangos_interval_is_turned_around_with_its_counts():
    for n, gains, losses in product(range(1, 9), range(9), range(9)):
        if gains + losses <= n:
            low, high = tango(gains, losses, n)
            assert np.allclose((low, high), [-bound for bound in tango(losses, gains, n)[::-1]], atol=1e-9)
            assert -1 <= low <= (gains - losses) / n <= high <= 1
