"""Prediction intervals of simulated errors."""

import numpy as np
import pytest

from learning.evaluation import intervals
from learning.evaluation.intervals import LEVELS, Intervals


def simulated_intervals(n=2_000, seed=0):
    random = np.random.default_rng(seed)
    y = random.normal(size=n) * 10
    values = (y + random.exponential(2.0, n)).astype(np.float32)
    return intervals.fit(values, y, np.array_split(np.arange(n), 5))


def test_intervals_contain_as_many_truths_as_their_level():
    fitted = simulated_intervals()
    for level in LEVELS:
        assert fitted.coverage[f"{level:g}"] == pytest.approx(level, abs=0.02)
    random = np.random.default_rng(9)
    y = random.normal(size=5_000) * 10
    inside = [
        low <= truth <= high
        for truth, value in zip(y, y + random.exponential(2.0, 5_000), strict=True)
        for low, high in [fitted.interval(value, 0.9)]
    ]
    assert np.mean(inside) == pytest.approx(0.9, abs=0.03)


def test_a_higher_level_is_wider_and_skewed_errors_make_skewed_intervals():
    (low, high), (lower, higher) = (simulated_intervals().interval(0.0, level) for level in (0.5, 0.95))
    assert lower < low < high < higher
    assert -lower > higher


def test_intervals_survive_json():
    fitted = simulated_intervals(100)
    assert Intervals.from_json(fitted.as_json()) == fitted


def test_few_errors_do_not_extrapolate():
    fitted = simulated_intervals(25)
    assert fitted.interval(0.0, 0.999) == (fitted.errors[0], fitted.errors[-1])
