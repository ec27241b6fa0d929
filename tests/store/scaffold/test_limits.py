"""Limits of builds that `newproduct` writes for many rows."""

from hypothesis import given
from hypothesis import strategies as st

from learning.kinds import Kind
from learning.problem import Classification
from store.scaffold.limits import LEAST_MEGABYTES, MANY_ROWS, SECONDS, STEP, limits_for

NUMBER, TEXT = Kind.NUMBER, Kind.TEXT


def test_few_rows_need_no_limits():
    assert limits_for(MANY_ROWS - 1, [NUMBER]) is None


@given(st.integers(MANY_ROWS, 10**9), st.integers(1, 100), st.integers(0, 5))
def test_limits_grow_with_rows_and_columns_and_can_be_declared(rows, numbers, texts):
    kinds = [NUMBER] * numbers + [TEXT] * texts
    limits, more = limits_for(rows, kinds), limits_for(2 * rows, [*kinds, TEXT])
    assert limits is not None and more is not None
    assert SECONDS <= limits.seconds < more.seconds and limits.seconds % 60 == 0
    assert LEAST_MEGABYTES < limits.megabytes <= more.megabytes and limits.megabytes % STEP == 0
    Classification(seconds=limits.seconds, megabytes=limits.megabytes)
