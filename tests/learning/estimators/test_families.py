import json
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np
import pytest

from learning.columns import Column, Kind, frame
from learning.dataset import dataset
from learning.estimators import families, preprocess
from learning.estimators.families import Candidate, boosters, catalogue
from learning.estimators.families.catalogue import FAMILIES
from learning.model import Model, Signature, loads
from learning.problem import Classification, Clustering, Regression
from learning.selection import portfolio

from ..conftest import MIXED, STRANGE, mixed_rows

PROBLEMS = (Classification(), Regression(), Clustering())
ALL = [(problem, name) for problem in PROBLEMS for name in FAMILIES[problem.task]]


def fitted(problem, family):
    rows, labels = mixed_rows(60)
    data = dataset(problem, MIXED, rows, labels, ("False", "True"))
    candidate = portfolio.opening(problem, portfolio.Shape(rows=60), [family])[0]
    pipeline = catalogue.pipeline(problem.task, candidate, MIXED, 0).fit(data.X, data.y)
    signature = Signature(task=problem.task, columns=MIXED, classes=data.classes)
    return Model(signature, candidate.family, candidate.hyperparameters, pipeline), rows


@pytest.mark.parametrize("task", list(FAMILIES))
def test_the_names_that_problems_are_checked_against_are_those_of_the_families(task):
    assert families.names(task) == tuple(FAMILIES[task])
    assert set(families.LIBRARIES) == set(boosters.MAKERS)


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
    # Distances to what lies at the same place are computed from differences of squares, so that 0 is but nearly 0.
    np.testing.assert_allclose(alone, together, rtol=1e-9, atol=1e-6 if family == "neighbours" else 0)


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


def test_variants_leave_out_columns_and_learn_ranks_where_the_label_has_a_long_tail():
    linear = Candidate("linear", {"alpha": 1.0})
    skewed = portfolio.Shape(rows=100, skewed=True)
    found = portfolio.variants(Regression(), linear, skewed, ["number"])
    assert [c.hyperparameters for c in found] == [
        {"alpha": 1.0, "features": "sound"},
        {"alpha": 1.0, "features": "best"},
        {"alpha": 1.0, "target": "ranks"},
    ]
    assert portfolio.variants(Regression(), Candidate("boosting", {}), SHAPE, []) == []


def test_recipes_that_suit_other_data_are_left_out():
    def ways(shape):
        return {c.hyperparameters.get("prepare") for c in portfolio.opening(Classification(), shape, None)}

    assert ways(portfolio.Shape(rows=100, numbers=3)) == {None, "normal", "products"}
    assert ways(portfolio.Shape(rows=100, numbers=0, texts=1)) == {None, "positive"}
    assert ways(portfolio.Shape(rows=100, numbers=60)) == {None, "normal"}


def test_the_better_half_of_the_columns_is_kept_where_a_recipe_says_so():
    rows, labels = mixed_rows(60)
    data = dataset(Classification(), MIXED, rows, labels, ("False", "True"))
    fitted = catalogue.pipeline("CLASSIFICATION", Candidate("linear", {"features": "best"}), MIXED, 0)
    fitted.fit(data.X, data.y)
    kept = fitted["select"].get_support()
    assert 0 < kept.sum() <= len(kept) / 2 + 1


def test_a_long_tail_learned_as_ranks_comes_back_in_its_unit():
    random = np.random.default_rng(0)
    x = random.normal(size=300)
    y = np.exp(3 * x)
    columns = [Column(name="x", kind=Kind.NUMBER)]
    data = dataset(Regression(), columns, [(float(each),) for each in x], y.tolist())
    plain, ranks = (
        catalogue.pipeline("REGRESSION", Candidate("linear", {"alpha": 1.0} | more), columns, 0)
        .fit(data.X, data.y)
        .predict(data.X)
        for more in ({}, {"target": "ranks"})
    )
    assert np.abs(ranks - y).mean() < np.abs(plain - y).mean() / 3
    assert y.min() <= ranks.min()
    assert ranks.max() <= y.max() * 1.001


def test_many_categories_are_coded_by_their_labels_and_unseen_ones_by_the_mean():
    random = np.random.default_rng(0)
    names = [f"city{number:03}" for number in range(300)]
    worth = dict(zip(names, random.normal(size=300), strict=True))
    rows = [(names[int(place)],) for place in random.integers(299, size=3_000)]
    columns = [Column(name="city", kind=Kind.CATEGORY, choices=tuple(names), nullable=True)]
    labels = [worth[row[0]] for row in rows]
    data = dataset(Regression(), columns, rows, labels)
    for family in ("boosting", "extra_trees", "neighbours"):
        fitted = catalogue.pipeline("REGRESSION", Candidate(family, {}), columns, 0).fit(data.X, data.y)
        assert fitted.named_steps["prepare"].transform(data.X[:5]).shape == (5, 1)
        assert np.corrcoef(fitted.predict(data.X), labels)[0, 1] > 0.9
        unseen = fitted.predict(frame(columns, [(names[299],), (None,)]))
        assert np.abs(unseen - np.mean(labels)).max() < 1


def test_many_categories_without_a_label_are_coded_by_how_often_they_occur():
    columns = [
        Column(name="city", kind=Kind.CATEGORY, choices=tuple(f"c{n}" for n in range(60)), nullable=True)
    ]
    X = frame(columns, [("c1",), ("c1",), ("c2",), (None,)])
    coded = preprocess.dense(columns).fit(X).transform(frame(columns, [("c1",), ("c9",), (None,)]))
    assert coded.tolist() == [[0.5], [0.0], [0.25]]


def test_what_the_analysis_doubts_is_left_out_where_a_recipe_says_so():
    def names(features):
        candidate = Candidate("linear", features)
        return catalogue.pipeline("REGRESSION", candidate, MIXED, 0, ["weight"])[0].transformers[1][2]

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
