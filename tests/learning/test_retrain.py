"""Retraining rules: by schedule and after feedback."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from learning.exceptions import InvalidRule
from learning.retrain import AfterFeedback, Every, RuleInputs, next_due

NIGHTLY = Every("0 3 * * *")
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
THREE = datetime(2026, 3, 10, 3, tzinfo=UTC)
DAY = timedelta(days=1)


def test_a_schedule_has_a_last_and_a_next_due_moment():
    assert NIGHTLY.due(NOON) == THREE
    assert NIGHTLY.next(NOON) == THREE + DAY
    assert NIGHTLY.due(THREE) == THREE
    assert NIGHTLY.next(THREE) == THREE + DAY
    assert NIGHTLY.due(THREE - timedelta(microseconds=1)) == THREE - DAY


def test_moments_are_in_utc_in_every_time_zone():
    here = timezone(timedelta(hours=5))
    assert NIGHTLY.due(NOON.astimezone(here)) == THREE
    assert NIGHTLY.next(NOON.astimezone(here)).utcoffset() == timedelta(0)


def test_a_due_moment_is_handled_once():
    result = NIGHTLY.evaluate(RuleInputs(now=NOON))
    assert (result.is_due, result.due) == (True, THREE)
    assert result.reason == "It was due at 2026-03-10 03:00 UTC."
    later = NIGHTLY.evaluate(RuleInputs(now=NOON, handled=True))
    assert not later.is_due
    assert later.reason == "Not yet: it is due next at 2026-03-11 03:00 UTC."


@pytest.mark.parametrize(
    "cron", ["", "0 3 * *", "0 3 * * * *", "61 3 * * *", "0 3 31 2 *", "never ever at all no"]
)
def test_a_schedule_without_moments_is_refused(cron):
    with pytest.raises(InvalidRule, match="Every"):
        Every(cron)


def test_feedback_is_counted_until_it_is_enough():
    rule = AfterFeedback(5)
    assert rule.evaluate(RuleInputs(now=NOON, feedback=1, since="build 7")).reason == (
        "Not yet: 1 feedback item arrived since build 7; 5 are needed."
    )
    enough = rule.evaluate(RuleInputs(now=NOON, feedback=6, since="build 7"))
    assert enough.is_due
    assert enough.due is None
    assert enough.reason == "6 feedback items arrived since build 7; 5 are needed."


@pytest.mark.parametrize("count", [0, -1])
def test_a_rule_needs_at_least_one_feedback_item(count):
    with pytest.raises(InvalidRule):
        AfterFeedback(count)


def test_the_next_due_moment_is_the_first_of_all_schedules():
    weekly = Every("0 0 * * 0")
    assert next_due([AfterFeedback(3), weekly, NIGHTLY], NOON) == THREE + DAY
    assert next_due([AfterFeedback(3)], NOON) is None
