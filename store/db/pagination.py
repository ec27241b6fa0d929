"""Pages: keyset cursors over a queryset's order, so that a page costs the same wherever it stands."""

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

#: Nodes of one page: unless said otherwise, and at most.
USUAL, MOST = 20, 100


@dataclass(frozen=True)
class Page(Generic[Node]):
    """Some of the rows, in order, and how to go on."""

    nodes: list[Node]
    #: Where a node stands in its list.
    cursor: Callable[[Node], str]
    has_next: bool
    has_previous: bool
    #: Counts all the rows; called only when somebody wants to know.
    total: Callable[[], int]


class Rows(Generic[Node]):
    """Rows which know each other by this, and do not keep each other: else a page would be there until the garbage is
    collected, which is a tenth of all work where pages are read.
    """

    def __init__(self, rows: Sequence[Node]):
        self._rows = list(map(ref, rows))

    def __iter__(self) -> Iterator[Node]:
        """Those that somebody has."""
        return (row for each in self._rows if (row := each()) is not None)


class Together:
    """The rows of one page, and what the first of them has looked up for all."""

    def __init__(self, rows: Sequence[Any]):
        self.rows = Rows(rows)
        self._known: dict[Any, dict[Any, Any]] = {}

    def look(self, what: Any, look: Callable[[Sequence[Any]], dict[Any, Any]]) -> dict[Any, Any]:
        if what not in self._known:
            self._known[what] = look(list(self.rows))
        return self._known[what]


def together(row: Any, what: Any, look: Callable[[Sequence[Any]], dict[Any, Any]]) -> Any:
    """What `look` finds for this row; it is asked once for all rows of the page that this one came with.

    `look` takes rows and returns what is known by their primary keys; `what` names it.
    """
    return _beside(row).look(what, look).get(row.pk)


def _beside(row: Any) -> Together:
    beside: Together | None = vars(row).get("together")
    if beside is None:
        beside = row.together = Together([row])
    return beside


def related(rows: Sequence[Any], name: str) -> list[Any]:
    """The row that a foreign key points to, of each of these, looked up once for all rows of their page; those that are
    found are a page of their own.
    """
    key = attrgetter(f"{name}_id")
    pages = list(map(_beside, rows))
    found = {page: page.look(("related", name), partial(_related, name, key)) for page in set(pages)}
    return [found[page].get(key(row)) for page, row in zip(pages, rows, strict=True)]


def _related(name: str, key: Callable[[Any], Any], rows: Sequence[Any]) -> dict[Any, Any]:
    """By their own keys."""
    field = rows[0]._meta.get_field(name)
    found = row_cache.rows(field.related_model, set(map(key, rows)) - {None})
    group(list(found.values()))
    return found


def group(rows: list[Node]) -> list[Node]:
    """Let these rows look things up together; returns them."""
    shared = Together(rows)
    for row in rows:
        vars(row)["together"] = shared
    return rows


def page(rows: QuerySet[Any], order: Sequence[str], first: int | None, after: str | None) -> Page[Any]:
    """The next `first` rows after the cursor `after`.

    `order` names columns that are never null, all ascending or all descending ("-created_at", "-pk"), the last one
    unique. Raises OutOfRange and BadInput.
    """
    return page_of([rows], order, first, after)


def page_of(
    parts: Sequence[QuerySet[Any]], order: Sequence[str], first: int | None, after: str | None
) -> Page[Any]:
    """As `page`, of several querysets that share no row: each may be read by an index which all together have not."""
    first = size(first)
    found = [row for part in parts for row in _read(_next(part, order, after)[: first + 1])]
    if len(parts) > 1:
        found.sort(key=attrgetter(*_names(order)), reverse=order[0].startswith("-"))
    nodes = found[:first]
    return Page(
        group(nodes),
        cursor=partial(_cursor, order),
        has_next=len(found) > first,
        has_previous=after is not None,
        total=lambda: sum(part.count() for part in parts),
    )


def _next(rows: QuerySet[Any], order: Sequence[str], after: str | None) -> QuerySet[Any]:
    ordered = rows.order_by(*order)
    return ordered if after is None else ordered.filter(_beyond(rows.model, order, after))


def _read(rows: QuerySet[Any]) -> list[Any]:
    if not row_cache.caches_rows(rows.model):
        return list(rows)
    keys = list(rows.values_list("pk", flat=True))
    found = row_cache.rows(rows.model, keys)
    return [found[key] for key in keys]


def size(first: int | None, usual: int = USUAL, most: int = MOST) -> int:
    """How many nodes were asked for. Raises OutOfRange."""
    if first is None:
        return usual
    if not 1 <= first <= most:
        sentence = f"A page has 1 to {most} nodes, not {first}."
        raise OutOfRange(sentence, argument=("first",), minimum=1, maximum=most)
    return first


def _names(order: Sequence[str]) -> list[str]:
    return [name.removeprefix("-") for name in order]


def _cursor(order: Sequence[str], node: Model) -> str:
    return encode([list(order), *(getattr(node, name) for name in _names(order))])


def encode(values: Any) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(values, default=str)).decode().rstrip("=")


def decode(cursor: str) -> Any:
    """What `encode` was given, in JSON's types. Raises BadInput."""
    try:
        return orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error) as error:
        raise BadInput(
            "This is no cursor of this list: take one from `pageInfo`.", argument=("after",)
        ) from error


def _beyond(model: type[Model], order: Sequence[str], after: str) -> Q:
    values = decode(after)
    if not isinstance(values, list) or values[:1] != [list(order)] or len(values) != len(order) + 1:
        raise BadInput(
            "The cursor belongs to a list in another order: start again without it.", argument=("after",)
        )
    comparison = "lt" if order[0].startswith("-") else "gt"
    condition, equal = Q(), Q()
    for name, raw in zip(_names(order), values[1:], strict=True):
        value = _value(model, name, raw)
        condition |= equal & Q(**{f"{name}__{comparison}": value})
        equal &= Q(**{name: value})
    return condition


def _value(model: type[Model], name: str, raw: Any) -> Any:
    field: Any = model._meta.pk if name == "pk" else model._meta.get_field(name)
    try:
        value = field.to_python(raw)
        if isinstance(value, datetime):
            value = value.astimezone(UTC)  # a moment before the year 1 is none that the database knows
    except (ValidationError, TypeError, ValueError, OverflowError):
        value = None
    if value is None:
        raise BadInput("This is no cursor of this list: take one from `pageInfo`.", argument=("after",))
    return value
