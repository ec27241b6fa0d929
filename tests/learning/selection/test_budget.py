"""Time budgets of the final round."""

import time

import pytest

from learning.estimators.families import Candidate
from learning.selection.budget import FinalRoundBudget, plan_final_round

FAST, SLOW, SLOWER = (Candidate("linear", {"C": float(c)}) for c in (1, 2, 3))
SECONDS = {FAST: 1.0, SLOW: 4.0, SLOWER: 8.0}


def budget(seconds: float | None, always: tuple[Candidate, ...] = ()) -> FinalRoundBudget:
    return FinalRoundBudget(
        end=None if seconds is None else time.monotonic() + seconds,
        folds=5,
        growth=1.25,
        processes=2,
        seconds=SECONDS.__getitem__,
        always=always,
    )


def test_without_a_limit_all_candidates_run_on_all_folds():
    plan = plan_final_round(budget(None), [SLOW, FAST], {SLOWER: 0.5, FAST: 0.5})
    assert plan.singles == (SLOW, FAST, SLOWER)
    assert (plan.folds, plan.deadline) == (5, None)


def test_the_ensemble_loses_members_with_the_highest_cost_per_weight_first():
    plan = plan_final_round(budget(20), [FAST], {FAST: 0.4, SLOW: 0.4, SLOWER: 0.2})
    assert set(plan.weights) == {FAST, SLOW}
    assert sum(plan.weights.values()) == pytest.approx(1)
    assert plan.folds >= 4


def test_little_time_leaves_one_candidate_and_few_folds():
    plan = plan_final_round(budget(3), [SLOWER, FAST], {FAST: 0.5, SLOWER: 0.5})
    assert plan.singles == (FAST,)
    assert (plan.weights, plan.folds) == ({}, 2)


def test_the_champions_recipe_always_takes_part():
    plan = plan_final_round(budget(3, always=(SLOWER,)), [FAST], {})
    assert SLOWER in plan.singles


def test_no_candidates_make_an_empty_plan():
    assert plan_final_round(budget(None), [], {}).singles == ()


def test_the_champions_recipe_takes_folds_from_the_others():
    alone = plan_final_round(budget(12), [FAST], {})
    beside = plan_final_round(budget(12, always=(SLOW,)), [FAST], {})
    assert (alone.folds, beside.folds) == (5, 3)


def test_the_champions_recipe_is_run_once_if_it_is_a_finalist():
    plan = plan_final_round(budget(None, always=(SLOW,)), [SLOW, FAST], {FAST: 0.5, SLOW: 0.5})
    assert plan.singles == (SLOW, FAST)


@pytest.mark.parametrize(("seconds", "is_allowed"), [([1.0, 1.0], True), ([8.0], False), ([], True)])
def test_final_fits_are_allowed_if_their_time_is_left(seconds, is_allowed):
    # Two in parallel: the longest, or the half of all; times growth 1.25, times caution 1.25.
    assert budget(5).allows(seconds) is is_allowed
    assert budget(None).allows(seconds)


def test_the_deadline_is_when_the_winners_last_fits_must_start():
    five = budget(5)
    assert five.end is not None
    assert five.deadline([FAST, FAST]) == pytest.approx(five.end - 1.0 * 1.25 * 1.25)
    assert five.deadline([FAST, SLOW]) == pytest.approx(five.end - 4.0 * 1.25 * 1.25)
    assert budget(None).deadline([SLOW]) is None
