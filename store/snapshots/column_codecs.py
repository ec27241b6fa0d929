"""Ways: how each type of column travels, and what becomes of it: just what `learning.columns.frame` makes of its
values.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import numpy as np
from django.db import connection

from learning import columns
from learning.columns import MISSING, Column, Kind

from .copy_reader import Array, ColumnType, Fixed, Other, Text, Way

FLOATS = ("int2", "int4", "int8", "float8")
TIMES = ("timestamptz", "timestamp")
TEXTS = ("text", "varchar")

#: Whole days, and microseconds, from 1970 to 2000, where PostgreSQL counts from.
DAYS, MICROSECONDS = 10_957, 946_684_800_000_000
#: Before all times that Python knows, and days from it to 2000: stands for null.
EARLIEST = "4714-11-24 00:00:00+00 BC"
EARLIEST_DAY = -2_451_545
#: The seed of the hashes that categories travel as.
SEED = 0
#: Travels instead of a hash where there is no value.
NOTHING = 0
#: Digits of a numeric that float64 always has room for.
MOST_DIGITS = 300
#: What is too large for float64 is NaN there, and what is too small is 0; PostgreSQL would refuse to convert it.
FINITE = (
    "CASE WHEN abs({0}) > 1.7976931348623157e308 THEN 'NaN' "
    "WHEN abs({0}) < 2.4703282292062328e-324 THEN 0 ELSE {0} END"
)


def feature(column: Column, sql: str, type_: ColumnType) -> Way:
    """The way of a feature to what `learning.columns.frame` makes of its values."""
    name = type_.name
    match column.kind:
        case Kind.CATEGORY if name in (*TEXTS, "bool", "int2", "int4", "int8"):
            return coded(column.choices, sql, type_)
        case Kind.TEXT if name in TEXTS:
            return Text(sql=sql)
        case Kind.DATE | Kind.DATETIME if name == "date" or name in TIMES:
            return time(sql, type_)
        case Kind.NUMBER | Kind.INTEGER | Kind.BOOLEAN if name in (*FLOATS, "bool", "numeric"):
            return number(sql, type_)
    return _python(column, sql)


def number(sql: str, type_: ColumnType) -> Fixed:
    """Of what is a number, or yes or no, as float64, bounded, NaN for null."""
    if type_.name == "bool":
        return Fixed(sql=f"COALESCE({sql}::int4, -1)", wire=">i4", read=_yes_or_no)
    if type_.name == "numeric" and not 0 < type_.digits <= MOST_DIGITS:
        sql = FINITE.format(sql)
    return Fixed(sql=f"COALESCE({sql}::float8, 'NaN')", wire=">f8", read=_number)


def _number(values: Array) -> Array:
    return columns.bounded(values.astype(np.float64))


def _yes_or_no(values: Array) -> Array:
    return np.where(values < 0, np.nan, values)


def time(sql: str, type_: ColumnType) -> Fixed:
    """As days since 1970-01-01 (UTC), NaN for null."""
    if type_.name == "date":
        return Fixed(sql=f"COALESCE({sql}, '{EARLIEST}'::date)", wire=">i4", read=_days)
    return Fixed(sql=f"COALESCE({sql}, '{EARLIEST}'::{type_.name})", wire=">i8", read=_moments)


def _days(values: Array) -> Array:
    found = values.astype(np.float64) + DAYS
    return _ends(values, found, date.min, date.max)


def _moments(values: Array) -> Array:
    whole = values.astype(np.int64)
    last = np.iinfo(np.int64)
    found = columns.days_of(np.where((whole == last.min) | (whole == last.max), 0, whole) + MICROSECONDS)
    return _ends(values, found, datetime.min, datetime.max)


def _ends(values: Array, found: Array, first: date, last: date) -> Array:
    """Infinities are Python's first and last, as psycopg2 has it; the earliest time is none."""
    range_ = np.iinfo(values.dtype)
    found[values == range_.max] = columns.days(last)
    found[values == range_.min] = columns.days(first)
    found[values == EARLIEST_DAY * (1 if range_.bits == 32 else 86_400_000_000)] = np.nan
    return found


def label(sql: str) -> Fixed:
    """Of a text that is a number, as float64 as it is, NaN for null."""
    return Fixed(sql=f"COALESCE({sql}::float8, 'NaN')", wire=">f8", read=_native)


def group(sql: str) -> Fixed:
    """As the 64-bit hash of the text, `NOTHING` for null."""
    return Fixed(sql=_hashed(sql), wire=">i8", read=_native, dtype="i8")


def _native(values: Array) -> Array:
    return values


def coded(choices: Sequence[str], sql: str, type_: ColumnType | None = None) -> Fixed:
    """As positions in `choices`, `MISSING` for null and for what is none of them.

    Values travel as 64 bits of hash: that a value which is no choice has the hash of one is as likely as nothing.
    """
    if type_ and type_.name == "bool":
        sql = f"CASE {sql} WHEN true THEN 'True' WHEN false THEN 'False' END"
    hashes, codes = _hashes(choices)

    def read(values: Array) -> Array:
        found = values.astype(np.int64)
        places = np.searchsorted(hashes, found).clip(max=len(hashes) - 1)
        return np.where(hashes[places] == found, codes[places], MISSING)

    return Fixed(sql=_hashed(sql), wire=">i8", read=read, dtype="i4")


def _hashed(sql: str) -> str:
    return f"""COALESCE(hashtextextended(({sql})::text COLLATE "C", {SEED}), {NOTHING})"""


def _hashes(choices: Sequence[str]) -> tuple[Array, Array]:
    """The choices' hashes, sorted, and which choice each of them is."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT hashtextextended(choice COLLATE "C", {SEED}) FROM unnest(%s::text[]) WITH ORDINALITY
                AS c(choice, place) ORDER BY place""",
            [list(choices)],
        )
        hashes = np.array([hashed for (hashed,) in cursor.fetchall()], dtype=np.int64)
    if not choices:
        return np.array([NOTHING]), np.array([MISSING])
    order = np.argsort(hashes)
    return hashes[order], order.astype(np.int32)


def _python(column: Column, sql: str) -> Other:
    def read(cells: Sequence[Any]) -> Array:
        series = columns.frame([column], [(cell,) for cell in cells])[column.name]
        return np.asarray(series.cat.codes if column.kind is Kind.CATEGORY else series)

    dtype = {Kind.CATEGORY: "i4", Kind.TEXT: "O"}.get(column.kind, "f8")
    return Other(sql=sql, read=read, dtype=dtype)
