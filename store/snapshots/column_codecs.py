"""Column codecs: the way by which a snapshot's column travels, to just what `learning.columns.frame` makes of it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from django.db import connection

from learning.columns import Column
from learning.encoding import MISSING
from learning.kinds import BinaryCopy, Kind, OtherCopy

from .copy_reader import Array, ColumnType, Fixed, Other, Text, Way

#: The seed of the hashes that categories travel as.
SEED = 0
#: Travels instead of a hash where there is no value.
NOTHING = 0


def feature(column: Column, sql: str, type_: ColumnType) -> Way:
    """The way of a feature to what `learning.columns.frame` makes of its values."""
    match column.kind.copy(type_.name, type_.digits):
        case BinaryCopy() as binary:
            return _fixed(binary, sql)
        case OtherCopy.TEXT:
            return Text(sql=sql)
        case OtherCopy.HASH:
            return coded(column.choices, sql, type_)
    return _python(column, sql)


def time(sql: str, type_: ColumnType) -> Way:
    """The way of an event's time: days since 1970-01-01 (UTC), NaN for null."""
    return feature(Column(name="time", kind=Kind.DATETIME), sql, type_)


def _fixed(binary: BinaryCopy, sql: str) -> Fixed:
    return Fixed(sql=binary.sql.format(sql), wire=binary.wire, read=binary.read)


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
        return column.kind.encode_cells(column.choices, cells)

    return Other(sql=sql, read=read, dtype=column.kind.dtype)
