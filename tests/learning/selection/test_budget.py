import time

import pytest

from learning.estimators.families import Candidate
from learning.selection.budget import Budget, affordable

FAST, SLOW, SLOWER = (Candidate("linear", {"C": float(c)}) for c in (1, 2, 3))
SECONDS = {FAST: 1.0, SLOW: 4.0, SLOWER: 8.0}


def budget(seconds: float | None, always: tuple[Candidate, ...] = ()) -> Budget:
    return Budget(
        ends=None if seconds is None else time.monotonic() + seconds,
        folds=5,
        growth=1.25,
        processes=2,
        seconds=SECONDS.__getitem__,
        always=always,
    )


def test_without_a_limit_everybody_plays_on_all_folds():
    plan = affordable(budget(None), [SLOW, FAST], {SLOWER: 0.5, FAST: 0.5})
    assert plan.singles == (SLOW, FAST, SLOWER)
    assert (plan.folds, plan.deadline) == (5, None)


def test_the_ensemble_loses_what_costs_most_for_its_weight_first():
    plan = affordable(budget(20), [FAST], {FAST: 0.4, SLOW: 0.4, SLOWER: 0.2})
    assert set(plan.weights) == {FAST, SLOW}
    assert sum(plan.weights.values()) == pytest.approx(1)
    assert plan.folds >= 3


def test_little_time_leaves_one_and_a_few_folds():
    plan = affordable(budget(3), [SLOWER, FAST], {FAST: 0.5, SLOWER: 0.5})
    assert plan.singles == (FAST,)
    assert (plan.weights, plan.folds) == ({}, 2)


def test_the_champions_recipe_plays_whatever_it_takes():
    plan = affordable(budget(3, always=(SLOWER,)), [FAST], {})
    assert SLOWER in plan.singles


def test_no_candidate_is_no_contest():
    assert affordable(budget(None), [], {}).singles == ()
