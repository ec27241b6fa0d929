"""Tests of the bench of promises; the slow ones check a few promises of each point."""

from math import sqrt

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from benchmarks._honesty import planted, promises, short
from benchmarks._honesty.cases import Case, auc_error
from benchmarks._honesty.curse import adjust
from benchmarks._honesty.gate import champion
from benchmarks._honesty.points import POINTS
from benchmarks._honesty.promises import Mean, Promise, Share
from benchmarks._honesty.simulated import World, is_better
from learning.estimators.families import Candidate
from learning.fits.fold_fit import Fit
from learning.problem import Clustering

#: About as many promises as the whole bench has.
ERROR = promises.level(70)
SMALL = [(point, case) for point, module in POINTS.items() for case in module.cases() if case.small]


@pytest.mark.parametrize(
    ("hits", "n", "kept"), [(0, 100, True), (9, 100, True), (30, 100, False), (3, 3, False), (1, 3, True)]
)
def test_a_share_breaks_its_promise_only_beyond_noise(hits: int, n: int, kept: bool) -> None:
    assert Promise(quantity="", came_true=Share(hits, n), most=0.05).is_kept(ERROR) is kept
    assert Promise(quantity="", came_true=Share(n - hits, n), least=0.95).is_kept(ERROR) is kept


@pytest.mark.parametrize(("hits", "verdict"), [(0, "yes"), (1, "open"), (4, "no")])
def test_a_promise_that_may_have_missed_by_chance_is_open(hits: int, verdict: str) -> None:
    assert Promise(quantity="", came_true=Share(hits, 4), most=0.05).verdict(ERROR) == verdict


def test_honest_promises_together_are_broken_in_one_run_of_a_hundred_at_most() -> None:
    random = np.random.default_rng(0)
    hits = random.binomial(200, 0.05, size=20_000)
    broken = [
        not Promise(quantity="", came_true=Share(int(each), 200), most=0.05).is_kept(ERROR)
        for each in set(hits)
    ]
    share = float(
        np.isin(hits, [each for each, is_broken in zip(set(hits), broken, strict=True) if is_broken]).mean()
    )
    assert share <= 2 * ERROR


def test_a_mean_breaks_its_promise_only_beyond_noise() -> None:
    values = np.random.default_rng(0).normal(0.003, 0.01, 200)
    assert Promise(quantity="", came_true=Mean.of(values.tolist()), least=-0.003, most=0.003).is_kept(ERROR)
    worse = Mean.of((values + 0.01).tolist())
    assert not Promise(quantity="", came_true=worse, least=-0.003, most=0.003).is_kept(ERROR)


def test_a_control_takes_its_luck_out_of_a_mean() -> None:
    random = np.random.default_rng(0)
    luck = random.normal(0, 1, 400)
    values = 0.5 + luck + random.normal(0, 0.1, 400)
    assert adjust(values, luck).value == pytest.approx(0.5, abs=0.02)
    assert adjust(values, luck).error < Mean.of(values.tolist()).error / 5


@pytest.mark.parametrize("gain", [0.0, 0.02])
def test_simulated_recipes_have_the_score_that_is_said_of_them(gain: float) -> None:
    world = World.draw(np.random.default_rng(1), 60_000, 0.8, gain=gain)
    rows = np.arange(len(world.y))
    for recipe in (Candidate("linear", {}), Candidate("extra_trees", {"min_samples_leaf": 1})):
        better = is_better(recipe) and gain > 0
        predictions = world.predict(Fit(recipe, "search", 0), rows, better)
        expected = 0.8 + gain * better
        assert roc_auc_score(world.y, predictions[:, 1]) == pytest.approx(expected, abs=0.005)
        assert predictions[:, 1].mean() == pytest.approx(world.y.mean(), abs=0.01)
    assert norm.cdf(world.distance / sqrt(2)) > 0.8


def test_the_champion_is_no_rival_and_not_the_better_recipe() -> None:
    assert not is_better(champion().candidate)


def test_the_interval_of_a_score_is_found_in_a_decision() -> None:
    assert short.find_interval("roc_auc 0.801 (95%: 0.760 to 0.835) on fresh folds.") == short.Interval(
        0.76, 0.835, 0.95
    )
    found = short.find_interval("roc_auc 0.800 ± 0.040 on fresh folds.")
    assert (found.low, found.high) == pytest.approx((0.76, 0.84))


def test_copies_have_the_labels_of_their_rows() -> None:
    random = np.random.default_rng(0)
    sample = planted.copies(planted.linear(random, 50), 3, random)
    assert len(sample) == 150
    assert len(np.unique(sample.X, axis=0)) == 50


def test_rows_of_one_person_resemble_each_other() -> None:
    sample = planted.people(np.random.default_rng(0), 30, 8)
    means = np.array([sample.X[sample.groups == who].mean(axis=0) for who in range(30)])
    assert sample.groups is not None
    assert (sample.X - means[sample.groups]).std() < means.std() / 5
    assert all(len(np.unique(sample.y[sample.groups == who])) == 1 for who in range(30))


def test_planted_clusters_become_examples_without_labels() -> None:
    data = planted.moons(np.random.default_rng(0), 40).dataset(Clustering())
    assert data.y is None
    assert len(data) == 40


def test_the_error_of_an_area_falls_with_the_rows() -> None:
    assert auc_error(0.8, 100, 100) == pytest.approx(0.0318, abs=0.001)
    assert auc_error(0.8, 400, 400) == pytest.approx(auc_error(0.8, 100, 100) / 2, rel=0.02)


def test_every_point_has_a_small_form_and_cases_have_names_of_their_own() -> None:
    cases = [case for module in POINTS.values() for case in module.cases()]
    assert len({case.name for case in cases}) == len(cases)
    assert {point for point, _ in SMALL} == set(POINTS)


@pytest.mark.slow
@pytest.mark.parametrize(("point", "case"), SMALL, ids=[f"{point}: {case.name}" for point, case in SMALL])
def test_a_promise_comes_true(point: int, case: Case) -> None:
    assert case.small is not None
    for promise in case.run(0, case.small):
        assert promise.is_kept(ERROR), (
            f"{promise.quantity}: {promise.promised}, but {promise.came_true.value:.3f}"
        )
