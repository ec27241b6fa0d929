"""Subscriptions: build events, jobs, builds and promotions, as they happen."""

from collections.abc import AsyncGenerator
from typing import Annotated

import strawberry

from store import models
from store.runtime import event_streams

from .core import ids
from .types.builds import Build
from .types.events import BuildEvent
from .types.jobs import Job
from .types.nodes import UNSET, unset_to_none
from .types.registry import Promotion

ProductName = Annotated[
    str | None, strawberry.argument(description="The name of a product. Leave it out for all products.")
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
        description="A build or a batch scoring: at once, and whenever its status or progress changes, until it has "
        "ended.",
    )
    async def job_progress(
        self,
        job: Annotated[
            strawberry.ID, strawberry.argument(description="The id of the build or batch scoring.")
        ],
    ) -> AsyncGenerator[models.Build | models.Scoring, None]:
        model, number = ids.job(job)
        async for row in event_streams.job_changes(model, number):
            yield row

    @strawberry.subscription(
        graphql_type=Build,
        description="All unfinished builds, then each build whenever it begins, changes or ends.",
    )
    async def builds(self, product: ProductName = UNSET) -> AsyncGenerator[models.Build, None]:
        async for build in event_streams.build_changes(unset_to_none(product)):
            yield build

    @strawberry.subscription(
        graphql_type=Promotion,
        description="Each promotion from now on. Load the product's champion after each (re)connection.",
    )
    async def promotions(self, product: ProductName = UNSET) -> AsyncGenerator[models.Promotion, None]:
        async for promotion in event_streams.promotion_events(unset_to_none(product)):
            yield promotion
