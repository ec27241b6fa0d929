"""Who takes part in the final round and how averages are scored, by scripted scores."""

import time
from dataclasses import replace

import numpy as np
import pytest

from learning.estimators import ensemble
from learning.estimators.families import Candidate
from learning.problem import Clustering
from learning.selection import final_round as module
from learning.selection.steps import CandidateDropped, CandidateScored, FoldScored

from .scripted import FOUR, Told, asked, by_family, final_round, searched

BEST = {
    "baseline": Told(quality=0.5, sure=0.5),
    "linear": Told(quality=0.7, sure=0.7),
    "forest": Told(quality=0.9, sure=0.9),
    "boosting": Told(quality=0.8, sure=0.8),
}


def played(problem=FOUR, script=None, end=None, incumbent=None, rows=200, kept=False, **clock):
    search = searched(problem, script or by_family(BEST), rows=rows, kept=kept, **clock)
    list(search.run())
    contest = final_round(search, incumbent, end)
    return contest, list(contest.run())


def singles(contest):
    return [c.family for c in contest.scoreboard.means if c.family != ensemble.FAMILY]


def complementary(monkeypatch, *families):
    """Have the best of these families be an ensemble, with equal weights."""
    monkeypatch.setattr(
        ensemble,
        "select",
        lambda known, y, classes: {
            next(c for c in known if c.family == family): 1 / len(families) for family in families
        },
    )


def test_the_best_of_the_best_families_meet_on_all_fresh_folds():
    contest, _ = played(replace(FOUR, keep=2))
    assert singles(contest) == ["forest", "boosting"]
    asked_for = {(fit.candidate.family, fit.fold) for fit in asked(contest.search) if fit.round == "contest"}
    assert asked_for >= {(family, fold) for family in ("forest", "boosting") for fold in range(4)}
    best = contest.entries()[0]
    assert best.searched == pytest.approx(0.9)
    assert best.scores == pytest.approx((0.91, 0.89, 0.92, 0.88))
    # The same of each row that was held out: minus the logarithm of what the right class was given.
    assert best.losses.shape == (200,)
    assert best.losses == pytest.approx(np.full(200, -np.log(0.9)), abs=1e-5)


def test_the_incumbent_takes_part_whatever_its_place():
    champion = Candidate("naive_bayes", {}, incumbent=True)
    problem = replace(FOUR, keep=1)
    contest, _ = played(
        problem, by_family(BEST, Told(quality=0.1)), incumbent=champion, incumbents=[champion]
    )
    assert champion in contest.scoreboard.means
    assert singles(contest) == ["naive_bayes", "forest"]


def test_who_predicts_too_slowly_is_left_out_but_for_the_incumbent():
    champion = Candidate("naive_bayes", {}, incumbent=True)
    slow = {family: replace(told, microseconds=10.0) for family, told in BEST.items()}
    slow["forest"] = replace(slow["forest"], microseconds=50.0)
    slow["naive_bayes"] = Told(quality=0.1, microseconds=50.0)
    contest, steps = played(
        replace(FOUR, infer_limit=20.0), by_family(slow), incumbent=champion, incumbents=[champion]
    )
    out = {step.candidate.family: step.reason for step in steps if isinstance(step, CandidateDropped)}
    assert out == {"forest": "a row takes 50 µs to predict; the limit is 20."}
    assert champion in contest.scoreboard.means
    assert not [c for c in contest.scoreboard.means if c.family == "forest"]


def test_an_ensemble_is_scored_by_what_its_members_predicted(monkeypatch):
    complementary(monkeypatch, "forest", "boosting")
    contest, steps = played()
    [recipe] = [
        c
        for c in contest.scoreboard.means
        if c.family == ensemble.FAMILY and "parts" not in c.hyperparameters
    ]
    predictions, held_out = contest.predictions(recipe)
    y = contest.context.dataset.y[np.concatenate(held_out)]
    assert predictions[np.arange(len(y)), y] == pytest.approx(np.full(len(y), 0.85), abs=1e-5)
    folds = [step for step in steps if isinstance(step, FoldScored) and step.candidate == recipe]
    assert [step.fold for step in folds] == [0, 1, 2, 3]
    assert not [fit for fit in asked(contest.search) if fit.candidate == recipe]
    entry = next(each for each in contest.entries() if each.candidate == recipe)
    assert entry.searched is None
    assert [s.best for s in steps if isinstance(s, CandidateScored) and s.candidate == recipe] == [1.0]


def test_an_ensemble_takes_no_part_where_its_members_together_are_too_slow(monkeypatch):
    complementary(monkeypatch, "forest", "boosting")
    timed = {family: replace(told, microseconds=12.0) for family, told in BEST.items()}
    for limit, takes_part in ((20.0, False), (24.0, True)):
        contest, _ = played(replace(FOUR, infer_limit=limit), by_family(timed))
        assert any(c.family == ensemble.FAMILY for c in contest.scoreboard.means) is takes_part


def test_an_ensemble_of_whom_a_member_failed_takes_no_part(monkeypatch):
    complementary(monkeypatch, "forest", "boosting")
    script = by_family(BEST | {"boosting": replace(BEST["boosting"], fails_in="contest")})
    contest, _ = played(script=script)
    assert not [
        c for c in contest.scoreboard.means if c.family == ensemble.FAMILY and len(ensemble.members(c)) > 1
    ]
    assert "forest" in {c.family for c in contest.scoreboard.means}


def test_the_champions_ensemble_defends_itself_by_its_members(monkeypatch):
    members = {Candidate("linear", {"C": 3.0}): 0.5, Candidate("forest", {"n_estimators": 17}): 0.5}
    champion = replace(ensemble.build_recipe(members), incumbent=True)
    contest, _ = played(incumbent=champion, incumbents=list(members))
    assert champion in contest.scoreboard.means
    assert members.keys() <= contest.scoreboard.means.keys()


def test_clusters_are_not_averaged_and_have_no_losses():
    problem = Clustering(folds=4, candidates=6, clusters=(2, 3))
    contest, _ = played(problem, lambda c: Told(quality=0.5))
    assert contest.scoreboard.means and not contest.averages
    assert {entry.losses for entry in contest.entries()} == {None}


def test_fold_models_compete_where_rows_are_few_and_models_vary():
    contest, _ = played()
    [parts] = [c for c in contest.averages if "parts" in c.hyperparameters]
    assert parts.hyperparameters["parts"] == 4
    assert [c.family for c in ensemble.members(parts)] == ["forest"]


def test_the_average_of_fold_models_is_scored_by_the_mean_of_what_was_said_of_each_row(monkeypatch):
    """Of each row both rounds have one prediction of a model that had not seen it."""
    contest, _ = played()
    [parts] = [c for c in contest.averages if "parts" in c.hyperparameters]
    [forest] = ensemble.members(parts)
    for fold, step in contest.scoreboard.scored[forest].items():
        contest.scoreboard.scored[forest][fold] = replace(step, predictions=step.predictions * 0 + 0.5)
    means = contest._row_means(forest)
    y = contest.context.dataset.y
    assert means[np.arange(len(y)), y] == pytest.approx(np.full(len(y), 0.7), abs=1e-5)


@pytest.mark.parametrize("family", module.STABLE[1:3])
def test_models_that_hardly_vary_are_not_averaged(family):
    problem = replace(FOUR, families=("baseline", family))
    contest, _ = played(problem, by_family({family: Told(quality=0.9, sure=0.9)}))
    assert not contest.averages


def test_fold_models_that_would_predict_too_slowly_take_no_part():
    timed = {family: replace(told, microseconds=5.0) for family, told in BEST.items()}
    for limit, takes_part in ((20.0, True), (19.0, False)):
        contest, _ = played(replace(FOUR, infer_limit=limit), by_family(timed))
        assert bool([c for c in contest.averages if "parts" in c.hyperparameters]) is takes_part


def test_a_fold_that_the_clock_cuts_short_is_cut_for_all(monkeypatch):
    search = searched(replace(FOUR, seconds=5), by_family(BEST))
    list(search.run())
    contest = final_round(search, end=time.monotonic() + 600)
    monkeypatch.setattr(module, "is_past", lambda deadline: deadline is not None)
    list(contest.run())
    assert contest.scoreboard.folds == 3  # two at least, and the one in which the time was up
    assert contest.stop_reason == " The time limit left 3 of the contest's 4 folds."
    assert {len(entry.scores) for entry in contest.entries()} == {3}


def test_without_a_clock_nothing_is_said_of_it():
    contest, _ = played()
    assert contest.stop_reason == ""
    assert contest.scoreboard.folds == 4
