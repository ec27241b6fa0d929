"""Tokens: secrets of programs, shown once when they are made, and stored as hashes."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Collection
from datetime import timedelta
from typing import NamedTuple

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from ..exceptions import BadInput, Forbidden, Unauthenticated, UnknownId
from . import acting, audit
from .audit import Act
from .models import LONGEST_NOTE, Token, User
from .permissions import Grants, Permission

#: What every token begins with, so that scanners of secrets find it.
MARK = "ex_"
#: Days of a token, at most: ten years.
MOST_DAYS = 3_650
#: Seconds between two writes of `last_used_at`.
LAST_USED_SECONDS = 60

#: One sentence for every token that does not hold: it says nothing of what exists.
REFUSED = "The token is not valid: it is unknown, expired or revoked. Ask an administrator for another one."


#: The tokens that are neither revoked nor expired, by the database's clock.
HOLDS = Q(revoked_at=None) & (Q(expires_at=None) | Q(expires_at__gt=Now()))


class MadeToken(NamedTuple):
    """A new token, with the secret that is shown this once."""

    token: Token
    secret: str


def is_token(bearer: str) -> bool:
    """Return True for a bearer credential in the form of a token."""
    return bearer.startswith(MARK)


def hash_secret(secret: str) -> bytes:
    """Hash a token's secret for storing and looking up."""
    return hashlib.sha256(secret.encode()).digest()


@transaction.atomic
def make(
    user: User,
    *,
    created_by: str,
    permissions: Collection[Permission] | None = None,
    products: Collection[str] | None = None,
    expires_in: timedelta | None = None,
    note: str = "",
) -> MadeToken:
    """Make a token of a user or program, limited to these permissions and products. Raises BadInput."""
    if expires_in is not None and expires_in <= timedelta(0):
        raise BadInput("A token expires in the future: give a duration such as 90d.", argument=("days",))
    if permissions is not None and not permissions:
        raise BadInput(
            "A token that may do nothing is of no use: name permissions.", argument=("permissions",)
        )
    if len(note) > LONGEST_NOTE:
        raise BadInput(f"A note has at most {LONGEST_NOTE} characters.", argument=("note",))
    prefix = MARK + base64.b32encode(secrets.token_bytes(5)).decode().lower()
    secret = f"{prefix}_{secrets.token_urlsafe(32)}"
    token = Token.objects.create(
        user=user,
        prefix=prefix,
        digest=hash_secret(secret),
        note=note,
        permissions=None if permissions is None else sorted(set(permissions)),
        products=None if products is None else sorted(set(products)),
        created_by=created_by,
        expires_at=None if expires_in is None else Now() + expires_in,
    )
    token.refresh_from_db(fields=["expires_at"])
    audit.record(Act.CREATE_TOKEN, ids=[token, user], details=_describe(token))
    return MadeToken(token, secret)


def _describe(token: Token) -> dict[str, object]:
    """Describe a token for the audit log: its readable beginning, and its scope."""
    scope = {"permissions": token.permissions, "products": token.products}
    expiry = {"expires_at": token.expires_at.isoformat()} if token.expires_at else {}
    return {"token": token.prefix, "of": token.user.get_username(), **scope, **expiry}


@transaction.atomic
def rotate(token: Token, *, created_by: str, overlap: timedelta) -> MadeToken:
    """Make a token with the scope and the lifetime of `token`, which then holds for the overlap only.

    Raises Forbidden, BadInput for a token that does not hold any more.
    """
    _check_may_change(token)
    if not Token.objects.filter(HOLDS, pk=token.pk).exists():
        raise BadInput(f"{token} is revoked or expired: make another token.", argument=("prefix",))
    lifetime = token.expires_at - token.created_at if token.expires_at else None
    successor = make(
        token.user,
        created_by=created_by,
        permissions=None if token.permissions is None else [Permission(name) for name in token.permissions],
        products=token.products,
        expires_in=lifetime,
        note=token.note,
    )
    ends = Now() + overlap
    Token.objects.filter(Q(expires_at=None) | Q(expires_at__gt=ends), pk=token.pk).update(expires_at=ends)
    token.refresh_from_db(fields=["expires_at"])
    holds_until = token.expires_at.isoformat() if token.expires_at else ""
    details = {**_describe(token), "by": successor.token.prefix, "holds_until": holds_until}
    audit.record(Act.ROTATE_TOKEN, ids=[token, successor.token], details=details)
    return successor


@transaction.atomic
def revoke(prefix: str) -> Token:
    """Revoke the token with this prefix, for good. Raises UnknownId, Forbidden."""
    token = find(prefix)
    _check_may_change(token)
    if Token.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=Now()):
        audit.record(Act.REVOKE_TOKEN, ids=[token, token.user], details=_describe(token))
    token.refresh_from_db()
    return token


def _check_may_change(token: Token) -> None:
    """Check that this thread's actor owns the token, or administers what it is for. Raises Forbidden.

    A token changes itself alone: of two that one user has, a narrow one would be as good as a wide one.
    """
    actor, products = acting.current(), [None] if token.products is None else token.products
    if actor is not None and actor.name == token.user.username:
        if actor.token in (None, token.pk):
            return
        if not all(actor.may(Permission.ADMINISTER, product) for product in products):
            raise Forbidden("A token changes itself alone: log in to change another token of yours.")
    for product in products:
        acting.require(Permission.ADMINISTER, product)


def select(
    product: str | None = None, owner: str | None = None, valid: bool | None = None
) -> QuerySet[Token]:
    """Select tokens for who administers all products, or this one: then those that are limited to it. Raises Forbidden.

    Args:
        valid: True: only those that are neither revoked nor expired; False: only the others.
    """
    acting.require(Permission.ADMINISTER, product)
    rows = Token.objects.all()
    if product is not None:
        rows = rows.filter(products=[product])
    if owner is not None:
        rows = rows.filter(user__username=owner)
    return rows if valid is None else rows.filter(HOLDS if valid else ~HOLDS)


def find(prefix: str) -> Token:
    """Find a token by its prefix. Raises UnknownId."""
    if token := Token.objects.select_related("user").filter(prefix=prefix).first():
        return token
    raise UnknownId(
        f"There is no token {prefix!r}: ./dev token list shows the prefixes.", argument=("prefix",)
    )


def verify(secret: str) -> Token:
    """Find the valid token of a secret, with its user. Raises Unauthenticated."""
    digest = hash_secret(secret)
    token = Token.objects.select_related("user").filter(HOLDS, digest=digest, user__is_active=True).first()
    if token is None or not hmac.compare_digest(bytes(token.digest), digest):
        raise Unauthenticated(REFUSED)
    return token


def scope(token: Token, grants: Grants) -> Grants:
    """Narrow the grants of a token's user to what the token is limited to."""
    permissions = None if token.permissions is None else {Permission(name) for name in token.permissions}
    return grants.within(permissions, token.products)


def touch(tokens: Collection[int]) -> None:
    """Note that these tokens were used, at most once a minute for each."""
    earlier = Now() - timedelta(seconds=LAST_USED_SECONDS)
    unused = Token.objects.filter(Q(last_used_at=None) | Q(last_used_at__lt=earlier), pk__in=tokens)
    unused.update(last_used_at=Now())
