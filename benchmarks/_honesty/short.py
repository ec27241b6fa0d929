"""Point 4: a final round that the clock cut short, few positives, and successors of a champion with a lucky record."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from learning.build import Decided
from learning.problem import Classification

from . import builds
from .builds import Outcome
from .cases import Case, auc_error
from .promises import Promise, Share
from .simulated import LIMIT, World

TITLE = "A contest cut short does not judge"
POINT = 4
AUC = 0.8
ROWS = 600
#: A time limit, and a time of fits that leaves two folds of the final round within it. Both are only told.
SECONDS, SLOW = 60.0, 12.0
#: Standard errors by which a lucky record is above the truth.
LUCK = 2.0
#: The interval of a score in a decision's sentence, and how sure it is.
TOLD = re.compile(r"(?P<mean>\d\.\d+) \((?P<level>\d+)%: (?P<low>\d\.\d+) to (?P<high>\d\.\d+)")
TOLD_AS_NOISE = re.compile(r"(?P<mean>\d\.\d+) ± (?P<noise>\d\.\d+)")


@dataclass(frozen=True)
class Interval:
    """Interval that is told of a score."""

    low: float
    high: float
    level: float


def cases() -> Iterator[Case]:
    """List the cases."""
    for name, rows, share, auc, seconds, small in (
        ("two folds left", ROWS, 0.5, AUC, SLOW, 40),
        ("all folds", ROWS, 0.5, AUC, 0.001, 40),
        ("20 positives of 400, AUC 0.97", 400, 0.05, 0.97, 0.001, None),
    ):
        yield Case(
            name=f"interval of the score, {name}",
            check=partial(check_interval, rows=rows, share=share, auc=auc, seconds=seconds),
            repeats=150,
            small=small,
        )
    for name, seconds in (("two folds left", SLOW), ("all folds", 0.001)):
        yield Case(
            name=f"the same recipe on a new snapshot, {name}",
            check=partial(check_unchanged, seconds=seconds),
            repeats=150,
            small=30 if seconds == SLOW else None,
        )
    yield Case(name="a lucky record, and five builds after it", check=check_luck, repeats=40)
    yield Case(name="data that broke: AUC 0.65 instead of 0.8", check=check_broken, repeats=20, small=10)


def check_interval(
    seeds: Sequence[int], rows: int, share: float, auc: float, seconds: float
) -> Iterator[Promise]:
    """Count how often the truth is outside of the interval that is told of one recipe."""
    missed, level = 0, 0.0
    for seed in seeds:
        random = np.random.default_rng(seed)
        world = World.draw(random, rows, auc, share=share, seconds=seconds)
        problem = _problem(seed, candidates=1)
        decided = builds.run(problem, world.dataset(problem, random), None, world.pool, until=Decided).decided
        told = find_interval(decided.reason)
        missed += not told.low <= auc <= told.high
        level = told.level
    quantity = f"share of {level:.0%} intervals without the truth"
    yield Promise(quantity=quantity, came_true=Share(missed, len(seeds)), most=round(1 - level, 2))


def check_unchanged(seeds: Sequence[int], seconds: float) -> Iterator[Promise]:
    """Count how often a champion's recipe is held on other rows from the same source."""
    held = 0
    for seed in seeds:
        random = np.random.default_rng(seed)
        first = _build(random, seed, seconds=seconds)
        held += _build(random, seed, first, seconds=seconds).outcome.is_held
    quantity = "share of builds that are held"
    yield Promise(quantity=quantity, came_true=Share(held, len(seeds)), most=0.05)


def check_luck(seeds: Sequence[int]) -> Iterator[Promise]:
    """Count how often five builds in a row are held because of a champion's lucky record."""
    all_held = 0
    for seed in seeds:
        random = np.random.default_rng(seed)
        first = _build(random, seed)
        lucky = AUC + LUCK * auc_error(AUC, ROWS / 2, ROWS / 2)
        all_held += all(_build(random, seed, first, record=lucky).outcome.is_held for _ in range(5))
    quantity = "share of records that hold all five"
    yield Promise(quantity=quantity, came_true=Share(all_held, len(seeds)), most=0.05)


def check_broken(seeds: Sequence[int]) -> Iterator[Promise]:
    """Count how often a build over data that broke is held."""
    held = 0
    for seed in seeds:
        random = np.random.default_rng(seed)
        first = _build(random, seed)
        held += _build(random, seed, first, auc=0.65).outcome.is_held
    quantity = "share of builds that are held"
    yield Promise(quantity=quantity, came_true=Share(held, len(seeds)), least=0.95)


def find_interval(sentence: str) -> Interval:
    """Find the interval of the first score that a sentence tells."""
    if told := TOLD.search(sentence):
        return Interval(float(told["low"]), float(told["high"]), int(told["level"]) / 100)
    told = TOLD_AS_NOISE.search(sentence)
    assert told is not None, sentence
    mean, noise = float(told["mean"]), float(told["noise"])
    # The noise is that of a one-sided test at 5 %.
    return Interval(mean - noise, mean + noise, 0.9)


@dataclass(frozen=True)
class Built:
    """A build over simulated recipes, and its world."""

    outcome: Outcome
    world: World
    problem: Classification


def _build(
    random: np.random.Generator,
    seed: int,
    champion: "Built | None" = None,
    record: float | None = None,
    auc: float = AUC,
    seconds: float = 0.001,
) -> Built:
    """Run a build over new rows; with a champion of an earlier build, only as far as its decision."""
    problem = _problem(seed, candidates=8)
    world = World.draw(random, ROWS, auc, seconds=seconds)
    data = world.dataset(problem, random)
    if champion is None:
        return Built(builds.run(problem, data, None, world.pool), world, problem)
    earlier = champion.world.dataset(problem, random)
    incumbent = replace(champion.outcome.champion(earlier), fingerprint="earlier")
    if record is not None:
        incumbent = builds.with_record(incumbent, record)
    outcome = builds.run(problem, data, incumbent, world.pool, until=Decided)
    return Built(outcome, world, problem)


def _problem(seed: int, candidates: int) -> Classification:
    return Classification(
        candidates=candidates, seed=seed, keep=1, pictures=0.0, infer_limit=LIMIT, seconds=SECONDS
    )
