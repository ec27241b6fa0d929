"""Scores below the champion's record: data that broke, and records that were lucky."""

from dataclasses import replace

import numpy as np
import pytest

from learning.estimators.families import Candidate
from learning.evaluation.score_error import ScoreError
from learning.selection.decision import Entry, Incumbent
from learning.selection.drop import LUCK, Drop

CHAMPION = Candidate("linear", {}, incumbent=True)
SCORES = (0.90, 0.91, 0.92, 0.91, 0.90)
#: Standard error of a score of 400 rows.
ERROR = 0.01


def drop(record: float, score: float = 0.9, error: float | None = ERROR, **facts: object) -> Drop:
    def estimate() -> ScoreError | None:
        return None if error is None else ScoreError(np.full(100, error / 10))

    now = Entry(candidate=CHAMPION, searched=None, scores=(score,) * 5, estimate=estimate)
    champion = Incumbent(
        family="linear",
        hyperparameters={},
        metric="r2",
        score=record,
        fingerprint="",
        scores=(record,) * 5,
        examples=400,
    )
    return Drop(
        **{
            "metric": "r2",
            "recorded": champion,
            "now": now,
            "examples": 400,
            "folds": 5,
            "ratio": 0.25,
            "changed": None,
        }
        | facts
    )


def test_a_lucky_record_does_not_hold_its_successors() -> None:
    """Simulate records that were the luckiest of twenty, each followed by five builds on new rows."""
    random = np.random.default_rng(0)
    records = 0.9 + ERROR * random.normal(size=(2_000, 20)).max(axis=1)
    successors = 0.9 + ERROR * random.normal(size=(2_000, 5))
    allowance = drop(0.9).allowance()
    held = records[:, np.newaxis] - successors > allowance
    assert held.mean(axis=0).max() <= 0.06 and held.mean() <= 0.052
    assert (0.9 + ERROR * random.normal(size=2_000) - successors[:, 0] > allowance).mean() < 0.01
    broken = successors - 6 * ERROR
    assert (records[:, np.newaxis] - broken > allowance).mean() > 0.98


@pytest.mark.parametrize("rivals", [8, 24])
def test_a_record_counts_less_its_optimism(rivals: int) -> None:
    """Simulate records that were the luckiest of some rivals, by an optimism that is right on average."""
    random = np.random.default_rng(0)
    records = 0.9 + ERROR * random.normal(size=(2_000, rivals)).max(axis=1)
    optimism = float(records.mean()) - 0.9
    known = drop(0.9 + optimism, recorded=replace(drop(0.9 + optimism).recorded, optimism=optimism))
    assert known.record == pytest.approx(0.9)
    falls = records - optimism - (0.9 + ERROR * random.normal(size=2_000))
    assert (falls > known.allowance()).mean() < 0.05
    assert (falls + 4 * ERROR > known.allowance()).mean() > 0.88


def test_a_fall_beyond_both_errors_is_described() -> None:
    assert drop(0.9 + 3.75 * ERROR).describe() is None
    sentence = drop(0.9 + 3.9 * ERROR).describe()
    assert sentence is not None
    assert sentence.startswith(
        "On these examples the champion's recipe has r2 0.900, below the champion's recorded 0.939 by 0.039; the "
        "errors of both scores explain 0.038."
    )
    assert "No visible changes since then." in str(drop(0.99, changed=[]).describe())
    assert "Changes since then: age, sex." in str(drop(0.99, changed=["age", "sex"]).describe())


def test_columns_that_changed_leave_less_to_luck() -> None:
    assert drop(0.9 + 2.4 * ERROR).describe() is None
    assert drop(0.9 + 2.4 * ERROR, changed=["age"]).describe() is not None
    assert drop(0.9 + 2.2 * ERROR, changed=["age"]).describe() is None


def test_a_record_of_few_rows_or_folds_explains_more() -> None:
    few, many = drop(0.93, examples=40_000), drop(0.93, examples=4)
    assert few.allowance() > drop(0.93).allowance() > many.allowance() > 0.016
    cut = replace(drop(0.93).recorded, scores=(0.93,) * 2)
    assert drop(0.93, recorded=cut).allowance() > drop(0.93).allowance() + 0.5 * LUCK * ERROR


@pytest.mark.parametrize(("record", "is_held"), [(0.918, False), (0.925, True)])
def test_without_errors_of_rows_the_folds_spread_counts(record: float, is_held: bool) -> None:
    now = Entry(candidate=CHAMPION, searched=None, scores=SCORES)
    folds = tuple(score + record - now.score for score in SCORES)
    known = replace(drop(record).recorded, scores=folds)
    assert (drop(record, now=now, recorded=known).describe() is not None) is is_held
    unknown = replace(known, scores=())
    assert (
        drop(record, now=now, recorded=unknown).allowance()
        > drop(record, now=now, recorded=known).allowance()
    )


def test_scores_of_the_folds_count_and_not_those_after_calibration() -> None:
    calibrated = replace(drop(0.9).recorded, score=0.99)
    assert drop(0.9, recorded=calibrated).describe() is None


def test_another_recipe_is_named_where_the_champions_has_no_score() -> None:
    now = Entry(candidate=Candidate("forest", {}), searched=None, scores=SCORES)
    assert str(drop(0.99, now=now).describe()).startswith("On these examples forest has r2 0.908")
