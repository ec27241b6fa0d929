"""Candidates that a search draws, drops and ranks, with scripted outcomes."""

import time
from dataclasses import replace

import pytest

from learning.estimators.families import Candidate
from learning.problem import Classification, Regression
from learning.selection import search as module
from learning.selection.search import PATIENCE, REFERENCES, WAVE
from learning.selection.steps import CandidateDropped, CandidateFailed, CandidatesDrawn

from .scripted import FOUR, Scripted, build_search, by_family, submitted_fits


def dropped(steps):
    return {step.candidate: step.reason for step in steps if isinstance(step, CandidateDropped)}


def drawn(steps):
    return [c for step in steps if isinstance(step, CandidatesDrawn) for c in step.candidates]


def ranked(*scores):
    """Return a script that assigns these qualities to the candidates in the order of their first fits."""
    order = {}

    def script(candidate):
        quality = order.setdefault(candidate, scores[min(len(order), len(scores) - 1)])
        return Scripted(quality=quality, sure=0.6)

    return script


def test_the_worse_half_of_a_wave_is_not_scored_on_further_folds():
    script = by_family(
        {
            "baseline": Scripted(quality=0.5),
            "linear": Scripted(quality=0.6),
            "forest": Scripted(quality=0.9),
        }
    )
    search = build_search(FOUR, script)
    steps = list(search.run())
    out = dropped(steps)
    assert {candidate.family for candidate in out} == {"boosting"}
    assert set(out.values()) == {"0.5 where the better half has 0.6 or more."}
    folds = {fit.fold for fit in submitted_fits(search) if fit.round == "search" and fit.candidate in out}
    assert folds == {0, 1}
    assert not out.keys() & search.scoreboard.means.keys()


def test_references_run_on_all_folds():
    script = by_family(
        {"baseline": Scripted(quality=0.1), "linear": Scripted(quality=0.2)}, Scripted(quality=0.9)
    )
    search = build_search(FOUR, script)
    steps = list(search.run())
    assert not dropped(steps)
    assert {c.family for c in search.scoreboard.means} >= set(REFERENCES)


@pytest.mark.parametrize(("quality", "stays"), [(0.869, True), (0.866, False)])
def test_a_candidate_close_to_the_best_proceeds_whatever_its_rank(quality, stays):
    # The baseline has 0.5 and the best 0.9; 92 % of the advantage is 0.868.
    outcomes = {
        "baseline": Scripted(quality=0.5),
        "linear": Scripted(quality=0.9),
        "boosting": Scripted(quality=quality),
    }
    search = build_search(FOUR, by_family(outcomes, Scripted(quality=0.9)))
    steps = list(search.run())
    assert any(c.family == "boosting" for c in dropped(steps)) is not stays


def test_many_rows_are_screened_and_only_the_closest_proceed():
    problem = replace(FOUR, folds=3)
    outcomes = by_family({"baseline": Scripted(quality=0.5)}, Scripted(quality=0.9))
    boosting = []

    def script(candidate):
        boosting.extend([candidate] if candidate.family == "boosting" else [])
        return Scripted(quality=0.87) if candidate in boosting[:1] else outcomes(candidate)

    search = build_search(problem, script, rows=20_000)
    steps = list(search.run())
    first = submitted_fits(search)[0]
    assert (first.round, first.fold) == ("taste", 0)
    assert set(dropped(steps)) == {boosting[0]}
    assert not [
        fit for fit in submitted_fits(search) if fit.round == "search" and fit.candidate in dropped(steps)
    ]


def test_the_search_draws_as_many_candidates_as_it_may():
    for candidates in (1, 4, 9):
        steps = list(
            build_search(replace(FOUR, candidates=candidates), ranked(0.5, 0.6, 0.7, 0.8, 0.9)).run()
        )
        assert len(drawn(steps)) == len(set(drawn(steps))) == candidates


def test_the_better_half_ends_at_the_median():
    search = build_search(
        replace(FOUR, families=("forest", "boosting")), ranked(0.9, 0.8, 0.7, 0.6, 0.55, 0.5)
    )
    steps = list(search.run())
    assert {step.reason for step in steps if isinstance(step, CandidateDropped)} == {
        f"{score:g} where the better half has 0.7 or more." for score in (0.6, 0.55, 0.5)
    }


def test_the_champions_recipe_is_not_counted_in_the_budget():
    champion = Candidate("forest", {"n_estimators": 17}, incumbent=True)
    steps = list(build_search(replace(FOUR, candidates=4), ranked(0.5), incumbents=[champion]).run())
    assert drawn(steps)[0] == champion
    assert len(drawn(steps)) == 5
    order = {}

    def ever_better(candidate):
        return Scripted(quality=0.3 + 0.005 * order.setdefault(candidate, len(order)))

    steps = list(build_search(replace(FOUR, candidates=60), ever_better, incumbents=[champion]).run())
    assert len(drawn(steps)) == 61


def test_the_champions_recipe_runs_on_all_folds_though_others_are_better():
    champion = Candidate("forest", {"n_estimators": 17}, incumbent=True)
    search = build_search(
        FOUR, lambda c: Scripted(quality=0.2 if c == champion else 0.9), incumbents=[champion]
    )
    assert champion not in dropped(list(search.run()))
    assert champion in search.scoreboard.means


def test_a_search_without_improvement_ends_before_its_budget():
    problem = replace(FOUR, candidates=200)
    search = build_search(problem, by_family({}, Scripted(quality=0.7)))
    steps = list(search.run())
    scored = len(search.proven)
    assert len(drawn(steps)) == scored + PATIENCE * WAVE
    assert search.stop_reason == (
        f" The search ended after {scored + 12} candidates: the last 12 improved nothing beyond the folds' noise."
    )


def test_a_search_continues_while_it_improves_beyond_noise():
    problem = replace(FOUR, candidates=60)
    order = {}

    def ever_better(candidate):
        return Scripted(quality=0.3 + 0.005 * order.setdefault(candidate, len(order)))

    search = build_search(problem, ever_better)
    assert len(drawn(list(search.run()))) == 60
    assert not search.stop_reason


def test_an_improvement_within_noise_does_not_prolong_the_search():
    problem = replace(FOUR, candidates=60)
    order = {}

    def hardly_better(candidate):
        place = order.setdefault(candidate, len(order))
        return Scripted(quality=0.7 + 1e-4 * place, noise=1 + 0.3 * place)

    search = build_search(problem, hardly_better)
    assert len(drawn(list(search.run()))) < 60
    assert "improved nothing beyond the folds' noise" in search.stop_reason


def test_a_candidate_that_fails_has_no_further_fits():
    script = by_family({"forest": Scripted(fails_in="search")}, Scripted(quality=0.7))
    search = build_search(FOUR, script)
    steps = list(search.run())
    assert {step.candidate.family for step in steps if isinstance(step, CandidateFailed)} == {"forest"}
    assert not [c for c in search.leaders() if c.family == "forest"]
    later = [fit for fit in submitted_fits(search) if fit.candidate.family == "forest" and fit.fold > 1]
    assert not later


def test_ties_go_to_the_lower_loss():
    outcomes = {"forest": Scripted(quality=0.9, sure=0.8), "boosting": Scripted(quality=0.9, sure=0.99)}
    search = build_search(FOUR, by_family(outcomes))
    list(search.run())
    assert search.leaders()[0].family == "boosting"


def test_further_ties_go_to_the_candidate_drawn_first():
    search = build_search(FOUR, by_family({}, Scripted(quality=0.9)))
    steps = list(search.run())
    assert search.leaders()[0] == drawn(steps)[0]


def test_random_draws_are_penalised_by_a_standard_error():
    def script(candidate):
        return Scripted(quality=0.7) if candidate in search.proven else Scripted(quality=0.705, noise=-1.0)

    search = build_search(replace(FOUR, candidates=200), script)
    list(search.run())
    by_chance = [c for c in search.scoreboard.means if c not in search.proven]
    assert by_chance and max(search.scoreboard.means, key=search.scoreboard.means.get) in by_chance
    assert search.leaders()[0] in search.proven
    standing = search.standings()
    # The folds' advantages are 0.005 - 2 * NOISE; 4 folds, a third as many rows held out as learned from.
    advantages = [0.005 - 2 * each for each in (0.01, -0.01, 0.02, -0.02)]
    mean = sum(advantages) / 4
    variance = sum((each - mean) ** 2 for each in advantages) / 3
    assert standing[by_chance[0]] == pytest.approx(0.705 - ((1 / 4 + 1 / 3) * variance) ** 0.5)


def test_a_search_that_reaches_its_deadline_reports_its_candidates():
    problem = Classification(folds=4, seconds=5, families=("linear", "baseline", "forest"))
    now = time.monotonic()
    search = build_search(
        problem, by_family({}, Scripted(quality=0.7)), deadline=now, latest_deadline=now, end=now + 60
    )
    list(search.run())
    scored = len(search.scoreboard.means)
    assert scored > 0
    assert (
        search.stop_reason
        == f" The time limit of 5 s cut the search short after {scored} of {WAVE} candidates."
    )
    assert len(search.drawn) == WAVE


def test_the_best_candidate_is_finished_after_the_deadline(monkeypatch):
    problem = replace(FOUR, seconds=5)
    outcomes = {
        "baseline": Scripted(quality=0.5),
        "linear": Scripted(quality=0.6),
        "forest": Scripted(quality=0.9),
    }
    now = time.monotonic()
    search = build_search(
        problem, by_family(outcomes), deadline=now + 600, latest_deadline=now + 600, end=now + 600
    )
    over = iter([True])  # after the first folds of the first wave
    monkeypatch.setattr(module, "is_past", lambda deadline: next(over, True))
    list(search.run())
    (best,) = search.scoreboard.means
    assert best.family == "forest"
    assert search.scoreboard.count_leading_folds(best) == 4


def test_candidates_that_cannot_finish_in_time_are_dropped():
    problem = replace(FOUR, seconds=5)
    outcomes = {
        "forest": Scripted(quality=0.9, seconds=1_000.0),
        "boosting": Scripted(quality=0.9, seconds=1.0),
    }
    now = time.monotonic()
    search = build_search(
        problem, by_family(outcomes), deadline=now + 100, latest_deadline=now + 200, end=now + 300
    )
    out = dropped(list(search.run()))
    assert {c.family for c in out} == {"forest"}
    # Two folds are missing, and two are fitted at a time.
    assert set(out.values()) == {"its folds would take another 1000 s."}


def test_the_search_may_use_time_that_the_final_round_will_not_need():
    problem = replace(FOUR, seconds=5)
    now = time.monotonic()
    times = {"deadline": now + 100, "latest_deadline": now + 200, "end": now + 300}
    cheap = build_search(problem, by_family({}, Scripted(quality=0.7, seconds=0.01)), **times)
    assert cheap._current_deadline() == times["deadline"]  # without any estimate of its time
    list(cheap.run())
    assert cheap._current_deadline() == times["latest_deadline"]
    dear = build_search(problem, by_family({}, Scripted(quality=0.7, seconds=25.0)), **times)
    list(dear.run())
    # Four leaders but the baseline, 25 s each, on four folds and a last fit of all rows, by two, and caution.
    leading = [c for c in dear.leaders() if c.family != "baseline"][:4]
    assert dear._current_deadline() == pytest.approx(
        max(times["deadline"], times["end"] - len(leading) * 25 * (5 + 1 / 3) / 2 * 1.25)
    )


def test_the_search_ends_earlier_if_the_best_candidate_needs_the_rest_for_enough_folds():
    problem = replace(FOUR, seconds=5)
    now = time.monotonic()
    times = {"earliest": now + 50, "deadline": now + 150, "latest_deadline": now + 200, "end": now + 300}
    dear = build_search(problem, by_family({}, Scripted(quality=0.7, seconds=60.0)), **times)
    list(dear.run())
    assert dear._current_deadline() == pytest.approx(times["end"] - 60 * (5 + 1 / 3) / 2 * 1.25)
    dearest = build_search(problem, by_family({}, Scripted(quality=0.7, seconds=200.0)), **times)
    list(dearest.run())
    assert dearest._current_deadline() == times["earliest"]


def test_ties_of_regressions_go_to_the_lower_squared_error():
    problem = Regression(folds=4, candidates=6, families=("linear", "baseline", "forest", "boosting"))
    outcomes = {"forest": Scripted(quality=0.9, sure=0.5), "boosting": Scripted(quality=0.9, sure=0.9)}
    search = build_search(problem, by_family(outcomes))
    list(search.run())
    assert search.leaders()[0].family == "boosting"
