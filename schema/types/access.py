"""Tokens of programs, and what the mutations that change them and grants return."""

import datetime
from typing import Self

import strawberry
from django.db.models import QuerySet

from store.access import models as access
from store.access import tokens
from store.access.permissions import Permission as GrantedPermission
from store.access.tokens import MadeToken
from store.db import pagination
from store.db.pagination import Page, PageRequest

from ..core import ids
from ..core.enums import Permission
from .nodes import ID, UNSET, Node

PREFIX = "The token's `prefix`."
PERMISSIONS = "The permissions, at least one."
SECRET = "The secret, to be sent as `Authorization: Bearer SECRET`. It cannot be shown again."


@strawberry.type(
    description="A token by which a program says who it is. Its secret is shown only once, by `createToken`."
)
class Token(Node):
    id: strawberry.ID = strawberry.field(description=ID)
    prefix: str = strawberry.field(description="The beginning of the secret, which names the token.")
    owner: str = strawberry.field(
        description="The program or user that it stands for, the author of its feedback."
    )
    note: str = strawberry.field(description="What it is for; empty if nobody said so.")
    permissions: list[Permission] | None = strawberry.field(
        description="What it is limited to; null: all that its owner may do."
    )
    products: list[str] | None = strawberry.field(
        description="The products that it is limited to; null: all products."
    )
    created_at: datetime.datetime = strawberry.field(description="When it was made.")
    created_by: str = strawberry.field(description="Who made it.")
    expires_at: datetime.datetime | None = strawberry.field(description="When it ends; null: not by itself.")
    revoked_at: datetime.datetime | None = strawberry.field(
        description="When it was revoked; null if it was not."
    )
    last_used_at: datetime.datetime | None = strawberry.field(
        description="When it was last used, to the minute; null if it never was."
    )

    row: strawberry.Private[access.Token]

    @classmethod
    def from_row(cls, row: access.Token) -> "Token":
        """The token of a row."""
        permissions = row.permissions
        return cls(
            row=row,
            id=ids.encode("Token", row.prefix),
            prefix=row.prefix,
            owner=row.user.username,
            note=row.note,
            permissions=None if permissions is None else [GrantedPermission(name) for name in permissions],
            products=row.products,
            created_at=row.created_at,
            created_by=row.created_by,
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
            last_used_at=row.last_used_at,
        )


@strawberry.input(description="Conditions on tokens; all that are given must hold.")
class TokenFilter:
    product: str | None = strawberry.field(
        default=UNSET,
        description="Only tokens that are limited to the product of this name: enough for who administers this one.",
    )
    owner: str | None = strawberry.field(
        default=UNSET, description="Only tokens of the program or user of this name."
    )
    valid: bool | None = strawberry.field(
        default=UNSET,
        description="True: only tokens that are neither revoked nor expired; false: only the others.",
    )


def token_page(rows: QuerySet[access.Token], request: PageRequest) -> Page[Token]:
    """Read a page of tokens, newest first."""
    page = pagination.page(rows.select_related("user"), ("-pk",), request)
    return Page(
        [Token.from_row(row) for row in page.nodes],
        cursor=lambda token: page.cursor(token.row),
        has_next=page.has_next,
        has_previous=page.has_previous,
        total=page.total,
    )


@strawberry.input(description="A token to make.")
class CreateTokenInput:
    name: str = strawberry.field(description="The name of the program or user.")
    permissions: list[Permission] = strawberry.field(description=PERMISSIONS)
    products: list[str] | None = strawberry.field(
        default=UNSET, description="The names of the products. Leave it out for all products."
    )
    days: int | None = strawberry.field(
        default=UNSET,
        description="The days after which it ends. Leave it out for no end, which takes ADMINISTER.",
    )
    note: str = strawberry.field(default="", description="What it is for.")


@strawberry.type(description="A new token, with its secret.")
class CreateTokenPayload:
    token: Token = strawberry.field(description="The token, as it is stored.")
    secret: str = strawberry.field(description=SECRET)

    @classmethod
    def from_made(cls, made_token: MadeToken) -> Self:
        """The payload of a new token."""
        return cls(token=Token.from_row(tokens.find(made_token.token.prefix)), secret=made_token.secret)


@strawberry.input(description="A token to replace.")
class RotateTokenInput:
    prefix: str = strawberry.field(description=PREFIX)
    overlap_hours: int = strawberry.field(
        default=24, description="The hours for which both hold, from 1 to 2160."
    )


@strawberry.type(description="The token that replaces another one, with its secret.")
class RotateTokenPayload(CreateTokenPayload):
    pass


@strawberry.input(description="A token to revoke.")
class RevokeTokenInput:
    prefix: str = strawberry.field(description=PREFIX)


@strawberry.type(description="The token that was revoked.")
class RevokeTokenPayload:
    token: Token = strawberry.field(description="The token, as it is now.")


@strawberry.input(description="Permissions to grant.")
class GrantInput:
    grantee: str = strawberry.field(
        description="The name of a user or program, `group:NAME` for a group, or `anonymous` for all callers."
    )
    permissions: list[Permission] = strawberry.field(description=PERMISSIONS)
    product: str | None = strawberry.field(
        default=UNSET,
        description="The name of the product. Leave it out for all products, later ones too.",
    )


@strawberry.type(description="A grantee, after it was granted permissions.")
class GrantPayload:
    grantee: str = strawberry.field(description="The grantee, as it was named.")
    permissions: list[Permission] = strawberry.field(
        description="What it was granted itself on the product, or on all; groups may grant it more."
    )


@strawberry.input(description="Permissions to revoke.")
class RevokeInput(GrantInput):
    pass


@strawberry.type(description="A grantee, after permissions were revoked.")
class RevokePayload(GrantPayload):
    pass
