"""Pagination by keyset cursors: every page costs the same wherever it is in the list."""

import base64
import binascii
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from operator import attrgetter
from typing import Any, Generic, TypeVar
from weakref import ref

import orjson
from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet

from ..exceptions import BadInput, OutOfRange
from . import row_cache

Node = TypeVar("Node")

#: Nodes of a page, by default and at most.
DEFAULT_SIZE, MAX_SIZE = 20, 100


@dataclass(frozen=True)
class Page(Generic[Node]):
    """A page of rows in order, with their cursors."""

    nodes: list[Node]
    #: Encodes the position of a node in the list.
    cursor: Callable[[Node], str]
    has_next: bool
    has_previous: bool
    #: Counts all rows of the list; called only when the total is selected.
    total: Callable[[], int]


class WeakRows(Generic[Node]):
    """The rows of a page by weak references.

    With strong ones the rows of a page would form cycles, and collecting these takes a tenth of the time of pages.
    """

    def __init__(self, rows: Sequence[Node]):
        self._rows = list(map(ref, rows))

    def __iter__(self) -> Iterator[Node]:
        """Iterate over the rows that are still referenced elsewhere."""
        return (row for reference in self._rows if (row := reference()) is not None)


class PageLookups:
    """Lookups shared by the rows of one page: the first row that needs one looks it up for all."""

    def __init__(self, rows: Sequence[Any]):
        self.rows = WeakRows(rows)
        self._results: dict[Any, dict[Any, Any]] = {}

    def get(self, name: Any, find: Callable[[Sequence[Any]], dict[Any, Any]]) -> dict[Any, Any]:
        """Get the result of the lookup `name`; the first call runs `find` for all rows."""
        if name not in self._results:
            self._results[name] = find(list(self.rows))
        return self._results[name]


def lookup_for_page(row: Any, name: Any, find: Callable[[Sequence[Any]], dict[Any, Any]]) -> Any:
    """Look up a value for this row, in one call for all rows of its page.

    Args:
        name: identifies the lookup.
        find: takes rows and returns values by primary key.
    """
    return _lookups_of(row).get(name, find).get(row.pk)


def _lookups_of(row: Any) -> PageLookups:
    lookups: PageLookups | None = vars(row).get("page_lookups")
    if lookups is None:
        lookups = row.page_lookups = PageLookups([row])
    return lookups


def related(rows: Sequence[Any], name: str) -> list[Any]:
    """Get the row that the foreign key `name` of each row refers to, in one query for each page.

    The related rows share their own lookups in turn.
    """
    key = attrgetter(f"{name}_id")
    pages = list(map(_lookups_of, rows))
    results = {page: page.get(("related", name), partial(_find_related, name, key)) for page in set(pages)}
    return [results[page].get(key(row)) for page, row in zip(pages, rows, strict=True)]


def _find_related(name: str, key: Callable[[Any], Any], rows: Sequence[Any]) -> dict[Any, Any]:
    field = rows[0]._meta.get_field(name)
    related_rows = row_cache.get_rows(field.related_model, set(map(key, rows)) - {None})
    share_lookups(list(related_rows.values()))
    return related_rows


def share_lookups(rows: list[Node]) -> list[Node]:
    """Make these rows share their lookups, and return them."""
    lookups = PageLookups(rows)
    for row in rows:
        vars(row)["page_lookups"] = lookups
    return rows


def page(rows: QuerySet[Any], order: Sequence[str], first: int | None, after: str | None) -> Page[Any]:
    """Read the `first` rows after the cursor `after`.

    Args:
        order: columns that are never null, all ascending or all descending ("-created_at", "-pk"), the last one unique.

    Raises: OutOfRange, BadInput.
    """
    return page_of([rows], order, first, after)


def page_of(
    parts: Sequence[QuerySet[Any]], order: Sequence[str], first: int | None, after: str | None
) -> Page[Any]:
    """Read a page of several disjoint querysets, each of which may use an index that their union cannot use."""
    first = page_size(first)
    rows = [row for part in parts for row in _read(_next(part, order, after)[: first + 1])]
    if len(parts) > 1:
        rows.sort(key=attrgetter(*_names(order)), reverse=order[0].startswith("-"))
    nodes = rows[:first]
    return Page(
        share_lookups(nodes),
        cursor=partial(_cursor, order),
        has_next=len(rows) > first,
        has_previous=after is not None,
        total=lambda: sum(part.count() for part in parts),
    )


def _next(rows: QuerySet[Any], order: Sequence[str], after: str | None) -> QuerySet[Any]:
    ordered = rows.order_by(*order)
    return ordered if after is None else ordered.filter(_beyond(rows, order, after))


def _read(rows: QuerySet[Any]) -> list[Any]:
    if not row_cache.caches_rows(rows.model):
        return list(rows)
    keys = list(rows.values_list("pk", flat=True))
    by_key = row_cache.get_rows(rows.model, keys)
    return [by_key[key] for key in keys]


def page_size(first: int | None, usual: int = DEFAULT_SIZE, most: int = MAX_SIZE) -> int:
    """Validate the requested number of nodes. Raises OutOfRange."""
    if first is None:
        return usual
    if not 1 <= first <= most:
        message = f"A page has 1 to {most} nodes, not {first}."
        raise OutOfRange(message, argument=("first",), minimum=1, maximum=most)
    return first


def _names(order: Sequence[str]) -> list[str]:
    return [name.removeprefix("-") for name in order]


def _cursor(order: Sequence[str], node: Model) -> str:
    return encode([list(order), *(getattr(node, name) for name in _names(order))])


def encode(values: Any) -> str:
    """Encode a cursor as URL-safe text."""
    return base64.urlsafe_b64encode(orjson.dumps(values, default=str)).decode().rstrip("=")


def decode(cursor: str) -> Any:
    """Decode a cursor to JSON values. Raises BadInput."""
    try:
        return orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error) as error:
        raise BadInput(
            "This is no cursor of this list: take one from `pageInfo`.", argument=("after",)
        ) from error


def _beyond(rows: QuerySet[Any], order: Sequence[str], after: str) -> Q:
    values = decode(after)
    if not isinstance(values, list) or values[:1] != [list(order)] or len(values) != len(order) + 1:
        raise BadInput(
            "The cursor belongs to a list in another order. Start again without it.", argument=("after",)
        )
    comparison = "lt" if order[0].startswith("-") else "gt"
    condition, equal = Q(), Q()
    for name, raw in zip(_names(order), values[1:], strict=True):
        value = _value(_field(rows, name), raw)
        condition |= equal & Q(**{f"{name}__{comparison}": value})
        equal &= Q(**{name: value})
    return condition


def _field(rows: QuerySet[Any], name: str) -> Any:
    """Get the field of a column, or of an annotation."""
    if name in rows.query.annotations:
        return rows.query.annotations[name].output_field
    return rows.model._meta.pk if name == "pk" else rows.model._meta.get_field(name)


def _value(field: Any, raw: Any) -> Any:
    try:
        value = field.to_python(raw)
        if isinstance(value, datetime):
            value = value.astimezone(UTC)  # overflows before the year 1, which PostgreSQL cannot store
    except (ValidationError, TypeError, ValueError, OverflowError):
        value = None
    if value is None:
        raise BadInput("This is no cursor of this list: take one from `pageInfo`.", argument=("after",))
    return value
