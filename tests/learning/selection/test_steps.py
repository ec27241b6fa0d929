"""Sentences about the steps of a build."""

from typing import Any

from learning.estimators.families import Candidate
from learning.selection.served import ScoreChange, Served
from learning.selection.steps import Fitted

UNCHANGED = ScoreChange(before=0.5, after=0.5)


def explain(score: float, optimism: float = 0.0, served: ScoreChange | None = None) -> str:
    model: Any = None
    step = Fitted(
        percent=99.0,
        candidate=Candidate("linear", {}),
        model=model,
        metric="roc_auc",
        score=score,
        optimism=optimism,
        served=Served(
            metric="roc_auc",
            temperature=2.0,
            folds=(),
            score=served,
            log_loss=UNCHANGED,
            brier_score=UNCHANGED,
        )
        if served
        else None,
        winner=True,
    )
    return step.explain_score()


def test_the_score_of_a_version_is_explained_where_it_is_not_that_of_the_final_round() -> None:
    assert explain(0.8) == explain(0.8, 0.0001, ScoreChange(before=0.8, after=0.8001)) == ""
    assert explain(0.8, 0.0041) == (
        "The version's score is 0.796: 0.004 is taken off for the luck of the best of many recipes."
    )
    assert explain(0.8, 0.01, ScoreChange(before=0.8, after=0.83)) == (
        "The version's score is 0.820: its probabilities are calibrated, and 0.010 is taken off for the luck of the "
        "best of many recipes."
    )
