"""Files of rows: detect their format and columns, and stream their rows as text with the lines where they begin."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from . import delimited, records, workbooks
from .layout import Layout
from .names import field_names
from .opening import FileError, Position, get_local_file, is_workbook, starts_with

__all__ = ["FileError", "Layout", "Position", "Row", "field_names", "read_rows", "sniff", "sniff_all"]

#: The line where a row begins, and its cells as text; None: the cell is empty.
Row = tuple[int, list[str | None]]

PARQUET = b"PAR1"
JSON_LINES = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")


def sniff_all(paths: Sequence[Path], sheets: Sequence[str] = (), *, no_header: bool = False) -> list[Layout]:
    """Detect the layouts of several files; of a workbook, those of its sheets that are named.

    Args:
        sheets: names of sheets; a workbook that has none of them, or without names, is read at its first sheet.

    Raises: FileError, also where no workbook has a named sheet.
    """
    layouts = []
    all_sheets: list[str] = []
    for path in map(get_local_file, map(Path, paths)):
        names = workbooks.list_sheets(path) if is_workbook(path) else []
        all_sheets += names
        wanted: list[str | None] = [name for name in sheets if name in names]
        layouts += [sniff(path, no_header=no_header, sheet=name) for name in wanted or [None]]
    if unknown := [name for name in sheets if name not in all_sheets]:
        there = f"there are {', '.join(all_sheets)}" if all_sheets else "no file is a workbook"
        raise FileError(f"No sheet is called {unknown[0]!r}: {there}.")
    return layouts


def sniff(path: Path, *, no_header: bool = False, sheet: str | None = None) -> Layout:
    """Detect the layout of the file at `path`; `-` is the standard input.

    Args:
        no_header: True where the first line is a row; the columns are named `column_0`, `column_1`, ….
        sheet: the sheet of a workbook; None: the first one with cells.

    Raises: FileError where the file cannot be read, is empty, or is compressed by another program than gzip.
    """
    path = get_local_file(Path(path))
    if is_workbook(path):
        return workbooks.read_layout(path, no_header, sheet)
    if starts_with(path, PARQUET):
        return records.read_parquet_layout(path)
    if path.name.lower().endswith(JSON_LINES) or starts_with(path, b"{"):
        return records.read_json_layout(path, "jsonl" if records.is_json_lines(path) else "json")
    if starts_with(path, b"["):
        return _sniff_array(path, no_header)
    return delimited.read_layout(path, no_header)


def _sniff_array(path: Path, no_header: bool) -> Layout:
    """Detect the layout of a file that begins with a bracket: JSON, or a title that does."""
    if path.name.lower().endswith((".json", ".json.gz")) or records.is_json_array(path):
        return records.read_json_layout(path, "json")
    return delimited.read_layout(path, no_header)


def read_rows(layout: Layout, position: Position | None = None) -> Iterator[Row]:
    """Read the rows after the header, in bounded memory. Rows with too few or too many cells are not corrected.

    Args:
        position: told how far the file was read, where its bytes are read one after another.

    Raises: FileError with the line where the file contradicts its layout.
    """
    match layout.format:
        case "parquet":
            return records.read_parquet_rows(layout)
        case "jsonl" | "json":
            return records.read_json_rows(layout, position)
        case "workbook":
            return workbooks.read_rows(layout)
    return delimited.read_rows(layout, position)
