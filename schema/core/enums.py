"""Enums of the fixed types. Members are added without notice, so clients keep a default branch."""

import inspect
from collections.abc import Mapping
from enum import Enum, EnumMeta
from typing import TYPE_CHECKING

import strawberry

from learning import kinds
from learning.diagnostics import DiagnosticKind
from learning.evaluation.paired_measure import IntervalMethod
from learning.fits.running import FitStage
from store.access import audit
from store.access.permissions import Permission
from store.builds.candidates import ScorePart
from store.comparisons.exclusions import DESCRIPTIONS as EXCLUSIONS
from store.comparisons.exclusions import Exclusion
from store.notices import kinds as notices
from store.products.product import LABEL, NOTHING, ROWS
from store.runtime.product_changes import ProductChange

#: The kinds that the API names.
_KINDS = {kind: kind for kind in kinds.registered() if kind.learned_as is kind}
if TYPE_CHECKING:
    from learning.kinds import Kind as FeatureKind
else:
    FeatureKind = Enum("FeatureKind", _KINDS)

__all__ = [
    "AuditAct",
    "AuditKind",
    "BuildOrderField",
    "CandidateOrderField",
    "DeliveryStatus",
    "DiagnosticKind",
    "Direction",
    "EntityOrderField",
    "EventKind",
    "Exclusion",
    "FeatureKind",
    "FeedbackOrderField",
    "FeedbackStatus",
    "FitStage",
    "IntervalBasis",
    "IntervalMethod",
    "JobOrderField",
    "JobStatus",
    "ModelOrderField",
    "ModelStatus",
    "Permission",
    "PredictionOrderField",
    "ProductChange",
    "ScorePart",
    "Task",
    "TrialKind",
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
        "ROWS": "Rows are written where `writable` says so; the label column holds what feedback says.",
        "LABEL": "The label column of rows that exist holds what feedback says; nothing else is written.",
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


register_enum(
    IntervalMethod,
    {
        "TANGO": "Tango's score interval of a difference of two paired shares (1998): it has a width even where no "
        "instance tells the versions apart.",
        "DELONG": "DeLong, DeLong and Clarke-Pearson's variance of correlated areas under ROC curves (1988).",
        "DELTA": "The delta method: the influence of each instance on the difference.",
        "BOOTSTRAP": "Instances drawn with replacement, for both versions together.",
    },
)

register_enum(Exclusion, EXCLUSIONS, "Why a truth does not count in a comparison.", name="ExclusionReason")


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
    """The role of a model version in its product. It follows from the promotions and the trials."""

    CHALLENGER = "CHALLENGER"
    CHAMPION = "CHAMPION"
    RETIRED = "RETIRED"
    SHADOW = "SHADOW"
    SPLIT = "SPLIT"


register_enum(
    ModelStatus,
    {
        "CHALLENGER": "It has never served; it can be promoted.",
        "CHAMPION": "It serves the product's predictions now.",
        "RETIRED": "It served before another version was promoted; it can be promoted again.",
        "SHADOW": "It predicts beside the champion, without serving.",
        "SPLIT": "It answers for a share of the subjects.",
    },
)


class TrialKind(Enum):
    """The kind of a trial."""

    SHADOW = "SHADOW"
    SPLIT = "SPLIT"


register_enum(
    TrialKind,
    {
        "SHADOW": "The version predicts beside the champion, and serves nobody.",
        "SPLIT": "The version answers for a share of the subjects.",
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


class BuildOrderField(Enum):
    """The field by which builds are ordered."""

    NUMBER = "number"
    REQUESTED_AT = "requested_at"
    ENDED_AT = "ended_at"


ORDER_OF_JOBS = {
    "REQUESTED_AT": "The time of the request.",
    "ENDED_AT": "The time at which it ended. Those that have not ended come last in either direction.",
}
register_enum(
    BuildOrderField,
    {"NUMBER": "The build's number, which grows by one for each build of a product.", **ORDER_OF_JOBS},
)


class JobOrderField(Enum):
    """The field by which builds and batch scorings are ordered."""

    REQUESTED_AT = "requested_at"
    ENDED_AT = "ended_at"


register_enum(JobOrderField, ORDER_OF_JOBS)


class CandidateOrderField(Enum):
    """The field by which candidates are ordered."""

    POSITION = "position"
    SCORE = "score"


register_enum(
    CandidateOrderField,
    {
        "POSITION": "The place in which it was drawn.",
        "SCORE": "The score in the search. Candidates without one come last in either direction.",
    },
)


class FeedbackOrderField(Enum):
    """The field by which feedback is ordered."""

    CREATED_AT = "created_at"


register_enum(FeedbackOrderField, {"CREATED_AT": "The time at which it was stored."})


register_enum(
    FitStage,
    {
        "SCREENING": "A first score on few rows, of many candidates.",
        "SEARCH": "A fold of the search.",
        "FINAL_ROUND": "A fresh fold of the final round, or of the round of an early version.",
        "ALL_EXAMPLES": "A model to register: of all examples, or of a fold whose models are averaged.",
    },
    "What a fit is for.",
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
    CONFIDENCE = "confidence"
    VALUE = "value"


register_enum(
    PredictionOrderField,
    {
        "CREATED_AT": "The time of the first request for the prediction.",
        "UPDATED_AT": "The time of the latest request for the prediction.",
        "CONFIDENCE": "The probability of the predicted label. Only predictions that have one are listed.",
        "VALUE": "The predicted number. Only predictions that have one are listed.",
    },
)


class EntityOrderField(Enum):
    """The field by which the rows of a product are ordered."""

    KEY = "pk"
    AT = "order_at"
    LABEL = "order_label"


register_enum(
    EntityOrderField,
    {
        "KEY": "The primary key.",
        "AT": "The time of the event. Only rows that have one are listed.",
        "LABEL": "The value of the label column. Only rows that have one are listed.",
    },
)


register_enum(
    ProductChange,
    {
        "CHAMPION": "Another version serves.",
        "BUILD": "A build was requested, has begun or has ended.",
        "HOLD": "Automatic promotion is on hold, or no longer.",
        "TRIAL": "A shadow or a split has begun or ended.",
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
        "COUNTS": "It is its author's latest statement about the subject, and among those that decide on the truth.",
        "SUPERSEDED": "It does not decide: its author has given newer feedback about the same subject, or the policy "
        "of the product goes by the feedback of others.",
        "RETRACTED": "Its author has taken it back.",
    },
)


class AuditKind(Enum):
    """The kind of an act's author."""

    PERSON = "PERSON"
    PROGRAM = "PROGRAM"
    ANONYMOUS = "ANONYMOUS"
    COMMAND = "COMMAND"
    WORKER = "WORKER"
    RULE = "RULE"
    SERVER = "SERVER"


register_enum(
    AuditKind,
    {
        "PERSON": "A user who is logged in.",
        "PROGRAM": "A program, by its token.",
        "ANONYMOUS": "A caller whom nobody knows.",
        "COMMAND": "A command, run by a user of the operating system.",
        "WORKER": "A worker, in a build.",
        "RULE": "A rule of a product that decides when it learns again.",
        "SERVER": "A web process by itself, at its start or in its maintenance.",
    },
)

AuditAct = audit.Act
register_enum(
    AuditAct,
    {act.name: sentence for act, sentence in audit.DESCRIPTIONS.items()},
    "What was done, by an entry of the audit log.",
    name="AuditAct",
)

EventKind = notices.EventKind
register_enum(
    EventKind,
    {kind.name: sentence for kind, sentence in notices.DESCRIPTIONS.items()},
    "What has happened, by the `type` of what is sent to receivers.",
    name="EventKind",
)


class DeliveryStatus(Enum):
    """The state of a delivery. DELIVERED and FAILED are final."""

    WAITING = "WAITING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"


register_enum(
    DeliveryStatus,
    {
        "WAITING": "It will be sent, or tried again.",
        "DELIVERED": "The receiver has accepted it.",
        "FAILED": "It was given up after the last attempt, or the receiver wants nothing any more.",
    },
)

register_enum(
    Permission,
    {
        "VIEW": "Read the product, its models, builds and predictions.",
        "PREDICT": "Request predictions.",
        "FEEDBACK": "Give and retract feedback.",
        "BUILD": "Request and cancel builds, batch scorings and comparisons of versions.",
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
