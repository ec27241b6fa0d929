"""Point 5: what is served where nothing can be learned, and where little can."""

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from learning.build import Decided
from learning.problem import Classification, Regression

from . import builds, planted
from .cases import Case
from .planted import Sample
from .promises import Promise, Share
from .simulated import LIMIT, World

TITLE = "Nothing learned is said to be nothing"
POINT = 5
#: Shares of the classes of the problems of noise.
BALANCES = {
    "two classes": (0.5, 0.5),
    "two classes, one of 20 %": (0.8, 0.2),
    "three classes": (0.4, 0.3, 0.3),
}


def cases() -> Iterator[Case]:
    """List the cases."""
    for rows in (100, 150, 400):
        for name, shares in BALANCES.items():
            yield Case(
                name=f"noise, {name}, {rows} rows",
                check=partial(check_noise, rows=rows, shares=shares),
                repeats=4,
                small=3 if (rows, len(shares)) == (150, 2) else None,
            )
    yield Case(name="noise, a number, 150 rows", check=check_numbers, repeats=4)
    yield Case(name="24 recipes of chance, 200 rows", check=check_chance, repeats=100)
    yield Case(name="weak signal (AUC 0.68), 600 rows", check=partial(check_signal, rows=600), repeats=6)
    yield Case(name="24 recipes with AUC 0.7, 300 rows", check=check_some, repeats=60)


def check_noise(seeds: Sequence[int], rows: int, shares: Sequence[float]) -> Iterator[Promise]:
    """Count how often a model of noise serves."""
    served = 0
    for seed in seeds:
        random = np.random.default_rng(seed)
        problem = Classification(families=builds.CHEAP, candidates=5, keep=1, pictures=0.0, seed=seed)
        served += serves(problem, planted.noise(random, rows, shares=shares))
    yield _served(served, len(seeds))


def check_numbers(seeds: Sequence[int]) -> Iterator[Promise]:
    """Count how often a model of a noisy number serves."""
    served = 0
    for seed in seeds:
        random = np.random.default_rng(seed)
        problem = Regression(families=builds.CHEAP_REGRESSORS, candidates=4, keep=1, pictures=0.0, seed=seed)
        served += serves(problem, Sample(X=random.normal(size=(150, 6)), y=random.normal(size=150)))
    yield _served(served, len(seeds))


def check_chance(seeds: Sequence[int]) -> Iterator[Promise]:
    """Count how often the best of many recipes that know nothing serves."""
    yield _served(sum(serves_simulated(seed, 200, 0.5) for seed in seeds), len(seeds))


def check_some(seeds: Sequence[int]) -> Iterator[Promise]:
    """Count how often the best of recipes that know something serves."""
    hits = sum(serves_simulated(seed, 300, 0.7) for seed in seeds)
    yield _useful(hits, len(seeds))


def check_signal(seeds: Sequence[int], rows: int) -> Iterator[Promise]:
    """Count how often a model of a weak signal serves."""
    served = 0
    for seed in seeds:
        random = np.random.default_rng(seed)
        problem = Classification(families=builds.CHEAP, candidates=5, keep=1, pictures=0.0, seed=seed)
        served += serves(problem, planted.linear(random, rows, weights=(0.7,)))
    yield _useful(served, len(seeds))


def serves(problem: Classification | Regression, sample: Sample) -> bool:
    """Return whether a first model that looks at features serves."""
    outcome = builds.run(problem, sample.dataset(problem), until=Decided)
    winner = outcome.decided.winner
    return outcome.serves_first and winner is not None and winner.family != "baseline"


def serves_simulated(seed: int, rows: int, auc: float) -> bool:
    """Return whether the best of 24 simulated recipes serves."""
    random = np.random.default_rng(seed)
    world = World.draw(random, rows, auc)
    problem = Classification(candidates=25, seed=seed, keep=3, pictures=0.0, infer_limit=LIMIT)
    outcome = builds.run(problem, world.dataset(problem, random), None, world.pool, until=Decided)
    winner = outcome.decided.winner
    return outcome.serves_first and winner is not None and winner.family != "baseline"


def _served(served: int, n: int) -> Promise:
    return Promise(quantity="share of builds that serve", came_true=Share(served, n), most=0.05)


def _useful(served: int, n: int) -> Promise:
    return Promise(quantity="share of builds that serve", came_true=Share(served, n), least=0.95)
