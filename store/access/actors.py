"""Access: who asks, and what they may do."""

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

#: The author of whoever has neither name nor session.
ANONYMOUS = "anonymous"
#: The author of what the label column said before anybody gave feedback, or says after others have changed it.
TABLE = "TABLE"


class Permission(StrEnum):
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
    """Whoever asks."""

    #: Unique; it names the author of feedback, builds and promotions.
    author: str
    #: The user's name; None for a stranger.
    name: str | None = None
    superuser: bool = False

    @property
    def anonymous(self) -> bool:
        return self.name is None

    @property
    def admitted(self) -> bool:
        """Whether the actor may do anything at all."""
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

    def author_for(self, named: str | None) -> str:
        """The author that a feedback is kept under. Raises Forbidden, BadInput."""
        if named is None:
            return self.author
        if not self.may_speak_for(named):
            raise Forbidden("Only who may administer speaks for somebody else.", argument=("author",))
        if not named.strip() or named == TABLE or len(named) > 200 or "\0" in named:
            raise BadInput(
                f"An author has a name of 1 to 200 characters, and is not called {TABLE}: that is the label column.",
                argument=("author",),
            )
        return named


def find_actor(session_key: str | None) -> Actor:
    """Whoever has this session; for strangers a short HMAC of its key, never the key."""
    if not session_key:
        return Actor(author=ANONYMOUS)
    user = _user(session_key)
    if user is None:
        digest = hmac.new(settings.SECRET_KEY.encode(), session_key.encode(), hashlib.sha256).hexdigest()
        return Actor(author=f"{ANONYMOUS}-{digest[:12]}")
    name = user.get_username()
    taken = name == TABLE or name.startswith(ANONYMOUS)
    return Actor(author=f"user {name}" if taken else name, name=name, superuser=user.is_superuser)


def _user(session_key: str) -> Any:
    """The active user who logged in with this session, or None."""
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = get_user(request)
    return user if user.is_authenticated and user.is_active else None
