"""Grants: which permissions a grantee has, on all products or on one.

Django keeps them: those on all products are a user's or a group's own permissions, those on one product are
django-guardian's, on the row of the product's state. Strangers are the user `anonymous`, and a program is a user too.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple, TypeAlias

from django.apps import apps
from django.contrib.auth.models import Group
from django.contrib.auth.models import Permission as DjangoPermission
from django.db import transaction
from django.db.models import Model, Q, QuerySet
from guardian.models import GroupObjectPermission, UserObjectPermission
from guardian.shortcuts import assign_perm, remove_perm

from ..exceptions import BadInput
from . import acting, audit, rates
from .audit import Act
from .models import LONGEST_RATE, User, UserKind
from .permissions import ALL, BY_CODENAME, Grants, Permission

Grantee: TypeAlias = User | Group

#: The user that stands for callers without a credential.
STRANGERS = "anonymous"


def load_grants(user: User | None, group_names: Collection[str] = ()) -> Grants:
    """Load the grants of a user with its groups, and of further groups by name; for None, of these groups only.

    Five queries at most; the caller caches the result.
    """
    groups = Q(name__in=group_names)
    if user is not None:
        groups |= Q(exemplar_user=user)
    group_ids = list(Group.objects.filter(groups).values_list("pk", flat=True).distinct())
    granted = _own_grants(user) if user is not None else Grants()
    return granted | _group_grants(group_ids) if group_ids else granted


def load_own(grantee: Grantee) -> Grants:
    """Load what a user or a group was granted itself."""
    return _own_grants(grantee) if isinstance(grantee, User) else _group_grants([grantee.pk])


def _group_grants(group_ids: Collection[int]) -> Grants:
    everywhere = DjangoPermission.objects.filter(group__in=group_ids)
    return _collected(everywhere, _object_grants(GroupObjectPermission, Q(group__in=group_ids)))


def _own_grants(user: User) -> Grants:
    """Load the grants of a user without those of its groups."""
    everywhere = DjangoPermission.objects.filter(exemplar_user=user)
    return _collected(everywhere, _object_grants(UserObjectPermission, Q(user=user)))


def _collected(everywhere: QuerySet[DjangoPermission], by_product: Iterable[tuple[str, str]]) -> Grants:
    products: dict[str, set[Permission]] = defaultdict(set)
    for codename, product in by_product:
        products[product].add(BY_CODENAME[codename])
    ours = everywhere.filter(content_type__app_label="store", codename__in=BY_CODENAME)
    return Grants(
        frozenset(BY_CODENAME[name] for name in ours.values_list("codename", flat=True)),
        {product: frozenset(permissions) for product, permissions in products.items()},
    )


def _object_grants(
    table: type[UserObjectPermission] | type[GroupObjectPermission], condition: Q
) -> Iterable[tuple[str, str]]:
    rows = table.objects.filter(
        condition, content_type__app_label="store", permission__codename__in=BY_CODENAME
    )
    return rows.values_list("permission__codename", "object_pk")


def find_grantee(name: str) -> Grantee:
    """Find a user, program or group by name; a group's name may follow `group:`. Raises BadInput."""
    kind, _, rest = name.rpartition(":")
    user = None if kind == "group" else User.objects.filter(username=rest).first()
    group = None if kind == "user" else Group.objects.filter(name=rest).first()
    if user and group:
        raise BadInput(
            f"{rest} is a user and a group: write user:{rest} or group:{rest}.", argument=("grantee",)
        )
    if grantee := user or group:
        return grantee
    raise BadInput(
        f"There is no user, program or group called {rest!r}. ./dev who lists those that there are.",
        argument=("grantee",),
    )


@transaction.atomic
def grant(grantee: Grantee, permissions: Collection[Permission], product: str | None = None) -> None:
    """Grant permissions on a declared product, or on all of them for None. Raises BadInput, Forbidden."""
    _check_change(grantee, permissions, product)
    target, ordered = _state(product), sorted(set(permissions))
    for permission in ordered:
        assign_perm(f"store.{permission.codename}", grantee, target)
    audit.record(Act.GRANT, product=product, ids=[grantee], details=_describe(grantee, ordered))


@transaction.atomic
def revoke(grantee: Grantee, permissions: Collection[Permission], product: str | None = None) -> None:
    """Revoke permissions on a product, or those on all of them for None: what was granted by product stays.

    Raises Forbidden.
    """
    acting.require(Permission.ADMINISTER, product)
    target, ordered = _state(product), sorted(set(permissions))
    for permission in ordered:
        remove_perm(f"store.{permission.codename}", grantee, target)
    audit.record(Act.REVOKE, product=product, ids=[grantee], details=_describe(grantee, ordered))


@transaction.atomic
def limit(grantee: Grantee, *, rate: str | None = None, quota: str | None = None) -> User:
    """Limit the operations of a user or program, which its tokens share, or of each stranger.

    Args:
        rate: in a short time, as `100/second`; empty: what the settings say; None: unchanged. `quota` likewise.

    Raises BadInput, Forbidden.
    """
    acting.require(Permission.ADMINISTER, None)
    if isinstance(grantee, Group):
        raise BadInput(
            f"{grantee.name} is a group, and limits are those of each user or program.", argument=("grantee",)
        )
    named = {"rate": rate, "quota": quota}
    changed = {name: _check_rate(name, text) for name, text in named.items() if text is not None}
    for name, text in changed.items():
        setattr(grantee, name, text)
    # Nothing else: another may have changed the other limit since the row was read.
    grantee.save(update_fields=changed)
    grantee.refresh_from_db(fields=named)
    details = {"change": "limited", "names": [str(grantee)], "rate": grantee.rate, "quota": grantee.quota}
    audit.record(Act.CHANGE_ACCOUNT, ids=[grantee], details=details)
    return grantee


def _check_rate(name: str, text: str) -> str:
    """Check a rate in its notation, and return it; an empty one is that of the settings. Raises BadInput."""
    try:
        if text:
            rates.parse(text)
    except ValueError as error:
        raise BadInput(str(error), argument=(name,)) from None
    if len(text) > LONGEST_RATE:
        raise BadInput(f"A rate has at most {LONGEST_RATE} characters.", argument=(name,))
    return text


def describe_limits(user: User) -> str:
    """Describe the limits of a user or program; empty where it has those of the settings."""
    return ", ".join(filter(None, (user.rate, user.quota)))


def _describe(grantee: Grantee, permissions: Iterable[Permission]) -> dict[str, object]:
    """Describe a grant for the audit log: the name and the permissions."""
    return {"grantee": str(grantee), "permissions": list(permissions)}


def _check_change(grantee: Grantee, permissions: Collection[Permission], product: str | None) -> None:
    """Check that this thread's actor may grant this. Raises BadInput, Forbidden."""
    acting.require(Permission.ADMINISTER, product)
    if not permissions:
        raise BadInput("Name permissions to grant.", argument=("permissions",))
    if is_strangers(grantee) and Permission.ADMINISTER in permissions:
        raise BadInput(
            f"{STRANGERS} stands for all callers without a credential, and nobody administers unnamed.",
            argument=("permissions",),
        )


def is_strangers(grantee: Grantee) -> bool:
    """Return True for the user that stands for callers without a credential."""
    return isinstance(grantee, User) and grantee.kind == UserKind.STRANGERS


def _state(product: str | None) -> Model | None:
    """Get the row that grants on a product refer to; None for all products."""
    # The store's tables refer to the users, so its models cannot be imported here.
    states = apps.get_model("store", "ProductState")._default_manager
    return None if product is None else states.get_or_create(product=product)[0]


class GrantRow(NamedTuple):
    """Permissions of a grantee on one product, or on all."""

    #: As `find_grantee` reads it.
    grantee: str
    kind: str
    #: None: all products.
    product: str | None
    permissions: tuple[Permission, ...]
    #: Its own limits, as `100/second, 1000000/day`; empty: those of the settings.
    limits: str = ""


def list_grants() -> list[GrantRow]:
    """List what every user, program and group was granted itself, and superusers, by name."""
    rows: list[GrantRow] = []
    for group in Group.objects.order_by("name"):
        rows += rows_of(f"group:{group.name}", "group", load_grants(None, [group.name]))
    for user in User.objects.order_by("username"):
        own = ALL if user.is_superuser else _own_grants(user)
        kind = "superuser" if user.is_superuser else user.get_kind_display()
        listed = list(rows_of(user.username, kind, own))
        limits = describe_limits(user)
        # Whoever has limits is listed, whatever it may do by its groups.
        listed = listed or [GrantRow(user.username, kind, None, ())] * bool(limits)
        rows += [row._replace(limits=limits) for row in listed]
    return rows


def rows_of(name: str, kind: str, granted: Grants) -> Iterator[GrantRow]:
    """List the grants of one grantee."""
    if granted.everywhere:
        yield GrantRow(name, kind, None, tuple(p for p in Permission if p in granted.everywhere))
    for product, permissions in sorted(granted.by_product.items()):
        yield GrantRow(name, kind, product, tuple(p for p in Permission if p in permissions))
