"""Later rows that are harder to predict than folds say that ignore time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from learning.analysis import Analysis, FindingKind
from learning.dataset import Dataset, dataset
from learning.estimators.families import Candidate
from learning.evaluation import later_rows
from learning.evaluation.folds import FoldPlan
from learning.evaluation.horizon import describe_horizon, format_span
from learning.evaluation.later_rows import LaterRows, compare_later_rows
from learning.evaluation.learnable import select_learnable
from learning.problem import Classification, Clustering, Problem, Regression
from learning.selection.decision import Incumbent
from learning.selection.time_objections import TimeObjections

from ..conftest import numbers

START = datetime(2024, 1, 1, tzinfo=UTC)
N = 200


def timed(problem: Problem, trend: float = 0.0, turns: bool = False, **options) -> Dataset:
    """Rows of N days; the label follows the first column, and changes by `trend` a day or turns round."""
    random = np.random.default_rng(0)
    X, days = random.normal(size=(N, 2)), random.permutation(N)
    sign = np.where(days > N / 3, -1, 1) if turns else 1
    y = sign * X[:, 0] + trend * days + 0.3 * random.normal(size=N)
    labels = ["yes" if value > 0 else "no" for value in y] if problem.has_classes else y.tolist()
    times = [START + timedelta(days=int(day)) for day in days]
    rows = X.tolist()
    return dataset(problem, numbers("ab"), rows, labels, ["no", "yes"], times=times, **options)


def compare(problem: Problem, data: Dataset, trees: int = 5) -> LaterRows | None:
    """Compare by a forest of so few trees: in most tests, the linear model is the better one anyway."""
    models = Candidate("forest", {"n_estimators": trees}), Candidate("linear", {})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(later_rows, "MODELS", models)
        return compare_later_rows(problem, select_learnable(problem, data))


def test_a_trend_makes_later_rows_harder_and_both_scores_are_named():
    later = compare(Regression(metric="r2"), timed(Regression(), trend=0.02))
    assert later.are_harder and later.later < later.plain
    sentence = later.finding().sentence
    assert f"r2 {later.plain:.4g} for rows of the same time, and {later.later:.4g} for later ones" in sentence
    assert "ordered=True" in sentence and "gap=" in sentence


@pytest.mark.parametrize("problem", [Regression(), Classification()])
def test_without_a_change_later_rows_are_no_harder(problem):
    assert not compare(problem, timed(problem)).are_harder


def test_a_relation_that_turns_round_makes_later_rows_harder():
    problem = Classification()
    assert compare(problem, timed(problem, turns=True)).are_harder


def test_a_model_that_only_seems_better_hides_no_trend_that_another_could_follow():
    random = np.random.default_rng(0)
    X = np.column_stack([random.normal(size=N), np.arange(N)])
    y = 4 * np.abs(X[:, 0]) + 0.03 * X[:, 1] + 0.3 * random.normal(size=N)
    times = [START + timedelta(days=day) for day in range(N)]
    data = dataset(Regression(), numbers("ab"), X.tolist(), y.tolist(), times=times)
    assert compare(Regression(metric="r2"), data, trees=20).are_harder


@pytest.mark.parametrize("problem", [Regression(ordered=True), Clustering()])
def test_ordered_folds_and_clusterings_are_not_compared(problem):
    data = timed(Regression())
    data = data if problem.learns_from_labels else replace(data, y=None)
    assert compare(problem, data) is None


def test_groups_are_not_separated():
    problem = Regression()
    groups = [index % 40 for index in range(N)]
    assert not compare(problem, timed(problem, groups=groups)).are_harder


def test_a_class_that_is_new_does_no_harm():
    problem = Classification()
    data = timed(problem)
    rows = np.argsort(data.times)
    codes = np.zeros(N, dtype=np.int64)
    codes[rows[N // 2 :]] = np.arange(N - N // 2) % 2
    later = compare(problem, replace(data, y=codes), trees=20)
    assert later is not None and later.later_loss > later.plain_loss


def outcome(**changes) -> LaterRows:
    facts = {"metric": "r2", "plain": 0.5, "later": 0.1, "plain_loss": 1.0, "later_loss": 1.5}
    facts |= {"baseline_loss": 2.0, "p_value": 0.001} | changes
    return LaterRows(**({"least_later_loss": facts["later_loss"]} | facts))


@pytest.mark.parametrize(
    ("changes", "harder", "useless"),
    [
        ({}, True, False),
        ({"p_value": 0.2}, False, False),
        ({"later_loss": 1.05, "baseline_loss": 1.1}, True, False),
        ({"later_loss": 1.05}, False, False),
        ({"later_loss": 2.5}, True, True),
        ({"later_loss": 2.5, "least_later_loss": 1.9}, True, False),
    ],
)
def test_only_a_change_beyond_noise_that_matters_is_named(changes, harder, useless):
    later = outcome(**changes)
    assert (later.are_harder, later.are_unpredicted) == (harder, useless)


def analysis(*outcomes: LaterRows) -> Analysis:
    findings = tuple(each.finding() for each in outcomes)
    return Analysis(rows=N, features=(), findings=findings, balance=(), label_quantiles=None)


def test_a_model_of_no_use_for_later_rows_waits_even_as_the_first_one():
    useless = analysis(outcome(later_loss=2.5))
    assert useless.findings[0].kind is FindingKind.LATER_ROWS_UNPREDICTED
    (objection,) = TimeObjections(analysis=useless, incumbent=None).objections()
    assert objection.holds_first and "ordered=True" in objection.sentence
    accepted = Incumbent(
        family="linear", hyperparameters={}, metric="r2", score=0.5, fingerprint="", analysis=useless
    )
    assert not list(TimeObjections(analysis=useless, incumbent=accepted).objections())


def test_rows_that_are_merely_harder_hold_nothing():
    doubts = TimeObjections(analysis=analysis(outcome()), incumbent=None)
    assert not list(doubts.objections())
    assert doubts.sentences() == [outcome().finding().sentence]


def test_the_horizon_of_ordered_folds_is_the_time_between_learning_and_predicting():
    problem = Regression(ordered=True, gap=timedelta(days=7))
    data = timed(problem)
    folds = FoldPlan.of(problem, data).split(data, "contest")
    last = max(float(data.times[held].max() - data.times[learn].max()) for learn, held in folds)
    assert f"up to {last:.0f} days after the last one learned from" in describe_horizon(
        data, folds, ordered=True
    )
    assert "of the same time" in describe_horizon(data, folds, ordered=False)
    assert describe_horizon(replace(data, times=None), folds, ordered=False) == ""


@pytest.mark.parametrize(
    ("days", "text"), [(60.2, "60 days"), (1.5, "36 hours"), (0.01, "14 minutes"), (0.0, "0 seconds")]
)
def test_a_span_is_rendered_in_a_unit_that_people_count(days, text):
    assert format_span(days) == text
