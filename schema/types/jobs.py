"""Jobs: the interface of work that runs on a worker, and batch scoring."""

import datetime

import strawberry

from store import models
from store.jobs.jobs import Job as JobRow

from ..core.enums import JobStatus
from .nodes import LazyProduct, Node, product_field, relation, row_type
from .problems import Problem
from .registry import ModelVersion


@strawberry.interface(
    description="Work that runs on a worker. Follow it with the subscription `jobProgress`."
)
class Job(Node):
    percent: float = strawberry.field(description="Progress, 0 to 100; it never falls.")
    requested_at: datetime.datetime = strawberry.field(description="The time of the request.")
    started_at: datetime.datetime | None = strawberry.field(
        description="The time at which a worker first started it; null while it waits."
    )
    ended_at: datetime.datetime | None = strawberry.field(
        description="The time at which it ended; null while its status is READY or RUNNING."
    )

    @strawberry.field(description="The state of the job.")
    def status(self: JobRow) -> JobStatus:
        return JobStatus(self.status)

    @strawberry.field(description="The reason why it failed; null unless its status is FAILED.")
    def problem(self: JobRow) -> Problem | None:
        return Problem.find(self)


@row_type(
    models.Scoring,
    description="Batch scoring: a job that predicts every entity of a product by the version that served at the "
    "request.",
)
class Scoring(Job, Node):
    scored: int = strawberry.field(
        description="The number of entities predicted so far; their predictions are stored."
    )
    refused: int = strawberry.field(
        description="The number of entities that could not be predicted: a row is missing, or a value is out of range."
    )
    model: ModelVersion | None = relation("model", "The version that predicts.")
    product: LazyProduct = product_field()
