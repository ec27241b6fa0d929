"""What streams: a build's events, builds, promotions. Redis rings; what an event lacks is read from the rows."""

from collections.abc import AsyncGenerator

import strawberry

from store.runtime import event_streams

from .core import ids
from .types.builds import Build
from .types.events import BuildEvent
from .types.jobs import Job
from .types.nodes import UNSET, given
from .types.registry import Promotion


@strawberry.type(description="What can be watched.")
class Subscription:
    @strawberry.subscription(
        description="From the start, or after a cursor of `Build.events`. Clients resubscribe with the variables they "
        "had: ids make the repetition harmless."
    )
    async def build_progress(
        self, build: strawberry.ID, after: str | None = UNSET
    ) -> AsyncGenerator[BuildEvent, None]:
        async for event in event_streams.build_events(ids.number(build, "Build", ("build",)), after or None):
            yield event

    @strawberry.subscription(
        description="A build or a re-scoring, at once and whenever something has happened to it, until it has ended."
    )
    async def job_progress(self, job: strawberry.ID) -> AsyncGenerator[Job, None]:
        kind, number = ids.job(job)
        async for row in event_streams.job_changes(kind, number):
            yield row

    @strawberry.subscription(
        description="The unfinished builds, then each build whenever something happens to it."
    )
    async def builds(self, product: str | None = UNSET) -> AsyncGenerator[Build, None]:
        async for build in event_streams.build_changes(given(product)):
            yield build

    @strawberry.subscription(description="Each promotion from now on.")
    async def promotions(self, product: str | None = UNSET) -> AsyncGenerator[Promotion, None]:
        async for promotion in event_streams.promotion_events(given(product)):
            yield promotion
