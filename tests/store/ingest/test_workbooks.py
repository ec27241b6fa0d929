"""Workbooks: sheets by name, typed cells, headers that are not in the first line, and refusals."""

import zipfile
from datetime import date, datetime, time
from pathlib import Path

import pytest

from learning.kinds import Kind
from store.ingest import files
from store.ingest.files import FileError
from store.scaffold.inference import ColumnOptions, infer_table

from .workbook import Cell, write_workbook

HEADER: list[Cell] = ["Größe (cm)", "count", "since", "at", "hour", "member", "town", "note"]
ROWS: list[list[Cell]] = [
    [158.6, 3, date(2024, 2, 29), datetime(2024, 2, 29, 10, 30), time(6, 30), True, "Köln", "a"],
    [7.0, 12345678901, date(1999, 1, 1), datetime(1999, 1, 1, 23, 59, 59), time(7, 5), False, "Bonn", None],
    [None, 0, date(2023, 12, 31), None, time(8, 0), True, " ", "#DIV/0!"],
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shop.xlsx"


def test_cells_are_read_by_their_types(path: Path) -> None:
    layout = files.sniff(write_workbook(path, {"Sheet1": [HEADER, *ROWS]}))
    assert (layout.format, layout.header, layout.sheet) == ("workbook", tuple(HEADER), "Sheet1")
    assert list(files.read_rows(layout)) == [
        (2, ["158.6", "3", "2024-02-29", "2024-02-29 10:30:00", "06:30:00", "true", "Köln", "a"]),
        (3, ["7", "12345678901", "1999-01-01", "1999-01-01 23:59:59", "07:05:00", "false", "Bonn", None]),
        (4, [None, "0", "2023-12-31", None, "08:00:00", "true", None, None]),
    ]
    kinds = [column.type for column in infer_table(layout, ColumnOptions()).columns]
    assert kinds[:6] == [
        Kind.NUMBER, Kind.INTEGER, Kind.DATE, Kind.DATETIME, Kind("TIME"), Kind.BOOLEAN
    ]  # fmt: skip


def test_empty_rows_and_columns_are_skipped_and_lines_are_those_of_the_sheet(path: Path) -> None:
    rows: list[list[Cell]] = [
        [],
        [],
        [None, None, "a", None, "b"],
        [None, None, 1, None, 2],
        [],
        [None, None, 3],
    ]
    layout = files.sniff(write_workbook(path, {"Sheet1": rows}))
    assert layout.header == ("a", "b")
    assert list(files.read_rows(layout)) == [(4, ["1", "2"]), (6, ["3", None])]


def test_a_title_above_the_header_is_remarked_on(path: Path) -> None:
    rows: list[list[Cell]] = [["Sales of 2024"], ["a", "b"], [1, 2]]
    layout = files.sniff(write_workbook(path, {"Sheet1": rows}, merged=["A1:B1"]))
    assert (layout.header, layout.first_line) == (("a", "b"), 3)
    assert layout.remarks == ("shop.xlsx: Line 1 is taken as a title, not as a row.",)


def test_a_header_with_merged_cells_has_two_lines(path: Path) -> None:
    rows: list[list[Cell]] = [
        ["name", "size", None, "town"],
        [None, "width", "height"],
        ["x", 1, 2, "y"],
        ["z", 3, 4],
    ]
    merged = ["B1:C1", "A1:A2", "D3:D4"]
    layout = files.sniff(write_workbook(path, {"Sheet1": rows}, merged=merged))
    assert layout.header == ("name", "size width", "size height", "town")
    assert [cells for _, cells in files.read_rows(layout)] == [["x", "1", "2", "y"], ["z", "3", "4", "y"]]
    assert "Lines 1 and 2 are the header" in layout.remarks[0]


def test_sheets_are_chosen_by_name(path: Path, tmp_path: Path) -> None:
    sheets = {"empty": [], "secret": [["s"], [1]], "customers": [["c"], [1]], "visits": [["v"], [2]]}
    write_workbook(path, sheets, hidden="secret")
    (tmp_path / "other.csv").write_text("o,p\n1,2\n")
    (first,) = files.sniff_all([path])
    assert (first.sheet, first.stem, first.title) == ("customers", "shop", "shop.xlsx, sheet customers")
    assert first.remarks == ("shop.xlsx: Sheet customers is read; name others with --sheet: visits.",)
    layouts = files.sniff_all([path, tmp_path / "other.csv"], ["visits", "customers"])
    assert [layout.header for layout in layouts] == [("v",), ("c",), ("o", "p")]
    assert layouts[0].stem == "visits"
    with pytest.raises(FileError, match="No sheet is called 'Visits': there are customers, visits"):
        files.sniff_all([path], ["Visits"])
    with pytest.raises(FileError, match="No sheet is called 'x': no file is a workbook"):
        files.sniff_all([tmp_path / "other.csv"], ["x"])


def test_without_header_columns_are_numbered(path: Path) -> None:
    layout = files.sniff(write_workbook(path, {"Sheet1": [[1, None, 2], [3, None, 4]]}), no_header=True)
    assert layout.header == ("column_0", "column_1")
    assert list(files.read_rows(layout)) == [(1, ["1", "2"]), (2, ["3", "4"])]


def test_what_is_no_workbook_with_rows_is_refused(path: Path) -> None:
    with pytest.raises(FileError, match="is empty: no sheet of it has cells"):
        files.sniff(write_workbook(path, {"Sheet1": []}))
    for no_header in (False, True):
        with pytest.raises(FileError, match="sheet Sheet1: no cell of it has a value"):
            files.sniff(write_workbook(path, {"Sheet1": [[" ", "#N/A"], ["  "]]}), no_header=no_header)
    path.write_bytes(b"\xd0\xcf\x11\xe0" + b"\0" * 600)
    with pytest.raises(FileError, match="is no workbook that can be read"):
        files.sniff(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("rows.csv", "a,b\n")
    with pytest.raises(FileError, match="is a zip archive: save what is in it as CSV"):
        files.sniff(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/workbook.xml", "<broken")
    with pytest.raises(FileError, match="is no workbook that can be read"):
        files.sniff(path)
