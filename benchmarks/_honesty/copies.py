"""Point 1: what is promised of rows that others repeat, and what comes true of rows that nobody has seen."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from math import sqrt
from statistics import fmean

import numpy as np
from numpy.random import Generator
from sklearn.metrics import roc_auc_score

from learning.problem import Classification

from . import builds, planted
from .cases import Case, auc_error
from .planted import Sample
from .promises import Mean, Promise, Share

TITLE = "Copies and groups that nobody declared"
POINT = 1
FRESH = 4_000
#: Standard errors by which a score must be too good to mislead. Chance exceeds them in 0.1 % of builds.
MISLEADS = 3.0
#: Draws examples, and as many rows of new instances.
Draw = Callable[[Generator], tuple[Sample, Sample]]


def cases() -> Iterator[Case]:
    """List the cases."""
    for name, draw, units in (
        ("200 rows, each three times", _tripled, 200),
        ("200 rows, each three times with 1 % of noise", _jittered, 200),
        ("120 people × 8 rows, not declared", _people, 120),
        ("240 people × 4 rows, not declared", _more_people, 240),
    ):
        yield Case(
            name=name,
            check=partial(check_misleading, draw=draw, units=units),
            repeats=5,
            small=3 if draw is _people else None,
        )
    for name, draw, units in (
        ("120 people × 8 rows, declared", _declared, 120),
        ("600 rows of as many people", _independent, 600),
        ("600 rows of five yes-or-no columns", _yes_or_no, 600),
    ):
        yield Case(name=name, check=partial(check_alarm, draw=draw, units=units), repeats=5)


def check_misleading(seeds: Sequence[int], draw: Draw, units: int) -> Iterator[Promise]:
    """Count the builds whose model serves with a score that is too good beyond noise."""
    misled = 0
    for seed in seeds:
        told, true, serves = promise(seed, draw)
        misled += serves and told - true > MISLEADS * auc_error(true, units / 2, units / 2)
    quantity = "share of builds that serve with a score beyond noise too good"
    yield Promise(quantity=quantity, came_true=Share(misled, len(seeds)), most=0.05)


def check_alarm(seeds: Sequence[int], draw: Draw, units: int) -> Iterator[Promise]:
    """Count the false alarms over sound examples, and measure the mean of told minus true."""
    outcomes = [promise(seed, draw) for seed in seeds]
    held = sum(not serves for _, _, serves in outcomes)
    yield Promise(quantity="share of builds that are held", came_true=Share(held, len(seeds)), most=0.05)
    n = len(seeds)
    error = auc_error(fmean(true for _, true, _ in outcomes), units / 2, units / 2) / sqrt(n)
    bias = Mean(fmean(told - true for told, true, _ in outcomes), error, n)
    yield Promise(quantity="ROC AUC, told − true", came_true=bias, least=-0.03, most=0.01)


def promise(seed: int, draw: Draw) -> tuple[float, float, bool]:
    """Run a build; returns the score that is told, that of fresh rows, and whether the model serves."""
    random = np.random.default_rng(seed)
    learn, fresh = draw(random)
    problem = Classification(families=builds.CHEAP, candidates=6, keep=1, pictures=0.0, seed=seed)
    outcome = builds.run(problem, learn.dataset(problem))
    probabilities = [answer.probabilities[1] for answer in outcome.fitted.model.predict(fresh.rows)]  # type: ignore[union-attr]
    return outcome.told, float(roc_auc_score(fresh.y, probabilities)), outcome.serves_first


def _tripled(random: Generator) -> tuple[Sample, Sample]:
    return planted.copies(planted.linear(random, 200), 3, random), planted.linear(random, FRESH)


def _jittered(random: Generator) -> tuple[Sample, Sample]:
    learn = planted.copies(planted.linear(random, 200), 3, random, jitter=0.01)
    return learn, planted.linear(random, FRESH)


def _people(random: Generator) -> tuple[Sample, Sample]:
    return planted.people(random, 120, 8).undeclared(), planted.people(random, FRESH, 1)


def _more_people(random: Generator) -> tuple[Sample, Sample]:
    return planted.people(random, 240, 4).undeclared(), planted.people(random, FRESH, 1)


def _declared(random: Generator) -> tuple[Sample, Sample]:
    return planted.people(random, 120, 8), planted.people(random, FRESH, 1)


def _independent(random: Generator) -> tuple[Sample, Sample]:
    return planted.people(random, 600, 1).undeclared(), planted.people(random, FRESH, 1)


def _yes_or_no(random: Generator) -> tuple[Sample, Sample]:
    return planted.yes_or_no(random, 600), planted.yes_or_no(random, FRESH)
