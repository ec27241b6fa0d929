"""The fixed enums. Members are added without notice, so clients keep a default branch."""

from enum import Enum

import strawberry

from learning.dataset import Kind
from store.access import actors


@strawberry.enum(description="What a product asks.")
class Task(Enum):
    CLASSIFICATION = "CLASSIFICATION"
    REGRESSION = "REGRESSION"
    CLUSTERING = "CLUSTERING"


@strawberry.enum(description="Smallest or greatest first.")
class Direction(Enum):
    ASC = ""
    DESC = "-"


@strawberry.enum(description="How far a job is.")
class JobStatus(Enum):
    READY = "READY"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


@strawberry.enum(description="CHAMPION serves, RETIRED has served, CHALLENGER never did.")
class ModelStatus(Enum):
    CHALLENGER = "CHALLENGER"
    CHAMPION = "CHAMPION"
    RETIRED = "RETIRED"


@strawberry.enum(description="What versions are ordered by.")
class ModelOrderField(Enum):
    NUMBER = "number"
    SCORE = "score"
    BUILT_AT = "built_at"


@strawberry.enum(description="What predictions are ordered by; those without confidence are then left out.")
class PredictionOrderField(Enum):
    CREATED_AT = "created_at"
    UPDATED_AT = "updated_at"
    CONFIDENCE = "confidence"


@strawberry.enum(
    description="Whether a feedback counts, was followed by a newer one of its author, or was taken back."
)
class FeedbackStatus(Enum):
    COUNTS = "COUNTS"
    SUPERSEDED = "SUPERSEDED"
    RETRACTED = "RETRACTED"


Permission = strawberry.enum(actors.Permission, description="What somebody may do with a product.")
FeatureKind = strawberry.enum(Kind, name="FeatureKind", description="What a column's values mean.")
