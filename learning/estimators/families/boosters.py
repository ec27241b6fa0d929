"""Families of other libraries' boosting, which join where these are installed (the extra `boosters`)."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

from numpy.random import Generator

from ...columns import Column
from .. import preprocess
from .family import Family, Hyperparameters, between, by_name, one_of
from .family_names import installed_libraries


def families(kind: str) -> Mapping[str, Family]:
    """Those of the libraries that are installed; `kind` is "Classifier" or "Regressor"."""
    return by_name(*(MAKERS[library](kind) for library in installed_libraries()))


def _lightgbm(kind: str) -> Family:
    fixed = {"n_jobs": 1, "verbosity": -1, "deterministic": True, "force_row_wise": True}
    return _family(
        "lightgbm",
        _made("lightgbm", f"LGBM{kind}", fixed),
        ({"learning_rate": 0.05, "n_estimators": 200, "num_leaves": 31, "colsample_bytree": 0.7},),
        lambda random: {
            "learning_rate": between(random, 0.02, 0.2),
            "n_estimators": one_of(random, (100, 200, 400)),
            "num_leaves": one_of(random, (7, 15, 31, 63)),
            "min_child_samples": one_of(random, (5, 10, 20, 40)),
            "colsample_bytree": one_of(random, (0.4, 0.7, 1.0)),
        },
    )


def _xgboost(kind: str) -> Family:
    return _family(
        "xgboost",
        _made("xgboost", f"XGB{kind}", {"n_jobs": 1, "verbosity": 0}),
        ({"learning_rate": 0.05, "n_estimators": 200, "max_depth": 6, "subsample": 0.8},),
        lambda random: {
            "learning_rate": between(random, 0.02, 0.2),
            "n_estimators": one_of(random, (100, 200, 400)),
            "max_depth": one_of(random, (2, 4, 6, 8)),
            "subsample": one_of(random, (0.6, 0.8, 1.0)),
            "reg_lambda": between(random, 0.1, 30),
        },
    )


def _catboost(kind: str) -> Family:
    fixed = {"thread_count": 1, "verbose": False, "allow_writing_files": False}
    return _family(
        "catboost",
        _made("catboost", f"CatBoost{kind}", fixed),
        ({"learning_rate": 0.06, "n_estimators": 300, "depth": 6},),
        lambda random: {
            "learning_rate": between(random, 0.02, 0.2),
            "n_estimators": one_of(random, (200, 400)),
            "depth": one_of(random, (4, 6, 8)),
            "l2_leaf_reg": between(random, 1, 30),
        },
    )


#: By the name in `family_names.LIBRARIES`.
MAKERS: Mapping[str, Callable[[str], Family]] = {
    "lightgbm": _lightgbm,
    "xgboost": _xgboost,
    "catboost": _catboost,
}


def _family(
    name: str,
    estimator: Callable[[Hyperparameters, Sequence[Column], int], Any],
    defaults: tuple[Hyperparameters, ...],
    draw: Callable[[Generator], Hyperparameters],
) -> Family:
    # As arrays of numbers, one-hot categories among them: each library has a way of its own to be told of categories.
    return Family(name=name, prepare=preprocess.plain, estimator=estimator, defaults=defaults, draw=draw)


def _made(
    library: str, name: str, fixed: Mapping[str, Any]
) -> Callable[[Hyperparameters, Sequence[Column], int], Any]:
    def make(hyperparameters: Hyperparameters, columns: Sequence[Column], seed: int) -> Any:
        # Imported when it is fitted: these libraries take as long to import as all others together.
        estimator = getattr(import_module(library), name)
        return estimator(**fixed, **hyperparameters, random_state=seed % 2**31)

    return make
