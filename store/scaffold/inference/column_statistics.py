"""Statistics of a file's columns, collected in one pass over the rows in bounded memory."""

import math
import unicodedata
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple
from zlib import crc32

from learning.kinds import NO_VALUE, DateCell, Kind, canonical_text, is_nearly_date, read_date

from ...ingest import files
from ...ingest.files import FileError, Layout
from . import forms

#: Rows that are processed together.
BATCH = 5000
#: Values of a column that are counted one by one.
MAX_VALUES = 1000
#: Values by which a column is taken for one of dates that cannot be read.
NEAR_DATES = 100
#: Hashes that are stored to estimate the number of values beyond that.
MAX_HASHES = 1 << 16


class Contradiction(NamedTuple):
    """The first cell without a form that all cells before it had."""

    line: int = 0
    value: str = ""
    #: The number of cells with a value before it.
    cells: int = 0
    #: The number of rows before it.
    rows: int = 0


@dataclass(frozen=True)
class FileStatistics:
    """Statistics of all columns of a file."""

    rows: int
    columns: tuple["ColumnStatistics", ...]
    #: Places of the columns that determine the label: each of their values always comes with the same label.
    copies: tuple[int, ...]


def collect_statistics(
    layout: Layout, rows: Iterable[files.Row] | None = None, label: int | None = None
) -> FileStatistics:
    """Read every row.

    Args:
        rows: the rows; None: those of the file.
        label: the place of the label's column.

    Raises: FileError at a row with too few or too many cells, or with NUL.
    """
    columns = tuple(ColumnStatistics(layout, place) for place in range(len(layout.header)))
    dependence = LabelDependence(label, len(columns)) if label is not None else None
    count = 0
    for batch in _split_into_batches(_check_rows(layout, rows or files.read_rows(layout))):
        lines = [line for line, _ in batch]
        transposed = zip(*(row for _, row in batch), strict=True)
        pairs = list(zip(columns, transposed, strict=True))
        cells = [list(map(statistics.normalize, column)) for statistics, column in pairs]
        for statistics, column in zip(columns, cells, strict=True):
            statistics.add(lines, column)
        if dependence:
            dependence.add(cells)
        count += len(batch)
    return FileStatistics(count, columns, dependence.list_places() if dependence else ())


def _split_into_batches(rows: Iterator[files.Row]) -> Iterator[list[files.Row]]:
    while batch := list(islice(rows, BATCH)):
        yield batch


def _check_rows(layout: Layout, rows: Iterable[files.Row]) -> Iterator[files.Row]:
    width = len(layout.header)
    for line, cells in rows:
        if len(cells) != width:
            raise FileError(
                f"{layout.path}, line {line}: the row has {_count_cells(len(cells))} where the header has {width}."
            )
        for header, cell in zip(layout.header, cells, strict=True):
            if cell and ("\0" in cell):
                raise FileError(f"{layout.path}, line {line}, column {header}: NUL cannot be stored.")
        yield line, cells


def _count_cells(count: int) -> str:
    return f"{count} cell{'' if count == 1 else 's'}"


def normalize_cell(cell: str | None) -> str | None:
    """Strip and normalize a cell; None where it stands for a missing value, except -, which can be a minus."""
    if cell is None or ((cell := cell.strip()).casefold() in NO_VALUE and cell != "-"):
        return None
    return cell if cell.isascii() else unicodedata.normalize("NFC", cell)


def normalize_text(text: str | None) -> str | None:
    """Normalize a text of the database, where `n/a` is a value; None for a blank one."""
    return None if text is None else canonical_text(text, null=True)


class ColumnStatistics:
    """Statistics of the rows of one column that were read so far."""

    def __init__(self, layout: Layout, place: int):
        self.layout, self.place, self.header = layout, place, layout.header[place]
        self.is_stored_text = place in layout.texts
        self.normalize = normalize_text if self.is_stored_text else normalize_cell
        #: Normalized cells that have no value, unless - is a minus.
        self.gaps = (None,) if self.is_stored_text else (None, "-")
        self.rows = self.dashes = self.cells = self.longest = self.words = 0
        #: Counts by value; None: there are too many values.
        self.values: Counter[str] | None = Counter()
        #: The line of the first cell with each value.
        self.lines: dict[str, int] = {}
        self.example = ""
        #: The line of the first cell without a value.
        self.gap = 0
        #: Matchers of the forms that all cells have.
        self.forms = forms.build_matchers(layout.decimal_comma)
        self.contradicted: dict[str, Contradiction] = {}
        #: Range of whole numbers; 0 before the first.
        self.low = self.high = 0
        self.dates = DateOrders()
        #: The first of the sampled values where nearly all of them look like dates; empty otherwise.
        self.near_date = ""
        self.hashes = Hashes()

    def add(self, lines: Sequence[int], cells: Sequence[str | None]) -> None:
        """Add a batch of normalized cells."""
        counts: Counter[str] = Counter(cell for cell in cells if cell is not None)
        self.rows += len(cells)
        self.dashes += counts.pop("-", 0) if "-" in self.gaps else 0
        if not self.gap and counts.total() < len(cells):
            self.gap = next(line for line, cell in zip(lines, cells, strict=True) if cell in self.gaps)
        if not counts:
            return
        self.cells += counts.total()
        self.example = self.example or next(iter(counts))
        self.longest = max(self.longest, *map(len, counts))
        self.words += sum(value.count(" ") * times for value, times in counts.items())
        if not self.hashes.counts:
            self.near_date = _find_near_dates(counts)
        self.hashes.add(counts)
        self._count_values(counts, lines, cells)
        self._match_forms(counts, lines, cells)

    def _count_values(self, counts: Counter[str], lines: Sequence[int], cells: Sequence[str | None]) -> None:
        if self.values is None:
            return
        new = counts.keys() - self.values.keys()
        self.values.update(counts)
        if len(self.values) > MAX_VALUES:
            self.values = None
        elif new:
            for line, cell in zip(lines, cells, strict=True):
                if cell in new:
                    self.lines.setdefault(cell, line)

    def _match_forms(self, counts: Counter[str], lines: Sequence[int], cells: Sequence[str | None]) -> None:
        for form, holds in list(self.forms.items()):
            if others := {value for value in counts if not holds(value)}:
                del self.forms[form]
                self.contradicted[form] = self._find_contradiction(others, lines, cells)
        kinds = [form for form in self.forms if isinstance(form, Kind)]
        if any(kind.is_whole for kind in kinds):
            integers = [int(forms.normalize_number(value, self.layout.decimal_comma)) for value in counts]
            seen = [self.low, self.high] if self.cells > counts.total() else []
            self.low, self.high = min(seen + integers), max(seen + integers)
        elif any(kind.is_quantity for kind in kinds) and not self.is_stored_text:
            self._check_finite(counts, lines, cells)
        if any(kind.has_date for kind in kinds):
            self.dates.add(counts)

    def _find_contradiction(
        self, values: Container[str], lines: Sequence[int], cells: Sequence[str | None]
    ) -> Contradiction:
        """Find the first cell of a batch with one of these values; the batch is among the cells counted so far."""
        line, value = _find_first(values, lines, cells)
        before = cells[: lines.index(line)]
        cells_before = sum(cell not in self.gaps for cell in before)
        cells_of_batch = sum(cell not in self.gaps for cell in cells)
        return Contradiction(
            line, value, self.cells - cells_of_batch + cells_before, self.rows - len(cells) + len(before)
        )

    def _check_finite(self, counts: Iterable[str], lines: Sequence[int], cells: Sequence[str | None]) -> None:
        infinite = {
            value
            for value in counts
            if math.isinf(float(forms.normalize_number(value, self.layout.decimal_comma)))
        }
        if infinite:
            raise self.infinite_error(*_find_first(infinite, lines, cells))

    def infinite_error(self, line: int, value: str) -> FileError:
        return FileError(
            f"{self.layout.path}, line {line}, column {self.header}: {value!r} is no finite number; "
            "leave the cell empty where the value is unknown."
        )

    @property
    def kind(self) -> Kind | None:
        """The narrowest kind whose form all cells have."""
        return next((form for form in self.forms if isinstance(form, Kind)), None)

    @property
    def has_minus(self) -> bool:
        """True if - is a value, because there is +, and not a missing one."""
        return self.values is not None and "+" in self.values and bool(self.dashes)

    @property
    def missing(self) -> int:
        return self.rows - self.cells - (self.dashes if self.has_minus else 0)

    @property
    def distinct(self) -> int:
        count = len(self.values) if self.values is not None else self.hashes.estimate
        return count + self.has_minus


class DateOrders:
    """Orders of day and month in the dates of a column, and their years of two digits."""

    def __init__(self) -> None:
        #: The first date whose year is last; of those, the first whose day, and whose month, is first for certain.
        self.year_last = self.day_first = self.month_first = ""
        #: The first date with a year of two digits, and the earliest and latest of such years.
        self.short = ""
        self.years: list[int] = []

    def add(self, values: Iterable[str]) -> None:
        for value in values:
            if date := read_date(value):
                self._add(value, date)

    def _add(self, value: str, date: DateCell) -> None:
        if date.is_ordered:
            self.year_last = self.year_last or value
        if date.day_first:
            self.day_first = self.day_first or value
        if date.month_first:
            self.month_first = self.month_first or value
        if date.is_short:
            self.short = self.short or value
            self.years = [min([*self.years, date.year]), max([*self.years, date.year])]

    @property
    def certain(self) -> bool | None:
        """True if the day is first for certain, False if the month is; None if neither or both are."""
        return bool(self.day_first) if bool(self.day_first) != bool(self.month_first) else None


class Hashes:
    """A sample of values' hashes; half of them are dropped whenever they are too many (Wegman's adaptive sampling)."""

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()
        self.mask = 0

    def add(self, counts: Counter[str]) -> None:
        for value, times in counts.items():
            # Two checksums of 32 bits: one alone would collide among a million values.
            text = value.encode("utf-8", "surrogatepass")
            hashed = crc32(text) | crc32(text[::-1], 7) << 32
            if not hashed & self.mask:
                self.counts[hashed] += times
        while len(self.counts) > MAX_HASHES:
            self.mask = self.mask << 1 | 1
            self.counts = Counter({h: times for h, times in self.counts.items() if not h & self.mask})

    @property
    def estimate(self) -> int:
        return len(self.counts) * (self.mask + 1)

    @property
    def unique(self) -> bool:
        return all(times == 1 for times in self.counts.values())

    @property
    def repeated_share(self) -> float:
        """Share of the cells whose value other cells have too, exact while all hashes are stored."""
        repeated = sum(times for times in self.counts.values() if times > 1)
        return repeated / max(1, self.counts.total())

    @property
    def distinct_share(self) -> float:
        """Distinct values per cell, exact while all hashes are stored."""
        return len(self.counts) / max(1, self.counts.total())


class LabelDependence:
    """The columns that determine the label: each of their values always comes with the same label."""

    def __init__(self, label: int, width: int):
        self.label = label
        self.labels: dict[int, dict[str, str]] = {place: {} for place in range(width) if place != label}

    def add(self, cells: Sequence[Sequence[str | None]]) -> None:
        for place, labels in list(self.labels.items()):
            for value, label in set(zip(cells[place], cells[self.label], strict=True)):
                if value is None or label is None:
                    continue
                if labels.setdefault(value, label) != label or len(labels) > MAX_VALUES:
                    del self.labels[place]
                    break

    def list_places(self) -> tuple[int, ...]:
        return tuple(place for place, labels in self.labels.items() if len(set(labels.values())) > 1)


def _find_near_dates(counts: Iterable[str]) -> str:
    """Find the first of some values where nine of ten look like dates; empty otherwise."""
    values = list(islice(counts, NEAR_DATES))
    nearly = sum(map(is_nearly_date, values))
    return values[0] if nearly >= max(3, 0.9 * len(values)) else ""


def _find_first(values: Container[str], lines: Sequence[int], cells: Sequence[str | None]) -> tuple[int, str]:
    """Find line and value of the first cell with one of these values."""
    return next((line, cell) for line, cell in zip(lines, cells, strict=True) if cell and cell in values)
