import pytest
from sklearn.metrics import get_scorer_names

from learning import metrics
from learning.exceptions import InvalidProblem
from learning.problem import Classification, Clustering, Regression


@pytest.mark.parametrize(
    ("problem", "classes", "metric"),
    [
        (Classification(), 2, "roc_auc"),
        (Classification(), 3, "roc_auc_ovr"),
        (Regression(), None, "r2"),
        (Clustering(), None, "silhouette"),
        (Classification(metric="accuracy"), 3, "accuracy"),
        (Regression(metric="neg_mean_absolute_error"), None, "neg_mean_absolute_error"),
    ],
)
def test_each_task_has_a_default_metric_which_the_declared_one_replaces(problem, classes, metric):
    assert problem.metric_for(classes) == metric


def test_an_unknown_metric_is_refused_with_its_near_matches():
    with pytest.raises(InvalidProblem, match=r"'roc_auk'.*roc_auc"):
        Classification(metric="roc_auk")


def test_a_metric_of_another_task_is_refused():
    with pytest.raises(InvalidProblem, match="does not score a regression"):
        Regression(metric="accuracy")


@pytest.mark.parametrize(
    ("metric", "classes", "instead"),
    [("roc_auc", 3, "roc_auc_ovr"), ("f1", 4, "f1_macro"), ("top_k_accuracy", 2, "roc_auc")],
)
def test_a_metric_for_another_number_of_classes_is_refused_with_a_better_one(metric, classes, instead):
    with pytest.raises(InvalidProblem, match=instead):
        Classification(metric=metric).metric_for(classes)


def test_every_known_metric_has_a_scorer():
    assert set(get_scorer_names()) >= metrics.CLASSIFICATION | metrics.REGRESSION
    assert metrics.CLASSIFICATION >= metrics.TWO_CLASSES | metrics.SEVERAL_CLASSES


@pytest.mark.parametrize(
    "options",
    [
        {"folds": 1},
        {"candidates": 0},
        {"keep": 0},
        {"seconds": 0},
        {"seconds": float("nan")},
        {"seed": -1},
        {"families": ()},
        {"families": ("forrest",)},
        {"floors": {"malignant": 1.5}},
    ],
)
def test_a_problem_that_cannot_be_learned_is_refused(options):
    with pytest.raises(InvalidProblem):
        Classification(**options)


def test_a_misspelt_family_is_refused_with_the_near_one():
    with pytest.raises(InvalidProblem, match="forest"):
        Classification(families=["forrest"])


def test_clusters_are_two_or_more():
    with pytest.raises(InvalidProblem, match="2 or more"):
        Clustering(clusters=(1, 2))


def test_options_replace_what_was_declared_and_are_validated_too():
    problem = Classification(candidates=20, floors={"malignant": 0.9})
    changed = problem.with_options(candidates=3, seed=7, families=["linear"], auto_promote=False)
    assert changed == Classification(
        candidates=3, seed=7, families=("linear",), auto_promote=False, floors={"malignant": 0.9}
    )
    assert problem.with_options() == problem
    with pytest.raises(InvalidProblem):
        problem.with_options(candidates=0)
