"""The caller of a request: who it is, what it may do, its tokens, and the feedback that it gave."""

import strawberry
from django.db.models import QuerySet

from store import models
from store.access.actors import Actor
from store.access.models import Token as TokenRow
from store.db import pagination
from store.db.pagination import Page, PageRequest
from store.products import catalogue
from store.products.product import DataProduct as DeclaredProduct

from ..core import ids
from ..core.enums import Permission
from .access import Token, token_page
from .nodes import ID, Node, list_field
from .prediction_interfaces import NEWEST_FIRST, Feedback
from .products import DataProduct


@strawberry.type(description="The actions that the caller may do with a product.")
class ProductPermissions:
    product: DeclaredProduct = strawberry.field(graphql_type=DataProduct, description="The product.")
    permissions: list[Permission] = strawberry.field(
        description="The actions, as `viewerPermissions` has them."
    )


@strawberry.type(description="The caller of this request.")
class Viewer(Node):
    id: strawberry.ID = strawberry.field(description=ID)
    name: str | None = strawberry.field(description="The user's name; null if nobody is logged in.")
    anonymous: bool = strawberry.field(description="True if nobody is logged in.")
    actor: strawberry.Private[Actor]

    @classmethod
    def from_actor(cls, actor: Actor) -> "Viewer":
        """The viewer that a caller is."""
        return cls(
            id=ids.encode("Viewer", actor.author), name=actor.name, anonymous=actor.anonymous, actor=actor
        )

    @strawberry.field(description="The products on which the caller has a permission, with what it may do.")
    def permissions(self) -> list[ProductPermissions]:
        return [
            ProductPermissions(product=product, permissions=list(permissions))
            for product in catalogue.products()
            if (permissions := self.actor.permissions_for(product.name))
        ]

    @list_field(
        Token,
        description="The caller's own tokens, revoked and expired ones too, newest first; none of a stranger's.",
    )
    def tokens(self, page: PageRequest) -> Page[Token]:
        return token_page(TokenRow.objects.filter(user__username=self.actor.name or ""), page)

    @list_field(
        Feedback, description="The feedback that the caller gave, newest first; none of a stranger's."
    )
    def feedback(self, page: PageRequest) -> Page[models.Feedback]:
        rows = [] if self.anonymous else [self._feedback_on(product) for product in catalogue.products()]
        return pagination.page_of(rows or [models.Feedback.objects.none()], NEWEST_FIRST, page)

    def _feedback_on(self, product: DeclaredProduct) -> QuerySet[models.Feedback]:
        return models.Feedback.objects.listed(product).filter(author=self.actor.author)
