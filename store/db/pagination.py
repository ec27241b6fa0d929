"""Pagination by keyset cursors: every page costs the same wherever it is in the list, forwards and backwards."""

import base64
import binascii
import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property, partial
from operator import attrgetter
from typing import Any, Generic, TypeVar
from weakref import ref

import orjson
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, QuerySet, Value
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan
from django.db.models.functions import Coalesce
from django.db.models.lookups import IsNull
from django.db.models.sql.where import AND

from ..exceptions import BadInput, OutOfRange
from . import row_cache

Node = TypeVar("Node")

#: Nodes of a page, by default and at most; the cost of an operation may allow fewer.
DEFAULT_SIZE, MAX_SIZE = 20, 1_000


@dataclass(frozen=True)
class PageRequest:
    """The page that a caller wants: the `first` rows after a cursor, or the `last` before one."""

    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None
    #: The list's name, which its cursors carry: those of other lists are refused.
    name: str = ""

    def __post_init__(self) -> None:
        # Clients pass an empty cursor for the first page.
        object.__setattr__(self, "after", self.after or None)
        object.__setattr__(self, "before", self.before or None)

    @property
    def backward(self) -> bool:
        """True if the page is counted from its end."""
        return self.last is not None or (
            self.before is not None and self.first is None and self.after is None
        )

    def size(self, usual: int = DEFAULT_SIZE, most: int = MAX_SIZE) -> int:
        """Validate the requested number of rows. Raises OutOfRange, BadInput."""
        if self.first is not None and self.last is not None:
            raise BadInput(
                "Give `first` or `last`, not both: a page is counted from one end.", argument=("last",)
            )
        argument = "first" if self.last is None else "last"
        size = self.first if self.last is None else self.last
        if size is None:
            return usual
        if not 1 <= size <= most:
            message = f"A page has 1 to {most:,} nodes, not {size:,}."
            raise OutOfRange(message, argument=(argument,), minimum=1, maximum=most)
        return size


#: The first page, of the usual size.
FIRST_PAGE = PageRequest()


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
        lookups = vars(row)["page_lookups"] = PageLookups([row])  # also where the row is frozen
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
    """Make these rows share their lookups, those of each table their own, and return them."""
    for table in set(map(type, rows)):
        members = [row for row in rows if type(row) is table]
        lookups = PageLookups(members)
        for row in members:
            vars(row)["page_lookups"] = lookups
    return rows


def page(rows: QuerySet[Any], order: Sequence[str], request: PageRequest = FIRST_PAGE) -> Page[Any]:
    """Read the page of these rows that is requested.

    Args:
        order: columns, all ascending or all descending ("-created_at", "-pk"), the last one unique. Rows without a
            value come last, in either direction.

    Raises: OutOfRange, BadInput.
    """
    return page_of([rows], order, request)


@cache
def unread(order: tuple[str, ...], name: str = "") -> Page[Any]:
    """The page of a list of which nothing was read: it has the cursors of nodes that are in the list."""
    return Page([], cursor=Cursors(order, name).encode, has_next=False, has_previous=False, total=lambda: 0)


def page_of(
    parts: Sequence[QuerySet[Any]],
    order: Sequence[str],
    request: PageRequest = FIRST_PAGE,
    load: Callable[[QuerySet[Any]], Sequence[Any]] | None = None,
    cursors: "Cursors | None" = None,
) -> Page[Any]:
    """Read a page of several disjoint querysets, each of which may use an index that their union cannot use.

    Args:
        load: reads the rows of a queryset in order, None for a row that cannot be read; by default through the cache.
        cursors: the cursors of a list that has its own.
    """
    parts, order = with_nulls_last(parts, order)
    size, cursors = request.size(), cursors or Cursors(tuple(order), request.name)
    rows = [row for part in parts for row in (load or _load)(cursors.select(part, request)[: size + 1])]
    if len(parts) > 1:
        rows.sort(key=attrgetter(*cursors.columns), reverse=cursors.descending is not request.backward)
    nodes = [row for row in rows[:size] if row is not None]
    if request.backward:
        nodes.reverse()
    more = len(rows) > size
    return Page(
        share_lookups(nodes),
        cursor=cursors.encode,
        has_next=request.before is not None or (more and not request.backward),
        has_previous=request.after is not None or (more and request.backward),
        total=lambda: sum(part.count() for part in parts),
    )


#: By the type of a column, the values that stand for null behind all others: in ascending order, and in descending.
BEYOND: Mapping[type, tuple[object, object]] = {
    models.FloatField: (sys.float_info.max, -sys.float_info.max),
    models.DateTimeField: (datetime.max.replace(tzinfo=UTC), datetime(1, 1, 2, tzinfo=UTC)),
}


def with_nulls_last(
    parts: Sequence[QuerySet[Any]], order: Sequence[str]
) -> tuple[Sequence[QuerySet[Any]], Sequence[str]]:
    """Replace each column of an order that may be null by an annotation that is not.

    No index has the annotation. A column stays where a condition of the rows excludes null, so that its index is used.
    """
    ordered = []
    for column in order:
        name = column.removeprefix("-")
        field = _field(parts[0], name) if parts else None
        if field is not None and any(_may_be_null(part, name) for part in parts):
            beyond = BEYOND[type(field)][column.startswith("-")]
            not_null = Coalesce(name, Value(beyond, output_field=type(field)()))
            parts = [part.annotate(**{f"known_{name}": not_null}) for part in parts]
            column = column.replace(name, f"known_{name}")
        ordered.append(column)
    return parts, ordered


def _may_be_null(rows: QuerySet[Any], name: str) -> bool:
    """Return True for a nullable column of which no condition, beside which others must hold, excludes null."""
    if name in rows.query.annotations or not (field := _field(rows, name)).null:
        return False
    where = rows.query.where
    excluding = [] if where.negated or where.connector != AND else where.children
    return not any(
        isinstance(lookup, IsNull) and lookup.rhs is False and getattr(lookup.lhs, "target", None) is field
        for lookup in excluding
    )


def _load(rows: QuerySet[Any]) -> list[Any]:
    if not row_cache.caches_rows(rows.model):
        return list(rows)
    keys = list(rows.values_list("pk", flat=True))
    by_key = row_cache.get_rows(rows.model, keys)
    return [by_key[key] for key in keys]


@dataclass(frozen=True)
class Cursors:
    """The cursors of one list in one order."""

    order: tuple[str, ...]
    name: str = ""

    @cached_property
    def columns(self) -> list[str]:
        """The names of the columns that the list is ordered by."""
        return [name.removeprefix("-") for name in self.order]

    @property
    def descending(self) -> bool:
        """True if the greatest row comes first."""
        return self.order[0].startswith("-")

    @cached_property
    def tag(self) -> str:
        """The list and its order as a few characters, by which a cursor of another one is recognised."""
        return hashlib.blake2b(" ".join((self.name, *self.order)).encode(), digest_size=6).hexdigest()

    def encode(self, node: Any) -> str:
        """The cursor of a row."""
        return encode([self.tag, *(getattr(node, name) for name in self.columns)])

    def decode(self, cursor: str, argument: str) -> list[Any]:
        """The values of the columns in a row's cursor. Raises BadInput."""
        values = decode(cursor, argument)
        if not isinstance(values, list) or len(values) != len(self.order) + 1 or values[0] != self.tag:
            raise BadInput(
                "The cursor belongs to another list, or to this one in another order. Start again without it.",
                argument=(argument,),
            )
        return values[1:]

    def select(self, rows: QuerySet[Any], request: PageRequest) -> QuerySet[Any]:
        """The rows between the cursors of a request, in the direction in which its page is counted."""
        if request.after is not None:
            rows = rows.filter(self._beyond(rows, request.after, "after", not self.descending))
        if request.before is not None:
            rows = rows.filter(self._beyond(rows, request.before, "before", self.descending))
        ordered = rows.order_by(*self.order)
        return ordered.reverse() if request.backward else ordered

    def _beyond(self, rows: QuerySet[Any], cursor: str, argument: str, greater: bool) -> Any:
        values = self.decode(cursor, argument)
        bounds = [
            _value(_field(rows, name), raw, argument) for name, raw in zip(self.columns, values, strict=True)
        ]
        # As one comparison of rows PostgreSQL starts at this place of the index; alternatives joined by OR would
        # make it read all rows before the place.
        compare = TupleGreaterThan if greater else TupleLessThan
        return compare(Tuple(*map(F, self.columns)), bounds)


def encode(values: Any) -> str:
    """Encode a cursor as URL-safe text."""
    return base64.urlsafe_b64encode(orjson.dumps(values, default=str)).decode().rstrip("=")


def decode(cursor: str, argument: str = "after") -> Any:
    """Decode a cursor to JSON values. Raises BadInput."""
    try:
        return orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error) as error:
        raise no_cursor(argument) from error


def no_cursor(argument: str) -> BadInput:
    """The refusal of what is no cursor."""
    return BadInput("This is no cursor of this list: take one from `pageInfo`.", argument=(argument,))


def _field(rows: QuerySet[Any], name: str) -> Any:
    """Get the field of a column, or of an annotation."""
    if name in rows.query.annotations:
        return rows.query.annotations[name].output_field
    return rows.model._meta.pk if name == "pk" else rows.model._meta.get_field(name)


def _value(field: Any, raw: Any, argument: str) -> Any:
    try:
        value = field.to_python(raw)
        if isinstance(value, datetime):
            value = value.astimezone(UTC)  # overflows before the year 1, which PostgreSQL cannot store
    except (ValidationError, TypeError, ValueError, OverflowError):
        value = None
    if value is None:
        raise no_cursor(argument)
    return value
