"""Transfer: a snapshot's table into arrays, some rows at a time, and no Python object for what is no text.

Whatever has a fixed width travels in one binary COPY whose rows, without any null, are of one size: numpy reads them
as they are. Texts come by a COPY of their own. Anything else comes as Python's values.
"""

import io
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray

#: Bytes of the table, its texts included, that are read together.
CHUNK = 8 << 20
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
    """A column of texts; None for null."""

    sql: str
    dtype: str = "O"


@dataclass(frozen=True, kw_only=True)
class Other:
    """A column that is rarely met: its values are made in Python."""

    sql: str
    read: Callable[[Sequence[Any]], Array]
    dtype: str


Way = Fixed | Text | Other


@dataclass(frozen=True)
class ColumnType:
    """A column's type in PostgreSQL: its name, and for a numeric how many digits it may have (0: any)."""

    name: str
    digits: int = 0


def types(table: str) -> dict[str, ColumnType]:
    """Of each column of the table, by its name and in their order."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attname, typname, CASE WHEN atttypmod > 0 THEN atttypmod - 4 >> 16 ELSE 0 END "
            "FROM pg_attribute JOIN pg_type t ON t.oid = atttypid "
            "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
            [table],
        )
        return {name: ColumnType(type_, digits & 0xFFFF) for name, type_, digits in cursor.fetchall()}


def read(table: str, ways: dict[str, Way], rows: int, condition: str = "true") -> dict[str, Array]:
    """The rows of `table` that meet `condition`, at most `rows` of them, in the order of the table: `(n,)` each."""
    found = {name: np.empty(rows, dtype=way.dtype) for name, way in ways.items()}
    sources = [f"FROM {table} WHERE {blocks} AND {condition}" for blocks in _chunks(table)]
    read = 0
    with connection.cursor() as cursor:
        for fetched in _ahead(partial(_fetch, cursor, ways), sources):
            arrays = _fixed(ways, fetched.fixed) | _texts(ways, fetched.texts) | _others(ways, fetched.others)
            [size] = {len(values) for values in arrays.values()}
            for name, values in arrays.items():
                found[name][read : read + size] = values
            read += size
    return {name: values[:read] for name, values in found.items()}


def _ahead(fetch: Callable[[str], "_Fetched"], sources: Sequence[str]) -> Iterator["_Fetched"]:
    """What is fetched from each source, the next one while this one is looked at."""
    with ThreadPoolExecutor(1, thread_name_prefix="transfer") as thread:
        coming = [thread.submit(fetch, source) for source in sources[:1]]
        for place in range(len(sources)):
            fetched = coming.pop().result()
            coming = [thread.submit(fetch, source) for source in sources[place + 1 : place + 2]]
            yield fetched


@dataclass(frozen=True)
class _Fetched:
    """Rows as they have come: in binary, as text, and as Python's values."""

    fixed: io.BytesIO
    texts: io.BytesIO
    others: Sequence[Sequence[Any]]


def _fetch(cursor: Any, ways: dict[str, Way], source: str) -> _Fetched:
    """The cursor is one connection's, which nobody else uses meanwhile."""
    fixed, texts = io.BytesIO(), io.BytesIO()
    others: Sequence[Sequence[Any]] = ()
    if selected := _selected(ways, Fixed):
        cursor.copy_expert(f"COPY (SELECT {selected} {source}) TO STDOUT (FORMAT binary)", fixed)
    if selected := _selected(ways, Text):
        cursor.copy_expert(f"COPY (SELECT {selected} {source}) TO STDOUT", texts)
    if selected := _selected(ways, Other):
        cursor.execute(f"SELECT {selected} {source}")
        others = cursor.fetchall()
    return _Fetched(fixed, texts, others)


def _selected(ways: dict[str, Way], kind: type[Way]) -> str:
    return ", ".join(way.sql for way in ways.values() if isinstance(way, kind))


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


def _fixed(ways: dict[str, Way], data: io.BytesIO) -> dict[str, Array]:
    fixed = {name: way for name, way in ways.items() if isinstance(way, Fixed)}
    if not fixed:
        return {}
    wire: list[Any] = [("columns", ">i2")]
    for place, way in enumerate(fixed.values()):
        wire += [(f"size{place}", ">i4"), (f"value{place}", way.wire)]
    dtype, came = np.dtype(wire), data.getbuffer()
    rows = np.frombuffer(came, dtype, (len(came) - HEADER - TRAILER) // dtype.itemsize, HEADER)
    if HEADER + rows.nbytes + TRAILER != len(came) or (rows["columns"] != len(fixed)).any():
        raise AssertionError(f"The rows of {', '.join(fixed)} are not all of one size.")
    return {name: way.read(rows[f"value{place}"]) for place, (name, way) in enumerate(fixed.items())}


def _texts(ways: dict[str, Way], data: io.BytesIO) -> dict[str, Array]:
    texts = [name for name, way in ways.items() if isinstance(way, Text)]
    text = data.getvalue().decode()
    # Ends of lines and tabs within a text are escaped.
    cells: list[Any] = text.replace("\n", "\t").split("\t")[:-1]
    if "\\" in text:
        cells = [_unescaped(cell) if "\\" in cell else cell for cell in cells]
    return {name: _objects(cells[place :: len(texts)]) for place, name in enumerate(texts)}


def _objects(cells: Sequence[str | None]) -> Array:
    array = np.empty(len(cells), dtype=object)
    array[:] = cells
    return array


_ESCAPED = re.compile(r"\\(.)")
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def _unescaped(cell: str) -> str | None:
    if cell == r"\N":
        return None
    return _ESCAPED.sub(lambda found: _ESCAPES.get(found[1], found[1]), cell)


def _others(ways: dict[str, Way], rows: Sequence[Sequence[Any]]) -> dict[str, Array]:
    others = {name: way for name, way in ways.items() if isinstance(way, Other)}
    return {name: way.read([row[place] for row in rows]) for place, (name, way) in enumerate(others.items())}
