"""Participants of the final round and scores of averages, with scripted outcomes."""

import time
from dataclasses import replace

import numpy as np
import pytest

from learning.estimators import ensemble
from learning.estimators.families import Candidate
from learning.problem import Clustering
from learning.selection import final_round as module
from learning.selection.rounds import FoldRunner
from learning.selection.steps import CandidateDropped, CandidateScored, FoldScored

from .scripted import FOUR, Scripted, build_search, by_family, final_round, submitted_fits

BEST = {
    "baseline": Scripted(quality=0.5, sure=0.5),
    "linear": Scripted(quality=0.7, sure=0.7),
    "forest": Scripted(quality=0.9, sure=0.9),
    "boosting": Scripted(quality=0.8, sure=0.8),
}


def run_final_round(problem=FOUR, script=None, end=None, incumbent=None, rows=200, has_models=False, **clock):
    search = build_search(problem, script or by_family(BEST), rows=rows, has_models=has_models, **clock)
    list(search.run())
    final = final_round(search, incumbent, end)
    return final, list(final.run())


def singles(final):
    return [c.family for c in final.scoreboard.means if c.family != ensemble.FAMILY]


def complementary(monkeypatch, *families):
    """Make the selected ensemble consist of the best of these families, with equal weights."""
    monkeypatch.setattr(
        ensemble,
        "select",
        lambda scored, y, classes: {
            next(c for c in scored if c.family == family): 1 / len(families) for family in families
        },
    )


def test_the_best_of_the_best_families_run_on_all_fresh_folds():
    final, _ = run_final_round(replace(FOUR, keep=2))
    assert singles(final) == ["forest", "boosting"]
    submitted = {
        (fit.candidate.family, fit.fold) for fit in submitted_fits(final.search) if fit.round == "contest"
    }
    assert submitted >= {(family, fold) for family in ("forest", "boosting") for fold in range(4)}
    best = final.entries()[0]
    assert best.searched == pytest.approx(0.9)
    assert best.scores == pytest.approx((0.91, 0.89, 0.92, 0.88))
    # Equal for each held-out row: minus the logarithm of the true class's probability.
    assert best.losses.shape == (200,)
    assert best.losses == pytest.approx(np.full(200, -np.log(0.9)), abs=1e-5)


def test_the_incumbent_takes_part_whatever_its_rank():
    champion = Candidate("naive_bayes", {}, incumbent=True)
    problem = replace(FOUR, keep=1)
    final, _ = run_final_round(
        problem, by_family(BEST, Scripted(quality=0.1)), incumbent=champion, incumbents=[champion]
    )
    assert champion in final.scoreboard.means
    assert singles(final) == ["naive_bayes", "forest"]


def test_slow_candidates_are_dropped_except_for_the_incumbent():
    champion = Candidate("naive_bayes", {}, incumbent=True)
    slow = {family: replace(fit, microseconds=10.0) for family, fit in BEST.items()}
    slow["forest"] = replace(slow["forest"], microseconds=50.0)
    slow["naive_bayes"] = Scripted(quality=0.1, microseconds=50.0)
    final, steps = run_final_round(
        replace(FOUR, infer_limit=20.0), by_family(slow), incumbent=champion, incumbents=[champion]
    )
    out = {step.candidate.family: step.reason for step in steps if isinstance(step, CandidateDropped)}
    assert out == {"forest": "a row takes 50 µs to predict; the limit is 20."}
    assert champion in final.scoreboard.means
    assert not [c for c in final.scoreboard.means if c.family == "forest"]


def test_an_ensemble_is_scored_from_its_members_predictions(monkeypatch):
    complementary(monkeypatch, "forest", "boosting")
    final, steps = run_final_round()
    [recipe] = [
        c for c in final.scoreboard.means if c.family == ensemble.FAMILY and "parts" not in c.hyperparameters
    ]
    predictions, held_out = final.predictions(recipe)
    y = final.context.dataset.y[np.concatenate(held_out)]
    assert predictions[np.arange(len(y)), y] == pytest.approx(np.full(len(y), 0.85), abs=1e-5)
    folds = [step for step in steps if isinstance(step, FoldScored) and step.candidate == recipe]
    assert [step.fold for step in folds] == [0, 1, 2, 3]
    assert not [fit for fit in submitted_fits(final.search) if fit.candidate == recipe]
    entry = next(each for each in final.entries() if each.candidate == recipe)
    assert entry.searched is None
    assert [s.best for s in steps if isinstance(s, CandidateScored) and s.candidate == recipe] == [1.0]


def test_an_ensemble_takes_no_part_if_its_members_together_are_too_slow(monkeypatch):
    complementary(monkeypatch, "forest", "boosting")
    timed = {family: replace(fit, microseconds=12.0) for family, fit in BEST.items()}
    for limit, takes_part in ((20.0, False), (24.0, True)):
        final, _ = run_final_round(replace(FOUR, infer_limit=limit), by_family(timed))
        assert any(c.family == ensemble.FAMILY for c in final.scoreboard.means) is takes_part


def test_an_ensemble_with_a_failed_member_takes_no_part(monkeypatch):
    complementary(monkeypatch, "forest", "boosting")
    script = by_family(BEST | {"boosting": replace(BEST["boosting"], fails_in="contest")})
    final, _ = run_final_round(script=script)
    assert not [
        c for c in final.scoreboard.means if c.family == ensemble.FAMILY and len(ensemble.members(c)) > 1
    ]
    assert "forest" in {c.family for c in final.scoreboard.means}


def test_the_champions_ensemble_is_scored_from_its_members(monkeypatch):
    members = {Candidate("linear", {"C": 3.0}): 0.5, Candidate("forest", {"n_estimators": 17}): 0.5}
    champion = replace(ensemble.build_recipe(members), incumbent=True)
    final, _ = run_final_round(incumbent=champion, incumbents=list(members))
    assert champion in final.scoreboard.means
    assert members.keys() <= final.scoreboard.means.keys()


def test_rows_that_folds_keep_together_have_one_loss():
    final, _ = run_final_round(replace(FOUR, keep=2))
    paired = replace(final.context.dataset, repeated=np.arange(200) // 2 * 2)
    object.__setattr__(final.context, "dataset", paired)
    assert {entry.losses.shape for entry in final.entries()} == {(100,)}


def test_clusters_are_not_averaged_and_have_no_losses():
    problem = Clustering(folds=4, candidates=6, clusters=(2, 3))
    final, _ = run_final_round(problem, lambda c: Scripted(quality=0.5))
    assert final.scoreboard.means and not final.averages
    assert {entry.losses for entry in final.entries()} == {None}


def test_averages_of_fold_models_take_part_if_rows_are_few():
    final, _ = run_final_round()
    [parts] = [c for c in final.averages if "parts" in c.hyperparameters]
    assert parts.hyperparameters["parts"] == 4
    assert [c.family for c in ensemble.members(parts)] == ["forest"]


def test_an_average_of_fold_models_is_scored_from_the_mean_of_both_rounds(monkeypatch):
    final, _ = run_final_round()
    [parts] = [c for c in final.averages if "parts" in c.hyperparameters]
    [forest] = ensemble.members(parts)
    for fold, step in final.scoreboard.scored[forest].items():
        final.scoreboard.scored[forest][fold] = replace(step, predictions=step.predictions * 0 + 0.5)
    means = final._row_means(forest)
    y = final.context.dataset.y
    assert means[np.arange(len(y)), y] == pytest.approx(np.full(len(y), 0.7), abs=1e-5)


@pytest.mark.parametrize("family", module.STABLE[1:3])
def test_stable_models_are_not_averaged(family):
    problem = replace(FOUR, families=("baseline", family))
    final, _ = run_final_round(problem, by_family({family: Scripted(quality=0.9, sure=0.9)}))
    assert not final.averages


def test_averages_of_fold_models_that_are_too_slow_take_no_part():
    timed = {family: replace(fit, microseconds=5.0) for family, fit in BEST.items()}
    for limit, takes_part in ((20.0, True), (19.0, False)):
        final, _ = run_final_round(replace(FOUR, infer_limit=limit), by_family(timed))
        assert bool([c for c in final.averages if "parts" in c.hyperparameters]) is takes_part


def test_a_fold_that_is_cut_short_counts_for_no_candidate(monkeypatch):
    search = build_search(replace(FOUR, seconds=5), by_family(BEST))
    list(search.run())
    final = final_round(search, end=time.monotonic() + 600)
    monkeypatch.setattr(module, "is_past", lambda deadline: deadline is not None)
    list(final.run())
    assert final.scoreboard.folds == 3  # the least two, and the one in which time was up
    assert final.is_cut_short
    assert final.stop_reason == (
        " The time limit left 3 of the final round's 4 folds; about 10 s would be enough for all."
    )
    assert {len(entry.scores) for entry in final.entries()} == {3}


def test_without_a_time_limit_all_folds_are_run():
    final, _ = run_final_round()
    assert final.stop_reason == "" and not final.is_cut_short
    assert final.scoreboard.folds == 4


class InterruptedRunner(FoldRunner):
    """Runner that has no time for the boosting from this fold on."""

    late = 2

    def run(self, scoreboard, candidates, folds, *options):
        late = [c for c in candidates if c.family == "boosting"] if folds[0] >= self.late else []
        yield from super().run(scoreboard, [c for c in candidates if c not in late], folds, *options)


def test_candidates_are_compared_on_the_folds_that_all_of_them_have(monkeypatch):
    search = build_search(replace(FOUR, seconds=5), by_family(BEST))
    list(search.run())
    final = final_round(search, end=time.monotonic() + 600)
    final.runner = InterruptedRunner(scheduler=search.runner.scheduler, recorded={})
    monkeypatch.setattr(module, "is_past", lambda deadline: deadline is not None)
    list(final.run())
    assert final.scoreboard.folds == 2
    assert set(singles(final)) >= {"forest", "boosting"}
    assert "left 2 of the final round's 4 folds; about 10 s would be enough" in final.stop_reason


def test_a_failed_candidate_does_not_shorten_the_round_for_the_others():
    script = by_family(BEST | {"boosting": replace(BEST["boosting"], fails_in="contest")})
    final, _ = run_final_round(script=script)
    assert final.scoreboard.folds == 4
    assert final.stop_reason == ""
    assert "boosting" not in singles(final)


def test_the_plan_keeps_time_for_the_champions_recipe_only_if_it_was_scored():
    champion = Candidate("naive_bayes", {}, incumbent=True)
    scored, _ = run_final_round(incumbent=champion, incumbents=[champion])
    assert scored._budget().always == (champion,)
    script = by_family(BEST | {"naive_bayes": Scripted(fails_in="search")})
    failed, _ = run_final_round(script=script, incumbent=champion, incumbents=[champion])
    assert failed._budget().always == ()
    assert champion not in failed.scoreboard.means


class EarlyInterruptedRunner(InterruptedRunner):
    """Runner that has time for one fold of the boosting."""

    late = 1


def test_a_candidate_with_fewer_folds_than_show_noise_does_not_shorten_the_round():
    search = build_search(FOUR, by_family(BEST))
    list(search.run())
    final = final_round(search)
    final.runner = EarlyInterruptedRunner(scheduler=search.runner.scheduler, recorded={})
    list(final.run())
    assert final.scoreboard.folds == 4
    assert "boosting" not in singles(final)


def test_a_candidate_as_slow_as_the_limit_takes_part():
    timed = {family: replace(fit, microseconds=20.0) for family, fit in BEST.items()}
    final, steps = run_final_round(replace(FOUR, infer_limit=20.0), by_family(timed))
    assert "forest" in singles(final)
    assert not [step for step in steps if isinstance(step, CandidateDropped)]


def test_an_ensemble_of_one_member_is_no_candidate(monkeypatch):
    complementary(monkeypatch, "forest")
    final, _ = run_final_round()
    assert all("parts" in c.hyperparameters for c in final.averages)
    assert len(final.averages) == 1


def test_the_baseline_is_no_member_of_an_ensemble(monkeypatch):
    families = set()

    def select(scored, y, classes):
        families.update(c.family for c in scored)
        return {}

    monkeypatch.setattr(ensemble, "select", select)
    run_final_round()
    assert families == {"linear", "forest", "boosting"}


def test_an_ensemble_whose_member_failed_in_the_search_takes_no_part():
    members = {Candidate("naive_bayes", {}): 0.5, Candidate("forest", {"n_estimators": 17}): 0.5}
    champion = replace(ensemble.build_recipe(members), incumbent=True)
    script = by_family(BEST | {"naive_bayes": Scripted(fails_in="search")})
    final, _ = run_final_round(script=script, incumbent=champion, incumbents=list(members))
    assert members.keys() <= final.scoreboard.means.keys()
    assert champion not in final.scoreboard.means


def test_a_single_candidate_that_serves_is_no_average():
    champion = Candidate("naive_bayes", {}, incumbent=True)
    final, _ = run_final_round(incumbent=champion, incumbents=[champion])
    assert champion not in final.averages


def test_the_champions_average_of_fold_models_takes_part_once():
    first, _ = run_final_round()
    [parts] = [c for c in first.averages if "parts" in c.hyperparameters]
    champion = replace(parts, incumbent=True)
    final, _ = run_final_round(incumbent=champion, incumbents=list(ensemble.members(parts)))
    assert final.averages.count(champion) == 1


def test_an_ensembles_folds_have_the_final_rounds_predictions_and_its_members_times(monkeypatch):
    complementary(monkeypatch, "forest", "boosting")
    final, _ = run_final_round()
    [recipe] = [c for c in final.averages if "parts" not in c.hyperparameters]
    for member in ensemble.members(recipe):
        for fold, step in final.scoreboard.scored[member].items():
            half = step.predictions * 0 + 0.5
            final.scoreboard.scored[member][fold] = replace(
                step, predictions=half, fit_seconds=2.0, predict_seconds=1.0
            )
    for step in final._score_average(recipe):
        if isinstance(step, FoldScored):
            assert step.predictions == pytest.approx(np.full(step.predictions.shape, 0.5))
            assert (step.fit_seconds, step.predict_seconds) == (4.0, 2.0)


def test_a_candidates_step_has_the_best_score_of_the_round():
    _, steps = run_final_round()
    scored = {step.candidate.family: step for step in steps if isinstance(step, CandidateScored)}
    assert (scored["boosting"].score, scored["boosting"].best) == pytest.approx((0.8, 0.9))


def test_the_error_is_estimated_once_for_the_folds_that_count():
    final, _ = run_final_round(replace(FOUR, keep=1))
    entry = final.entries()[0]
    error = entry.estimate()
    assert entry.estimate() is error
    assert error.scale == 0.5  # The rows show no variance, which is believed by half.
    final.scoreboard.truncate(2)
    assert entry.estimate() is not error


def test_an_early_version_has_the_searchs_score_of_its_recipe_and_its_folds_are_not_run_again():
    search = build_search(FOUR, by_family(BEST))
    list(search.run())
    best = search.leaders()[0]
    early = Candidate(best.family, {**best.hyperparameters, "rows": 50})
    first = final_round(search)
    folds = [step for step in first.run_only([early]) if isinstance(step, FoldScored)]
    [entry] = first.entries()
    assert entry.searched == search.standings()[best]
    fits = len(submitted_fits(search))
    again = replace(first, scored=folds)
    assert again.scoreboard.means == first.scoreboard.means
    list(again.run_only([early]))
    assert len(submitted_fits(search)) == fits


def test_a_round_of_few_planned_folds_is_not_cut_short():
    final, _ = run_final_round(replace(FOUR, folds=3))
    assert final.scoreboard.folds == 3 < module.decision.ENOUGH_FOLDS
    assert not final.is_cut_short


@pytest.mark.parametrize(("last", "folds"), [(None, 3), (0.0, 0)])  # the third is fitted ahead
def test_a_late_round_has_the_folds_that_show_noise_until_the_last_moment(last, folds):
    search = build_search(FOUR, by_family(BEST))
    list(search.run())
    final = final_round(search, end=0.0)
    final.last = last
    list(final.run_only([search.leaders()[0]]))
    assert final.scoreboard.count_leading_folds(search.leaders()[0]) == folds


@pytest.mark.parametrize(("has_models", "count"), [(False, 0), (True, 1)])
def test_fold_models_are_averaged_if_there_is_time_for_those_that_were_not_stored(has_models, count):
    slow = {family: replace(fit, seconds=1000.0) for family, fit in BEST.items()}
    final, _ = run_final_round(script=by_family(slow), has_models=has_models)
    final.end = time.monotonic() + 60
    assert len(list(final._fold_averages({}))) == count


def test_a_final_fit_has_the_rows_of_all_folds():
    final, _ = run_final_round()
    assert final._budget().growth == pytest.approx(4 / 3)


@pytest.mark.parametrize(
    ("limit", "seconds", "enough"),
    [(5, 0.0, "10 s"), (5, 20.0, "180 s"), (300, 0.0, "400 s"), (800, 0.0, "1,100 s")],
)
def test_a_round_that_is_cut_short_names_the_time_that_is_enough(monkeypatch, limit, seconds, enough):
    script = by_family({family: replace(fit, seconds=seconds) for family, fit in BEST.items()})
    search = build_search(replace(FOUR, seconds=limit, keep=1), script)
    list(search.run())
    final = final_round(search, end=time.monotonic() + 10_000)
    monkeypatch.setattr(module, "is_past", lambda deadline: deadline is not None)
    list(final.run())
    assert final.stop_reason.endswith(f"; about {enough} would be enough for all.")
