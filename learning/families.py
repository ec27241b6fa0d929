"""The families that compete: estimators with their preprocessing, and the hyperparameters that are tried
with each.

Each family brings a portfolio of defaults known to be good; beyond it hyperparameters are drawn from the
seed.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.random import Generator
from sklearn.cluster import AgglomerativeClustering, KMeans
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import Pipeline

from . import preprocess
from .clusters import Clusters
from .columns import Column

Hyperparameters = dict[str, Any]


@dataclass(frozen=True)
class Candidate:
    """An estimator with its hyperparameters set, in the contest."""

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

    def __hash__(self) -> int:
        return hash(self.key)

    def __str__(self) -> str:
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
    #: Hyperparameters by chance. None: the defaults are all there is to try.
    draw: Callable[[Generator], Hyperparameters] | None = None


def names(task: str) -> tuple[str, ...]:
    """The families that know this task, in the order in which they are tried."""
    return tuple(FAMILIES[task])


def pipeline(task: str, candidate: Candidate, columns: Sequence[Column], seed: int) -> Pipeline:
    """The candidate, not fitted, as a pipeline that takes what `dataset.frame` makes of these columns."""
    family = FAMILIES[task][candidate.family]
    estimator = family.estimator(candidate.hyperparameters, columns, seed)
    return Pipeline([("prepare", family.prepare(columns)), ("estimate", estimator)])


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


def _between(random: Generator, low: float, high: float) -> float:
    """Log-uniform between the two; four digits, so that JSON and people can carry it."""
    return float(f"{np.exp(random.uniform(np.log(low), np.log(high))):.4g}")


def _one_of(random: Generator, values: Sequence[Any]) -> Any:
    return values[int(random.integers(len(values)))]


def _draw_boosting(random: Generator) -> Hyperparameters:
    return {
        "learning_rate": _between(random, 0.02, 0.3),
        "max_iter": _one_of(random, (60, 100, 200)),
        "max_leaf_nodes": _one_of(random, (4, 7, 15, 31)),
        "min_samples_leaf": _one_of(random, (5, 10, 20, 40)),
        "l2_regularization": _between(random, 0.001, 10),
    }


def _draw_trees(random: Generator) -> Hyperparameters:
    return {
        "n_estimators": _one_of(random, (100, 200)),
        "min_samples_leaf": _one_of(random, (1, 2, 3, 5, 10)),
        "max_features": _one_of(random, (0.2, 0.35, 0.5, 0.75, 1.0)),
    }


def _made_of(
    estimator: Callable[..., Any], **fixed: Any
) -> Callable[[Hyperparameters, Sequence[Column], int], Any]:
    """An estimator whose constructor takes the hyperparameters as they are."""

    def make(hyperparameters: Hyperparameters, columns: Sequence[Column], seed: int) -> Any:
        return estimator(**fixed, **hyperparameters, random_state=seed)

    return make


def _boosting(estimator: Callable[..., Any]) -> Callable[[Hyperparameters, Sequence[Column], int], Any]:
    # Early stopping would hold back a part of each fold's rows, and small data have none to spare.
    def make(hyperparameters: Hyperparameters, columns: Sequence[Column], seed: int) -> Any:
        coded = preprocess.coded(columns)
        fixed = {"early_stopping": False, "categorical_features": coded or None}
        return estimator(**fixed, **hyperparameters, random_state=seed)

    return make


def _kmeans(hyperparameters: Hyperparameters, columns: Sequence[Column], seed: int) -> Clusters:
    return Clusters(KMeans(n_clusters=hyperparameters["clusters"], n_init=10, random_state=seed))


def _mixture(hyperparameters: Hyperparameters, columns: Sequence[Column], seed: int) -> Clusters:
    # The default ridge of 1e-6 lets a component collapse onto a few rows of standardised data.
    own = {name: value for name, value in hyperparameters.items() if name != "clusters"}
    mixture = GaussianMixture(hyperparameters["clusters"], n_init=3, reg_covar=1e-2, random_state=seed, **own)
    return Clusters(mixture)


def _agglomerative(hyperparameters: Hyperparameters, columns: Sequence[Column], seed: int) -> Clusters:
    linkage = hyperparameters["linkage"]
    return Clusters(AgglomerativeClustering(hyperparameters["clusters"], linkage=linkage), seed=seed)


def _by_name(*families: Family) -> Mapping[str, Family]:
    return {family.name: family for family in families}


_BOOSTING_DEFAULTS: tuple[Hyperparameters, ...] = (
    {
        "learning_rate": 0.1,
        "max_iter": 100,
        "max_leaf_nodes": 31,
        "min_samples_leaf": 20,
        "l2_regularization": 0.0,
    },
    {
        "learning_rate": 0.04,
        "max_iter": 200,
        "max_leaf_nodes": 6,
        "min_samples_leaf": 10,
        "l2_regularization": 1.0,
    },
)
_TREES_DEFAULTS: tuple[Hyperparameters, ...] = (
    {"n_estimators": 100, "min_samples_leaf": 1, "max_features": "sqrt"},
    {"n_estimators": 100, "min_samples_leaf": 3, "max_features": 0.5},
)

FAMILIES: Mapping[str, Mapping[str, Family]] = {
    "CLASSIFICATION": _by_name(
        Family(
            name="linear",
            prepare=preprocess.scaled,
            estimator=_made_of(LogisticRegression, max_iter=2_000),
            defaults=({"C": 1.0}, {"C": 0.1}),
            draw=lambda random: {"C": _between(random, 0.003, 100)},
        ),
        Family(
            name="boosting",
            prepare=preprocess.ordinal,
            estimator=_boosting(HistGradientBoostingClassifier),
            defaults=_BOOSTING_DEFAULTS,
            draw=_draw_boosting,
        ),
        Family(
            name="extra_trees",
            prepare=preprocess.plain,
            estimator=_made_of(ExtraTreesClassifier),
            defaults=_TREES_DEFAULTS,
            draw=_draw_trees,
        ),
        Family(
            name="forest",
            prepare=preprocess.plain,
            estimator=_made_of(RandomForestClassifier),
            defaults=_TREES_DEFAULTS,
            draw=_draw_trees,
        ),
        Family(
            name="baseline",
            prepare=preprocess.plain,
            estimator=_made_of(DummyClassifier, strategy="prior"),
            defaults=({},),
        ),
    ),
    "REGRESSION": _by_name(
        Family(
            name="linear",
            prepare=preprocess.scaled,
            estimator=_made_of(Ridge),
            defaults=({"alpha": 1.0}, {"alpha": 30.0}),
            draw=lambda random: {"alpha": _between(random, 0.01, 1_000)},
        ),
        Family(
            name="boosting",
            prepare=preprocess.ordinal,
            estimator=_boosting(HistGradientBoostingRegressor),
            defaults=_BOOSTING_DEFAULTS,
            draw=_draw_boosting,
        ),
        Family(
            name="extra_trees",
            prepare=preprocess.plain,
            estimator=_made_of(ExtraTreesRegressor),
            defaults=_TREES_DEFAULTS,
            draw=_draw_trees,
        ),
        Family(
            name="forest",
            prepare=preprocess.plain,
            estimator=_made_of(RandomForestRegressor),
            defaults=_TREES_DEFAULTS,
            draw=_draw_trees,
        ),
        Family(
            name="baseline",
            prepare=preprocess.plain,
            estimator=lambda hyperparameters, columns, seed: DummyRegressor(),
            defaults=({},),
        ),
    ),
    "CLUSTERING": _by_name(
        Family(name="kmeans", prepare=preprocess.dense, estimator=_kmeans, defaults=({},)),
        Family(
            name="mixture",
            prepare=preprocess.dense,
            estimator=_mixture,
            defaults=({"covariance_type": "diag"}, {"covariance_type": "full"}),
        ),
        Family(
            name="agglomerative",
            prepare=preprocess.dense,
            estimator=_agglomerative,
            defaults=({"linkage": "ward"}, {"linkage": "average"}),
        ),
    ),
}
