"""Folds: shuffled, grouped and ordered by time."""

from datetime import UTC, datetime, timedelta

import pytest

from learning.columns import Column, Kind
from learning.dataset import dataset
from learning.evaluation.folds import SCREENING_ROWS, FoldPlan
from learning.exceptions import TooFewInstances
from learning.problem import Classification, Regression

X = [Column(name="x", kind=Kind.NUMBER)]


def rows(n, problem=None, labels=None, **more):
    problem = problem or Regression()
    labels = labels or list(range(n))
    data = dataset(problem, X, [(i,) for i in range(n)], labels, **more)
    return data, FoldPlan.of(problem, data)


def test_each_row_is_held_out_once_and_not_learned_from_in_that_fold():
    data, plan = rows(501)
    held_out = []
    for learn, test in plan.split(data, "search"):
        assert not set(learn) & set(test)
        assert len(learn) + len(test) == 501
        held_out += test.tolist()
    assert sorted(held_out) == list(range(501))


def test_few_rows_have_two_repeats_and_many_rows_fewer_folds():
    assert rows(100)[1].count("search") == 10
    assert rows(500)[1].count("search") == 5
    assert rows(20_001)[1].count("search") == 3
    assert rows(100, Regression(folds=3, repeats=1))[1].count("search") == 3


def test_the_final_round_has_twice_the_repeats_if_rows_are_few():
    assert [rows(n)[1].count("contest") for n in (100, 500, 5_000)] == [20, 10, 5]


def test_classes_keep_their_share_in_each_fold():
    data, plan = rows(500, Classification(), ["a"] * 400 + ["b"] * 100)
    assert [data.y[test].sum() for _, test in plan.split(data, "contest")] == [20] * 10


def test_each_round_and_seed_has_its_own_folds():
    def first(seed, round):
        data, plan = rows(500, Regression(seed=seed))
        return plan.split(data, round)[0][1].tolist()

    assert first(0, "search") == first(0, "search")
    assert first(0, "search") != first(0, "contest")
    assert first(0, "search") != first(1, "search")


def test_the_screening_is_a_part_of_the_first_fold():
    data, plan = rows(60_000)
    ((learn, held_out),) = plan.split(data, "taste")
    first = plan.split(data, "search")[0]
    assert plan.has_screening
    assert len(learn) == len(held_out) == SCREENING_ROWS
    assert set(learn) <= set(first[0])
    assert set(held_out) <= set(first[1])


def test_groups_stay_together():
    groups = [f"g{i // 10}" for i in range(500)]
    data, plan = rows(500, groups=groups)
    for learn, held_out in plan.split(data, "search"):
        assert not set(data.groups[learn]) & set(data.groups[held_out])


def test_fewer_groups_than_folds_are_refused():
    with pytest.raises(TooFewInstances, match="5 groups"):
        rows(500, groups=[str(i % 4) for i in range(500)])


START = datetime(2026, 1, 1, tzinfo=UTC)


def test_ordered_folds_learn_only_from_rows_before_them_and_before_the_gap():
    times = [START + timedelta(days=i) for i in range(500)][::-1]
    data, plan = rows(500, Regression(ordered=True, gap=timedelta(days=7)), times=times)
    cuts = []
    for round in ("search", "contest"):
        for learn, held_out in plan.split(data, round):
            assert data.times[learn].max() < data.times[held_out].min() - 7
            cuts.append(data.times[held_out].min())
    assert len(set(cuts)) == 10


def test_an_ordered_fold_without_a_class_is_refused_with_its_name():
    times = [START + timedelta(days=i) for i in range(500)]
    problem = Classification(ordered=True)
    data, plan = rows(500, problem, ["early"] * 250 + ["late"] * 250, times=times)
    with pytest.raises(TooFewInstances, match="'late' to learn from"):
        plan.split(data, "search")
