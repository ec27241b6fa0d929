"""Reading: one pass over the rows, which remembers as much of each column as fits into little memory."""

import math
import unicodedata
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from zlib import crc32

from learning.kinds import NO_VALUE, Kind, read_date_order

from ...ingest import files
from ...ingest.files import FileError, Layout
from . import forms

#: Rows that are looked at together.
BATCH = 5000
#: Values of a column that are remembered, with how often they came.
MOST_VALUES = 1000
#: Hashes that are remembered to estimate how many values there are beyond that.
MOST_HASHES = 1 << 16


@dataclass(frozen=True)
class Reading:
    """What was seen of all columns."""

    rows: int
    columns: tuple["Seen", ...]
    #: Places of the columns that never contradicted the label: each of their values always came with the same one.
    copies: tuple[int, ...]


def read(layout: Layout, rows: Iterable[files.Row] | None = None, label: int | None = None) -> Reading:
    """Look at every row. Raises FileError at one with too few or too many cells, or with NUL."""
    columns = tuple(Seen(layout, place) for place in range(len(layout.header)))
    told = Told(label, len(columns)) if label is not None else None
    count = 0
    for batch in _batches(_whole(layout, rows or files.read_rows(layout))):
        lines = [line for line, _ in batch]
        cells = [list(map(clean, its)) for its in zip(*(cells for _, cells in batch), strict=True)]
        for column, its in zip(columns, cells, strict=True):
            column.take(lines, its)
        if told:
            told.take(cells)
        count += len(batch)
    return Reading(count, columns, told.places() if told else ())


def _batches(rows: Iterator[files.Row]) -> Iterator[list[files.Row]]:
    while batch := list(islice(rows, BATCH)):
        yield batch


def _whole(layout: Layout, rows: Iterable[files.Row]) -> Iterator[files.Row]:
    width = len(layout.header)
    for line, cells in rows:
        if len(cells) != width:
            raise FileError(
                f"{layout.path}, line {line}: the row has {_cells(len(cells))} where the header has {width}."
            )
        for header, cell in zip(layout.header, cells, strict=True):
            if cell and ("\0" in cell):
                raise FileError(f"{layout.path}, line {line}, column {header}: NUL cannot be stored.")
        yield line, cells


def _cells(count: int) -> str:
    return f"{count} cell{'' if count == 1 else 's'}"


def clean(cell: str | None) -> str | None:
    """The cell as it is compared with others; None where it says nothing, but - stays: it can be a minus."""
    if cell is None or ((cell := cell.strip()).casefold() in NO_VALUE and cell != "-"):
        return None
    return cell if cell.isascii() else unicodedata.normalize("NFC", cell)


class Seen:
    """What was seen of one column so far."""

    def __init__(self, layout: Layout, place: int):
        self.layout, self.header = layout, layout.header[place]
        self.rows = self.dashes = self.cells = self.longest = self.words = 0
        #: How often each value came, and where first; None: they are too many.
        self.values: Counter[str] | None = Counter()
        self.lines: dict[str, int] = {}
        self.example = ""
        #: The line of the first cell that says nothing.
        self.gap = 0
        self.forms = forms.matchers(layout.decimal_comma)
        #: Line and value at which a form that had held so far was contradicted.
        self.contradicted: dict[str, tuple[int, str]] = {}
        self.low = self.high = 0
        self.day_first = self.month_first = self.year_last = False
        self.hashes = Hashes()

    def take(self, lines: Sequence[int], cells: Sequence[str | None]) -> None:
        """Look at a batch of clean cells."""
        counts: Counter[str] = Counter(cell for cell in cells if cell is not None)
        self.rows += len(cells)
        self.dashes += counts.pop("-", 0)
        if not self.gap and counts.total() < len(cells):
            self.gap = next(line for line, cell in zip(lines, cells, strict=True) if cell in (None, "-"))
        if not counts:
            return
        self.cells += counts.total()
        self.example = self.example or next(iter(counts))
        self.longest = max(self.longest, *map(len, counts))
        self.words += sum(value.count(" ") * times for value, times in counts.items())
        self.hashes.take(counts)
        self._remember(counts, lines, cells)
        self._narrow(counts, lines, cells)

    def _remember(self, counts: Counter[str], lines: Sequence[int], cells: Sequence[str | None]) -> None:
        if self.values is None:
            return
        new = counts.keys() - self.values.keys()
        self.values.update(counts)
        if len(self.values) > MOST_VALUES:
            self.values = None
        elif new:
            for line, cell in zip(lines, cells, strict=True):
                if cell in new:
                    self.lines.setdefault(cell, line)

    def _narrow(self, counts: Counter[str], lines: Sequence[int], cells: Sequence[str | None]) -> None:
        for form, holds in list(self.forms.items()):
            if unlike := {value for value in counts if not holds(value)}:
                del self.forms[form]
                self.contradicted[form] = _first(unlike, lines, cells)
        kind = self.kind
        if kind and kind.is_whole:
            whole = [int(forms.number(value, self.layout.decimal_comma)) for value in counts]
            self.low, self.high = min(self.low, *whole), max(self.high, *whole)
        elif kind and kind.is_quantity:
            self._check_finite(counts, lines, cells)
        elif kind and kind.has_date:
            self._order(counts)

    def _check_finite(self, counts: Iterable[str], lines: Sequence[int], cells: Sequence[str | None]) -> None:
        infinite = {v for v in counts if math.isinf(float(forms.number(v, self.layout.decimal_comma)))}
        if infinite:
            raise self.infinite(*_first(infinite, lines, cells))

    def infinite(self, line: int, value: str) -> FileError:
        return FileError(
            f"{self.layout.path}, line {line}, column {self.header}: {value!r} is no finite number; "
            "leave the cell empty where nothing is known."
        )

    def _order(self, counts: Iterable[str]) -> None:
        for found in filter(None, map(read_date_order, counts)):
            self.year_last = True
            self.day_first |= found[0]
            self.month_first |= found[1]

    @property
    def kind(self) -> Kind | None:
        """The narrowest kind that all cells so far look like."""
        return next((form for form in self.forms if isinstance(form, Kind)), None)

    @property
    def minus(self) -> bool:
        """Whether - is a value, as beside +, and no missing one."""
        return self.values is not None and "+" in self.values and bool(self.dashes)

    @property
    def missing(self) -> int:
        return self.rows - self.cells - (self.dashes if self.minus else 0)

    @property
    def distinct(self) -> int:
        found = len(self.values) if self.values is not None else self.hashes.estimate
        return found + self.minus


class Hashes:
    """Hashes of values, of which every second is forgotten whenever they become too many (Wegman's sampling)."""

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()
        self.mask = 0

    def take(self, counts: Counter[str]) -> None:
        for value, times in counts.items():
            # Two checks of 32 bits: one would meet by chance among a million values.
            text = value.encode("utf-8", "surrogatepass")
            hashed = crc32(text) | crc32(text[::-1], 7) << 32
            if not hashed & self.mask:
                self.counts[hashed] += times
        while len(self.counts) > MOST_HASHES:
            self.mask = self.mask << 1 | 1
            self.counts = Counter({h: times for h, times in self.counts.items() if not h & self.mask})

    @property
    def estimate(self) -> int:
        return len(self.counts) * (self.mask + 1)

    @property
    def unique(self) -> bool:
        return all(times == 1 for times in self.counts.values())


class Told:
    """Which columns tell the label: each of their values always came with the same one."""

    def __init__(self, label: int, width: int):
        self.label = label
        self.labels: dict[int, dict[str, str]] = {place: {} for place in range(width) if place != label}

    def take(self, cells: Sequence[Sequence[str | None]]) -> None:
        for place, known in list(self.labels.items()):
            for value, label in set(zip(cells[place], cells[self.label], strict=True)):
                if value is None or label is None:
                    continue
                if known.setdefault(value, label) != label or len(known) > MOST_VALUES:
                    del self.labels[place]
                    break

    def places(self) -> tuple[int, ...]:
        return tuple(place for place, known in self.labels.items() if len(set(known.values())) > 1)


def _first(values: Container[str], lines: Sequence[int], cells: Sequence[str | None]) -> tuple[int, str]:
    """Line and value of the first cell that is one of these."""
    return next((line, cell) for line, cell in zip(lines, cells, strict=True) if cell and cell in values)
