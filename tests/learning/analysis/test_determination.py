"""Determination: several features that give the label together."""

import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import datasets

from learning.analysis import REVEALING, Analysis, FindingKind
from learning.analysis.overview import analyse
from learning.columns import Column, Kind
from learning.dataset import Dataset, dataset
from learning.evaluation.folds import FoldPlan
from learning.evaluation.repeats import find_repeats
from learning.problem import Classification, Problem, Regression
from tests.drawing import draws

from ..conftest import numbers

Cells = dict[str, NDArray[np.float64]]


def analysed(cells: Cells, labels: NDArray[np.generic], problem: Problem | None = None) -> Analysis:
    problem = problem or Regression()
    columns = [Column(name=name, kind=Kind.NUMBER, nullable=True) for name in cells]
    rows = [
        [None if np.isnan(cell) else float(cell) for cell in row] for row in zip(*cells.values(), strict=True)
    ]
    return analyse(dataset(problem, columns, rows, labels.tolist()), problem)


def together(analysis: Analysis) -> list[str]:
    return [f.feature for f in analysis.findings if f.kind is FindingKind.DETERMINATION]


def rentals(rows: int = 300) -> Cells:
    random = np.random.default_rng(0)
    hour = random.integers(0, 24, rows).astype(float)
    return {
        "casual": random.poisson(60 + 4 * hour).astype(float),
        "registered": random.poisson(150 + 9 * hour).astype(float),
        "hour": hour,
        "wind": random.normal(20, 5, rows),
    }


def test_a_label_that_two_features_add_up_to_is_found_with_their_names() -> None:
    cells = rentals()
    analysis = analysed(cells, cells["casual"] + cells["registered"])
    assert together(analysis) == ["casual", "registered"]
    (sentence,) = analysis.sentences()
    assert sentence.startswith("registered and casual together give the label as a sum or difference (R² 1 ")
    assert analysis.sentences("casual") == analysis.sentences("registered") == [sentence]
    assert analysis.doubtful == ("casual", "registered")


@pytest.mark.parametrize(
    ("formula", "word"),
    [
        (lambda a, b: a - 0.5 * b, "sum or difference"),
        (lambda a, b: a * b, "product or ratio"),
        (lambda a, b: a / b**2, "product or ratio"),
        (lambda a, b: np.round(a + b, 1), "sum or difference"),
    ],
)
def test_formulas_of_two_features_are_found(
    formula: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]], word: str
) -> None:
    random = np.random.default_rng(1)
    cells = {name: random.lognormal(3, 0.4, 500) for name in ("a", "b", "c", "d")}
    analysis = analysed(cells, formula(cells["a"], cells["b"]))
    assert together(analysis) == ["a", "b"]
    assert word in analysis.sentences()[0]


@settings(max_examples=draws(10))
@given(seed=st.integers(0, 2**32 - 1), columns=st.integers(3, 9), carriers=st.integers(2, 5), data=st.data())
def test_any_few_features_that_a_sum_consists_of_are_found(
    seed: int, columns: int, carriers: int, data: st.DataObject
) -> None:
    random = np.random.default_rng(seed)
    cells = {f"f{place}": random.normal(size=400) for place in range(columns)}
    order = data.draw(st.permutations(sorted(cells)))
    summed = sorted(order[: min(carriers, columns)])
    weights = random.uniform(0.5, 2, len(summed)) * random.choice([-1, 1], len(summed))
    y = sum(weight * cells[name] for weight, name in zip(weights, summed, strict=True))
    assert together(analysed(cells, np.asarray(y))) == summed


def test_an_exact_sum_of_many_features_is_found() -> None:
    random = np.random.default_rng(2)
    cells = {f"month_{n:02}": random.poisson(40, 400).astype(float) for n in range(12)} | {
        "noise": random.normal(size=400)
    }
    analysis = analysed(cells, np.asarray(sum(cells[name] for name in cells if name != "noise")))
    assert len(together(analysis)) == 12
    assert "and 7 other features together" in analysis.sentences()[0]


def test_a_sum_is_found_although_some_values_are_missing() -> None:
    cells = rentals(600)
    y = cells["casual"] + cells["registered"]
    cells["casual"][::20] = np.nan
    assert together(analysed(cells, y)) == ["casual", "registered"]


def test_a_class_that_a_rule_of_two_features_decides_is_found() -> None:
    random = np.random.default_rng(3)
    cells = {name: random.normal(size=600) for name in ("income", "debt", "age", "rooms")}
    approved = (cells["income"] > -0.3) & (cells["debt"] < 0.5)
    analysis = analysed(cells, approved, Classification())
    assert together(analysis) == ["income", "debt"]
    assert "by a few rules (accuracy " in analysis.sentences()[0]


def test_a_number_that_a_table_of_two_features_decides_is_found() -> None:
    random = np.random.default_rng(4)
    cells = {name: random.integers(0, 4, 800).astype(float) for name in ("plan", "region", "age", "sex")}
    price = np.array([10, 20, 45, 90])[cells["plan"].astype(int)] + cells["region"] * cells["plan"] * 3
    assert together(analysed(cells, price)) == ["plan", "region"]


@pytest.mark.parametrize("place", range(5))
def test_the_sentence_is_the_same_wherever_a_category_with_too_many_values_stands(place: int) -> None:
    cells = rentals()
    codes = [f"code {n}" for n in np.random.default_rng(1).integers(0, 150, 300)]
    fields, table = numbers(list(cells)), [column.tolist() for column in cells.values()]
    columns = [
        *fields[:place],
        Column(name="postcode", kind=Kind.CATEGORY, choices=tuple(sorted(set(codes)))),
        *fields[place:],
    ]
    rows = list(zip(*table[:place], codes, *table[place:], strict=True))
    analysis = analyse(
        dataset(Regression(), columns, rows, (cells["casual"] + cells["registered"]).tolist()), Regression()
    )
    sentences: dict[FindingKind, list[str]] = {}
    for finding in analysis.findings:
        sentences.setdefault(finding.kind, []).append(finding.sentence)
    assert set(sentences) == {FindingKind.DETERMINATION, FindingKind.MANY_CATEGORIES}
    first, second = sentences[FindingKind.DETERMINATION]
    assert first == second and "together give the label" in first


def test_honest_labels_of_many_features_or_with_noise_are_not_suspected() -> None:
    random = np.random.default_rng(5)
    cells = {f"f{place}": random.normal(size=800) for place in range(12)}
    y = np.asarray(sum(cells.values()))
    assert not analysed(cells, y + random.normal(0, 0.2, 800)).findings
    assert not analysed(cells, y + random.normal(0, 0.2, 800) > 0, Classification()).findings
    two = cells["f0"] + cells["f1"]
    assert not analysed(cells, two + random.normal(0, 0.1, 800)).findings


def test_one_huge_label_does_not_make_a_noisy_sum_suspicious() -> None:
    random = np.random.default_rng(6)
    cells = {name: random.normal(10, 1, 400) for name in ("last_year", "this_year", "staff")}
    for name in ("last_year", "this_year"):
        cells[name][:6] *= 1e5
    assert not together(analysed(cells, cells["last_year"] + cells["this_year"] + random.normal(0, 1, 400)))


def bundled(name: str) -> tuple[Problem, Dataset]:
    data = getattr(datasets, f"load_{name}")()
    columns = numbers([str(feature) for feature in getattr(data, "feature_names", range(data.data.shape[1]))])
    problem: Problem = Regression() if name == "diabetes" else Classification()
    return problem, dataset(problem, columns, data.data.tolist(), [label.item() for label in data.target])


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "diabetes", "digits"])
def test_no_bundled_set_of_scikit_learn_is_suspected(name: str) -> None:
    problem, data = bundled(name)
    analysis = analyse(data, problem)
    assert not [finding.sentence for finding in analysis.findings if finding.kind in REVEALING]
    assert find_repeats(FoldPlan.of(problem, data), data, analysis) is None


def test_the_time_does_not_grow_with_the_rows() -> None:
    cells = rentals(200_000)
    data = Dataset(
        columns=numbers(list(cells)),
        X=pd.DataFrame(cells),
        y=cells["casual"] + cells["registered"],
        classes=(),
        fingerprint="",
    )
    start = time.process_time()
    assert together(analyse(data, Regression())) == ["casual", "registered"]
    assert time.process_time() - start < 10
