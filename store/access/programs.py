"""Programs: users that bring tokens, made with their first token."""

from collections.abc import Collection
from datetime import timedelta

from django.core.exceptions import ValidationError
from django.db import transaction

from ..exceptions import BadInput
from . import acting, grants, tokens
from .grants import STRANGERS
from .models import User, UserKind
from .permissions import Permission
from .tokens import MadeToken


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
    nothing. Raises BadInput, Forbidden.
    """
    for product in [None] if products is None else products:
        acting.require(Permission.ADMINISTER, product)
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
