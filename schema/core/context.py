"""What a resolver may know about its request."""

from dataclasses import dataclass, field, replace
from typing import Any

from starlette.requests import HTTPConnection

from store.access.actors import Actor


@dataclass
class Context:
    """Who asks, over which connection, and what was looked up for them already."""

    #: Who asks; what they may do is decided below.
    actor: Actor
    request: HTTPConnection
    #: What must stay the same for one operation, such as the champion that its predictions come from.
    pins: dict[Any, Any] = field(default_factory=dict)
    #: Whether a page of another site may have made a browser send this: then a GET may not write rows.
    cross_site: bool = False

    def unpinned(self) -> "Context":
        """The same request for another operation, or another event: what was pinned is looked up again."""
        return replace(self, pins={})
