import json
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

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
    candidate = portfolio.opening(problem, portfolio.Shape(rows=60), [family])[0]
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


SHAPE = portfolio.Shape(rows=100)


def test_the_same_seed_draws_the_same_candidates_and_another_seed_others():
    def first(seed):
        return list(islice(portfolio.draws(Regression(seed=seed), ["boosting", "forest"], SHAPE), 6))

    assert first(1) == first(1)
    assert first(1) != first(2)
    assert [candidate.family for candidate in first(1)] == ["boosting", "forest"] * 3


def test_what_a_family_draws_does_not_depend_on_the_others():
    alone = islice(portfolio.draws(Regression(), ["boosting"], SHAPE), 3)
    beside = islice(portfolio.draws(Regression(), ["forest", "boosting"], SHAPE), 6)
    assert list(alone) == [candidate for candidate in beside if candidate.family == "boosting"]


def test_a_family_without_draws_runs_out():
    assert portfolio.opening(Classification(), SHAPE, ["baseline"]) == [Candidate("baseline", {})]
    assert list(portfolio.draws(Classification(), ["baseline"], SHAPE)) == []


def test_families_that_grow_with_the_rows_leave_large_data_to_others():
    many = portfolio.opening(Classification(), portfolio.Shape(rows=60_000), None)
    families = {candidate.family for candidate in many}
    assert "boosting" in families
    assert not families & {"kernel_svm", "neighbours", "mlp"}


def test_variants_average_a_recipe_and_leave_out_what_the_analysis_doubts():
    forest = Candidate("forest", {"n_estimators": 9})
    found = portfolio.variants("REGRESSION", forest, SHAPE, ["number"])
    assert [c.hyperparameters for c in found] == [
        {"n_estimators": 9, "parts": 5},
        {"n_estimators": 9, "features": "sound"},
    ]
    assert portfolio.variants("REGRESSION", Candidate("linear", {}), SHAPE, []) == []


def test_an_average_answers_between_its_models():
    rows, labels = mixed_rows(60)
    data = dataset(Classification(), MIXED, rows, labels, ("False", "True"))
    average = families.pipeline("CLASSIFICATION", Candidate("linear", {"parts": 3}), MIXED, 0).fit(
        data.X, data.y
    )
    models = average[0].fitted_
    told = [model.predict_proba(data.X) for model in models]
    assert len(models) == 3
    np.testing.assert_allclose(average.predict_proba(data.X), np.mean(told, axis=0))


def test_what_the_analysis_doubts_is_left_out_where_a_recipe_says_so():
    def names(features):
        candidate = Candidate("linear", features)
        return families.pipeline("REGRESSION", candidate, MIXED, 0, ["weight"])[0].transformers[1][2]

    assert "weight" in names({})
    assert "weight" not in names({"features": "sound"})


def test_hyperparameters_survive_json_and_so_does_the_key():
    for problem in PROBLEMS:
        drawn = islice(portfolio.draws(problem, list(FAMILIES[problem.task]), SHAPE), 30)
        for candidate in [*portfolio.opening(problem, SHAPE, None), *drawn]:
            again = Candidate(
                candidate.family, json.loads(json.dumps(candidate.hyperparameters)), incumbent=True
            )
            assert again.key == candidate.key
