"""Transfer: a snapshot's table into arrays, some rows at a time, and no Python object for what is no text.

Whatever has a fixed width travels in one binary COPY whose rows, without any null, are of one size: numpy reads them
as they are. Texts come by a COPY of their own, one column at a time. Anything else comes as Python's values.
"""

import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray

#: Bytes of the table, its texts included, that are read together.
CHUNK = 16 << 20
#: In front of the rows of a binary COPY, and behind them.
HEADER, TRAILER = 19, 2

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Fixed:
    """A column whose values are all of one size."""

    #: An expression that is never null.
    sql: str
    #: The type that it has in a binary COPY, as numpy calls it.
    wire: str
    #: From `(n,)` of it to `(n,)` of `dtype`.
    read: Callable[[Array], Array]
    dtype: str = "f8"


@dataclass(frozen=True, kw_only=True)
class Text:
    """A column of texts, as text or, to be sorted by, as bytes in UTF-8; None for null."""

    sql: str
    encoded: bool = False
    dtype: str = "O"


@dataclass(frozen=True, kw_only=True)
class Other:
    """A column that is rarely met: its values are made in Python."""

    sql: str
    read: Callable[[Sequence[Any]], Array]
    dtype: str


Way = Fixed | Text | Other


@dataclass(frozen=True)
class Type:
    """A column's type in PostgreSQL: its name, and for a numeric how many digits it may have (0: any)."""

    name: str
    digits: int = 0


def types(table: str) -> dict[str, Type]:
    """Of each column of the table, by its name and in their order."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attname, typname, CASE WHEN atttypmod > 0 THEN atttypmod - 4 >> 16 ELSE 0 END "
            "FROM pg_attribute JOIN pg_type t ON t.oid = atttypid "
            "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
            [table],
        )
        return {name: Type(type_, digits & 0xFFFF) for name, type_, digits in cursor.fetchall()}


def read(table: str, ways: dict[str, Way], rows: int, condition: str = "true") -> dict[str, Array]:
    """The rows of `table` that meet `condition`, at most `rows` of them, in the order of the table: `(n,)` each."""
    found = {name: np.empty(rows, dtype=way.dtype) for name, way in ways.items()}
    read = 0
    for blocks in _chunks(table):
        source = f"FROM {table} WHERE {blocks} AND {condition}"
        chunk = _fixed(ways, source) | _texts(ways, source) | _others(ways, source)
        [size] = {len(values) for values in chunk.values()}
        for name, values in chunk.items():
            found[name][read : read + size] = values
        read += size
    return {name: values[:read] for name, values in found.items()}


def _chunks(table: str) -> Iterator[str]:
    """Conditions that take the table's blocks a few at a time."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_relation_size(%s), pg_table_size(%s), current_setting('block_size')::bigint",
            [table, table],
        )
        size, whole, block = cursor.fetchone()
    blocks = size // block
    step = max(1, blocks * CHUNK // max(whole, 1))
    for start in range(0, blocks, step):
        yield f"ctid >= '({start},0)' AND ctid < '({start + step},0)'"


def _copied(selected: str, source: str, options: str) -> io.BytesIO:
    buffer = io.BytesIO()
    with connection.cursor() as cursor:
        cursor.copy_expert(f"COPY (SELECT {selected} {source}) TO STDOUT {options}", buffer)
    return buffer


def _fixed(ways: dict[str, Way], source: str) -> dict[str, Array]:
    fixed = {name: way for name, way in ways.items() if isinstance(way, Fixed)}
    if not fixed:
        return {}
    data = _copied(", ".join(way.sql for way in fixed.values()), source, "(FORMAT binary)").getbuffer()
    wire: list[Any] = [("columns", ">i2")]
    for place, way in enumerate(fixed.values()):
        wire += [(f"size{place}", ">i4"), (f"value{place}", way.wire)]
    dtype = np.dtype(wire)
    rows = np.frombuffer(data, dtype, (len(data) - HEADER - TRAILER) // dtype.itemsize, HEADER)
    sizes = all((rows[f"size{p}"] == dtype[f"value{p}"].itemsize).all() for p in range(len(fixed)))
    if HEADER + rows.nbytes + TRAILER != len(data) or not sizes:
        raise AssertionError(f"The rows {source} are not all of one size.")
    return {name: way.read(rows[f"value{place}"]) for place, (name, way) in enumerate(fixed.items())}


def _texts(ways: dict[str, Way], source: str) -> dict[str, Array]:
    texts = {name: way for name, way in ways.items() if isinstance(way, Text)}
    return {name: _cells(_copied(way.sql, source, "").getvalue(), way.encoded) for name, way in texts.items()}


def _cells(data: bytes, encoded: bool) -> Array:
    """The lines of a COPY in text format as an array of objects."""
    lines: list[Any]
    if b"\\" in data:
        lines = [_unescaped(line) if "\\" in line else line for line in data.decode().split("\n")]
        lines = [line.encode() if line is not None and encoded else line for line in lines]
    else:
        lines = data.split(b"\n") if encoded else data.decode().split("\n")
    cells = np.empty(len(lines) - 1, dtype=object)
    cells[:] = lines[:-1]
    return cells


_ESCAPED = re.compile(r"\\(.)")
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def _unescaped(line: str) -> str | None:
    if line == r"\N":
        return None
    return _ESCAPED.sub(lambda found: _ESCAPES.get(found[1], found[1]), line)


def _others(ways: dict[str, Way], source: str) -> dict[str, Array]:
    found = {}
    for name, way in ways.items():
        if isinstance(way, Other):
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT {way.sql} {source}")
                found[name] = way.read([value for (value,) in cursor.fetchall()])
    return found
