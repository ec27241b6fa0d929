"""Early versions: which candidates serve while a search with scripted outcomes goes on; their fits are real."""

import time
from dataclasses import replace

import numpy as np
import pytest

from learning import build as module
from learning.analysis import Analysis
from learning.build import Incumbent
from learning.estimators.families import Candidate, full_recipe
from learning.evaluation.folds import ROWS_OF_EACH_CLASS, sample_rows
from learning.fits.scheduler import FitScheduler
from learning.problem import Classification, Clustering
from learning.selection import early as early_module
from learning.selection.early import MOST, EarlyVersions
from learning.selection.rounds import FoldRunner
from learning.selection.search import Search
from learning.selection.steps import CandidatesDrawn, Decided, Fitted, FoldScored

from .scripted import FOUR, FittingPool, Scripted, build_search, by_family, final_round, rows_of

GOOD = by_family({"baseline": Scripted(quality=0.5), "linear": Scripted(quality=0.8)}, Scripted(quality=0.6))


def by_rows(qualities):
    """Return a script whose linear candidate is as good as the rows allow that it learns from; 0.7 by itself."""

    def script(candidate):
        if candidate.family == "baseline":
            return Scripted(quality=0.5)
        if candidate.family != "linear":
            return Scripted(quality=0.6)
        return Scripted(quality=qualities.get(candidate.hyperparameters.get("rows"), 0.7))

    return script


def search_with_early(problem=FOUR, script=GOOD, fails=False, objections=(), deadline=None):
    """Return a search, and its early versions."""
    search: Search = build_search(problem, script)
    pool = FittingPool(search.context, script)
    pool.fails = fails
    search.runner = FoldRunner(scheduler=FitScheduler(pool, 60.0), recorded={})
    analysis = Analysis(rows=200, features=(), findings=(), balance=(), label_quantiles=None)

    def decide(round, incumbent):
        return module._decide(search, round, incumbent, analysis).hold(objections)

    early = EarlyVersions(search=search, analysed=analysis, decide=decide, deadline=deadline)
    search.after_rung = early.run
    return search, early


def versions(steps):
    return [step for step in steps if isinstance(step, Fitted)]


def test_the_best_candidate_of_the_first_rung_serves_while_the_search_goes_on():
    search, _ = search_with_early()
    steps = list(search.run())
    (version,) = versions(steps)
    assert (version.candidate.family, version.winner) == ("linear", False)
    assert isinstance(version.early, Decided) and version.early.hold_reason is None
    after = steps[steps.index(version) + 1 :]
    assert any(isinstance(step, FoldScored) and step.round == "search" for step in after)
    fresh = [
        s.score
        for s in steps
        if isinstance(s, FoldScored) and s.round == "contest" and s.candidate.family == "linear"
    ]
    assert version.score == pytest.approx(np.mean(fresh)) and len(fresh) == 4
    assert [step.percent for step in steps] == sorted(step.percent for step in steps)
    assert "an early version" in version.message


def test_the_early_version_defends_itself_with_its_own_folds():
    search, early = search_with_early()
    list(search.run())
    final = final_round(search)
    final = replace(final, scored=tuple(early.folds.values()))
    list(final.run())
    incumbent = early.incumbent()
    assert isinstance(incumbent, Incumbent)
    decision = module._decide(search, final, incumbent, early.analysed)
    assert (decision.winner, decision.incumbent_kept) == (None, True)
    assert "nothing was fitted" in decision.reason


def test_a_better_candidate_replaces_an_early_version_in_the_final_round():
    script = by_family(
        {"baseline": Scripted(quality=0.5), "linear": Scripted(quality=0.7)}, Scripted(quality=0.6)
    )
    search, early = search_with_early(script=script)
    list(search.run())
    better = by_family(
        {"baseline": Scripted(quality=0.5), "linear": Scripted(quality=0.7)}, Scripted(quality=0.9)
    )
    search.runner.scheduler._pool.script = better
    final = replace(final_round(search), scored=tuple(early.folds.values()))
    list(final.run())
    decision = module._decide(search, final, early.incumbent(), early.analysed)
    assert decision.winner is not None and decision.winner.family != "linear"


def test_a_model_that_is_no_better_than_none_does_not_serve_early():
    search, early = search_with_early(script=by_family({}, Scripted(quality=0.5)))
    assert versions(search.run()) == []
    assert early.incumbent() is None and early.folds == {}


def test_better_versions_follow_as_the_search_goes_on():
    # The forest is last of its wave, and its first fold is bad.
    qualities = {"linear": 0.7, "naive_bayes": 0.8, "forest": 0.9}
    problem = Classification(folds=4, candidates=12, families=("baseline", *qualities))
    seen = []

    def script(candidate):
        if candidate.family not in seen:
            seen.append(candidate.family)
        quality = qualities.get(candidate.family, 0.5)
        return Scripted(quality=quality + 0.001 * len(candidate.hyperparameters))

    search, early = search_with_early(problem, script)
    early._tried.append(Candidate("linear", {"C": 1.0}))  # as if linear had been the best of the first rung
    found = versions(search.run())
    assert found and len(found) <= MOST
    scores = [version.score for version in found]
    assert scores == sorted(scores)
    assert early.serving is found[-1]


def test_a_version_that_a_person_must_promote_does_not_defend_itself():
    search, early = search_with_early(objections=("Labels were lost.",))
    (version,) = versions(search.run())
    assert version.early is not None and "Labels were lost." in (version.early.hold_reason or "")
    assert early.incumbent() is None and early.folds == {}


def test_a_floor_holds_an_early_version():
    search, _ = search_with_early(replace(FOUR, auto_promote=False))
    (version,) = versions(search.run())
    assert version.early is not None and "Automatic promotion is switched off." in (
        version.early.hold_reason or ""
    )


def test_a_search_goes_on_if_its_early_version_cannot_be_fitted():
    search, early = search_with_early(fails=True)
    assert versions(search.run()) == []
    assert search.scoreboard.means and early.incumbent() is None


def test_after_its_deadline_nothing_serves_early():
    search, _ = search_with_early(deadline=time.monotonic() - 1)
    assert versions(search.run()) == []


def test_many_rows_are_sampled_for_an_early_version(monkeypatch):
    monkeypatch.setattr(early_module, "ROWS", 150)
    search, _ = search_with_early()
    steps = list(search.run())
    (version,) = versions(steps)
    assert version.candidate.hyperparameters["rows"] == 150
    assert "on 150 examples" in version.message
    assert version.candidate in {c for s in steps if isinstance(s, CandidatesDrawn) for c in s.candidates}
    assert "rows" not in full_recipe(version.candidate.hyperparameters)


def rows_learned(found):
    return [version.candidate.hyperparameters.get("rows") for version in found]


def test_the_versions_that_follow_learn_from_more_rows(monkeypatch):
    monkeypatch.setattr(early_module, "ROWS", 40)
    search, early = search_with_early(script=by_rows({40: 0.7, 160: 0.75}))
    found = versions(search.run())
    assert rows_learned(found) == [40, 160]
    scores = [version.score for version in found]
    assert scores == sorted(scores) and early.serving is found[-1]
    assert [s.candidate for s in early._baseline.values()] == 4 * [Candidate("baseline", {"rows": 40})]


def test_more_rows_that_make_no_better_model_do_not_serve(monkeypatch):
    monkeypatch.setattr(early_module, "ROWS", 40)
    search, early = search_with_early(script=by_rows({}))
    (version,) = versions(search.run())
    assert rows_learned([version]) == [40] and early.serving is version


def test_more_rows_are_learned_from_only_in_a_part_of_the_time_that_is_left(monkeypatch):
    monkeypatch.setattr(early_module, "ROWS", 40)
    monkeypatch.setattr(Search, "final_seconds", lambda self, candidate: 3600.0)
    search, _ = search_with_early(script=by_rows({160: 0.9}), deadline=time.monotonic() + 3600)
    assert rows_learned(versions(search.run())) == [40]


def test_versions_that_a_person_must_promote_are_not_repeated_with_more_rows(monkeypatch):
    monkeypatch.setattr(early_module, "ROWS", 40)
    search, _ = search_with_early(replace(FOUR, auto_promote=False), by_rows({160: 0.9}))
    assert rows_learned(versions(search.run())) == [40]


def test_a_recipe_that_is_as_good_and_learns_from_all_rows_replaces_an_early_version_of_few(monkeypatch):
    monkeypatch.setattr(early_module, "ROWS", 150)
    search, early = search_with_early()
    list(search.run())
    final = replace(final_round(search), scored=tuple(early.folds.values()))
    list(final.run())
    decision = module._decide(search, final, early.incumbent(), early.analysed)
    assert decision.winner == Candidate("linear", full_recipe(early.serving.candidate.hyperparameters))
    assert not decision.incumbent_kept and "which learns from all rows" in decision.reason


def test_a_recipe_of_all_rows_replaces_an_early_version_that_is_better_by_luck_alone(monkeypatch):
    monkeypatch.setattr(early_module, "ROWS", 150)
    search, early = search_with_early()
    list(search.run())
    search.runner.scheduler._pool.script = by_family({}, Scripted(quality=0.799, noise=-1.0))
    final = replace(final_round(search), scored=tuple(early.folds.values()))
    list(final.run())
    decision = module._decide(search, final, early.incumbent(), early.analysed)
    assert decision.winner is not None and "rows" not in decision.winner.hyperparameters


def test_an_early_version_of_few_rows_that_is_better_is_kept_and_says_what_it_learned_from(monkeypatch):
    monkeypatch.setattr(early_module, "ROWS", 150)
    search, early = search_with_early()
    list(search.run())
    search.runner.scheduler._pool.script = by_family({}, Scripted(quality=0.6))
    final = replace(final_round(search), scored=tuple(early.folds.values()))
    list(final.run())
    decision = module._decide(search, final, early.incumbent(), early.analysed)
    assert decision.winner is None
    assert "It was learned from 150 of these examples: nothing was fitted." in decision.reason


def test_an_early_clustering_keeps_the_numbers_of_its_clusters():
    problem = Clustering(folds=4, clusters=(2,), families=("kmeans",))
    search, early = search_with_early(problem, by_family({}, Scripted(quality=0.5)))
    assert len(versions(search.run())) == 1
    incumbent = early.incumbent()
    assert incumbent is not None and incumbent.clusters is not None
    assert set(incumbent.clusters) == {0, 1}


def test_a_candidate_of_few_rows_learns_from_no_more():
    search = build_search(FOUR, GOOD, rows=2_000)
    learn = search.context.split("contest")[0][0]
    few = search.context._select_rows(Candidate("linear", {"rows": 40}), learn)
    assert set(few) <= set(learn) and len(few) < len(learn)
    assert search.context._select_rows(Candidate("linear", {}), learn) is learn
    assert search.context._select_rows(Candidate("linear", {}), None) == slice(None)
    everything = search.context._select_rows(Candidate("linear", {"rows": 10**9}), None)
    assert len(everything) == 2_000


def test_a_sample_has_rows_of_each_class():
    data = rows_of(FOUR, 2_000)
    y = np.zeros(2_000, dtype=np.int64)
    y[7] = 1
    rare = replace(data, y=y)
    rows = sample_rows(rare, np.arange(2_000), 300, np.random.default_rng(0))
    assert 7 in rows and 300 <= len(rows) <= 300 + 2 * ROWS_OF_EACH_CLASS
    assert (np.diff(rows) > 0).all()
    assert len(sample_rows(rare, np.arange(100), 300, np.random.default_rng(0))) == 100
