"""Delimited files: CSV, TSV and similar formats."""

import codecs
import csv
import io
import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path

from .dialects import SAMPLE_BYTES, SAMPLE_ROWS, Dialect, detect_dialect
from .layout import Layout
from .opening import UNREADABLE, FileError, Position, open_bytes, read_start

#: Bytes after the first non-ASCII byte by which the encoding is detected.
ENCODING_SAMPLE_BYTES = 1 << 20

#: The remark about a file whose quotes quote nothing.
UNPAIRED = "its quotes do not pair, so they are read as characters of the text."
BOMS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
#: Bytes that Windows-1252 does not define: text with one of them is Latin-1.
NOT_WINDOWS = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")

#: 0,5 and 1.234,5 against 0.5 and 1,234.5; an ambiguous number, as 1,234, counts for neither.
COMMA = re.compile(r"[+-]?(0,\d+|\d+,(\d{1,2}|\d{4,})|\d{4,},\d+|\d{1,3}(\.\d{3})+,\d+)")
POINT = re.compile(r"[+-]?(0?\.\d+|\d+\.(\d{1,2}|\d{4,})|\d{4,}\.\d+|\d{1,3}(,\d{3})+\.\d+)")
AMBIGUOUS = re.compile(r"[+-]?\d{1,3},\d{3}")


def read_layout(path: Path, no_header: bool) -> Layout:
    """Detect encoding, delimiter, quote, header and decimal comma. Raises FileError where there is no row or text."""
    try:
        encoding = _detect_encoding(path)
        dialect = detect_dialect(path, encoding)
    except UNREADABLE as error:
        raise FileError(f"{path} cannot be read: {error}.") from error
    text = read_start(path, SAMPLE_BYTES).decode(encoding, "ignore")
    if "\r" in text and "\n" not in text:
        raise FileError(f"{path} ends its lines as old Macs did: save it with line feeds.")
    layout = Layout(path=path, format="csv", encoding=encoding, header=(), **asdict(dialect))
    with closing(_read_records(layout)) as records:
        first = next(records, None)
        if first is None:
            raise FileError(f"{path} is empty.")
        first_line, last_line, cells = first
        sample = [cells for _, _, cells in islice(records, SAMPLE_ROWS)]
    return replace(
        layout,
        header=tuple(f"column_{place}" for place in range(len(cells))) if no_header else tuple(cells),
        decimal_comma=_has_decimal_comma(sample or [cells], dialect.delimiter),
        first_line=first_line if no_header else last_line + 1,
        has_header=not no_header,
        remarks=() if dialect.quote else (f"{path.name}: {UNPAIRED}",),
    )


def read_rows(layout: Layout, position: Position | None = None) -> Iterator[tuple[int, list[str | None]]]:
    """Read the rows after the header with the lines where they begin; blank lines are skipped."""
    for line, _, cells in _read_records(layout, position):
        if line >= layout.first_line:
            yield line, [cell or None for cell in cells]


def _read_records(
    layout: Layout, position: Position | None = None
) -> Generator[tuple[int, int, list[str]], None, None]:
    """Read first line, last line and cells of each record, the header included. Raises FileError."""
    with open_bytes(layout.path, position) as file:
        text = io.TextIOWrapper(file, layout.encoding, newline="")
        reader = get_dialect(layout).parse(text)
        line = 0
        try:
            for cells in reader:
                if cells:
                    yield line + 1, reader.line_num, cells
                line = reader.line_num
        except csv.Error as error:
            raise FileError(f"{layout.path}, line {line + 1}: {_describe_error(error, layout)}") from error
        except UnicodeDecodeError as error:
            raise FileError(
                f"{layout.path}, after line {line}: byte {error.object[error.start]:#04x} is not "
                f"{layout.encoding}, unlike the text before it; save the file in one encoding."
            ) from error
        except UNREADABLE as error:
            raise FileError(f"{layout.path}, after line {line}: {error}.") from error


def get_dialect(layout: Layout) -> Dialect:
    """Get the dialect of a delimited file's layout."""
    return Dialect(layout.delimiter, layout.quote, layout.escape, layout.skips_blanks)


def _describe_error(error: csv.Error, layout: Layout) -> str:
    message = str(error)
    if "unexpected end" in message or "field limit" in message:
        return f"a quote ({layout.quote}) that is opened here is never closed."
    if "expected after" in message:
        return f"a quoted cell must end with its quote; double the quotes ({layout.quote}) within it."
    return f"{message}."


def _detect_encoding(path: Path) -> str:
    """Detect the encoding by a byte order mark, else by the first non-ASCII bytes, wherever these are in the file.

    Returns: Python's name of UTF-8, UTF-16, Windows-1252 or Latin-1.
    """
    with open_bytes(path) as file:
        start = file.read(4)
        for bom, name in BOMS.items():
            if start.startswith(bom):
                return name
        while start.isascii():
            chunk = file.read(SAMPLE_BYTES)
            if not chunk:
                return "utf-8"
            start = start[-3:] + chunk
        start += file.read(ENCODING_SAMPLE_BYTES)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return "latin-1" if NOT_WINDOWS.search(start) else "cp1252"
    return "utf-8"


def _has_decimal_comma(rows: Sequence[Sequence[str]], delimiter: str) -> bool:
    cells = [cell.strip() for row in rows for cell in row if cell]
    comma, point = (sum(bool(form.fullmatch(cell)) for cell in cells) for form in (COMMA, POINT))
    if comma == point == 0:
        return delimiter == ";" and any(map(AMBIGUOUS.fullmatch, cells))
    return comma > point
