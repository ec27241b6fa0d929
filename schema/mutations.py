"""What changes the registry and the predictions of any product."""

import strawberry
from strawberry.types import Info

from store import models
from store.predictions import erasure
from store.products import catalogue

from .core import ids
from .products.mutations import mutation
from .types.builds import Build
from .types.jobs import Scoring
from .types.nodes import UNSET, given
from .types.prediction_interfaces import PredictionSelection
from .types.products import DataProduct
from .types.registry import Promotion


@strawberry.input(description="What to do otherwise than declared, in this build.")
class BuildOptions:
    candidates: int | None = UNSET
    seconds: int | None = UNSET
    seed: int | None = UNSET
    families: list[str] | None = UNSET
    auto_promote: bool | None = UNSET


@strawberry.type(description="The product's unfinished build.")
class RequestBuildPayload:
    build: Build
    started: bool = strawberry.field(description="False where it was unfinished already.")


@strawberry.type(description="The build that was ended.")
class CancelBuildPayload:
    build: Build


@strawberry.type(description="The product's unfinished re-scoring.")
class ScoreTablePayload:
    job: Scoring
    started: bool = strawberry.field(description="False where it was unfinished already.")


@strawberry.type(description="Which version serves now.")
class PromotePayload:
    promotion: Promotion
    product: DataProduct


@strawberry.type(description="`deletedIds` is null where a filter matched more than 1,000.")
class DeletePredictionsPayload:
    count: int
    feedback_count: int = strawberry.field(
        description="Feedback about nobody, which goes with its prediction."
    )
    deleted_ids: list[strawberry.ID] | None


@strawberry.type(
    description="What can be changed. Every field is nullable, so that one refusal does not hide the others' "
    "committed answers."
)
class Mutation:
    @mutation(
        description="Learn again, now. Where a build of the product is unfinished, that one is answered."
    )
    def request_build(
        self, info: Info, product: str, options: BuildOptions | None = UNSET
    ) -> RequestBuildPayload | None:
        wanted = {name: given(value) for name, value in vars(options).items()} if options else None
        build, started = models.Build.objects.request(
            catalogue.get(product), info.context.actor.author, wanted
        )
        return RequestBuildPayload(build=build, started=started)

    @mutation(description="End a build; nothing of it is promoted any more.")
    def cancel_build(self, info: Info, id: strawberry.ID) -> CancelBuildPayload | None:
        build = models.Build.objects.cancel(ids.number(id, "Build"), info.context.actor.author)
        return CancelBuildPayload(build=build)

    @mutation(
        description="Predict every entity anew, as a job. Where one of the product is unfinished, that is answered."
    )
    def score_table(self, info: Info, product: str) -> ScoreTablePayload | None:
        scoring, started = models.Scoring.objects.request(catalogue.get(product), info.context.actor.author)
        return ScoreTablePayload(job=scoring, started=started)

    @mutation(
        description="`champion` is the version that the caller believes serves; another one serving: "
        "CHAMPION_CHANGED; another product's: FOREIGN_MODEL."
    )
    def promote(
        self, info: Info, model: strawberry.ID, reason: str, champion: strawberry.ID | None = UNSET
    ) -> PromotePayload | None:
        believed = None if given(champion) is None else version(champion, "champion")
        author = info.context.actor.author
        return promoted(models.Promotion.objects.promote(version(model, "model"), reason, author, believed))

    @mutation(description="Let the version before serve again; automatic promotion then waits for a person.")
    def rollback(
        self, info: Info, product: str, champion: strawberry.ID, reason: str
    ) -> PromotePayload | None:
        author = info.context.actor.author
        return promoted(
            models.Promotion.objects.rollback(product, version(champion, "champion"), reason, author)
        )

    @mutation(description="With `dryRun` nothing is deleted, and the payload says what would be.")
    def delete_predictions(
        self, which: PredictionSelection, dry_run: bool = False
    ) -> DeletePredictionsPayload | None:
        removed = erasure.remove_predictions(which.rows(), dry_run)
        listed = removed.given_back
        return DeletePredictionsPayload(
            count=len(removed.predictions),
            feedback_count=removed.feedback,
            deleted_ids=None if listed is None else [ids.node_id(prediction) for prediction in listed],
        )


def version(id: str, argument: str) -> models.ModelVersion:
    """The model version with this id. Raises UnknownId, WrongKindOfId."""
    return models.ModelVersion.objects.named(ids.number(id, "ModelVersion", (argument,)), argument)


def promoted(promotion: models.Promotion) -> PromotePayload:
    return PromotePayload(promotion=promotion, product=catalogue.get(promotion.product))  # type: ignore[arg-type]
