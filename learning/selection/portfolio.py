"""Portfolio of a search: the families' proven recipes, variants of the leading candidates, and random draws."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, zip_longest

import numpy as np
from numpy.random import Generator
from scipy.stats import skew

from ..dataset import Dataset
from ..estimators.families import Candidate, Hyperparameters
from ..estimators.families.catalogue import FAMILIES
from ..estimators.families.family import Family
from ..problem import Clustering, Problem

#: Families in the order in which each contributes its next recipe, so that a short search covers the best. Families
#: that are not named follow in turns.
ORDER = (
    *("linear", "baseline", "boosting", "extra_trees", "boosting", "forest", "naive_bayes", "linear"),
    *("kernel_svm", "kernel_svm", "extra_trees", "mlp", "boosting", "boosting", "neighbours", "linear"),
)
#: Order for many rows: families that scale.
ORDER_OF_MANY = (
    *("linear", "baseline", "boosting", "boosting", "boosting", "extra_trees"),
    *("mlp", "boosting", "forest", "naive_bayes", "linear", "neighbours", "linear"),
)
#: Order for texts: families that take thousands of sparse words.
ORDER_OF_TEXTS = ("linear", "baseline", "svm", "naive_bayes", "svm", "boosting", "linear", "extra_trees")
#: Least number of rows that counts as many.
MANY_ROWS = 10_000
#: Smoothings of open categories beside the one that the data suggest: little and much.
SMOOTHINGS = (2.0, 50.0)
#: Upper bound of the number of numeric columns whose products are computed.
MOST_FACTORS = 20


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Properties of a dataset that the choice of candidates depends on."""

    rows: int
    #: Number of numeric columns.
    numbers: int = 1
    #: Number of text columns, and of open categories.
    texts: int = 0
    open_categories: int = 0
    #: Whether the label is a number with a long tail.
    skewed: bool = False

    @classmethod
    def from_dataset(cls, dataset: Dataset) -> "Shape":
        """Read the properties of a dataset."""
        kinds = [column.kind for column in dataset.columns]
        return cls(
            rows=len(dataset),
            numbers=sum(kind.is_numeric for kind in kinds),
            texts=sum(kind.is_text for kind in kinds),
            open_categories=sum(kind.is_open for kind in kinds),
            skewed=dataset.y is not None and not dataset.classes and abs(skew(dataset.y)) > 1,
        )

    def suits(self, candidate: Candidate) -> bool:
        """Return whether the candidate's preprocessing differs from the default on such data."""
        match candidate.hyperparameters.get("prepare"):
            case "products":
                return 1 < self.numbers <= MOST_FACTORS
            case "normal":
                return self.numbers + self.open_categories > 0
            case "positive":
                return self.texts > 0
            case _:
                return True


def opening(problem: Problem, shape: Shape, among: Sequence[str] | None) -> list[Candidate]:
    """List the families' proven recipes, those first that win most often.

    The baseline is among the first, as a reference for all others.

    Args:
        among: Names of families; None: all that can handle so many rows.
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
    """List variants of a good recipe.

    With fewer columns; with ranks as the target if the label has a long tail; with other smoothings of open categories.
    """
    if isinstance(problem, Clustering):
        return []
    changes: list[Hyperparameters] = []
    if "features" not in leader.hyperparameters:
        changes += [{"features": "sound"}] if doubtful else []
        changes += [{"features": "best"}] if FAMILIES[problem.task][leader.family].allows_selection else []
    if shape.skewed and "target" not in leader.hyperparameters:
        changes.append({"target": "ranks"})
    if shape.open_categories and "smoothing" not in leader.hyperparameters:
        changes += [{"smoothing": smoothing} for smoothing in SMOOTHINGS]
    return [Candidate(leader.family, leader.hyperparameters | more) for more in changes]


def draws(problem: Problem, families: Sequence[str], shape: Shape) -> Iterator[Candidate]:
    """Draw random candidates of these families in turns, without end; each family has its own random generator.

    Yields nothing if none of the families can be drawn from.
    """
    names = list(FAMILIES[problem.task])
    drawable = [family for family in _families(problem, shape, families) if family.draw is not None]
    generators = {f.name: np.random.default_rng([problem.seed, names.index(f.name)]) for f in drawable}
    for _ in count() if drawable else ():
        for family in drawable:
            yield _draw(family, problem, generators[family.name])


def _families(problem: Problem, shape: Shape, among: Sequence[str] | None) -> list[Family]:
    """List the families that can handle so many rows; all of those named if none can."""
    named = [f for name, f in FAMILIES[problem.task].items() if among is None or name in among]
    feasible = [f for f in named if f.most_rows is None or shape.rows <= f.most_rows]
    return feasible or named


def _recipes(family: Family, problem: Problem, shape: Shape) -> list[Candidate]:
    """List the family's proven recipes; those of a clustering that needs it with each number of clusters."""
    many = family.defaults_for_many_rows if shape.rows >= MANY_ROWS else None
    if not isinstance(problem, Clustering) or not family.needs_clusters:
        return [Candidate(family.name, dict(recipe)) for recipe in many or family.defaults]
    return [
        Candidate(family.name, {"clusters": k} | recipe)
        for recipe in family.defaults
        for k in problem.clusters
    ]


def _draw(family: Family, problem: Problem, random: Generator) -> Candidate:
    assert family.draw is not None
    hyperparameters = family.draw(random)
    if isinstance(problem, Clustering):
        hyperparameters = {"clusters": int(random.choice(problem.clusters))} | hyperparameters
    return Candidate(family.name, hyperparameters)
