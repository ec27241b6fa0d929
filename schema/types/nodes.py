"""Building blocks of the types: nodes, relations, and lists with their pages and arguments."""

import inspect
from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, Generic, Protocol, TypeAlias, TypeVar, cast

import strawberry
from django.db.models import Model

from store.db import pagination
from store.db.pagination import DEFAULT_SIZE, MAX_SIZE, Page, PageRequest
from store.products import catalogue
from store.products.product import DataProduct as DeclaredProduct

from ..compiled import COLUMN, LOCAL
from ..core import ids
from ..core.context import Info
from ..core.django_types import strawberry_django

if TYPE_CHECKING:
    from .products import DataProduct

T = TypeVar("T")

#: The default of arguments and input fields that may be left out; None would appear in the schema as `= null`.
UNSET: Any = strawberry.UNSET

LazyProduct: TypeAlias = Annotated["DataProduct", strawberry.lazy("schema.types.products")]

#: The arguments that every list has.
PAGE_ARGUMENTS = {
    "first": Annotated[
        int | None,
        strawberry.argument(
            description=f"The number of nodes on the page, counted from `after`: 1 to {MAX_SIZE:,}, by default "
            f"{DEFAULT_SIZE}. Large pages of many fields may cost more than an operation may."
        ),
    ],
    "after": Annotated[
        str | None,
        strawberry.argument(
            description="The `endCursor` of the page before this one. Leave it out for the first page."
        ),
    ],
    "last": Annotated[
        int | None,
        strawberry.argument(
            description=f"The number of nodes on the page, counted back from `before` or the list's end: 1 to "
            f"{MAX_SIZE:,}. Give `first` or `last`, not both."
        ),
    ],
    "before": Annotated[
        str | None,
        strawberry.argument(
            description="The `startCursor` of the page behind this one. Leave it out for the last page."
        ),
    ],
}


def unset_to_none(value: T) -> T | None:
    """The value of an argument or input field; None where the client left it out."""
    return None if value is strawberry.UNSET else value


#: The description of every object's id.
ID = "The object's id: opaque, and unique over all types. Use it as a cache key."


@strawberry.interface(
    description="An object with an id. Fields called `entity` or `key` hold the primary key of a row in the product's "
    "own tables, which is not an `id`."
)
class Node:
    @strawberry.field(
        description=ID,
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
    has_next_page: bool = strawberry.field(
        description="True if nodes stand behind this page: there are more than `first`, or it was requested with "
        "`before`."
    )
    has_previous_page: bool = strawberry.field(
        description="True if nodes stand before this page: it was requested with `after`, or there are more than "
        "`last`."
    )
    start_cursor: str | None = strawberry.field(
        description="The cursor of the first node: pass it as `before` to get the page before this one. Null if the "
        "page is empty."
    )
    end_cursor: str | None = strawberry.field(
        description="The cursor of the last node: pass it as `after` to get the next page. Null if the page is empty."
    )


@strawberry.type(description="One node of a page with its cursor.")
class Edge(Generic[T]):
    cursor: str = strawberry.field(
        resolver=lambda self: self.page.cursor(self.node),
        description="The node's position in the list: pass it as `after` to get the nodes behind it, as `before` to "
        "get those before it.",
        metadata={LOCAL: True},
    )
    node: T = strawberry.field(description="The object itself.", metadata={LOCAL: True})
    page: strawberry.Private[Page[T]]


@strawberry.type(description="A page of a list.")
class Connection(Generic[T]):
    page: strawberry.Private[Page[T]]
    edges: list[Edge[T]] = strawberry.field(
        resolver=lambda self: [Edge(page=self.page, node=node) for node in self.page.nodes],
        description="The nodes of this page with their cursors, in order.",
    )
    nodes: list[T] = strawberry.field(
        resolver=lambda self: self.page.nodes, description="The nodes of this page, in order."
    )
    page_info: PageInfo = strawberry.field(
        resolver=lambda self: page_info(self.page), description="The position of this page in the list."
    )

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


def page_info(page: Page[Any]) -> PageInfo:
    """The position of a page."""
    return PageInfo(
        has_next_page=page.has_next,
        has_previous_page=page.has_previous,
        start_cursor=page.cursor(page.nodes[0]) if page.nodes else None,
        end_cursor=page.cursor(page.nodes[-1]) if page.nodes else None,
    )


def list_field(node: object, *, description: str) -> Callable[[Callable[..., Page[Any]]], Any]:
    """Declare a list of nodes: a field with the arguments and the connection that every list has.

    The resolver takes its object, perhaps `info`, `page` (a PageRequest) and arguments of its own, and returns a page.
    """

    def decorate(resolve: Callable[..., Page[Any]]) -> Any:
        takes_info = "info" in inspect.signature(resolve).parameters

        @wraps(resolve)
        def resolver(self: Any, info: Info, **arguments: Any) -> Connection[Any]:
            bounds = {name: arguments.pop(name, None) for name in PAGE_ARGUMENTS}
            request = PageRequest(**bounds, name=list_name(info, self))
            if takes_info:
                arguments["info"] = info
            return Connection(page=resolve(self, page=request, **arguments))

        set_signature(resolver, with_page_arguments(resolve))
        return strawberry.field(
            resolver, graphql_type=cast(Any, Connection)[node] | None, description=description
        )

    return decorate


def with_page_arguments(resolve: Callable[..., object]) -> list[inspect.Parameter]:
    """The parameters of a list's resolver, those of the page in the place of the request."""
    own = inspect.signature(resolve).parameters.values()
    keyword = inspect.Parameter.KEYWORD_ONLY
    return [
        inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD),
        inspect.Parameter("info", keyword, annotation=Info),
        *(
            inspect.Parameter(name, keyword, default=UNSET, annotation=annotation)
            for name, annotation in PAGE_ARGUMENTS.items()
        ),
        *(
            parameter.replace(kind=keyword)
            for parameter in own
            if parameter.name not in ("self", "info", "page")
        ),
    ]


def set_signature(function: Any, parameters: Sequence[inspect.Parameter]) -> None:
    """Have Strawberry read these parameters."""
    function.__signature__ = inspect.Signature(parameters)
    function.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters[1:]}
    del function.__wrapped__


def list_name(info: Info, root: object) -> str:
    """The name of a list over the whole schema: its field, and the object that has the field."""
    owner = root if isinstance(root, ids.NodeRoot) else getattr(root, "product", None)
    return ids.list_name(
        info._raw_info.parent_type.name, info.field_name, ids.node_id(owner) if owner else ""
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
