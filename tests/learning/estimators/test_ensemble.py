"""Ensembles: selection of members, recipes and fold averages."""

import numpy as np
import pytest

from learning.estimators import ensemble
from learning.estimators.families import Candidate
from learning.selection import decision
from learning.selection.decision import Entry

A, B, C = (Candidate("linear", {"C": float(c)}) for c in (1, 2, 3))


def test_candidates_with_independent_errors_are_averaged_and_a_poor_one_is_not():
    random = np.random.default_rng(0)
    y = random.normal(size=500)
    predictions = {
        c: (y + random.normal(size=500) * spread).astype(np.float32) for c, spread in ((A, 1), (B, 1), (C, 9))
    }
    weights = ensemble.select(predictions, y, 0)
    assert set(weights) == {A, B}
    assert sum(weights.values()) == pytest.approx(1, abs=1e-3)
    assert np.mean((ensemble.average(predictions, weights) - y) ** 2) < 0.6


def test_classifiers_are_selected_by_log_loss():
    y = np.array([0, 1] * 50)
    right, wrong = np.full((100, 2), 0.1, np.float32), np.full((100, 2), 0.5, np.float32)
    right[np.arange(100), y] = 0.9
    assert ensemble.select({A: wrong, B: right}, y, 2) == {B: 1.0}


def test_a_recipe_lists_its_members():
    recipe = ensemble.build_recipe({A: 0.25, B: 0.75})
    assert ensemble.members(recipe) == {A: 0.25, B: 0.75}
    assert ensemble.members(C) == {C: 1.0}
    assert str(recipe) == "ensemble (0.25 linear + 0.75 linear)"


def entry(candidate, score, losses=None, searched=None):
    return Entry(candidate=candidate, searched=searched, scores=(score,) * 3, losses=losses)


def test_an_average_wins_if_its_row_losses_are_significantly_lower():
    random = np.random.default_rng(0)
    losses = random.exponential(size=2_000)
    single = entry(A, 0.8, losses, searched=0.8)
    average = ensemble.build_recipe({A: 0.5, B: 0.5})
    assert decision.is_worth_it(entry(average, 0.81, losses * 0.9), single, 0.25)
    assert not decision.is_worth_it(entry(average, 0.81, losses * 0.999), single, 0.25), "gain too small"
    noisy = losses * 0.99 + random.normal(size=2_000)
    assert not decision.is_worth_it(entry(average, 0.81, noisy), single, 0.25), "may be chance"
    assert not decision.is_worth_it(entry(average, 0.79, losses * 0.9), single, 0.25), "worse by the metric"


def test_an_average_of_fold_models_is_a_recipe():
    recipe = ensemble.build_fold_average(A, 3)
    assert ensemble.members(recipe) == {A: 1.0}
    assert ensemble.pieces(recipe) == {(A, fold): pytest.approx(1 / 3) for fold in range(3)}
    assert ensemble.pieces(C) == {(C, None): 1.0}
    assert str(recipe) == "ensemble (3 fold models of linear)"
