"""Checks of truth policies against what is stored: groups that are not there, quorums that nobody reaches, changes."""

from collections.abc import Iterator
from itertools import islice

from django.conf import settings
from django.contrib.auth.models import Group
from django.db.models import QuerySet

from ..access.grants import load_grants
from ..access.models import User, UserKind
from ..access.permissions import OPEN, Permission
from ..access.resolver import load_stranger_grants
from ..products.product import DataProduct
from . import settling

#: Users whose grants are looked at, at most.
LOOKED_AT = 1000


def find_unknown_groups(product: DataProduct) -> Iterator[str]:
    """Say which groups of the policy are none of Django's."""
    stored = set(Group.objects.filter(name__in=product.truth.groups).values_list("name", flat=True))
    for name in product.truth.groups:
        if name not in stored:
            yield (
                f"truth={product.truth} names {name!r}, which is no group: create it in the admin, or correct the name."
            )


def find_problems(product: DataProduct) -> Iterator[str]:
    """Say what keeps labels from counting as declared."""
    if not product.learns_from_labels:
        return
    if change := settling.find_change(product):
        yield str(change)
    if product.truth.quorum > 1 and not _is_open(product):
        yield from _find_unreachable(product)


def _is_open(product: DataProduct) -> bool:
    """Return True where nobody can say how many may give feedback: strangers, or whom an identity provider names."""
    strangers = OPEN if settings.EXEMPLAR_OPEN else load_stranger_grants().on(product.name)
    return Permission.FEEDBACK in strangers or bool(settings.EXEMPLAR_OIDC_ISSUER)


def _find_unreachable(product: DataProduct) -> Iterator[str]:
    """Compare the quorum with the number of users who may give feedback, in all and of each group that decides.

    Who administers may speak for anybody, so that any number is reached; of a group, only in the name of its members.
    """
    quorum, users = product.truth.quorum, User.objects.exclude(kind=UserKind.STRANGERS)
    is_spoken_for = _count(product, users, Permission.ADMINISTER, most=1) > 0
    if not is_spoken_for and (n := _count(product, users, Permission.FEEDBACK, most=quorum)) < quorum:
        yield (
            f"truth={product.truth}, and {_users(n)} may give feedback: no label counts until more may, by ./dev grant."
        )
        return
    for name in product.truth.groups:
        members = users.filter(groups__name=name)
        n = members.count() if is_spoken_for else _count(product, members, Permission.FEEDBACK, most=quorum)
        if n < quorum:
            yield (
                f"truth={product.truth}, and {_users(n)} of the group {name!r} may give feedback: where one of them "
                "speaks, no label counts until the group has more."
            )


def _users(n: int) -> str:
    return "1 user" if n == 1 else f"{n} users"


def _count(product: DataProduct, users: "QuerySet[User]", permission: Permission, most: int) -> int:
    """Count the users who have the permission on the product, up to `most`; of very many users, all count."""
    active = list(users.filter(is_active=True).order_by("-is_superuser", "pk")[: LOOKED_AT + 1])
    if len(active) > LOOKED_AT:
        return most
    allowed = (
        user for user in active if user.is_superuser or load_grants(user).allow(permission, product.name)
    )
    return sum(1 for _ in islice(allowed, most))
