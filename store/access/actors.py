"""Actors: users and anonymous callers, with their permissions."""

import hashlib
import hmac
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest

from ..exceptions import BadInput, Forbidden

#: The author of callers with neither a user nor a session.
ANONYMOUS = "anonymous"
#: The author of labels that were in the label column before any feedback, or were written there since.
TABLE = "TABLE"


class Permission(StrEnum):
    """An act that a caller may be granted."""

    VIEW = "VIEW"
    PREDICT = "PREDICT"
    FEEDBACK = "FEEDBACK"
    BUILD = "BUILD"
    PROMOTE = "PROMOTE"
    DELETE = "DELETE"
    ERASE = "ERASE"
    ADMINISTER = "ADMINISTER"


@dataclass(frozen=True, kw_only=True)
class Actor:
    """The caller of an operation."""

    #: Unique name, stored as the author of feedback, builds and promotions.
    author: str
    #: The user's name; None for an anonymous caller.
    name: str | None = None
    superuser: bool = False

    @property
    def anonymous(self) -> bool:
        return self.name is None

    @property
    def admitted(self) -> bool:
        """True where the actor may do anything at all."""
        return self.superuser or settings.EXEMPLAR_OPEN

    @property
    def permissions(self) -> tuple[Permission, ...]:
        if self.superuser:
            return tuple(Permission)
        return (
            tuple(p for p in Permission if p is not Permission.ADMINISTER) if settings.EXEMPLAR_OPEN else ()
        )

    def may_speak_for(self, author: str) -> bool:
        return author == self.author or self.superuser or settings.EXEMPLAR_OPEN

    def author_for(self, name: str | None) -> str:
        """Get the author to store a feedback under. Raises Forbidden, BadInput."""
        if name is None:
            return self.author
        if not self.may_speak_for(name):
            raise Forbidden(
                "Feedback in the name of another author needs the permission ADMINISTER.",
                argument=("author",),
            )
        if not name.strip() or name == TABLE or len(name) > 200 or "\0" in name:
            raise BadInput(
                f"An author's name has 1 to 200 characters and is not {TABLE}, which stands for the label column.",
                argument=("author",),
            )
        return name


def find_actor(session_key: str | None) -> Actor:
    """Find the actor of a session. An anonymous one is named by a short HMAC of the key, never by the key."""
    if not session_key:
        return Actor(author=ANONYMOUS)
    user = _user(session_key)
    if user is None:
        digest = hmac.new(settings.SECRET_KEY.encode(), session_key.encode(), hashlib.sha256).hexdigest()
        return Actor(author=f"{ANONYMOUS}-{digest[:12]}")
    name = user.get_username()
    is_reserved = name == TABLE or name.startswith(ANONYMOUS)
    return Actor(author=f"user {name}" if is_reserved else name, name=name, superuser=user.is_superuser)


def _user(session_key: str) -> Any:
    """Find the active user who logged in with this session."""
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = get_user(request)
    return user if user.is_authenticated and user.is_active else None
