"""Fitting after the decision: models on all examples, compiled, and diagnostics of the winner once it serves."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .. import diagnostics, model
from ..compiler.compilation import compile_model
from ..diagnostics import drawing
from ..diagnostics.out_of_fold import Predictions
from ..estimators import ensemble
from ..estimators.ensemble import Piece
from ..estimators.families import Candidate
from ..evaluation import calibrate, interval_fit
from ..exceptions import NothingFitted
from ..fits.fold_fit import Failed
from ..fits.scheduler import FitScheduler
from ..model import Model
from .decision import Incumbent
from .final_round import FinalRound
from .optimism import Optimism
from .rounds import Span
from .served import Served
from .steps import ALL_EXAMPLES, CandidateFailed, Decided, DiagnosticDrawn, Fitted, Step

#: Least time for diagnostics in seconds, however short a build without a time limit was.
PICTURE_SECONDS = 15.0
#: Spans of fitting and drawing; of fitting without diagnostics.
FITTING, DRAWING, ONLY_FITTING = Span(85, 92), Span(92, 100), Span(85, 100)


@dataclass(frozen=True, kw_only=True)
class FinalFits:
    """Fits of the winner and its alternatives on all examples; `run` executes them."""

    scheduler: FitScheduler
    final_round: FinalRound
    #: The winner first.
    candidates: Sequence[Candidate]
    incumbent: Incumbent | None
    span: Span
    #: When the compilation of the winner, and of an alternative, must end, by `time.monotonic`; None: no limit. The
    #: fits of both must end at the latter.
    winner_deadline: float | None
    alternative_deadline: float | None = None
    #: Computes when diagnostics that start now must end; None: none are drawn.
    drawing_deadline: Callable[[], float] | None = None
    #: What choosing them has added to their scores; None: nothing is subtracted.
    optimism: Optimism | None = None
    #: The decision, if this is an early version, besides which the search goes on.
    early: Decided | None = None

    def run(self) -> Iterator[Step]:
        """Fit, compile, and draw diagnostics of the winner. Raises NothingFitted if the winner cannot be fitted."""
        winner = None
        for step in self._fit_models():
            if isinstance(step, Fitted):
                step = self._compile(self._align_clusters(step))
                winner = step if step.winner else winner
            yield step
        if winner is not None and self.drawing_deadline is not None:
            yield from self._draw(winner, self.drawing_deadline())

    def _fit_models(self) -> Iterator[Step]:
        """Fit each candidate; a piece that several candidates share is fitted once."""
        pieces = dict.fromkeys(p for each in self.candidates for p in ensemble.pieces(each))
        if self.early is None:
            self.scheduler.discard()
        fits = self.scheduler.fit(list(pieces), self.alternative_deadline)
        outcomes: dict[Piece, bytes | Failed] = {}
        for number, candidate in enumerate(self.candidates):
            weights = ensemble.pieces(candidate)
            while any(piece not in outcomes for piece in weights):
                outcomes |= [next(fits)]
            yield self._to_step(number, candidate, {piece: outcomes[piece] for piece in weights})

    def _to_step(self, number: int, candidate: Candidate, outcomes: dict[Piece, bytes | Failed]) -> Step:
        percent, is_winner = self.span.at(number + 1, len(self.candidates)), number == 0
        failure = next((each for each in outcomes.values() if isinstance(each, Failed)), None)
        if failure is not None:
            if is_winner:
                raise NothingFitted(f"The winner, {candidate}, failed on all examples: {failure.reason}")
            return CandidateFailed(
                percent=percent, candidate=candidate, round="contest", fold=ALL_EXAMPLES, **vars(failure)
            )
        models = [model.loads(artifact) for artifact in outcomes.values() if isinstance(artifact, bytes)]
        return self._complete(
            Fitted(
                percent=percent,
                candidate=candidate,
                model=_combine(candidate, models),
                metric=self.final_round.context.metric,
                score=self.final_round.scoreboard.means[candidate],
                optimism=0.0 if self.optimism is None else self.optimism.of(candidate, is_winner),
                winner=is_winner and self.early is None,
                early=self.early,
                horizon=self.final_round.horizon,
            )
        )

    def _complete(self, step: Fitted) -> Fitted:
        """Add the calibration or the intervals from the candidate's out-of-fold predictions."""
        context, y = self.final_round.context, self.final_round.context.dataset.y
        if y is None:
            return step
        predictions, held_out = self.final_round.predictions(step.candidate)
        if context.problem_type.has_values:
            ordered, seed = context.plan.ordered, context.seed
            intervals = interval_fit.fit(predictions, context.dataset, held_out, ordered=ordered, seed=seed)
            live = None if self.incumbent is None else self.incumbent.live
            return replace(step, model=replace(step.model, intervals=replace(intervals, live=live)))
        calibrated = calibrate.fit(predictions, y, held_out)
        if calibrated is None:
            return step
        scored = self.final_round.scored_folds(step.candidate)
        return replace(
            step,
            model=replace(step.model, calibration=calibrated.calibration),
            served=Served.of(context, calibrated, held_out, scored),
        )

    def _align_clusters(self, step: Fitted) -> Fitted:
        """Number the new model's clusters as the champion's."""
        if self.incumbent is not None and self.incumbent.clusters is not None:
            pipeline = step.model.estimator
            clusters = pipeline.predict(self.final_round.context.dataset.X)
            pipeline[-1].align_numbers(clusters, self.incumbent.clusters)
        return step

    def _compile(self, step: Fitted) -> Fitted:
        deadline = self.winner_deadline if step.winner or self.early else self.alternative_deadline
        compiled = compile_model(step.model, self.final_round.context.dataset, deadline)
        return replace(step, model=replace(step.model, compiled=compiled))

    def _draw(self, winner: Fitted, deadline: float) -> Iterator[Step]:
        """Draw the winner's diagnostics until the deadline."""
        context, recipe = self.final_round.context, winner.candidate
        predictions = None if context.dataset.y is None else self._served_predictions(winner)
        count = len(diagnostics.kinds(context.problem_type, len(context.dataset.classes)))
        drawn = drawing.draw(context, recipe, winner.model, predictions, deadline=deadline)
        for number, diagnostic in enumerate(drawn, start=1):
            percent = DRAWING.at(number, count)
            yield DiagnosticDrawn(percent=percent, candidate=recipe, diagnostic=diagnostic)

    def _served_predictions(self, step: Fitted) -> Predictions:
        """Return the out-of-fold predictions as the model serves them, and the rows of each fold."""
        predictions, held_out = self.final_round.predictions(step.candidate)
        if step.served is not None:
            predictions = np.concatenate([fold.predictions for fold in step.served.folds])
        return predictions, held_out


def _combine(candidate: Candidate, models: Sequence[Model]) -> Model:
    """Combine a candidate's models into one that averages them."""
    if len(models) == 1:
        return models[0]
    weights = list(ensemble.pieces(candidate).values())
    estimator = ensemble.Ensemble([each.estimator for each in models], weights)
    return Model(models[0].signature, candidate.family, candidate.hyperparameters, estimator)
