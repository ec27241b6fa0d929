"""Mutual information of planted signals and of noise, whose truth is known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from learning.analysis.information import Information, LabelInformation, between_codes, spread

N = 2_000


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(7)


def of_classes(y: NDArray[np.int64]) -> LabelInformation:
    return LabelInformation(y=y, is_class=True, seed=0)


def of_numbers(y: NDArray[np.float64]) -> LabelInformation:
    return LabelInformation(y=spread(y, 1), is_class=False, seed=0)


@pytest.mark.parametrize("levels", [2, 20, 200, 1_000, 5_000])
def test_codes_that_are_noise_have_no_information_however_many_there_are(
    levels: int, random: np.random.Generator
) -> None:
    codes = random.integers(0, levels, N).astype(float)
    for classes in (2, 10):
        found = of_classes(random.integers(0, classes, N)).of_codes(codes)
        assert found.nats < 0.04 and found.nats < 4 * found.error
    assert of_numbers(random.normal(size=N)).of_codes(codes).nats < 0.04


@pytest.mark.parametrize("values", [40, 500, None])
def test_numbers_that_are_noise_have_no_information(values: int | None, random: np.random.Generator) -> None:
    cells = random.normal(size=N) if values is None else random.integers(0, values, N).astype(float)
    assert of_classes(random.integers(0, 2, N)).of_numbers(cells).nats < 0.03
    assert of_numbers(random.normal(size=N)).of_numbers(cells).nats < 0.05


@pytest.mark.parametrize("levels", [20, 200])
def test_codes_keep_the_information_that_they_have(levels: int, random: np.random.Generator) -> None:
    chance = random.random(levels)
    codes = random.integers(0, levels, N)
    true = np.log(2) + np.mean(chance * np.log(chance) + (1 - chance) * np.log(1 - chance))
    found = of_classes((random.random(N) < chance[codes]).astype(int)).of_codes(codes.astype(float))
    assert found.nats == pytest.approx(true, abs=3 * found.error)


def test_numbers_keep_the_information_that_they_have_however_they_are_rounded(
    random: np.random.Generator,
) -> None:
    x = random.normal(size=N)
    y = 0.8 * x + 0.6 * random.normal(size=N)
    expected = -0.5 * np.log(1 - 0.8**2)
    for cells in (x, np.round(x, 1), np.exp(x)):
        found = of_numbers(y).of_numbers(cells)
        assert found.nats == pytest.approx(expected, abs=3 * found.error) and found.error < 0.04
    mixed = of_classes((y > 0).astype(int)).of_numbers(x)
    assert 0.25 < mixed.nats < 0.4


def test_codes_that_decide_the_label_have_all_of_its_information(random: np.random.Generator) -> None:
    codes = random.integers(0, 400, N)
    found = between_codes(codes, codes % 2)
    assert found.nats == pytest.approx(np.log(2), abs=0.02)


def test_values_of_one_row_each_tell_nothing_about_other_rows() -> None:
    assert between_codes(np.arange(60), np.arange(60) % 2) == Information()
    assert of_numbers(np.arange(60.0)).of_codes(np.arange(60.0)) == Information()
