"""Point 3: how often an equal recipe replaces the champion's, and how often a better one does."""

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from learning.build import Decided, Incumbent
from learning.problem import Classification

from . import builds
from .cases import Case
from .promises import Promise, Share
from .simulated import LIMIT, World

TITLE = "The gate pays for having looked at many"
POINT = 3
#: Share of builds in which an equal recipe may replace the champion's.
FALSE = 0.05
AUC, GAIN = 0.8, 0.02
CHAMPION = {"n_estimators": 100, "min_samples_leaf": 7, "max_features": "sqrt"}
#: Least share of builds in which a recipe that is better by GAIN replaces the champion's, by rows. What a one-sided
#: test at 5 % of two recipes, chosen beforehand, would see by the same folds bounds it from above.
POWER = {600: 0.1, 3000: 0.75}


def cases() -> Iterator[Case]:
    """List the cases."""
    for n in (200, 600, 3_000):
        for rivals in (1, 8, 24):
            yield Case(
                name=f"{rivals} equal rival{'s' if rivals > 1 else ''}, {n:,} rows",
                check=partial(check_equal, n=n, rivals=rivals),
                repeats=200,
                small=60 if (n, rivals) == (600, 24) else None,
            )
    for n, share in POWER.items():
        yield Case(
            name=f"one of 8 rivals better by {GAIN:g} AUC, {n:,} rows",
            check=partial(check_better, n=n, rivals=8, share=share),
            repeats=100,
        )


def check_equal(seeds: Sequence[int], n: int, rivals: int) -> Iterator[Promise]:
    """Count how often an equal recipe replaces the champion's."""
    hits = sum(replaces(seed, n, rivals, gain=0.0) for seed in seeds)
    quantity = "share of builds that replace the champion's recipe"
    yield Promise(quantity=quantity, came_true=Share(hits, len(seeds)), most=FALSE)


def check_better(seeds: Sequence[int], n: int, rivals: int, share: float) -> Iterator[Promise]:
    """Count how often a better recipe replaces the champion's."""
    hits = sum(replaces(seed, n, rivals, gain=GAIN) for seed in seeds)
    quantity = "share of builds that replace the champion's recipe"
    yield Promise(quantity=quantity, came_true=Share(hits, len(seeds)), least=share)


def replaces(seed: int, n: int, rivals: int, gain: float) -> bool:
    """Return whether a build over simulated recipes lets another recipe serve than the champion's."""
    random = np.random.default_rng(seed)
    world = World.draw(random, n, AUC, gain=gain)
    # Beside the rivals the baseline takes part, unless only one recipe is tried.
    problem = Classification(
        candidates=rivals + (rivals > 1), seed=seed, keep=3, pictures=0.0, infer_limit=LIMIT
    )
    decided = builds.run(
        problem, world.dataset(problem, random), champion(), world.pool, until=Decided
    ).decided
    return not decided.incumbent_kept and decided.hold_reason is None


def champion(score: float = AUC) -> Incumbent:
    """Return a champion with a recipe that no search tries."""
    return Incumbent(
        family="forest",
        hyperparameters=CHAMPION,
        metric="roc_auc",
        score=score,
        fingerprint="earlier",
        classes=("c0", "c1"),
    )
