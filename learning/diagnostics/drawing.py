"""READ FIRST: draws the diagnostics of a version, one after the other. Importing it takes a second or two."""

import time
from collections.abc import Callable, Iterator, Mapping

import threadpoolctl
from matplotlib.figure import Figure

from ..estimators.families import Candidate
from ..exceptions import TimedOut
from ..fits.fold_fit import FitContext, to_failure
from ..fits.scheduler import is_past
from ..model import Model
from . import (
    clusters,
    confusion,
    correlations,
    figures,
    importances,
    learning_curves,
    ranking,
    residuals,
    yellowbrick_charts,
)
from .evidence import Chart, Evidence
from .kinds import TITLES, Diagnostic, DiagnosticKind, kinds, shape
from .out_of_fold import Predictions

#: Default upper bound of the rows that are fitted on or compared with each other.
ROWS = 4_000

CHARTS: Mapping[DiagnosticKind, Callable[[Evidence, Figure], Chart]] = {
    DiagnosticKind.CLASSIFICATION_REPORT: confusion.draw_report,
    DiagnosticKind.CONFUSION_MATRIX: confusion.draw_confusion,
    DiagnosticKind.ROC: ranking.draw_roc,
    DiagnosticKind.PRECISION_RECALL: ranking.draw_precision_recall,
    DiagnosticKind.CALIBRATION: ranking.draw_calibration,
    DiagnosticKind.CLASS_PREDICTION_ERROR: confusion.draw_prediction_error,
    DiagnosticKind.THRESHOLD: ranking.draw_threshold,
    DiagnosticKind.RESIDUALS: residuals.draw_residuals,
    DiagnosticKind.PREDICTION_ERROR: residuals.draw_prediction_error,
    DiagnosticKind.RANK2D: correlations.draw_rank2d,
    DiagnosticKind.FEATURE_IMPORTANCES: importances.draw_importances,
    DiagnosticKind.LEARNING_CURVE: learning_curves.draw_learning_curve,
    DiagnosticKind.VALIDATION_CURVE: learning_curves.draw_validation_curve,
    DiagnosticKind.SILHOUETTE: clusters.draw_silhouette,
    DiagnosticKind.INTERCLUSTER_DISTANCE: clusters.draw_distances,
    DiagnosticKind.ELBOW: clusters.draw_elbow,
}


def draw(
    context: FitContext,
    candidate: Candidate,
    model: Model,
    predictions: Predictions | None,
    *,
    deadline: float | None = None,
    rows: int = ROWS,
) -> Iterator[Diagnostic]:
    """Draw the diagnostics of a fitted winner in the order of `kinds`; each is drawn when the iterator reaches it.

    A diagnostic that fails has a problem, and the others are not affected. Not thread-safe, because matplotlib's style
    is global.

    Args:
        predictions: Out-of-fold predictions, as in `Fitted.served`; None for clusterings.
        deadline: By `time.monotonic`; diagnostics that have not started then have the problem TIMED_OUT.
        rows: Upper bound of the rows that are fitted on or compared with each other.
    """
    evidence = Evidence(
        context=context,
        candidate=candidate,
        model=model,
        predictions=predictions,
        deadline=deadline,
        rows=rows,
    )
    for kind in kinds(context.problem_type, len(context.dataset.classes)):
        yield _draw(kind, evidence)


def _draw(kind: DiagnosticKind, evidence: Evidence) -> Diagnostic:
    started = time.monotonic()
    try:
        chart, svg = _draw_chart(kind, evidence)
    except Exception as error:  # the edge of a chart: any error becomes the diagnostic's problem
        failed = to_failure(error)
        return Diagnostic(
            kind=kind,
            title=TITLES[kind],
            text=failed.reason,
            svg=None,
            data=None,
            problem=(failed.code, failed.reason),
            seconds=time.monotonic() - started,
        )
    return Diagnostic(
        kind=kind,
        title=TITLES[kind],
        text=chart.text,
        svg=svg,
        data=chart.data,
        problem=None,
        seconds=time.monotonic() - started,
    )


def _draw_chart(kind: DiagnosticKind, evidence: Evidence) -> tuple[Chart, str]:
    if is_past(evidence.deadline):
        raise TimedOut("There was no time left for this chart.")
    figure = Figure(layout="constrained")
    # One thread, because other work uses the other cores, and small fits are slower on several threads.
    with (
        yellowbrick_charts.suppress_warnings(),
        figures.apply_style(kind),
        threadpoolctl.threadpool_limits(1),
    ):
        chart = CHARTS[kind](evidence, figure)
        svg = figures.render_svg(figure, TITLES[kind])
    assert isinstance(chart.data, shape(kind))
    if len(svg.encode()) > figures.MOST_BYTES:
        raise figures.TooLarge
    return chart, svg
