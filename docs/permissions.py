"""The permission matrix: who may use which field of the API, and which page of the admin.

It is computed from the rules of `schema.core.permissions` and from the groups that come with the migration;
`tests/test_permissions.py` asks a running server for every cell. `python -m docs.generate` writes the page, which is
committed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module

from django.contrib import admin
from graphql import GraphQLObjectType

from schema.core import names
from schema.core.permissions import FIELDS, Rule
from schema.schema import schema
from store.access.permissions import ALL, NONE, Grants, Permission
from store.admin.pages import ReadOnlyAdmin

#: The product whose fields the matrix shows, and the one that the token of another product is for.
PRODUCT, OTHER = "tumor", "diabetes"
#: The root types, with the parts of the matrix that they head.
ROOTS = {"Query": "Queries", "Mutation": "Mutations", "Subscription": "Subscriptions"}
#: The fields that are about no product in particular: whoever may do anything gets what it may see.
OF_ALL_PRODUCTS = frozenset({"Query.products", "Query.viewer"})
#: The lists of all products on which the caller has the permission: it needs it on one.
OF_ANY_PRODUCT = frozenset({"Query.models", "Query.builds", "Query.jobs", "Query.feedback"})
#: The fields for which the permission is needed on all products.
OF_EVERY_PRODUCT = frozenset({"Query.tokens", "Query.refusedProducts"})
#: The fields that the owner of a token may use for it, and the permission that all others need on the token's products.
OF_OWNERS = dict.fromkeys(
    ("Mutation.createToken", "Mutation.rotateToken", "Mutation.revokeToken"), Permission.ADMINISTER
)
#: The groups that the migration makes, with the names of their permissions.
GROUPS: dict[str, Sequence[str]] = import_module("store.access.migrations.0002_access").GROUPS

ALLOWED, FORBIDDEN, UNAUTHENTICATED = "ALLOWED", "FORBIDDEN", "UNAUTHENTICATED"
SIGNS = {ALLOWED: "✓", FORBIDDEN: "F", UNAUTHENTICATED: "U"}


@dataclass(frozen=True)
class Grantee:
    """A kind of caller."""

    #: As the matrix calls it.
    title: str
    #: `stranger`, `person` or `program`.
    kind: str
    grants: Grants
    #: The group of a person.
    group: str | None = None
    superuser: bool = False

    @property
    def refusal(self) -> str:
        """The code by which it is refused."""
        return UNAUTHENTICATED if self.kind == "stranger" else FORBIDDEN


def make_member(group: str) -> Grantee:
    """Make a person of a group."""
    permissions = frozenset(Permission(name.upper()) for name in GROUPS[group])
    return Grantee(group, "person", Grants(permissions), group)


GRANTEES: Sequence[Grantee] = (
    Grantee("stranger", "stranger", Grants()),
    Grantee("nobody", "person", Grants()),
    *map(make_member, GROUPS),
    Grantee("superuser", "person", ALL, superuser=True),
    *(
        Grantee(permission.value, "program", Grants(NONE, {PRODUCT: frozenset({permission})}))
        for permission in Permission
    ),
    Grantee("other", "program", Grants(NONE, {OTHER: frozenset(Permission)})),
)


@dataclass(frozen=True)
class Field:
    """A field of a root type, or of the product's object."""

    #: `Query.node`, or `TumorProduct.predict`.
    name: str
    rule: Rule

    @property
    def is_stream(self) -> bool:
        return self.name.startswith("Subscription.")

    @property
    def needs(self) -> str:
        """The permissions that it needs, in words."""
        if self.name in OF_OWNERS:
            return f"one's own token, else {OF_OWNERS[self.name]}"
        if set(self.rule.any_of) == set(Permission):
            return "any"
        words = " and ".join([" or ".join(self.rule.any_of), *self.rule.all_of])
        return f"{words} on all products" if self.name in OF_EVERY_PRODUCT else words


def list_fields() -> list[Field]:
    """List the fields of the root types, and those of a product that need more than the product itself."""
    fields = []
    for root in ROOTS:
        for name in _object(root).fields:
            if (rule := find_rule(root, name)) and not _is_of_another_product(root, name):
                fields.append(Field(f"{root}.{name}", rule))
        if root == "Query":
            product = f"{names.prefix(PRODUCT)}Product"
            fields += [Field(f"{product}.{name}", rule) for name, rule in FIELDS["Product"].items()]
    return fields


def list_undeclared() -> list[str]:
    """List the fields of root types that no rule is declared for."""
    return [f"{root}.{name}" for root in ROOTS for name in _object(root).fields if not find_rule(root, name)]


def find_rule(parent: str, name: str) -> Rule | None:
    """Find the rule of a field."""
    found = schema.document_cache.rules.find(parent, name)
    return found.rule if found else None


def _object(name: str) -> GraphQLObjectType:
    type_ = schema._schema.type_map[name]
    assert isinstance(type_, GraphQLObjectType)
    return type_


def _is_of_another_product(root: str, name: str) -> bool:
    found = schema.document_cache.rules.find(root, name)
    return bool(found and found.product not in (None, PRODUCT))


def compute_outcome(field: Field, grantee: Grantee) -> str:
    """Compute what a caller gets who asks for the example product."""
    is_allowed = not grantee.grants.is_empty and _is_met(field, grantee.grants)
    return ALLOWED if is_allowed else grantee.refusal


def _is_met(field: Field, grants: Grants) -> bool:
    if field.name in OF_ALL_PRODUCTS:
        return True
    if permission := OF_OWNERS.get(field.name):
        return grants.allow(permission, PRODUCT)
    product = None if field.name in OF_EVERY_PRODUCT else PRODUCT
    choices = [field.rule.any_of, *((permission,) for permission in field.rule.all_of)]
    if field.name in OF_ANY_PRODUCT:
        return all(any(map(grants.allow_somewhere, any_of)) for any_of in choices)
    return all(any(grants.allow(permission, product) for permission in any_of) for any_of in choices)


#: The permissions that lists of Exemplar's own rows need, where that is not VIEW, by the model.
PAGE_NEEDS: dict[str | None, Permission] = dict.fromkeys(
    ("auditentry", "delivery", "receiver"), Permission.ADMINISTER
)


@dataclass(frozen=True)
class Page:
    """A list of the admin."""

    path: str
    #: None: Django's own permission, which only a superuser has at the start.
    permission: Permission | None


def list_pages() -> list[Page]:
    """List the lists of rows that the admin has."""
    return [
        Page(
            f"/admin/{model._meta.app_label}/{model._meta.model_name}/",
            PAGE_NEEDS.get(model._meta.model_name, Permission.VIEW)
            if isinstance(page, ReadOnlyAdmin)
            else None,
        )
        for model, page in sorted(admin.site._registry.items(), key=lambda item: item[0]._meta.label_lower)
    ]


def compute_page(page: Page, grantee: Grantee) -> str:
    """Compute what a caller gets who opens a list of the admin; persons are members of the staff."""
    if grantee.kind != "person":
        return UNAUTHENTICATED
    if grantee.superuser or (page.permission and grantee.grants.allow_somewhere(page.permission)):
        return ALLOWED
    return FORBIDDEN


INTRODUCTION = f"""Who may use which field of the API, and which page of the admin, where EXEMPLAR_OPEN is off.

The tables are computed from the rules by which the server decides, with `{PRODUCT}` as the example of a product.
A test asks a running server for every cell, over HTTP, over server-sent events and over WebSocket. A refusal is an
error with a code, never an empty list.

| sign | meaning |
|---|---|
| {SIGNS[ALLOWED]} | answered |
| {SIGNS[FORBIDDEN]} | FORBIDDEN |
| {SIGNS[UNAUTHENTICATED]} | UNAUTHENTICATED; in the admin, the page to sign in |

| caller | is |
|---|---|
| stranger | without a credential, where nothing is granted to `anonymous` |
| nobody | a person without any grant |
| {", ".join(GROUPS)} | a person of this group, which comes with the installation |
| superuser | a person who may do everything |
| {Permission.VIEW}, {Permission.PREDICT}, … | a token with this one permission on `{PRODUCT}` |
| other | a token with all permissions on another product |"""

REMARKS = """A subscription is a stream, over server-sent events or WebSocket: over plain HTTP it is refused.
A socket of a stranger, or of a person without any grant, is closed.

A caller without VIEW gets an answer from a field that any permission suffices for, and no more of it than it may
see: the fields below are refused one by one."""


def render() -> str:
    """Return the page."""
    parts = ["# Permissions", INTRODUCTION]
    fields = list_fields()
    for root, title in ROOTS.items():
        own = [field for field in fields if field.name.startswith(f"{root}.")]
        parts += [f"## {title}", _table(own)]
        if root == "Query":
            own = [field for field in fields if field.name.split(".")[0] not in ROOTS]
            parts += ["## Fields of a product", _table(own)]
    parts += [REMARKS, "## Below", "These fields need more than the object that they are on:", _list_below()]
    parts += ["## Admin", "Lists of the admin, for persons who are members of the staff.", _list_pages()]
    return "\n\n".join(parts) + "\n"


def _table(fields: Sequence[Field]) -> str:
    rows = [
        (f"`{field.name.split('.')[1]}`", field.needs, *(SIGNS[compute_outcome(field, g)] for g in GRANTEES))
        for field in fields
    ]
    return _markdown(("field", "needs", *(grantee.title for grantee in GRANTEES)), rows)


def _list_below() -> str:
    rows = [
        (kind, ", ".join(f"`{name}`" for name in rules), Field("", next(iter(rules.values()))).needs)
        for kind, rules in FIELDS.items()
        if kind != "Product"
    ]
    return _markdown(("type", "fields", "need"), rows)


def _list_pages() -> str:
    rows = [
        (
            f"`{page.path}`",
            page.permission or "Django's permission",
            *(SIGNS[compute_page(page, grantee)] for grantee in GRANTEES),
        )
        for page in list_pages()
    ]
    return _markdown(("page", "needs", *(grantee.title for grantee in GRANTEES)), rows)


def _markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
