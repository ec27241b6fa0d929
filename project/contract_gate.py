"""Contract gate: a web process serves no schema that breaks clients before a person has accepted it.

It waits with its port open: `/health` responds, `/ready` says why not, and processes of the older code go on serving.
In the embedded mode nobody else's clients are broken, and it never waits.
"""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus

from django.conf import settings
from starlette.responses import JSONResponse, Response

from schema import schema as served
from schema import schema_changes
from store.db import threads
from store.exceptions import Unavailable
from store.products import catalogue
from store.registry.retired_features import RetiredFeature
from store.registry.served_schemas import ServedSchema

logger = logging.getLogger(__name__)

#: What a waiting process says.
WAITING = (
    "This process waits: its schema breaks clients of the one that was served last. ./dev schema --check says how, and "
    './dev schema --accept "reason" lets it be served.'
)
#: Seconds between two looks whether a person has accepted the schema.
LOOK_SECONDS = 1.0


class ContractGate:
    """Decision whether this process may serve its schema."""

    def __init__(self) -> None:
        #: What would break clients; empty if the schema may be served.
        self.changes: Sequence[str] = ()

    async def check(self) -> bool:
        """Check if the schema may be served; log why not."""
        self.changes = [] if settings.EXEMPLAR_EMBEDDED else await threads.run(find_obstacles)
        if self.changes:
            logger.warning("%s %s", WAITING, " ".join(self.changes))
        else:
            schema_changes.forget()
        return not self.changes

    async def open_later(self, start: Callable[[], Awaitable[None]]) -> None:
        """Call `start` once a person has accepted the schema, and open. End the process where `start` fails."""
        await self._accepted()
        schema_changes.forget()
        try:
            await start()
        except Exception:
            logger.exception("The schema was accepted, and serving could not start: this process ends.")
            signal.raise_signal(signal.SIGTERM)
            return
        self.changes = []
        logger.info("The schema was accepted, and is served.")

    async def _accepted(self) -> None:
        """Wait until a person has accepted the schema; a database that is gone is asked again."""
        obstacles: Sequence[str] = self.changes
        while obstacles:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                obstacles = await threads.run(find_obstacles)
            except Exception:
                logger.exception("Whether the schema was accepted could not be read; it is tried again.")

    @property
    def reasons(self) -> list[str]:
        """The reasons against readiness, as sentences."""
        return [WAITING, *self.changes] if self.changes else []

    def refuse(self) -> Response:
        """Build the response to a GraphQL request that comes before the schema may be served."""
        error = {"message": WAITING, "extensions": {"code": Unavailable.code}}
        headers = {"Cache-Control": "no-store", "Retry-After": f"{LOOK_SECONDS:.0f}"}
        return JSONResponse({"errors": [error]}, HTTPStatus.SERVICE_UNAVAILABLE, headers)


def find_obstacles() -> list[str]:
    """List what would break clients, and the products that are not served, which may be why."""
    if not (changes := schema_changes.list_unaccepted(served.schema.as_str())):
        return []
    return [
        *changes,
        *(f"{refusal.name} is not served: {refusal.reason}" for refusal in catalogue.refusals()),
    ]


def record() -> None:
    """Record the schema that clients are served from now on, and its retired features."""
    ServedSchema.objects.record(served.schema.as_str())
    RetiredFeature.objects.record(served.schema.products)
