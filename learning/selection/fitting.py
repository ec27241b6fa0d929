"""After the decision: models are fitted on all examples, compiled, and the winner is pictured once it serves."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from .. import diagnostics, model
from ..compiler.compilation import compile_model
from ..dataset import Dataset
from ..diagnostics import drawing
from ..estimators import ensemble
from ..estimators.ensemble import Piece
from ..estimators.families import Candidate
from ..evaluation import calibrate, intervals
from ..exceptions import NothingFitted
from ..fits.fold_fit import Failed
from ..fits.scheduler import FitScheduler
from ..model import Model
from .decision import Incumbent
from .final_round import FinalRound
from .rounds import Span
from .steps import ALL_EXAMPLES, CandidateFailed, DiagnosticDrawn, Fitted, Step

#: Seconds that pictures may take, however short the build was.
PICTURE_SECONDS = 15.0
#: With pictures of the winner after it, and without.
FITTING, DRAWING, ONLY_FITTING = Span(85, 92), Span(92, 100), Span(85, 100)


def fitted(
    workers: FitScheduler,
    contest: FinalRound,
    kept: Sequence[Candidate],
    incumbent: Incumbent | None,
    started: float,
    ends: Mapping[bool, float | None],
) -> Iterator[Step]:
    """The candidates' models, the winner's first, and pictures of it.

    The build has `started` at this moment by `time.monotonic`; `ends` says until when a winner, or another model, may
    be compiled. Raises NothingFitted where the winner cannot be fitted.
    """
    winner = None
    for step in _compiled(
        _numbered(_models(workers, contest, kept), contest, incumbent), contest.bench.dataset, ends
    ):
        winner = step if isinstance(step, Fitted) and step.winner else winner
        yield step
    if winner is not None and contest.problem.pictures:
        yield from _drawn(contest, winner, _pictures_end(started, contest.problem.pictures))


def _models(workers: FitScheduler, contest: FinalRound, kept: Sequence[Candidate]) -> Iterator[Step]:
    """The first of the candidates is the winner. What several of them are made of is fitted once."""
    span = FITTING if contest.problem.pictures else ONLY_FITTING
    fits = workers.fit(list(dict.fromkeys(piece for each in kept for piece in ensemble.pieces(each))))
    told: dict[Piece, bytes | Failed] = {}
    for place, candidate in enumerate(kept):
        weights = ensemble.pieces(candidate)
        while any(piece not in told for piece in weights):
            told |= [next(fits)]
        failure = next((told[p] for p in weights if isinstance(told[p], Failed)), None)
        percent, winner = span.at(place + 1, len(kept)), place == 0
        if isinstance(failure, Failed):
            if winner:
                raise NothingFitted(f"The winner, {candidate}, failed on all examples: {failure.reason}")
            yield CandidateFailed(
                percent=percent, candidate=candidate, round="contest", fold=ALL_EXAMPLES, **vars(failure)
            )
            continue
        models = [model.loads(artifact) for p in weights if isinstance(artifact := told[p], bytes)]
        yield Fitted(
            percent=percent,
            candidate=candidate,
            model=_completed(contest, candidate, models, list(weights.values())),
            metric=contest.bench.metric,
            score=contest.tally.means[candidate],
            winner=winner,
        )


def _numbered(steps: Iterator[Step], contest: FinalRound, incumbent: Incumbent | None) -> Iterator[Step]:
    """New models' clusters get the numbers that the champion's have."""
    for step in steps:
        if isinstance(step, Fitted) and incumbent is not None and incumbent.clusters is not None:
            pipeline = step.model.estimator
            pipeline[-1].numbered_as(pipeline.predict(contest.bench.dataset.X), incumbent.clusters)
        yield step


def _compiled(steps: Iterator[Step], dataset: Dataset, ends: Mapping[bool, float | None]) -> Iterator[Step]:
    """New models with what serves in their pipelines' stead, which must be done by what `ends` says of the winner."""
    for step in steps:
        if isinstance(step, Fitted):
            made = compile_model(step.model, dataset, ends[step.winner])
            step = replace(step, model=replace(step.model, compiled=made))
        yield step


def _drawn(contest: FinalRound, winner: Fitted, ends: float) -> Iterator[Step]:
    """Pictures of the winner, until `ends`."""
    bench, recipe = contest.bench, winner.candidate
    told = None if bench.dataset.y is None else contest.predictions(recipe)
    number = len(diagnostics.kinds(bench.task, len(bench.dataset.classes)))
    drawn = drawing.draw(bench, recipe, winner.model, told, deadline=ends)
    for place, diagnostic in enumerate(drawn, start=1):
        percent = DRAWING.at(place, number)
        yield DiagnosticDrawn(percent=percent, candidate=recipe, diagnostic=diagnostic)


def _pictures_end(started: float, share: float) -> float:
    """When pictures that begin now have had their share of the whole, by `time.monotonic`."""
    now = time.monotonic()
    return now + max(PICTURE_SECONDS, (now - started) * share / (1 - share))


def _completed(
    contest: FinalRound,
    candidate: Candidate,
    models: Sequence[Model],
    weights: Sequence[float],
) -> Model:
    """The fitted members as one model, with what its predictions out of fold tell of its errors."""
    made = models[0]
    if len(models) > 1:
        estimator = ensemble.Ensemble([each.estimator for each in models], weights)
        made = Model(made.signature, candidate.family, candidate.hyperparameters, estimator)
    bench, y = contest.bench, contest.bench.dataset.y
    if y is None:
        return made
    predictions, held = contest.predictions(candidate)
    if bench.task == "REGRESSION":
        return replace(made, intervals=intervals.fitted(predictions, y, held))
    return replace(made, calibration=calibrate.fitted(predictions, y, held))
