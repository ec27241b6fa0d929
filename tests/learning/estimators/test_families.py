"""Families: every family fits, serialises and draws candidates; options of their pipelines."""

import json
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import islice

import numpy as np
import pytest
from sklearn.utils import check_random_state

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


@cache
def fit_model(problem, family):
    """Fit a model that the tests only ask, and return it with its rows."""
    rows, labels = mixed_rows(60)
    data = dataset(problem, MIXED, rows, labels, ("False", "True"))
    candidate = portfolio.opening(problem, portfolio.Shape(rows=60), [family])[0]
    pipeline = catalogue.pipeline(problem.task, candidate, MIXED, 0).fit(data.X, data.y)
    signature = Signature(task=problem.task, columns=MIXED, classes=data.classes)
    return Model(signature, candidate.family, candidate.hyperparameters, pipeline), rows


@pytest.mark.parametrize("task", list(FAMILIES))
def test_problems_are_validated_against_the_families_names(task):
    assert families.names(task) == tuple(FAMILIES[task])
    assert set(families.LIBRARIES) == set(boosters.FAMILY_BUILDERS)


def numbers_of(answer):
    return [value for value in answer if not isinstance(value, str | tuple)]


@pytest.mark.parametrize(("problem", "family"), ALL)
def test_every_family_supports_every_kind_of_column_and_unseen_values(problem, family):
    model, rows = fit_model(problem, family)
    answers = model.predict(STRANGE + rows)
    assert len(answers) == len(STRANGE) + len(rows)
    assert np.isfinite([numbers_of(answer) for answer in answers]).all()


@pytest.mark.parametrize(("problem", "family"), ALL)
def test_predictions_do_not_depend_on_batching_threads_or_serialisation(problem, family):
    model, rows = fit_model(problem, family)
    together = [numbers_of(answer) for answer in model.predict(rows[:8])]
    again = loads(model.dumps())
    with ThreadPoolExecutor(4) as threads:
        alone = [numbers_of(answer) for (answer,) in threads.map(again.predict, ([row] for row in rows[:8]))]
    # Distances are computed from differences of squares, so that a distance of 0 is only approximate.
    np.testing.assert_allclose(alone, together, rtol=1e-9, atol=1e-6 if family == "neighbours" else 0)


@pytest.mark.parametrize(("problem", "family"), ALL)
def test_equal_seeds_fit_equal_models(problem, family):
    model, rows = fit_model(problem, family)
    # numpy's generator, which draws for estimators without a seed, is in the same state when any test begins.
    check_random_state(None).random_sample()
    again, _ = fit_model.__wrapped__(problem, family)
    assert again.predict(rows) == model.predict(rows)


SHAPE = portfolio.Shape(rows=100)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("problem", "family"), [each for each in ALL if FAMILIES[each[0].task][each[1]].draw]
)
def test_a_family_takes_the_hyperparameters_that_it_draws(problem, family):
    drawn = list(islice(portfolio.draws(problem, [family], SHAPE), 20))
    main = FAMILIES[problem.task][family].main
    assert all(set(main) & set(candidate.hyperparameters) for candidate in drawn), (
        f"`main` of {family} must name one of what it draws."
    )
    pipelines = [catalogue.pipeline(problem.task, candidate, MIXED, 0) for candidate in drawn]
    rows, labels = mixed_rows(40)
    data = dataset(problem, MIXED, rows, labels, ("False", "True"))
    assert len(pipelines[0].fit(data.X, data.y).predict(data.X)) == 40


def test_the_seed_determines_the_candidates_that_are_drawn():
    def first(seed):
        return list(islice(portfolio.draws(Regression(seed=seed), ["boosting", "forest"], SHAPE), 6))

    assert first(1) == first(1)
    assert first(1) != first(2)
    assert [candidate.family for candidate in first(1)] == ["boosting", "forest"] * 3


def test_draws_of_a_family_do_not_depend_on_other_families():
    alone = islice(portfolio.draws(Regression(), ["boosting"], SHAPE), 3)
    beside = islice(portfolio.draws(Regression(), ["forest", "boosting"], SHAPE), 6)
    assert list(alone) == [candidate for candidate in beside if candidate.family == "boosting"]


def test_a_family_without_draws_has_its_defaults_only():
    assert portfolio.opening(Classification(), SHAPE, ["baseline"]) == [Candidate("baseline", {})]
    assert list(portfolio.draws(Classification(), ["baseline"], SHAPE)) == []


def test_families_that_scale_badly_are_left_out_for_many_rows():
    many = portfolio.opening(Classification(), portfolio.Shape(rows=60_000), None)
    families = {candidate.family for candidate in many}
    assert "boosting" in families
    assert not families & {"kernel_svm", "neighbours", "mlp"}


def test_variants_drop_columns_and_learn_ranks_of_skewed_labels():
    linear = Candidate("linear", {"alpha": 1.0})
    skewed = portfolio.Shape(rows=100, skewed=True)
    variants = portfolio.variants(Regression(), linear, skewed, ["number"])
    assert [c.hyperparameters for c in variants] == [
        {"alpha": 1.0, "features": "sound"},
        {"alpha": 1.0, "features": "best"},
        {"alpha": 1.0, "target": "ranks"},
    ]
    assert portfolio.variants(Regression(), Candidate("boosting", {}), SHAPE, []) == []


def test_recipes_that_suit_other_data_are_left_out():
    def preparations(shape):
        return {c.hyperparameters.get("prepare") for c in portfolio.opening(Classification(), shape, None)}

    assert preparations(portfolio.Shape(rows=100, numbers=3)) == {None, "normal", "products"}
    assert preparations(portfolio.Shape(rows=100, numbers=0, texts=1)) == {None, "positive"}
    assert preparations(portfolio.Shape(rows=100, numbers=60)) == {None, "normal"}


def test_a_recipe_may_keep_the_better_half_of_the_columns():
    rows, labels = mixed_rows(60)
    data = dataset(Classification(), MIXED, rows, labels, ("False", "True"))
    fitted = catalogue.pipeline("CLASSIFICATION", Candidate("linear", {"features": "best"}), MIXED, 0)
    fitted.fit(data.X, data.y)
    selected = fitted["select"].get_support()
    assert 0 < selected.sum() <= len(selected) / 2 + 1


def test_ranks_of_a_skewed_label_are_mapped_back_to_its_unit():
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


def test_many_categories_are_encoded_by_their_labels_and_unseen_ones_by_the_mean():
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


def test_many_categories_without_a_label_are_encoded_by_frequency():
    columns = [
        Column(name="city", kind=Kind.CATEGORY, choices=tuple(f"c{n}" for n in range(60)), nullable=True)
    ]
    X = frame(columns, [("c1",), ("c1",), ("c2",), (None,)])
    encoded = preprocess.dense(columns).fit(X).transform(frame(columns, [("c1",), ("c9",), (None,)]))
    assert encoded.tolist() == [[0.5], [0.0], [0.25]]


def test_a_recipe_may_leave_out_doubtful_columns():
    def names(features):
        candidate = Candidate("linear", features)
        return catalogue.pipeline("REGRESSION", candidate, MIXED, 0, ["weight"])[0].transformers[1][2]

    assert "weight" in names({})
    assert "weight" not in names({"features": "sound"})


def test_hyperparameters_and_keys_survive_json():
    for problem in PROBLEMS:
        drawn = islice(portfolio.draws(problem, list(FAMILIES[problem.task]), SHAPE), 30)
        for candidate in [*portfolio.opening(problem, SHAPE, None), *drawn]:
            again = Candidate(
                candidate.family, json.loads(json.dumps(candidate.hyperparameters)), incumbent=True
            )
            assert again.key == candidate.key
