"""Scores of predictions, compared with scikit-learn's."""

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, get_scorer, log_loss, mean_pinball_loss, roc_auc_score

from learning.evaluation import evaluate
from learning.exceptions import NotFinite, OneCluster

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(90, 3))
TWO = (X[:, 0] + RANDOM.normal(size=90) > 0).astype(int)
THREE = np.digitize(X[:, 0], [-0.5, 0.5])


def values(scores, label=None):
    return {measure.metric: measure.value for measure in scores.measures if measure.label == label}


def test_measures_of_two_classes_equal_scikit_learns():
    model = LogisticRegression().fit(X, TWO)
    scores = evaluate.score_classification(model.predict_proba(X), TWO, "roc_auc", ("no", "yes"))
    probabilities = model.predict_proba(X)
    assert scores.score == values(scores)["roc_auc"] == roc_auc_score(TWO, probabilities[:, 1])
    assert values(scores)["log_loss"] == pytest.approx(log_loss(TWO, probabilities))
    assert values(scores)["brier_score"] == pytest.approx(brier_score_loss(TWO, probabilities[:, 1]))
    assert values(scores, "yes")["support"] == TWO.sum()
    assert values(scores, "yes")["recall"] == (model.predict(X)[TWO == 1] == 1).mean()


@pytest.mark.parametrize("metric", ["roc_auc_ovr", "f1_macro", "neg_log_loss", "accuracy"])
def test_several_classes_are_measured(metric):
    scores = evaluate.score_classification(
        LogisticRegression().fit(X, THREE).predict_proba(X), THREE, metric, ("a", "b", "c")
    )
    assert np.isfinite(scores.score)
    assert {measure.label for measure in scores.measures} == {None, "a", "b", "c"}


@pytest.mark.parametrize("classes", [2, 3, 6])
@pytest.mark.parametrize("sharp", [0.1, 3.0])
def test_each_classification_measure_equals_the_scorer_of_its_name(classes, sharp):
    random = np.random.default_rng(classes)
    y = np.concatenate([np.arange(classes), random.integers(0, classes, 60)])
    predictions = random.dirichlet(np.full(classes, sharp), len(y))
    predictions[:, -1] *= 0.01  # rarely the most probable
    predictions /= predictions.sum(axis=1, keepdims=True)
    predictor = evaluate._StoredProbabilities(predictions).fit(None, None)
    metrics = evaluate.TWO_CLASSES if classes == 2 else evaluate.SEVERAL_CLASSES
    for metric in metrics:
        scores = evaluate.score_classification(predictions, y, metric, [str(code) for code in range(classes)])
        assert scores.score == pytest.approx(get_scorer(metric)(predictor, np.arange(len(y)), y), abs=1e-12)


@pytest.mark.parametrize("metric", evaluate.REGRESSION)
def test_each_regression_measure_equals_the_scorer_of_its_name(metric):
    random = np.random.default_rng(0)
    y, predictions = random.lognormal(size=(2, 61))
    scores = evaluate.score_regression(predictions, y, metric)
    predictor = evaluate._StoredValues(predictions).fit(None, None)
    assert scores.score == pytest.approx(get_scorer(metric)(predictor, np.arange(61), y), abs=1e-12)
    for alpha in evaluate.QUANTILES:
        loss = mean_pinball_loss(y, predictions, alpha=alpha)
        assert values(scores)[f"pinball_{alpha:g}"] == pytest.approx(loss, abs=1e-12)


def test_undefined_measures_are_none_and_never_nan():
    scores = evaluate.score_classification(
        DummyClassifier().fit(X, [0] * 50 + [1] * 40).predict_proba(X), TWO, "roc_auc", ("no", "yes")
    )
    assert values(scores, "yes")["precision"] is None
    assert all(measure.value is None or np.isfinite(measure.value) for measure in scores.measures)


def test_errors_are_reported_positive_and_scored_negative():
    model = DummyRegressor().fit(X, X[:, 0])
    scores = evaluate.score_regression(model.predict(X), X[:, 0], "neg_root_mean_squared_error")
    assert scores.score == pytest.approx(-X[:, 0].std())
    assert values(scores)["root_mean_squared_error"] == pytest.approx(X[:, 0].std())


@pytest.mark.filterwarnings("ignore:R.2 score is not well-defined")
def test_a_metric_that_is_not_defined_on_a_fold_is_refused():
    with pytest.raises(NotFinite, match="r2"):
        evaluate.score_regression(np.array([1.0]), np.array([1.0]), "r2")


def test_a_clustering_is_scored_in_the_common_space():
    scores = evaluate.score_clustering((X[:, 0] > 0).astype(np.int64), X[:, :1], 0.7, "silhouette")
    assert 0.4 < scores.score < 1
    assert set(values(scores)) == {
        "separation",
        "silhouette",
        "calinski_harabasz",
        "davies_bouldin",
        "noise",
    }
    assert values(scores)["separation"] == 0.7


def test_one_cluster_cannot_be_scored():
    with pytest.raises(OneCluster):
        evaluate.score_clustering(np.zeros(len(X), dtype=np.int64), X, 0.0, "silhouette")
