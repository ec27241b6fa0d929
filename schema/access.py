"""Tokens and grants in the API: the query that lists tokens, and the mutations."""

import datetime
from typing import Annotated

import strawberry

from store.access import grants, programs, tokens
from store.access.permissions import Permission as GrantedPermission
from store.db.pagination import Page, PageRequest
from store.exceptions import BadInput
from store.products import catalogue

from .core.context import Info
from .core.mutation import mutation
from .types.access import (
    CreateTokenInput,
    CreateTokenPayload,
    GrantInput,
    GrantPayload,
    RevokeInput,
    RevokePayload,
    RevokeTokenInput,
    RevokeTokenPayload,
    RotateTokenInput,
    RotateTokenPayload,
    Token,
    TokenFilter,
    token_page,
)
from .types.nodes import UNSET, list_field, unset_to_none

#: Hours for which a rotated token holds at most.
MOST_HOURS = 24 * 90


@strawberry.type
class AccessQuery:
    """Query fields of tokens."""

    @list_field(
        Token,
        description="The tokens of all programs and users, revoked and expired ones too, newest first. Needs "
        "ADMINISTER on all products, or on the product of the filter.",
    )
    def tokens(
        self,
        page: PageRequest,
        filter: Annotated[
            TokenFilter | None,
            strawberry.argument(description="The tokens to list. Leave it out for all."),
        ] = UNSET,
    ) -> Page[Token]:
        wanted = unset_to_none(filter) or TokenFilter()
        product, owner = unset_to_none(wanted.product), unset_to_none(wanted.owner)
        return token_page(tokens.select(product, owner, unset_to_none(wanted.valid)), page)


@strawberry.type
class AccessMutation:
    """Mutation fields of tokens and grants."""

    @mutation(
        "Make a token for a program, which is made too if there is none of this name, or for a user. Needs ADMINISTER "
        "on the products. People who are logged in may make tokens of their own, which do no more than they may "
        "themselves and end within a year."
    )
    def create_token(
        self,
        info: Info,
        input: Annotated[
            CreateTokenInput, strawberry.argument(description="The owner and the limits of the token.")
        ],
    ) -> CreateTokenPayload | None:
        names, lifetime = unset_to_none(input.products), unset_to_none(input.days)
        made_token = programs.make_token(
            input.name,
            created_by=info.context.actor.author,
            permissions=input.permissions,
            products=None if names is None else [catalogue.get(product).name for product in names],
            expires_in=None if lifetime is None else read_days(lifetime),
            note=input.note,
        )
        return CreateTokenPayload.from_made(made_token)

    @mutation(
        "Make a token with the owner, the limits and the lifetime of another one, which then ends after the overlap."
    )
    def rotate_token(
        self,
        info: Info,
        input: Annotated[RotateTokenInput, strawberry.argument(description="The token to replace.")],
    ) -> RotateTokenPayload | None:
        if not 1 <= input.overlap_hours <= MOST_HOURS:
            raise BadInput(f"The overlap is 1 to {MOST_HOURS} hours.", argument=("overlapHours",))
        made_token = tokens.rotate(
            tokens.find(input.prefix),
            created_by=info.context.actor.author,
            overlap=datetime.timedelta(hours=input.overlap_hours),
        )
        return RotateTokenPayload.from_made(made_token)

    @mutation("Revoke a token for good: within two seconds it is refused everywhere, on open sockets too.")
    def revoke_token(
        self,
        input: Annotated[RevokeTokenInput, strawberry.argument(description="The token to revoke.")],
    ) -> RevokeTokenPayload | None:
        return RevokeTokenPayload(token=Token.from_row(tokens.revoke(input.prefix)))

    @mutation("Grant permissions on a product. Needs ADMINISTER on it.")
    def grant(
        self,
        input: Annotated[
            GrantInput, strawberry.argument(description="The grantee, the permissions and the product.")
        ],
    ) -> GrantPayload | None:
        name = unset_to_none(input.product)
        target = grants.find_grantee(input.grantee)
        grants.grant(target, input.permissions, None if name is None else catalogue.get(name).name)
        return GrantPayload(grantee=input.grantee, permissions=granted_itself(target, name))

    @mutation(
        "Revoke permissions on a product, or those that were granted on all products. Needs ADMINISTER on it."
    )
    def revoke(
        self,
        input: Annotated[
            RevokeInput, strawberry.argument(description="The grantee, the permissions and the product.")
        ],
    ) -> RevokePayload | None:
        name = unset_to_none(input.product)
        target = grants.find_grantee(input.grantee)
        grants.revoke(target, input.permissions, name)
        return RevokePayload(grantee=input.grantee, permissions=granted_itself(target, name))


def read_days(days: int) -> datetime.timedelta:
    """Read the lifetime of a token. Raises BadInput."""
    if not 1 <= days <= tokens.MOST_DAYS:
        raise BadInput(f"A token ends after 1 to {tokens.MOST_DAYS} days.", argument=("days",))
    return datetime.timedelta(days=days)


def granted_itself(grantee: grants.Grantee, product: str | None) -> list[GrantedPermission]:
    """List what the grantee was granted itself on a product; for None, on all."""
    granted = grants.load_own(grantee)
    permissions = granted.everywhere if product is None else granted.on(product)
    return [permission for permission in GrantedPermission if permission in permissions]
