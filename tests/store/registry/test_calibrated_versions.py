"""Calibrated versions: what is told of them is of the probabilities that serve."""

from typing import Any

import numpy as np
import pytest

from learning.estimators.families import Candidate as Recipe
from learning.evaluation.measures import Measure
from learning.selection.served import ScoreChange, Served, ServedFold
from learning.selection.steps import Fitted, FoldScored
from store.builds import leaderboard
from store.builds.builds import Build
from store.builds.candidates import Candidate, FoldScore, Score
from store.products.product import DataProduct
from store.registry.versions import ModelVersion

from ..conftest import version

pytestmark = pytest.mark.django_db

RECIPE = Recipe("naive_bayes", {})
PREDICTED = np.array([[0.5, 0.5]], dtype=np.float32)


def measures(log_loss: float) -> tuple[Measure, ...]:
    return (Measure("log_loss", None, log_loss),)


def scored(fold: int, log_loss: float) -> FoldScored:
    return FoldScored(
        percent=0.0,
        candidate=RECIPE,
        round="contest",
        fold=fold,
        score=-log_loss,
        measures=measures(log_loss),
        fit_seconds=1.0,
        predict_seconds=1.0,
        predictions=PREDICTED,
    )


SERVED = Served(
    metric="neg_log_loss",
    temperature=2.0,
    folds=tuple(
        ServedFold(score=-loss, measures=measures(loss), predictions=PREDICTED + 0.25) for loss in (0.4, 0.6)
    ),
    score=ScoreChange(before=-0.8, after=-0.5),
    log_loss=ScoreChange(before=0.8, after=0.5),
    brier_score=ScoreChange(before=0.3, after=0.2),
)


@pytest.fixture
def calibrated(stay: DataProduct) -> ModelVersion:
    """A version whose candidate had a log loss of 0.8 before the calibration, and 0.5 after it."""
    other = version(stay)
    build: Any = Build.objects.get(pk=other.build_id)
    Candidate.objects.draw(build, (RECIPE,))
    for fold, loss in enumerate((0.7, 0.9)):
        FoldScore.objects.record(build, scored(fold, loss))
    step = Fitted(
        percent=99.0,
        candidate=RECIPE,
        model=other.load(stay, whole=True),
        metric="neg_log_loss",
        score=-0.8,
        served=SERVED,
        winner=False,
    )
    FoldScore.objects.record_served(build, RECIPE, SERVED)
    return ModelVersion.objects.register(build, step)


def test_the_scores_of_a_calibrated_version_are_of_what_serves(calibrated: ModelVersion) -> None:
    scores = Score.objects.of_versions([calibrated], "log_loss")[calibrated.pk]
    assert [(each.fold, each.value) for each in scores] == [
        (None, pytest.approx(0.5)),
        (0, pytest.approx(0.4)),
        (1, pytest.approx(0.6)),
    ]
    assert dict(leaderboard.by_fold(calibrated).rows)["log_loss"][0] == pytest.approx(0.5)
    assert calibrated.score == pytest.approx(-0.5)
    assert calibrated.calibration["log_loss"] == {"before": 0.8, "after": 0.5}


def test_the_search_compares_its_recipe_as_other_recipes_before_the_calibration(
    calibrated: ModelVersion,
) -> None:
    assert calibrated.compared_score == pytest.approx(-0.8)
    (board,) = Score.objects.of_candidates([calibrated.candidate_id], "contest", "log_loss").values()
    assert board[0].value == pytest.approx(0.8)


def test_an_interrupted_build_repeats_only_what_was_fitted(calibrated: ModelVersion) -> None:
    build = Build.objects.get(pk=calibrated.build_id)
    assert {key[1:] for key in FoldScore.objects.load(build)} == {("contest", 0), ("contest", 1)}


def test_the_predictions_of_a_calibrated_version_are_those_that_serve(calibrated: ModelVersion) -> None:
    folds = FoldScore.objects.served(calibrated.candidate_id)
    assert [fold.predicted()[0, 0] for fold in folds] == [0.75, 0.75]  # type: ignore[index]
