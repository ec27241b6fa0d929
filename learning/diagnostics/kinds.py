"""Kinds of diagnostics: their titles, the shapes of their data, and the tasks that have them."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from ..problem import Classification, Clustering, Problem, Regression
from .shapes import Bars, Curves, Data, Matrix, Points


class DiagnosticKind(StrEnum):
    """Kind of a diagnostic."""

    CLASSIFICATION_REPORT = "CLASSIFICATION_REPORT"
    CONFUSION_MATRIX = "CONFUSION_MATRIX"
    ROC = "ROC"
    PRECISION_RECALL = "PRECISION_RECALL"
    CALIBRATION = "CALIBRATION"
    CLASS_PREDICTION_ERROR = "CLASS_PREDICTION_ERROR"
    THRESHOLD = "THRESHOLD"
    RESIDUALS = "RESIDUALS"
    PREDICTION_ERROR = "PREDICTION_ERROR"
    LEARNING_CURVE = "LEARNING_CURVE"
    VALIDATION_CURVE = "VALIDATION_CURVE"
    RANK2D = "RANK2D"
    FEATURE_IMPORTANCES = "FEATURE_IMPORTANCES"
    ELBOW = "ELBOW"
    SILHOUETTE = "SILHOUETTE"
    INTERCLUSTER_DISTANCE = "INTERCLUSTER_DISTANCE"


TITLES: Mapping[DiagnosticKind, str] = {
    DiagnosticKind.CLASSIFICATION_REPORT: "Precision, recall and F1 of each class",
    DiagnosticKind.CONFUSION_MATRIX: "Confusion of classes",
    DiagnosticKind.ROC: "ROC curves",
    DiagnosticKind.PRECISION_RECALL: "Precision and recall",
    DiagnosticKind.CALIBRATION: "Calibration of probabilities",
    DiagnosticKind.CLASS_PREDICTION_ERROR: "Predicted classes of each class",
    DiagnosticKind.THRESHOLD: "Effect of the threshold",
    DiagnosticKind.RESIDUALS: "Residuals",
    DiagnosticKind.PREDICTION_ERROR: "Predicted and actual values",
    DiagnosticKind.LEARNING_CURVE: "Learning curve",
    DiagnosticKind.VALIDATION_CURVE: "Validation curve",
    DiagnosticKind.RANK2D: "Correlation of features",
    DiagnosticKind.FEATURE_IMPORTANCES: "Importance of the features",
    DiagnosticKind.ELBOW: "Number of clusters",
    DiagnosticKind.SILHOUETTE: "Silhouettes of the clusters",
    DiagnosticKind.INTERCLUSTER_DISTANCE: "Distances between the clusters",
}

_SHAPES: Mapping[DiagnosticKind, type[Data]] = {
    DiagnosticKind.CLASSIFICATION_REPORT: Matrix,
    DiagnosticKind.CONFUSION_MATRIX: Matrix,
    DiagnosticKind.ROC: Curves,
    DiagnosticKind.PRECISION_RECALL: Curves,
    DiagnosticKind.CALIBRATION: Curves,
    DiagnosticKind.CLASS_PREDICTION_ERROR: Matrix,
    DiagnosticKind.THRESHOLD: Curves,
    DiagnosticKind.RESIDUALS: Points,
    DiagnosticKind.PREDICTION_ERROR: Points,
    DiagnosticKind.LEARNING_CURVE: Curves,
    DiagnosticKind.VALIDATION_CURVE: Curves,
    DiagnosticKind.RANK2D: Matrix,
    DiagnosticKind.FEATURE_IMPORTANCES: Bars,
    DiagnosticKind.ELBOW: Curves,
    DiagnosticKind.SILHOUETTE: Curves,
    DiagnosticKind.INTERCLUSTER_DISTANCE: Points,
}

#: Diagnostics of columns, and diagnostics that fit the recipe again; these take longest.
_LAST = (
    DiagnosticKind.RANK2D,
    DiagnosticKind.FEATURE_IMPORTANCES,
    DiagnosticKind.LEARNING_CURVE,
    DiagnosticKind.VALIDATION_CURVE,
)
_OF_PROBLEM: Mapping[type[Problem], tuple[DiagnosticKind, ...]] = {
    Classification: (
        DiagnosticKind.CLASSIFICATION_REPORT,
        DiagnosticKind.CONFUSION_MATRIX,
        DiagnosticKind.ROC,
        DiagnosticKind.PRECISION_RECALL,
        DiagnosticKind.CALIBRATION,
        DiagnosticKind.CLASS_PREDICTION_ERROR,
        DiagnosticKind.THRESHOLD,
        *_LAST,
    ),
    Regression: (DiagnosticKind.RESIDUALS, DiagnosticKind.PREDICTION_ERROR, *_LAST),
    Clustering: (
        DiagnosticKind.SILHOUETTE,
        DiagnosticKind.INTERCLUSTER_DISTANCE,
        DiagnosticKind.ELBOW,
        DiagnosticKind.RANK2D,
    ),
}
_OF_TWO_CLASSES = (DiagnosticKind.THRESHOLD,)


@dataclass(frozen=True, kw_only=True)
class Diagnostic:
    """A chart of a model, its data, and a description."""

    kind: DiagnosticKind
    title: str
    #: One to three sentences about the chart; the reason if it failed.
    text: str
    #: A complete SVG document without a size, so that it fills its container; None if it failed.
    svg: str | None
    data: Data | None
    #: Error code and sentence if it failed.
    problem: tuple[str, str] | None
    seconds: float


def kinds(problem: type[Problem], classes: int | None = None) -> tuple[DiagnosticKind, ...]:
    """List the kinds of a problem in the order in which they are drawn: cheap and important ones first.

    Args:
        classes: Number of classes; kinds for two classes are left out if there are more.
    """
    several = classes is not None and classes > 2
    return tuple(kind for kind in _OF_PROBLEM[problem] if not (several and kind in _OF_TWO_CLASSES))


def shape(kind: DiagnosticKind) -> type[Data]:
    """Return the shape of the data of this kind, which a failed diagnostic lacks."""
    return _SHAPES[kind]
