"""Dialects of delimited files: delimiter, quote and escape character, found by comparing how each splits the rows.

A dialect counts only if every row of the file can be read in it, so that reading never contradicts what was detected.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice, product
from pathlib import Path
from typing import TYPE_CHECKING

from .opening import open_bytes

if TYPE_CHECKING:
    import _csv

#: Bytes from which the dialect is detected.
SAMPLE_BYTES = 1 << 20
#: Rows by which dialects are compared.
SAMPLE_ROWS = 1000
DELIMITERS = (",", ";", "\t", "|")
#: Characters that one cell may have; a longer one is most probably an unclosed quote.
MAX_CELL_LENGTH = 1 << 24

csv.field_size_limit(MAX_CELL_LENGTH)

SINGLE_QUOTE = re.compile(r"(^|[,;\t|]) *'", re.MULTILINE)
LINE_END = re.compile(r"\r\n|\r|\n")
ESCAPED = re.compile(r"\\[\"',;\t|\r\n]")
BLANK_BEFORE_QUOTE = re.compile(r"[,;|\t] +[\"']")


@dataclass(frozen=True)
class Dialect:
    """The way in which a file separates and quotes its cells."""

    delimiter: str
    quote: str | None
    escape: str | None = None
    skips_blanks: bool = False

    def parse(self, text: io.TextIOBase) -> "_csv.Reader":
        """Parse the text. Iteration raises csv.Error where the text contradicts the dialect."""
        return csv.reader(
            text,
            delimiter=self.delimiter,
            quotechar=self.quote,
            quoting=csv.QUOTE_NONE if self.quote is None else csv.QUOTE_MINIMAL,
            escapechar=self.escape,
            skipinitialspace=self.skips_blanks,
            strict=True,
        )


def detect_dialect(path: Path, encoding: str) -> Dialect:
    """Find the dialect with the most rows of equal width.

    Among equals, prefer a delimiter that the first row has, then fewer unparsed quotes, then more columns. Where quotes
    do not pair, they are characters as any other, unless quoting is the file's style: reading it then fails at the line
    of the broken quote.
    """
    with open_bytes(path) as file:
        start = file.read(SAMPLE_BYTES)
    text = start.decode(encoding, "ignore")
    best = max(_list_dialects(text), key=lambda dialect: _score(text, dialect, len(start) == SAMPLE_BYTES))
    if best.quote and _can_be_read(path, encoding, best):
        return best
    quoted, unquoted = replace(best, quote=best.quote or '"'), replace(best, quote=None)
    return unquoted if _is_plain(path, encoding, unquoted, quoted.quote) else quoted


def _list_dialects(text: str) -> Iterator[Dialect]:
    """List the dialects that can be meant, the usual ones first."""
    quotes = ['"', "'", None] if SINGLE_QUOTE.search(text) else ['"', None]
    escapes = [None, "\\"] if ESCAPED.search(text) else [None]
    blanks = [False, True] if BLANK_BEFORE_QUOTE.search(text) else [False]
    for skips_blanks, escape, quote, delimiter in product(blanks, escapes, quotes, DELIMITERS):
        yield Dialect(delimiter, quote, escape, skips_blanks)


def _score(text: str, dialect: Dialect, is_cut: bool) -> tuple[float, bool, int, int]:
    rows = _parse_sample(text, dialect, is_cut)
    if rows is None:
        return -1.0, False, 0, 0
    width, even = Counter(map(len, rows)).most_common(1)[0] if rows else (0, 0)
    unparsed = sum(_count_unparsed_quotes(cell, dialect) for cells in rows for cell in cells)
    if width < 2:
        return 0.0, False, -unparsed, 0
    return round(even / len(rows), 1), len(rows[0]) > 1, -unparsed, width


def _count_unparsed_quotes(cell: str, dialect: Dialect) -> int:
    """Count quotes around a cell once, and twice those behind a backslash, which the text of a cell rarely has."""
    cell = cell.strip(" ")
    is_quoted = len(cell) > 1 and cell[0] in "'\"" and cell[0] == cell[-1]
    return is_quoted + 2 * ('\\"' in cell or f"\\{dialect.quote}" in cell)


def _parse_sample(text: str, dialect: Dialect, is_cut: bool) -> list[list[str]] | None:
    """Parse the first rows; None where the text contradicts the dialect, other than by being cut at its end."""
    lines, rows = io.StringIO(text, newline=""), []
    try:
        for cells in islice(dialect.parse(lines), SAMPLE_ROWS):
            rows.append(cells)
    except csv.Error:
        if not is_cut or lines.tell() < len(text):
            return None
    if is_cut and lines.tell() == len(text) and len(rows) > 1:
        rows.pop()  # the end of the sample may cut it
    return [cells for cells in rows if cells]


def _hides_rows(cells: list[str], lines: int, dialect: Dialect) -> bool:
    """Return True where each line of a row of several lines is a row by itself: its quotes pair by accident.

    A delimiter before a blank, as the comma in `Paris, TX`, most probably belongs to a text.
    """
    if lines < 2 or len(cells) < 2:
        return False
    text, delimiter = dialect.delimiter.join(cells), dialect.delimiter
    is_even = all(line.count(delimiter) == len(cells) - 1 for line in LINE_END.split(text))
    return is_even and f"{delimiter} " not in text


def _can_be_read(path: Path, encoding: str, dialect: Dialect) -> bool:
    """Return True where no row of the whole file contradicts the dialect."""
    if not _has_quotes(path, encoding, dialect):
        return True
    with open_bytes(path) as file:
        reader = dialect.parse(io.TextIOWrapper(file, encoding, "replace", newline=""))
        line = 0
        try:
            for cells in reader:
                if _hides_rows(cells, reader.line_num - line, dialect):
                    return False
                line = reader.line_num
        except csv.Error:
            return False
    return True


def _has_quotes(path: Path, encoding: str, dialect: Dialect) -> bool:
    if encoding == "utf-16" or dialect.quote is None:
        return True
    quote = dialect.quote.encode()
    with open_bytes(path) as file:
        return any(quote in chunk for chunk in iter(lambda: file.read(SAMPLE_BYTES), b""))


def _is_plain(path: Path, encoding: str, dialect: Dialect, quote: str | None) -> bool:
    """Return True where every row has the header's width without quoting, and quoting is not its style."""
    try:
        return _is_even_and_plain(path, encoding, dialect, quote)
    except csv.Error:  # a cell that is too long, as one behind a quote that is never closed
        return False


def _is_even_and_plain(path: Path, encoding: str, dialect: Dialect, quote: str | None) -> bool:
    quoted = re.compile(rf"{quote}(?:[^{quote}]|({quote}{quote}))*{quote}")
    with open_bytes(path) as file:
        reader = dialect.parse(io.TextIOWrapper(file, encoding, "replace", newline=""))
        header = next(filter(None, reader), [])
        if any(map(quoted.fullmatch, header)):
            return False
        rows, counts = 0, Counter[int]()
        for cells in filter(None, reader):
            matches = {place: match for place, cell in enumerate(cells) if (match := quoted.fullmatch(cell))}
            if len(cells) != len(header) or any(match[1] for match in matches.values()):
                return False
            rows += 1
            counts.update(matches.keys())
    return all(2 * count <= rows for count in counts.values())
