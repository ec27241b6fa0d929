"""Declared problems: metrics, folds, bounds and options."""

from datetime import timedelta

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import get_scorer_names

from learning import metrics
from learning.encoding import LARGEST, MISSING
from learning.exceptions import InvalidProblem
from learning.problem import MOST_SECONDS, PROBLEMS, Classification, Clustering, Regression, problem_type


@pytest.mark.parametrize(
    ("problem", "classes", "metric"),
    [
        (Classification(), 2, "roc_auc"),
        (Classification(), 3, "roc_auc_ovr"),
        (Regression(), None, "r2"),
        (Clustering(), None, "separation"),
        (Classification(metric="accuracy"), 3, "accuracy"),
        (Regression(metric="neg_mean_absolute_error"), None, "neg_mean_absolute_error"),
    ],
)
def test_each_task_has_a_default_metric_which_the_declared_one_replaces(problem, classes, metric):
    assert problem.metric_for(classes) == metric


def test_an_unknown_metric_is_refused_with_similar_names():
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
        {"seconds": float("inf")},
        {"seed": -1},
        {"families": ()},
        {"families": ("forrest",)},
        {"floors": {"malignant": 1.5}},
    ],
)
def test_a_problem_that_cannot_be_learned_is_refused(options):
    with pytest.raises(InvalidProblem):
        Classification(**options)


def test_a_misspelt_family_is_refused_with_similar_names():
    with pytest.raises(InvalidProblem, match="forest"):
        Classification(families=["forrest"])


def test_clusters_are_two_or_more():
    with pytest.raises(InvalidProblem, match="at least 2"):
        Clustering(clusters=(1, 2))


def test_options_replace_the_declaration_and_are_validated():
    problem = Classification(candidates=20, floors={"malignant": 0.9})
    changed = problem.with_options(candidates=3, seed=7, families=["linear"], auto_promote=False)
    assert changed == Classification(
        candidates=3, seed=7, families=("linear",), auto_promote=False, floors={"malignant": 0.9}
    )
    assert problem.with_options() == problem
    with pytest.raises(InvalidProblem):
        problem.with_options(candidates=0)


@pytest.mark.parametrize(
    ("options", "rows", "folds", "repeats"),
    [
        ({}, 399, 5, 2),
        ({}, 400, 5, 1),
        ({}, 20_000, 5, 1),
        ({}, 20_001, 3, 1),
        ({"folds": 4}, 399, 4, 1),
        ({"folds": 4}, 20_001, 4, 1),
        ({"repeats": 3}, 20_001, 3, 3),
        ({"ordered": True}, 399, 5, 1),
    ],
)
def test_folds_and_repeats_depend_on_the_rows_unless_they_are_set(options, rows, folds, repeats):
    problem = Classification(**options)
    assert (problem.folds_for(rows), problem.repeats_for(rows)) == (folds, repeats)


def test_the_budget_is_24_candidates_or_as_many_as_the_time_allows():
    assert Classification().budget == 24
    assert Classification(seconds=60).budget == 10_000
    assert Classification(seconds=60, candidates=3).budget == 3
    assert Clustering().budget == 28


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folds": 1}, "folds=1 cannot validate anything; use 2 or more."),
        ({"repeats": 0}, "repeats=0 is not between 1 and 20."),
        ({"repeats": 21}, "repeats=21 is not between 1 and 20."),
        ({"ordered": True, "repeats": 2}, "ordered by time cannot be repeated"),
        ({"gap": timedelta(days=1)}, "needs ordered=True"),
        ({"gap": timedelta(days=-1), "ordered": True}, "cannot be negative"),
        ({"megabytes": 0}, "megabytes=0 allows nothing"),
        ({"infer_limit": 0.0}, "infer_limit=0.0 allows nothing"),
        ({"infer_limit": float("nan")}, "infer_limit=nan allows nothing"),
        ({"candidates": 10_001}, "candidates=10001 is not between 1 and 10000."),
        ({"pictures": -0.1}, "pictures=-0.1 is no share"),
        ({"pictures": 0.91}, "pictures=0.91 is no share"),
        ({"keep": 0}, "keep=0 would keep no model"),
        ({"seed": 2**32}, "seed=4294967296 is not between"),
        ({"seconds": -1}, "seconds=-1 leaves no time to learn; use more than 0, or None."),
        ({"seconds": MOST_SECONDS + 1}, "is more than 31,536,000, a year; use None for no limit."),
        ({"families": ("forrest",)}, "for a classification is called 'forrest'. .*forest"),
        ({"families": ()}, "leaves nothing to choose from. Known: linear, boosting"),
        ({"floors": {"no": -0.1}}, "The floor of 'no' is a recall: -0.1 is not between 0 and 1."),
    ],
)
def test_values_beyond_a_bound_are_refused(options, message):
    with pytest.raises(InvalidProblem, match=message):
        Classification(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"folds": 2},
        {"repeats": 1},
        {"repeats": 20},
        {"ordered": True, "repeats": 1},
        {"ordered": True, "gap": timedelta(days=1)},
        {"candidates": 1},
        {"candidates": 10_000},
        {"pictures": 0},
        {"pictures": 0.9},
        {"keep": 1},
        {"seed": 0},
        {"seed": 2**32 - 1},
        {"seconds": 1e-3},
        {"seconds": MOST_SECONDS},
        {"floors": {"no": 0, "yes": 1}},
    ],
)
def test_values_at_a_bound_are_accepted(options):
    problem = Classification(**options)
    assert all(getattr(problem, name) == value for name, value in options.items())


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"candidates": 0}, ("candidates",)),
        ({"seconds": 0.0}, ("seconds",)),
        ({"seconds": MOST_SECONDS + 1}, ("seconds",)),
        ({"seed": -1}, ("seed",)),
        ({"families": ["forrest"]}, ("families",)),
        ({"families": []}, ("families",)),
    ],
)
def test_refused_options_name_their_argument(options, argument):
    with pytest.raises(InvalidProblem) as refused:
        Classification().with_options(**options)
    assert refused.value.argument == argument


def test_metrics_of_two_classes_suggest_one_for_several():
    for metric in sorted(metrics.TWO_CLASSES):
        with pytest.raises(InvalidProblem, match="the labels have 3; use") as refused:
            Classification(metric=metric).metric_for(3)
        better = str(refused.value).rpartition("use '")[2].removesuffix("'.")
        assert better in metrics.CLASSIFICATION - metrics.TWO_CLASSES
        assert Classification(metric=metric).metric_for(2) == metric
    assert Classification().metric_for() == "roc_auc"


def test_families_clusters_and_floors_are_normalised():
    assert Classification(families=["linear", "forest", "linear"]).families == ("linear", "forest")
    assert Classification(families="linear").families == ("linear",)
    assert Clustering(clusters=(4, 2, 2)).clusters == (2, 4)
    with pytest.raises(InvalidProblem, match="at least 2"):
        Clustering(clusters=())
    assert Classification(floors={True: 1}).floors == {"True": 1.0}


def test_a_problem_with_floors_can_be_hashed():
    assert hash(Classification(floors={"no": 0.5})) == hash(Classification(floors={"no": 0.5}))


def test_a_metric_of_several_classes_is_accepted_while_their_number_is_unknown():
    assert Classification(metric="top_k_accuracy").metric_for() == "top_k_accuracy"


def test_a_problem_is_found_by_its_tasks_name():
    assert {task: problem_type(task) for task in PROBLEMS} == {
        "CLASSIFICATION": Classification,
        "REGRESSION": Regression,
        "CLUSTERING": Clustering,
    }
    with pytest.raises(KeyError):
        problem_type("RANKING")


@pytest.mark.parametrize(
    ("problem", "from_labels", "classes", "values"),
    [
        (Classification, True, True, False),
        (Regression, True, False, True),
        (Clustering, False, False, False),
    ],
)
def test_tasks_differ_in_the_type_of_their_labels(problem, from_labels, classes, values):
    assert (problem.learns_from_labels, problem.has_classes, problem.has_values) == (
        from_labels,
        classes,
        values,
    )
    assert problem.numbers in ("probabilities", "values", "distances")
    assert problem.parity.format(ties="", within="agree", on="here").endswith("here.")


def test_class_labels_become_positions_among_the_choices():
    codes = Classification.encode_labels(["no", None, "yes", "no"], ("yes", "no"))
    assert codes.dtype == np.int64
    assert codes.tolist() == [1, MISSING, 0, 1]
    assert Classification.encode_labels([1, 0], ("0", "1")).tolist() == [1, 0]
    assert Classification.find_labelled(codes).tolist() == [True, False, True, True]
    with pytest.raises(KeyError):
        Classification.encode_labels(["maybe"], ("yes", "no"))


def test_number_labels_are_valid_if_they_are_finite_and_not_huge():
    values = Regression.encode_labels([1, None, 2.5, LARGEST, 2 * LARGEST, np.inf, -np.inf], ())
    assert values.dtype == np.float64
    assert np.isnan(values[1])
    valid = [True, False, True, True, False, False, False]
    assert Regression.find_labelled(values).tolist() == valid


def test_predictions_have_the_shape_of_the_task():
    X = np.arange(12.0).reshape(6, 2)
    classifier = LogisticRegression().fit(X, [0, 1, 2, 0, 1, 2])
    probabilities = Classification.predict_arrays(classifier, X[:4])
    assert probabilities.shape == (4, 3)
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(4))
    regressor = LinearRegression().fit(X, X[:, 0] * 2)
    assert Regression.predict_arrays(regressor, X[:4]) == pytest.approx(X[:4, 0] * 2)
    clusterer = KMeans(2, n_init=1, random_state=0).fit(X)
    clusters, distances = Clustering.predict_arrays(clusterer, X[:4])
    assert (clusters.dtype, distances.shape) == (np.int64, (4, 2))
    assert clusters.tolist() == distances.argmin(axis=1).tolist()


@pytest.mark.parametrize(
    "problem", [Classification(), Regression(candidates=2, folds=2), Clustering(repeats=4)]
)
def test_a_quick_problem_has_few_candidates_folds_and_partitions_and_no_diagnostics(problem):
    quick = problem.quick()
    assert quick.budget <= min(problem.budget, 3) and quick.folds_for(10**6) <= problem.folds_for(10**6)
    assert quick.repeats_for(10) == 1 and quick.pictures == 0
