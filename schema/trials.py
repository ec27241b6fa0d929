"""Mutations that start and end trials."""

from typing import Annotated

import strawberry

from store import models
from store.products import catalogue

from .core import ids
from .core.context import Info
from .core.mutation import mutation
from .types.trials import (
    EndTrialInput,
    EndTrialPayload,
    StartShadowInput,
    StartShadowPayload,
    StartSplitInput,
    StartSplitPayload,
)


@strawberry.type
class TrialMutation:
    """Mutation fields of trials."""

    @mutation(
        "Start a shadow: a version predicts on live traffic beside the champion; what it predicts is stored, not "
        "served. It ends by `endTrial`, by a promotion, or by itself if the version is worse beyond noise or fails."
    )
    def start_shadow(
        self,
        info: Info,
        input: Annotated[StartShadowInput, strawberry.argument(description="The version, and the reason.")],
    ) -> StartShadowPayload | None:
        version = models.ModelVersion.objects.find(
            ids.number(input.model, "ModelVersion", ("model",)), "model"
        )
        trial = models.Trial.objects.start_shadow(version, input.reason, info.context.actor.author)
        return StartShadowPayload(trial=trial, product=catalogue.get(trial.product))

    @mutation(
        "Start a split: a version answers for a share of the subjects in place of the champion, the same subjects each "
        "time. Starting it again with another share ends the split before. It ends as a shadow does."
    )
    def start_split(
        self,
        info: Info,
        input: Annotated[
            StartSplitInput, strawberry.argument(description="The version, its share, and the reason.")
        ],
    ) -> StartSplitPayload | None:
        version = models.ModelVersion.objects.find(
            ids.number(input.model, "ModelVersion", ("model",)), "model"
        )
        trial = models.Trial.objects.start_split(
            input.product, version, input.share, input.reason, info.context.actor.author
        )
        return StartSplitPayload(trial=trial, product=catalogue.get(trial.product))

    @mutation("End the trial of a product: the champion answers all from now on.")
    def end_trial(
        self,
        info: Info,
        input: Annotated[EndTrialInput, strawberry.argument(description="The product, and the reason.")],
    ) -> EndTrialPayload | None:
        trial = models.Trial.objects.end(input.product, input.reason, info.context.actor.author)
        return EndTrialPayload(trial=trial, product=catalogue.get(trial.product))
