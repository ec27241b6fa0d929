"""Families that tell classes apart."""

from collections.abc import Sequence
from typing import Any

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
from .family import Family, Hyperparameters, between, by_name, made_of, one_of, seedless
from .trees import BOOSTING, BOOSTING_OF_MANY, CLASSIFYING_TREES, boosting, draw_boosting, draw_trees


def _linear(hyperparameters: Hyperparameters, columns: Sequence[Column], seed: int) -> Any:
    # Only saga knows the mixture of both penalties; without it lbfgs is faster.
    solver = "saga" if hyperparameters.get("l1_ratio") else "lbfgs"
    return LogisticRegression(solver=solver, max_iter=2_000, tol=1e-3, random_state=seed, **hyperparameters)


def _svm(hyperparameters: Hyperparameters, columns: Sequence[Column], seed: int) -> Any:
    return _calibrated(LinearSVC(dual="auto", max_iter=5_000, random_state=seed, **hyperparameters))


def _kernel_svm(hyperparameters: Hyperparameters, columns: Sequence[Column], seed: int) -> Any:
    return _calibrated(SVC(random_state=seed, **hyperparameters))


def _naive_bayes(hyperparameters: Hyperparameters, columns: Sequence[Column], seed: int) -> Any:
    """Of normal distributions, or of counts where their smoothing is given."""
    return MultinomialNB(**hyperparameters) if "alpha" in hyperparameters else GaussianNB(**hyperparameters)


def _calibrated(machine: Any) -> Any:
    """Margins as probabilities, by what the machine says of rows that it has not seen."""
    return CalibratedClassifierCV(machine, ensemble=False, cv=3)


FAMILIES = by_name(
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
        draw=lambda random: {
            "C": between(random, 0.003, 100),
            "l1_ratio": one_of(random, (0.0, 0.0, 0.5, 1.0)),
        },
    ),
    Family(
        name="boosting",
        prepare=preprocess.ordinal,
        estimator=boosting(HistGradientBoostingClassifier),
        defaults=BOOSTING,
        of_many=BOOSTING_OF_MANY,
        draw=draw_boosting,
        selective=False,  # it knows by their place which columns are codes
    ),
    Family(
        name="extra_trees",
        prepare=preprocess.plain,
        estimator=made_of(ExtraTreesClassifier),
        defaults=CLASSIFYING_TREES,
        draw=draw_trees,
    ),
    Family(
        name="forest",
        prepare=preprocess.plain,
        estimator=made_of(RandomForestClassifier),
        defaults=CLASSIFYING_TREES,
        draw=draw_trees,
    ),
    Family(
        name="svm",
        prepare=preprocess.scaled,
        estimator=_svm,
        defaults=({"C": 0.1}, {"C": 1.0}),
        draw=lambda random: {"C": between(random, 0.001, 10)},
    ),
    Family(
        name="kernel_svm",
        prepare=preprocess.dense,
        estimator=_kernel_svm,
        defaults=({"C": 1.0}, {"C": 10.0}),
        draw=lambda random: {"C": between(random, 0.1, 100), "gamma": between(random, 0.001, 1)},
        most_rows=6_000,
    ),
    Family(
        name="naive_bayes",
        prepare=preprocess.dense,
        estimator=_naive_bayes,
        defaults=({"alpha": 0.1, "prepare": "positive"}, {"var_smoothing": 1e-3}),
        draw=lambda random: one_of(
            random,
            (
                {"var_smoothing": between(random, 1e-9, 1)},
                {"alpha": between(random, 0.003, 3), "prepare": "positive"},
            ),
        ),
    ),
    Family(
        name="neighbours",
        prepare=preprocess.dense,
        estimator=seedless(KNeighborsClassifier, weights="distance"),
        defaults=({"n_neighbors": 15},),
        draw=lambda random: {"n_neighbors": one_of(random, (3, 5, 10, 20, 40, 80))},
        most_rows=50_000,
    ),
    Family(
        name="mlp",
        prepare=preprocess.normal,
        estimator=made_of(MLPClassifier, max_iter=200, early_stopping=True),
        defaults=(
            {"hidden_layer_sizes": [64, 32], "alpha": 0.001, "learning_rate_init": 0.003},
            {"hidden_layer_sizes": [128, 64], "alpha": 0.1, "learning_rate_init": 0.001},
        ),
        draw=lambda random: {
            "hidden_layer_sizes": one_of(random, ([32], [64, 32], [128, 64])),
            "alpha": between(random, 1e-5, 1),
            "learning_rate_init": between(random, 0.0005, 0.01),
        },
        most_rows=50_000,
    ),
    Family(
        name="baseline",
        prepare=preprocess.plain,
        estimator=made_of(DummyClassifier, strategy="prior"),
        defaults=({},),
    ),
)
