"""Subscriptions: build events, jobs, builds and promotions, and live lists, as they happen."""

from collections.abc import AsyncGenerator
from typing import Annotated

import strawberry

from store import models
from store.access.actors import Actor
from store.db import threads
from store.predictions.predictions import PredictionQuerySet
from store.products import catalogue
from store.products.product import DataProduct as DeclaredProduct
from store.runtime import build_changes, event_streams, live_rows, product_changes, quality_changes
from store.runtime.live_rows import LiveRow, LiveRows
from store.runtime.product_changes import ChangedProduct

from .core import ids
from .core.context import Info
from .products.outputs import readable
from .types.builds import Build
from .types.events import BuildEvent
from .types.jobs import Job
from .types.live import FeedbackGiven, PredictionStored, ProductChanged
from .types.nodes import UNSET, unset_to_none
from .types.prediction_filters import PredictionFilter
from .types.products import DataProduct
from .types.registry import Promotion

ProductName = Annotated[
    str | None, strawberry.argument(description="The name of a product. Leave it out for all products.")
]
OneProduct = Annotated[str, strawberry.argument(description="The name of the product.")]
After = Annotated[
    str | None,
    strawberry.argument(
        description="The cursor of an event: what happened since then comes first, and may repeat some events. Leave "
        "it out for what happens from now on."
    ),
]


@strawberry.type(description="All streams. Lost events are read again from the database.")
class Subscription:
    @strawberry.subscription(
        graphql_type=BuildEvent,
        description="The events of a build, in order, until the final one. A client that reconnects may pass its first "
        "variables again: events that are sent twice have the same `id`.",
    )
    async def build_progress(
        self,
        build: Annotated[strawberry.ID, strawberry.argument(description="The build's id.")],
        after: Annotated[
            str | None,
            strawberry.argument(
                description="The cursor of the last event that the client has. Leave it out for all events."
            ),
        ] = UNSET,
    ) -> AsyncGenerator[models.BuildEvent, None]:
        async for event in event_streams.build_events(ids.number(build, "Build", ("build",)), after or None):
            yield event

    @strawberry.subscription(
        graphql_type=Job,
        description="A build, a batch scoring, a comparison or an import: at once, and whenever its status or progress "
        "changes, until it has ended.",
    )
    async def job_progress(
        self,
        job: Annotated[
            strawberry.ID,
            strawberry.argument(description="The id of the build, batch scoring, comparison or import."),
        ],
    ) -> AsyncGenerator[models.Build | models.Comparison | models.Import | models.Scoring, None]:
        model, number = ids.job(job)
        async for row in event_streams.job_changes(model, number):
            yield row

    @strawberry.subscription(
        graphql_type=Build,
        description="All unfinished builds, then each build whenever it begins, changes or ends.",
    )
    async def builds(self, product: ProductName = UNSET) -> AsyncGenerator[models.Build, None]:
        async for build in build_changes.follow(unset_to_none(product)):
            yield build

    @strawberry.subscription(
        graphql_type=Promotion,
        description="Each promotion from now on. Load the product's champion after each (re)connection.",
    )
    async def promotions(self, product: ProductName = UNSET) -> AsyncGenerator[models.Promotion, None]:
        async for promotion in event_streams.promotion_events(unset_to_none(product)):
            yield promotion

    @strawberry.subscription(
        graphql_type=PredictionStored,
        description="Each prediction that is stored, once it is; not those that are asked for again. Whoever may not "
        "view the product hears of what it asked for itself. A client that does not keep up is OVERLOADED, with the "
        "`cursor` to begin again in `extensions`.",
    )
    async def prediction_stored(
        self,
        info: Info,
        product: OneProduct,
        filter: Annotated[
            PredictionFilter | None,
            strawberry.argument(description="The predictions to hear of. Leave it out for all."),
        ] = UNSET,
        after: After = UNSET,
    ) -> AsyncGenerator[LiveRow, None]:
        declared = catalogue.get(product)
        conditions = unset_to_none(filter) or PredictionFilter()
        await threads.run(conditions.check, declared)

        def select(actor: Actor) -> PredictionQuerySet:
            return readable(conditions.rows(declared), actor, product)

        tail = live_rows.tail_of(models.Prediction.objects.served(), product)
        rows = LiveRows(tail, select, info.context.find_again)
        async for row in rows.follow(after or None):
            yield row

    @strawberry.subscription(
        graphql_type=FeedbackGiven,
        description="Each feedback of a person or a program, once it is stored. A client that does not keep up is "
        "OVERLOADED, with the `cursor` to begin again in `extensions`.",
    )
    async def feedback_given(
        self, info: Info, product: OneProduct, after: After = UNSET
    ) -> AsyncGenerator[LiveRow, None]:
        declared = catalogue.get(product)
        tail = live_rows.tail_of(models.Feedback.objects.from_people(), product)
        rows = LiveRows(tail, lambda _: models.Feedback.objects.visible(declared), info.context.find_again)
        async for row in rows.follow(after or None):
            yield row

    @strawberry.subscription(
        graphql_type=ProductChanged,
        description="Each product whenever another version serves, a build begins or ends, or automatic promotion is "
        "put on hold. Who does not keep up hears of each product once.",
    )
    async def product_changed(
        self, product: ProductName = UNSET, after: After = UNSET
    ) -> AsyncGenerator[ChangedProduct, None]:
        async for changed in product_changes.follow(unset_to_none(product), after or None):
            yield changed

    @strawberry.subscription(
        graphql_type=DataProduct,
        description="A product: at once, and whenever feedback, a retraction or a prediction may have changed its "
        "quality, at most every two seconds. Select `quality` with what is shown of it.",
    )
    async def quality_changed(self, product: OneProduct) -> AsyncGenerator[DeclaredProduct, None]:
        async for changed in quality_changes.follow(product):
            yield changed
