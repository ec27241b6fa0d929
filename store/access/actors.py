"""Actors: people, programs and strangers, with their permissions."""

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property

from django.conf import settings

from ..exceptions import BadInput, Forbidden, Unauthenticated
from .permissions import ALL, EVERYTHING_OPEN, Grants, Permission

#: The author of callers with neither a user nor a session.
ANONYMOUS = "anonymous"
#: The author of labels that were in the label column before any feedback, or were written there since.
TABLE = "TABLE"


class ActorKind(StrEnum):
    """The kind of a caller."""

    PERSON = "PERSON"
    PROGRAM = "PROGRAM"
    ANONYMOUS = "ANONYMOUS"


@dataclass(frozen=True, kw_only=True, eq=False)
class Actor:
    """The caller of an operation."""

    #: Unique name, stored as the author of feedback, builds and promotions.
    author: str
    #: The user's or program's name; None for an anonymous caller.
    name: str | None = None
    program: bool = False
    superuser: bool = False
    grants: Grants = field(default_factory=Grants)
    #: Groups that an identity provider has named, beside those of the user's row.
    groups: frozenset[str] = frozenset()
    #: What identified the caller, as the audit shows it: `session`, `token ex_1a2b3c4d`, `jwt`; empty for nobody.
    credential: str = ""
    #: The row of the token; None without one.
    token: int | None = None
    #: The rate and the quota of its row; empty: those of the settings.
    rate: str = ""
    quota: str = ""
    #: When the credential ends; None: not by itself.
    expires_at: datetime | None = None
    #: Whether the needs of a document are met, by those that were asked about.
    met: dict[object, bool] = field(default_factory=dict, repr=False)

    @property
    def anonymous(self) -> bool:
        return self.name is None

    @property
    def kind(self) -> ActorKind:
        if self.anonymous:
            return ActorKind.ANONYMOUS
        return ActorKind.PROGRAM if self.program else ActorKind.PERSON

    @cached_property
    def effective(self) -> Grants:
        """The grants that hold: a superuser has all, and an open server grants almost all to everybody."""
        if self.superuser:
            return ALL
        return self.grants | EVERYTHING_OPEN if settings.EXEMPLAR_OPEN else self.grants

    @property
    def admitted(self) -> bool:
        """True where the actor may do anything at all."""
        return not self.effective.is_empty

    def check_admitted(self) -> None:
        """Check that the actor may do anything at all. Raises Unauthenticated for strangers, else Forbidden."""
        if self.admitted:
            return
        if self.anonymous:
            raise Unauthenticated
        raise Forbidden(f"{self.name} may do nothing yet: an administrator can change that with ./dev grant.")

    def may(self, permission: Permission, product: str | None) -> bool:
        """Return True if the actor has the permission on the product; for None, on all products."""
        return self.effective.allow(permission, product)

    def may_somewhere(self, permission: Permission) -> bool:
        """Return True if the actor has the permission on any product."""
        return self.effective.allow_somewhere(permission)

    def require(self, permission: Permission, product: str | None) -> None:
        """Check a permission on a product; for None, on all. Raises Unauthenticated for strangers, else Forbidden."""
        if not self.may(permission, product):
            self.refuse(permission, product)

    def require_somewhere(self, permission: Permission) -> None:
        """Check a permission on at least one product. Raises Unauthenticated for strangers, else Forbidden."""
        if not self.may_somewhere(permission):
            self.refuse(permission, None)

    def refuse(self, permission: Permission, product: str | None) -> None:
        """Raise Unauthenticated for strangers, else Forbidden."""
        if self.anonymous:
            raise Unauthenticated
        where = f"on {product}" if product else "that this needs"
        raise Forbidden(f"{self.name} does not have the permission {permission} {where}.")

    def permissions_for(self, product: str) -> tuple[Permission, ...]:
        """List the permissions on a product, in their declared order."""
        permissions = self.effective.on(product)
        return tuple(permission for permission in Permission if permission in permissions)

    def may_speak_for(self, author: str, product: str | None = None) -> bool:
        """Return True if the actor may give feedback in the author's name."""
        return author == self.author or settings.EXEMPLAR_OPEN or self.may(Permission.ADMINISTER, product)

    def author_for(self, name: str | None, product: str | None = None) -> str:
        """Get the author to store a feedback under. Raises Forbidden, BadInput."""
        if name is None:
            return self.author
        if not self.may_speak_for(name, product):
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


def make_stranger(session_key: str | None, grants: Grants, rate: str = "", quota: str = "") -> Actor:
    """Make the actor of a caller without a user, named by a short HMAC of the session's key, never by the key."""
    if not session_key:
        return Actor(author=ANONYMOUS, grants=grants, rate=rate, quota=quota)
    digest = hmac.new(settings.SECRET_KEY.encode(), session_key.encode(), hashlib.sha256).hexdigest()
    return Actor(author=f"{ANONYMOUS}-{digest[:12]}", grants=grants, rate=rate, quota=quota)


def author_of(username: str) -> str:
    """Get the author's name of a user, which no stranger and no label column has."""
    is_reserved = username == TABLE or username.startswith(ANONYMOUS)
    return f"user {username}" if is_reserved else username
