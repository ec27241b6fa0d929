"""Optimism: what choosing the best of many adds to a score."""

from dataclasses import replace
from statistics import fmean

import pytest
from scipy import stats

from learning.estimators import ensemble
from learning.estimators.families import Candidate
from learning.problem import Clustering
from learning.selection.decision import Incumbent
from learning.selection.optimism import Optimism

from .scripted import Scripted, build_search, final_round
from .test_gate import CHAMPION, RIVALS, Contest, contest_of

#: The area under the curve of all candidates of a `Contest` but those that are better or worse.
TRUE_AREA = float(stats.norm.cdf(1 / (2 * 1.25) ** 0.5))


def optimism(contest, incumbent=None):
    return Optimism(search=contest.search, final_round=contest.final_round, incumbent=incumbent)


def estimate(contest, recipe=RIVALS[0], **arguments):
    return optimism(contest).of(recipe, **arguments)


def test_the_best_of_more_equal_candidates_is_luckier():
    few, many = contest_of(1), contest_of(24)
    assert 0 < estimate(few) < estimate(many) < 0.1


def test_a_winner_that_is_much_better_owes_little_to_luck():
    assert estimate(contest_of(8, rows=600, better=RIVALS[0])) < 0.2 * estimate(contest_of(8, rows=600))


def test_recipes_that_differ_are_corrected_less_than_a_choice_by_twice_the_luck_would(monkeypatch):
    contest = contest_of(8, better=RIVALS[0], gain=0.3)
    careful = estimate(contest)
    monkeypatch.setattr("learning.selection.optimism.MORE_LUCK", 1.0)
    assert careful < estimate(contest)


def test_an_alternative_was_chosen_from_its_family():
    contest = contest_of(8)
    assert estimate(contest, is_winner=False) < estimate(contest)
    linear = replace(CHAMPION, incumbent=False)
    assert estimate(contest, linear, is_winner=False) == 0.0


def test_the_same_contest_has_the_same_optimism():
    assert estimate(Contest(8)) == estimate(contest_of(8))


def test_the_weights_of_an_ensemble_are_chosen_by_luck_too():
    average = ensemble.build_recipe({RIVALS[0]: 0.5, RIVALS[1]: 0.5})
    assert 0 < estimate(contest_of(4), average) < 0.1


def test_the_champions_recipe_keeps_the_luck_of_the_build_that_chose_it():
    champion = Incumbent(
        family="linear",
        hyperparameters={"C": 1.0},
        metric="roc_auc",
        score=0.7,
        fingerprint="before",
        optimism=0.01,
    )
    assert optimism(contest_of(8), champion).of(CHAMPION) == 0.01
    assert optimism(contest_of(8)).of(CHAMPION) == 0.0


def test_a_model_without_features_is_no_luckier_where_it_wins():
    assert estimate(contest_of(8), Candidate("baseline", {})) == 0.0


def test_clusterings_and_metrics_without_a_formula_have_no_estimate():
    search = build_search(Clustering(), lambda _: Scripted())
    assert Optimism(search=search, final_round=final_round(search)).of(Candidate("k_means", {})) == 0.0
    assert estimate(contest_of(2, metric="d2_log_loss_score")) == 0.0


@pytest.mark.slow
def test_the_corrected_score_of_the_best_of_equal_candidates_is_true():
    raw, corrected = [], []
    for seed in range(150):
        contest = Contest(8, rows=600, seed=seed)
        best = contest.search.leaders()[0]
        score = contest.final_round.scoreboard.means[best] - TRUE_AREA
        raw.append(score)
        corrected.append(score - estimate(contest, replace(best, incumbent=False)))
    assert fmean(raw) > 0.008
    assert abs(fmean(corrected)) < 0.005
