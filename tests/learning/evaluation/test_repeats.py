"""Repeated rows: what counts as a copy, and the folds that keep copies together."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import KFold, StratifiedKFold

from learning.analysis import FindingKind
from learning.analysis.overview import analyse
from learning.columns import Column, Kind
from learning.dataset import Dataset, dataset
from learning.estimators.families import Candidate
from learning.evaluation import group_effect
from learning.evaluation.folds import FoldPlan
from learning.evaluation.learnable import select_learnable
from learning.evaluation.repeats import Repeats, find_equal_rows, find_repeats, restore
from learning.problem import Classification, Clustering, Problem, Regression
from learning.selection.repeat_effect import describe_effect
from tests.drawing import draws

COLUMNS = (
    Column(name="weight", kind=Kind.NUMBER, nullable=True),
    Column(name="visits", kind=Kind.INTEGER),
    Column(name="colour", kind=Kind.CATEGORY, nullable=True, choices=("red", "green", "blue")),
    Column(name="note", kind=Kind.TEXT, nullable=True),
)
START = datetime(2026, 1, 1, tzinfo=UTC)


def measured(n: int, seed: int = 0) -> list[list[Any]]:
    """Generate rows that do not repeat by chance."""
    random = np.random.default_rng(seed)
    return [
        [
            None if random.random() < 0.1 else round(float(random.normal()), 6),
            int(random.integers(0, 10**9)),
            (None, "red", "green", "blue")[random.integers(4)],
            None if random.random() < 0.5 else f"note {random.integers(50)}",
        ]
        for _ in range(n)
    ]


def with_copies(n: int, copies: int, seed: int = 0) -> tuple[list[list[Any]], list[int]]:
    """Generate shuffled rows and copies of some; returns also the original's number of each row."""
    random = np.random.default_rng(seed)
    originals = [*range(n), *random.integers(0, n, copies).tolist()]
    random.shuffle(originals)
    rows = measured(n, seed)
    return [rows[original] for original in originals], originals


@pytest.fixture
def small_forest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a forest of a third of the trees show the effect of copies."""
    monkeypatch.setattr(group_effect, "FOREST", Candidate("forest", {"n_estimators": 10}))


def repeats_of(problem: Problem, data: Dataset) -> Repeats | None:
    return find_repeats(FoldPlan.of(problem, data), data, analyse(data, problem))


@settings(max_examples=draws(5))
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(60, 200),
    copies=st.integers(5, 150),
    problem=st.sampled_from(
        [Regression(), Classification(), Classification(folds=3), Regression(ordered=True, folds=3)]
    ),
    grouped=st.booleans(),
)
def test_no_row_is_held_out_from_its_copy(
    seed: int, n: int, copies: int, problem: Problem, grouped: bool
) -> None:
    rows, originals = with_copies(n, copies, seed)
    random = np.random.default_rng(seed)
    labels: list[Any] = random.normal(size=len(rows)).tolist()
    if problem.has_classes:
        labels = ["yes" if label > 0 else "no" for label in labels]
    data = dataset(
        problem,
        COLUMNS,
        rows,
        labels,
        times=[START + timedelta(hours=int(h)) for h in random.permutation(len(rows))],
        groups=[f"g{g}" for g in random.integers(0, 4 * n, len(rows))] if grouped else None,
    )
    found = repeats_of(problem, data)
    assert found is not None and found.repeated == copies
    if found.together is None:
        return  # so many groups are linked by copies that too few sets of rows are left
    plan, number = FoldPlan.of(problem, data), np.array(originals)
    for round in ("taste", "search", "contest"):
        for learn, held_out in plan.split(found.together, round):
            assert not set(number[learn]) & set(number[held_out])
            if data.groups is not None:
                assert not set(data.groups[learn]) & set(data.groups[held_out])


@pytest.mark.parametrize("problem", [Classification(), Regression()])
def test_each_row_is_held_out_once_where_rows_repeat(problem: Problem) -> None:
    rows, _ = with_copies(100, 60)
    labels = [("a", "b")[i % 2] for i in range(160)] if problem.has_classes else [*map(float, range(160))]
    found = repeats_of(problem, dataset(problem, COLUMNS, rows, labels))
    assert found is not None and found.together is not None
    plan = FoldPlan.of(problem, found.together)
    held_out = np.concatenate([rows for _, rows in plan.split(found.together, "search")[: plan.folds]])
    assert sorted(held_out.tolist()) == list(range(160))


@pytest.mark.parametrize("problem", [Classification(), Regression(), Classification(folds=3)])
def test_folds_of_rows_that_do_not_repeat_are_scikit_learns(problem: Problem) -> None:
    labels = [("a", "b")[i % 3 > 0] for i in range(200)] if problem.has_classes else [*map(float, range(200))]
    data = dataset(problem, COLUMNS, measured(200), labels)
    assert repeats_of(problem, data) is None
    plan = FoldPlan.of(problem, data)
    seed = int(np.random.default_rng([0, 1]).integers(2**31))
    splitter = (StratifiedKFold if problem.has_classes else KFold)(
        plan.folds, shuffle=True, random_state=seed
    )
    expected = splitter.split(np.zeros(200), data.y)
    for (learn, held_out), (learn_expected, held_out_expected) in zip(
        plan.split(data, "search")[: plan.folds], expected, strict=True
    ):
        assert learn.tolist() == learn_expected.tolist()
        assert held_out.tolist() == held_out_expected.tolist()


def test_rows_of_few_possible_values_repeat_by_chance() -> None:
    random = np.random.default_rng(0)
    columns = [Column(name=name, kind=Kind.BOOLEAN) for name in "abc"]
    rows = random.integers(0, 2, (400, 3)).astype(bool).tolist()
    data = dataset(Classification(), columns, rows, [("no", "yes")[i % 2] for i in range(400)])
    assert repeats_of(Classification(), data) is None


def test_rows_of_a_table_of_categories_repeat_by_chance() -> None:
    """Check columns that determine each other: independent draws would not repeat so often."""
    month = np.random.default_rng(1).integers(1, 13, 2000)
    rows = np.column_stack([month, (month - 1) // 3, (month - 1) // 6, month * 10.5]).tolist()
    columns = [Column(name=name, kind=Kind.NUMBER) for name in ("month", "quarter", "half", "sun")]
    data = dataset(Regression(), columns, rows, np.random.default_rng(2).normal(size=2000).tolist())
    assert repeats_of(Regression(), data) is None


def test_whole_people_repeat_by_chance_but_measurements_do_not() -> None:
    random = np.random.default_rng(3)
    columns = [Column(name=name, kind=Kind.INTEGER) for name in ("age", "sex", "children", "class")]
    rows = np.column_stack([random.integers(18, 80, 3000), *random.integers(0, 3, (3, 3000))]).tolist()
    labels = [("no", "yes")[i % 2] for i in range(3000)]
    assert repeats_of(Classification(), dataset(Classification(), columns, rows, labels)) is None
    wide = [*columns, Column(name="height", kind=Kind.NUMBER)]
    rows = [
        [*row, round(float(height), 1)]
        for row, height in zip(rows, random.normal(170, 10, 3000), strict=True)
    ]
    doubled = dataset(Classification(), wide, [*rows, *rows[:500]], [*labels, *labels[:500]])
    found = repeats_of(Classification(), doubled)
    assert found is not None and found.repeated >= 500


def test_a_table_that_was_loaded_twice_is_found() -> None:
    rows, labels = measured(100), [("no", "yes")[i % 2] for i in range(100)]
    for times in (2, 3):
        found = repeats_of(Classification(), dataset(Classification(), COLUMNS, rows * times, labels * times))
        assert found is not None and found.repeated == 100 * (times - 1) and found.contradicting == 0


def test_texts_alone_are_copies_and_a_number_alone_repeats_by_nature() -> None:
    texts = [[f"a message about number {i % 150}"] for i in range(200)]
    labels = [("no", "yes")[i % 2] for i in range(200)]
    note = [Column(name="note", kind=Kind.TEXT)]
    assert repeats_of(Classification(), dataset(Classification(), note, texts, labels)) is not None
    weight = [Column(name="weight", kind=Kind.NUMBER)]
    data = dataset(Classification(), weight, [[float(i % 150)] for i in range(200)], labels)
    assert repeats_of(Classification(), data) is None


def test_a_number_of_the_row_does_not_hide_its_copy() -> None:
    rows, _ = with_copies(200, 100)
    columns = [Column(name="id", kind=Kind.INTEGER), *COLUMNS]
    numbered = [[number, *row] for number, row in enumerate(rows)]
    data = dataset(Regression(), columns, numbered, [float(i % 17) for i in range(300)])
    found = repeats_of(Regression(), data)
    assert found is not None and found.repeated == 100


def test_copies_with_another_label_are_counted_and_stay_together() -> None:
    rows = measured(100)
    labels = [("no", "yes")[i % 2] for i in range(100)]
    data = dataset(Classification(), COLUMNS, [*rows, *rows[:30]], [*labels, *labels[1:31]])
    found = repeats_of(Classification(), data)
    assert found is not None and found.together is not None and found.contradicting == 30
    assert found.finding().sentence == (
        "30 of 130 rows repeat the features of another row, 30 of them with another label. "
        "Equal rows are in the same fold."
    )


def test_rows_stay_apart_where_too_few_different_ones_are_left() -> None:
    rows, labels = measured(60), ["no"] * 57 + ["yes"] * 3
    data = dataset(Classification(), COLUMNS, [*rows, *rows[57:]], [*labels, *labels[57:]])
    found = repeats_of(Classification(), data)
    assert found is not None and found.together is None
    assert "Too few different rows are left" in found.finding().sentence
    FoldPlan.of(Classification(), data).split(data, "search")


def test_missing_values_and_signs_of_zero_are_equal() -> None:
    rows: list[list[Any]] = [
        [None, 0, None, None],
        [0.0, 1, "red", "x"],
        [-0.0, 1, "red", "x"],
        [None, 0, None, None],
    ]
    data = dataset(Clustering(folds=2), COLUMNS, rows * 2, None)
    first = find_equal_rows(data, COLUMNS)
    assert first is not None and first.tolist() == [0, 1, 1, 0] * 2
    assert find_equal_rows(dataset(Clustering(folds=2), COLUMNS, measured(50), None), COLUMNS) is None


def test_the_effect_of_copies_on_the_score_is_told(small_forest: None) -> None:
    """Check noise that a model can only know by heart."""
    rows, originals = with_copies(150, 250)
    labels = np.random.default_rng(9).normal(size=150)[originals].tolist()
    data = dataset(Regression(), COLUMNS, rows, labels)
    found = repeats_of(Regression(), data)
    assert found is not None and found.together is not None
    learnable = replace(select_learnable(Regression(), data), dataset=found.together)
    sentence = describe_effect(Regression(), learnable)
    together, apart = (
        float(word) for word in sentence.replace(",", "").split() if word[-1].isdigit() and "." in word
    )
    assert together < 0.1 < 0.5 < apart


def test_the_effect_of_few_copies_is_no_number_that_noise_explains(small_forest: None) -> None:
    random = np.random.default_rng(3)
    values = random.normal(size=(150, 2))
    labels = [("no", "yes")[int(sum(row) + random.normal() > 0)] for row in values]
    rows = [[*row, "red", "x"] for row in values.tolist()]
    problem, data = Classification(), dataset(Classification(), COLUMNS, rows + rows[:2], labels + labels[:2])
    found = repeats_of(problem, data)
    assert found is not None and found.together is not None
    learnable = replace(select_learnable(problem, data), dataset=found.together)
    assert describe_effect(problem, learnable).endswith("no more beyond noise if they separate equal rows.")


def test_copies_count_once_in_relations_with_the_label() -> None:
    rows = np.random.default_rng(1).normal(size=(90, 3)).tolist()
    columns = [Column(name=name, kind=Kind.NUMBER) for name in "abc"]
    labels = [("no", "yes")[i] for i in np.random.default_rng(2).integers(0, 2, 90)]
    once, tripled = (dataset(Classification(), columns, rows * n, labels * n) for n in (1, 3))
    marked = replace(tripled, repeated=np.tile(np.arange(90), 3))
    found = analyse(marked, Classification())
    assert [f.information for f in found.features] == [
        f.information for f in analyse(once, Classification()).features
    ]
    assert found.rows == 270 and not found.findings


def test_a_stored_analysis_restores_the_folds_of_its_build() -> None:
    rows, _ = with_copies(100, 60)
    problem, labels = Regression(), [float(i) for i in range(160)]
    data = dataset(problem, COLUMNS, rows, labels)
    plan, analysis = FoldPlan.of(problem, data), analyse(data, problem)
    assert restore(plan, data, analysis) is restore(plan, data, None) is data
    found = find_repeats(plan, data, analysis)
    assert found is not None and found.together is not None
    finding = found.finding()
    assert finding.kind is FindingKind.REPETITION and not finding.feature
    restored = restore(plan, data, replace(analysis, findings=(finding,)))
    assert restored.repeated is not None
    assert restored.repeated.tolist() == found.together.repeated.tolist()
