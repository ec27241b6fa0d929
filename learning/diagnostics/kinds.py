"""Which diagnostics there are, what each is called, and which shape its data has."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from ..problem import Classification, Clustering, Problem, Regression
from .shapes import Bars, Curves, Data, Matrix, Points


class DiagnosticKind(StrEnum):
    """What is looked at."""

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
    DiagnosticKind.CONFUSION_MATRIX: "Which class is taken for which",
    DiagnosticKind.ROC: "ROC curves",
    DiagnosticKind.PRECISION_RECALL: "Precision and recall",
    DiagnosticKind.CALIBRATION: "Are probabilities what they say?",
    DiagnosticKind.CLASS_PREDICTION_ERROR: "What each class is predicted as",
    DiagnosticKind.THRESHOLD: "What a threshold would do",
    DiagnosticKind.RESIDUALS: "Residuals",
    DiagnosticKind.PREDICTION_ERROR: "Predicted and actual values",
    DiagnosticKind.LEARNING_CURVE: "Learning curve",
    DiagnosticKind.VALIDATION_CURVE: "Validation curve",
    DiagnosticKind.RANK2D: "Features that go together",
    DiagnosticKind.FEATURE_IMPORTANCES: "Importance of the features",
    DiagnosticKind.ELBOW: "How many clusters?",
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

#: Those that look at columns, and those that fit the recipe anew, which takes longest.
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
    """One look at a model: a picture, its numbers, and what is to be seen."""

    kind: DiagnosticKind
    title: str
    #: One to three sentences about this picture; why there is none, where it failed.
    text: str
    #: A whole SVG document without size, so that it takes whatever room there is.
    svg: str | None
    data: Data | None
    #: A code for machines and a sentence for people, where it failed.
    problem: tuple[str, str] | None
    seconds: float


def kinds(problem: type[Problem], classes: int | None = None) -> tuple[DiagnosticKind, ...]:
    """Those of a task, in the order in which they are made: cheap and important ones first.

    With more than two `classes`, those that know but two are left out.
    """
    several = classes is not None and classes > 2
    return tuple(kind for kind in _OF_PROBLEM[problem] if not (several and kind in _OF_TWO_CLASSES))


def shape(kind: DiagnosticKind) -> type[Data]:
    """Which data a diagnostic of this kind has, also where it failed and has none."""
    return _SHAPES[kind]
