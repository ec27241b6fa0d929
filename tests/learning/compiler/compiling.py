"""Fitted models of the mixed columns, and what they are compiled to."""

import dataclasses

import numpy as np

from learning.compiler.compilation import compile_model
from learning.dataset import dataset
from learning.estimators.ensemble import Ensemble
from learning.estimators.families import catalogue
from learning.model import Model, Signature
from learning.problem import Classification, Clustering, Regression

from ..conftest import MIXED, mixed_rows

PROBLEMS = (Classification(), Regression(), Clustering())
#: All ways to prepare columns, on an estimator each.
WAYS = [{"prepare": way} for way in ("scaled", "positive", "dense", "normal", "products", "plain")]
#: Of families that take their time, recipes that do not.
FAST = {"forest": {"n_estimators": 20}, "extra_trees": {"n_estimators": 20}, "boosting": {"max_iter": 20}}
#: About how far apart the numbers of `data_of` are.
SPREAD = 15.0


def data_of(problem, columns=MIXED, n=120, seed=0):
    rows, labels = mixed_rows(n, seed)
    if problem.task == "REGRESSION":
        labels = [float(label) * 30 + row[1] for label, row in zip(labels, rows, strict=True)]
    return dataset(problem, columns, rows, labels, ("False", "True")), rows


def model_of(problem, candidate, data, fit_on=slice(None)):
    pipeline = catalogue.pipeline(problem.task, candidate, data.columns, 0, doubtful=["visits"])
    pipeline.fit(data.X.iloc[fit_on], None if data.y is None else data.y[fit_on])
    signature = Signature(task=problem.task, columns=data.columns, classes=data.classes)
    return Model(signature, candidate.family, candidate.hyperparameters, pipeline)


def served(model, data):
    return dataclasses.replace(model, compiled=compile_model(model, data))


def assert_alike(one, other, rows):
    told, expected = one.arrays(rows), other.arrays(rows)
    if isinstance(expected, tuple):
        np.testing.assert_array_equal(told[0], expected[0])
        told, expected = told[1], expected[1]
    size = SPREAD if one.signature.task == "REGRESSION" else 1.0
    np.testing.assert_allclose(told, expected, rtol=1e-6, atol=1e-6 * size)


def averaged(problem, candidates, data, parts=(slice(None),)):
    members = [model_of(problem, c, data, part).estimator for c in candidates for part in parts]
    weights = np.arange(1.0, len(members) + 1)
    signature = Signature(task=problem.task, columns=data.columns, classes=data.classes)
    return Model(
        signature, "ensemble", {"members": []}, Ensemble(members, (weights / weights.sum()).tolist())
    )
