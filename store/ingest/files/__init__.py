"""Files of rows: detect their format and columns, and stream their rows as text with the lines where they begin."""

from collections.abc import Iterator
from pathlib import Path

from . import delimited, records
from .layout import Layout
from .names import field_names
from .opening import FileError, get_local_file, starts_with

__all__ = ["FileError", "Layout", "Row", "field_names", "read_rows", "sniff"]

#: The line where a row begins, and its cells as text; None: the cell is empty.
Row = tuple[int, list[str | None]]

PARQUET = b"PAR1"


def sniff(path: Path, *, no_header: bool = False) -> Layout:
    """Detect the layout of the file at `path`; `-` is the standard input.

    Args:
        no_header: True where the first line is a row; the columns are named `column_0`, `column_1`, ….

    Raises: FileError where the file cannot be read, is empty, or is compressed by another program than gzip.
    """
    path = get_local_file(Path(path))
    if starts_with(path, PARQUET):
        return records.read_parquet_layout(path)
    if starts_with(path, b"{") or path.name.lower().endswith(
        (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")
    ):
        return records.read_json_layout(path)
    return delimited.read_layout(path, no_header)


def read_rows(layout: Layout) -> Iterator[Row]:
    """Read the rows after the header, in bounded memory. Rows with too few or too many cells are not corrected.

    Raises: FileError with the line where the file contradicts its layout.
    """
    match layout.format:
        case "parquet":
            return records.read_parquet_rows(layout)
        case "jsonl":
            return records.read_json_rows(layout)
    return delimited.read_rows(layout)
