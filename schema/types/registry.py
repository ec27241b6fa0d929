"""The fixed types: products, the registry, builds. Their roots are the rows themselves."""

import datetime
from functools import partial
from typing import Annotated, Any

import strawberry
from strawberry import auto
from strawberry.types import Info

from store import models
from store.builds import retraining
from store.builds.candidates import SEARCH
from store.db import pagination
from store.products import catalogue

from ..core import names
from ..core.enums import Direction, JobStatus, ModelOrderField, ModelStatus, Permission, Task
from .analysis import FeatureAnalysis, LabelShare
from .columns import Choice, Feature
from .diagnostics import Diagnostic, DiagnosticKind
from .nodes import UNSET, Connection, Node, connection, given, relation, row_type
from .problems import Problem

LazyEvent = Annotated["BuildEvent", strawberry.lazy("schema.types.events")]  # noqa: F821


@strawberry.type(description="Whoever asks.")
class Viewer:
    id: strawberry.ID
    #: None for strangers.
    name: str | None
    anonymous: bool


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
    def champion(self) -> "ModelVersion | None":
        return models.ModelVersion.objects.champion_of(self.name)

    @strawberry.field
    def model(self, number: int) -> "ModelVersion | None":
        return models.ModelVersion.objects.filter(product=self.name, number=number).first()

    @strawberry.field
    def build(self, number: int) -> "Build | None":
        return models.Build.objects.filter(product=self.name, number=number).first()

    @strawberry.field
    def models(
        self,
        first: int | None = 20,
        after: str | None = UNSET,
        status: list[ModelStatus] | None = UNSET,
        order_by: ModelOrder | None = UNSET,
    ) -> "Connection[ModelVersion] | None":
        order = order_by.columns if order_by else ("-pk",)
        rows = models.ModelVersion.objects.listed(self.name, [s.value for s in status] if status else None)
        return connection(pagination.page(rows, order, first, after or None))

    @strawberry.field
    def builds(
        self, first: int | None = 20, after: str | None = UNSET, status: list[JobStatus] | None = UNSET
    ) -> "Connection[Build] | None":
        rows = models.Build.objects.listed(self.name, [s.value for s in status] if status else None)
        return connection(pagination.page(rows, ("-pk",), first, after or None))

    @strawberry.field
    def promotions(self, first: int | None = 20, after: str | None = UNSET) -> "Connection[Promotion] | None":
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
    def latest(self) -> "RetrainDecision | None":
        return models.RetrainDecision.objects.listed(self.product.name).order_by("-pk").first()

    @strawberry.field(description="Newest first; of what a rule said while it waited, only the last.")
    def decisions(
        self, first: int | None = 20, after: str | None = UNSET
    ) -> "Connection[RetrainDecision] | None":
        rows = models.RetrainDecision.objects.listed(self.product.name)
        return connection(pagination.page(rows, ("-pk",), first, after or None))


def product_of(row: Any) -> Any:
    """The declared product of a row; an error, so null where that may be, when it is gone."""
    return catalogue.get(row.product)


@row_type(models.Snapshot, description="What was learned from: the join, frozen, with its counts.")
class Snapshot(Node):
    number: auto
    taken_at: auto
    rows_in: int = strawberry.field(description="Rows of the base table.")
    rows: int = strawberry.field(description="Rows of the snapshot, labelled or not.")
    unlabelled: int = strawberry.field(description="Kept, and not learned from.")
    incomplete: int = strawberry.field(description="Left out, because a one-to-one row is missing.")
    from_predictions: int = strawberry.field(description="Labelled predictions without a row of their own.")
    fingerprint: str = strawberry.field(description="SHA-256 of the content.")
    sql: str = strawberry.field(description="The statement that made it.")

    @strawberry.field(
        description="Of each feature that is still declared; null until they have been analysed."
    )
    def analysis(self: Any) -> list[FeatureAnalysis] | None:
        return FeatureAnalysis.all(self.product, self.analysed)

    @strawberry.field(description="Of the labelled rows; null unless it is a classification.")
    def label_balance(self: Any) -> list[LabelShare] | None:
        return LabelShare.all(self.analysed)

    @strawberry.field(
        description="Of the labelled rows, at 0.05, 0.25, 0.5, 0.75 and 0.95; null unless it is a regression."
    )
    def label_quantiles(self: Any) -> list[float] | None:
        return self.analysed and self.analysed.label_quantiles


@row_type(
    models.ModelVersion,
    description="The registry's row; it never changes, `status` is derived. Greater scores are better. Family, "
    "hyperparameters and score are the talk's table.",
)
class ModelVersion(Node):
    number: auto
    family: auto
    built_at: auto
    metric: auto
    score: auto
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
    build: "Build | None" = relation("build")
    snapshot: Snapshot | None = relation("snapshot")

    @strawberry.field
    def product(self) -> DataProduct:
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


@row_type(models.Candidate, description="An estimator with its hyperparameters set, in the contest.")
class Candidate(Node):
    family: auto
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


@row_type(models.Build, description="One passage from feature tables to a model version.")
class Build(Job, Node):
    number: auto
    requested_by: auto
    seed: int
    snapshot: Snapshot | None = relation("snapshot")
    model: ModelVersion | None = relation("model", description="The winner; null where nothing was refitted.")

    @strawberry.field
    def product(self) -> DataProduct:
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
    ) -> "Connection[Candidate] | None":
        rows = self.candidates.prefetch_related("folds")
        return connection(pagination.page(rows, ("position", "pk"), first, after or None))

    @strawberry.field
    def events(
        self: Any, first: int | None = 100, after: str | None = UNSET
    ) -> "Connection[LazyEvent] | None":
        return connection(models.BuildEvent.objects.page(self, first, after or None))


@row_type(models.RetrainDecision, description="What a rule said at a moment, and why.")
class RetrainDecision(Node):
    at: auto
    rule: str = strawberry.field(description="As it is declared.")
    build: Build | None = strawberry.field(description="What it began, or found under way; null: nothing.")
    reason: auto


@row_type(
    models.Scoring,
    description="Every entity predicted anew, by the version that served when it was asked for.",
)
class Scoring(Job, Node):
    scored: int = strawberry.field(description="Entities that were predicted; the predictions are stored.")
    refused: int = strawberry.field(
        description="Entities that cannot be: a row is missing, a value out of its range."
    )
    model: ModelVersion | None = relation("model")

    @strawberry.field
    def product(self) -> DataProduct:
        return product_of(self)


@row_type(models.Promotion, description="A version began to serve.")
class Promotion(Node):
    model: ModelVersion = relation("model")
    previous: ModelVersion | None = relation("previous")
    rollback: auto
    reason: auto
    by: auto
    at: auto

    @strawberry.field
    def product(self) -> DataProduct:
        return product_of(self)


#: Those that no field of a root leads to by their own names.
NODES = [Snapshot, Candidate, Promotion, Scoring]
