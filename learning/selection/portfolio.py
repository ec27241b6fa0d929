"""Who takes part in a search: recipes known to be good, variants of those that lead, then draws."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, zip_longest

import numpy as np
from numpy.random import Generator
from scipy.stats import skew

from ..columns import Kind
from ..dataset import Dataset
from ..estimators.families import Candidate, Hyperparameters
from ..estimators.families.catalogue import FAMILIES
from ..estimators.families.family import Family
from ..problem import Clustering, Problem

#: The order in which families have their turns, which is what a short search gets through: one recipe each time. Those
#: who are not named follow, in turns.
ORDER = (
    *("linear", "baseline", "boosting", "extra_trees", "boosting", "forest", "naive_bayes", "linear"),
    *("kernel_svm", "kernel_svm", "extra_trees", "mlp", "boosting", "boosting", "neighbours", "linear"),
)
#: The same where rows are many: what takes them quickly.
ORDER_OF_MANY = (
    *("linear", "baseline", "boosting", "boosting", "boosting", "extra_trees"),
    *("mlp", "boosting", "forest", "naive_bayes", "linear", "neighbours", "linear"),
)
#: The same where there are texts: what takes thousands of words as they are.
ORDER_OF_TEXTS = ("linear", "baseline", "svm", "naive_bayes", "svm", "boosting", "linear", "extra_trees")
#: From this number of rows on they are many.
MANY_ROWS = 10_000
#: With more numbers than this their products are too many.
MOST_FACTORS = 20


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What of a dataset the choice of candidates depends on."""

    rows: int
    #: Columns of numbers.
    numbers: int = 1
    #: Columns of texts.
    texts: int = 0
    #: Whether the label is a number with a long tail.
    skewed: bool = False

    @classmethod
    def of(cls, dataset: Dataset) -> "Shape":
        kinds = [column.kind for column in dataset.columns]
        return cls(
            rows=len(dataset),
            numbers=sum(kind not in (Kind.CATEGORY, Kind.TEXT) for kind in kinds),
            texts=kinds.count(Kind.TEXT),
            skewed=dataset.y is not None and not dataset.classes and abs(skew(dataset.y)) > 1,
        )

    def suits(self, candidate: Candidate) -> bool:
        """Whether it can learn something from such data that others cannot."""
        match candidate.hyperparameters.get("prepare"):
            case "products":
                return 1 < self.numbers <= MOST_FACTORS
            case "normal":
                return self.numbers > 0
            case "positive":
                return self.texts > 0
            case _:
                return True


def opening(problem: Problem, shape: Shape, among: Sequence[str] | None) -> list[Candidate]:
    """The families' recipes known to be good, those first that are good most often; `among` these families, or all
    that can take so many rows. The baseline is among the first, by which all are measured.
    """
    families = _families(problem, shape, among)
    recipes = {f.name: [c for c in _recipes(f, problem, shape) if shape.suits(c)] for f in families}
    first = [recipes[name].pop(0) for name in _order(shape) if recipes.get(name)]
    turns = zip_longest(*recipes.values())
    return [*first, *(candidate for turn in turns for candidate in turn if candidate is not None)]


def _order(shape: Shape) -> Sequence[str]:
    if shape.texts:
        return ORDER_OF_TEXTS
    return ORDER_OF_MANY if shape.rows >= MANY_ROWS else ORDER


def variants(problem: Problem, leader: Candidate, shape: Shape, doubtful: Sequence[str]) -> list[Candidate]:
    """What may make a good recipe better: fewer columns, and ranks where the label has a long tail."""
    if isinstance(problem, Clustering):
        return []
    own: list[Hyperparameters] = []
    if "features" not in leader.hyperparameters:
        own += [{"features": "sound"}] if doubtful else []
        own += [{"features": "best"}] if FAMILIES[problem.task][leader.family].selective else []
    if shape.skewed and "target" not in leader.hyperparameters:
        own.append({"target": "ranks"})
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


def _recipes(family: Family, problem: Problem, shape: Shape) -> list[Candidate]:
    """A clustering family's recipes each have every number of clusters, unless it finds that out."""
    many = family.of_many if shape.rows >= MANY_ROWS else None
    if not isinstance(problem, Clustering) or not family.counted:
        return [Candidate(family.name, dict(recipe)) for recipe in many or family.defaults]
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
