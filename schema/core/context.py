"""The context of a request, as resolvers receive it."""

from dataclasses import dataclass, field, replace
from typing import TypeAlias

import strawberry
from starlette.requests import HTTPConnection

from store.access.actors import Actor
from store.serving.champions import Champion


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

    def unpinned(self) -> "Context":
        """Copy the context for another operation or event, without pinned champions."""
        return replace(self, pins={})


#: The type of a resolver's `info` argument.
Info: TypeAlias = strawberry.Info[Context, None]
