"""Fitted pipelines beside their compiled models: times of one row and of 32 rows, and differences of the answers."""

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

#: The largest µs of one row, by family.
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
class ModelTimes:
    """Times of a model, and the difference between its answers and the pipeline's."""

    name: str
    model: Model
    #: µs per row: of the pipeline, of the compiled model for one row, and for BATCH rows.
    pipeline: float
    one: float
    batch: float
    #: The largest difference of two answers.
    difference: float


def draw_mixed_rows(n: int, random: np.random.Generator) -> tuple[list[Row], list[float]]:
    """Draw rows of COLUMNS, and numbers that depend on them."""
    numbers = random.normal(size=(n, 6))
    places = random.integers(12, size=n)
    targets = numbers[:, 0] + numbers[:, 1] * numbers[:, 2] + (places % 3) + random.normal(size=n) * 0.3
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
    return rows, targets.tolist()


def draw_texts(n: int, random: np.random.Generator) -> tuple[list[Row], list[float]]:
    """Draw texts of 30 words each, and numbers whose sign depends on some of the words."""
    targets = random.normal(size=n)
    rows: list[Row] = []
    for number in targets:
        words = random.zipf(1.3, size=30) % 2_500
        rows.append((" ".join(WORDS[w + (500 if number > 0 and w < 200 else 0)] for w in words),))
    return rows, targets.tolist()


def build_dataset(
    problem: Problem, columns: Sequence[Column], rows: Sequence[Row], targets: Sequence[float]
) -> Dataset:
    """Build a dataset whose labels are the numbers, or classes above and below their median."""
    labels: Sequence[Any] | None = targets if problem.learns_from_labels else None
    if problem.has_classes:
        labels = ["yes" if number > np.median(targets) else "no" for number in targets]
    return dataset(problem, columns, rows, labels, ("no", "yes"))


def fit(problem: Problem, candidate: Candidate, data: Dataset, part: Any = slice(None)) -> Any:
    """Fit the candidate's pipeline on a part of the rows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator = pipeline(problem.task, candidate, data.columns, 0)
        return estimator.fit(data.X.iloc[part], None if data.y is None else data.y[part])


def build_model(problem: Problem, candidate: Candidate, data: Dataset, estimator: Any) -> Model:
    """Build the model of a fitted pipeline and compile it."""
    signature = Signature(task=problem.task, columns=data.columns, classes=data.classes)
    model = Model(signature, candidate.family, candidate.hyperparameters, estimator)
    return replace(model, compiled=compile_model(model, data))


def list_candidates(problem: Problem) -> Iterator[Candidate]:
    """List each family's first recipe, and linear models with the other preparations."""
    for name, family in FAMILIES[problem.task].items():
        clusters = {"clusters": 3} if family.needs_clusters and not problem.learns_from_labels else {}
        yield Candidate(name, family.defaults[-1 if name == "naive_bayes" else 0] | clusters)
        if name == "linear":
            yield from (Candidate(name, {"prepare": option}) for option in ("normal", "products"))


def build_ensembles(
    problem: Problem, data: Dataset, estimators: Mapping[str, Any]
) -> Iterator[tuple[str, Ensemble]]:
    """Build an ensemble of three families, and one of five fold models."""
    members = [estimators[name] for name in ("linear", "boosting", "extra_trees")]
    yield "ensemble of linear, boosting, extra_trees", Ensemble(members, [0.3, 0.4, 0.3])
    candidate = next(each for each in list_candidates(problem) if each.family == "boosting")
    parts = [np.arange(len(data)) % 5 != part for part in range(5)]
    yield (
        "5 fold models of boosting",
        Ensemble([fit(problem, candidate, data, part) for part in parts], [0.2] * 5),
    )


def build_models(row_count: int) -> Iterator[tuple[str, Model, Sequence[Row]]]:
    """Build every model to measure, with its name and rows for it."""
    random = np.random.default_rng(0)
    rows, targets = draw_mixed_rows(row_count, random)
    for problem in (Classification(), Regression(), Clustering()):
        data, estimators = build_dataset(problem, COLUMNS, rows, targets), dict[str, Any]()
        for candidate in list_candidates(problem):
            estimator = fit(problem, candidate, data)
            estimators.setdefault(candidate.family, estimator)
            yield (
                f"{problem.task.lower()}: {candidate}",
                build_model(problem, candidate, data, estimator),
                rows,
            )
        if problem.learns_from_labels:
            for name, ensemble in build_ensembles(problem, data, estimators):
                model = build_model(problem, Candidate("ensemble", {"members": []}), data, ensemble)
                yield f"{problem.task.lower()}: {name}", model, rows
    yield from build_text_models(min(row_count, 1_000), random)


def build_text_models(
    row_count: int, random: np.random.Generator
) -> Iterator[tuple[str, Model, Sequence[Row]]]:
    """Build the models of a text column."""
    texts, targets = draw_texts(row_count, random)
    data = build_dataset(Classification(), TEXTS, texts, targets)
    for family in ("linear", "naive_bayes", "extra_trees"):
        candidate = Candidate(family, FAMILIES["CLASSIFICATION"][family].defaults[0])
        estimator = fit(Classification(), candidate, data)
        yield f"texts: {candidate}", build_model(Classification(), candidate, data, estimator), texts


def measure(name: str, model: Model, rows: Sequence[Row]) -> ModelTimes:
    """Measure a model and its pipeline, and compare their answers."""
    pipeline_model, batch = replace(model, compiled=None), rows[:BATCH]
    return ModelTimes(
        name=name,
        model=model,
        pipeline=compute_median(lambda: pipeline_model.arrays(rows[:1]), 30),
        one=compute_median(lambda: model.arrays(rows[:1]), 300),
        batch=compute_median(lambda: model.arrays(batch), 100) / BATCH,
        difference=compare(model.arrays(rows), pipeline_model.arrays(rows), 1.0).largest,
    )


def compute_median(call: Callable[[], object], times: int) -> float:
    """Compute the median of a call's µs; a tenth of the calls come before and do not count."""
    seconds = []
    for _ in range(times + times // 10):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[-times:]) * 1e6


def print_table(times: Sequence[ModelTimes], rows: int) -> None:
    """Print a line for each model."""
    headings = (
        "",
        "pipeline [µs]",
        "compiled [µs]",
        "at most",
        f"of {BATCH} [µs a row]",
        "runtime",
        "difference",
    )
    table = Table(*headings, title=f"{len(COLUMNS)} mixed columns, {rows:,} rows, one thread")
    for each in times:
        target = TARGETS.get(each.model.family)
        table.add_row(
            each.name.split(" (")[0] if len(each.name) > 60 else each.name,
            f"{each.pipeline:,.0f}",
            f"{each.one:.0f}{' (!)' if target and each.one > target else ''}",
            f"{target:.0f}" if target else "",
            f"{each.batch:.1f}",
            each.model.compiled.runtime if each.model.compiled else "",
            f"{each.difference:.0e}",
        )
    Console(width=150).print(table)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="./dev bench compiled", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000)
    options = parser.parse_args()
    with threadpool_limits(1):
        print_table([measure(*each) for each in build_models(options.rows)], options.rows)
