"""Who takes part in a search: recipes known to be good, variants of those that lead, then draws."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, zip_longest

import numpy as np
from numpy.random import Generator

from .dataset import Dataset
from .families import FAMILIES, Candidate, Family, Hyperparameters
from .problem import Clustering, Problem

#: Parts of the rows that an average's models each leave one out of.
PARTS = 5
#: Families that an average makes better: their models vary with the rows that they see.
VARYING = ("boosting", "extra_trees", "forest", "mlp")


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What of a dataset the choice of candidates depends on."""

    rows: int

    @classmethod
    def of(cls, dataset: Dataset) -> "Shape":
        return cls(rows=len(dataset))


def opening(problem: Problem, shape: Shape, among: Sequence[str] | None) -> list[Candidate]:
    """Each family's recipes known to be good, the families in turns; `among` these, or all that can take so many
    rows. The baseline is among the first, by which all are measured.
    """
    turns = zip_longest(*(_recipes(family, problem) for family in _families(problem, shape, among)))
    found = [candidate for turn in turns for candidate in turn if candidate is not None]
    baselines = [c for c in found if c.family == "baseline"]
    others = [c for c in found if c.family != "baseline"]
    return [*others[:1], *baselines, *others[1:]]


def variants(task: str, leader: Candidate, shape: Shape, doubtful: Sequence[str]) -> list[Candidate]:
    """What may make a good recipe better: averaged, and without the columns that the analysis doubts."""
    own: list[Hyperparameters] = []
    if leader.family in VARYING and "parts" not in leader.hyperparameters:
        own.append({"parts": PARTS})
    if doubtful and "features" not in leader.hyperparameters:
        own.append({"features": "sound"})
    if task == "CLUSTERING":
        return []
    return [Candidate(leader.family, leader.hyperparameters | more) for more in own]


def draws(problem: Problem, families: Sequence[str], shape: Shape) -> Iterator[Candidate]:
    """Candidates by chance, without end, the families in turns; each family draws from a generator of its own.

    None where none of the families can be drawn from.
    """
    known = list(FAMILIES[problem.task])
    drawn = [family for family in _families(problem, shape, families) if family.draw is not None]
    generators = {f.name: np.random.default_rng([problem.seed, known.index(f.name)]) for f in drawn}
    for _ in count() if drawn else ():
        for family in drawn:
            yield _drawn(family, problem, generators[family.name])


def _families(problem: Problem, shape: Shape, among: Sequence[str] | None) -> list[Family]:
    """In the order in which they are tried; too many rows for all of them leave those that were named."""
    named = [f for name, f in FAMILIES[problem.task].items() if among is None or name in among]
    able = [f for f in named if f.most_rows is None or shape.rows <= f.most_rows]
    return able or named


def _recipes(family: Family, problem: Problem) -> list[Candidate]:
    """A clustering family's recipes each have every number of clusters."""
    if not isinstance(problem, Clustering):
        return [Candidate(family.name, dict(recipe)) for recipe in family.defaults]
    return [
        Candidate(family.name, {"clusters": k} | recipe)
        for recipe in family.defaults
        for k in problem.clusters
    ]


def _drawn(family: Family, problem: Problem, random: Generator) -> Candidate:
    assert family.draw is not None
    drawn = family.draw(random)
    if isinstance(problem, Clustering):
        drawn = {"clusters": int(random.choice(problem.clusters))} | drawn
    return Candidate(family.name, drawn)
