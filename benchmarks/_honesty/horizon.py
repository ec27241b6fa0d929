"""Point 8: what plain folds promise of later rows, and whether a build says that they cannot."""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
from numpy.random import Generator

from learning.problem import Regression

from . import builds, planted
from .builds import Outcome
from .cases import Case
from .planted import Floats, Sample
from .promises import Mean, Promise, Share

TITLE = "Time"
POINT = 8
ROWS, DAYS = 600, 365.0
#: Families that do not extrapolate a trend.
FORESTS = ("extra_trees", "baseline")
#: Words of a sentence that says that later rows are harder to predict.
SAYS_SO = re.compile(r"ordered=True|later rows are (harder|predicted no better)", re.IGNORECASE)
#: An error this many times the one that is told has not been told.
TIMES = 1.25

Draw = Callable[[Generator, Floats], Sample]


def cases() -> Iterator[Case]:
    """List the cases."""
    for ahead, families, only in (
        (60.0, builds.CHEAP_REGRESSORS, ""),
        (300.0, builds.CHEAP_REGRESSORS, ""),
        (300.0, FORESTS, ", forests only"),
    ):
        yield Case(
            name=f"trend over a year, {ahead:g} days ahead, plain folds{only}",
            check=partial(check_trend, ahead=ahead, families=families),
            repeats=4,
            small=3 if ahead == 60.0 else None,
        )
    yield Case(name="no trend over a year, plain folds", check=check_stationary, repeats=8, small=3)
    yield Case(name="trend over a year, folds in order", check=check_ordered, repeats=8)


def check_trend(seeds: Sequence[int], ahead: float, families: tuple[str, ...]) -> Iterator[Promise]:
    """Count the builds that neither tell the error to come nor say that plain folds cannot."""
    silent = 0
    for seed in seeds:
        outcome, told, true = compare(seed, planted.trend, ahead, False, families)
        silent += true > TIMES * told and not says_so(outcome)
    quantity = f"share of builds with {TIMES:g} times the told error, and not a word"
    yield Promise(quantity=quantity, came_true=Share(silent, len(seeds)), most=0.05)


def check_stationary(seeds: Sequence[int]) -> Iterator[Promise]:
    """Count the false alarms where nothing changes with time."""
    outcomes = [compare(seed, planted.stationary, 60.0, ordered=False) for seed in seeds]
    alarms = sum(says_so(outcome) for outcome, _, _ in outcomes)
    quantity = "share of builds that say later rows are harder"
    yield Promise(quantity=quantity, came_true=Share(alarms, len(seeds)), most=0.05)
    ratios = Mean.of([told / true for _, told, true in outcomes])
    quantity = "error, told / true"
    yield Promise(quantity=quantity, came_true=ratios, least=0.9, most=1.2)


def check_ordered(seeds: Sequence[int]) -> Iterator[Promise]:
    """Compare the error that folds in the order of time tell with that over as many days as they hold out."""
    outcomes = [compare(seed, planted.trend, 56.0, True) for seed in seeds]
    named = sum(bool(getattr(outcome.fitted, "horizon", "")) for outcome, _, _ in outcomes)
    quantity = "share of builds whose version names its horizon"
    yield Promise(quantity=quantity, came_true=Share(named, len(seeds)), least=0.95)
    ratios = [told / true for _, told, true in outcomes]
    quantity = "error, told / true over 56 days, as long as a fold"
    yield Promise(quantity=quantity, came_true=Mean.of(ratios), least=0.75, most=1.33)


def compare(
    seed: int,
    draw: Draw,
    ahead: float,
    ordered: bool,
    families: tuple[str, ...] = builds.CHEAP_REGRESSORS,
) -> tuple[Outcome, float, float]:
    """Run a build; returns it, the error that is told, and that of the days after it."""
    random = np.random.default_rng(seed)
    learn = draw(random, np.sort(random.uniform(0, DAYS, ROWS)))
    fresh = draw(random, random.uniform(DAYS, DAYS + ahead, 2_000))
    problem = Regression(
        metric="neg_root_mean_squared_error",
        families=families,
        candidates=5,
        keep=1,
        pictures=0.0,
        seed=seed,
        ordered=ordered,
    )
    outcome = builds.run(problem, learn.dataset(problem))
    values = np.array([answer.value for answer in outcome.fitted.model.predict(fresh.rows)])  # type: ignore[union-attr]
    return outcome, -outcome.told, float(np.sqrt(((values - fresh.y) ** 2).mean()))


def says_so(outcome: Outcome) -> bool:
    """Return whether a sentence says that later rows are harder to predict."""
    return SAYS_SO.search(outcome.sentences) is not None
