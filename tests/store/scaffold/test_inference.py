"""What is understood of columns, and what is said about it."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from learning.kinds import Kind
from store.ingest import files
from store.ingest.files import FileError
from store.scaffold.inference import InferredColumn, InferredTable, Role, Wishes, understand


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "things.csv"


def table(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]], **wishes: Any) -> InferredTable:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return understand(files.sniff(path), Wishes(**wishes))


def column(path: Path, cells: Sequence[Any], header: str = "thing", **wishes: Any) -> InferredColumn:
    """The column with these cells, beside another one."""
    return table(path, [header, "n"], ([cell, i % 7] for i, cell in enumerate(cells)), **wishes).columns[0]


@pytest.mark.parametrize(
    ("cells", "type_"),
    [
        (["1", "-20", "3"], Kind.INTEGER),
        (["1,234", "5"], Kind.INTEGER),
        (["1", "2.5", "1e-3"], Kind.NUMBER),
        (["1,234.5", "7"], Kind.NUMBER),
        (["9223372036854775808", "1"], Kind.LARGE),
        (["007", "008"], Kind.TEXT),
        (["True", "false", "TRUE"], Kind.BOOLEAN),
        (["y", "n", "y"], Kind.BOOLEAN),
        (["0", "1"] * 10, Kind.BOOLEAN),
        (["0", "1"], Kind.INTEGER),
        (["2024-02-29", "2023-01-01"], Kind.DATE),
        (["2023-02-29", "2023-01-01"], Kind.TEXT),
        (["2024-02-29 10:00", "2023-01-01T23:59:59.5Z"], Kind.DATETIME),
        (["31/12/2023", "1/2/2023"], Kind.DATE),
        (["31/12/2023", "12/31/2023"], Kind.TEXT),
        (["red", "green", "red", "green"], Kind.CATEGORY),
        (["red", "green"], Kind.TEXT),
        (["", "NA", "?", None], Kind.TEXT),
        (["1", "n/a", "-", "2"], Kind.INTEGER),
        (["+", "-", "+", "-"], Kind.CATEGORY),
    ],
)
def test_types_are_read_off_the_cells(path: Path, cells: list[str], type_: Kind) -> None:
    assert column(path, cells).type is type_


def test_missing_tokens_are_counted_as_missing(path: Path) -> None:
    found = column(path, ["1", "n/a", "-", "", "NULL", "2"])
    assert (found.missing, found.distinct) == (4, 2)


def test_a_minus_beside_a_plus_is_a_value(path: Path) -> None:
    found = column(path, ["+", "-", "+", "-", ""], label="thing")
    assert (found.values, found.missing) == (("+", "-"), 1)


def test_a_decimal_comma_is_read(tmp_path: Path) -> None:
    path = tmp_path / "preise.csv"
    path.write_text("preis;anzahl\n1.234,5;1.000\n0,25;2\n")
    found = understand(files.sniff(path), Wishes())
    assert [c.type for c in found.columns] == [Kind.NUMBER, Kind.INTEGER]
    assert found.columns[1].high == 1000


def test_the_order_of_day_and_month_is_decided_and_said(path: Path) -> None:
    header, rows = ["on", "n"], [["03/04/2024", 1], ["05/06/2024", 2]]
    unsure = table(path, header, rows)
    assert unsure.day_first is True
    assert "--month-first" in unsure.remarks[0]
    assert table(path, header, rows, day_first=False).remarks == ()
    certain = table(path, header, [*rows, ["05/31/2024", 3]])
    assert (certain.day_first, certain.remarks) == (False, ())


@pytest.mark.parametrize(
    ("header", "cells"), [("customer_id", range(7, 150, 3)), ("x", range(1, 41)), ("x", map(hex, range(40)))]
)
def test_identifiers_are_left_out_and_that_is_said(path: Path, header: str, cells: Iterable[Any]) -> None:
    found = column(path, list(cells), header)
    assert found.role is Role.LEFT_OUT
    assert "identifier" in found.remarks[0]


def test_prose_and_measurements_are_no_identifiers(path: Path) -> None:
    prose = [f"the patient number {i} came back after a while" for i in range(30)]
    assert (column(path, prose).type, column(path, prose).role) == (Kind.TEXT, Role.FEATURE)
    assert column(path, [i * i for i in range(30)], "area").role is Role.FEATURE


@pytest.mark.parametrize(("cells", "reason"), [(["x"] * 5, "the same"), ([""] * 5, "nothing")])
def test_columns_that_say_nothing_are_left_out(path: Path, cells: list[str], reason: str) -> None:
    found = column(path, cells)
    assert found.role is Role.LEFT_OUT
    assert reason in found.remarks[0]


def test_copies_of_the_label_are_pointed_out(path: Path) -> None:
    rows = [[i % 2, ["no", "yes"][i % 2], i % 3, "a"[: i % 2]] for i in range(60)]
    found = table(path, ["survived", "alive", "class", "half"], rows, label="survived")
    assert [c.role for c in found.columns] == [Role.LABEL, Role.LEFT_OUT, Role.FEATURE, Role.FEATURE]
    assert "copy of survived" in found.columns[1].remarks[0]


def test_fifty_thousand_categories_are_read_as_words(path: Path) -> None:
    found = column(path, [f"street {i % 50_000}" for i in range(60_000)])
    assert (found.type, found.role, found.distinct) == (Kind.TEXT, Role.FEATURE, 50_000)
    assert "50,000" in found.remarks[0]


def test_beyond_what_is_remembered_the_number_of_values_is_estimated(path: Path) -> None:
    found = column(path, range(200_000), "amount")
    assert found.unique
    assert abs(found.distinct - 200_000) < 6_000


def test_mixed_types_far_behind_are_found_with_their_line(path: Path) -> None:
    found = column(path, [*range(100_000), "none of it", 7])
    assert found.type is Kind.TEXT
    assert "line 100002" in found.remarks[0]
    assert "none of it" in found.remarks[0]


@pytest.mark.parametrize(
    ("rows", "wishes", "sentence"),
    [
        ([], {}, "a header and no rows"),
        ([["1", "2", "3"]], {}, "line 2: the row has 3 cells where the header has 2"),
        ([["1", "2"], ["1"]], {}, "line 3: the row has 1 cell where"),
        ([["1", "a\0"]], {}, "line 2, column b: NUL"),
        ([["1", "2"]], {"label": "c"}, "no column is called 'c'; it has a, b"),
        ([["1.5", "2"], ["inf", "2"]], {}, "line 3, column a: 'inf' is no finite number"),
        ([["1.5", "2"], ["1e999", "2"]], {}, "line 3, column a: '1e999' is no finite number"),
        ([["x", "2"], ["x", "3"]], {"label": "a"}, "column a: each label is 'x'"),
        ([["", "2"], ["?", "3"]], {"label": "a"}, "no row has a label"),
        ([["", "2"], ["1", "3"]], {"entity": "a"}, "line 2, column a: the key is missing .in 1 of 2 rows"),
        ([["x", "2"]], {"time": "a"}, "no date and no time"),
        ([["2024-01-01", "2"], ["", "3"]], {"time": "a"}, "line 3, column a: the time is missing"),
    ],
)
def test_bad_files_and_wishes_are_refused_in_one_sentence(
    path: Path, rows: list[list[str]], wishes: dict[str, str], sentence: str
) -> None:
    with pytest.raises(FileError, match=sentence) as refused:
        table(path, ["a", "b"], rows, **wishes)
    assert str(path) in str(refused.value)


def test_columns_are_called_by_header_name_or_number(path: Path) -> None:
    for wish in ("The label (m)", "the_label", "1"):
        found = table(path, ["x", "The label (m)"], [["1", "2"], ["2", "3"]], label=wish)
        assert found.label is found.columns[1]


def test_data_in_the_place_of_the_header_is_noticed(path: Path) -> None:
    assert "--no-header" in table(path, ["1.5", "2"], [["1", "2"]]).remarks[0]
