"""Families of regressors."""

from collections.abc import Sequence

from sklearn.base import BaseEstimator
from sklearn.compose import TransformedTargetRegressor
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import ElasticNet, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from ...columns import Column
from .. import preprocess
from .family import Family, Hyperparameters, choose, index_by_name, log_uniform, seeded, seedless
from .family_names import BASELINE
from .trees import (
    BOOSTING_DEFAULTS,
    BOOSTING_DEFAULTS_FOR_MANY_ROWS,
    REGRESSION_TREE_DEFAULTS,
    boosting_factory,
    draw_boosting,
    draw_trees,
)


def _linear(hyperparameters: Hyperparameters, columns: Sequence[Column], seed: int) -> BaseEstimator:
    if "l1_ratio" in hyperparameters:
        return _standardised(ElasticNet(max_iter=5_000, random_state=seed, **hyperparameters))
    return Ridge(**hyperparameters, random_state=seed)


def _kernel_svm(hyperparameters: Hyperparameters, columns: Sequence[Column], seed: int) -> BaseEstimator:
    return _standardised(SVR(**hyperparameters))


def _mlp(hyperparameters: Hyperparameters, columns: Sequence[Column], seed: int) -> BaseEstimator:
    return _standardised(
        MLPRegressor(max_iter=200, early_stopping=True, random_state=seed, **hyperparameters)
    )


def _standardised(regressor: BaseEstimator) -> TransformedTargetRegressor:
    """Standardise the target, so that penalties do not depend on the label's unit."""
    return TransformedTargetRegressor(regressor, transformer=StandardScaler())


FAMILIES = index_by_name(
    Family(
        name="linear",
        prepare=preprocess.scaled,
        estimator=_linear,
        defaults=(
            {"alpha": 1.0},
            {"alpha": 1.0, "prepare": "normal"},
            {"alpha": 10.0, "prepare": "products"},
            {"alpha": 30.0},
        ),
        main=("alpha",),
        draw=lambda random: choose(
            random,
            (
                {"alpha": log_uniform(random, 0.01, 1_000)},
                {"alpha": log_uniform(random, 0.0003, 0.1), "l1_ratio": choose(random, (0.1, 0.5, 0.9))},
            ),
        ),
    ),
    Family(
        name="boosting",
        prepare=preprocess.ordinal,
        estimator=boosting_factory(HistGradientBoostingRegressor),
        defaults=BOOSTING_DEFAULTS,
        main=("learning_rate",),
        defaults_for_many_rows=BOOSTING_DEFAULTS_FOR_MANY_ROWS,
        draw=draw_boosting,
        allows_selection=False,  # it identifies the columns of codes by their position
    ),
    Family(
        name="extra_trees",
        prepare=preprocess.plain,
        estimator=seeded(ExtraTreesRegressor),
        defaults=REGRESSION_TREE_DEFAULTS,
        main=("min_samples_leaf",),
        draw=draw_trees,
    ),
    Family(
        name="forest",
        prepare=preprocess.plain,
        estimator=seeded(RandomForestRegressor),
        defaults=REGRESSION_TREE_DEFAULTS,
        main=("min_samples_leaf",),
        draw=draw_trees,
    ),
    Family(
        name="kernel_svm",
        prepare=preprocess.dense,
        estimator=_kernel_svm,
        defaults=({"C": 1.0}, {"C": 10.0}),
        main=("C",),
        draw=lambda random: {"C": log_uniform(random, 0.1, 100), "gamma": log_uniform(random, 0.001, 1)},
        most_rows=6_000,
    ),
    Family(
        name="neighbours",
        prepare=preprocess.dense,
        estimator=seedless(KNeighborsRegressor, weights="distance"),
        defaults=({"n_neighbors": 10},),
        main=("n_neighbors",),
        draw=lambda random: {"n_neighbors": choose(random, (3, 5, 10, 20, 40))},
        most_rows=50_000,
    ),
    Family(
        name="mlp",
        prepare=preprocess.normal,
        estimator=_mlp,
        defaults=(
            {"hidden_layer_sizes": [64, 32], "alpha": 0.001, "learning_rate_init": 0.003},
            {"hidden_layer_sizes": [128, 64], "alpha": 0.1, "learning_rate_init": 0.001},
        ),
        main=("alpha",),
        draw=lambda random: {
            "hidden_layer_sizes": choose(random, ([32], [64, 32], [128, 64])),
            "alpha": log_uniform(random, 1e-5, 1),
            "learning_rate_init": log_uniform(random, 0.0005, 0.01),
        },
        most_rows=50_000,
    ),
    Family(
        name=BASELINE,
        prepare=preprocess.ignored,
        estimator=lambda hyperparameters, columns, seed: DummyRegressor(),
        defaults=({},),
        main=(),
    ),
)
