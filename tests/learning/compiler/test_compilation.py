"""Compiled forms of every family, compared with their fitted pipelines, also on probe rows."""

from functools import cache

import pytest
from threadpoolctl import threadpool_limits

from learning.compiler import probe_rows
from learning.estimators.families import Candidate
from learning.estimators.families.catalogue import FAMILIES
from learning.problem import Regression

from ..conftest import MIXED, STRANGE
from .compiling import (
    FAST,
    PREPARATIONS,
    PROBLEMS,
    assert_equal_outputs,
    compiled,
    few_timings,
    fit_model,
    mixed_data,
)

SELECTED_FEATURES = [{"features": "best"}, {"features": "sound"}, {"features": "best", "prepare": "products"}]


@pytest.fixture(autouse=True)
def alone():
    """Limit boosting to one thread: its threads wait for each other if other tests run at once."""
    with threadpool_limits(1), few_timings():
        yield


@cache
def learned_rows(problem):
    """Return the data that all families of a task learn from, its rows, and probe rows."""
    data, rows = mixed_data(problem, n=60)
    return data, rows, [*STRANGE, *probe_rows.build_probe_rows(MIXED, rows, seed=1)]


def hyperparameters(problem, family):
    family_ = FAMILIES[problem.task][family]
    clusters = {"clusters": 3} if problem.task == "CLUSTERING" and family_.needs_clusters else {}
    recipes = [{"min_cluster_size": 5}] if family == "hdbscan" else family_.defaults
    return [each | clusters | FAST.get(family, {}) for each in recipes]


ALL = [
    (problem, Candidate(family, each))
    for problem in PROBLEMS
    for family in FAMILIES[problem.task]
    for each in hyperparameters(problem, family)
]
PREPARED = [
    (problem, Candidate(family, each))
    for problem in PROBLEMS[:2]
    for family, more in (
        ("linear", PREPARATIONS + SELECTED_FEATURES),
        ("extra_trees", [FAST["extra_trees"] | each for each in SELECTED_FEATURES[:2]]),
        ("neighbours", PREPARATIONS[2:]),
    )
    for each in more
]
RANKED = [
    (Regression(), Candidate(family, FAST.get(family, {}) | {"target": "ranks"}))
    for family in ("linear", "boosting", "forest", "kernel_svm", "mlp")
]


def with_slow_ones(cases):
    """Return the cases as parameters: further recipes of a family for a task that comes before are slow."""
    first = {(type(problem), candidate.family): candidate for problem, candidate in reversed(cases)}
    return [
        pytest.param(problem, candidate, marks=[])
        if first[type(problem), candidate.family] is candidate
        else pytest.param(problem, candidate, marks=pytest.mark.slow)
        for problem, candidate in cases
    ]


@pytest.mark.filterwarnings("ignore:Maximum number of iteration")
@pytest.mark.parametrize(
    ("problem", "candidate"),
    [*with_slow_ones(ALL), *with_slow_ones(PREPARED), *with_slow_ones(RANKED)],
    ids=lambda each: str(each)[:60],
)
def test_the_compiled_form_of_every_family_equals_its_pipeline(problem, candidate):
    data, rows, probes = learned_rows(problem)
    model = fit_model(problem, candidate, data)
    fast = compiled(model, data)
    assert fast.compiled.form is not None, fast.compiled.parity
    assert "probe rows" in fast.compiled.parity
    assert fast.compiled.microseconds_per_row > 0
    assert_equal_outputs(fast, model, [*rows, *probes])
    assert_equal_outputs(fast, model, [probes[-1]])
    assert [type(answer) for answer in fast.predict(rows[:2])] == [
        type(answer) for answer in model.predict(rows[:2])
    ]
