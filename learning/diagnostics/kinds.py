"""Which diagnostics there are, what each is called, and which shape its data has."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from .shapes import Bars, Curves, Data, Matrix, Points


class Kind(StrEnum):
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


TITLES: Mapping[Kind, str] = {
    Kind.CLASSIFICATION_REPORT: "Precision, recall and F1 of each class",
    Kind.CONFUSION_MATRIX: "Which class is taken for which",
    Kind.ROC: "ROC curves",
    Kind.PRECISION_RECALL: "Precision and recall",
    Kind.CALIBRATION: "Are probabilities what they say?",
    Kind.CLASS_PREDICTION_ERROR: "What each class is predicted as",
    Kind.THRESHOLD: "What a threshold would do",
    Kind.RESIDUALS: "Residuals",
    Kind.PREDICTION_ERROR: "Predicted and actual values",
    Kind.LEARNING_CURVE: "Learning curve",
    Kind.VALIDATION_CURVE: "Validation curve",
    Kind.RANK2D: "Features that go together",
    Kind.FEATURE_IMPORTANCES: "Importance of the features",
    Kind.ELBOW: "How many clusters?",
    Kind.SILHOUETTE: "Silhouettes of the clusters",
    Kind.INTERCLUSTER_DISTANCE: "Distances between the clusters",
}

_SHAPES: Mapping[Kind, type[Data]] = {
    Kind.CLASSIFICATION_REPORT: Matrix,
    Kind.CONFUSION_MATRIX: Matrix,
    Kind.ROC: Curves,
    Kind.PRECISION_RECALL: Curves,
    Kind.CALIBRATION: Curves,
    Kind.CLASS_PREDICTION_ERROR: Matrix,
    Kind.THRESHOLD: Curves,
    Kind.RESIDUALS: Points,
    Kind.PREDICTION_ERROR: Points,
    Kind.LEARNING_CURVE: Curves,
    Kind.VALIDATION_CURVE: Curves,
    Kind.RANK2D: Matrix,
    Kind.FEATURE_IMPORTANCES: Bars,
    Kind.ELBOW: Curves,
    Kind.SILHOUETTE: Curves,
    Kind.INTERCLUSTER_DISTANCE: Points,
}

#: Those that look at columns, and those that fit the recipe anew, which takes longest.
_LAST = (Kind.RANK2D, Kind.FEATURE_IMPORTANCES, Kind.LEARNING_CURVE, Kind.VALIDATION_CURVE)
_OF_TASK: Mapping[str, tuple[Kind, ...]] = {
    "CLASSIFICATION": (
        Kind.CLASSIFICATION_REPORT,
        Kind.CONFUSION_MATRIX,
        Kind.ROC,
        Kind.PRECISION_RECALL,
        Kind.CALIBRATION,
        Kind.CLASS_PREDICTION_ERROR,
        Kind.THRESHOLD,
        *_LAST,
    ),
    "REGRESSION": (Kind.RESIDUALS, Kind.PREDICTION_ERROR, *_LAST),
    "CLUSTERING": (Kind.SILHOUETTE, Kind.INTERCLUSTER_DISTANCE, Kind.ELBOW, Kind.RANK2D),
}
_OF_TWO_CLASSES = (Kind.THRESHOLD,)


@dataclass(frozen=True, kw_only=True)
class Diagnostic:
    """One look at a model: a picture, its numbers, and what is to be seen."""

    kind: Kind
    title: str
    #: One to three sentences about this picture; why there is none, where it failed.
    text: str
    #: A whole SVG document without size, so that it takes whatever room there is.
    svg: str | None
    data: Data | None
    #: A code for machines and a sentence for people, where it failed.
    problem: tuple[str, str] | None
    seconds: float


def kinds(task: str, classes: int | None = None) -> tuple[Kind, ...]:
    """Those of a task, in the order in which they are made: cheap and important ones first.

    With more than two `classes`, those that know but two are left out.
    """
    several = classes is not None and classes > 2
    return tuple(kind for kind in _OF_TASK[task] if not (several and kind in _OF_TWO_CLASSES))


def shape(kind: Kind) -> type[Data]:
    """Which data a diagnostic of this kind has, also where it failed and has none."""
    return _SHAPES[kind]
