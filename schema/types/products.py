"""Data products: the interface that every declared product implements, and its retraining."""

import datetime
from typing import Any

import strawberry
from strawberry.types import Info

from store import models
from store.builds import retraining
from store.db import pagination

from ..core import names
from ..core.enums import JobStatus, ModelStatus, Permission, Task
from .builds import Build, RetrainDecision
from .columns import Choice, Feature
from .nodes import UNSET, Connection, Node, connection
from .registry import ModelOrder, ModelVersion, Promotion


@strawberry.type(description="Whoever asks.")
class Viewer:
    id: strawberry.ID
    #: None for strangers.
    name: str | None
    anonymous: bool


@strawberry.interface(
    description="What every product has. A field is non-null only where the row itself holds it; what is looked up, "
    "computed or permitted separately is nullable."
)
class DataProduct(Node):
    name: str
    description: str
    metric: str
    writable: bool

    @strawberry.field
    def title(self) -> str:
        return str(self)

    @strawberry.field
    def task(self: Any) -> Task:
        return Task(self.task)

    @strawberry.field(description="What the names of the product's types begin with.")
    def type_prefix(self) -> str:
        return names.prefix(self.name)

    @strawberry.field
    def features(self: Any) -> list[Feature]:
        return [Feature.of(self, column) for column in self.columns]

    @strawberry.field(description="The values of the label's enum; null unless it is a classification.")
    def labels(self: Any) -> list[Choice] | None:
        return Choice.all(self.labels) if self.task == "CLASSIFICATION" else None

    @strawberry.field
    def viewer_permissions(self, info: Info) -> list[Permission]:
        return list(info.context.actor.permissions)

    @strawberry.field(description="The version that serves; null until the first build has ended.")
    def champion(self) -> ModelVersion | None:
        return models.ModelVersion.objects.champion_of(self.name)

    @strawberry.field
    def model(self, number: int) -> ModelVersion | None:
        return models.ModelVersion.objects.filter(product=self.name, number=number).first()

    @strawberry.field
    def build(self, number: int) -> Build | None:
        return models.Build.objects.filter(product=self.name, number=number).first()

    @strawberry.field
    def models(
        self,
        first: int | None = 20,
        after: str | None = UNSET,
        status: list[ModelStatus] | None = UNSET,
        order_by: ModelOrder | None = UNSET,
    ) -> Connection[ModelVersion] | None:
        order = order_by.columns if order_by else ("-pk",)
        rows = models.ModelVersion.objects.listed(self.name, [s.value for s in status] if status else None)
        return connection(pagination.page(rows, order, first, after or None))

    @strawberry.field
    def builds(
        self, first: int | None = 20, after: str | None = UNSET, status: list[JobStatus] | None = UNSET
    ) -> Connection[Build] | None:
        rows = models.Build.objects.listed(self.name, [s.value for s in status] if status else None)
        return connection(pagination.page(rows, ("-pk",), first, after or None))

    @strawberry.field
    def promotions(self, first: int | None = 20, after: str | None = UNSET) -> Connection[Promotion] | None:
        rows = models.Promotion.objects.filter(product=self.name)
        return connection(pagination.page(rows, ("-pk",), first, after or None))

    @strawberry.field(description="Null where no rule is declared: then a build comes when it is requested.")
    def retraining(self: Any) -> "Retraining | None":
        return Retraining(product=self) if self.retrain else None


@strawberry.type(description="When a product learns again by itself, and what its rules said.")
class Retraining:
    product: strawberry.Private[Any]

    @strawberry.field(description="The next moment of the rules that go by the clock; null without one.")
    def due_at(self) -> datetime.datetime | None:
        return retraining.due_at(self.product.retrain)

    @strawberry.field(description="What a rule said last.")
    def latest(self) -> RetrainDecision | None:
        return models.RetrainDecision.objects.listed(self.product.name).order_by("-pk").first()

    @strawberry.field(description="Newest first; of what a rule said while it waited, only the last.")
    def decisions(
        self, first: int | None = 20, after: str | None = UNSET
    ) -> Connection[RetrainDecision] | None:
        rows = models.RetrainDecision.objects.listed(self.product.name)
        return connection(pagination.page(rows, ("-pk",), first, after or None))
