"""What is compiled says what the fitted pipeline says: of every family, and of rows that nobody has seen."""

import pytest
from threadpoolctl import threadpool_limits

from learning.compiler import probe_rows
from learning.estimators.families import Candidate
from learning.estimators.families.catalogue import FAMILIES
from learning.problem import Regression

from ..conftest import MIXED, STRANGE
from .compiling import PROBLEMS, WAYS, assert_alike, data_of, model_of, served

BEYOND = [{"features": "best"}, {"features": "sound"}, {"features": "best", "prepare": "products"}]


@pytest.fixture(autouse=True)
def alone():
    """Threads of boosting wait for each other where others compute too."""
    with threadpool_limits(1):
        yield


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


@pytest.mark.filterwarnings("ignore:Maximum number of iteration")
@pytest.mark.parametrize(("problem", "candidate"), [*ALL, *MORE, *RANKED], ids=lambda each: str(each)[:60])
def test_every_family_says_without_pandas_what_its_pipeline_says(problem, candidate):
    data, rows = data_of(problem)
    model = model_of(problem, candidate, data)
    fast = served(model, data)
    assert fast.compiled.form is not None, fast.compiled.parity
    assert "edge rows" in fast.compiled.parity
    assert fast.compiled.microseconds_per_row > 0
    strange = [*STRANGE, *probe_rows.probe_rows(MIXED, rows, seed=1)]
    assert_alike(fast, model, [*rows, *strange])
    assert_alike(fast, model, [strange[-1]])
    assert [type(answer) for answer in fast.predict(rows[:2])] == [
        type(answer) for answer in model.predict(rows[:2])
    ]
