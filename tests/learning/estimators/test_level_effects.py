"""Open categories: what is learned of levels, rare and unseen ones included, and that it tells no row its own label."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learning.columns import Column, Kind, frame
from learning.estimators.families import Candidate, catalogue
from learning.estimators.preprocess import FEWEST_ROWS, MOST_INDICATORS, LevelEffects, frequent_levels
from tests.drawing import draws

TOWN = (Column(name="town", kind=Kind.OPEN_CATEGORY, nullable=True),)


def towns(*cells):
    return frame(TOWN, [(cell,) for cell in cells])


def encoded(effects, *cells):
    return effects.transform(towns(*cells))


def test_levels_have_the_means_of_their_labels_and_their_frequencies():
    X, y = towns(*["A-1"] * 40, *["B-2"] * 10), np.array([1.0] * 40 + [0.0] * 10)
    effects = LevelEffects(smoothing=0.0).fit(X, y)
    np.testing.assert_allclose(encoded(effects, "A-1", "B-2"), [[1, np.log(41), 1, 0], [0, np.log(11), 0, 1]])
    smooth = LevelEffects(smoothing=10.0).fit(X, y)
    np.testing.assert_allclose(encoded(smooth, "B-2")[0, 0], 10 * 0.8 / 20)


def test_rare_and_unseen_levels_are_one_and_null_is_another():
    cells = ["A"] * 20 + ["rare 1"] * (FEWEST_ROWS - 1) + ["rare 2"] + [None] * 8
    y = np.array([0.0] * 20 + [5.0] * FEWEST_ROWS + [9.0] * 8)
    effects = LevelEffects(smoothing=0.0).fit(towns(*cells), y)
    rare, other, unseen, null = encoded(effects, "rare 1", "rare 2", "never seen", None)
    np.testing.assert_array_equal(rare, other)
    np.testing.assert_array_equal(rare, unseen)
    np.testing.assert_allclose(rare, [5.0, 0.0, 0.0])
    np.testing.assert_allclose(null, [9.0, np.log(9), 0.0])


def test_without_rare_rows_an_unseen_level_has_the_overall_mean():
    effects = LevelEffects().fit(towns(*["A"] * 6, *["B"] * 6), np.array([0.0, 1.0] * 6))
    np.testing.assert_allclose(encoded(effects, "C", None), [[0.5, 0.0, 0.0, 0.0]] * 2)


def test_a_level_has_a_mean_for_each_of_several_classes_and_none_without_labels():
    levels = [f"L{n}" for n in range(MOST_INDICATORS + 1)]
    X = towns(*levels * 3)
    many = len(X)
    assert LevelEffects().fit_transform(X, np.arange(many) % 3).shape == (many, 4)
    assert LevelEffects().fit_transform(X, np.arange(many) % 2).shape == (many, 2)
    assert LevelEffects().fit_transform(X).shape == (many, 1)
    few = towns(*levels[1:] * 3)
    assert LevelEffects().fit_transform(few).shape == (len(few), 1 + MOST_INDICATORS)


@settings(max_examples=draws(10))
@given(seed=st.integers(0, 2**32 - 1), rows_per_level=st.integers(1, 8))
def test_no_row_is_told_its_own_label(seed, rows_per_level):
    """Labels that are drawn do not follow from levels: what rows are encoded as must not tell them."""
    random = np.random.default_rng(seed)
    cells = [f"L{n // rows_per_level}" for n in range(400)]
    y = random.normal(size=400)
    means = LevelEffects(smoothing=0.0).fit_transform(towns(*cells), y)[:, 0]
    assert means.std() == 0 or np.corrcoef(means, y)[0, 1] < 0.25
    changed = y.copy()
    changed[0] += 1_000.0
    again = LevelEffects(smoothing=0.0).fit_transform(towns(*cells), changed)[:, 0]
    assert abs(again[0] - means[0]) < 1e-6 * 1_000


@pytest.mark.parametrize("y", [np.array([0, 1]), np.array([0.0, 1.0]), np.array([0, 0])])
def test_two_rows_are_enough(y):
    assert np.isfinite(LevelEffects().fit_transform(towns("A", "B"), y)).all()


def test_what_a_fold_did_not_see_is_unseen_though_its_frame_knows_the_level():
    X = towns(*["A"] * 5, *["B"] * 5)
    effects = LevelEffects().fit(X.iloc[:5], np.array([0.0, 1.0, 0.0, 1.0, 1.0]))
    assert frequent_levels(X.iloc[:5]["town"]) == ["A"]
    np.testing.assert_array_equal(effects.transform(X.iloc[5:6]), encoded(effects, "never seen"))


def test_smoothing_is_a_hyperparameter_of_every_family():
    columns = (*TOWN, Column(name="age", kind=Kind.NUMBER))
    for family in ("linear", "boosting", "extra_trees"):
        pipeline = catalogue.pipeline("CLASSIFICATION", Candidate(family, {"smoothing": 7.0}), columns, 0)
        set_to = [v for name, v in pipeline.get_params().items() if name.endswith("__smoothing")]
        assert set_to
        assert set(set_to) == {7.0}
