"""Builds: their candidates, and the decisions of retraining rules."""

import datetime
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import strawberry

from store import models
from store.builds.candidates import SEARCH
from store.db import pagination

from .jobs import Job
from .nodes import UNSET, Connection, Node, connection, given, product_of, relation
from .problems import Problem
from .registry import Hyperparameter, ModelVersion, Score
from .snapshots import Snapshot

if TYPE_CHECKING:
    from .events import BuildEvent
    from .products import DataProduct

LazyEvent: TypeAlias = Annotated["BuildEvent", strawberry.lazy("schema.types.events")]
LazyProduct: TypeAlias = Annotated["DataProduct", strawberry.lazy("schema.types.products")]


@strawberry.type(description="An estimator with its hyperparameters set, in the contest.")
class Candidate(Node):
    family: str
    score: float | None = strawberry.field(
        description="The search's mean, which chose; not what is reported."
    )
    seconds: float | None = strawberry.field(description="What its fits took.")
    complete: bool = strawberry.field(description="Whether all its folds were scored.")
    incumbent: bool = strawberry.field(description="Whether it is the champion's recipe.")

    @strawberry.field
    def hyperparameters(self: Any) -> list[Hyperparameter]:
        return Hyperparameter.all(self.hyperparameters)

    @strawberry.field(description="Of the search.")
    def scores(self: Any, metric: str | None = UNSET) -> list[Score]:
        wanted = given(metric)

        def look(rows: Any) -> dict[int, Any]:
            return models.Score.objects.of_each([row.pk for row in rows], SEARCH, metric=wanted)

        return pagination.together(self, ("scores", wanted), look)

    @strawberry.field(description="Why it is out; null where it is not.")
    def problem(self) -> Problem | None:
        return Problem.of(self)


@strawberry.type(description="One passage from feature tables to a model version.")
class Build(Job, Node):
    number: int
    requested_by: str
    seed: int
    snapshot: Snapshot | None = relation("snapshot")
    model: ModelVersion | None = relation("model", description="The winner; null where nothing was refitted.")

    @strawberry.field
    def product(self) -> LazyProduct:
        return product_of(self)

    @strawberry.field(description="Whether its winner serves, or has served; null while it is not known.")
    def promoted(self: Any) -> bool | None:
        return self.promoted if self.status == "SUCCEEDED" or self.model_id else None

    @strawberry.field(description="What the contest decided, and why; null before.")
    def decision(self: Any) -> str | None:
        return self.decision or None

    @strawberry.field
    def candidates(
        self: Any, first: int | None = 20, after: str | None = UNSET
    ) -> Connection[Candidate] | None:
        rows = self.candidates.prefetch_related("folds")
        return connection(pagination.page(rows, ("position", "pk"), first, after or None))

    @strawberry.field
    def events(self: Any, first: int | None = 100, after: str | None = UNSET) -> Connection[LazyEvent] | None:
        return connection(models.BuildEvent.objects.page(self, first, after or None))


@strawberry.type(description="What a rule said at a moment, and why.")
class RetrainDecision(Node):
    at: datetime.datetime
    rule: str = strawberry.field(description="As it is declared.")
    build: Build | None = strawberry.field(description="What it began, or found under way; null: nothing.")
    reason: str
