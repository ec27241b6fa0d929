"""The actor for whom this thread reads and writes a team's rows; None where Exemplar itself does, as in a build."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from .actors import Actor

_actor: ContextVar[Actor | None] = ContextVar("actor", default=None)


def current() -> Actor | None:
    """Get the actor of this thread's operation; None: all rows are visible."""
    return _actor.get()


@contextmanager
def acting_as(actor: Actor | None) -> Iterator[None]:
    """Have this thread read and write for an actor."""
    token = _actor.set(actor)
    try:
        yield
    finally:
        _actor.reset(token)
