"""When to learn again, by the clock and by what people say."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from learning.exceptions import InvalidRule
from learning.retrain import AfterFeedback, Every, Known, next_due

NIGHTLY = Every("0 3 * * *")
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
THREE = datetime(2026, 3, 10, 3, tzinfo=UTC)
DAY = timedelta(days=1)


def test_a_clock_knows_its_last_and_its_next_due_moment():
    assert NIGHTLY.due(NOON) == THREE
    assert NIGHTLY.next(NOON) == THREE + DAY
    assert NIGHTLY.due(THREE) == THREE
    assert NIGHTLY.next(THREE) == THREE + DAY
    assert NIGHTLY.due(THREE - timedelta(microseconds=1)) == THREE - DAY


def test_moments_are_in_utc_whatever_the_clocks_zone():
    here = timezone(timedelta(hours=5))
    assert NIGHTLY.due(NOON.astimezone(here)) == THREE
    assert NIGHTLY.next(NOON.astimezone(here)).utcoffset() == timedelta(0)


def test_a_due_moment_is_answered_once():
    verdict = NIGHTLY.verdict(Known(now=NOON))
    assert (verdict.now, verdict.due) == (True, THREE)
    assert verdict.reason == "It was due at 2026-03-10 03:00 UTC."
    later = NIGHTLY.verdict(Known(now=NOON, answered=True))
    assert not later.now
    assert later.reason == "Not yet: it is due next at 2026-03-11 03:00 UTC."


@pytest.mark.parametrize(
    "cron", ["", "0 3 * *", "0 3 * * * *", "61 3 * * *", "0 3 31 2 *", "never ever at all no"]
)
def test_a_time_that_never_comes_is_refused(cron):
    with pytest.raises(InvalidRule, match="Every"):
        Every(cron)


def test_words_are_counted_up_to_enough():
    rule = AfterFeedback(5)
    assert rule.verdict(Known(now=NOON, words=1, since="build 7")).reason == (
        "Not yet: 1 word came since build 7, of 5."
    )
    enough = rule.verdict(Known(now=NOON, words=6, since="build 7"))
    assert enough.now
    assert enough.due is None
    assert enough.reason == "6 words came since build 7; 5 are enough."


@pytest.mark.parametrize("count", [0, -1])
def test_no_words_at_all_are_no_rule(count):
    with pytest.raises(InvalidRule):
        AfterFeedback(count)


def test_the_next_due_moment_is_the_first_of_all_clocks():
    weekly = Every("0 0 * * 0")
    assert next_due([AfterFeedback(3), weekly, NIGHTLY], NOON) == THREE + DAY
    assert next_due([AfterFeedback(3)], NOON) is None
