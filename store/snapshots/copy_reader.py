"""The COPY reader: reads a snapshot's table into arrays in chunks, without a Python object for each number.

Columns of fixed width share one binary COPY. Without nulls its rows are of equal size, so NumPy reads them in place.
Texts come by a COPY in text format; all other columns as Python values.
"""

import io
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from django.db import connection
from django.db.backends.utils import CursorWrapper
from numpy.typing import NDArray

from learning.encoding import MISSING

#: Bytes of the table, its TOAST included, in one chunk.
CHUNK_BYTES = 8 << 20
#: Bytes before and after the rows of a binary COPY.
HEADER_BYTES, TRAILER_BYTES = 19, 2

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class FixedWidthCodec:
    """A column whose values have equal size."""

    #: A SQL expression that is never null.
    sql: str
    #: Its NumPy type in a binary COPY.
    wire: str
    #: Decodes an array of shape (n,) of the wire type to one of `dtype`.
    read: Callable[[Array], Array]
    dtype: str = "f8"


@dataclass(frozen=True, kw_only=True)
class TextCodec:
    """A column of texts, with None for null."""

    sql: str
    dtype: str = "O"


@dataclass(frozen=True, kw_only=True)
class LevelCodec(TextCodec):
    """A column of texts that repeat: their codes, in the order in which they are read; MISSING for null."""

    dtype: str = "i4"
    #: Code of each text that was read.
    codes: dict[str, int] = field(default_factory=dict)

    def encode(self, cells: Sequence[str | None]) -> Array:
        """Encode texts: `(n,)`. A new one is the next level."""
        codes = self.codes
        return np.fromiter(
            (MISSING if cell is None else codes.setdefault(cell, len(codes)) for cell in cells),
            dtype=np.int32,
            count=len(cells),
        )


@dataclass(frozen=True, kw_only=True)
class PythonCodec:
    """A column of a rare type, decoded from Python values."""

    sql: str
    read: Callable[[Sequence[Any]], Array]
    dtype: str


ColumnCodec = FixedWidthCodec | TextCodec | PythonCodec


@dataclass(frozen=True)
class ColumnType:
    """A column's type in PostgreSQL: its name, and the precision of a numeric in digits (0: any)."""

    name: str
    digits: int = 0


def get_column_types(table: str) -> dict[str, ColumnType]:
    """Get the types of the table's columns by name, in their order."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attname, typname, CASE WHEN atttypmod > 0 THEN atttypmod - 4 >> 16 ELSE 0 END "
            "FROM pg_attribute JOIN pg_type t ON t.oid = atttypid "
            "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
            [table],
        )
        return {name: ColumnType(type_, digits & 0xFFFF) for name, type_, digits in cursor.fetchall()}


def read_table(
    table: str, codecs: dict[str, ColumnCodec], rows: int, condition: str = "true"
) -> dict[str, Array]:
    """Read rows of a table into arrays, in the order of the table.

    Args:
        codecs: the codec of each column to read.
        rows: an upper bound of the number of rows, for which the arrays are allocated.
        condition: SQL that the rows must meet.

    Returns: arrays of shape (n,), by column name.
    """
    arrays = {name: np.empty(rows, dtype=codec.dtype) for name, codec in codecs.items()}
    sources = [f"FROM {table} WHERE {blocks} AND {condition}" for blocks in _chunks(table)]
    n = 0
    with connection.cursor() as cursor:
        for fetched in _prefetch(partial(_fetch, cursor, codecs), sources):
            chunk = (
                _decode_fixed(codecs, fetched.fixed)
                | _decode_texts(codecs, fetched.texts)
                | _decode_others(codecs, fetched.others)
            )
            [size] = {len(values) for values in chunk.values()}
            for name, values in chunk.items():
                arrays[name][n : n + size] = values
            n += size
    return {name: values[:n] for name, values in arrays.items()}


def _prefetch(fetch: Callable[[str], "_Fetched"], sources: Sequence[str]) -> Iterator["_Fetched"]:
    """Fetch each source in order; fetch the next one while the caller decodes this one."""
    with ThreadPoolExecutor(1, thread_name_prefix="copy-reader") as thread:
        pending = [thread.submit(fetch, source) for source in sources[:1]]
        for place in range(len(sources)):
            fetched = pending.pop().result()
            pending = [thread.submit(fetch, source) for source in sources[place + 1 : place + 2]]
            yield fetched


@dataclass(frozen=True)
class _Fetched:
    """One chunk as it was received: binary, text, and Python values."""

    fixed: io.BytesIO
    texts: io.BytesIO
    others: Sequence[Sequence[Any]]


def _fetch(cursor: CursorWrapper, codecs: dict[str, ColumnCodec], source: str) -> _Fetched:
    """Fetch one chunk. Runs on another thread, so the caller must not use the cursor's connection meanwhile."""
    fixed, texts = io.BytesIO(), io.BytesIO()
    others: Sequence[Sequence[Any]] = ()
    if selected := _select(codecs, FixedWidthCodec):
        cursor.copy_expert(f"COPY (SELECT {selected} {source}) TO STDOUT (FORMAT binary)", fixed)
    if selected := _select(codecs, TextCodec):
        cursor.copy_expert(f"COPY (SELECT {selected} {source}) TO STDOUT", texts)
    if selected := _select(codecs, PythonCodec):
        cursor.execute(f"SELECT {selected} {source}")
        others = cursor.fetchall()
    return _Fetched(fixed, texts, others)


def _select(codecs: dict[str, ColumnCodec], kind: type[ColumnCodec]) -> str:
    return ", ".join(codec.sql for codec in codecs.values() if isinstance(codec, kind))


def _chunks(table: str) -> Iterator[str]:
    """Yield SQL conditions that each select a range of the table's blocks."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_relation_size(%s), pg_table_size(%s), current_setting('block_size')::bigint",
            [table, table],
        )
        size, total_size, block_size = cursor.fetchone()
    blocks = size // block_size
    step = max(1, blocks * CHUNK_BYTES // max(total_size, 1))
    for start in range(0, blocks, step):
        yield f"ctid >= '({start},0)' AND ctid < '({start + step},0)'"


def _decode_fixed(codecs: dict[str, ColumnCodec], data: io.BytesIO) -> dict[str, Array]:
    fixed = {name: codec for name, codec in codecs.items() if isinstance(codec, FixedWidthCodec)}
    if not fixed:
        return {}
    wire: list[Any] = [("columns", ">i2")]
    for position, codec in enumerate(fixed.values()):
        wire += [(f"size{position}", ">i4"), (f"value{position}", codec.wire)]
    dtype, buffer = np.dtype(wire), data.getbuffer()
    n = (len(buffer) - HEADER_BYTES - TRAILER_BYTES) // dtype.itemsize
    rows = np.frombuffer(buffer, dtype, n, HEADER_BYTES)
    if HEADER_BYTES + rows.nbytes + TRAILER_BYTES != len(buffer) or (rows["columns"] != len(fixed)).any():
        raise AssertionError(f"The rows of {', '.join(fixed)} differ in size.")
    return {name: codec.read(rows[f"value{i}"]) for i, (name, codec) in enumerate(fixed.items())}


def _decode_texts(codecs: dict[str, ColumnCodec], data: io.BytesIO) -> dict[str, Array]:
    names = [name for name, codec in codecs.items() if isinstance(codec, TextCodec)]
    text = data.getvalue().decode()
    # Line breaks and tabs within a text are escaped.
    cells: list[Any] = text.replace("\n", "\t").split("\t")[:-1]
    if "\\" in text:
        cells = [_unescape(cell) if "\\" in cell else cell for cell in cells]
    return {name: _decode_text(codecs[name], cells[i :: len(names)]) for i, name in enumerate(names)}


def _decode_text(codec: ColumnCodec, cells: Sequence[str | None]) -> Array:
    return codec.encode(cells) if isinstance(codec, LevelCodec) else _object_array(cells)


def _object_array(cells: Sequence[str | None]) -> Array:
    array = np.empty(len(cells), dtype=object)
    array[:] = cells
    return array


_ESCAPED = re.compile(r"\\(.)")
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def _unescape(cell: str) -> str | None:
    if cell == r"\N":
        return None
    return _ESCAPED.sub(lambda match: _ESCAPES.get(match[1], match[1]), cell)


def _decode_others(codecs: dict[str, ColumnCodec], rows: Sequence[Sequence[Any]]) -> dict[str, Array]:
    others = {name: codec for name, codec in codecs.items() if isinstance(codec, PythonCodec)}
    return {name: codec.read([row[i] for row in rows]) for i, (name, codec) in enumerate(others.items())}
