"""Inputs and payloads of the mutations of the registry, of jobs and of predictions of any product."""

import datetime

import strawberry

from store import models
from store.access import acting
from store.access.permissions import Permission
from store.comparisons.comparisons import MOST_SAMPLE, SAMPLE
from store.exceptions import BadInput
from store.predictions import erasure
from store.predictions.erasure import SubjectName
from store.predictions.predictions import PredictionQuerySet
from store.products import catalogue, limits
from store.products.product import DataProduct as DeclaredProduct
from store.serving.erasing import Erased

from ..core import ids
from .builds import Build
from .comparisons import Comparison
from .jobs import Job, Scoring
from .nodes import UNSET, unset_to_none
from .prediction_filters import PredictionFilter
from .products import DataProduct
from .registry import Promotion

REASON = "The reason, which is stored with the promotion. It may not be empty."


@strawberry.input(description="Options of one build, instead of what the product declares.")
class BuildOptions:
    candidates: int | None = strawberry.field(
        default=UNSET, description="The number of candidates to draw, at most."
    )
    seconds: int | None = strawberry.field(
        default=UNSET, description="The time limit of the build, in seconds."
    )
    seed: int | None = strawberry.field(default=UNSET, description="The seed of the random numbers.")
    families: list[str] | None = strawberry.field(
        default=UNSET, description="The names of the families of estimators to draw candidates from."
    )
    auto_promote: bool | None = strawberry.field(
        default=UNSET, description="False: a person must promote the winner."
    )


@strawberry.input(description="The product to build, and how.")
class RequestBuildInput:
    product: str = strawberry.field(description="The name of the product.")
    options: BuildOptions | None = strawberry.field(
        default=UNSET, description="Options of this build. Leave it out to build as declared."
    )
    reason: str = strawberry.field(
        default="", description="The reason, which is stored with the build; it may be empty."
    )


@strawberry.type(description="The product's unfinished build.")
class RequestBuildPayload:
    build: models.Build = strawberry.field(
        graphql_type=Build, description="The build. Follow it with the subscription `buildProgress`."
    )
    started: bool = strawberry.field(
        description="False if a build of the product was unfinished already; then its options count."
    )
    product: DeclaredProduct = strawberry.field(
        graphql_type=DataProduct, description="The product, with the build among its builds."
    )


@strawberry.input(description="The job to cancel.")
class CancelJobInput:
    job: strawberry.ID = strawberry.field(
        description="The id of the build, the batch scoring, the comparison or the import."
    )
    reason: str = strawberry.field(default="", description="The reason, for the log; it may be empty.")


@strawberry.type(description="The job that was cancelled.")
class CancelJobPayload:
    job: models.Build | models.Comparison | models.Import | models.Scoring = strawberry.field(
        graphql_type=Job, description="The job, as it is now."
    )
    product: DeclaredProduct | None = strawberry.field(
        graphql_type=DataProduct | None, description="The product; null if it is declared no longer."
    )


@strawberry.input(description="The product whose rows to predict.")
class ScoreTableInput:
    product: str = strawberry.field(description="The name of the product.")


@strawberry.type(description="The product's unfinished batch scoring.")
class ScoreTablePayload:
    job: models.Scoring = strawberry.field(
        graphql_type=Scoring, description="The job. Follow it with the subscription `jobProgress`."
    )
    started: bool = strawberry.field(
        description="False if a batch scoring of the product was unfinished already."
    )
    product: DeclaredProduct = strawberry.field(graphql_type=DataProduct, description="The product.")


@strawberry.input(description="The two versions to compare, and on which instances.")
class CompareModelsInput:
    product: str = strawberry.field(description="The name of the product.")
    models: list[strawberry.ID] = strawberry.field(
        description="The ids of two versions of the product. Differences are of the second less the first."
    )
    since: datetime.datetime | None = strawberry.field(
        default=UNSET,
        description="Only instances that were first predicted at this time or later. Leave it out for all.",
    )
    sample: int | None = strawberry.field(
        default=UNSET,
        description=f"The number of instances at most, 1 to {MOST_SAMPLE:,}, drawn by a hash of their subjects: the "
        f"same ones each time. By default {SAMPLE:,}.",
    )


@strawberry.type(description="The unfinished comparison of the two versions.")
class CompareModelsPayload:
    job: models.Comparison = strawberry.field(
        graphql_type=Comparison, description="The job. Follow it with the subscription `jobProgress`."
    )
    started: bool = strawberry.field(
        description="False if a comparison of the two versions was unfinished already; then its instances count."
    )
    product: DeclaredProduct = strawberry.field(graphql_type=DataProduct, description="The product.")


@strawberry.input(description="The version to promote.")
class PromoteInput:
    model: strawberry.ID = strawberry.field(description="The id of the version to promote.")
    reason: str = strawberry.field(description=REASON)
    champion: strawberry.ID | None = strawberry.field(
        default=UNSET,
        description="The id of the version that the caller believes to be the champion. If another one is, nothing is "
        "changed and CHAMPION_CHANGED is the error. Leave it out to promote in any case.",
    )


@strawberry.type(description="The version that serves now.")
class PromotePayload:
    promotion: models.Promotion = strawberry.field(
        graphql_type=Promotion, description="The promotion, as it is stored."
    )
    product: DeclaredProduct = strawberry.field(
        graphql_type=DataProduct, description="The product, with its new champion."
    )


@strawberry.input(description="The champion to roll back from.")
class RollbackInput:
    product: str = strawberry.field(description="The name of the product.")
    champion: strawberry.ID = strawberry.field(
        description="The id of the champion to roll back from. If another version is the champion, nothing is changed "
        "and CHAMPION_CHANGED is the error."
    )
    reason: str = strawberry.field(description=REASON)


@strawberry.type(description="The version that serves again.")
class RollbackPayload:
    promotion: models.Promotion = strawberry.field(
        graphql_type=Promotion, description="The promotion, as it is stored."
    )
    product: DeclaredProduct = strawberry.field(
        graphql_type=DataProduct, description="The product, with its champion from before."
    )


@strawberry.input(description="A selection of predictions: exactly one of `ids` and `filter` must be given.")
class DeletePredictionsInput:
    ids: list[strawberry.ID] | None = strawberry.field(
        default=UNSET,
        description="The predictions' ids, at most 10,000. Ids of deleted predictions are ignored.",
    )
    filter: PredictionFilter | None = strawberry.field(
        default=UNSET,
        description="All predictions that match this filter, also those that were not served unless it has `served`.",
    )
    dry_run: bool = strawberry.field(
        default=False, description="True: delete nothing, and return what would be deleted."
    )

    @property
    def product(self) -> str | None:
        """The name of the product that the filter is about; None without a filter."""
        return unset_to_none(self.filter.product) if self.filter else None

    def rows(self) -> PredictionQuerySet:
        """The selected predictions.

        Raises: BadInput, UnknownId, WrongKindOfId, UnknownProduct, OutOfRange, Forbidden.
        """
        if bool(self.filter) == isinstance(self.ids, list):
            raise BadInput("Name the predictions either by `ids` or by `filter`.")
        if self.filter:
            return self._matching(self.filter)
        wanted = self.ids or []
        limits.check_size(wanted, "ids")
        return models.Prediction.objects.filter(pk__in=[_digest(*pair) for pair in enumerate(wanted)])

    def _matching(self, filter: PredictionFilter) -> PredictionQuerySet:
        product = filter.declared_product()
        if product is None:
            message = "Name the `product` of which predictions are deleted."
            raise BadInput(message, argument=("filter", "product"))
        rows = filter.rows(product, served=None)
        acting.require(Permission.DELETE, product.name)
        return rows


def _digest(place: int, id: str) -> str:
    return ids.digest(id, "*Prediction", ("ids", place))


@strawberry.type(description="The predictions that were deleted or, with `dryRun`, would be.")
class DeletePredictionsPayload:
    count: int = strawberry.field(description="The number of predictions.")
    feedback_count: int = strawberry.field(
        description="The number of feedbacks deleted with them. Feedback about an entity or a reference stays."
    )
    deleted_ids: list[strawberry.ID] | None = strawberry.field(
        description="The ids of the predictions, to remove them from caches; null if there are more than 1,000."
    )
    product: DeclaredProduct | None = strawberry.field(
        graphql_type=DataProduct | None,
        description="The product of the predictions; null if they are of several products, or of none.",
    )

    @classmethod
    def from_removed(cls, removed: erasure.Removed, product: str | None) -> "DeletePredictionsPayload":
        """The payload of a deletion, with the ids if they are few enough; `product` is that of the filter."""
        listed, products = removed.listed, {row.product for row in removed.predictions}
        name = product or (products.pop() if len(products) == 1 else None)
        return cls(
            count=len(removed.predictions),
            feedback_count=removed.feedback,
            deleted_ids=None if listed is None else [ids.node_id(prediction) for prediction in listed],
            product=None if name is None else catalogue.find(name),
        )


@strawberry.input(
    description="What to erase: all that is stored about an entity or a reference, exactly one of which is named."
)
class EraseInput:
    product: str = strawberry.field(description="The product's name.")
    entity: str | None = strawberry.field(
        default=UNSET, description="The key of a row of the feature tables, which itself stays."
    )
    reference: str | None = strawberry.field(
        default=UNSET, description="The reference that predictions were requested with."
    )
    reason: str = strawberry.field(
        default="", description="The reason, for the audit log; it must not name the person."
    )
    dry_run: bool = strawberry.field(
        default=False, description="True: erase nothing, and return what would be erased."
    )

    @property
    def name(self) -> SubjectName:
        """The name of the subject."""
        return SubjectName(entity=unset_to_none(self.entity), reference=unset_to_none(self.reference))


@strawberry.type(description="What was erased or, with `dryRun`, would be.")
class ErasePayload:
    prediction_count: int = strawberry.field(description="The number of predictions.")
    feedback_count: int = strawberry.field(description="The number of feedbacks.")
    snapshot_count: int = strawberry.field(
        description="The number of snapshots whose tables have it. A worker drops them, once no build reads them."
    )
    has_unfinished_build: bool = strawberry.field(
        description="True while a build of the product is unfinished, which may have read it before: erase it again "
        "when the build has ended."
    )
    deleted_ids: list[strawberry.ID] | None = strawberry.field(
        description="The ids of the predictions, to remove them from caches; null if there are more than 1,000."
    )
    product: DeclaredProduct | None = strawberry.field(
        graphql_type=DataProduct | None, description="The product."
    )

    @classmethod
    def from_erased(cls, erased: Erased, product: DeclaredProduct) -> "ErasePayload":
        """The payload of an erasure."""
        listed = erased.removed.listed
        return cls(
            prediction_count=len(erased.removed.predictions),
            feedback_count=erased.removed.feedback,
            snapshot_count=len(erased.snapshots),
            has_unfinished_build=erased.is_being_read,
            deleted_ids=None if listed is None else [ids.node_id(prediction) for prediction in listed],
            product=product,
        )
