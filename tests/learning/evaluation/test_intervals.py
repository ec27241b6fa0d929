import numpy as np
import pytest

from learning.evaluation import intervals
from learning.evaluation.intervals import LEVELS, Intervals


def found(n=2_000, seed=0):
    random = np.random.default_rng(seed)
    y = random.normal(size=n) * 10
    values = (y + random.exponential(2.0, n)).astype(np.float32)
    return intervals.fitted(values, y, np.array_split(np.arange(n), 5))


def test_intervals_hold_as_many_truths_as_they_say():
    told = found()
    for level in LEVELS:
        assert told.coverage[f"{level:g}"] == pytest.approx(level, abs=0.02)
    random = np.random.default_rng(9)
    y = random.normal(size=5_000) * 10
    inside = [
        low <= truth <= high
        for truth, value in zip(y, y + random.exponential(2.0, 5_000), strict=True)
        for low, high in [told.interval(value, 0.9)]
    ]
    assert np.mean(inside) == pytest.approx(0.9, abs=0.03)


def test_a_higher_level_is_wider_and_errors_to_one_side_are_held_on_that_side():
    (low, high), (lower, higher) = (found().interval(0.0, level) for level in (0.5, 0.95))
    assert lower < low < high < higher
    assert -lower > higher


def test_intervals_survive_json():
    told = found(100)
    assert Intervals.from_json(told.as_json()) == told


def test_few_errors_do_not_promise_more_than_they_saw():
    told = found(25)
    assert told.interval(0.0, 0.999) == (told.errors[0], told.errors[-1])
