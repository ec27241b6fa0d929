"""Counts of rows by groups: one statement, with the hours, days or weeks of a named time zone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db import DataError, connection
from django.db.models import F, QuerySet

from ..db.statements import compile_rows
from ..exceptions import BadInput, OutOfRange
from ..predictions.time_steps import STEP

#: Groups of one answer, at most.
MOST_GROUPS = 5_000

#: For the statement in the same message alone. PostgreSQL takes pages of an index to come from a disk that turns, and
#: would rather read all predictions than the index, which has all that they are counted by.
READ_INDEX = "SET LOCAL random_page_cost = 1.1"


class Period(StrEnum):
    """A span of time that groups rows, as PostgreSQL calls it."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"


class Key(NamedTuple):
    """A value by which rows are grouped."""

    #: An expression over the rows.
    value: Any
    #: Writes SQL of the group's own value from that of the value.
    sql: Callable[[str], str] = str


@dataclass(frozen=True, kw_only=True)
class Grouping:
    """Keys and periods by which rows are grouped."""

    #: By the names that the groups have them by.
    keys: Mapping[str, Key] = field(default_factory=dict)
    #: The column with the rows' time, its period and where its days begin; None: not by time.
    time: str = ""
    period: Period | None = None
    zone: ZoneInfo | None = None
    #: The product by whose truths the subjects are grouped, as `truth`; None: not by truth.
    truths: str | None = None


@dataclass(frozen=True)
class Group:
    """Rows that have the same values."""

    count: int
    #: The start of the period; None where rows are not grouped by time.
    start: datetime | None
    #: By the names of the keys.
    values: Mapping[str, Any]


def find_zone(name: str | None, usual: ZoneInfo) -> ZoneInfo:
    """Find a time zone of the IANA database by name; the usual one for None. Raises BadInput."""
    if name is None:
        return usual
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise _unknown_zone(name) from None


def _unknown_zone(name: str) -> BadInput:
    message = f"{name[:100]!r} is no time zone: name one of the IANA database, as Europe/Berlin."
    return BadInput(message, argument=("time_zone",))


def count_rows(rows: QuerySet[Any], grouping: Grouping) -> list[Group]:
    """Count the rows of each group, in the order of their periods and values. Raises BadInput, OutOfRange."""
    statement, parameters = _compile(rows, grouping)
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"{READ_INDEX}; {statement}", parameters)
            counted = cursor.fetchall()
    except DataError as error:  # PostgreSQL has a database of time zones of its own
        if grouping.zone is None or "time zone" not in str(error):
            raise
        raise _unknown_zone(grouping.zone.key) from error
    if len(counted) > MOST_GROUPS:
        raise OutOfRange(
            f"There are more than {MOST_GROUPS:,} groups: count by fewer things, by longer periods, or fewer rows.",
            argument=("by",),
            maximum=MOST_GROUPS,
        )
    names = _names(grouping)
    return [Group(n, start, dict(zip(names, values, strict=True))) for n, start, *values in counted]


def _names(grouping: Grouping) -> list[str]:
    return [*grouping.keys, *(["truth"] if grouping.truths else [])]


def _compile(rows: QuerySet[Any], grouping: Grouping) -> tuple[str, Sequence[Any]]:
    """Compile the statement that counts rows by steps of time, and adds the steps up to periods."""
    selected, parameters = _select(rows, grouping)
    keys, names = [key.sql(f"r.key_{name}") for name, key in grouping.keys.items()], _names(grouping)
    join = ""
    if grouping.truths:
        join = "LEFT JOIN store_truth truth ON truth.product = %s AND truth.subject = r.subject"
        keys, parameters = [*keys, "truth.answer"], [*parameters, grouping.truths]
    step = STEP.format("r.time") if grouping.period else "NULL::timestamptz"
    start = "NULL::timestamptz"
    by_step, by_group = _places(1 + len(keys)), _places(1 + len(keys), 2)
    columns = "".join(f", {key} AS {name}" for key, name in zip(keys, names, strict=True))
    outer: list[Any] = []
    if grouping.period and grouping.zone:
        start, outer = "date_trunc(%s, step, %s)", [grouping.period.value, grouping.zone.key]
    statement = f"""
        SELECT sum(n)::bigint, {start} AS start{"".join(f", {name}" for name in names)}
        FROM (
            SELECT {step} AS step{columns}, count(*) AS n FROM ({selected}) r {join} GROUP BY {by_step}
        ) counted
        GROUP BY {by_group} ORDER BY {by_group} LIMIT {MOST_GROUPS + 1}"""
    return statement, [*outer, *parameters]


def _places(number: int, first: int = 1) -> str:
    return ", ".join(map(str, range(first, first + number)))


def _select(rows: QuerySet[Any], grouping: Grouping) -> tuple[str, Sequence[Any]]:
    """Compile the rows with what they are grouped by, and no other column, so that an index may have them all."""
    selected = {f"key_{name}": key.value for name, key in grouping.keys.items()}
    if grouping.period:
        selected["time"] = F(grouping.time)
    columns = ["subject"] if grouping.truths else []
    return compile_rows(rows.order_by().annotate(**selected).values(*selected, *columns))
