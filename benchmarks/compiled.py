"""A fitted pipeline beside what it is compiled to: one row through both, 32 at once, and how far apart their answers
are.
"""

import argparse
import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from learning.columns import Column, Kind
from learning.compiler.compilation import compile_model
from learning.compiler.parity import compare
from learning.dataset import Dataset, dataset
from learning.estimators.ensemble import Ensemble
from learning.estimators.families import Candidate
from learning.estimators.families.catalogue import FAMILIES, pipeline
from learning.model import Model, Signature
from learning.problem import Classification, Clustering, Problem, Regression

#: µs that one row may take, by family.
TARGETS = {"linear": 25.0, "boosting": 60.0, "forest": 60.0, "extra_trees": 60.0}
BATCH = 32
COLOURS, TOWNS = ("red", "green", "blue"), tuple(f"town {number}" for number in range(12))
COLUMNS = (
    *(Column(name=f"number{place}", kind=Kind.NUMBER, nullable=place < 2) for place in range(6)),
    Column(name="member", kind=Kind.BOOLEAN),
    Column(name="colour", kind=Kind.CATEGORY, choices=COLOURS),
    Column(name="town", kind=Kind.CATEGORY, choices=TOWNS, nullable=True),
    Column(name="born", kind=Kind.DATE),
)
TEXTS = (Column(name="note", kind=Kind.TEXT, nullable=True),)
WORDS = [f"word{number}" for number in range(3_000)]

Row = tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Measured:
    name: str
    model: Model
    #: µs a row.
    pipeline: float
    one: float
    batch: float
    apart: float


def mixed(n: int, random: np.random.Generator) -> tuple[list[Row], list[float]]:
    """Rows of COLUMNS, and numbers that they tell something about."""
    numbers = random.normal(size=(n, 6))
    places = random.integers(12, size=n)
    told = numbers[:, 0] + numbers[:, 1] * numbers[:, 2] + (places % 3) + random.normal(size=n) * 0.3
    rows = [
        (
            *(None if i < 2 and random.random() < 0.1 else float(x) for i, x in enumerate(cells)),
            bool(place % 2),
            COLOURS[place % 3],
            None if place == 11 else TOWNS[place],
            date(1950, 1, 1) + timedelta(days=int(random.integers(20_000))),
        )
        for cells, place in zip(numbers, places.tolist(), strict=True)
    ]
    return rows, told.tolist()


def noted(n: int, random: np.random.Generator) -> tuple[list[Row], list[float]]:
    """Texts of 30 words each, some of which tell a class."""
    told = random.normal(size=n)
    rows: list[Row] = []
    for number in told:
        words = random.zipf(1.3, size=30) % 2_500
        rows.append((" ".join(WORDS[w + (500 if number > 0 and w < 200 else 0)] for w in words),))
    return rows, told.tolist()


def data_of(
    problem: Problem, columns: Sequence[Column], rows: Sequence[Row], told: Sequence[float]
) -> Dataset:
    labels: Sequence[Any] | None = told if problem.learns_from_labels else None
    if problem.has_classes:
        labels = ["yes" if number > np.median(told) else "no" for number in told]
    return dataset(problem, columns, rows, labels, ("no", "yes"))


def fitted(problem: Problem, candidate: Candidate, data: Dataset, part: Any = slice(None)) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = pipeline(problem.task, candidate, data.columns, 0)
        return made.fit(data.X.iloc[part], None if data.y is None else data.y[part])


def model_of(problem: Problem, candidate: Candidate, data: Dataset, estimator: Any) -> Model:
    signature = Signature(task=problem.task, columns=data.columns, classes=data.classes)
    model = Model(signature, candidate.family, candidate.hyperparameters, estimator)
    return replace(model, compiled=compile_model(model, data))


def candidates(problem: Problem) -> Iterator[Candidate]:
    """Each family's first recipe, and what linear ones prepare otherwise."""
    for name, family in FAMILIES[problem.task].items():
        counted = {"clusters": 3} if family.needs_clusters and not problem.learns_from_labels else {}
        yield Candidate(name, family.defaults[-1 if name == "naive_bayes" else 0] | counted)
        if name == "linear":
            yield from (Candidate(name, {"prepare": way}) for way in ("normal", "products"))


def averages(problem: Problem, data: Dataset, one: Mapping[str, Any]) -> Iterator[tuple[str, Ensemble]]:
    members = [one[name] for name in ("linear", "boosting", "extra_trees")]
    yield "ensemble of linear, boosting, extra_trees", Ensemble(members, [0.3, 0.4, 0.3])
    candidate = next(each for each in candidates(problem) if each.family == "boosting")
    parts = [np.arange(len(data)) % 5 != part for part in range(5)]
    yield (
        "5 fold models of boosting",
        Ensemble([fitted(problem, candidate, data, p) for p in parts], [0.2] * 5),
    )


def models(rows: int) -> Iterator[tuple[str, Model, Sequence[Row]]]:
    random = np.random.default_rng(0)
    known, told = mixed(rows, random)
    for problem in (Classification(), Regression(), Clustering()):
        data, one = data_of(problem, COLUMNS, known, told), dict[str, Any]()
        for candidate in candidates(problem):
            estimator = fitted(problem, candidate, data)
            one.setdefault(candidate.family, estimator)
            yield f"{problem.task.lower()}: {candidate}", model_of(problem, candidate, data, estimator), known
        if problem.learns_from_labels:
            for name, average in averages(problem, data, one):
                model = model_of(problem, Candidate("ensemble", {"members": []}), data, average)
                yield f"{problem.task.lower()}: {name}", model, known
    yield from of_texts(min(rows, 1_000), random)


def of_texts(rows: int, random: np.random.Generator) -> Iterator[tuple[str, Model, Sequence[Row]]]:
    texts, told = noted(rows, random)
    data = data_of(Classification(), TEXTS, texts, told)
    for family in ("linear", "naive_bayes", "extra_trees"):
        candidate = Candidate(family, FAMILIES["CLASSIFICATION"][family].defaults[0])
        estimator = fitted(Classification(), candidate, data)
        yield f"texts: {candidate}", model_of(Classification(), candidate, data, estimator), texts


def measured(name: str, model: Model, rows: Sequence[Row]) -> Measured:
    slow, batch = replace(model, compiled=None), rows[:BATCH]
    return Measured(
        name=name,
        model=model,
        pipeline=median(lambda: slow.arrays(rows[:1]), 30),
        one=median(lambda: model.arrays(rows[:1]), 300),
        batch=median(lambda: model.arrays(batch), 100) / BATCH,
        apart=compare(model.arrays(rows), slow.arrays(rows), 1.0).largest,
    )


def median(call: Callable[[], Any], times: int) -> float:
    """µs of a call; a tenth of the calls come first and do not count."""
    seconds = []
    for _ in range(times + times // 10):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[-times:]) * 1e6


def show(all_: Sequence[Measured], rows: int) -> None:
    headings = (
        "",
        "pipeline [µs]",
        "compile_model [µs]",
        "at most",
        f"of {BATCH} [µs a row]",
        "runtime",
        "apart",
    )
    table = Table(*headings, title=f"{len(COLUMNS)} mixed columns, {rows:,} rows, one thread")
    for each in all_:
        target = TARGETS.get(each.model.family)
        table.add_row(
            each.name.split(" (")[0] if len(each.name) > 60 else each.name,
            f"{each.pipeline:,.0f}",
            f"{each.one:.0f}{' (!)' if target and each.one > target else ''}",
            f"{target:.0f}" if target else "",
            f"{each.batch:.1f}",
            each.model.compiled.runtime if each.model.compiled else "",
            f"{each.apart:.0e}",
        )
    Console(width=150).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(prog="./dev bench compiled", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000)
    options = parser.parse_args()
    with threadpool_limits(1):
        show([measured(*each) for each in models(options.rows)], options.rows)
