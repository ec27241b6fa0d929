"""Confidence sequences: looking again and again raises no more alarms than promised, and a real difference is seen."""

import numpy as np
import pytest

from learning.evaluation import confidence_sequences
from learning.evaluation.confidence_sequences import ALPHA

SEQUENCES, ROWS = 150, 1_000
#: Looks at a sequence; and at each of many sequences, where more see no other alarms.
LOOKS, FEW_LOOKS = 500, 10


def looks_of(rng: np.random.Generator, differs: float) -> np.ndarray:
    """Differences of two classifiers on the same rows, of which the second is right less often by `differs`."""
    shares = [0.1 - differs / 2, 0.8, 0.1 + differs / 2]
    return rng.choice([1.0, 0.0, -1.0], size=ROWS, p=shares)


def look(values: np.ndarray, times: int) -> list[confidence_sequences.MeanInterval]:
    """Look so many times at differences that become known one after the other."""
    ends = range(ROWS // times, ROWS + 1, ROWS // times)
    assert len(ends) == times
    return [confidence_sequences.of_mean(values[:end], -1.0, 1.0) for end in ends]


def miss(intervals: list[confidence_sequences.MeanInterval], true: float = 0.0) -> bool:
    return any(not interval.low <= true <= interval.high for interval in intervals)


def test_looking_again_and_again_raises_few_alarms() -> None:
    rng = np.random.default_rng(0)
    alarms = sum(miss(look(looks_of(rng, 0.0), FEW_LOOKS)) for _ in range(SEQUENCES))
    assert alarms / SEQUENCES <= ALPHA


def test_whoever_looks_more_often_sees_no_other_alarms() -> None:
    """Check that each interval lies in those before it: the last one misses if any does."""
    rng = np.random.default_rng(4)
    for differs in (0.0, 0.05, 0.15):
        values = looks_of(rng, differs)
        often, seldom = look(values, LOOKS), look(values, FEW_LOOKS)
        assert seldom == often[LOOKS // FEW_LOOKS - 1 :: LOOKS // FEW_LOOKS]
        lows, highs = ([interval[end] for interval in often] for end in (1, 2))
        assert lows == sorted(lows) and highs == sorted(highs, reverse=True)


def test_a_fixed_interval_would_raise_many() -> None:
    rng, alarms = np.random.default_rng(0), 0
    for _ in range(SEQUENCES):
        values = looks_of(rng, 0.0)
        counts = np.arange(1, ROWS + 1)
        means = np.cumsum(values) / counts
        errors = np.sqrt(np.maximum(np.cumsum(values**2) / counts - means**2, 1e-9) / counts)
        alarms += bool((np.abs(means) > 1.96 * errors)[49:].any())
    assert alarms / SEQUENCES > 4 * ALPHA


def test_looking_at_two_samples_raises_few_alarms() -> None:
    rng, alarms = np.random.default_rng(1), 0
    for _ in range(100):
        one, other = rng.random(ROWS) < 0.9, rng.random(ROWS // 4) < 0.9
        alarms += any(
            not interval.low <= 0 <= interval.high
            for interval in (
                confidence_sequences.of_difference(
                    one[:end].astype(float), other[: max(1, end // 4)].astype(float), 0.0, 1.0
                )
                for end in range(ROWS // FEW_LOOKS, ROWS + 1, ROWS // FEW_LOOKS)
            )
        )
    assert alarms / 100 <= ALPHA


def test_a_worse_classifier_is_seen_and_the_better_one_is_not_blamed() -> None:
    values = looks_of(np.random.default_rng(2), 0.15)
    worse = confidence_sequences.of_mean(values, -1.0, 1.0)
    assert worse.low < -0.15 < worse.high < 0
    better = confidence_sequences.of_mean(-values, -1.0, 1.0)
    assert better.low > 0


def test_the_interval_narrows_and_has_its_mean() -> None:
    values = np.random.default_rng(3).random(1_000)
    widths = []
    for end in (1, 10, 100, 1_000):
        mean, low, high = confidence_sequences.of_mean(values[:end], 0.0, 1.0)
        assert 0.0 <= low <= mean <= high <= 1.0
        widths.append(high - low)
    assert widths == sorted(widths, reverse=True)
    assert widths[0] == pytest.approx(1.0)
