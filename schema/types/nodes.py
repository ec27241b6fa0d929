"""Building blocks of the types: nodes, relations, pages, and the arguments of lists."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Generic, Protocol, TypeAlias, TypeVar

import strawberry
from django.db.models import Model

from store.db import pagination
from store.db.pagination import Page
from store.products import catalogue
from store.products.product import DataProduct as DeclaredProduct

from ..compiled import COLUMN, LOCAL
from ..core import ids
from ..core.django_types import strawberry_django

if TYPE_CHECKING:
    from .products import DataProduct

T = TypeVar("T")

#: The default of arguments and input fields that may be left out; None would appear in the schema as `= null`.
UNSET: Any = strawberry.UNSET

LazyProduct: TypeAlias = Annotated["DataProduct", strawberry.lazy("schema.types.products")]

First = Annotated[
    int | None, strawberry.argument(description="The number of nodes on the page: 1 to 100, by default 20.")
]
After = Annotated[
    str | None,
    strawberry.argument(
        description="The `endCursor` of the page before this one. Leave it out for the first page."
    ),
]


def unset_to_none(value: T) -> T | None:
    """The value of an argument or input field; None where the client left it out."""
    return None if value is strawberry.UNSET else value


@strawberry.interface(
    description="An object with an id. Fields called `entity` or `key` hold the primary key of a row in the product's "
    "own tables, which is not an `id`."
)
class Node:
    @strawberry.field(
        description="The object's id: opaque, and unique over all types. Use it as a cache key.",
        metadata={LOCAL: True},
    )
    def id(self: ids.NodeRoot) -> strawberry.ID:
        return ids.node_id(self)

    @classmethod
    def resolve_type(cls, node: ids.NodeRoot, *_: object) -> str:
        return ids.typename(node)

    @classmethod
    def is_type_of(cls, node: object, *_: object) -> bool:
        # Roots are rows, and `resolve_type` has already decided the type where several are possible.
        return True


def row_type(model: type[Model], *, description: str) -> Callable[[type[T]], type[T]]:
    """Declare a type whose roots are rows of `model`; fields without a resolver are its columns."""

    def decorate(cls: type[T]) -> type[T]:
        cls.is_type_of = classmethod(Node.is_type_of.__func__)  # type: ignore[attr-defined]
        return strawberry_django.type(model, description=description)(cls)

    return decorate


@strawberry.type(description="The position of a page in its list.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="True if the list goes on behind this page.")
    has_previous_page: bool = strawberry.field(
        description="True if the page was requested with `after`, so that nodes stand before it."
    )
    start_cursor: str | None = strawberry.field(
        description="The cursor of the first node; null if the page is empty."
    )
    end_cursor: str | None = strawberry.field(
        description="The cursor of the last node: pass it as `after` to get the next page. Null if the page is empty."
    )


@strawberry.type(description="One node of a page with its cursor.")
class Edge(Generic[T]):
    cursor: str = strawberry.field(
        resolver=lambda self: self.page.cursor(self.node),
        description="The node's position in the list: pass it as `after` to get the nodes behind it.",
    )
    node: T = strawberry.field(description="The object itself.")
    page: strawberry.Private[Page[T]]


@strawberry.type(description="A page of a list.")
class Connection(Generic[T]):
    edges: list[Edge[T]] = strawberry.field(
        description="The nodes of this page with their cursors, in order."
    )
    page_info: PageInfo = strawberry.field(description="The position of this page in the list.")
    page: strawberry.Private[Page[T]]

    @strawberry.field(
        description="The number of nodes in the whole list. It costs a query, so select it only when it is shown."
    )
    def total_count(self) -> int:
        return int(self.page.total())


def relation(name: str, description: str, *, local: bool = False) -> Any:
    """Build the field of a foreign key; the related rows of a page are loaded together.

    It is `local` if the rows of the fast path have the related row already.
    """

    def related(rows: Sequence[Model]) -> Sequence[Model | None]:
        return pagination.related(rows, name)

    metadata: dict[str, object] = {COLUMN: related}
    if local:
        metadata[LOCAL] = lambda row: row._state.fields_cache[name]
    return strawberry.field(
        resolver=lambda self: related([self])[0], metadata=metadata, description=description
    )


def connection(page: Page[Any]) -> Any:
    """Build the connection of a page of rows, whose GraphQL type the resolver declares."""
    return Connection(
        edges=[Edge(page=page, node=node) for node in page.nodes],
        page_info=PageInfo(
            has_next_page=page.has_next,
            has_previous_page=page.has_previous,
            start_cursor=page.cursor(page.nodes[0]) if page.nodes else None,
            end_cursor=page.cursor(page.nodes[-1]) if page.nodes else None,
        ),
        page=page,
    )


class ProductRow(Protocol):
    """A row that belongs to a product."""

    @property
    def product(self) -> str: ...


def product_of(row: ProductRow) -> DeclaredProduct:
    """The declared product of a row. Raises UnknownProduct if it is no longer declared."""
    return catalogue.get(row.product)


def product_field() -> Any:
    """Build the field `product` of a row's type."""
    return strawberry.field(
        resolver=lambda self: product_of(self), description="The data product it belongs to."
    )
