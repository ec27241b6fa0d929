"""Programs: users that bring tokens, made with their first token."""

from collections.abc import Collection
from datetime import timedelta

from django.core.exceptions import ValidationError
from django.db import transaction

from ..exceptions import BadInput, Forbidden
from . import acting, grants, tokens
from .actors import ActorKind
from .grants import STRANGERS
from .models import User, UserKind
from .permissions import Permission
from .tokens import MadeToken

#: Of the tokens that people make for themselves, at most: they outlast the session, and the login of a provider.
MOST_OF_OWN = timedelta(days=365)


@transaction.atomic
def make_token(
    name: str,
    *,
    created_by: str,
    permissions: Collection[Permission],
    products: Collection[str] | None = None,
    expires_in: timedelta | None = None,
    note: str = "",
) -> MadeToken:
    """Make a token that may do this on these declared products, or on all for None.

    A program that is new is granted the same. One that exists, or a person, has to have it already: a token adds
    nothing. Who does not administer the products makes own tokens only, as a person who has logged in.

    Raises BadInput, Forbidden.
    """
    if products is not None and not products:
        raise BadInput("Name products, or leave them out for all.", argument=("products",))
    _check_may_make(name, permissions, [None] if products is None else list(products), expires_in)
    user = User.objects.select_for_update().filter(username=name).first()
    if user is None:
        user = _create(name)
        for product in [None] if products is None else products:
            grants.grant(user, permissions, product)
    _check_granted(user, permissions, products)
    return tokens.make(
        user,
        created_by=created_by,
        permissions=permissions,
        products=products,
        expires_in=expires_in,
        note=note,
    )


def _check_may_make(
    name: str,
    permissions: Collection[Permission],
    products: Collection[str | None],
    expires_in: timedelta | None,
) -> None:
    """Check that this thread's actor administers the products, or makes an own token. Raises BadInput, Forbidden."""
    actor = acting.current()
    if actor is None or all(actor.may(Permission.ADMINISTER, product) for product in products):
        return
    if actor.name != name or actor.kind != ActorKind.PERSON:
        for product in products:
            actor.require(Permission.ADMINISTER, product)
    if actor.token is not None:
        # Else whoever has stolen one would have another when it is revoked or has ended.
        raise Forbidden("A token makes no tokens: log in, or replace this one by `rotateToken`.")
    for product in products:
        for permission in permissions:
            actor.require(permission, product)
    if expires_in is None or expires_in > MOST_OF_OWN:
        raise BadInput(
            f"A token of your own ends after 1 to {MOST_OF_OWN.days} days; who administers may make others.",
            argument=("days",),
        )


def _create(name: str) -> User:
    """Create a program. Raises BadInput for a name that users cannot have."""
    user = User(username=name, kind=UserKind.PROGRAM)
    user.set_unusable_password()
    try:
        user.full_clean(exclude=["password"])
    except ValidationError as error:
        raise BadInput(
            f"{name!r} cannot be a program's name: {error.messages[0]}", argument=("name",)
        ) from None
    user.save()
    return user


def _check_granted(user: User, permissions: Collection[Permission], products: Collection[str] | None) -> None:
    """Check that a token's user may do what the token is for. Raises BadInput."""
    if user.kind == UserKind.STRANGERS:
        raise BadInput(f"{STRANGERS} stands for callers without a token.", argument=("name",))
    if user.is_superuser:
        return
    own = grants.load_grants(user)
    for product in [None] if products is None else products:
        if missing := [p for p in permissions if not own.allow(p, product)]:
            where = f"on {product}" if product else "on all products"
            raise BadInput(
                f"{user.username} does not have {', '.join(missing)} {where}, and a token adds nothing: "
                f"grant it first, with ./dev grant {user.username} {','.join(missing)} {product or '--all'}.",
                argument=("permissions",),
            )
