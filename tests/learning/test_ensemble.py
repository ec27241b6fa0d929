import numpy as np
import pytest

from learning import ensemble
from learning.families import Candidate

A, B, C = (Candidate("linear", {"C": float(c)}) for c in (1, 2, 3))


def test_candidates_that_err_apart_are_averaged_and_one_that_only_errs_is_not():
    random = np.random.default_rng(0)
    y = random.normal(size=500)
    told = {
        c: (y + random.normal(size=500) * spread).astype(np.float32) for c, spread in ((A, 1), (B, 1), (C, 9))
    }
    weights = ensemble.chosen(told, y, 0)
    assert set(weights) == {A, B}
    assert sum(weights.values()) == pytest.approx(1, abs=1e-3)
    assert np.mean((ensemble.averaged(told, weights) - y) ** 2) < 0.6


def test_classes_are_weighed_by_log_loss():
    y = np.array([0, 1] * 50)
    right, wrong = np.full((100, 2), 0.1, np.float32), np.full((100, 2), 0.5, np.float32)
    right[np.arange(100), y] = 0.9
    assert ensemble.chosen({A: wrong, B: right}, y, 2) == {B: 1.0}


def test_a_recipe_names_its_members_and_gives_them_back():
    recipe = ensemble.candidate({A: 0.25, B: 0.75})
    assert ensemble.members(recipe) == {A: 0.25, B: 0.75}
    assert ensemble.members(C) == {C: 1.0}
    assert str(recipe) == "ensemble (0.25 linear + 0.75 linear)"
