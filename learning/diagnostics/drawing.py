"""READ FIRST: draws a version's diagnostics, one after the other. Importing this takes a second or two."""

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
from .evidence import Drawn, Evidence
from .kinds import TITLES, Diagnostic, DiagnosticKind, kinds, shape
from .out_of_fold import Predictions

#: Rows that are looked at, unless said otherwise, where it takes more than a glance.
ROWS = 4_000

CHARTS: Mapping[DiagnosticKind, Callable[[Evidence, Figure], Drawn]] = {
    DiagnosticKind.CLASSIFICATION_REPORT: confusion.report,
    DiagnosticKind.CONFUSION_MATRIX: confusion.confusion,
    DiagnosticKind.ROC: ranking.roc,
    DiagnosticKind.PRECISION_RECALL: ranking.precision_recall,
    DiagnosticKind.CALIBRATION: ranking.calibration,
    DiagnosticKind.CLASS_PREDICTION_ERROR: confusion.prediction_error,
    DiagnosticKind.THRESHOLD: ranking.threshold,
    DiagnosticKind.RESIDUALS: residuals.residuals,
    DiagnosticKind.PREDICTION_ERROR: residuals.prediction_error,
    DiagnosticKind.RANK2D: correlations.rank2d,
    DiagnosticKind.FEATURE_IMPORTANCES: importances.importances,
    DiagnosticKind.LEARNING_CURVE: learning_curves.learning_curve,
    DiagnosticKind.VALIDATION_CURVE: learning_curves.validation_curve,
    DiagnosticKind.SILHOUETTE: clusters.silhouette,
    DiagnosticKind.INTERCLUSTER_DISTANCE: clusters.distances,
    DiagnosticKind.ELBOW: clusters.elbow,
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
    """The diagnostics of a fitted winner, in the order of `kinds`, each of them drawn when it is asked for.

    `predictions` are those out of fold, as `Contest.predictions` gives them; None for clusters. After the `deadline`
    (by `time.monotonic`) none is begun: what is left comes with the problem TIMED_OUT. A diagnostic that fails comes
    with its problem, and the others go on. At most `rows` rows are fitted on or compared with each other.
    Not for several threads at once: matplotlib's style is the process's.
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
        yield _drawn(kind, evidence)


def _drawn(kind: DiagnosticKind, evidence: Evidence) -> Diagnostic:
    started = time.monotonic()
    try:
        drawn, svg = _picture(kind, evidence)
    except Exception as error:  # the edge of a chart: whatever it was becomes the diagnostic's problem
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
        text=drawn.text,
        svg=svg,
        data=drawn.data,
        problem=None,
        seconds=time.monotonic() - started,
    )


def _picture(kind: DiagnosticKind, evidence: Evidence) -> tuple[Drawn, str]:
    if is_past(evidence.deadline):
        raise TimedOut("There was no time left for this picture.")
    figure = Figure(layout="constrained")
    # One thread: what else runs here has the other cores, and small fits lose more by waiting than they win.
    with yellowbrick_charts.quiet(), figures.styled(kind), threadpoolctl.threadpool_limits(1):
        drawn = CHARTS[kind](evidence, figure)
        svg = figures.svg(figure, TITLES[kind])
    assert isinstance(drawn.data, shape(kind))
    if len(svg.encode()) > figures.MOST_BYTES:
        raise figures.TooLarge
    return drawn, svg
