"""Column codecs: read a snapshot's column to exactly the array that `learning.columns.frame` builds from values."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from django.db import connection

from learning.columns import Column
from learning.encoding import MISSING
from learning.kinds import BinaryCopy, Kind, OtherCopy

from .copy_reader import Array, ColumnCodec, ColumnType, FixedWidthCodec, LevelCodec, PythonCodec, TextCodec

#: The seed of the hashes by which categories are read.
HASH_SEED = 0
#: The hash of null.
NULL_HASH = 0


def feature_codec(column: Column, sql: str, type_: ColumnType) -> ColumnCodec:
    """Get the codec of a feature."""
    match column.kind.copy(type_.name, type_.digits):
        case BinaryCopy() as binary:
            return _fixed(binary, sql)
        case OtherCopy.TEXT:
            return TextCodec(sql=sql)
        case OtherCopy.LEVELS:
            return LevelCodec(sql=sql)
        case OtherCopy.HASH:
            return category_codec(column.choices, sql, type_)
    return _python(column, sql)


def time_codec(sql: str, type_: ColumnType) -> ColumnCodec:
    """Get the codec of an event's time: days since 1970-01-01 (UTC), NaN for null."""
    return feature_codec(Column(name="time", kind=Kind.DATETIME), sql, type_)


def _fixed(binary: BinaryCopy, sql: str) -> FixedWidthCodec:
    return FixedWidthCodec(sql=binary.sql.format(sql), wire=binary.wire, read=binary.read)


def label_codec(sql: str) -> FixedWidthCodec:
    """Get the codec of a numeric label, stored as text: float64, NaN for null."""
    return FixedWidthCodec(sql=f"COALESCE({sql}::float8, 'NaN')", wire=">f8", read=_native)


def group_codec(sql: str) -> FixedWidthCodec:
    """Get the codec of a group: the 64-bit hash of its text, `NULL_HASH` for null."""
    return FixedWidthCodec(sql=_hash_sql(sql), wire=">i8", read=_native, dtype="i8")


def _native(values: Array) -> Array:
    return values


def category_codec(choices: Sequence[str], sql: str, type_: ColumnType | None = None) -> FixedWidthCodec:
    """Get the codec of a category: positions in `choices`, `MISSING` for null and for other values.

    Values are read as 64-bit hashes; a collision of another value with a choice is negligible.
    """
    if type_ and type_.name == "bool":
        sql = boolean_text(sql)
    hashes, codes = _hash_choices(choices)

    def read(values: Array) -> Array:
        read_hashes = values.astype(np.int64)
        positions = np.searchsorted(hashes, read_hashes).clip(max=len(hashes) - 1)
        return np.where(hashes[positions] == read_hashes, codes[positions], MISSING)

    return FixedWidthCodec(sql=_hash_sql(sql), wire=">i8", read=read, dtype="i4")


def boolean_text(sql: str) -> str:
    """Get the SQL of a boolean as the text of its choice."""
    return f"CASE {sql} WHEN true THEN 'True' WHEN false THEN 'False' END"


def _hash_sql(sql: str) -> str:
    return f"""COALESCE(hashtextextended(({sql})::text COLLATE "C", {HASH_SEED}), {NULL_HASH})"""


def _hash_choices(choices: Sequence[str]) -> tuple[Array, Array]:
    """Hash the choices. Returns: the sorted hashes, and the position of the choice of each."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT hashtextextended(choice COLLATE "C", {HASH_SEED}) FROM unnest(%s::text[]) WITH ORDINALITY
                AS c(choice, position) ORDER BY position""",
            [list(choices)],
        )
        hashes = np.array([value for (value,) in cursor.fetchall()], dtype=np.int64)
    if not choices:
        return np.array([NULL_HASH]), np.array([MISSING])
    order = np.argsort(hashes)
    return hashes[order], order.astype(np.int32)


def _python(column: Column, sql: str) -> PythonCodec:
    def read(cells: Sequence[Any]) -> Array:
        return column.kind.encode_cells(column.choices, cells)

    return PythonCodec(sql=sql, read=read, dtype=column.kind.dtype)
