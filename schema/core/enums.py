"""Enums of the fixed types. Members are added without notice, so clients keep a default branch."""

import inspect
from collections.abc import Mapping
from enum import Enum, EnumMeta
from typing import TYPE_CHECKING

import strawberry

from learning import kinds
from learning.diagnostics import DiagnosticKind
from store.access.actors import Permission
from store.builds.candidates import ScorePart
from store.products.product import LABEL, NOTHING, ROWS

#: The kinds that the API names.
_KINDS = {kind: kind for kind in kinds.registered() if kind.learned_as is kind}
if TYPE_CHECKING:
    from learning.kinds import Kind as FeatureKind
else:
    FeatureKind = Enum("FeatureKind", _KINDS)

__all__ = [
    "DiagnosticKind",
    "Direction",
    "FeatureKind",
    "FeedbackStatus",
    "IntervalBasis",
    "JobStatus",
    "ModelOrderField",
    "ModelStatus",
    "Permission",
    "PredictionOrderField",
    "ScorePart",
    "Task",
    "Writes",
]


def register_enum(
    enum: EnumMeta,
    members: Mapping[str, str],
    description: str | None = None,
    name: str | None = None,
    deprecated: Mapping[str, str] | None = None,
) -> None:
    """Register an enum in GraphQL, with a description for each member, by name.

    The description of the enum itself is its docstring, unless one is given. `deprecated` members have reasons.
    """
    strawberry.enum(enum, name=name, description=description or inspect.getdoc(enum))
    for value in enum.__strawberry_definition__.values:  # type: ignore[attr-defined]
        value.description = members.get(value.name)
        value.deprecation_reason = (deprecated or {}).get(value.name)


class Task(Enum):
    """The kind of answer that a product predicts."""

    CLASSIFICATION = "CLASSIFICATION"
    REGRESSION = "REGRESSION"
    CLUSTERING = "CLUSTERING"


register_enum(
    Task,
    {
        "CLASSIFICATION": "One label out of a declared set, with a probability for each label.",
        "REGRESSION": "A number, with a prediction interval on request.",
        "CLUSTERING": "The number of a cluster, learned without labels.",
    },
)


class Writes(Enum):
    """The writing into its tables that a product's declaration allows. Feedback is stored and counts in any case."""

    ROWS = ROWS
    LABEL = LABEL
    NONE = NOTHING


register_enum(
    Writes,
    {
        "ROWS": "Rows are written where `writable` says so; the label column holds the majority of feedback.",
        "LABEL": "The label column of rows that exist holds the majority of feedback; nothing else is written.",
        "NONE": "Nothing is written: what feedback says is `truth`, while `label` stays what the table has.",
    },
)


class IntervalBasis(Enum):
    """On what the width of a version's prediction intervals depends."""

    CONSTANT = "CONSTANT"
    PREDICTION = "PREDICTION"
    FEATURES = "FEATURES"


register_enum(
    IntervalBasis,
    {
        "CONSTANT": "On nothing: there are too few rows to know more, or the errors are of the same size everywhere.",
        "PREDICTION": "On the predicted number.",
        "FEATURES": "On the predicted number and on features.",
    },
)


class Direction(Enum):
    """The direction of an order."""

    ASC = ""
    DESC = "-"


register_enum(
    Direction,
    {"ASC": "Smallest or oldest first.", "DESC": "Greatest or newest first."},
)


class JobStatus(Enum):
    """The state of a job. SUCCEEDED, FAILED and CANCELLED are final."""

    READY = "READY"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


register_enum(
    JobStatus,
    {
        "READY": "Queued; a worker will start it.",
        "RUNNING": "A worker runs it.",
        "SUCCEEDED": "It has ended and its results are stored.",
        "FAILED": "It has ended early; `problem` says why.",
        "CANCELLED": "A person ended it; results of finished parts stay.",
    },
)


class ModelStatus(Enum):
    """The role of a model version in its product. It follows from the promotions."""

    CHALLENGER = "CHALLENGER"
    CHAMPION = "CHAMPION"
    RETIRED = "RETIRED"


register_enum(
    ModelStatus,
    {
        "CHALLENGER": "It has never served; it can be promoted.",
        "CHAMPION": "It serves the product's predictions now.",
        "RETIRED": "It served before another version was promoted; it can be promoted again.",
    },
)


class ModelOrderField(Enum):
    """The field by which model versions are ordered."""

    NUMBER = "number"
    SCORE = "score"
    BUILT_AT = "built_at"


register_enum(
    ModelOrderField,
    {
        "NUMBER": "The version number, which grows by one for each version of a product.",
        "SCORE": "The score in the final round. Compare only versions with the same metric and snapshot.",
        "BUILT_AT": "The time at which the version was registered.",
    },
)


register_enum(
    ScorePart,
    {
        "MEANS": "The means over the folds, over all classes: one score for each metric.",
        "FOLDS": "The scores of each fold, over all classes.",
        "CLASSES": "The means over the folds of each class.",
    },
    "A part of the scores of a round.",
)


class PredictionOrderField(Enum):
    """The field by which predictions are ordered."""

    CREATED_AT = "created_at"
    UPDATED_AT = "updated_at"
    CONFIDENCE = "known_confidence"


register_enum(
    PredictionOrderField,
    {
        "CREATED_AT": "The time of the first request for the prediction.",
        "UPDATED_AT": "The time of the latest request for the prediction.",
        "CONFIDENCE": "The probability of the predicted label. Predictions without one come last in either direction.",
    },
)


class FeedbackStatus(Enum):
    """The validity of a feedback."""

    COUNTS = "COUNTS"
    SUPERSEDED = "SUPERSEDED"
    RETRACTED = "RETRACTED"


register_enum(
    FeedbackStatus,
    {
        "COUNTS": "It is its author's latest statement about the subject and contributes to the truth.",
        "SUPERSEDED": "Its author has given newer feedback about the same subject.",
        "RETRACTED": "Its author has taken it back.",
    },
)

register_enum(
    Permission,
    {
        "VIEW": "Read the product, its models, builds and predictions.",
        "PREDICT": "Request predictions.",
        "FEEDBACK": "Give and retract feedback.",
        "BUILD": "Request and cancel builds, and request batch scoring.",
        "PROMOTE": "Promote a model version and roll back to the previous one.",
        "DELETE": "Delete predictions.",
        "ERASE": "Erase all stored data about an entity.",
        "ADMINISTER": "Give feedback for other authors and use the administration pages.",
    },
    "An action that a caller may be allowed to do with a product.",
)

register_enum(
    FeatureKind,  # type: ignore[arg-type]
    {kind: kind.api_description for kind in _KINDS},
    "The kind of a column's values. It decides which input fits a form field.",
    name="FeatureKind",
)

register_enum(
    DiagnosticKind,
    {
        "CLASSIFICATION_REPORT": "Precision, recall and F1 of each class.",
        "CONFUSION_MATRIX": "Counts of predicted classes (columns) for each true class (rows).",
        "ROC": "True positive rate against false positive rate, by class.",
        "PRECISION_RECALL": "Precision against recall, by class.",
        "CALIBRATION": "The observed share of a class against its predicted probability.",
        "CLASS_PREDICTION_ERROR": "For each true class, the counts of the predicted classes.",
        "THRESHOLD": "Precision, recall, F1 and the share of positive predictions, against the threshold.",
        "RESIDUALS": "True minus predicted values, against the predicted values.",
        "PREDICTION_ERROR": "Predicted values against true values.",
        "LEARNING_CURVE": "The score against the number of rows that the model is fitted on.",
        "VALIDATION_CURVE": "The score against one hyperparameter.",
        "RANK2D": "Rank correlation of each pair of features.",
        "FEATURE_IMPORTANCES": "The loss of score if the values of a feature are permuted, by feature.",
        "ELBOW": "The sum of squared distances to the centres, against the number of clusters.",
        "SILHOUETTE": "Silhouette coefficients of the instances, by cluster.",
        "INTERCLUSTER_DISTANCE": "Cluster centres in a plane, with the sizes of the clusters.",
    },
    "The kind of a diagnostic. A model version has those that fit its task.",
    name="DiagnosticKind",
)
