"""Clocks of builds, with a fake time."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from learning.selection.clock import (
    END_SHARE,
    FIT_SECONDS,
    LAST_SHARE,
    LATEST_SHARE,
    LEAST_SECONDS,
    SEARCH_SHARE,
    Clock,
)


def clock(seconds, pictures=0.2, now=1_000.0):
    return Clock(started=1_000.0, seconds=seconds, pictures=pictures, now=lambda: now)


@given(st.floats(LEAST_SECONDS * 2, 1e6), st.floats(0, 0.9))
def test_every_phase_ends_within_the_limit_in_the_order_of_the_phases(seconds, pictures):
    limited = clock(seconds, pictures)
    moments = [limited.at(share) for share in (SEARCH_SHARE, LATEST_SHARE, END_SHARE, LAST_SHARE)]
    ends = [*moments, limited.last, limited.drawing_deadline(15.0)]
    assert moments == sorted(moments)
    assert all(1_000 < end < 1_000 + seconds for end in ends)
    assert limited.fit_seconds < seconds
    # What is decided late takes time from the pictures, not from the fits.
    assert limited.last >= limited.at(END_SHARE)


def test_time_before_learning_counts():
    assert replace(clock(100.0), started=940.0).at(SEARCH_SHARE) == clock(100.0).at(SEARCH_SHARE) - 60


def test_a_limit_of_few_seconds_leaves_time_for_a_decision():
    assert clock(4.0).last == 1_000 + LEAST_SECONDS


def test_pictures_have_their_share_of_a_limited_build():
    limited = clock(100.0, now=1_079.0)
    assert limited.at(LAST_SHARE) <= 1_080
    assert limited.drawing_deadline(15.0) == 1_095
    assert clock(1_000.0).drawing_deadline(15.0) == 1_970
    assert clock(10.0).drawing_deadline(15.0) == 1_009


def test_without_a_limit_pictures_have_their_share_of_what_the_build_took():
    assert clock(None, now=1_400.0).drawing_deadline(15.0) == 1_500
    assert clock(None, now=1_001.0).drawing_deadline(15.0) == 1_016


def test_without_a_limit_only_fits_are_limited():
    unlimited = clock(None)
    assert (unlimited.at(SEARCH_SHARE), unlimited.last, unlimited.fit_seconds) == (None, None, FIT_SECONDS)
