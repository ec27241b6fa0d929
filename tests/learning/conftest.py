"""Examples to learn from: scikit-learn's bundled sets, and a small table of every kind of column."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

from learning.build import Step, build
from learning.columns import Column, Kind
from learning.dataset import Dataset, dataset
from learning.estimators import ensemble
from learning.estimators.families import Candidate
from learning.problem import Classification, Clustering, Regression

from .diagnostics.pictures import Winner, winner

#: One column of each kind, nulls where they may be, columns that are empty or constant, choices never seen.
MIXED = (
    Column(name="weight", kind=Kind.NUMBER, nullable=True),
    Column(name="visits", kind=Kind.INTEGER),
    Column(name="smokes", kind=Kind.BOOLEAN, nullable=True),
    Column(name="colour", kind=Kind.CATEGORY, choices=("red", "green", "blue", "never seen")),
    Column(name="empty", kind=Kind.NUMBER, nullable=True),
    Column(name="constant", kind=Kind.NUMBER),
    Column(name="choiceless", kind=Kind.CATEGORY, nullable=True),
    Column(name="empty_choice", kind=Kind.CATEGORY, nullable=True, choices=("a", "b")),
    Column(name="born", kind=Kind.DATE, nullable=True),
    Column(name="seen", kind=Kind.DATETIME),
    Column(name="note", kind=Kind.TEXT, nullable=True),
    Column(name="empty_note", kind=Kind.TEXT, nullable=True),
    Column(name="woken", kind=Kind("TIME"), nullable=True),
    Column(name="town", kind=Kind.OPEN_CATEGORY, nullable=True),
    Column(name="sights", kind=Kind("TEXT_SET"), most=2),
    Column(name="stay", kind=Kind("DURATION"), nullable=True),
)

#: By colour, when people were woken.
WOKEN = {"red": time(6, 30), "green": time(12, 0, 0, 500_000), "blue": time(23, 59, 59)}

#: By town, more sights than a model learns. Each town is a cluster with them.
SIGHTS = {"T-0": '["harbour","market"]', "T-1": '["spa"]'}

#: Rows as nobody has seen them before.
STRANGE: list[tuple[Any, ...]] = [
    (None,) * len(MIXED),
    (
        1e308,
        10**12,
        True,
        "purple",
        5.0,
        -1e300,
        "x",
        "z",
        date.min,
        datetime.max,
        "unheard of",
        "words",
        time.max,
        "Atlantis",
        '["market","never seen"]',
        timedelta.max,
    ),
]


def mixed_rows(n: int, seed: int = 0) -> tuple[list[tuple[Any, ...]], list[bool]]:
    """`n` rows of MIXED and a label that `weight` and `note` tell something about."""
    random = np.random.default_rng(seed)
    labels = [bool(random.random() < 0.5) for _ in range(n)]
    return [_mixed_row(random, label) for label in labels], labels


def _mixed_row(random: np.random.Generator, label: bool) -> tuple[Any, ...]:
    def perhaps(value: Any) -> Any:
        return None if random.random() < 0.15 else value

    row = (
        perhaps(Decimal(str(round(random.normal(2.0 * label), 3)))),
        int(random.integers(5)),
        perhaps(bool(random.random() < 0.5)),
        str(random.choice(["red", "green", "blue"])),
        None,
        3.5,
        None,
        None,
        perhaps(date(2020, 1, 1) + timedelta(days=int(random.integers(900)))),
        datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=int(random.integers(9000))),
        perhaps(("good and fine" if label else "bad and poor") + f" thing {random.integers(9)}"),
        None,
    )
    town = _town(row[9])
    woken = WOKEN[row[3]] if row[1] < 4 else None
    return (*row, woken, town, SIGHTS.get(town or "", "[]"), _stay(row[9]))


def _town(seen: datetime) -> str | None:
    """Return one of six towns, one that is nobody else's, or none."""
    if seen.hour > 21:
        return None
    return f"T-{seen.hour % 6}" if seen.hour > 2 else f"Hamlet {seen:%j %H}"


def _stay(seen: datetime) -> timedelta | None:
    """Return a span that hangs on the day of the year, negative on some, or none."""
    return None if seen.day == 13 else timedelta(hours=seen.timetuple().tm_yday % 11, microseconds=-1)


def numbers(names: Sequence[str]) -> tuple[Column, ...]:
    return tuple(Column(name=name.replace(" ", "_"), kind=Kind.NUMBER) for name in names)


@pytest.fixture(scope="session")
def tumors() -> Dataset:
    """569 biopsies, 30 numbers, benign or malignant."""
    data = load_breast_cancer()
    labels = ["benign" if target else "malignant" for target in data.target]
    columns, choices = numbers(data.feature_names), ("benign", "malignant")
    return dataset(Classification(), columns, data.data.tolist(), labels, choices, fingerprint="tumors")


@pytest.fixture(scope="session")
def patients() -> Dataset:
    """442 patients, 10 numbers, the progress of their diabetes."""
    data = load_diabetes()
    columns = numbers(data.feature_names)
    return dataset(Regression(), columns, data.data.tolist(), data.target.tolist(), fingerprint="patients")


@pytest.fixture(scope="session")
def wines() -> Dataset:
    """178 wines, 13 numbers; nobody says of which cultivar."""
    data = load_wine()
    return dataset(Clustering(), numbers(data.feature_names), data.data.tolist(), None, fingerprint="wines")


@pytest.fixture(scope="session")
def tumor_problem() -> Classification:
    """A problem whose build averages two families, and fits models of three."""
    return Classification(candidates=3, folds=3, families=("linear", "boosting", "baseline"), pictures=0.0)


@pytest.fixture(scope="session")
def tumor_steps(tumor_problem: Classification, tumors: Dataset) -> list[Step]:
    """All steps of a first build, made once for all tests that look at them."""
    return list(build(tumor_problem, tumors))


def named_wines(names: Sequence[str]) -> Dataset:
    """The wines with names for their cultivars."""
    data = load_wine()
    labels = [names[target] for target in data.target]
    return dataset(Classification(), numbers(data.feature_names), data.data.tolist(), labels, names)


LINEAR = Candidate("linear", {"C": 1.0})


@pytest.fixture(scope="session")
def tumor_winner(tumors: Dataset) -> Winner:
    return winner(Classification(), tumors, LINEAR)


@pytest.fixture(scope="session")
def wine_winner() -> Winner:
    """Return a winner of three classes."""
    return winner(Classification(), named_wines(("barolo", "grignolino", "barbera")), LINEAR)


@pytest.fixture(scope="session")
def patient_winner(patients: Dataset) -> Winner:
    """An ensemble that was scored as its heaviest member alone."""
    members = {Candidate("linear", {"alpha": 1.0}): 0.7, Candidate("neighbours", {"n_neighbors": 10}): 0.3}
    return winner(Regression(), patients, ensemble.build_recipe(members))


@pytest.fixture(scope="session")
def cluster_winner(wines: Dataset) -> Winner:
    return winner(Clustering(), wines, Candidate("kmeans", {"clusters": 3}))
