import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from learning import families, portfolio
from learning.dataset import dataset
from learning.families import FAMILIES, Candidate
from learning.model import Model, Signature, loads
from learning.problem import Classification, Clustering, Regression

from .conftest import MIXED, STRANGE, mixed_rows

PROBLEMS = (Classification(), Regression(), Clustering())
ALL = [(problem, name) for problem in PROBLEMS for name in FAMILIES[problem.task]]


def fitted(problem, family):
    rows, labels = mixed_rows(60)
    data = dataset(problem, MIXED, rows, labels, ("False", "True"))
    (candidate,) = portfolio.candidates(
        problem.task, [family], 1, 0, (3,) if problem.task == "CLUSTERING" else ()
    )
    pipeline = families.pipeline(problem.task, candidate, MIXED, 0).fit(data.X, data.y)
    signature = Signature(task=problem.task, columns=MIXED, classes=data.classes)
    return Model(signature, candidate.family, candidate.hyperparameters, pipeline), rows


def numbers_of(answer):
    return [value for value in vars(answer).values() if not isinstance(value, str | tuple)]


@pytest.mark.parametrize(("problem", "family"), ALL)
def test_every_family_copes_with_every_kind_of_column_and_with_what_it_never_saw(problem, family):
    model, rows = fitted(problem, family)
    answers = model.predict(STRANGE + rows)
    assert len(answers) == len(STRANGE) + len(rows)
    assert np.isfinite([numbers_of(answer) for answer in answers]).all()


@pytest.mark.parametrize(("problem", "family"), ALL)
def test_a_model_answers_alike_one_by_one_all_at_once_from_threads_and_from_bytes(problem, family):
    model, rows = fitted(problem, family)
    together = [numbers_of(answer) for answer in model.predict(rows[:8])]
    again = loads(model.dumps())
    with ThreadPoolExecutor(4) as threads:
        alone = [numbers_of(answer) for (answer,) in threads.map(again.predict, ([row] for row in rows[:8]))]
    np.testing.assert_allclose(alone, together, rtol=1e-9)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_same_seed_draws_the_same_candidates_and_more_only_add_to_the_end(problem):
    clusters = (2, 3) if problem.task == "CLUSTERING" else ()
    few = portfolio.candidates(problem.task, None, 8, 1, clusters)
    many = portfolio.candidates(problem.task, None, 10, 1, clusters)
    assert many[:8] == few
    assert len({candidate.key for candidate in many}) == 10


def test_another_seed_draws_others_after_the_portfolio():
    one, other = (portfolio.candidates("REGRESSION", ["boosting"], 5, seed) for seed in (1, 2))
    assert one[:2] == other[:2]
    assert one[2:] != other[2:]


def test_a_family_without_draws_runs_out():
    assert portfolio.candidates("CLASSIFICATION", ["baseline"], 5, 0) == [Candidate("baseline", {})]


def test_hyperparameters_survive_json_and_so_does_the_key():
    for task in FAMILIES:
        for candidate in portfolio.candidates(task, None, 30, 0, (2, 3) if task == "CLUSTERING" else ()):
            again = Candidate(
                candidate.family, json.loads(json.dumps(candidate.hyperparameters)), incumbent=True
            )
            assert again.key == candidate.key
