"""Mutations of the registry, of jobs and of predictions of any product."""

from typing import Annotated

import strawberry

from store import models
from store.predictions import erasure
from store.products import catalogue
from store.products.product import DataProduct as DeclaredProduct

from .core import ids
from .core.context import Info
from .products.mutations import mutation
from .types.builds import Build
from .types.jobs import Scoring
from .types.nodes import UNSET, unset_to_none
from .types.prediction_interfaces import PredictionSelection
from .types.products import DataProduct
from .types.registry import Promotion

ProductName = Annotated[str, strawberry.argument(description="The name of the product.")]
Reason = Annotated[
    str,
    strawberry.argument(description="The reason, which is stored with the promotion. It may not be empty."),
]


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


@strawberry.type(description="The product's unfinished build.")
class RequestBuildPayload:
    build: models.Build = strawberry.field(
        graphql_type=Build, description="The build. Follow it with the subscription `buildProgress`."
    )
    started: bool = strawberry.field(
        description="False if a build of the product was unfinished already; then its options count."
    )


@strawberry.type(description="The build that was cancelled.")
class CancelBuildPayload:
    build: models.Build = strawberry.field(graphql_type=Build, description="The build, as it is now.")


@strawberry.type(description="The product's unfinished batch scoring.")
class ScoreTablePayload:
    job: models.Scoring = strawberry.field(
        graphql_type=Scoring, description="The job. Follow it with the subscription `jobProgress`."
    )
    started: bool = strawberry.field(
        description="False if a batch scoring of the product was unfinished already."
    )


@strawberry.type(description="The version that serves now.")
class PromotePayload:
    promotion: models.Promotion = strawberry.field(
        graphql_type=Promotion, description="The promotion, as it is stored."
    )
    product: DeclaredProduct = strawberry.field(
        graphql_type=DataProduct, description="The product, with its new champion."
    )


@strawberry.type(description="The predictions that were deleted or, with `dryRun`, would be.")
class DeletePredictionsPayload:
    count: int = strawberry.field(description="The number of predictions.")
    feedback_count: int = strawberry.field(
        description="The number of feedbacks deleted with them. Feedback about an entity or a reference stays."
    )
    deleted_ids: list[strawberry.ID] | None = strawberry.field(
        description="The ids of the predictions, to remove them from caches; null if there are more than 1,000."
    )


@strawberry.type(
    description="All changes. Every field is nullable, so that the error of one does not hide the stored results of "
    "others."
)
class Mutation:
    @mutation(
        "Request a build: learn a new model from the tables as they are now. If a build of the product is unfinished, "
        "that one is returned."
    )
    def request_build(
        self,
        info: Info,
        product: ProductName,
        options: Annotated[
            BuildOptions | None,
            strawberry.argument(description="Options of this build. Leave it out to build as declared."),
        ] = UNSET,
    ) -> RequestBuildPayload | None:
        values = {name: unset_to_none(value) for name, value in vars(options).items()} if options else None
        build, started = models.Build.objects.request(
            catalogue.get(product), info.context.actor.author, values
        )
        return RequestBuildPayload(build=build, started=started)

    @mutation("Cancel a build that is unfinished. Versions that it has registered stay.")
    def cancel_build(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The id of the build.")],
    ) -> CancelBuildPayload | None:
        build = models.Build.objects.cancel(ids.number(id, "Build"), info.context.actor.author)
        return CancelBuildPayload(build=build)

    @mutation(
        "Request batch scoring: predict every row of the product by its champion, as a job. If one of the product is "
        "unfinished, that one is returned."
    )
    def score_table(self, info: Info, product: ProductName) -> ScoreTablePayload | None:
        scoring, started = models.Scoring.objects.request(catalogue.get(product), info.context.actor.author)
        return ScoreTablePayload(job=scoring, started=started)

    @mutation("Promote a model version: it serves from now on, in place of the champion.")
    def promote(
        self,
        info: Info,
        model: Annotated[strawberry.ID, strawberry.argument(description="The id of the version to promote.")],
        reason: Reason,
        champion: Annotated[
            strawberry.ID | None,
            strawberry.argument(
                description="The id of the version that the caller believes to be the champion. If another one is, "
                "nothing is changed and CHAMPION_CHANGED is the error. Leave it out to promote in any case."
            ),
        ] = UNSET,
    ) -> PromotePayload | None:
        believed = unset_to_none(champion)
        promotion = models.Promotion.objects.promote(
            find_version(model, "model"),
            reason,
            info.context.actor.author,
            None if believed is None else find_version(believed, "champion"),
        )
        return promote_payload(promotion)

    @mutation(
        "Roll back: the version that served before the champion serves again. Automatic promotion then waits for a "
        "person."
    )
    def rollback(
        self,
        info: Info,
        product: ProductName,
        champion: Annotated[
            strawberry.ID,
            strawberry.argument(
                description="The id of the champion to roll back from. If another version is the champion, nothing is "
                "changed and CHAMPION_CHANGED is the error."
            ),
        ],
        reason: Reason,
    ) -> PromotePayload | None:
        promotion = models.Promotion.objects.rollback(
            product, find_version(champion, "champion"), reason, info.context.actor.author
        )
        return promote_payload(promotion)

    @mutation("Delete stored predictions.")
    def delete_predictions(
        self,
        which: Annotated[PredictionSelection, strawberry.argument(description="The predictions to delete.")],
        dry_run: Annotated[
            bool, strawberry.argument(description="True: delete nothing, and return what would be deleted.")
        ] = False,
    ) -> DeletePredictionsPayload | None:
        return delete_payload(erasure.remove_predictions(which.rows(), dry_run))


def find_version(id: str, argument: str) -> models.ModelVersion:
    """Find the model version with this id. Raises UnknownId, WrongKindOfId."""
    return models.ModelVersion.objects.find(ids.number(id, "ModelVersion", (argument,)), argument)


def promote_payload(promotion: models.Promotion) -> PromotePayload:
    """The payload of a stored promotion."""
    return PromotePayload(promotion=promotion, product=catalogue.get(promotion.product))


def delete_payload(removed: erasure.Removed) -> DeletePredictionsPayload:
    """The payload of a deletion, with the ids if they are few enough."""
    listed = removed.given_back
    return DeletePredictionsPayload(
        count=len(removed.predictions),
        feedback_count=removed.feedback,
        deleted_ids=None if listed is None else [ids.node_id(prediction) for prediction in listed],
    )
