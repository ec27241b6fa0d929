"""Jobs: the interface of work that runs on a worker, batch scoring and imports."""

import datetime
from collections.abc import Iterable, Mapping
from typing import Any, cast

import strawberry

from store import models
from store.access.actors import Actor
from store.access.permissions import Permission
from store.db import pagination
from store.db.pagination import Page, PageRequest
from store.jobs.jobs import Job as JobRow
from store.jobs.jobs import JobManager
from store.products.product import DataProduct

from ..core import ids
from ..core.enums import JobStatus
from .list_filters import columns_of, select
from .nodes import LazyProduct, Node, product_field, relation, row_type
from .problems import Problem
from .registry import ModelVersion

#: By the type of a job, the permissions on its product of which one is needed to read it.
READERS: Mapping[str, tuple[Permission, ...]] = {
    "Build": (Permission.VIEW, Permission.BUILD),
    "Comparison": (Permission.VIEW, Permission.BUILD),
    "Scoring": (Permission.VIEW, Permission.BUILD),
    "Import": (Permission.VIEW, Permission.FEEDBACK),
}


def job_page(
    actor: Actor, products: Iterable[DataProduct], filter: object, order: object, page: PageRequest
) -> Page[JobRow]:
    """A page of the jobs of products that an actor may read, newest first without an order."""
    names = [product.name for product in products]
    parts = [
        select(jobs.objects.of_products([name for name in names if may_read(actor, kind, name)]), filter)
        for kind, jobs in ids.JOBS.items()
    ]
    usual = ("-requested_at", "-kind", "-pk")
    return pagination.page_of(parts, columns_of(order, usual, ("kind", "pk")), page)


def manager_of(job: JobRow) -> JobManager[Any]:
    """The manager of a job's table."""
    return cast(JobManager[Any], type(job)._default_manager)


def may_read(actor: Actor, kind: str, product: str) -> bool:
    """Check if an actor may read jobs of a type on a product."""
    return any(actor.may(permission, product) for permission in READERS[kind])


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

    @strawberry.field(
        description="What it has done last, or how it has ended, as a sentence to show to people."
    )
    def message(self: JobRow) -> str:
        return pagination.lookup_for_page(self, "message", manager_of(self).messages_of)

    @strawberry.field(
        description="The seconds that it takes at most from now, by its time limit; null without one, and while it "
        "does not run."
    )
    def seconds_left(self: JobRow) -> float | None:
        return pagination.lookup_for_page(self, "seconds left", manager_of(self).seconds_left_of)

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


@row_type(
    models.Import,
    description="A job that loads a file, which was sent to `/import/`, into the feature tables or as feedback, all or "
    "nothing.",
)
class Import(Job, Node):
    name: str = strawberry.field(description="The file's name, as its client has it.")
    dry_run: bool = strawberry.field(
        description="True: nothing is loaded, and the numbers say what would be, if no row changes meanwhile."
    )
    message: str = strawberry.field(description="What it does at the moment; empty at its end.")
    inserted: int = strawberry.field(description="The number of new rows, or of words that were stored.")
    updated: int = strawberry.field(description="The number of rows that have changed; 0 for feedback.")
    unchanged: int = strawberry.field(
        description="The number of rows that equal the stored ones, or of words that their author had said before."
    )
    rejected: int = strawberry.field(
        description="The number of rows that do not fit: `/import/ID/rejects.csv` lists them."
    )
    repeated: int = strawberry.field(
        description="The number of rows that were left out because another row with their key equals them."
    )
    new_columns: list[str] = strawberry.field(description="The columns of the file that no table has.")
    remarks: list[str] = strawberry.field(
        description="What the file lacks, and which columns were probably renamed, a sentence each."
    )
    product: LazyProduct = product_field()

    @strawberry.field(
        description="The author in whose name the rows are feedback; null where they are rows of the feature tables."
    )
    def author(self: models.Import) -> str | None:
        return self.author or None
