"""Winners that have learned nothing, and weak ones that have."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from learning.columns import Column, Kind
from learning.dataset import Dataset, dataset
from learning.estimators.families import Candidate
from learning.evaluation.folds import FoldPlan
from learning.evaluation.score_error import estimate_error
from learning.problem import Classification, Problem, Regression
from learning.selection.decision import Entry, Incumbent
from learning.selection.nothing_learned import ChanceLevel
from learning.selection.objections import Objection

LINEAR = Candidate("linear", {})


def examples(problem: Problem, rows: int = 600, share: float = 0.5) -> Dataset:
    random = np.random.default_rng(0)
    columns = [Column(name="a", kind=Kind.NUMBER)]
    labels = (
        np.where(random.random(rows) < share, "yes", "no")
        if problem.has_classes
        else random.normal(size=rows)
    )
    return dataset(problem, columns, [[0.0]] * rows, labels.tolist())


def judge(
    problem: Problem,
    data: Dataset,
    values: Any,
    family: str = "linear",
    incumbent: Incumbent | None = None,
) -> list[Objection]:
    """Judge a winner with these predictions: a probability of the last class, or a value, of each row."""
    metric = problem.metric_for(len(data.classes) or None)
    plan = FoldPlan.of(problem, data)
    folds = plan.split(data, "contest")
    table = np.column_stack([1 - values, values]) if data.classes else values
    predictions = [table[held_out].astype(np.float32) for _, held_out in folds]
    judge = ChanceLevel(
        dataset=data,
        metric=metric,
        folds=folds,
        predictions=predictions,
        ratio=plan.ratio,
        recipes=24,
        families=9,
        incumbent=incumbent,
    )
    winner = Entry(
        candidate=Candidate(family, {}),
        searched=None,
        scores=tuple(judge._scores(metric, predictions)),
        estimate=partial(estimate_error, metric, data, predictions, [held_out for _, held_out in folds]),
    )
    return list(judge.objections(winner))


def rank(data: Dataset, area: float) -> Any:
    """Draw probabilities with about this area under the curve."""
    random = np.random.default_rng(1)
    shift = {0.5: 0.0, 0.53: 0.1, 0.65: 0.55, 0.8: 1.2}[area]
    scores = random.normal(size=len(data)) + shift * (data.y == 1)
    return 1 / (1 + np.exp(-scores))


def test_a_winner_that_is_no_better_than_chance_waits_even_as_the_first() -> None:
    data = examples(Classification(), 150)
    [objection] = judge(Classification(), data, rank(data, 0.53))
    assert objection.holds_first
    assert (
        "is no better than chance, as far as 150 rows can tell: a model without features has 0.500"
        in objection.sentence
    )
    assert "the best of 24 recipes would need" in objection.sentence


def test_a_weak_signal_is_learned() -> None:
    data = examples(Classification(), 600)
    values = rank(data, 0.65)
    assert roc_auc_score(data.y, values) == pytest.approx(0.65, abs=0.03)
    assert judge(Classification(), data, values) == []
    assert judge(Classification(), data, rank(data, 0.5))


def test_a_winner_without_features_has_learned_nothing() -> None:
    data = examples(Classification(), 600)
    [objection] = judge(Classification(), data, np.full(600, 0.5), family="baseline")
    assert objection.holds_first
    assert "no recipe was better than the baseline" in objection.sentence


def test_a_champion_that_is_no_better_is_followed() -> None:
    data = examples(Classification(), 600)
    champion = Incumbent(
        family="linear",
        hyperparameters={},
        metric="roc_auc",
        score=0.52,
        fingerprint="",
        classes=data.classes,
    )
    assert judge(Classification(), data, rank(data, 0.5), incumbent=champion) == []
    assert judge(Classification(), data, rank(data, 0.5), incumbent=replace(champion, score=0.9))
    assert judge(Classification(), data, rank(data, 0.5), incumbent=replace(champion, metric="accuracy"))
    assert judge(Classification(), data, rank(data, 0.5), incumbent=replace(champion, examples=500)) == []


def test_a_weak_champion_that_many_rows_have_shown_to_be_of_use_is_not_followed_by_chance() -> None:
    data = examples(Classification(), 600)
    champion = Incumbent(
        family="linear",
        hyperparameters={},
        metric="roc_auc",
        score=0.53,
        fingerprint="",
        classes=data.classes,
        examples=60_000,
    )
    assert judge(Classification(), data, rank(data, 0.5), incumbent=champion)


def test_a_ranking_that_the_accuracy_hides_is_learned() -> None:
    """Check a rare class: always predicting the other one is as accurate, and tells nothing."""
    problem = Classification(metric="accuracy")
    data = examples(problem, 600, share=0.1)
    values = rank(data, 0.8)
    assert judge(problem, data, values * 0.4) == []
    [objection] = judge(problem, data, rank(data, 0.5) * 0.4)
    assert objection.holds_first


def test_a_winner_that_ranks_but_is_worse_than_the_baseline_is_held_beside_a_champion() -> None:
    problem = Classification(metric="neg_log_loss")
    data = examples(problem, 600)
    values = np.where(rank(data, 0.8) > 0.6, 0.999, 0.001)
    [objection] = judge(problem, data, values)
    assert not objection.holds_first
    assert "is worse than the baseline's -0.68" in objection.sentence


def test_regressions_are_compared_with_the_mean() -> None:
    data = examples(Regression(), 300)
    random = np.random.default_rng(1)
    noise = random.normal(size=300)
    assert judge(Regression(), data, 0.3 * (data.y + noise)) == []
    [objection] = judge(Regression(), data, 0.02 * noise)
    assert objection.holds_first
    [rough] = judge(Regression(metric="neg_median_absolute_error"), data, 0.02 * noise)
    assert rough.holds_first
