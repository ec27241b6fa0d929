"""Mutations of the registry, of jobs and of predictions of any product."""

from collections.abc import Sequence
from typing import Annotated

import strawberry

from store import models
from store.access import acting
from store.access.permissions import Permission
from store.exceptions import UnknownId
from store.predictions import erasure
from store.products import catalogue, limits
from store.products.product import DataProduct
from store.serving import erasing

from .access import AccessMutation
from .core import ids
from .core.context import Info
from .core.mutation import mutation
from .generic import GenericMutation
from .labelling import LabellingMutation
from .receivers import ReceiverMutation
from .trials import TrialMutation
from .types.mutations import (
    CancelJobInput,
    CancelJobPayload,
    CompareModelsInput,
    CompareModelsPayload,
    DeletePredictionsInput,
    DeletePredictionsPayload,
    EraseInput,
    ErasePayload,
    PromoteInput,
    PromotePayload,
    RequestBuildInput,
    RequestBuildPayload,
    RollbackInput,
    RollbackPayload,
    ScoreTableInput,
    ScoreTablePayload,
)
from .types.nodes import unset_to_none


@strawberry.type(
    description="All changes. Every field is nullable, so that the error of one does not hide the stored results of "
    "others."
)
class Mutation(AccessMutation, GenericMutation, LabellingMutation, ReceiverMutation, TrialMutation):
    @mutation(
        "Request a build: learn a new model from the tables as they are now. If a build of the product is unfinished, "
        "that one is returned."
    )
    def request_build(
        self,
        info: Info,
        input: Annotated[
            RequestBuildInput, strawberry.argument(description="The product, and options of the build.")
        ],
    ) -> RequestBuildPayload | None:
        product, options = catalogue.get(input.product), unset_to_none(input.options)
        values = {name: unset_to_none(value) for name, value in vars(options).items()} if options else None
        build, started = models.Build.objects.request(
            product, info.context.actor.author, values, reason=input.reason
        )
        return RequestBuildPayload(build=build, started=started, product=product)

    @mutation(
        "Cancel a job that is unfinished. What it has stored stays: versions that a build has registered, and "
        "predictions of a batch scoring. An import or a comparison has stored nothing before it ends."
    )
    def cancel_job(
        self,
        info: Info,
        input: Annotated[CancelJobInput, strawberry.argument(description="The job to cancel.")],
    ) -> CancelJobPayload | None:
        kind, number = ids.job(input.job)
        job = kind.objects.cancel(number, info.context.actor.author, input.reason)
        return CancelJobPayload(job=job, product=catalogue.find(job.product))

    @mutation(
        "Request batch scoring: predict every row of the product by its champion, as a job. If one of the product is "
        "unfinished, that one is returned."
    )
    def score_table(
        self,
        info: Info,
        input: Annotated[ScoreTableInput, strawberry.argument(description="The product.")],
    ) -> ScoreTablePayload | None:
        product = catalogue.get(input.product)
        scoring, started = models.Scoring.objects.request(product, info.context.actor.author)
        return ScoreTablePayload(job=scoring, started=started, product=product)

    @mutation(
        "Compare two versions of a product, as a job: replay stored instances through both, and measure by which one "
        "is better on labels that neither has learned from. If a comparison of the two is unfinished, that one is "
        "returned."
    )
    def compare_models(
        self,
        info: Info,
        input: Annotated[
            CompareModelsInput, strawberry.argument(description="The versions, and on which instances.")
        ],
    ) -> CompareModelsPayload | None:
        product = catalogue.get(input.product)
        comparison, started = models.Comparison.objects.request(
            product,
            find_versions(product, input.models),
            info.context.actor.author,
            unset_to_none(input.since),
            unset_to_none(input.sample),
        )
        return CompareModelsPayload(job=comparison, started=started, product=product)

    @mutation("Promote a model version: it serves from now on, in place of the champion.")
    def promote(
        self,
        info: Info,
        input: Annotated[
            PromoteInput, strawberry.argument(description="The version to promote, and the reason.")
        ],
    ) -> PromotePayload | None:
        believed = unset_to_none(input.champion)
        promotion = models.Promotion.objects.promote(
            find_version(input.model, "model"),
            input.reason,
            info.context.actor.author,
            None if believed is None else find_version(believed, "champion"),
        )
        return PromotePayload(promotion=promotion, product=catalogue.get(promotion.product))

    @mutation(
        "Roll back: the version that served before the champion serves again. Automatic promotion then waits for a "
        "person."
    )
    def rollback(
        self,
        info: Info,
        input: Annotated[
            RollbackInput, strawberry.argument(description="The product, its champion, and the reason.")
        ],
    ) -> RollbackPayload | None:
        champion = find_version(input.champion, "champion")
        promotion = models.Promotion.objects.rollback(
            input.product, champion, input.reason, info.context.actor.author
        )
        return RollbackPayload(promotion=promotion, product=catalogue.get(promotion.product))

    @mutation("Delete stored predictions.")
    def delete_predictions(
        self,
        input: Annotated[
            DeletePredictionsInput, strawberry.argument(description="The predictions to delete.")
        ],
    ) -> DeletePredictionsPayload | None:
        return DeletePredictionsPayload.from_removed(
            erasure.remove_predictions(input.rows(), input.dry_run), input.product
        )

    @mutation(
        "Erase all that is stored about an entity or a reference: predictions, feedback, and the tables of snapshots "
        "that have it. The feature tables' own rows stay, and so do models that have learned from them. Needs ERASE."
    )
    def erase(
        self,
        input: Annotated[EraseInput, strawberry.argument(description="What to erase.")],
    ) -> ErasePayload | None:
        product = catalogue.get(input.product)
        return ErasePayload.from_erased(
            erasing.erase(product, input.name, input.reason, input.dry_run), product
        )


def find_versions(product: DataProduct, listed: Sequence[str]) -> list[models.ModelVersion]:
    """Find the model versions with these ids, for who may compare them. Raises UnknownId, WrongKindOfId, Forbidden."""
    acting.require(Permission.BUILD, product.name)
    limits.check_size(listed, "models")
    keys = [ids.number(id, "ModelVersion", ("models", place)) for place, id in enumerate(listed)]
    rows = models.ModelVersion.objects.in_bulk(keys)
    for place, key in enumerate(keys):
        if key not in rows:
            raise UnknownId("No model version has this id.", argument=("models", place))
    return [rows[key] for key in keys]


def find_version(id: str, argument: str) -> models.ModelVersion:
    """Find the model version with this id. Raises UnknownId, WrongKindOfId."""
    return models.ModelVersion.objects.find(ids.number(id, "ModelVersion", (argument,)), argument)
