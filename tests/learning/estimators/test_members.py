"""Sets: which members are learned, and that all others are none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning.columns import Column, Kind, frame
from learning.estimators import preprocess
from learning.estimators.preprocess import Members
from learning.kinds import members_of, write_set

TAGS = (Column(name="tags", kind=Kind.TEXT_SET, most=2),)


def sets(*cells):
    return frame(TAGS, [(cell if cell is None else write_set(cell),) for cell in cells])


def test_the_most_frequent_members_are_learned_and_of_equal_ones_the_first():
    members = Members(most=2).fit(sets(["c", "b"], ["b", "a"], ["c"], ["a"], []))
    assert members.places_ == {"a": 0, "b": 1}
    np.testing.assert_array_equal(
        members.transform(sets(["a", "b", "c"], ["never seen"], [], None, ["b"])),
        [[1, 1], [0, 0], [0, 0], [0, 0], [0, 1]],
    )


def test_a_column_without_members_is_one_of_zeros():
    for is_sparse in (True, False):
        encoded = Members(most=2, is_sparse=is_sparse).fit(sets([], [])).transform(sets(["a"], []))
        assert encoded.shape == (2, 1) and not encoded.sum()


@pytest.mark.parametrize("name", preprocess.PREPROCESSINGS)
def test_each_preprocessing_has_an_indicator_for_each_member_that_is_learned(name):
    prepare = preprocess.PREPROCESSINGS[name](TAGS).fit(sets(["a"], ["a", "b"], ["c"], []))
    encoded = prepare.transform(sets(["b"], ["a", "c"]))
    encoded = encoded.toarray() if hasattr(encoded, "toarray") else encoded
    np.testing.assert_array_equal(encoded, [[0, 1], [1, 0]])


@given(st.lists(st.text()))
def test_a_set_that_is_written_is_read_again(members):
    assert members_of(write_set(members)) == sorted(set(members))


@pytest.mark.parametrize(
    "text", ["", "no list", "7", "null", '{"a": 1}', "[1]", '["a", null]', "[" * 100_000]
)
def test_a_text_that_is_no_set_has_no_members(text):
    assert members_of(text) == []
