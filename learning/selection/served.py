"""Scores of what serves: of calibrated predictions out of fold.

The final round compares candidates by what their estimators predict. A classifier's model serves calibrated
probabilities, which have another log loss and Brier score, and for several classes other rankings within a class. What
is told of a version is of these.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from ..evaluation.calibrate import Calibrated
from ..evaluation.measures import Measure
from ..json_types import JSONObject
from .noise import ROUNDING
from .reasons import format_score
from .steps import FoldScored

if TYPE_CHECKING:
    from ..fits.fold_fit import FitContext

#: The measures that are told before and after the calibration.
LOG_LOSS, BRIER_SCORE = "log_loss", "brier_score"


@dataclass(frozen=True, kw_only=True)
class ServedFold:
    """Scores of calibrated predictions for the held-out rows of a fold of the final round."""

    score: float
    measures: tuple[Measure, ...]
    #: `(held out, classes)`.
    predictions: NDArray[np.float32] = field(repr=False, compare=False)


@dataclass(frozen=True, kw_only=True)
class ScoreChange:
    """A mean over the folds, of the estimator's probabilities and of the calibrated ones that serve."""

    before: float
    after: float


@dataclass(frozen=True, kw_only=True)
class Served:
    """Effect of the calibration on a candidate's predictions out of fold; the temperature is always of other rows."""

    metric: str
    #: Of the model that serves, fitted to all rows.
    temperature: float
    folds: tuple[ServedFold, ...] = field(repr=False)
    #: By the problem's metric; greater is better.
    score: ScoreChange
    log_loss: ScoreChange
    brier_score: ScoreChange

    @classmethod
    def of(
        cls,
        context: "FitContext",
        calibrated: Calibrated,
        held_out: Sequence[NDArray[np.intp]],
        scored: Sequence[FoldScored],
    ) -> Self:
        """Score calibrated predictions on the folds that `scored` has for the candidate, in the same order."""
        ends = np.cumsum([len(rows) for rows in held_out])[:-1]
        folds = [
            _score(context, predictions, rows)
            for predictions, rows in zip(np.split(calibrated.probabilities, ends), held_out, strict=True)
        ]
        return cls(
            metric=context.metric,
            temperature=calibrated.calibration.temperature,
            folds=tuple(folds),
            score=ScoreChange(before=fmean(s.score for s in scored), after=fmean(f.score for f in folds)),
            log_loss=_compare(LOG_LOSS, scored, folds),
            brier_score=_compare(BRIER_SCORE, scored, folds),
        )

    def as_json(self) -> JSONObject:
        """Convert to JSON's own types, without the folds."""
        return {
            "temperature": self.temperature,
            **{name: asdict(getattr(self, name)) for name in ("score", "log_loss", "brier_score")},
        }

    def describe(self) -> str:
        """Describe the calibration and what it changes, in a sentence."""
        changes = [("log loss", self.log_loss), ("Brier score", self.brier_score)]
        is_listed = self.metric.removeprefix("neg_") in (LOG_LOSS, BRIER_SCORE)
        if not is_listed and abs(self.score.after - self.score.before) > ROUNDING:
            changes.append((self.metric, self.score))
        values = ", ".join(
            f"{name} {format_score(change.after)} (before: {format_score(change.before)})"
            for name, change in changes
        )
        return f"What serves is calibrated, with temperature {self.temperature:.3g}: {values}."


def _score(context: "FitContext", predictions: NDArray[np.float32], held_out: NDArray[np.intp]) -> ServedFold:
    scores = context.score_predictions(predictions, held_out)
    return ServedFold(score=scores.score, measures=scores.measures, predictions=predictions)


def _compare(metric: str, before: Sequence[FoldScored], after: Sequence[ServedFold]) -> ScoreChange:
    return ScoreChange(before=_mean(metric, before), after=_mean(metric, after))


def _mean(metric: str, folds: Sequence[FoldScored] | Sequence[ServedFold]) -> float:
    values = [m.value for fold in folds for m in fold.measures if m.metric == metric and m.label is None]
    return fmean(value for value in values if value is not None)
