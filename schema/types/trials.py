"""Trials: versions that are tried on live traffic beside the champion, and the mutations that start and end them."""

import datetime

import strawberry

from store import models
from store.products.product import DataProduct as DeclaredProduct
from store.quality import trial_results

from ..core.enums import TrialKind
from .nodes import LazyProduct, Node, product_field, relation, row_type
from .registry import ModelVersion

REASON = "The reason, which is stored with the trial. It may not be empty."


@strawberry.type(
    description="The quality of the version that is tried less that of the champion, by the truths that came after "
    "both had answered: above 0 it is better. The interval holds at all times at once: it may be looked at again, "
    "and contains the true difference each time with a probability of 95 %."
)
class TrialDifference:
    metric: str = strawberry.field(
        description="`accuracy`, or `neg_mean_absolute_error`, in which errors greater than nine tenths of the labels "
        "lie apart count as that much."
    )
    value: float = strawberry.field(description="The difference of the means.")
    low: float = strawberry.field(description="The lower end of the interval.")
    high: float = strawberry.field(
        description="The upper end of the interval; below 0 the trial ends by itself."
    )
    n: int = strawberry.field(
        description="The number of subjects whose truth came later: of a shadow those of which both versions' answers "
        "count, of a split those of either."
    )

    is_type_of = Node.is_type_of


@row_type(
    models.Trial, description="The time in which a version is tried on live traffic beside the champion."
)
class Trial(Node):
    @strawberry.field(description="Whether the version serves.")
    def kind(self: models.Trial) -> TrialKind:
        return TrialKind(self.kind)

    model: ModelVersion = relation("model", "The version that is tried.")
    champion: ModelVersion = relation("champion", "The champion beside which it is tried.")
    share: float | None = strawberry.field(
        description="The share of subjects that it answers, greater than 0 and at most 1; null for a shadow."
    )
    reason: str = strawberry.field(description="The reason, as its author gave it.")
    by: str = strawberry.field(description="Its author.")
    started_at: datetime.datetime = strawberry.field(description="The time at which it began.")
    ended_at: datetime.datetime | None = strawberry.field(
        description="The time at which it ended; null while it runs."
    )
    ended_by: str = strawberry.field(
        description="Who ended it: a person, a build, or the trial itself. Empty while it runs."
    )
    end_reason: str = strawberry.field(description="Why it ended. Empty while it runs.")
    problem: str = strawberry.field(
        description="Why the version does not answer as it should, so that the champion does. Empty if it does."
    )
    failures: int = strawberry.field(
        description="The number of requests that the version failed to answer; too many end the trial."
    )
    predicted: int = strawberry.field(
        description="The number of predictions that a shadow has read and predicted; 0 for a split."
    )
    dropped: int = strawberry.field(
        description="The number of predictions that a shadow has left out because it could not keep up; 0 for a split."
    )
    product: LazyProduct = product_field()

    @strawberry.field(
        graphql_type=TrialDifference | None,
        description="How much better or worse the version answers than the champion. Null until truths came after "
        "answers of both, and if the product learns without labels.",
    )
    def difference(self: models.Trial) -> trial_results.Difference | None:
        return trial_results.compare(self)


@strawberry.input(description="The version that predicts in a shadow.")
class StartShadowInput:
    model: strawberry.ID = strawberry.field(description="The id of the version.")
    reason: str = strawberry.field(description=REASON)


@strawberry.type(description="The shadow that began.")
class StartShadowPayload:
    trial: models.Trial = strawberry.field(graphql_type=Trial, description="The trial, as it is stored.")
    product: DeclaredProduct = strawberry.field(
        graphql_type=LazyProduct, description="The product, with its trial."
    )


@strawberry.input(description="The version that answers for a share of the subjects.")
class StartSplitInput:
    product: str = strawberry.field(description="The name of the product.")
    model: strawberry.ID = strawberry.field(
        description="The id of the version, which must be one of the product."
    )
    share: float = strawberry.field(
        description="The share of subjects, greater than 0 and at most 1. Who is in a share is in every greater one of "
        "the same version."
    )
    reason: str = strawberry.field(description=REASON)


@strawberry.type(description="The split that began.")
class StartSplitPayload:
    trial: models.Trial = strawberry.field(graphql_type=Trial, description="The trial, as it is stored.")
    product: DeclaredProduct = strawberry.field(
        graphql_type=LazyProduct, description="The product, with its trial."
    )


@strawberry.input(description="The product whose trial ends.")
class EndTrialInput:
    product: str = strawberry.field(description="The name of the product.")
    reason: str = strawberry.field(description=REASON)


@strawberry.type(description="The trial that has ended.")
class EndTrialPayload:
    trial: models.Trial = strawberry.field(graphql_type=Trial, description="The trial, as it is stored.")
    product: DeclaredProduct = strawberry.field(graphql_type=LazyProduct, description="The product.")
