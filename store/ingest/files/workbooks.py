"""Workbooks of Excel (xlsx, xlsm, xlsb, xls) and OpenDocument (ods): one table in each sheet."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from learning.lazy_imports import LazyModule

from .layout import Layout
from .opening import FileError

if TYPE_CHECKING:
    import python_calamine as calamine
else:
    calamine = LazyModule("python_calamine")

Value = int | float | str | bool | time | date | datetime | timedelta
#: What Excel shows for a formula that failed; its cell says nothing.
ERRORS = ("#DIV/0!", "#N/A", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!", "#GETTING_DATA")
#: Whole numbers up to this one are exact in a cell.
EXACT = 2**53


def list_sheets(path: Path) -> list[str]:
    """List the names of the sheets with cells that are shown. Raises FileError."""
    with _open(path) as workbook:
        return [
            sheet.name
            for sheet in workbook.sheets_metadata
            if sheet.typ == calamine.SheetTypeEnum.WorkSheet
            and sheet.visible == calamine.SheetVisibleEnum.Visible
            and workbook.get_sheet_by_name(sheet.name).height
        ]


def read_layout(path: Path, no_header: bool, sheet: str | None) -> Layout:
    """Find the header of a sheet.

    Args:
        sheet: its name; None: the first one with cells that is shown.

    Raises: FileError where there is no such sheet, or nothing in it.
    """
    sheets = [sheet] if sheet else list_sheets(path)
    if not sheets:
        raise FileError(f"{path} is empty: no sheet of it has cells.")
    name, *others = sheets
    grid = _read_grid(path, name)
    header = Header.without(grid) if no_header else Header.find(grid)
    remarks = list(header.remarks)
    if others:
        remarks.insert(0, f"Sheet {name} is read; name others with --sheet: {', '.join(others)}.")
    return Layout(
        path=path,
        format="workbook",
        header=header.titles,
        first_line=header.first_line,
        places=header.places,
        has_header=not no_header,
        sheet=name,
        is_sheet_named=sheet is not None,
        remarks=tuple(f"{path.name}: {remark}" for remark in remarks),
    )


def read_rows(layout: Layout) -> Iterator[tuple[int, list[str | None]]]:
    """Read the rows below the header, with their numbers in the sheet; empty rows are skipped."""
    for line, cells in _read_grid(layout.path, layout.sheet).rows:
        if line >= layout.first_line and any(cells):
            yield line, [cells[place] for place in layout.places]


@dataclass(frozen=True)
class Range:
    """Merged cells: lines counted from 1 as in the sheet, places of columns from 0 as in the rows that are read."""

    first_line: int
    last_line: int
    first_place: int
    last_place: int

    @property
    def is_group(self) -> bool:
        """True for a title of several columns."""
        return self.first_line == self.last_line and self.last_place > self.first_place

    @property
    def is_spread_down(self) -> bool:
        """True for a value of several rows."""
        return self.last_line > self.first_line and self.last_place == self.first_place


@dataclass(frozen=True)
class Grid:
    """The cells of a sheet as text, without the empty rows and columns around them."""

    #: The number of each row in the sheet, counted from 1, with its cells.
    rows: list[tuple[int, list[str | None]]]
    merged: tuple[Range, ...]

    def find_places(self, titles: Sequence[str | None], first_line: int) -> tuple[int, ...]:
        """Find the places of the columns with a title, or with a cell in a row of data."""
        filled = {place for place, title in enumerate(titles) if title}
        for line, cells in self.rows:
            if line >= first_line:
                filled |= {place for place, cell in enumerate(cells) if cell}
        return tuple(sorted(filled))

    def list_groups(self, line: int) -> list[Range]:
        """List the titles of several columns in this line."""
        return [merged for merged in self.merged if merged.is_group and merged.first_line == line]


@dataclass(frozen=True)
class Header:
    """The titles of a sheet's columns."""

    titles: tuple[str, ...]
    places: tuple[int, ...]
    #: The line of the first row of data.
    first_line: int
    remarks: tuple[str, ...] = ()

    @classmethod
    def without(cls, grid: Grid) -> "Header":
        """Number the columns of a sheet whose first line is a row."""
        first_line = grid.rows[0][0]
        places = grid.find_places([], first_line)
        return cls(tuple(f"column_{number}" for number, _ in enumerate(places)), places, first_line)

    @classmethod
    def find(cls, grid: Grid) -> "Header":
        """Take the first line with several cells, or the two where cells of the first are merged over columns."""
        lines = [(line, cells) for line, cells in grid.rows if any(cells)]
        several = min(2, max(_count(cells) for _, cells in lines))
        at = next(at for at, (_, cells) in enumerate(lines) if _count(cells) >= several)
        remarks = [f"Line {line} is taken as a title, not as a row." for line, _ in lines[:at]]
        line, titles = lines[at]
        if (groups := grid.list_groups(line)) and at + 1 < len(lines):
            at += 1
            titles = _join_groups(groups, titles, lines[at][1])
            remarks.append(
                f"Lines {line} and {lines[at][0]} are the header, as cells of the first are merged."
            )
        first_line = lines[at][0] + 1
        places = grid.find_places(titles, first_line)
        return cls(tuple(titles[place] or "" for place in places), places, first_line, tuple(remarks))


def _count(cells: Sequence[str | None]) -> int:
    return sum(map(bool, cells))


def _join_groups(
    groups: Sequence[Range], first: Sequence[str | None], second: Sequence[str | None]
) -> list[str | None]:
    """Join the titles of groups with those of their columns."""
    spread = list(first)
    for group in groups:
        width = group.last_place + 1 - group.first_place
        spread[group.first_place : group.last_place + 1] = [first[group.first_place]] * width
    pairs = (dict.fromkeys(filter(None, pair)) for pair in zip(spread, second, strict=True))
    return [" ".join(pair) or None for pair in pairs]


@contextmanager
def _open(path: Path) -> "Iterator[calamine.CalamineWorkbook]":
    """Open a workbook. Raises FileError with one sentence."""
    try:
        with calamine.CalamineWorkbook.from_path(path) as workbook:
            yield workbook
    except calamine.PasswordError:
        raise FileError(f"{path} is protected by a password: save it without one.") from None
    except (calamine.CalamineError, OSError) as error:
        raise FileError(f"{path} is no workbook that can be read: {error}.") from error


def _read_grid(path: Path, name: str) -> Grid:
    with _open(path) as workbook:
        if name not in workbook.sheet_names:
            names = ", ".join(workbook.sheet_names)
            raise FileError(f"{path} has no sheet called {name!r}; it has {names}.")
        sheet = workbook.get_sheet_by_name(name)
        if sheet.start is None:
            raise FileError(f"{path}, sheet {name}: it is empty.")
        rows = [
            (line, list(map(encode, cells)))
            for line, cells in enumerate(sheet.to_python(), sheet.start[0] + 1)
        ]
        merged = tuple(_list_merged(sheet))
    if not any(map(any, (cells for _, cells in rows))):
        raise FileError(f"{path}, sheet {name}: no cell of it has a value.")
    _spread_down(rows, merged)
    return Grid(rows, merged)


def _list_merged(sheet: "calamine.CalamineSheet") -> Iterator[Range]:
    assert sheet.start
    left, last_of_all = sheet.start[1], sheet.width - 1
    for (first, first_place), (last, last_place) in sheet.merged_cell_ranges or ():
        if left <= first_place <= left + last_of_all:
            yield Range(first + 1, last + 1, first_place - left, min(last_place - left, last_of_all))


def _spread_down(rows: list[tuple[int, list[str | None]]], merged: Sequence[Range]) -> None:
    """Write the value of cells that are merged over several rows into each of them."""
    by_line = dict(rows)
    for range_ in merged:
        if range_.is_spread_down and range_.first_line in by_line:
            value = by_line[range_.first_line][range_.first_place]
            for line in range(range_.first_line + 1, range_.last_line + 1):
                if line in by_line:
                    by_line[line][range_.first_place] = value


def encode(value: Value) -> str | None:
    """Encode a cell as a file of text would have it; None where it says nothing."""
    if isinstance(value, str):
        return None if not value.strip() or value.strip() in ERRORS else value
    return next(encode_ for type_, encode_ in ENCODERS if isinstance(value, type_))(value)


def _encode_float(value: float) -> str:
    is_whole = math.isfinite(value) and value == int(value) and abs(value) <= EXACT
    return str(int(value)) if is_whole else repr(value)


def _encode_duration(value: timedelta) -> str:
    return _encode_float(value.total_seconds())


#: By type, the narrower ones first: a bool is an int, a datetime is a date. Durations are seconds.
ENCODERS: Sequence[tuple[type, Callable[..., str]]] = (
    (bool, lambda value: str(value).lower()),
    (int, str),
    (float, _encode_float),
    (datetime, lambda value: value.isoformat(" ")),
    (date, date.isoformat),
    (time, time.isoformat),
    (timedelta, _encode_duration),
)
