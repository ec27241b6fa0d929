"""Drift: distances and p-values are those of SciPy, and chance alone seldom looks like drift."""

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2_contingency, false_discovery_control

from learning.evaluation import drift


def test_the_distance_and_the_p_value_are_scipys():
    reference, served = [100, 200, 300, 50], [30, 20, 30, 40]
    found = drift.compare(reference, served)
    assert found.value == jensenshannon(reference, served, base=2)
    assert found.p_value == pytest.approx(
        chi2_contingency([reference, served], correction=False).pvalue, rel=1e-12
    )


def test_equal_shares_have_no_distance_and_nothing_in_common_has_the_greatest():
    assert drift.compare([10, 20, 30], [100, 200, 300]).value == pytest.approx(0, abs=1e-7)
    apart = drift.compare([50, 0], [0, 50])
    assert apart.value == pytest.approx(1)
    assert apart.p_value is not None
    assert apart.p_value < 1e-20


@pytest.mark.parametrize(("reference", "served"), [([], []), ([0, 0], [3, 4]), ([3, 4], [0, 0])])
def test_an_empty_sample_has_neither(reference, served):
    assert drift.compare(reference, served) == drift.Distance(value=None, p_value=None)


def test_a_few_values_have_a_distance_and_no_p_value():
    few = drift.compare([500, 500], [1, 2])
    assert few.value is not None
    assert few.p_value is None


def test_a_constant_that_stays_is_no_drift():
    assert drift.compare([0, 500], [0, 40]) == drift.Distance(value=0.0, p_value=1.0)


def test_rare_bins_are_merged():
    reference, served = [1000, 1000, *[1] * 400], [100, 100, *[0] * 400]
    assert drift.compare(reference, served).value < 0.4
    wide = drift.compare(range(400), range(400))
    assert wide.value == pytest.approx(0, abs=1e-7)


def test_chance_alone_is_seldom_significant():
    random = np.random.default_rng(0)
    shares = np.full(8, 1 / 8)
    p_values = [
        drift.compare(random.multinomial(569, shares), random.multinomial(200, shares)).p_value
        for _ in range(400)
    ]
    assert 0.02 < np.mean([p_value < 0.05 for p_value in p_values if p_value is not None]) < 0.08


def test_p_values_are_corrected_for_their_number():
    p_values = [0.01, None, 0.04, 0.5, 0.001]
    expected = false_discovery_control([0.01, 0.04, 0.5, 0.001])
    assert drift.adjust(p_values) == [expected[0], None, *expected[1:]]
    assert drift.adjust([None]) == [None]
    assert drift.adjust([]) == []
