"""Cost of all diagnostics of a winner: seconds, and memory of the process that draws them.

    ./dev bench diagnostics [--rows 1000 --rows 100000] [--columns 20]

The winner is an ensemble, as in builds with many rows; its out-of-fold predictions are those of a linear model.
"""

import argparse
import multiprocessing
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from sklearn.datasets import make_classification, make_regression

from benchmarks._measurements import UNIT
from learning import model
from learning.columns import Column, Kind
from learning.dataset import Dataset
from learning.diagnostics.drawing import draw
from learning.estimators import ensemble
from learning.estimators.families import Candidate
from learning.evaluation.folds import FoldPlan
from learning.fits.fold_fit import Fit, FitContext, Scored
from learning.problem import Classification, Clustering, Problem, Regression

PROBLEMS: Sequence[Problem] = (Classification(), Regression(), Clustering())
#: The largest cost with many rows.
SECONDS, MEGABYTES = 20.0, 500.0
LINEAR = {
    Classification: Candidate("linear", {"C": 1.0}),
    Regression: Candidate("linear", {"alpha": 1.0}),
}
CLUSTERS = Candidate("kmeans", {"clusters": 4})


@dataclass(frozen=True)
class DiagnosticsCost:
    """The cost of one winner's diagnostics."""

    seconds: float
    #: Seconds of the processor, without the time of other processes.
    computing: float
    #: Kind and seconds of the slowest diagnostic.
    slowest: str
    #: MB before the drawing, and at the peak.
    before: float
    peak: float
    #: Size of the largest picture.
    kilobytes: float


def get_winner(problem: type[Problem]) -> Candidate:
    """Get the recipe of the winner."""
    if not problem.learns_from_labels:
        return CLUSTERS
    boosting = {"learning_rate": 0.07, "max_iter": 300, "max_leaf_nodes": 31, "max_features": 0.5}
    trees = {"n_estimators": 200, "min_samples_leaf": 3, "max_features": 0.7}
    return ensemble.build_recipe(
        {Candidate("boosting", boosting): 0.5, Candidate("extra_trees", trees): 0.3, LINEAR[problem]: 0.2}
    )


def measure(problem: Problem, rows: int, columns: int) -> DiagnosticsCost:
    """Draw all diagnostics and measure them. Raises SystemExit where one fails."""
    context = build_context(problem, rows, columns)
    served, predictions = fit(context)
    before = _read_peak()
    started, computed = time.perf_counter(), time.process_time()
    drawn = list(draw(context, get_winner(type(problem)), served, predictions))
    seconds, computing = time.perf_counter() - started, time.process_time() - computed
    if failed := [each.problem for each in drawn if each.problem]:
        raise SystemExit(f"{problem.task}: {failed[0]}")
    slowest = max(drawn, key=lambda each: each.seconds)
    return DiagnosticsCost(
        seconds=seconds,
        computing=computing,
        slowest=f"{slowest.kind} {slowest.seconds:.1f}",
        before=before,
        peak=_read_peak(),
        kilobytes=max(len(each.svg or "") for each in drawn) / 1000,
    )


def build_context(problem: Problem, rows: int, columns: int) -> FitContext:
    """Build the context of fits on random data."""
    generate = make_regression if problem.has_values else make_classification
    X, y = generate(rows, columns, n_informative=columns // 2, random_state=0)
    names = [f"feature_{place}" for place in range(columns)]
    labels = y if problem.learns_from_labels else None
    dataset = Dataset.of(
        problem,
        [Column(name=name, kind=Kind.NUMBER) for name in names],
        pd.DataFrame(X, columns=names),
        labels,
        ("no", "yes") if problem.has_classes else (),
    )
    metric = problem.metric_for(len(dataset.classes) or None)
    return FitContext(
        task=problem.task, dataset=dataset, metric=metric, plan=FoldPlan.of(problem, dataset), seed=0
    )


def fit(context: FitContext) -> tuple[model.Model, Any]:
    """Fit a model. Returns it with its out-of-fold predictions and the rows of each fold; None for a clustering."""
    candidate = LINEAR.get(context.problem_type, CLUSTERS)
    artifact = context.fit(candidate)
    assert isinstance(artifact, bytes)
    if not context.problem_type.learns_from_labels:
        return model.loads(artifact), None
    folds = context.split("contest")
    results = [context.score(Fit(candidate, "contest", fold)) for fold in range(len(folds))]
    predictions = np.concatenate([each.predictions for each in results if isinstance(each, Scored)])
    return model.loads(artifact), (predictions, [held_out for _, held_out in folds])


def _read_peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / UNIT


def print_table(costs: dict[tuple[str, int], DiagnosticsCost], columns: int) -> None:
    """Print a line for each task and number of rows."""
    headings = ("task", "rows", "seconds", "computing", "slowest [s]", "MB before", "at peak", "largest kB")
    table = Table(*headings, title=f"All diagnostics of a winner, {columns} features")
    for (task, rows), cost in costs.items():
        table.add_row(
            task.lower(),
            f"{rows:,}",
            f"{cost.seconds:.1f}{'' if cost.seconds <= SECONDS else ' (!)'}",
            f"{cost.computing:.1f}",
            cost.slowest,
            f"{cost.before:.0f}",
            f"{cost.peak:.0f}{'' if cost.peak <= MEGABYTES else ' (!)'}",
            f"{cost.kilobytes:.0f}",
        )
    Console(width=120).print(table)


def main() -> None:
    """Measure each task in a process of its own and print a table."""
    parser = argparse.ArgumentParser(prog="./dev bench diagnostics", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, action="append")
    parser.add_argument("--columns", type=int, default=20)
    options = parser.parse_args()
    costs = {}
    # A process for each measurement, because peaks are those of a process.
    context = multiprocessing.get_context("fork")
    for rows in options.rows or [1_000, 100_000]:
        for problem in PROBLEMS:
            with context.Pool(1) as pool:
                costs[problem.task, rows] = pool.apply(measure, (problem, rows, options.columns))
    print_table(costs, options.columns)
