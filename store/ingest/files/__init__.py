"""What a file holds: its format, its columns, and its rows as text, streamed with their lines."""

from collections.abc import Iterator
from pathlib import Path

from . import delimited, records
from .layout import Layout
from .names import field_names
from .opening import FileError, at_hand, starts_with

__all__ = ["FileError", "Layout", "Row", "field_names", "rows", "sniff"]

#: The line where a row begins, and its cells as text; None: nothing is there.
Row = tuple[int, list[str | None]]

PARQUET = b"PAR1"


def sniff(path: Path, *, no_header: bool = False) -> Layout:
    """How the file at `path` is written; `-` is the standard input. With `no_header` the columns are `column_0`, ….

    Raises FileError with one sentence where it cannot be read, is empty, or is packed otherwise than by gzip.
    """
    path = at_hand(Path(path))
    if starts_with(path, PARQUET):
        return records.parquet_layout(path)
    if starts_with(path, b"{") or path.name.lower().endswith(
        (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")
    ):
        return records.json_layout(path)
    return delimited.layout(path, no_header)


def rows(layout: Layout) -> Iterator[Row]:
    """The rows behind the header, in bounded memory; a row with too few or too many cells comes as it is.

    Raises FileError with the line where the file contradicts its layout.
    """
    match layout.format:
        case "parquet":
            return records.parquet_rows(layout)
        case "jsonl":
            return records.json_rows(layout)
    return delimited.rows(layout)
