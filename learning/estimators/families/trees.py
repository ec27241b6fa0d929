"""What boosting and forests have in common, whatever the task."""

from collections.abc import Callable, Sequence
from typing import Any

from numpy.random import Generator

from ...columns import Column
from .. import preprocess
from .family import Hyperparameters, between, one_of


def draw_boosting(random: Generator) -> Hyperparameters:
    return {
        "learning_rate": between(random, 0.02, 0.3),
        "max_iter": one_of(random, (100, 200, 400)),
        "max_leaf_nodes": one_of(random, (4, 7, 15, 31)),
        "min_samples_leaf": one_of(random, (5, 10, 20, 40)),
        "l2_regularization": between(random, 0.001, 10),
        "max_features": one_of(random, (0.3, 0.6, 1.0)),
    }


def draw_trees(random: Generator) -> Hyperparameters:
    return {
        "n_estimators": one_of(random, (100, 200)),
        "min_samples_leaf": one_of(random, (1, 2, 3, 5, 10)),
        "max_features": one_of(random, (0.2, 0.35, 0.5, 0.75, 1.0)),
    }


def boosting(estimator: Callable[..., Any]) -> Callable[[Hyperparameters, Sequence[Column], int], Any]:
    # Early stopping would hold back a part of each fold's rows, and small data have none to spare.
    def make(hyperparameters: Hyperparameters, columns: Sequence[Column], seed: int) -> Any:
        coded = preprocess.coded(columns)
        fixed = {"early_stopping": False, "categorical_features": coded or None}
        return estimator(**fixed, **hyperparameters, random_state=seed)

    return make


BOOSTING: tuple[Hyperparameters, ...] = (
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
    {"learning_rate": 0.06, "max_iter": 200, "max_leaf_nodes": 24, "max_features": 0.4},
    {"learning_rate": 0.1, "max_iter": 150, "max_depth": 2},
)
BOOSTING_OF_MANY: tuple[Hyperparameters, ...] = (
    BOOSTING[0],
    {"learning_rate": 0.07, "max_iter": 300, "max_leaf_nodes": 31, "max_features": 0.5},
    {
        "learning_rate": 0.05,
        "max_iter": 600,
        "max_leaf_nodes": 48,
        "max_features": 0.4,
        "l2_regularization": 1.0,
    },
    {"learning_rate": 0.1, "max_iter": 400, "max_leaf_nodes": 8, "max_features": 0.7},
)
CLASSIFYING_TREES: tuple[Hyperparameters, ...] = (
    {"n_estimators": 100, "min_samples_leaf": 1, "max_features": "sqrt"},
    {"n_estimators": 200, "min_samples_leaf": 3, "max_features": "sqrt"},
    {"n_estimators": 200, "min_samples_leaf": 2, "max_features": 0.8},
)
ESTIMATING_TREES: tuple[Hyperparameters, ...] = (
    {"n_estimators": 100, "min_samples_leaf": 1, "max_features": 0.7},
    {"n_estimators": 200, "min_samples_leaf": 3, "max_features": 0.7},
    {"n_estimators": 200, "min_samples_leaf": 1, "max_features": 1.0},
)
