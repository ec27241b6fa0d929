"""Datasets and frames of Python values."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from learning.columns import Column, Kind, frame
from learning.dataset import Dataset, dataset
from learning.encoding import days, days_of
from learning.exceptions import NoRows, OneClass, TooFewInstances
from learning.kinds import registered
from learning.problem import Classification, Clustering, Regression
from tests.drawing import draws

from .conftest import MIXED, STRANGE

NUMBER = (Column(name="x", kind=Kind.NUMBER),)


def column(kind, values, **declared):
    return frame([Column(name="x", kind=kind, **declared)], [(value,) for value in values])["x"]


def test_numbers_become_floats_and_infinite_ones_are_missing():
    values = column(Kind.NUMBER, [1, Decimal("2.5"), None, float("inf"), float("nan"), True])
    assert values.dtype == np.float64
    np.testing.assert_array_equal(values, [1.0, 2.5, np.nan, np.nan, np.nan, 1.0])


def test_numbers_that_are_too_large_are_clipped():
    np.testing.assert_array_equal(column(Kind.NUMBER, [1e300, -1e300]), [1e30, -1e30])


def test_dates_and_times_are_days_since_1970_in_utc():
    assert column(Kind.DATE, [date(1970, 1, 2)])[0] == 1.0
    noon = datetime(1970, 1, 1, 12, tzinfo=UTC)
    there = noon.astimezone(timezone(timedelta(hours=5)))
    np.testing.assert_array_equal(column(Kind.DATETIME, [noon, there, noon.replace(tzinfo=None)]), [0.5] * 3)


def test_categories_are_the_declared_choices_and_others_are_missing():
    values = column(Kind.CATEGORY, ["b", 7, None, "z"], choices=("a", "b", "7"))
    assert list(values.cat.categories) == ["a", "b", "7"]
    assert list(values.cat.codes) == [1, 2, -1, -1]


def test_the_mixed_columns_have_each_kind_that_models_see():
    missing = {kind.learned_as for kind in registered()} - {column.kind for column in MIXED} - {Kind.ORDINAL}
    assert not missing, (
        f"Add a column of {', '.join(missing)} to MIXED of tests/learning/conftest.py, its cells to STRANGE and "
        "_mixed_row beside it, and to CELLS of tests/learning/compiler/test_compiled_form.py."
    )


def test_frames_of_one_row_and_of_none_have_the_same_columns():
    many, one, none = frame(MIXED, STRANGE), frame(MIXED, STRANGE[:1]), frame(MIXED, [])
    levelled = [column.name for column in MIXED if column.kind.is_open]  # with the levels that occur
    assert [list(each[levelled[0]].cat.categories) for each in (many, one, none)] == [["Atlantis"], [], []]
    many, one, none = (each.drop(columns=levelled) for each in (many, one, none))
    assert list(many.dtypes) == list(one.dtypes) == list(none.dtypes)
    assert len(none) == 0


def texts(*cells):
    """Build the dataset of one text column."""
    rows = [(cell,) for cell in cells]
    return dataset(Clustering(folds=2), (Column(name="x", kind=Kind.TEXT, nullable=True),), rows, None)


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["A-1", "B-2", None, "A-1"] * 3, Kind.OPEN_CATEGORY),
        (["New York", "Köln", "New York", "Rome"] * 3, Kind.OPEN_CATEGORY),
        (["Köln", *map(str, range(8)), "Köln"], Kind.TEXT),  # most are nobody else's
        (["does not work at all", "works", "does not work"] * 4, Kind.TEXT),  # prose, though it repeats
        (["x" * 81, "A-1"] * 6, Kind.TEXT),
        (["always", "always"] * 6, Kind.TEXT),  # one value tells nothing
        ([None] * 12, Kind.TEXT),
        (["", "", "7", "7"] * 3, Kind.OPEN_CATEGORY),
    ],
)
def test_texts_that_are_names_and_repeat_are_learned_as_levels(cells, kind):
    data = texts(*cells)
    assert [column.kind for column in data.columns] == [kind]
    values = [None if cell != cell else cell for cell in data.X["x"].tolist()]
    assert values == cells


def test_levels_are_in_their_order_whoever_comes_first():
    one, other = texts(*["b", "a", "c", None] * 3), texts(*[None, "c", "a", "b"] * 3)
    assert list(one.X["x"].cat.categories) == list(other.X["x"].cat.categories) == ["a", "b", "c"]


def test_classes_are_in_declared_order_with_the_positive_one_last():
    rows, labels = [(0.0,)] * 9, ["b", "a", None] * 3
    declared = dataset(Classification(folds=2), NUMBER, rows, labels, ("c", "b", "a"))
    assert declared.classes == ("b", "a")
    assert declared.y.tolist() == [0, 1] * 3
    turned = dataset(Classification(folds=2, positive="b"), NUMBER, rows, labels, ("c", "b", "a"))
    assert turned.classes == ("a", "b")


def test_labels_that_were_not_declared_follow_the_declared_ones():
    assert dataset(Classification(folds=2), NUMBER, [(0.0,)] * 6, [2, 1, "x"] * 2, ("x",)).classes == (
        "x",
        "1",
        "2",
    )


def test_unlabelled_rows_are_left_out_with_their_times():
    data = dataset(
        Regression(folds=2),
        NUMBER,
        [(float(i),) for i in range(6)],
        [0, None, 2, float("nan"), 4, 5],
        times=[datetime(1970, 1, 1 + i, tzinfo=UTC) for i in range(6)],
        groups="aabbcc",
    )
    assert data.X["x"].tolist() == data.y.tolist() == data.times.tolist() == [0, 2, 4, 5]
    assert data.groups.tolist() == [0, 1, 2, 2]
    assert list(data.X.index) == [0, 1, 2, 3]


def test_groups_are_numbered_in_order_and_rows_without_one_have_their_own():
    rows = [(float(i),) for i in range(8)]
    groups = ["b", None, "a", "b", None, "a", "c", None]
    data = dataset(Clustering(folds=2), NUMBER, rows, None, groups=groups)
    assert data.groups.tolist() == [0, 1, 2, 0, 3, 2, 4, 5]
    assert data.groups.dtype == np.int64
    assert dataset(Clustering(folds=2), NUMBER, rows, None, groups=[None] * 8).groups.tolist() == list(
        range(8)
    )
    assert dataset(Clustering(folds=2), NUMBER, rows, None).groups is None


def test_datasets_of_a_frame_and_of_its_rows_are_equal():
    rows = [(float(i),) for i in range(9)]
    labels = ["b", "a", None] * 3
    one = dataset(Classification(folds=2, positive="b"), NUMBER, rows, labels, ("c", "b", "a"))
    codes = np.array([1, 2, -1] * 3)
    two = Dataset.of(
        Classification(folds=2, positive="b"), NUMBER, frame(NUMBER, rows), codes, ("c", "b", "a")
    )
    pd.testing.assert_frame_equal(one.X, two.X)
    assert one.y.tolist() == two.y.tolist() == [1, 0] * 3
    assert one.y.dtype == two.y.dtype == np.int64
    assert one.classes == two.classes == ("a", "b")


def test_the_frame_of_a_dataset_without_gaps_is_not_copied():
    X = frame(NUMBER, [(float(i),) for i in range(9)])
    assert Dataset.of(Clustering(folds=2), NUMBER, X, None).X is X


@settings(max_examples=draws(40))
@given(st.datetimes(timezones=st.just(UTC)))
@example(datetime.max.replace(tzinfo=UTC))
@example(datetime.min.replace(tzinfo=UTC))
def test_days_of_microseconds_equal_the_days_of_the_time(when):
    since = when - datetime(1970, 1, 1, tzinfo=UTC)
    microseconds = since // timedelta(microseconds=1)
    assert days_of(np.array([microseconds]))[0] == days(when)


def test_clustering_has_no_labels_and_leaves_no_row_out():
    data = dataset(Clustering(folds=2), NUMBER, [(float(i),) for i in range(8)], None)
    assert data.y is None
    assert len(data) == 8


def test_no_rows_and_no_labelled_rows_are_nothing_to_learn_from():
    with pytest.raises(NoRows):
        dataset(Classification(), NUMBER, [], [])
    with pytest.raises(NoRows, match="label"):
        dataset(Classification(), NUMBER, [(1.0,)], [None])


def test_examples_know_where_they_stood_among_all_rows():
    rows = [(float(i),) for i in range(6)]
    data = dataset(Classification(), NUMBER, rows, ["a", None, "b", "c", None, "a"], groups="xxyyzz")
    assert data.positions.tolist() == [0, 2, 3, 5]
    left = data.without({"b"})
    assert (left.classes, left.y.tolist(), left.positions.tolist()) == (("a", "c"), [0, 1, 0], [0, 3, 5])
    assert left.X["x"].tolist() == [0, 3, 5] and list(left.X.index) == [0, 1, 2]
    assert left.groups.tolist() == [0, 1, 2]


@pytest.mark.parametrize(("problem", "needed"), [(Regression(), 10), (Clustering(), 20)])
def test_too_few_instances_for_the_folds_are_refused(problem, needed):
    with pytest.raises(TooFewInstances, match=f"need {needed} instances; there are 9"):
        dataset(problem, NUMBER, [(0.0,)] * 9, [1.0] * 9)


def test_a_single_class_is_refused():
    with pytest.raises(OneClass, match="'only'"):
        dataset(Classification(), NUMBER, [(0.0,)] * 9, ["only"] * 9)


def test_groups_that_have_equal_rows_are_one_set_of_rows() -> None:
    data = dataset(
        Regression(folds=2), [Column(name="a", kind=Kind.NUMBER)], [[1.0], [2.0], [1.0], [3.0]], [1, 2, 3, 4]
    )
    assert data.rows_together() is None
    equal = np.array([0, 1, 0, 3])
    assert replace(data, repeated=equal).rows_together().tolist() == [0, 1, 0, 3]
    sets = replace(data, groups=np.array([0, 0, 1, 2]), repeated=equal).rows_together()
    assert sets[0] == sets[1] == sets[2] != sets[3]


def test_rows_that_are_taken_repeat_each_other_as_before() -> None:
    data = dataset(
        Regression(folds=2), [Column(name="a", kind=Kind.NUMBER)], [[1.0], [2.0], [1.0], [1.0]], [1, 2, 3, 4]
    )
    marked = replace(data, repeated=np.array([0, 1, 0, 0]))
    assert marked.take_with_repeats(np.array([1, 2, 3])).repeated.tolist() == [0, 1, 1]
    assert data.take_with_repeats(np.array([1, 2])).repeated is None
