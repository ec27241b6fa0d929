"""The build phase from first to last step, on real data."""

import time
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from statistics import fmean

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_wine

from learning import diagnostics
from learning.analysis import FindingKind
from learning.build import (
    Analysed,
    CandidateDropped,
    CandidateFailed,
    CandidateScored,
    CandidatesDrawn,
    Decided,
    DiagnosticDrawn,
    Fitted,
    FoldScored,
    Incumbent,
    build,
)
from learning.columns import Column, Kind
from learning.dataset import dataset
from learning.estimators import ensemble
from learning.estimators.families import Candidate
from learning.evaluation.folds import FoldPlan
from learning.exceptions import InvalidProblem, NothingFitted, TimedOut
from learning.problem import Classification, Clustering, Regression

from .conftest import MIXED, mixed_rows, numbers
from .selection.scripted import FittingPool, Scripted

pytestmark = pytest.mark.engine


def select(steps, kind):
    return [step for step in steps if isinstance(step, kind)]


def select_only(steps, kind):
    (step,) = select(steps, kind)
    return step


def incumbent_of(steps, fingerprint, **changed):
    champion = select(steps, Fitted)[0]
    incumbent = Incumbent(
        family=champion.candidate.family,
        hyperparameters=champion.candidate.hyperparameters,
        metric=champion.metric,
        score=champion.score,
        fingerprint=fingerprint,
    )
    return replace(incumbent, **changed)


def outcomes(steps):
    """Collect what must not depend on the number of processes."""
    steps = list(steps)
    timeless = {
        (step.candidate.key, step.round, step.fold): (step.score, step.measures)
        for step in select(steps, FoldScored)
    }
    return timeless, select(steps, Decided)


def recorded_in(steps, **changed):
    """Return what a build that goes on finds of the folds that another has scored."""
    return {
        (step.candidate.key, step.round, step.fold): replace(step, **changed)
        for step in select(steps, FoldScored)
        if step.candidate.family != "ensemble"
    }


def test_the_steps_describe_a_build_from_the_first_draw_to_the_last_model(tumor_steps, tumor_problem):
    kinds = [type(step) for step in tumor_steps]
    assert kinds[:2] == [Analysed, CandidatesDrawn]
    assert kinds.index(Decided) == kinds.index(Fitted) - 1
    assert kinds[-3:] == [Fitted] * 3
    drawn = [
        c for step in select(tumor_steps, CandidatesDrawn) for c in step.candidates if c.family != "ensemble"
    ]
    assert len(drawn) == tumor_problem.budget
    scored = {step.candidate for step in select(tumor_steps, CandidateScored) if step.round == "search"}
    dropped = {step.candidate for step in select(tumor_steps, CandidateDropped)}
    assert scored | dropped == set(drawn)
    assert not scored & dropped


def test_percent_only_grows_and_ends_at_a_hundred(tumor_steps):
    percents = [step.percent for step in tumor_steps]
    assert percents == sorted(percents)
    assert percents[0] >= 0
    assert percents[-1] == 100


def test_every_step_is_a_sentence_for_people(tumor_steps):
    assert all(step.message[0].isalpha() and step.message.endswith(".") for step in tumor_steps)


def test_the_winner_comes_first_and_the_models_are_of_different_families(tumor_steps):
    models = select(tumor_steps, Fitted)
    assert [step.winner for step in models] == [True, False, False]
    assert models[0].candidate == select_only(tumor_steps, Decided).winner
    assert len({step.candidate.family for step in models}) == 3


def test_the_reported_score_is_the_mean_over_fresh_folds(tumor_steps):
    for model in select(tumor_steps, Fitted):
        scores = {
            round: [
                s.score
                for s in select(tumor_steps, FoldScored)
                if s.candidate == model.candidate and s.round == round
            ]
            for round in ("search", "contest")
        }
        assert model.score == fmean(scores["contest"])
        # The baseline says the same of all rows.
        assert (scores["contest"] == scores["search"]) == (model.candidate.family == "baseline")


def test_a_candidates_score_comes_with_the_best_score_so_far(tumor_steps):
    best = float("-inf")
    for step in select(tumor_steps, CandidateScored):
        if step.round == "search":
            best = max(best, step.score)
            assert step.best == best


def test_tumors_are_classified(tumor_steps):
    champion = select(tumor_steps, Fitted)[0]
    assert champion.metric == "roc_auc"
    assert champion.score >= 0.99
    data = load_breast_cancer()
    answers = champion.model.predict(data.data.tolist())
    right = [("malignant", "benign")[target] for target in data.target]
    assert np.mean([answer.label == label for answer, label in zip(answers, right, strict=True)]) > 0.95


@pytest.fixture(scope="module")
def patient_steps(patients):
    """All steps of a build that draws pictures."""
    return list(build(Regression(candidates=3, folds=3), patients))


def test_the_progress_of_diabetes_is_predicted(patient_steps):
    assert select(patient_steps, Fitted)[0].metric == "r2"
    assert select(patient_steps, Fitted)[0].score >= 0.45


def test_wines_fall_into_their_cultivars(wines):
    problem = Clustering(
        pictures=0.0, families=("kmeans", "agglomerative"), clusters=(2, 3, 4), candidates=6, folds=3
    )
    model = select(build(problem, wines), Fitted)[0]
    assert model.metric == "separation"
    assert model.candidate.hyperparameters["clusters"] == 3
    data = load_wine()
    clusters = np.array([answer.cluster for answer in model.model.predict(data.data.tolist())])
    same = sum(np.bincount(data.target[clusters == cluster]).max() for cluster in set(clusters))
    assert same / len(clusters) > 0.95


def test_the_number_of_processes_changes_neither_scores_nor_winner(tumor_steps, tumor_problem, tumors):
    assert outcomes(build(tumor_problem, tumors, workers=1)) == outcomes(tumor_steps)


def test_an_ensemble_in_the_final_round_is_scored_from_its_members_predictions(tumor_steps):
    scored = {(s.candidate, s.round, s.fold): s for s in select(tumor_steps, FoldScored)}
    averages = {candidate for candidate, _, _ in scored if candidate.family == "ensemble"}
    (average,) = {each for each in averages if "parts" not in each.hyperparameters}
    weights = ensemble.members(average)
    for fold in range(3):
        members = {member: scored[member, "contest", fold].predictions for member in weights}
        together = scored[average, "contest", fold]
        np.testing.assert_array_equal(together.predictions, ensemble.average(members, weights))


def test_averages_of_fold_models_are_scored_from_out_of_fold_predictions(tumor_steps, tumors, tumor_problem):
    scored = {(s.candidate, s.round, s.fold): s for s in select(tumor_steps, FoldScored)}
    averages = {candidate for candidate, _, _ in scored if "parts" in candidate.hyperparameters}
    plan = FoldPlan.of(tumor_problem, tumors)
    assert averages
    for average in averages:
        weights = ensemble.members(average)
        outcomes = {}
        for member in weights:
            sums = np.zeros((len(tumors), 2))
            for round in ("search", "contest"):
                for fold, (_, held_out) in enumerate(plan.split(tumors, round)):
                    sums[held_out] += scored[member, round, fold].predictions / 2
            outcomes[member] = sums
        for fold, (_, held_out) in enumerate(plan.split(tumors, "contest")):
            expected = ensemble.average({m: outcomes[m][held_out] for m in weights}, weights)
            np.testing.assert_allclose(scored[average, "contest", fold].predictions, expected, atol=1e-6)


def test_a_champion_that_is_an_ensemble_is_compared_and_fitted_again(tumors):
    recipe = ensemble.build_recipe(
        {Candidate("linear", {"C": 1.0}): 0.5, Candidate("linear", {"C": 0.1}): 0.5}
    )
    champion = Incumbent(
        family=recipe.family,
        hyperparameters=recipe.hyperparameters,
        metric="roc_auc",
        score=0.99,
        fingerprint="fewer examples",
    )
    steps = list(build(Classification(pictures=0.0, candidates=2, folds=3), tumors, champion))
    assert select_only(steps, Decided).incumbent_kept
    fitted = select(steps, Fitted)[0]
    assert fitted.candidate == recipe
    (answer,) = fitted.model.predict([[1.0] * len(tumors.columns)])
    assert sum(answer.probabilities) == pytest.approx(1)


def test_candidates_with_slow_predictions_are_dropped_if_the_problem_limits_them(tumors):
    problem = Classification(
        pictures=0.0, families=("baseline", "naive_bayes"), candidates=2, folds=3, infer_limit=10.0
    )
    # Recorded times are used as they are, so that other load on this machine cannot change the outcome.
    microseconds = {"baseline": 1.0, "naive_bayes": 100.0}
    steps = takewhile(
        lambda step: not isinstance(step, Decided), build(replace(problem, infer_limit=1e9), tumors)
    )
    searched = [step for step in select(steps, FoldScored) if step.round == "search"]
    assert all(step.microseconds > 0 for step in searched)
    recorded = {
        (s.candidate.key, s.round, s.fold): replace(s, microseconds=microseconds[s.candidate.family])
        for s in searched
    }
    steps = list(build(problem, tumors, load_recorded=lambda digest: recorded))
    assert {step.candidate.family for step in select(steps, CandidateDropped)} == {"naive_bayes"}
    assert select_only(steps, Decided).winner.family == "baseline"


def test_an_interrupted_build_fits_nothing_twice(tumor_steps, tumor_problem, tumors):
    # Impossible times identify the folds that were not fitted again.
    recorded = dict(list(recorded_in(tumor_steps, fit_seconds=-1.0).items())[:10])
    again = list(build(tumor_problem, tumors, load_recorded=lambda digest: recorded))
    taken = [step for step in select(again, FoldScored) if step.fit_seconds == -1.0]
    assert len(taken) == 10
    assert outcomes(again) == outcomes(tumor_steps)


def test_the_champions_recipe_is_compared_and_fitted_on_new_examples(tumor_steps, tumor_problem, tumors):
    champion = incumbent_of(tumor_steps, "fewer examples")
    steps = list(
        build(tumor_problem, tumors, champion, load_recorded=lambda digest: recorded_in(tumor_steps))
    )
    assert select(steps, CandidatesDrawn)[0].candidates[0].incumbent
    decided = select_only(steps, Decided)
    assert decided.incumbent_kept
    assert decided.winner.key == select(tumor_steps, Fitted)[0].candidate.key
    assert decided.reason.startswith("Kept the champion's recipe")
    assert f"held out of {len(tumors)} examples" in decided.reason
    assert select(steps, Fitted)[0].winner


def test_nothing_is_fitted_if_the_examples_are_the_same_and_no_recipe_is_better(
    tumor_steps, tumor_problem, tumors
):
    champion = incumbent_of(tumor_steps, tumors.fingerprint)
    steps = list(
        build(tumor_problem, tumors, champion, load_recorded=lambda digest: recorded_in(tumor_steps))
    )
    assert select_only(steps, Decided).winner is None
    assert select(steps, Fitted) == []
    assert steps[-1].percent == 100


def test_a_model_below_the_champions_recorded_score_is_held(tumor_steps, patients):
    problem = Regression(pictures=0.0, candidates=1, folds=3)
    champion = Incumbent(
        family="linear", hyperparameters={"alpha": 1.0}, metric="r2", score=0.9, fingerprint="other"
    )
    reason = select_only(build(problem, patients, champion), Decided).hold_reason
    assert "0.900" in reason


def test_a_champions_recipe_that_fails_is_recorded_and_replaced(tumors):
    problem = Classification(pictures=0.0, candidates=1, folds=3)
    broken = Incumbent(
        family="linear", hyperparameters={"C": -1.0}, metric="roc_auc", score=0.5, fingerprint=""
    )
    steps = list(build(problem, tumors, broken))
    failure = select_only(steps, CandidateFailed)
    assert failure.candidate.incumbent
    assert failure.code == "INTERNAL"
    assert "could not be scored" in select_only(steps, Decided).reason


def test_a_champion_of_a_missing_family_does_not_stop_a_build(tumors):
    gone = Incumbent(family="oracle", hyperparameters={}, metric="roc_auc", score=0.5, fingerprint="")
    steps = list(build(Classification(pictures=0.0, candidates=1, folds=3), tumors, gone))
    assert not select_only(steps, Decided).incumbent_kept


def test_a_model_below_a_recall_floor_is_held(tumors):
    problem = Classification(pictures=0.0, candidates=1, folds=3, floors={"malignant": 1.0})
    assert "'malignant'" in select_only(build(problem, tumors), Decided).hold_reason


@pytest.mark.parametrize(
    ("problem", "choices"),
    [
        (Classification(candidates=3, folds=3), ("False", "True")),
        (Regression(candidates=3, folds=3), ()),
        (Clustering(candidates=3, folds=3), ()),
    ],
)
def test_models_learn_from_columns_of_every_kind_including_constant_and_empty_ones(problem, choices):
    rows, labels = mixed_rows(90)
    data = dataset(problem, MIXED, rows, labels, choices)
    steps = list(build(problem, data))
    assert select(steps, CandidateFailed) == []
    assert select(steps, Fitted)


def test_models_learn_from_text_alone():
    rows, labels = mixed_rows(120)
    note = [column for column in MIXED if column.name == "note"]
    texts = [(row[10] or "",) for row in rows]
    problem = Classification(pictures=0.0, candidates=5, folds=3)
    steps = list(build(problem, dataset(problem, note, texts, labels, ("False", "True"))))
    assert select(steps, Fitted)[0].score > 0.85


def test_several_classes_are_ranked_one_against_the_rest():
    data = load_wine()
    problem = Classification(pictures=0.0, candidates=2, folds=3)
    labels = [("one", "two", "three")[target] for target in data.target]
    wines = dataset(problem, numbers(data.feature_names), data.data.tolist(), labels, ("one", "two", "three"))
    model = select(build(problem, wines), Fitted)[0]
    assert model.metric == "roc_auc_ovr"
    assert model.score > 0.99


def test_the_reason_mentions_a_time_limit_that_cut_the_search_short(tumors):
    """Check with fits that take no time, and a build that began long ago, whatever the machine's pace."""
    problem = Classification(pictures=0.0, seconds=1_000, keep=1, families="linear")

    def open_pool(context, seconds, megabytes):
        return nullcontext(FittingPool(context, lambda _: Scripted(quality=0.8)))

    steps = list(build(problem, tumors, pool_factory=open_pool, started=time.monotonic() - 650))
    assert "time limit of 1000 s cut the search short after 1 of" in select_only(steps, Decided).reason
    assert select(steps, Fitted)


def test_a_time_limit_that_leaves_no_candidate_is_an_error(tumors):
    with pytest.raises(TimedOut, match=r"0\.001 s"):
        list(build(Classification(pictures=0.0, seconds=0.001), tumors))


def test_a_build_whose_candidates_all_fail_reports_the_first_reason(patients):
    with pytest.raises(NothingFitted, match="strictly positive"):
        list(
            build(
                Regression(pictures=0.0, metric="neg_mean_gamma_deviance", candidates=2),
                replace(patients, y=-patients.y),
            )
        )


def test_a_metric_for_two_classes_is_refused_for_three():
    data = load_wine()
    problem = Classification(pictures=0.0, metric="roc_auc", candidates=1)
    wines = dataset(problem, numbers(data.feature_names), data.data.tolist(), data.target.tolist())
    with pytest.raises(InvalidProblem, match="roc_auc_ovr"):
        next(build(problem, wines))


def test_clusters_keep_their_numbers_from_build_to_build():
    data = load_wine()
    problem = Clustering(pictures=0.0, candidates=3, folds=3, families="kmeans", clusters=(3,))
    wines = dataset(problem, numbers(data.feature_names), data.data.tolist(), None)
    first = select(build(problem, wines), Fitted)[0].model
    before = 2 - first.estimator.predict(wines.X)
    champion = Incumbent(
        family="kmeans", hyperparameters={}, metric="silhouette", score=0.0, fingerprint="", clusters=before
    )
    steps = list(build(problem, wines, champion))
    again = select(steps, Fitted)[0].model
    assert (again.estimator.predict(wines.X) == before).mean() > 0.95
    assert select(steps, Decided)[0].hold_reason is None


def test_a_cloud_is_held_for_it_has_no_clusters():
    cloud = np.random.default_rng(0).normal(size=(200, 3))
    problem = Clustering(pictures=0.0, candidates=3, folds=3, families="kmeans", clusters=(2, 3))
    decided = select(build(problem, dataset(problem, numbers("abc"), cloud.tolist(), None)), Decided)[0]
    assert decided.holds_first
    assert "no clear clusters" in (decided.hold_reason or "")
    assert f"It finds {decided.winner.hyperparameters['clusters']} clusters" in decided.reason


def test_each_clustering_is_measured_by_noise_and_stability():
    data = load_wine()
    problem = Clustering(pictures=0.0, candidates=2, folds=3, families=("kmeans", "hdbscan"), clusters=(3,))
    wines = dataset(problem, numbers(data.feature_names), data.data.tolist(), None)
    scored = select(build(problem, wines), FoldScored)
    of_kmeans = [
        {m.metric: m.value for m in step.measures} for step in scored if step.candidate.family == "kmeans"
    ]
    assert len(of_kmeans) == 6
    assert all(measures["stability"] > 0.6 for measures in of_kmeans)
    assert all(measures["noise"] == 0 for measures in of_kmeans)


def test_diagnostics_come_last_and_show_the_winner(patient_steps):
    drawn = select(patient_steps, DiagnosticDrawn)
    winner = next(step for step in select(patient_steps, Fitted) if step.winner)
    assert patient_steps[-len(drawn) :] == drawn
    assert [step.diagnostic.kind for step in drawn] == list(diagnostics.kinds(Regression))
    assert {step.candidate for step in drawn} == {winner.candidate}
    assert all(step.diagnostic.svg for step in drawn)
    assert drawn[-1].percent == 100


def test_what_is_told_of_a_calibrated_model_is_of_its_calibrated_predictions(tumors):
    problem = Classification(
        metric="neg_log_loss", families=("naive_bayes",), candidates=1, folds=3, pictures=0.0
    )
    steps = list(build(problem, tumors))
    step, fold_scores = select(steps, Fitted)[0], [s.score for s in select(steps, FoldScored)]
    served, calibration = step.served, step.model.calibration
    assert served.temperature == calibration.temperature > 1.5  # naive Bayes is too certain
    assert served.log_loss.after == -served.score.after == pytest.approx(calibration.log_loss_after, rel=0.02)
    assert served.log_loss.after < 0.7 * served.log_loss.before
    assert step.score == served.score.before < max(fold_scores)
    assert step.served_score == pytest.approx(served.score.after - step.optimism)
    assert f"temperature {served.temperature:.3g}" in step.message


def test_a_build_says_that_later_rows_are_harder_and_what_its_scores_are_of():
    random, start = np.random.default_rng(0), datetime(2024, 1, 1, tzinfo=UTC)
    rows, days = random.normal(size=(200, 2)), random.permutation(200)
    labels = rows[:, 0] + 0.02 * days + 0.3 * random.normal(size=200)
    columns = [Column(name=name, kind=Kind.NUMBER) for name in "ab"]
    problem = Regression(families=("linear",), candidates=1, folds=3, pictures=0.0)
    data = dataset(
        problem,
        columns,
        rows.tolist(),
        labels.tolist(),
        times=[start + timedelta(days=int(day)) for day in days],
    )
    steps = list(build(problem, data))
    decided, analysed = select_only(steps, Decided), select_only(steps, Analysed)
    (finding,) = [f.sentence for f in analysed.analysis.findings if f.kind is FindingKind.LATER_ROWS_HARDER]
    assert finding in decided.reason
    horizon = select(steps, Fitted)[0].horizon
    assert "of the same time as those learned from" in horizon and horizon not in decided.reason
