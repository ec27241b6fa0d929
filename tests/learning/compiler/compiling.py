"""Fitted models of the mixed columns, and their compiled forms."""

import dataclasses
import warnings
from contextlib import contextmanager
from functools import cache

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from learning.compiler import runtime_choice
from learning.compiler.compilation import compile_model
from learning.dataset import dataset
from learning.estimators.ensemble import Ensemble
from learning.estimators.families import catalogue
from learning.model import Model, Signature
from learning.problem import Classification, Clustering, Regression

from ..conftest import MIXED, mixed_rows

PROBLEMS = (Classification(), Regression(), Clustering())
#: Hyperparameters of every preprocessing.
PREPARATIONS = [{"prepare": name} for name in ("scaled", "positive", "dense", "normal", "products", "plain")]
#: Recipes of slow families that are fitted quickly.
FAST = {"forest": {"n_estimators": 20}, "extra_trees": {"n_estimators": 20}, "boosting": {"max_iter": 20}}
#: Approximate standard deviation of the values of `mixed_data`.
SPREAD = 15.0


@cache
def mixed_data(problem, columns=MIXED, n=120, seed=0):
    """Return a dataset and its rows, which no test changes."""
    rows, labels = mixed_rows(n, seed)
    if problem.task == "REGRESSION":
        labels = [float(label) * 30 + row[1] for label, row in zip(labels, rows, strict=True)]
    return dataset(problem, columns, rows, labels, ("False", "True")), rows


def fit_model(problem, candidate, data, fit_on=slice(None)):
    pipeline = catalogue.pipeline(problem.task, candidate, data.columns, 0, doubtful=["visits"])
    with warnings.catch_warnings():
        # A solver that stops early has a compiled form, too.
        warnings.simplefilter("ignore", ConvergenceWarning)
        pipeline.fit(data.X.iloc[fit_on], None if data.y is None else data.y[fit_on])
    signature = Signature(task=problem.task, columns=data.columns, classes=data.classes)
    return Model(signature, candidate.family, candidate.hyperparameters, pipeline)


@contextmanager
def few_timings():
    """Time each runtime three times, where no test asks which is the fastest."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runtime_choice, "_MOST_CALLS", 3)
        yield


def compiled(model, data):
    return dataclasses.replace(model, compiled=compile_model(model, data))


def assert_equal_outputs(one, other, rows):
    output, expected = one.arrays(rows), other.arrays(rows)
    if isinstance(expected, tuple):
        np.testing.assert_array_equal(output[0], expected[0])
        output, expected = output[1], expected[1]
    size = SPREAD if one.signature.task == "REGRESSION" else 1.0
    np.testing.assert_allclose(output, expected, rtol=1e-6, atol=1e-6 * size)


def fit_average(problem, candidates, data, parts=(slice(None),)):
    members = [fit_model(problem, c, data, part).estimator for c in candidates for part in parts]
    weights = np.arange(1.0, len(members) + 1)
    signature = Signature(task=problem.task, columns=data.columns, classes=data.classes)
    return Model(
        signature, "ensemble", {"members": []}, Ensemble(members, (weights / weights.sum()).tolist())
    )
