"""Families of the boosting libraries of the extra `boosters`, if they are installed."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from numpy.random import Generator

from ...columns import Column
from .. import preprocess
from .family import EstimatorFactory, Family, Hyperparameters, choose, index_by_name, log_uniform
from .family_names import installed_libraries

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator


def families(kind: str) -> Mapping[str, Family]:
    """Build the families of the installed libraries; `kind` is "Classifier" or "Regressor"."""
    return index_by_name(*(FAMILY_BUILDERS[library](kind) for library in installed_libraries()))


def _lightgbm(kind: str) -> Family:
    fixed = {"n_jobs": 1, "verbosity": -1, "deterministic": True, "force_row_wise": True}
    return _family(
        "lightgbm",
        _lazy_factory("lightgbm", f"LGBM{kind}", fixed),
        ({"learning_rate": 0.05, "n_estimators": 200, "num_leaves": 31, "colsample_bytree": 0.7},),
        lambda random: {
            "learning_rate": log_uniform(random, 0.02, 0.2),
            "n_estimators": choose(random, (100, 200, 400)),
            "num_leaves": choose(random, (7, 15, 31, 63)),
            "min_child_samples": choose(random, (5, 10, 20, 40)),
            "colsample_bytree": choose(random, (0.4, 0.7, 1.0)),
        },
    )


def _xgboost(kind: str) -> Family:
    return _family(
        "xgboost",
        _lazy_factory("xgboost", f"XGB{kind}", {"n_jobs": 1, "verbosity": 0}),
        ({"learning_rate": 0.05, "n_estimators": 200, "max_depth": 6, "subsample": 0.8},),
        lambda random: {
            "learning_rate": log_uniform(random, 0.02, 0.2),
            "n_estimators": choose(random, (100, 200, 400)),
            "max_depth": choose(random, (2, 4, 6, 8)),
            "subsample": choose(random, (0.6, 0.8, 1.0)),
            "reg_lambda": log_uniform(random, 0.1, 30),
        },
    )


def _catboost(kind: str) -> Family:
    fixed = {"thread_count": 1, "verbose": False, "allow_writing_files": False}
    return _family(
        "catboost",
        _lazy_factory("catboost", f"CatBoost{kind}", fixed),
        ({"learning_rate": 0.06, "n_estimators": 300, "depth": 6},),
        lambda random: {
            "learning_rate": log_uniform(random, 0.02, 0.2),
            "n_estimators": choose(random, (200, 400)),
            "depth": choose(random, (4, 6, 8)),
            "l2_leaf_reg": log_uniform(random, 1, 30),
        },
    )


#: Builders by the names in `family_names.LIBRARIES`.
FAMILY_BUILDERS: Mapping[str, Callable[[str], Family]] = {
    "lightgbm": _lightgbm,
    "xgboost": _xgboost,
    "catboost": _catboost,
}


def _family(
    name: str,
    estimator: EstimatorFactory,
    defaults: tuple[Hyperparameters, ...],
    draw: Callable[[Generator], Hyperparameters],
) -> Family:
    # Categories are one-hot encoded, because each library has another interface for categories.
    return Family(
        name=name,
        prepare=preprocess.plain,
        estimator=estimator,
        defaults=defaults,
        main=("learning_rate",),
        draw=draw,
    )


def _lazy_factory(library: str, name: str, fixed: Mapping[str, object]) -> EstimatorFactory:
    """Return a factory that imports the library when it builds an estimator, because that takes seconds."""

    def build(hyperparameters: Hyperparameters, columns: Sequence[Column], seed: int) -> "BaseEstimator":
        estimator = getattr(import_module(library), name)
        return estimator(**fixed, **hyperparameters, random_state=seed % 2**31)

    return build
