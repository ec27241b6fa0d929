"""Who takes part in a search: each family's portfolio of defaults known to be good, then draws."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.random import Generator

from .families import FAMILIES, Candidate, Family, Hyperparameters


def candidates(
    task: str, among: Sequence[str] | None, count: int, seed: int, clusters: Sequence[int] = ()
) -> list[Candidate]:
    """`count` different candidates of the families `among` (None: all), or as many as there are.

    The families take turns, each with its portfolio first and then with draws; a larger count only adds to
    the end.
    """
    chosen = [family for name, family in FAMILIES[task].items() if among is None or name in among]
    found: dict[str, Candidate] = {}
    for candidate in _turns(chosen, count, seed, clusters):
        if len(found) == count:
            break
        found.setdefault(candidate.key, candidate)
    return list(found.values())


def _turns(chosen: Sequence[Family], count: int, seed: int, clusters: Sequence[int]) -> Iterator[Candidate]:
    """The portfolios, then draws enough for `count` even if many come twice."""
    generators = {family.name: np.random.default_rng([seed, index]) for index, family in enumerate(chosen)}
    longest = max(len(_portfolio(family, clusters)) for family in chosen)
    for turn in range(longest):
        for family in chosen:
            portfolio = _portfolio(family, clusters)
            if turn < len(portfolio):
                yield Candidate(family.name, portfolio[turn])
    for _ in range(2 * count):
        for family in chosen:
            if family.draw is not None:
                drawn = family.draw(generators[family.name])
                yield Candidate(family.name, _with_clusters(drawn, clusters, generators[family.name]))


def _portfolio(family: Family, clusters: Sequence[int]) -> list[Hyperparameters]:
    """A clustering family's defaults, each with every number of clusters."""
    if not clusters:
        return list(family.defaults)
    return [{"clusters": k} | defaults for defaults in family.defaults for k in clusters]


def _with_clusters(drawn: Hyperparameters, clusters: Sequence[int], random: Generator) -> Hyperparameters:
    return {"clusters": int(random.choice(clusters))} | drawn if clusters else drawn
