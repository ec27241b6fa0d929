"""Jobs: the interface of the work that a worker does, and batch scoring."""

import datetime
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import strawberry

from ..core.enums import JobStatus
from .nodes import Node, product_of, relation
from .problems import Problem
from .registry import ModelVersion

if TYPE_CHECKING:
    from .products import DataProduct

LazyProduct: TypeAlias = Annotated["DataProduct", strawberry.lazy("schema.types.products")]


@strawberry.interface(description="Anything a worker does for somebody.")
class Job(Node):
    percent: float
    requested_at: datetime.datetime
    started_at: datetime.datetime | None
    ended_at: datetime.datetime | None

    @strawberry.field
    def status(self: Any) -> JobStatus:
        return JobStatus(self.status)

    @strawberry.field
    def problem(self) -> Problem | None:
        return Problem.of(self)


@strawberry.type(
    description="Every entity predicted anew, by the version that served when it was asked for.",
)
class Scoring(Job, Node):
    scored: int = strawberry.field(description="Entities that were predicted; the predictions are stored.")
    refused: int = strawberry.field(
        description="Entities that cannot be: a row is missing, a value out of its range."
    )
    model: ModelVersion | None = relation("model")

    @strawberry.field
    def product(self) -> LazyProduct:
        return product_of(self)
