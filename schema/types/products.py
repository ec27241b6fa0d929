"""Data products: the interface that every declared product implements, and its retraining."""

import datetime
from typing import TYPE_CHECKING, Annotated, TypeAlias

import strawberry

import store.models
from store.builds import retraining
from store.charts.bins import DEFAULT_BINS
from store.charts.counts import BuildCountBy, FeedbackCountBy, PredictionCountBy
from store.db import pagination
from store.db.pagination import Page, PageRequest
from store.jobs.jobs import Job as JobRow
from store.products.product import DataProduct as DeclaredProduct
from store.quality import live
from store.snapshots.typical import DEFAULT_EXAMPLES

from ..compiled import LOCAL
from ..core import names
from ..core.context import Info
from ..core.enums import Permission, Task, Writes
from .builds import Build, BuildDefaults, RetrainDecision
from .charts import (
    BinNumber,
    BuildCount,
    ByArgument,
    FeatureHistogram,
    FeatureName,
    FeedbackCount,
    PredictionCount,
    RequiredFeature,
    Since,
    Sources,
    TimeZone,
    Until,
    times_of,
)
from .columns import Choice, Feature
from .examples import Example, FirstExamples
from .jobs import Job, job_page
from .list_filters import (
    BuildFilter,
    BuildOrder,
    DecisionFilter,
    FeedbackFilter,
    FeedbackOrder,
    Filter,
    JobFilter,
    JobOrder,
    ModelFilter,
    ModelOrder,
    OrderBy,
    PromotionFilter,
    columns_of,
    select,
)
from .nodes import UNSET, Node, list_field
from .product_settings import ProductSettings, settings_of
from .quality import LiveQuality, OfModel, SinceThen, UntilThen, find_quality
from .registry import ModelVersion, PendingPromotion, Promotion
from .trials import Trial

if TYPE_CHECKING:
    from .label_candidates import LabelCandidate
    from .prediction_filters import PredictionFilter
    from .prediction_interfaces import Entity, Feedback, Prediction, PredictionOrder

#: Types that need this module's.
Predictions: TypeAlias = Annotated["Prediction", strawberry.lazy("schema.types.prediction_interfaces")]
Entities: TypeAlias = Annotated["Entity", strawberry.lazy("schema.types.prediction_interfaces")]
LabelCandidates: TypeAlias = Annotated["LabelCandidate", strawberry.lazy("schema.types.label_candidates")]
Feedbacks: TypeAlias = Annotated["Feedback", strawberry.lazy("schema.types.prediction_interfaces")]
PredictionsFilter: TypeAlias = Annotated[
    "PredictionFilter", strawberry.lazy("schema.types.prediction_filters")
]
PredictionsOrder: TypeAlias = Annotated[
    "PredictionOrder", strawberry.lazy("schema.types.prediction_interfaces")
]

Number = Annotated[int, strawberry.argument(description="The number within the product, from 1.")]
Key = Annotated[strawberry.ID, strawberry.argument(description="The primary key of the row.")]
GenericFilter = Annotated[
    PredictionsFilter | None,
    strawberry.argument(
        description="The predictions to list, of this product whether or not it names one. Leave it out for all."
    ),
]
GenericOrder = Annotated[
    PredictionsOrder | None, strawberry.argument(description="The order. Leave it out for newest first.")
]

#: Descriptions of lists that the interface has, and each product's type.
GENERIC_PREDICTIONS = (
    "The stored predictions, in one form for all products: those of `predictions` of the product's own type. Newest "
    "first unless `orderBy` says otherwise."
)
GENERIC_FEEDBACK = (
    "The feedback on the product, in one form for all products: empty where it learns without labels. Newest first "
    "unless `orderBy` says otherwise."
)
GENERIC_ENTITIES = (
    "The rows of the product, in one form for all products: those of `entities` of the product's own type, in the "
    "order of their primary keys."
)
GENERIC_NEXT_TO_LABEL = (
    "What to label next, in one form for all products: that of `nextToLabel` of the product's own type. Empty where it "
    "learns without labels."
)
GENERIC_PREDICTION_COUNTS = (
    "The number of predictions that match a filter, by groups, in the order of time and values: those of "
    "`predictionCounts` of the product's own type."
)


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

    @strawberry.field(description="What a build of the product does unless its request has other options.")
    def build_defaults(self: DeclaredProduct) -> BuildDefaults:
        return BuildDefaults.of(self.problem)

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
        return Feature.list_all(self)

    @strawberry.field(
        description="The features of typical rows that the champion has learned from: values to fill a form with. Only "
        "of rows that there still are and the caller may see; empty without a champion."
    )
    def examples(self: DeclaredProduct, first: FirstExamples = DEFAULT_EXAMPLES) -> list[Example] | None:
        raise NotImplementedError  # each product's type has its own

    # Each product's type has its own resolvers of these, as it has of `examples`.

    @list_field(Predictions, description=GENERIC_PREDICTIONS)
    def generic_predictions(
        self: DeclaredProduct,
        page: PageRequest,
        filter: GenericFilter = UNSET,
        order_by: GenericOrder = UNSET,
    ) -> Page[store.models.Prediction]:
        raise NotImplementedError

    @strawberry.field(
        graphql_type=Entities | None,
        description="The row with this primary key; null if there is none.",
    )
    def entity(self: DeclaredProduct, key: Key) -> object:
        raise NotImplementedError

    @list_field(Entities, description=GENERIC_ENTITIES)
    def generic_entities(self: DeclaredProduct, page: PageRequest) -> Page[object]:
        raise NotImplementedError

    @list_field(Feedbacks, description=GENERIC_FEEDBACK)
    def generic_feedback(
        self: DeclaredProduct,
        page: PageRequest,
        filter: Filter[FeedbackFilter] = UNSET,
        order_by: OrderBy[FeedbackOrder] = UNSET,
    ) -> Page[store.models.Feedback]:
        raise NotImplementedError

    @list_field(LabelCandidates, description=GENERIC_NEXT_TO_LABEL)
    def generic_next_to_label(self: DeclaredProduct, page: PageRequest) -> Page[store.models.LabelCandidate]:
        raise NotImplementedError

    @strawberry.field(
        description="The number of predictions by groups, in the order of time and values. Groups without any "
        "prediction are left out."
    )
    def prediction_counts(
        self: DeclaredProduct,
        by: Annotated[list[PredictionCountBy], ByArgument],
        since: Since = UNSET,
        until: Until = UNSET,
        time_zone: TimeZone = UNSET,
        feature: FeatureName = UNSET,
        bins: BinNumber = DEFAULT_BINS,
    ) -> list[PredictionCount] | None:
        raise NotImplementedError

    @strawberry.field(description=GENERIC_PREDICTION_COUNTS)
    def generic_prediction_counts(
        self: DeclaredProduct,
        by: Annotated[list[PredictionCountBy], ByArgument],
        filter: GenericFilter = UNSET,
    ) -> list[PredictionCount] | None:
        raise NotImplementedError

    @strawberry.field(
        description="The values of a feature by bins: how often each occurs in the snapshot that the champion has "
        "learned from, in predictions, and in the tables."
    )
    def feature_histogram(
        self: DeclaredProduct, feature: RequiredFeature, sources: Sources, bins: BinNumber = DEFAULT_BINS
    ) -> FeatureHistogram | None:
        raise NotImplementedError

    @strawberry.field(
        description="The number of statements about labels, by groups, in the order of time and values. Groups without "
        "any are left out."
    )
    def feedback_counts(
        self: DeclaredProduct,
        by: Annotated[list[FeedbackCountBy], ByArgument],
        since: Since = UNSET,
        until: Until = UNSET,
        time_zone: TimeZone = UNSET,
    ) -> list[FeedbackCount] | None:
        return []  # a product without labels has none; the types of others have their own

    @strawberry.field(
        description="The number of builds by groups, in the order of time and states. Groups without any are left out."
    )
    def build_counts(
        self: DeclaredProduct,
        by: Annotated[list[BuildCountBy], ByArgument],
        since: Since = UNSET,
        until: Until = UNSET,
        time_zone: TimeZone = UNSET,
    ) -> list[BuildCount] | None:
        return BuildCount.list_all(self, by, times_of(since, until, time_zone))

    @strawberry.field(description="The labels that can be predicted; null unless the task is CLASSIFICATION.")
    def labels(self: DeclaredProduct) -> list[Choice] | None:
        return Choice.list_all(self) if self.problem.has_classes else None

    @strawberry.field(description="The actions that the caller may do with the product.")
    def viewer_permissions(self: DeclaredProduct, info: Info) -> list[Permission]:
        return list(info.context.actor.permissions_for(self.name))

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

    @list_field(ModelVersion, description="The model versions, newest first unless `orderBy` says otherwise.")
    def models(
        self: DeclaredProduct,
        page: PageRequest,
        filter: Filter[ModelFilter] = UNSET,
        order_by: OrderBy[ModelOrder] = UNSET,
    ) -> Page[store.models.ModelVersion]:
        rows = select(store.models.ModelVersion.objects.with_roles().filter(product=self.name), filter)
        return pagination.page(rows, columns_of(order_by), page)

    @list_field(Build, description="The builds, newest first unless `orderBy` says otherwise.")
    def builds(
        self: DeclaredProduct,
        page: PageRequest,
        filter: Filter[BuildFilter] = UNSET,
        order_by: OrderBy[BuildOrder] = UNSET,
    ) -> Page[store.models.Build]:
        rows = select(store.models.Build.objects.filter(product=self.name), filter)
        return pagination.page(rows, columns_of(order_by), page)

    @list_field(
        Job,
        description="The builds, batch scorings, comparisons and imports, newest first unless `orderBy` says "
        "otherwise.",
    )
    def jobs(
        self: DeclaredProduct,
        info: Info,
        page: PageRequest,
        filter: Filter[JobFilter] = UNSET,
        order_by: OrderBy[JobOrder] = UNSET,
    ) -> Page[JobRow]:
        return job_page(info.context.actor, [self], filter, order_by, page)

    @list_field(Promotion, description="The history of serving versions, newest first.")
    def promotions(
        self: DeclaredProduct, page: PageRequest, filter: Filter[PromotionFilter] = UNSET
    ) -> Page[store.models.Promotion]:
        rows = select(store.models.Promotion.objects.filter(product=self.name), filter)
        return pagination.page(rows, ("-pk",), page)

    @strawberry.field(graphql_type=Trial | None, description="The trial that runs; null if none does.")
    def trial(self: DeclaredProduct) -> store.models.Trial | None:
        return store.models.Trial.objects.running().filter(product=self.name).first()

    @list_field(Trial, description="The shadows and splits, newest first.")
    def trials(self: DeclaredProduct, page: PageRequest) -> Page[store.models.Trial]:
        return pagination.page(store.models.Trial.objects.filter(product=self.name), ("-pk",), page)

    @strawberry.field(
        graphql_type=LiveQuality | None,
        description="How good what was predicted has turned out to be: by truths that came after the predictions, "
        "beside what was promised and what is estimated without truths.",
    )
    def quality(
        self: DeclaredProduct, since: SinceThen = UNSET, until: UntilThen = UNSET, model: OfModel = UNSET
    ) -> live.LiveQuality:
        return find_quality(self, since, until, model)

    @strawberry.field(
        graphql_type=PendingPromotion | None,
        description="The version that waits for evidence before it serves; null if none does, and unless the product "
        "is declared so.",
    )
    def pending_promotion(self: DeclaredProduct) -> store.models.PendingPromotion | None:
        return store.models.PendingPromotion.objects.of_product(self.name)

    @strawberry.field(
        description="The rules that request builds automatically; null if none is declared, so that builds are only "
        "requested by people."
    )
    def retraining(self: DeclaredProduct) -> "Retraining | None":
        return Retraining(product=self) if self.retrain else None

    @strawberry.field(
        description="What the declaration and the server's settings say about how it learns, serves and is stored."
    )
    def settings(self: DeclaredProduct, info: Info) -> ProductSettings | None:
        return settings_of(self, info)


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

    @list_field(
        RetrainDecision,
        description="The decisions, newest first. Of decisions to wait, only the newest of each rule is stored.",
    )
    def decisions(
        self, page: PageRequest, filter: Filter[DecisionFilter] = UNSET
    ) -> Page[store.models.RetrainDecision]:
        rows = select(store.models.RetrainDecision.objects.with_builds(self.product.name), filter)
        return pagination.page(rows, ("-pk",), page)
