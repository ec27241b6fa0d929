"""Clusters of near rows: found where independent rows cannot be so near, and nowhere else."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import datasets
from sklearn.metrics import v_measure_score

from learning.analysis.overview import analyse
from learning.columns import Column, Kind
from learning.dataset import Dataset, dataset
from learning.evaluation.folds import FoldPlan
from learning.evaluation.near_rows import MOST, NearRows, find_near_rows, keep_near_rows_together
from learning.problem import Classification, Clustering, Problem, Regression


def examples(X: NDArray[np.float64], y: NDArray[Any] | None, problem: Problem) -> Dataset:
    columns = [Column(name=f"f{place}", kind=Kind.NUMBER) for place in range(X.shape[1])]
    labels = None if y is None else [str(each) if problem.has_classes else float(each) for each in y]
    return dataset(problem, columns, X.tolist(), labels)


def near_rows(data: Dataset, problem: Problem) -> NearRows | None:
    return find_near_rows(data, analyse(data, problem), problem.seed)


def people(
    count: int, rows: int, noise: float, columns: int = 6, others: int = 0, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.float64]]:
    """Generate shuffled rows of people; returns also who each is of, and a number of each person, as labels."""
    random = np.random.default_rng(seed)
    person = random.permutation(np.repeat(np.arange(count), rows))
    means, numbers = random.normal(size=(count, columns)), random.normal(size=count)
    X = means[person] + noise * random.normal(size=(len(person), columns))
    return np.column_stack([X, random.normal(size=(len(person), others))]), person, numbers[person]


@pytest.mark.parametrize(
    ("count", "rows", "noise", "columns", "others"),
    [
        (60, 5, 0.05, 6, 0),
        (60, 5, 0.1, 6, 10),
        (100, 3, 0.05, 5, 5),
        (25, 30, 0.1, 6, 0),
        (80, 2, 0.01, 4, 0),
    ],
)
def test_rows_of_one_person_are_a_cluster(
    count: int, rows: int, noise: float, columns: int, others: int
) -> None:
    X, person, y = people(count, rows, noise, columns, others)
    near = near_rows(examples(X, y, Regression()), Regression())
    assert near is not None and v_measure_score(person[near.rows], near.clusters) > 0.9
    assert {int(name[1:]) for name in near.columns} <= set(range(columns))


HONEST = {
    "iris": lambda: datasets.load_iris(return_X_y=True),
    "wine": lambda: datasets.load_wine(return_X_y=True),
    "breast cancer": lambda: datasets.load_breast_cancer(return_X_y=True),
    "moons": lambda: datasets.make_moons(400, noise=0.02, random_state=0),
    "circles": lambda: datasets.make_circles(400, noise=0.03, factor=0.5, random_state=0),
    "eight blobs": lambda: datasets.make_blobs(400, 5, centers=8, cluster_std=0.3, random_state=0),
    "corners": lambda: datasets.make_classification(400, 8, n_informative=6, class_sep=3, random_state=0),
}
NUMBERS = {
    "diabetes": lambda: datasets.load_diabetes(return_X_y=True),
    "friedman1": lambda: datasets.make_friedman1(300, random_state=0),
    "friedman2": lambda: datasets.make_friedman2(300, random_state=0),
    "friedman3": lambda: datasets.make_friedman3(300, random_state=0),
    "swiss roll": lambda: datasets.make_swiss_roll(400, random_state=0),
    "noise": lambda: (np.random.default_rng(0).normal(size=(200, 20)), np.arange(200) % 7),
    "few values": lambda: (np.random.default_rng(0).integers(0, 4, (400, 5)), np.arange(400) % 7),
}


@pytest.mark.parametrize("name", [*HONEST, *NUMBERS])
def test_honest_rows_are_no_clusters(name: str) -> None:
    problem: Problem = Classification() if name in HONEST else Regression()
    X, y = (HONEST | NUMBERS)[name]()
    assert near_rows(examples(X, y, problem), problem) is None


@pytest.mark.slow
def test_digits_are_no_clusters() -> None:
    X, y = datasets.load_digits(return_X_y=True)
    assert near_rows(examples(X, y, Classification()), Classification()) is None


def test_few_clusters_are_kinds_of_rows() -> None:
    X, _, y = people(10, 20, 0.05)
    assert near_rows(examples(X, y, Regression()), Regression()) is None


def test_nothing_is_found_without_labels_or_enough_rows() -> None:
    X, _, y = people(60, 5, 0.05)
    assert near_rows(examples(X, None, Clustering()), Clustering()) is None
    assert near_rows(examples(X[:50], y[:50], Regression()), Regression()) is None
    assert near_rows(examples(X[:, :1], y, Regression()), Regression()) is None


def test_the_same_rows_give_the_same_clusters() -> None:
    X, _, y = people(60, 5, 0.05)
    data = examples(X, y, Regression())
    analysis = analyse(data, Regression())
    one, other = (find_near_rows(data, analysis, 0) for _ in range(2))
    assert one is not None and other is not None
    assert one.clusters.tolist() == other.clusters.tolist() and one.columns == other.columns


def test_folds_keep_clusters_together_and_equal_rows_in_them() -> None:
    X, person, y = people(60, 5, 0.01)
    data, plan = examples(X, y, Regression()), FoldPlan.of(Regression(), examples(X, y, Regression()))
    near = near_rows(data, Regression())
    together = None if near is None else keep_near_rows_together(plan, data, near)
    assert together is not None
    for learn, held_out in plan.split(together, "contest"):
        assert not set(person[learn]) & set(person[held_out])


def test_of_many_rows_a_sample_is_compared_that_has_neighbours() -> None:
    X, _, y = people(1_000, 5, 0.01, columns=4)
    data = examples(X, y, Regression())
    near = near_rows(data, Regression())
    assert near is not None and len(near.rows) <= MOST < len(data)
    assert keep_near_rows_together(FoldPlan.of(Regression(), data), data, near) is None
