"""What every type shares: identity and pages."""

from functools import partial
from typing import Any, Generic, TypeVar

import strawberry

from store.db import pagination
from store.db.pagination import Page
from store.products import catalogue

from ..compiled import COLUMN
from ..core import ids

T = TypeVar("T")

#: The default of what may be left out; with None the schema would say `= null`.
UNSET: Any = strawberry.UNSET


def given(value: Any) -> Any:
    """The value, or None where it was left out."""
    return None if value is strawberry.UNSET else value


@strawberry.interface(
    description="Anything with an identity. `id` is opaque and unique over all types. What is called `entity` or "
    "`key` is never one: it is the row's own key."
)
class Node:
    @strawberry.field
    def id(self) -> strawberry.ID:
        return ids.node_id(self)

    @classmethod
    def resolve_type(cls, node: Any, *_: Any) -> str:
        return ids.typename(node)

    @classmethod
    def is_type_of(cls, node: Any, *_: Any) -> bool:
        # Rows are resolved as they are; `resolve_type` has told their type where it was open.
        return True


@strawberry.type(description="Where a page stands in its list.")
class PageInfo:
    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@strawberry.type(description="One node of a page, with the cursor that goes on behind it.")
class Edge(Generic[T]):
    cursor: str = strawberry.field(resolver=lambda self: self.page.cursor(self.node))
    node: T
    page: strawberry.Private[Any]


@strawberry.type(description="A page of a list.")
class Connection(Generic[T]):
    edges: list[Edge[T]]
    page_info: PageInfo
    page: strawberry.Private[Any]

    @strawberry.field(description="Of the whole list; computed only when selected.")
    def total_count(self) -> int:
        return int(self.page.total())


def relation(name: str, **options: Any) -> Any:
    """A field for what a foreign key points to, looked up once for all rows of a page."""
    column = partial(pagination.related, name=name)
    return strawberry.field(resolver=lambda self: column([self])[0], metadata={COLUMN: column}, **options)


def connection(page: Page[Any]) -> Any:
    """A page of rows as a connection."""
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


def product_of(row: Any) -> Any:
    """The declared product of a row; an error, so null where that may be, when it is gone."""
    return catalogue.get(row.product)
