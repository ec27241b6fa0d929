"""Candidates, and the families that they belong to."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.random import Generator

from ...columns import Column

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline

#: Hyperparameters by name, in JSON's own types.
Hyperparameters = dict[str, Any]
#: Builds an estimator, not fitted, from hyperparameters, columns and seed.
EstimatorFactory = Callable[[Hyperparameters, Sequence[Column], int], "BaseEstimator"]
#: Builds the preprocessing, not fitted, of these columns.
Preprocessing = Callable[[Sequence[Column]], "ColumnTransformer | Pipeline"]

_Choice = TypeVar("_Choice")


def full_recipe(hyperparameters: Mapping[str, Any]) -> Hyperparameters:
    """Return the hyperparameters of a recipe that learns from all rows."""
    return {name: value for name, value in hyperparameters.items() if name != "rows"}


@dataclass(frozen=True, eq=False)
class Candidate:
    """A recipe: a family with hyperparameters. Candidates with the same recipe are equal."""

    family: str
    hyperparameters: Hyperparameters
    #: Whether this is the champion's recipe.
    incumbent: bool = False

    @cached_property
    def key(self) -> str:
        """Short hash of the recipe, equal in every build."""
        recipe = json.dumps([self.family, self.hyperparameters], sort_keys=True)
        return hashlib.sha256(recipe.encode()).hexdigest()[:16]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Candidate) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __str__(self) -> str:
        if members := self.hyperparameters.get("members"):
            average = " + ".join(f"{each['weight']:.2g} {each['family']}" for each in members)
            if folds := self.hyperparameters.get("parts"):
                average = f"{folds} fold models of {average if len(members) > 1 else members[0]['family']}"
            return f"{self.family} ({average})"
        settings = ", ".join(f"{name}={value}" for name, value in self.hyperparameters.items())
        return f"{self.family} ({settings})" if settings else self.family


@dataclass(frozen=True, kw_only=True)
class Family:
    """A type of estimator for one task, and the hyperparameters that are tried."""

    name: str
    prepare: Preprocessing
    estimator: EstimatorFactory
    #: Proven hyperparameters, best first.
    defaults: tuple[Hyperparameters, ...]
    #: Hyperparameters of which the validation curve is of the first that a candidate has; empty: it has no such curve.
    main: tuple[str, ...]
    #: Proven hyperparameters if rows are many; None: the same.
    defaults_for_many_rows: tuple[Hyperparameters, ...] | None = None
    #: Draws random hyperparameters; None: only the defaults are tried.
    draw: Callable[[Generator], Hyperparameters] | None = None
    #: Whether a clustering needs the number of clusters.
    needs_clusters: bool = True
    #: Whether feature selection may drop columns after the preprocessing.
    allows_selection: bool = True
    #: Upper bound of the rows that it can handle in reasonable time; None: no bound.
    most_rows: int | None = None


def index_by_name(*families: Family) -> Mapping[str, Family]:
    """Map the families' names to the families."""
    return {family.name: family for family in families}


def seeded(estimator: "type[BaseEstimator]", **fixed: object) -> EstimatorFactory:
    """Return a factory that passes the hyperparameters and the seed to the constructor.

    Args:
        fixed: Further arguments of the constructor.
    """

    def build(hyperparameters: Hyperparameters, columns: Sequence[Column], seed: int) -> "BaseEstimator":
        return estimator(**fixed, **hyperparameters, random_state=seed)

    return build


def seedless(estimator: "type[BaseEstimator]", **fixed: object) -> EstimatorFactory:
    """Return a factory like that of `seeded`, for an estimator without randomness."""

    def build(hyperparameters: Hyperparameters, columns: Sequence[Column], seed: int) -> "BaseEstimator":
        return estimator(**fixed, **hyperparameters)

    return build


def log_uniform(random: Generator, low: float, high: float) -> float:
    """Draw a log-uniform number, rounded to four significant digits so that it is readable in JSON."""
    return float(f"{np.exp(random.uniform(np.log(low), np.log(high))):.4g}")


def choose(random: Generator, values: Sequence[_Choice]) -> _Choice:
    """Draw one of the values."""
    return values[int(random.integers(len(values)))]
