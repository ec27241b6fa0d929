"""Scores that are too good to be true, and honest ones that are as good."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import datasets

from learning.analysis import FindingKind
from learning.analysis.overview import analyse
from learning.build import Decided, build
from learning.columns import Column, Kind
from learning.dataset import Dataset, dataset
from learning.estimators.families import Candidate
from learning.problem import Classification, Problem, Regression
from learning.selection.decision import Entry, Incumbent
from learning.selection.suspicion import Suspicion

from ..conftest import numbers

LINEAR = Candidate("linear", {})
SOUND = Candidate("linear", {"features": "sound"})
PERFECT = (0.9995, 0.9999, 1.0, 0.9998, 0.9999)


def examples(problem: Problem, cells: dict[str, NDArray[np.float64]], labels: NDArray[Any]) -> Dataset:
    return dataset(
        problem, numbers(list(cells)), np.column_stack(list(cells.values())).tolist(), labels.tolist()
    )


def suspicion(problem: Problem, data: Dataset, incumbent: Incumbent | None = None) -> Suspicion:
    return Suspicion(
        dataset=data,
        analysis=analyse(data, problem),
        metric=problem.metric_for(len(data.classes) or None),
        seed=0,
        ratio=0.25,
        incumbent=incumbent,
    )


def entry(data: Dataset, candidate: Candidate = LINEAR, quality: float = 0.9999) -> Entry:
    """Build the results of a model with this mean recall, or R²."""
    assert data.y is not None
    losses = np.full(len(data), (1 - quality) * np.var(data.y), dtype=np.float32)
    return Entry(
        candidate=candidate,
        searched=None,
        scores=PERFECT,
        recalls=dict.fromkeys(data.classes, quality),
        losses=None if data.classes else losses,
    )


def draw(rows: int, names: str = "abcdef") -> dict[str, NDArray[np.float64]]:
    random = np.random.default_rng(0)
    return {name: random.normal(10, 2, rows) for name in names}


@pytest.fixture(scope="module")
def total() -> Dataset:
    cells = draw(300)
    return examples(Regression(), cells, cells["a"] + cells["b"])


def champion(score: float, metric: str = "r2") -> Incumbent:
    return Incumbent(family="linear", hyperparameters={}, metric=metric, score=score, fingerprint="")


def test_a_score_is_too_good_if_a_finding_explains_it(total: Dataset) -> None:
    reason = suspicion(Regression(), total).describe(entry(total))
    assert reason is not None
    assert reason.startswith("r2 0.9998 is too good to be true: a and b together give the label")
    assert "Promote the version if" in reason
    assert suspicion(Regression(), total).describe(entry(total, quality=0.9)) is None


def test_few_rows_prove_nothing() -> None:
    cells = draw(199)
    data = examples(Regression(), cells, cells["a"] + cells["b"])
    judge = suspicion(Regression(), data)
    assert judge.analysis.findings and judge.describe(entry(data)) is None


def test_labels_whose_squares_are_zero_prove_nothing() -> None:
    cells = draw(300)
    data = examples(Regression(), cells, (cells["a"] + cells["b"]) * 1e-170)
    assert suspicion(Regression(), data).describe(entry(data)) is None


def test_a_winner_that_leaves_the_features_out_is_not_suspected(total: Dataset) -> None:
    assert suspicion(Regression(), total).describe(entry(total, SOUND)) is None


def test_what_a_person_has_accepted_is_not_asked_again(total: Dataset) -> None:
    accepted, rising = champion(0.9997), champion(0.93)
    assert suspicion(Regression(), total, accepted).describe(entry(total)) is None
    assert suspicion(Regression(), total, rising).describe(entry(total)) is not None
    assert suspicion(Regression(), total, replace(accepted, metric="x")).describe(entry(total)) is not None


def test_formulas_that_the_analysis_does_not_try_are_found_behind_a_perfect_score() -> None:
    cells = draw(600)
    data = examples(Regression(), cells, (cells["a"] - 10) * (cells["b"] - 10) + cells["c"])
    judge = suspicion(Regression(), data)
    assert judge.analysis.findings == ()
    reason = judge.describe(entry(data))
    assert reason is not None and "alone give the label (R² 1 on held-out rows)" in reason
    assert all(name in reason.split("alone")[0] for name in "abc")
    assert judge.describe(entry(data, quality=0.995)) is None


def test_rules_that_a_shallow_tree_does_not_find_are_found_behind_a_perfect_score() -> None:
    random = np.random.default_rng(1)
    cells = {name: random.integers(0, 6, 900).astype(float) for name in "abcdef"}
    data = examples(Classification(), cells, (cells["a"] + cells["b"]) % 2)
    judge = suspicion(Classification(), data)
    judge = replace(judge, analysis=replace(judge.analysis, findings=()))
    reason = judge.describe(entry(data))
    assert reason is not None and ("a and b alone" in reason or "b and a alone" in reason)


def test_a_perfect_score_of_many_honest_features_is_believed() -> None:
    cells = draw(1200, "abcdefghijkl")
    y = np.asarray(sum(cells.values()))
    noisy = y + np.random.default_rng(2).normal(0, 0.1, len(y))
    data = examples(Regression(), cells, noisy)
    assert suspicion(Regression(), data).describe(entry(data)) is None
    data = examples(Classification(), cells, noisy > np.median(noisy))
    assert suspicion(Classification(), data).describe(entry(data)) is None


@pytest.mark.parametrize(
    "name", ["iris", "wine", "breast_cancer", pytest.param("digits", marks=pytest.mark.slow)]
)
def test_a_perfect_score_of_an_honest_set_is_believed(name: str) -> None:
    bunch = getattr(datasets, f"load_{name}")()
    cells = {f"f{place}": column for place, column in enumerate(bunch.data.T)}
    data = examples(Classification(), cells, bunch.target)
    assert suspicion(Classification(), data).describe(entry(data, quality=1.0)) is None


def test_a_text_may_tell_its_class() -> None:
    words = [("guten tag", "good day")[n % 2] for n in range(300)]
    rows = [[f"{word} {n % 77} {n % 13}"] for n, word in enumerate(words)]
    column = Column(name="text", kind=Kind.TEXT)
    data = dataset(Classification(), [column], rows, [("de", "en")[n % 2] for n in range(300)])
    judge = suspicion(Classification(), data)
    assert [finding.kind for finding in judge.analysis.findings] == [FindingKind.LEAKAGE]
    assert judge.describe(entry(data)) is None


@pytest.mark.engine
def test_a_build_holds_a_sum_and_names_its_features(total: Dataset) -> None:
    problem = Regression(families=("baseline", "linear"), candidates=2, pictures=0.0)
    (decided,) = (step for step in build(problem, total) if isinstance(step, Decided))
    assert decided.holds_first and decided.hold_reason is not None
    assert "a and b together give the label" in decided.hold_reason
    assert "Held for a person: r2 1 is too good" in decided.message
