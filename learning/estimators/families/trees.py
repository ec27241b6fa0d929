"""Hyperparameters and factories of boosting and forests, for all tasks."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from numpy.random import Generator

from ...columns import Column
from .. import preprocess
from .family import EstimatorFactory, Hyperparameters, choose, log_uniform

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator


def draw_boosting(random: Generator) -> Hyperparameters:
    """Draw hyperparameters of histogram boosting."""
    return {
        "learning_rate": log_uniform(random, 0.02, 0.3),
        "max_iter": choose(random, (100, 200, 400)),
        "max_leaf_nodes": choose(random, (4, 7, 15, 31)),
        "min_samples_leaf": choose(random, (5, 10, 20, 40)),
        "l2_regularization": log_uniform(random, 0.001, 10),
        "max_features": choose(random, (0.3, 0.6, 1.0)),
    }


def draw_trees(random: Generator) -> Hyperparameters:
    """Draw hyperparameters of forests."""
    return {
        "n_estimators": choose(random, (100, 200)),
        "min_samples_leaf": choose(random, (1, 2, 3, 5, 10)),
        "max_features": choose(random, (0.2, 0.35, 0.5, 0.75, 1.0)),
    }


def boosting_factory(estimator: "type[BaseEstimator]") -> EstimatorFactory:
    """Return a factory of scikit-learn's histogram boosting that names the columns of codes."""

    # No early stopping, because it would hold out a part of each fold's rows, which small data cannot spare.
    def build(hyperparameters: Hyperparameters, columns: Sequence[Column], seed: int) -> "BaseEstimator":
        codes = preprocess.code_positions(columns)
        fixed = {"early_stopping": False, "categorical_features": codes or None}
        return estimator(**fixed, **hyperparameters, random_state=seed)

    return build


BOOSTING_DEFAULTS: tuple[Hyperparameters, ...] = (
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
BOOSTING_DEFAULTS_FOR_MANY_ROWS: tuple[Hyperparameters, ...] = (
    BOOSTING_DEFAULTS[0],
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
CLASSIFICATION_TREE_DEFAULTS: tuple[Hyperparameters, ...] = (
    {"n_estimators": 100, "min_samples_leaf": 1, "max_features": "sqrt"},
    {"n_estimators": 200, "min_samples_leaf": 3, "max_features": "sqrt"},
    {"n_estimators": 200, "min_samples_leaf": 2, "max_features": 0.8},
)
REGRESSION_TREE_DEFAULTS: tuple[Hyperparameters, ...] = (
    {"n_estimators": 100, "min_samples_leaf": 1, "max_features": 0.7},
    {"n_estimators": 200, "min_samples_leaf": 3, "max_features": 0.7},
    {"n_estimators": 200, "min_samples_leaf": 1, "max_features": 1.0},
)
