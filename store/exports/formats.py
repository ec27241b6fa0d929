"""Formats of exports: the COPY that renders the rows, and what is made of them in this process."""

import io
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias

from django.db import connection

from learning.lazy_imports import LazyModule

from ..exceptions import Unavailable
from .relations import ExportColumn, ExportRelation

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import csv as pa_csv
    from pyarrow import parquet as pa_parquet
else:
    pa, pa_csv, pa_parquet = map(LazyModule, ("pyarrow", "pyarrow.csv", "pyarrow.parquet"))

#: Takes a part of the file; it may wait until there is room for it.
Send: TypeAlias = Callable[[bytes], None]

#: Bytes that are sent at once.
CHUNK_BYTES = 256 * 1024
#: Rows, and bytes of CSV, of a row group of Parquet, at most.
GROUP_ROWS, GROUP_BYTES = 50_000, 8 * 1024 * 1024
#: With what a spreadsheet begins a formula.
FORMULA = r"^[-=+@\t\r]"
#: CSV whose quotes and delimiters are in no JSON: each row is the text of its one column.
LINES = r"FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02'"


class Writer(Protocol):
    """Makes a file of the rows that COPY renders."""

    def write(self, row: bytes) -> object:
        """Take one row."""

    def close(self) -> None:
        """Send what is left."""


class Joiner:
    """Joins rows to chunks."""

    def __init__(self, send: Send):
        self.send = send
        self.rows: list[bytes] = []
        self.size = 0

    def write(self, row: bytes) -> None:
        self.rows.append(row)
        self.size += len(row)
        if self.size >= CHUNK_BYTES:
            self.flush()

    def flush(self) -> None:
        """Send what has come."""
        chunk, self.rows, self.size = b"".join(self.rows), [], 0
        self.send(chunk)

    def close(self) -> None:
        if self.rows:
            self.flush()


class Format:
    """A format of files."""

    media_type: ClassVar[str]

    def statement(self, relation: ExportRelation, escapes_formulas: bool) -> str:
        """Build the COPY of a relation."""
        raise NotImplementedError

    def writer(self, relation: ExportRelation, send: Send) -> Writer:
        """Make what takes the rows. Raises Unavailable."""
        return Joiner(send)


class Csv(Format):
    """CSV as RFC 4180 has it, but for line ends of one character."""

    media_type = "text/csv; charset=utf-8; header=present"

    def statement(self, relation: ExportRelation, escapes_formulas: bool) -> str:
        columns = ", ".join(
            f"{_without_formulas(column) if escapes_formulas else column.text} AS {_quoted(column)}"
            for column in relation.columns
        )
        return f"COPY (SELECT {columns} FROM {relation.source}) TO STDOUT (FORMAT csv, HEADER)"


class JsonLines(Format):
    """An object of JSON in each line."""

    media_type = "application/jsonl; charset=utf-8"

    def statement(self, relation: ExportRelation, escapes_formulas: bool) -> str:
        columns = ", ".join(
            f"{column.json or column.text} AS {_quoted(column)}" for column in relation.columns
        )
        rows = f"SELECT row_to_json(x) FROM (SELECT {columns} FROM {relation.source}) x"
        return f"COPY ({rows}) TO STDOUT ({LINES})"


class Parquet(Format):
    """Parquet by pyarrow, a row group at a time."""

    media_type = "application/vnd.apache.parquet"

    def statement(self, relation: ExportRelation, escapes_formulas: bool) -> str:
        return f"COPY ({_select_typed(relation)}) TO STDOUT (FORMAT csv)"

    def writer(self, relation: ExportRelation, send: Send) -> Writer:
        if find_spec("pyarrow") is None:
            raise Unavailable(
                "This server writes no Parquet: its administrator has to install pyarrow. Ask for csv or jsonl."
            )
        return ParquetWriter(_find_types(relation), send)


#: Formats by the ends of files' names.
FORMATS: dict[str, Format] = {"csv": Csv(), "jsonl": JsonLines(), "parquet": Parquet()}


class ParquetWriter:
    """Collects rows of CSV, and writes each group of them."""

    def __init__(self, types: "dict[str, pa.DataType]", send: Send):
        self.types = types
        self.sink = Sink(send)
        self.file = pa_parquet.ParquetWriter(pa.PythonFile(self.sink, "w"), pa.schema(list(types.items())))
        self.rows: list[bytes] = []
        self.size = 0

    def write(self, row: bytes) -> None:
        self.rows.append(row)
        self.size += len(row)
        if len(self.rows) >= GROUP_ROWS or self.size >= GROUP_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write the rows as a group."""
        text, self.rows, self.size = io.BytesIO(b"".join(self.rows)), [], 0
        table = pa_csv.read_csv(
            text,
            read_options=pa_csv.ReadOptions(column_names=list(self.types), use_threads=False),
            parse_options=pa_csv.ParseOptions(newlines_in_values=True),
            convert_options=pa_csv.ConvertOptions(
                column_types=self.types,
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                true_values=["t"],
                false_values=["f"],
            ),
        )
        self.file.write_table(table)

    def close(self) -> None:
        if self.rows:
            self.flush()
        self.file.close()
        self.sink.joiner.close()


class Sink(io.RawIOBase):
    """A file whose bytes are sent."""

    def __init__(self, send: Send):
        self.joiner = Joiner(send)
        self.position = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        chunk = bytes(data)
        self.position += len(chunk)
        self.joiner.write(chunk)
        return len(chunk)

    def tell(self) -> int:
        return self.position


def _select_typed(relation: ExportRelation) -> str:
    columns = ", ".join(f"{column.typed or column.text} AS {_quoted(column)}" for column in relation.columns)
    return f"SELECT {columns} FROM {relation.source}"


def _find_types(relation: ExportRelation) -> "dict[str, pa.DataType]":
    """Find the columns' types of Arrow by those of PostgreSQL; what has none is a text."""
    by_name = {
        "bool": pa.bool_(),
        "int2": pa.int16(),
        "int4": pa.int32(),
        "int8": pa.int64(),
        "float4": pa.float32(),
        "float8": pa.float64(),
        "date": pa.date32(),
        "timestamptz": pa.timestamp("us", "UTC"),
    }
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM ({_select_typed(relation)}) typed LIMIT 0")
        oids = {column.name: column.type_code for column in cursor.description}
        cursor.execute("SELECT oid::bigint, typname FROM pg_type WHERE oid = ANY(%s)", [list(oids.values())])
        names = dict(cursor.fetchall())
    return {name: by_name.get(names.get(oid, ""), pa.string()) for name, oid in oids.items()}


def _without_formulas(column: ExportColumn) -> str:
    """Build the SQL of a text that no spreadsheet takes for a formula: an apostrophe comes before it."""
    if not column.is_free_text:
        return column.text
    text = f"({column.text})::text"
    return f"CASE WHEN {text} ~ E'{FORMULA}' THEN '''' || {text} ELSE {text} END"


def _quoted(column: ExportColumn) -> str:
    return str(connection.ops.quote_name(column.name))
