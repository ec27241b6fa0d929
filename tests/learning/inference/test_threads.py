"""Predictions of one model on several threads."""

import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np

from learning.columns import Column, Kind
from learning.dataset import dataset
from learning.estimators.families import Candidate
from learning.estimators.families.catalogue import pipeline
from learning.model import Model, Signature
from learning.problem import Classification


def test_threads_that_predict_with_one_forest_get_equal_answers_and_no_warnings() -> None:
    rows = np.random.default_rng(0).normal(size=(60, 3)).tolist()
    columns = tuple(Column(name=name, kind=Kind.NUMBER) for name in "abc")
    labels = ["yes" if row[0] > 0 else "no" for row in rows]
    data = dataset(Classification(), columns, rows, labels, ("no", "yes"))
    candidate = Candidate("forest", {"n_estimators": 100, "min_samples_leaf": 1, "max_features": "sqrt"})
    estimator = pipeline("CLASSIFICATION", candidate, columns, 0).fit(data.X, data.y)
    model = Model(
        Signature(task="CLASSIFICATION", columns=columns, classes=("no", "yes")), "forest", {}, estimator
    )
    alone = model.predict(rows[:1])
    filters = list(warnings.filters)
    with (
        frequent_thread_switches(),
        warnings.catch_warnings(record=True) as warned,
        ThreadPoolExecutor(8) as threads,
    ):
        together = list(threads.map(model.predict, [rows[:1]] * 100))
    assert together == [alone] * 100
    assert warned == []
    assert list(warnings.filters) == filters


@contextmanager
def frequent_thread_switches() -> Iterator[None]:
    """Switch threads as often as possible."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
