"""Bins of a feature: ranges of numbers or times, or values, by the snapshot that the champion has learned from."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Any

from django.db import connection
from django.db.models import F, Func
from psycopg2 import sql

from ..db.row_cache import RowCache
from ..exceptions import BadInput, NoChampion, OutOfRange
from ..products.features import Feature
from ..products.product import DataProduct
from ..snapshots.snapshots import Snapshot, cast_sql
from ..snapshots.typical import TypicalValues

#: Bins of a feature, by default and at most.
DEFAULT_BINS, MOST_BINS = 20, 100

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: The most frequent values of open categories, by snapshot, feature and number.
_values: RowCache[tuple[int, str, int], list[str]] = RowCache(200)


class BinKind(StrEnum):
    """Kind of the values that a bin has."""

    BELOW = "BELOW"
    WITHIN = "WITHIN"
    ABOVE = "ABOVE"
    VALUE = "VALUE"
    OTHER = "OTHER"
    MISSING = "MISSING"


@dataclass(frozen=True, kw_only=True)
class Bin:
    """A part of a feature's values."""

    kind: BinKind
    #: Of a range of numbers: from `low`, inclusive, to `high`, exclusive. None: no end.
    low: float | None = None
    high: float | None = None
    #: Of a range of dates or times.
    since: datetime | None = None
    until: datetime | None = None
    #: The value of a bin with one, as text.
    value: str | None = None


@dataclass(frozen=True, kw_only=True)
class Bins:
    """The bins of one feature, in their order; the last one has what is missing."""

    column: Feature
    bins: Sequence[Bin]
    #: The ends of the ranges, of one more than there are ranges; empty: the bins have values.
    edges: Sequence[float] = ()

    def find(self, place: int | None) -> Bin:
        """Find the bin at a place that `place_sql` computes."""
        return self.bins[-1 if place is None else place]

    def place_sql(self, value: str) -> str:
        """Write SQL of the place of a value's bin, null where it is missing, for a statement with parameters."""
        if self.edges:
            number = self.column.field_kind.number_sql.format(self._present(value))
            return f"width_bucket({number}, '{{{','.join(map(repr, self.edges))}}}'::float8[])"
        values = [bin_.value for bin_ in self.bins if bin_.kind is BinKind.VALUE]
        with connection.cursor() as cursor:
            listed = cursor.mogrify("%s::text[]", [values]).decode().replace("%", "%%")
        place = f"COALESCE(array_position({listed}, {value}::text) - 1, {len(values)})"
        return f"CASE WHEN {value} IS NOT NULL THEN {place} END"

    def _present(self, value: str) -> str:
        """Write SQL of a value, null where models learn it as missing."""
        return (self.column.field_kind.present_sql or "{0}").format(value)


def find_bins(product: DataProduct, column: Feature, number: int | None) -> Bins:
    """Divide the values of a feature into bins. Raises BadInput, OutOfRange, NoChampion, NoRows."""
    number = DEFAULT_BINS if number is None else number
    if not 1 <= number <= MOST_BINS:
        message = f"A feature has 1 to {MOST_BINS} bins, not {number}."
        raise OutOfRange(message, argument=("bins",), minimum=1, maximum=MOST_BINS)
    kind = column.kind
    assert kind is not None
    if kind.own_choices:
        return _with_values(column, [str(value).lower() for value, _ in kind.own_choices])
    if kind.is_category and not kind.is_open:
        return _with_values(column, [choice.text for choice in column.choices])
    if not kind.is_open and not kind.is_ranged:
        message = f"{column.title} has texts, which are not divided into bins."
        raise BadInput(message, argument=("feature",))
    snapshot = TypicalValues(product).snapshot
    if snapshot is None:
        raise NoChampion(
            f"{product} has no champion yet, and bins are those of the snapshot it learned from."
        )
    snapshot.check_stored()
    check_in_snapshot(snapshot, column)
    if kind.is_open:
        return _with_values(column, _frequent_values(snapshot, column, number))
    return _with_ranges(column, snapshot, number)


def _with_values(column: Feature, values: Sequence[str]) -> Bins:
    bins = [Bin(kind=BinKind.VALUE, value=value) for value in values]
    return Bins(column=column, bins=[*bins, Bin(kind=BinKind.OTHER), Bin(kind=BinKind.MISSING)])


def _frequent_values(snapshot: Snapshot, column: Feature, number: int) -> list[str]:
    """Find the most frequent values of a snapshot's column."""
    key = (snapshot.pk, column.name, number)
    statement = sql.SQL(
        "SELECT {0}::text FROM {1} WHERE {0} IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT %s"
    ).format(sql.Identifier(column.name), sql.SQL(snapshot.table))

    def load(_: object) -> dict[tuple[int, str, int], list[str]]:
        with connection.cursor() as cursor:
            cursor.execute(statement, [number])
            return {key: [value for (value,) in cursor.fetchall()]}

    return _values.find([key], load)[key]


def _with_ranges(column: Feature, snapshot: Snapshot, number: int) -> Bins:
    """Divide the range of a snapshot's column into ranges of equal width, with one beyond each end."""
    analysis = snapshot.analysed
    statistics = {each.name: each for each in analysis.features}.get(column.name) if analysis else None
    if statistics is None or statistics.minimum is None or statistics.maximum is None:
        message = (
            f"{column.title} has no value in the snapshot that the champion learned from, and so no bins."
        )
        raise BadInput(message, argument=("feature",))
    assert column.kind is not None
    edges = find_edges(statistics.minimum, statistics.maximum, number, column.kind.is_whole)
    ranges = [_range(column, BinKind.WITHIN, low, high) for low, high in pairwise(edges)]
    below, above = (
        _range(column, BinKind.BELOW, None, edges[0]),
        _range(column, BinKind.ABOVE, edges[-1], None),
    )
    return Bins(column=column, bins=[below, *ranges, above, Bin(kind=BinKind.MISSING)], edges=edges)


def find_edges(low: float, high: float, number: int, is_whole: bool) -> list[float]:
    """Find the ends of ranges of equal width that have all numbers from `low` to `high`, both inclusive.

    Those of whole numbers have equally many of them, so that there may be fewer ranges.
    """
    if is_whole:
        width = math.ceil((high - low + 1) / number)
        count = math.ceil((high - low + 1) / width)
        return [low + place * width for place in range(count + 1)]
    inner = [low + (high - low) * place / number for place in range(number)] if high > low else [low]
    return [*dict.fromkeys(inner), math.nextafter(high, math.inf)]


def _range(column: Feature, kind: BinKind, low: float | None, high: float | None) -> Bin:
    if column.kind is not None and column.kind.has_date:
        return Bin(kind=kind, since=_moment(low), until=_moment(high))
    return Bin(kind=kind, low=low, high=high)


def _moment(days: float | None) -> datetime | None:
    """The moment of a number of days since 1970-01-01; the first or last one where there is none so early or late."""
    if days is None:
        return None
    try:
        return EPOCH + timedelta(days=days)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC) if days > 0 else datetime.min.replace(tzinfo=UTC)


def check_in_snapshot(snapshot: Snapshot, column: Feature) -> None:
    """Check that a snapshot has the column, which may have been declared later. Raises BadInput."""
    analysis = snapshot.analysed
    if analysis and column.name not in {feature.name for feature in analysis.features}:
        message = (
            f"{column.title} is not in the snapshot that the champion learned from: it was declared later."
        )
        raise BadInput(message, argument=("feature",))


def stored_value(column: Feature) -> Any:
    """Build the expression of a feature of a stored prediction; null where it does not fit the declaration of today."""
    template = cast_sql(column, "%(expressions)s", f"'{column.name}'")  # a Python identifier
    return Func(F("features"), template=template, output_field=column.field)
