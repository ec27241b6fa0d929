"""A candidate, and a family that candidates belong to."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.random import Generator

from ...columns import Column

Hyperparameters = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Candidate:
    """An estimator with its hyperparameters set, in the contest; the same recipe is the same candidate."""

    family: str
    #: In JSON's own types.
    hyperparameters: Hyperparameters
    #: Whether this is the champion's recipe back in the contest.
    incumbent: bool = False

    @cached_property
    def key(self) -> str:
        """A short hash of family and hyperparameters: the same for the same recipe in every build."""
        recipe = json.dumps([self.family, self.hyperparameters], sort_keys=True)
        return hashlib.sha256(recipe.encode()).hexdigest()[:16]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Candidate) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __str__(self) -> str:
        if members := self.hyperparameters.get("members"):
            weighed = " + ".join(f"{each['weight']:.2g} {each['family']}" for each in members)
            if parts := self.hyperparameters.get("parts"):
                weighed = f"{parts} fold models of {weighed if len(members) > 1 else members[0]['family']}"
            return f"{self.family} ({weighed})"
        settings = ", ".join(f"{name}={value}" for name, value in self.hyperparameters.items())
        return f"{self.family} ({settings})" if settings else self.family


@dataclass(frozen=True, kw_only=True)
class Family:
    """A kind of estimator for one task."""

    name: str
    #: Turns the frame into what the estimator takes.
    prepare: Callable[[Sequence[Column]], Any]
    #: `(hyperparameters, columns, seed)` to an estimator that is not fitted.
    estimator: Callable[[Hyperparameters, Sequence[Column], int], Any]
    #: Hyperparameters known to be good, best first.
    defaults: tuple[Hyperparameters, ...]
    #: What is better where rows are many. None: the same.
    of_many: tuple[Hyperparameters, ...] | None = None
    #: Hyperparameters by chance. None: the defaults are all there is to try.
    draw: Callable[[Generator], Hyperparameters] | None = None
    #: Whether it is told the number of clusters.
    counted: bool = True
    #: Whether single columns of what `prepare` makes may be left out.
    selective: bool = True
    #: With more rows than this it takes too long to be tried. None: with any.
    most_rows: int | None = None


def by_name(*families: Family) -> Mapping[str, Family]:
    return {family.name: family for family in families}


def made_of(
    estimator: Callable[..., Any], **fixed: Any
) -> Callable[[Hyperparameters, Sequence[Column], int], Any]:
    """An estimator whose constructor takes the hyperparameters as they are."""

    def make(hyperparameters: Hyperparameters, columns: Sequence[Column], seed: int) -> Any:
        return estimator(**fixed, **hyperparameters, random_state=seed)

    return make


def seedless(
    estimator: Callable[..., Any], **fixed: Any
) -> Callable[[Hyperparameters, Sequence[Column], int], Any]:
    """As `made_of`, for an estimator that draws nothing."""

    def make(hyperparameters: Hyperparameters, columns: Sequence[Column], seed: int) -> Any:
        return estimator(**fixed, **hyperparameters)

    return make


def between(random: Generator, low: float, high: float) -> float:
    """Log-uniform between the two; four digits, so that JSON and people can carry it."""
    return float(f"{np.exp(random.uniform(np.log(low), np.log(high))):.4g}")


def one_of(random: Generator, values: Sequence[Any]) -> Any:
    return values[int(random.integers(len(values)))]
