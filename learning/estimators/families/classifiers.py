"""Families of classifiers."""

from collections.abc import Sequence

from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC, LinearSVC

from ...columns import Column
from .. import preprocess
from .family import Family, Hyperparameters, choose, index_by_name, log_uniform, seeded, seedless
from .family_names import BASELINE
from .trees import (
    BOOSTING_DEFAULTS,
    BOOSTING_DEFAULTS_FOR_MANY_ROWS,
    CLASSIFICATION_TREE_DEFAULTS,
    boosting_factory,
    draw_boosting,
    draw_trees,
)


def _linear(hyperparameters: Hyperparameters, columns: Sequence[Column], seed: int) -> BaseEstimator:
    # Only saga supports a mixture of both penalties; without one lbfgs is faster.
    solver = "saga" if hyperparameters.get("l1_ratio") else "lbfgs"
    return LogisticRegression(solver=solver, max_iter=2_000, tol=1e-3, random_state=seed, **hyperparameters)


def _svm(hyperparameters: Hyperparameters, columns: Sequence[Column], seed: int) -> BaseEstimator:
    return _calibrated(LinearSVC(dual="auto", max_iter=5_000, random_state=seed, **hyperparameters))


def _kernel_svm(hyperparameters: Hyperparameters, columns: Sequence[Column], seed: int) -> BaseEstimator:
    return _calibrated(SVC(random_state=seed, **hyperparameters))


def _naive_bayes(hyperparameters: Hyperparameters, columns: Sequence[Column], seed: int) -> BaseEstimator:
    """Build multinomial naive Bayes if the hyperparameters have its smoothing, else Gaussian naive Bayes."""
    return MultinomialNB(**hyperparameters) if "alpha" in hyperparameters else GaussianNB(**hyperparameters)


def _calibrated(machine: LinearSVC | SVC) -> CalibratedClassifierCV:
    """Convert margins to probabilities by cross-validated sigmoids."""
    return CalibratedClassifierCV(machine, ensemble=False, cv=3)


FAMILIES = index_by_name(
    Family(
        name="linear",
        prepare=preprocess.scaled,
        estimator=_linear,
        defaults=(
            {"C": 1.0},
            {"C": 1.0, "prepare": "normal"},
            {"C": 0.1, "prepare": "products"},
            {"C": 0.1},
            {"C": 10.0},
        ),
        main=("C",),
        draw=lambda random: {
            "C": log_uniform(random, 0.003, 100),
            "l1_ratio": choose(random, (0.0, 0.0, 0.5, 1.0)),
        },
    ),
    Family(
        name="boosting",
        prepare=preprocess.ordinal,
        estimator=boosting_factory(HistGradientBoostingClassifier),
        defaults=BOOSTING_DEFAULTS,
        main=("learning_rate",),
        defaults_for_many_rows=BOOSTING_DEFAULTS_FOR_MANY_ROWS,
        draw=draw_boosting,
        allows_selection=False,  # it identifies the columns of codes by their position
    ),
    Family(
        name="extra_trees",
        prepare=preprocess.plain,
        estimator=seeded(ExtraTreesClassifier),
        defaults=CLASSIFICATION_TREE_DEFAULTS,
        main=("min_samples_leaf",),
        draw=draw_trees,
    ),
    Family(
        name="forest",
        prepare=preprocess.plain,
        estimator=seeded(RandomForestClassifier),
        defaults=CLASSIFICATION_TREE_DEFAULTS,
        main=("min_samples_leaf",),
        draw=draw_trees,
    ),
    Family(
        name="svm",
        prepare=preprocess.scaled,
        estimator=_svm,
        defaults=({"C": 0.1}, {"C": 1.0}),
        main=("C",),
        draw=lambda random: {"C": log_uniform(random, 0.001, 10)},
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
        name="naive_bayes",
        prepare=preprocess.dense,
        estimator=_naive_bayes,
        defaults=({"alpha": 0.1, "prepare": "positive"}, {"var_smoothing": 1e-3}),
        main=("alpha", "var_smoothing"),
        draw=lambda random: choose(
            random,
            (
                {"var_smoothing": log_uniform(random, 1e-9, 1)},
                {"alpha": log_uniform(random, 0.003, 3), "prepare": "positive"},
            ),
        ),
    ),
    Family(
        name="neighbours",
        prepare=preprocess.dense,
        estimator=seedless(KNeighborsClassifier, weights="distance"),
        defaults=({"n_neighbors": 15},),
        main=("n_neighbors",),
        draw=lambda random: {"n_neighbors": choose(random, (3, 5, 10, 20, 40, 80))},
        most_rows=50_000,
    ),
    Family(
        name="mlp",
        prepare=preprocess.normal,
        estimator=seeded(MLPClassifier, max_iter=200, early_stopping=True),
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
        estimator=seeded(DummyClassifier, strategy="prior"),
        defaults=({},),
        main=(),
    ),
)
