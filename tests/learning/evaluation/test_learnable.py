"""Learnable parts: rare classes are left out, and every class that is left is in every fold."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from learning.columns import Column, Kind
from learning.dataset import dataset
from learning.evaluation.folds import FULL_ROUNDS
from learning.evaluation.learnable import select_learnable
from learning.exceptions import TooFewInstances
from learning.problem import Classification, Regression
from tests.drawing import draws

COLUMNS = (Column(name="x", kind=Kind.NUMBER),)
START = datetime(2026, 1, 1, tzinfo=UTC)


def labelled(labels, problem=None, **more):
    rows = [(float(i),) for i in range(len(labels))]
    return dataset(problem or Classification(), COLUMNS, rows, labels, **more)


def repeated(**counts):
    return [label for label, count in counts.items() for _ in range(count)]


def test_what_can_be_learned_stays_as_it_is():
    data = labelled(repeated(a=5, b=200))
    selected = select_learnable(Classification(), data)
    assert selected.dataset is data
    assert (selected.plan.folds, selected.metric, selected.remarks) == (5, "roc_auc", ())


def test_a_rare_class_is_left_out_and_named_with_its_rows():
    data = labelled(["rare", *repeated(a=60, b=40)], choices=("a", "rare", "b"))
    selected = select_learnable(Classification(), data)
    assert selected.dataset.classes == ("a", "b")
    assert len(selected.dataset) == 100
    assert selected.dataset.X["x"].tolist() == selected.dataset.positions.tolist() == list(range(1, 101))
    assert selected.dataset.y.tolist() == [0] * 60 + [1] * 40
    assert selected.plan.folds == 5
    (remark,) = selected.remarks
    assert remark.startswith("Left out of learning: 'rare', which has 1 row; each of 5 folds must have")


def test_many_rare_classes_are_named_in_one_sentence():
    rare = [f"rare {number:02}" for number in range(60)]
    (remark,) = select_learnable(Classification(), labelled([*rare, *repeated(a=60, b=40)])).remarks
    assert remark == (
        "Left out of learning: 'rare 00', 'rare 01', 'rare 02', 'rare 03', 'rare 04' and 55 other labels, which have "
        "60 rows together; each of 5 folds must have some to learn from and some held out of each label. Label more "
        "rows with them."
    )
    with pytest.raises(TooFewInstances, match="'rare 04' has 1 and 55 other labels"):
        select_learnable(Classification(), labelled(rare))


def test_folds_are_reduced_where_only_one_class_would_be_left():
    selected = select_learnable(Classification(), labelled(repeated(a=100, b=3, c=1)))
    assert selected.dataset.classes == ("a", "b")
    assert selected.plan.folds == 3
    assert "There were 3 folds instead of 5" in selected.remarks[-1]


def test_a_metric_of_several_classes_gives_way_where_two_are_left():
    problem = Classification(metric="top_k_accuracy")
    selected = select_learnable(problem, labelled(repeated(a=30, b=30, c=2)))
    assert selected.metric == "roc_auc"
    assert selected.remarks[-1] == "Scored by roc_auc, as top_k_accuracy needs three classes or more."


def test_one_class_that_is_left_is_refused_with_the_counts():
    with pytest.raises(TooFewInstances, match=r"'a' has 30 and 'b' has 1\. Label more rows"):
        select_learnable(Classification(), labelled(repeated(a=30, b=1)))


def test_a_class_that_appears_late_is_left_out_of_ordered_folds():
    times = [START + timedelta(days=i) for i in range(300)]
    problem = Classification(ordered=True)
    data = labelled(["a", "b"] * 125 + ["late"] * 50, problem, times=times)
    selected = select_learnable(problem, data)
    assert selected.dataset.classes == ("a", "b")
    assert "'late', which has 50 rows" in selected.remarks[0]


def test_a_class_of_one_group_is_left_out():
    groups = [f"g{i % 20}" for i in range(200)] + ["alone"] * 30
    data = labelled(["a", "b"] * 100 + ["c"] * 30, groups=groups)
    selected = select_learnable(Classification(), data)
    assert selected.dataset.classes == ("a", "b")
    assert selected.dataset.groups.max() == 19


@pytest.mark.parametrize("problem", [Classification(), Regression()])
def test_few_groups_give_few_folds_and_one_group_none(problem):
    labels = [1.0, 2.0] * 50 if problem.has_values else ["a", "b"] * 50
    data = labelled(labels, problem, groups=[i // 2 % 3 for i in range(100)])
    assert select_learnable(problem, data).plan.folds == 3
    with pytest.raises(TooFewInstances, match="one group"):
        select_learnable(problem, labelled(labels, problem, groups=["x"] * 100))


@settings(max_examples=draws(25))
@given(
    counts=st.lists(st.integers(1, 12), min_size=2, max_size=6),
    layout=st.sampled_from(["shuffled", "groups", "ordered"]),
    seed=st.integers(0, 2**16),
)
@example(counts=[1, 1], layout="shuffled", seed=0)
@example(counts=[12, 12, 1], layout="ordered", seed=1)
def test_every_class_that_is_left_is_on_both_sides_of_every_fold(counts, layout, seed):
    random = np.random.default_rng(seed)
    labels = random.permutation(
        [f"c{code}" for code, count in enumerate(counts) for _ in range(count)]
    ).tolist()
    problem = Classification(ordered=layout == "ordered")
    data = labelled(
        labels,
        problem,
        groups=random.integers(0, 8, len(labels)).tolist() if layout == "groups" else None,
        times=[START + timedelta(days=int(d)) for d in random.integers(0, 90, len(labels))]
        if layout == "ordered"
        else None,
    )
    try:
        selected = select_learnable(problem, data)
    except TooFewInstances:
        # Shuffled rows need two classes of two rows; time and groups may need more.
        assert layout != "shuffled" or sorted(counts)[-2] < 2
        return
    learned = selected.dataset
    assert len(learned.classes) >= 2
    for round in FULL_ROUNDS:
        for fold in selected.plan.split(learned, round):
            for rows in fold:
                assert set(learned.y[rows]) == set(range(len(learned.classes)))
    kept = [label for label in labels if label in learned.classes]
    assert [learned.classes[code] for code in learned.y] == kept
    assert [labels[position] for position in learned.positions] == kept
    assert {label for label in data.classes if label not in learned.classes} == {
        remark.split("'")[1] for remark in selected.remarks if remark.startswith("Left out")
    }
