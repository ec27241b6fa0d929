"""Columns that repeat another in other units, on another scale or by other names, and such that only resemble it."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from learning.analysis import Analysis, FindingKind
from learning.analysis.overview import analyse
from learning.columns import Column, Kind
from learning.dataset import dataset
from learning.problem import Classification

N = 300
RANDOM = np.random.default_rng(5)
CELSIUS = RANDOM.normal(15, 8, N)
HEIGHT = RANDOM.normal(170, 10, N)
INCOME = RANDOM.lognormal(10, 1, N)
CODE = RANDOM.integers(0, 12, N)
FLAG = RANDOM.random(N) < 0.4


def analysed(**cells: Any) -> Analysis:
    """Analyse numbers and categories, which are texts."""
    kinds = {
        name: Kind.CATEGORY if isinstance(values[0], str) else Kind.NUMBER for name, values in cells.items()
    }
    columns = [
        Column(
            name=name,
            kind=kind,
            nullable=True,
            choices=tuple(sorted(set(cells[name]))) if kind is Kind.CATEGORY else (),
        )
        for name, kind in kinds.items()
    ]
    rows = list(zip(*cells.values(), strict=True))
    labels = [str(each) for each in np.random.default_rng(6).integers(0, 2, N)]
    return analyse(dataset(Classification(), columns, rows, labels), Classification())


def recodings(**cells: Any) -> list[str]:
    return [
        finding.sentence for finding in analysed(**cells).findings if finding.kind is FindingKind.RECODING
    ]


@pytest.mark.parametrize(
    ("one", "other", "sentence"),
    [
        (CELSIUS, CELSIUS * 1.8 + 32, "other is one in another unit (1.8 × one + 32): leave it out."),
        (np.round(CELSIUS * 1.8 + 32, 1), np.round(CELSIUS, 1), "other is one in another unit (0.55"),
        (np.round(HEIGHT / 2.54), np.round(HEIGHT), "one is other in another unit (0.39"),
        (
            np.round(CELSIUS, 1),
            np.round(CELSIUS + 273.15, 2),
            "one is other in another unit (1 × other − 273.",
        ),
        (FLAG * 1.0, 1.0 - FLAG, "other is one in another unit (-1 × one + 1): leave it out."),
        (INCOME, np.log(INCOME), "other orders all rows as one does"),
        (INCOME, -np.sqrt(INCOME), "other orders all rows as one does"),
        (
            [f"d{n}" for n in CODE],
            [f"x{5 * n % 12}" for n in CODE],
            "other has another name for each value of one",
        ),
        (
            np.where(FLAG, np.nan, INCOME),
            np.where(FLAG, np.nan, 2 * INCOME),
            "other is one in another unit (2 × one)",
        ),
    ],
)
def test_the_same_in_other_units_on_another_scale_or_by_other_names_is_a_recoding(
    one: NDArray[Any], other: NDArray[Any], sentence: str
) -> None:
    [found] = recodings(one=one, noise=np.random.default_rng(7).normal(size=N), other=other)
    assert found.startswith(sentence)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (CELSIUS, CELSIUS + RANDOM.normal(0, 0.1, N)),  # another sensor
        (np.round(HEIGHT), np.round(HEIGHT) + (RANDOM.random(N) < 0.2)),  # a count of a few more
        (HEIGHT, np.floor(HEIGHT / 10)),  # a decade tells less
        (np.where(FLAG, np.nan, INCOME), 2 * INCOME),  # known where the other is missing
        ((np.arange(N) == 7) * 1.0, (np.arange(N) != 7) * 1.0),  # one row: may be chance
        (RANDOM.random(N), RANDOM.random(N)),
        ([f"d{n}" for n in CODE], [f"x{min(n, 10)}" for n in CODE]),
    ],
)
def test_columns_that_resemble_each_other_are_no_recodings(one: Any, other: Any) -> None:
    assert recodings(one=one, other=other) == []


def test_a_number_is_kept_rather_than_the_category_that_names_it() -> None:
    analysis = analysed(department=[f"d{n}" for n in CODE], noise=CELSIUS, beds=[str(10 + n) for n in CODE])
    assert analysis.useless == ("department",) and analysis.doubtful == ("department",)
