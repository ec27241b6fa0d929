"""What is compiled says what the fitted pipeline says: of every family, and of rows that nobody has seen."""

import dataclasses
import pickle
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from learning import families
from learning.calibrate import Calibration
from learning.columns import Column, Kind
from learning.compiled import PIPELINE, choose, edges, make
from learning.compiled.make import compiled
from learning.dataset import dataset
from learning.ensemble import Ensemble
from learning.families import FAMILIES, Candidate
from learning.model import Model, Signature, loads
from learning.problem import Classification, Clustering, Regression

from .conftest import MIXED, STRANGE, mixed_rows

PROBLEMS = (Classification(), Regression(), Clustering())
#: All ways to prepare columns, on an estimator each.
WAYS = [{"prepare": way} for way in ("scaled", "positive", "dense", "normal", "products", "plain")]
BEYOND = [{"features": "best"}, {"features": "sound"}, {"features": "best", "prepare": "products"}]


def hyperparameters(problem, family):
    known = FAMILIES[problem.task][family]
    counted = {"clusters": 3} if problem.task == "CLUSTERING" and known.counted else {}
    smallest = [{"min_cluster_size": 5}] if family == "hdbscan" else known.defaults
    return [each | counted for each in smallest]


ALL = [
    (problem, Candidate(family, each))
    for problem in PROBLEMS
    for family in FAMILIES[problem.task]
    for each in hyperparameters(problem, family)
]
MORE = [
    (problem, Candidate(family, each))
    for problem in PROBLEMS[:2]
    for family, more in (("linear", WAYS + BEYOND), ("extra_trees", BEYOND[:2]), ("neighbours", WAYS[2:]))
    for each in more
]
RANKED = [
    (Regression(), Candidate(family, {"target": "ranks"}))
    for family in ("linear", "boosting", "forest", "kernel_svm", "mlp")
]


#: About how far apart the numbers of `data_of` are.
SPREAD = 15.0


def data_of(problem, columns=MIXED, n=120, seed=0):
    rows, labels = mixed_rows(n, seed)
    if problem.task == "REGRESSION":
        labels = [float(label) * 30 + row[1] for label, row in zip(labels, rows, strict=True)]
    return dataset(problem, columns, rows, labels, ("False", "True")), rows


def model_of(problem, candidate, data, fit_on=slice(None)):
    pipeline = families.pipeline(problem.task, candidate, data.columns, 0, doubtful=["visits"])
    pipeline.fit(data.X.iloc[fit_on], None if data.y is None else data.y[fit_on])
    signature = Signature(task=problem.task, columns=data.columns, classes=data.classes)
    return Model(signature, candidate.family, candidate.hyperparameters, pipeline)


def served(model, data):
    return dataclasses.replace(model, compiled=compiled(model, data))


def assert_alike(one, other, rows):
    told, expected = one.arrays(rows), other.arrays(rows)
    if isinstance(expected, tuple):
        np.testing.assert_array_equal(told[0], expected[0])
        told, expected = told[1], expected[1]
    size = SPREAD if one.signature.task == "REGRESSION" else 1.0
    np.testing.assert_allclose(told, expected, rtol=1e-6, atol=1e-6 * size)


@pytest.mark.filterwarnings("ignore:Maximum number of iteration")
@pytest.mark.parametrize(("problem", "candidate"), [*ALL, *MORE, *RANKED], ids=lambda each: str(each)[:60])
def test_every_family_says_without_pandas_what_its_pipeline_says(problem, candidate):
    data, rows = data_of(problem)
    model = model_of(problem, candidate, data)
    fast = served(model, data)
    assert fast.compiled.form is not None, fast.compiled.parity
    assert "edge rows" in fast.compiled.parity
    assert fast.compiled.microseconds_per_row > 0
    strange = [*STRANGE, *edges.rows(MIXED, rows, seed=1)]
    assert_alike(fast, model, [*rows, *strange])
    assert_alike(fast, model, [strange[-1]])
    assert [type(answer) for answer in fast.predict(rows[:2])] == [
        type(answer) for answer in model.predict(rows[:2])
    ]
