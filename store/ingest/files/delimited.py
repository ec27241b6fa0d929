"""Rows between delimiters: CSV, TSV and their relatives."""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from itertools import islice, product
from pathlib import Path
from typing import Any

from .layout import Layout
from .opening import FileError, open_bytes, sample

#: Bytes that are looked at to see how a file is written.
SAMPLE = 1 << 20
#: Rows that delimiters are compared by.
ROWS = 1000
#: Bytes after the first that is no ASCII which decide on the encoding.
DECIDING = 1 << 20
DELIMITERS = (",", ";", "\t", "|")
#: Characters that one cell may have; beyond it a quote was not closed, most probably.
LONGEST = 1 << 24

BOMS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
#: Bytes that Windows' code page does not know: then it is Latin-1.
NOT_WINDOWS = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")

#: 0,5 and 1.234,5 against 0.5 and 1,234.5; what could be either, as 1,234, counts for neither.
COMMA = re.compile(r"[+-]?(0,\d+|\d+,(\d{1,2}|\d{4,})|\d{4,},\d+|\d{1,3}(\.\d{3})+,\d+)")
POINT = re.compile(r"[+-]?(0?\.\d+|\d+\.(\d{1,2}|\d{4,})|\d{4,}\.\d+|\d{1,3}(,\d{3})+\.\d+)")
EITHER = re.compile(r"[+-]?\d{1,3},\d{3}")

csv.field_size_limit(LONGEST)


def layout(path: Path, no_header: bool) -> Layout:
    """How the file is written. Raises FileError where it holds no row, or no text."""
    try:
        encoding = _encoding(path)
    except (OSError, EOFError) as error:
        raise FileError(f"{path} cannot be read: {error}.") from error
    text = sample(path, SAMPLE).decode(encoding, "ignore")
    if "\r" in text and "\n" not in text:
        raise FileError(f"{path} ends its lines as old Macs did: save it with line feeds.")
    delimiter, quote = _dialect(text)
    found = Layout(path=path, format="csv", encoding=encoding, delimiter=delimiter, quote=quote, header=())
    with closing(_records(found)) as records:
        first = next(records, None)
        if first is None:
            raise FileError(f"{path} is empty.")
        begun, last, cells = first
        header = tuple(f"column_{place}" for place in range(len(cells))) if no_header else tuple(cells)
        behind = [cells for _, _, cells in islice(records, ROWS)]
    return Layout(
        path=path,
        format="csv",
        encoding=encoding,
        delimiter=delimiter,
        quote=quote,
        header=header,
        decimal_comma=_has_decimal_comma(behind or [cells], delimiter),
        first_line=begun if no_header else last + 1,
        has_header=not no_header,
    )


def rows(layout: Layout) -> Iterator[tuple[int, list[str | None]]]:
    """The rows behind the header with the lines where they begin; lines that are blank are no rows."""
    for begun, _, cells in _records(layout):
        if begun >= layout.first_line:
            yield begun, [cell or None for cell in cells]


def _records(layout: Layout) -> Generator[tuple[int, int, list[str]], None, None]:
    """First line, last line and cells of each record, the header's too. Raises FileError."""
    with open_bytes(layout.path) as file:
        text = io.TextIOWrapper(file, layout.encoding, newline="")
        reader = csv.reader(text, **_format(layout.delimiter, layout.quote), strict=True)
        line = 0
        try:
            for cells in reader:
                if cells:
                    yield line + 1, reader.line_num, cells
                line = reader.line_num
        except csv.Error as error:
            raise FileError(f"{layout.path}, line {line + 1}: {_sentence(error, layout)}") from error
        except UnicodeDecodeError as error:
            raise FileError(
                f"{layout.path}, behind line {line}: the text begins as {layout.encoding} and then is not; "
                f"byte {error.object[error.start]:#04x} is none of it."
            ) from error
        except (OSError, EOFError) as error:
            raise FileError(f"{layout.path}, behind line {line}: {error}.") from error


def _sentence(error: csv.Error, layout: Layout) -> str:
    message = str(error)
    if "unexpected end" in message or "field limit" in message:
        return f"a quote ({layout.quote}) that is opened here is never closed."
    if "expected after" in message:
        return f"a quoted cell must end with its quote; double the quotes ({layout.quote}) within it."
    return f"{message}."


def _format(delimiter: str, quote: str | None) -> dict[str, Any]:
    if quote is None:
        return {"delimiter": delimiter, "quoting": csv.QUOTE_NONE}
    return {"delimiter": delimiter, "quotechar": quote}


def _encoding(path: Path) -> str:
    """UTF-8 if the first characters beyond ASCII are, however far behind; else Windows' code page or Latin-1."""
    with open_bytes(path) as file:
        start = file.read(4)
        for bom, name in BOMS.items():
            if start.startswith(bom):
                return name
        while start.isascii():
            chunk = file.read(SAMPLE)
            if not chunk:
                return "utf-8"
            start = start[-3:] + chunk
        start += file.read(DECIDING)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return "latin-1" if NOT_WINDOWS.search(start) else "cp1252"
    return "utf-8"


def _dialect(text: str) -> tuple[str, str | None]:
    """Find the delimiter and the quote by which the sample falls into the most even rows.

    Of equally even ones: those that the first row has, that leave the fewest quotes, that give the most columns.
    """
    quotes = ['"', "'"] if re.search(r"(^|[,;\t|])'", text, re.MULTILINE) else ['"']
    return max(product(DELIMITERS, quotes), key=lambda pair: _evenness(text, *pair))


def _evenness(text: str, delimiter: str, quote: str) -> tuple[float, bool, int, int]:
    lines = io.StringIO(text, newline="")
    try:
        rows_ = [cells for cells in islice(csv.reader(lines, **_format(delimiter, quote)), ROWS) if cells]
    except csv.Error:
        return -1.0, False, 0, 0
    if len(text) >= SAMPLE // 2 and len(rows_) > 1:
        rows_.pop()  # cut off, maybe
    width, even = Counter(map(len, rows_)).most_common(1)[0] if rows_ else (0, 0)
    left = sum(cell[:1] in "'\"" and cell[:1] == cell[-1:] for cells in rows_ for cell in cells if cell)
    if width < 2:
        return 0.0, False, -left, 0
    return round(even / len(rows_), 1), len(rows_[0]) > 1, -left, width


def _has_decimal_comma(found: Sequence[Sequence[str]], delimiter: str) -> bool:
    cells = [cell.strip() for row in found for cell in row if cell]
    comma, point = (sum(bool(form.fullmatch(cell)) for cell in cells) for form in (COMMA, POINT))
    if comma == point == 0:
        return delimiter == ";" and any(map(EITHER.fullmatch, cells))
    return comma > point
