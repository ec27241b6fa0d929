"""Point 6: the log loss and the Brier score that are told, beside those of the served probabilities on fresh rows."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from statistics import fmean

import numpy as np
from numpy.random import Generator

from learning.problem import Classification

from . import builds, planted
from .builds import Outcome
from .cases import Case
from .planted import Sample
from .promises import Mean, Promise

TITLE = "What is told is of what serves"
POINT = 6
FRESH = 4_000
MEASURES = ("log_loss", "brier")

Draw = Callable[[Generator, int], Sample]


def cases() -> Iterator[Case]:
    """List the cases."""
    for name, draw, family in (
        ("naive Bayes of twelve dependent columns", planted.overconfident, "naive_bayes"),
        ("extra trees", planted.linear, "extra_trees"),
        ("logistic regression", planted.linear, "linear"),
    ):
        yield Case(
            name=f"{name}, 500 rows",
            check=partial(check, draw=draw, family=family),
            repeats=10,
            small=6 if family == "naive_bayes" else None,
        )


def check(seeds: Sequence[int], draw: Draw, family: str) -> Iterator[Promise]:
    """Measure told minus true."""
    differences: dict[str, list[float]] = {measure: [] for measure in MEASURES}
    for seed in seeds:
        random = np.random.default_rng(seed)
        learn, fresh = draw(random, 500), draw(random, FRESH)
        problem = Classification(families=(family,), candidates=1, keep=1, pictures=0.0, seed=seed)
        outcome = builds.run(problem, learn.dataset(problem))
        answers = outcome.fitted.model.predict(fresh.rows)
        probabilities = np.array([answer.probabilities for answer in answers])  # type: ignore[union-attr]
        true = compute_measures(probabilities, fresh.y)
        for measure, values in differences.items():
            values.append(find_told(outcome, measure) - true[measure])
    for measure, values in differences.items():
        yield Promise(
            quantity=f"{measure.replace('_', ' ')}, told − true",
            came_true=Mean.of(values),
            least=-0.01,
            most=0.02,
        )


def compute_measures(probabilities: planted.Floats, y: planted.Floats) -> dict[str, float]:
    """Compute the log loss and the Brier score of two classes."""
    chosen = np.clip(probabilities[np.arange(len(y)), y.astype(int)], 1e-6, 1)
    return {
        "log_loss": float(-np.log(chosen).mean()),
        "brier": float(((probabilities[:, 1] - y) ** 2).mean()),
    }


def find_told(outcome: Outcome, measure: str) -> float:
    """Find what is told of the winner: the mean of the folds of what serves."""
    served = getattr(outcome.fitted, "served", None)
    values = [
        each.value
        for fold in (outcome.folds if served is None else served.folds)
        for each in fold.measures
        if measure in each.metric and each.value is not None
    ]
    return fmean(values)
