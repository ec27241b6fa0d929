"""Data products: the interface that every declared product implements, and its retraining."""

import datetime
from typing import Annotated

import strawberry

import store.models
from store.builds import retraining
from store.db import pagination
from store.products.product import DataProduct as DeclaredProduct

from ..compiled import LOCAL
from ..core import names
from ..core.context import Info
from ..core.enums import JobStatus, ModelStatus, Permission, Task, Writes
from .builds import Build, RetrainDecision
from .columns import Choice, Feature
from .nodes import UNSET, After, Connection, First, Node, connection
from .registry import ModelOrder, ModelVersion, Promotion

Number = Annotated[int, strawberry.argument(description="The number within the product, from 1.")]


@strawberry.type(description="The caller of this request.")
class Viewer:
    id: strawberry.ID = strawberry.field(description="An opaque id for caches. `node` does not find viewers.")
    name: str | None = strawberry.field(description="The user's name; null if nobody is logged in.")
    anonymous: bool = strawberry.field(description="True if nobody is logged in.")


@strawberry.interface(
    description="A declared data product: a question, the tables that answer it, and the models learned from them. "
    "Select the fields of one product through its own type."
)
class DataProduct(Node):
    name: str = strawberry.field(
        description="The product's name in its declaration: pass it as `product` to mutations and subscriptions."
    )
    description: str = strawberry.field(
        description="The question that it answers, as a sentence; empty if none is declared."
    )
    metric: str = strawberry.field(description="The metric by which models are compared; greater is better.")
    writable: bool = strawberry.field(
        description="True if the mutations that create and replace rows of its tables are accepted; otherwise they are "
        "refused with NOT_WRITABLE."
    )

    @strawberry.field(description="The product's name for people.", metadata={LOCAL: True})
    def title(self: DeclaredProduct) -> str:
        return str(self)

    @strawberry.field(description="The kind of answer that it predicts.")
    def task(self: DeclaredProduct) -> Task:
        return Task(self.task)

    @strawberry.field(description="What may be written into its tables.", metadata={LOCAL: True})
    def writes(self: DeclaredProduct) -> Writes:
        return Writes(self.writes)

    @strawberry.field(
        description="The beginning of the names of its types, as in `WinePrediction`: use it to build documents.",
        metadata={LOCAL: True},
    )
    def type_prefix(self: DeclaredProduct) -> str:
        return names.prefix(self.name)

    @strawberry.field(description="The columns that models learn from, in declared order.")
    def features(self: DeclaredProduct) -> list[Feature]:
        return [Feature.from_column(self, column) for column in self.columns]

    @strawberry.field(description="The labels that can be predicted; null unless the task is CLASSIFICATION.")
    def labels(self: DeclaredProduct) -> list[Choice] | None:
        return Choice.list_all(self) if self.problem.has_classes else None

    @strawberry.field(description="The actions that the caller may do with the product.")
    def viewer_permissions(self: DeclaredProduct, info: Info) -> list[Permission]:
        return list(info.context.actor.permissions)

    @strawberry.field(
        graphql_type=ModelVersion | None,
        description="The version that serves; null until a build has registered one.",
    )
    def champion(self: DeclaredProduct) -> store.models.ModelVersion | None:
        return store.models.ModelVersion.objects.champion_of(self.name)

    @strawberry.field(
        graphql_type=ModelVersion | None,
        description="A model version; null if there is none with this number.",
    )
    def model(self: DeclaredProduct, number: Number) -> store.models.ModelVersion | None:
        return store.models.ModelVersion.objects.filter(product=self.name, number=number).first()

    @strawberry.field(
        graphql_type=Build | None, description="A build; null if there is none with this number."
    )
    def build(self: DeclaredProduct, number: Number) -> store.models.Build | None:
        return store.models.Build.objects.filter(product=self.name, number=number).first()

    @strawberry.field(
        graphql_type=Connection[ModelVersion] | None,
        description="The model versions, newest first unless `orderBy` says otherwise.",
    )
    def models(
        self: DeclaredProduct,
        first: First = 20,
        after: After = UNSET,
        status: Annotated[
            list[ModelStatus] | None,
            strawberry.argument(description="Only versions with one of these roles. Leave it out for all."),
        ] = UNSET,
        order_by: Annotated[
            ModelOrder | None, strawberry.argument(description="The order. Leave it out for newest first.")
        ] = UNSET,
    ) -> object:
        order = order_by.columns if order_by else ("-pk",)
        rows = store.models.ModelVersion.objects.with_status(
            self.name, [s.value for s in status] if status else None
        )
        return connection(pagination.page(rows, order, first, after or None))

    @strawberry.field(graphql_type=Connection[Build] | None, description="The builds, newest first.")
    def builds(
        self: DeclaredProduct,
        first: First = 20,
        after: After = UNSET,
        status: Annotated[
            list[JobStatus] | None,
            strawberry.argument(description="Only builds in one of these states. Leave it out for all."),
        ] = UNSET,
    ) -> object:
        rows = store.models.Build.objects.with_status(
            self.name, [s.value for s in status] if status else None
        )
        return connection(pagination.page(rows, ("-pk",), first, after or None))

    @strawberry.field(
        graphql_type=Connection[Promotion] | None,
        description="The history of serving versions, newest first.",
    )
    def promotions(self: DeclaredProduct, first: First = 20, after: After = UNSET) -> object:
        rows = store.models.Promotion.objects.filter(product=self.name)
        return connection(pagination.page(rows, ("-pk",), first, after or None))

    @strawberry.field(
        description="The rules that request builds automatically; null if none is declared, so that builds are only "
        "requested by people."
    )
    def retraining(self: DeclaredProduct) -> "Retraining | None":
        return Retraining(product=self) if self.retrain else None


@strawberry.type(
    description="The automatic retraining of a product: the next date and the decisions of its rules."
)
class Retraining:
    product: strawberry.Private[DeclaredProduct]

    @strawberry.field(
        description="The next moment at which a scheduled rule requests a build; null without a scheduled rule."
    )
    def due_at(self) -> datetime.datetime | None:
        return retraining.due_at(self.product.retrain)

    @strawberry.field(
        graphql_type=RetrainDecision | None, description="The newest decision; null before the first one."
    )
    def latest(self) -> store.models.RetrainDecision | None:
        return store.models.RetrainDecision.objects.with_builds(self.product.name).order_by("-pk").first()

    @strawberry.field(
        graphql_type=Connection[RetrainDecision] | None,
        description="The decisions, newest first. Of decisions to wait, only the newest of each rule is stored.",
    )
    def decisions(self, first: First = 20, after: After = UNSET) -> object:
        rows = store.models.RetrainDecision.objects.with_builds(self.product.name)
        return connection(pagination.page(rows, ("-pk",), first, after or None))
