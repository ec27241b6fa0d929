"""The registry: model versions and their promotions."""

import datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import strawberry

from store import models
from store.db import pagination

from ..core.enums import Direction, ModelOrderField, ModelStatus
from .diagnostics import Diagnostic, DiagnosticKind
from .nodes import UNSET, Node, given, product_of, relation
from .snapshots import Snapshot

if TYPE_CHECKING:
    from .builds import Build
    from .products import DataProduct

LazyBuild: TypeAlias = Annotated["Build", strawberry.lazy("schema.types.builds")]
LazyProduct: TypeAlias = Annotated["DataProduct", strawberry.lazy("schema.types.products")]


@strawberry.type(description="One hyperparameter, its value as text.")
class Hyperparameter:
    name: str
    value: str

    @classmethod
    def all(cls, drawn: dict[str, Any]) -> "list[Hyperparameter]":
        return [cls(name=name, value=str(value)) for name, value in sorted(drawn.items())]


@strawberry.type(
    description="A measure; without `fold` its mean over the folds, without `label` over all classes."
)
class Score:
    metric: str
    value: float | None
    fold: int | None
    label: str | None


@strawberry.input(description="In which order versions come.")
class ModelOrder:
    field: ModelOrderField
    direction: Direction = Direction.DESC

    @property
    def columns(self) -> tuple[str, ...]:
        return (f"{self.direction.value}{self.field.value}", f"{self.direction.value}pk")


@strawberry.type(
    description="The registry's row; it never changes, `status` is derived. Greater scores are better. Family, "
    "hyperparameters and score are the talk's table.",
)
class ModelVersion(Node):
    number: int
    family: str
    built_at: datetime.datetime
    metric: str
    score: float
    size: int = strawberry.field(description="Bytes of the pickled model.")
    digest: str = strawberry.field(description="SHA-256 of the pickled model.")
    runtime: str = strawberry.field(
        description="The libraries that answer in the fitted pipeline's stead, joined by commas; `pipeline` where it "
        "answers itself."
    )
    microseconds_per_row: float | None = strawberry.field(
        description="From a row's values to its numbers, of 32 rows at once on one thread of the worker that built it; "
        "null where the pipeline answers."
    )
    parity: str | None = strawberry.field(
        description="On how many rows the runtime was found to say what the pipeline says, and how exactly; or why the "
        "pipeline answers."
    )
    build: LazyBuild | None = relation("build")
    snapshot: Snapshot | None = relation("snapshot")

    @strawberry.field
    def product(self) -> LazyProduct:
        return product_of(self)

    @strawberry.field
    def status(self: Any) -> ModelStatus:
        return ModelStatus(self.status)

    @strawberry.field
    def hyperparameters(self: Any) -> list[Hyperparameter]:
        return Hyperparameter.all(self.hyperparameters)

    @strawberry.field(description="On the contest's fresh folds, which is what `score` is the mean of.")
    def scores(
        self: Any, metric: str | None = UNSET, fold: int | None = UNSET, label: str | None = UNSET
    ) -> list[Score]:
        wanted = {"metric": given(metric), "fold": given(fold), "label": given(label)}
        look = partial(models.Score.objects.of_versions, **wanted)
        return pagination.together(self, ("scores", *wanted.values()), look)

    @strawberry.field(
        description="Pictures of it, in the order in which they were drawn; empty until its build has drawn them, "
        "which it does of its winner."
    )
    def diagnostics(self: Any, kinds: list[DiagnosticKind] | None = UNSET) -> list[Diagnostic] | None:
        wanted = given(kinds)
        return pagination.together(
            self,
            ("diagnostics", wanted and tuple(wanted)),
            lambda rows: models.Diagnostic.objects.of_each((row.pk for row in rows), wanted),
        )

    @strawberry.field(description="The labels that it knows, by value; null unless it is a classification.")
    def labels(self: Any) -> list[str] | None:
        return self.signature["classes"] or None


@strawberry.type(description="A version began to serve.")
class Promotion(Node):
    model: ModelVersion = relation("model")
    previous: ModelVersion | None = relation("previous")
    rollback: bool
    reason: str
    by: str
    at: datetime.datetime

    @strawberry.field
    def product(self) -> LazyProduct:
        return product_of(self)
