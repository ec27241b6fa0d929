"""The actor for whom this thread reads and writes a team's rows; None where Exemplar itself does, as in a build."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from ..telemetry import requests
from .actors import Actor
from .permissions import Permission


@dataclass(frozen=True)
class Origin:
    """The origin of an operation; empty where it did not come over the network."""

    address: str = ""
    #: Under which the log has lines of the request.
    request_id: str = ""
    #: The name of the GraphQL operation, or the path of the page.
    operation: str = ""


HERE = Origin()

_actor: ContextVar[Actor | None] = ContextVar("actor", default=None)
_origin: ContextVar[Origin] = ContextVar("origin", default=HERE)


def current() -> Actor | None:
    """Get the actor of this thread's operation; None: all rows are visible."""
    return _actor.get()


def origin() -> Origin:
    """Get the origin of this thread's operation."""
    return _origin.get()


def require(permission: Permission, product: str | None) -> None:
    """Check that this thread's actor has the permission on a product; for None, on all of them.

    Commands, workers and rules act for nobody, and may do everything. Raises Unauthenticated, Forbidden.
    """
    if actor := current():
        actor.require(permission, product)


@contextmanager
def acting_as(actor: Actor | None, origin: Origin = HERE) -> Iterator[None]:
    """Have this thread read and write for an actor."""
    actor_before, origin_before = _actor.set(actor), _origin.set(origin)
    if actor and (record := requests.current.get()):
        record.actor = actor.author
    try:
        yield
    finally:
        _actor.reset(actor_before)
        _origin.reset(origin_before)
