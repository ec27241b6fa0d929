"""Pairs of features that give the label together, and honest ones."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from learning.analysis import REVEALING
from learning.analysis.overview import analyse
from learning.columns import Column, Kind
from learning.dataset import dataset
from learning.problem import Classification, Problem, Regression

N = 600
RANDOM = np.random.default_rng(8)
CELLS: dict[str, NDArray[Any]] = {
    "asked": RANDOM.normal(50, 10, N),
    "offered": RANDOM.normal(50, 10, N),
    "rooms": RANDOM.integers(0, 20, N).astype(float),
    "floor": RANDOM.integers(0, 20, N).astype(float),
    "insured": (RANDOM.random(N) < 0.5).astype(float),
    "claimed": (RANDOM.random(N) < 0.5).astype(float),
    "from": np.floor(RANDOM.uniform(19_000, 20_000, N)),
    "billing": RANDOM.choice(["at", "ch", "de", "fr"], N),
    "shipping": RANDOM.choice(["at", "be", "ch", "de"], N),
}
CELLS["to"] = CELLS["from"] + RANDOM.integers(0, 60, N)
ASKED, OFFERED = CELLS["asked"], CELLS["offered"]


def revealing(problem: Problem, labels: NDArray[Any], **cells: NDArray[Any]) -> tuple[list[str], str]:
    """Find the features that give the label, and a sentence about them."""
    table = CELLS | cells
    columns = [
        Column(name=name, kind=Kind.NUMBER)
        if values.dtype.kind == "f"
        else Column(name=name, kind=Kind.CATEGORY, choices=tuple(sorted(set(values))))
        for name, values in table.items()
    ]
    rows = list(zip(*(values.tolist() for values in table.values()), strict=True))
    analysis = analyse(dataset(problem, columns, rows, labels.tolist()), problem)
    found = [finding for finding in analysis.findings if finding.kind in REVEALING]
    return sorted(finding.feature for finding in found), found[0].sentence if found else ""


@pytest.mark.parametrize(
    ("label", "names", "words"),
    [
        (ASKED > OFFERED, ["asked", "offered"], "difference"),
        (np.abs(ASKED - OFFERED) < 8, ["asked", "offered"], "difference"),
        (np.digitize(ASKED - OFFERED, [-9, 9]), ["asked", "offered"], "difference"),
        (CELLS["to"] - CELLS["from"] > 30, ["from", "to"], "difference"),
        (ASKED / OFFERED > 1.2, ["asked", "offered"], "ratio"),
        (np.maximum(ASKED, OFFERED) > 57, ["asked", "offered"], ""),
        (CELLS["insured"] != CELLS["claimed"], ["claimed", "insured"], "table"),
        ((CELLS["rooms"] + CELLS["floor"]) % 2, ["floor", "rooms"], "sum is even"),
        (CELLS["billing"] == CELLS["shipping"], ["billing", "shipping"], ""),
    ],
)
def test_classes_that_two_features_give_are_found(label: NDArray[Any], names: list[str], words: str) -> None:
    found, sentence = revealing(Classification(), label)
    assert found == names and words in sentence


@pytest.mark.parametrize(
    "label", [np.maximum(ASKED, OFFERED), np.abs(ASKED - OFFERED), np.minimum(ASKED, OFFERED) ** 2]
)
def test_numbers_that_two_features_give_are_found(label: NDArray[Any]) -> None:
    assert revealing(Regression(), label)[0] == ["asked", "offered"]


def test_a_label_with_errors_is_not_given() -> None:
    random = np.random.default_rng(0)
    assert revealing(Classification(), (ASKED > OFFERED) != (random.random(N) < 0.02))[0] == []
    assert revealing(Regression(), np.maximum(ASKED, OFFERED) + random.normal(0, 1, N))[0] == []


def test_honest_features_of_which_any_two_tell_the_class_are_not_suspected() -> None:
    random = np.random.default_rng(0)
    label = random.random(N) < 0.5
    honest = {f"x{place}": 5.0 * label + random.normal(size=N) for place in range(4)}
    assert revealing(Classification(), label, **honest)[0] == []


def test_noise_is_not_given_by_any_pair() -> None:
    random = np.random.default_rng(0)
    for rare in (0.5, 0.05):
        assert revealing(Classification(), random.random(N) < rare)[0] == []
