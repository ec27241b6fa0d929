"""The context of a request, as resolvers receive it."""

import asyncio
import math
import time
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import strawberry
from django.conf import settings
from starlette.requests import HTTPConnection

from store.access import resolver
from store.access.actors import Actor
from store.access.credentials import NOBODY, Credentials
from store.serving.champions import Champion


def next_deadline() -> float:
    """The deadline of what arrives now, by the monotonic clock."""
    return time.monotonic() + settings.EXEMPLAR_TIME_LIMIT


@dataclass
class Context:
    """The caller, the connection, and the champions that one operation uses."""

    #: The caller; permissions are checked in the store.
    actor: Actor
    request: HTTPConnection
    #: By product, the champion of all predictions of one operation.
    pins: dict[str, Champion] = field(default_factory=dict)
    #: True if a page of another site may have made a browser send the request: then a GET may not write rows.
    cross_site: bool = False
    #: What the caller was found by.
    credentials: Credentials = NOBODY
    #: The moment, by the monotonic clock, at which the operation must have ended; what comes from no client has none.
    until: float = math.inf

    def changed(self) -> "asyncio.Future[None]":
        """The next change of who may do what, or the end of the caller's credential."""
        return resolver.next_change(self.actor.expires_at)

    async def find_again(self) -> Actor:
        """Find the caller as it is now. Raises Unauthenticated."""
        return await resolver.find(self.credentials)

    def unpinned(self) -> "Context":
        """Copy the context for another operation or event, without pinned champions."""
        return replace(self, pins={})

    def for_event(self) -> "Context":
        """Copy the context for an event of a stream, which has a deadline of its own."""
        return replace(self, pins={}, until=next_deadline())


#: The type of a resolver's `info` argument.
Info: TypeAlias = strawberry.Info[Context, None]
