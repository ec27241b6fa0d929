"""Point 10: clusters that are served, beside those that were planted."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
from numpy.random import Generator
from sklearn.metrics import adjusted_rand_score

from learning.build import Decided
from learning.problem import Clustering

from . import builds, planted
from .builds import Outcome
from .cases import Case
from .planted import Sample
from .promises import Promise, Share

TITLE = "Clusters"
POINT = 10
ROWS, FRESH = 400, 600
#: Least agreement with the planted clusters (adjusted Rand index) that counts as found.
FOUND = 0.8

Draw = Callable[[Generator, int], Sample]


def cases() -> Iterator[Case]:
    """List the cases."""
    yield Case(name="one normal cloud", check=check_cloud, repeats=4, small=3)
    for name, draw in (
        ("three stretched clusters", planted.stretched),
        ("two moons", planted.moons),
        ("two rings", planted.rings),
        ("eight blobs", planted.blobs),
        ("four blobs, four columns of noise", planted.blobs_beside_noise),
        ("four blobs, a tenth of the rows noise", planted.blobs_within_noise),
    ):
        yield Case(
            name=name,
            check=partial(check_planted, draw=draw),
            repeats=4,
            small=3 if draw is planted.blobs else None,
        )
    yield Case(name="eight blobs, a champion of other clusters", check=check_disagreement, repeats=4)


def check_cloud(seeds: Sequence[int]) -> Iterator[Promise]:
    """Count how often clusters of a cloud serve."""
    served = sum(run(planted.cloud(np.random.default_rng(seed), ROWS), seed).serves_first for seed in seeds)
    quantity = "share of builds that serve clusters"
    yield Promise(quantity=quantity, came_true=Share(served, len(seeds)), most=0.05)


def check_planted(seeds: Sequence[int], draw: Draw) -> Iterator[Promise]:
    """Count how often the planted clusters are found on fresh rows, and how often others serve without a word."""
    found = wrong = 0
    for seed in seeds:
        random = np.random.default_rng(seed)
        learn, fresh = draw(random, ROWS), draw(random, FRESH)
        outcome = run(learn, seed)
        answers = outcome.fitted.model.predict(fresh.rows)
        clusters = np.array([answer.cluster for answer in answers])  # type: ignore[union-attr]
        members = fresh.y >= 0
        agrees = adjusted_rand_score(fresh.y[members], clusters[members]) >= FOUND
        found += agrees and outcome.serves_first
        wrong += not agrees and outcome.serves_first
    quantity = "share of builds that serve other clusters"
    yield Promise(quantity=quantity, came_true=Share(wrong, len(seeds)), most=0.05)
    quantity = "share of builds that serve the planted clusters"
    yield Promise(quantity=quantity, came_true=Share(found, len(seeds)), least=0.95)


def check_disagreement(seeds: Sequence[int]) -> Iterator[Promise]:
    """Count how often clusters replace a champion's that agree with them by chance only."""
    served = 0
    for seed in seeds:
        random = np.random.default_rng(seed)
        sample, problem = planted.blobs(random, ROWS), Clustering(pictures=0.0, seed=seed)
        data = sample.dataset(problem)
        champion = builds.run(problem, data).champion(planted.blobs(random, ROWS).dataset(problem, "earlier"))
        champion = builds.with_clusters(champion, random.integers(0, 8, ROWS))
        served += not builds.run(problem, data, champion, until=Decided).is_held
    quantity = "share of builds that replace them without a word"
    yield Promise(quantity=quantity, came_true=Share(served, len(seeds)), most=0.05)


def run(sample: Sample, seed: int) -> Outcome:
    """Run a build."""
    problem = Clustering(pictures=0.0, seed=seed)
    return builds.run(problem, sample.dataset(problem))
