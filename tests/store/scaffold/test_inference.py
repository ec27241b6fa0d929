"""Inference of types and roles of columns, with remarks."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learning.analysis import FindingKind
from learning.analysis.overview import analyse
from learning.columns import Column
from learning.dataset import dataset
from learning.kinds import Kind, repeats_as_names
from learning.problem import Classification
from store.ingest import files
from store.ingest.files import FileError
from store.scaffold.inference import ColumnOptions, InferredColumn, InferredTable, Role, infer_table
from tests.drawing import draws


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "things.csv"


def table(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]], **options: Any) -> InferredTable:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return infer_table(files.sniff(path), ColumnOptions(**options))


def column(path: Path, cells: Sequence[Any], header: str = "thing", **options: Any) -> InferredColumn:
    """Infer a column with these cells; the file has another one beside it."""
    return table(path, [header, "n"], ([cell, i % 7] for i, cell in enumerate(cells)), **options).columns[0]


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
        (["06:30", "7:05", "23:59:59.5"], Kind("TIME")),
        (["06:30", "24:00"], Kind.TEXT),
        (["red", "green", "red", "green"], Kind.CATEGORY),
        (["red", "green"], Kind.TEXT),
        (["", "NA", "?", None], Kind.TEXT),
        (["1", "n/a", "-", "2"], Kind.INTEGER),
        (["+", "-", "+", "-"], Kind.CATEGORY),
    ],
)
def test_types_are_inferred_from_the_cells(path: Path, cells: list[str], type_: Kind) -> None:
    assert column(path, cells).type is type_


def test_cells_that_stand_for_missing_values_are_counted_as_missing(path: Path) -> None:
    inferred = column(path, ["1", "n/a", "-", "", "NULL", "2"])
    assert (inferred.missing, inferred.distinct) == (4, 2)


def test_a_minus_beside_a_plus_is_a_value(path: Path) -> None:
    inferred = column(path, ["+", "-", "+", "-", ""], label="thing")
    assert (inferred.values, inferred.missing) == (("+", "-"), 1)


def test_a_decimal_comma_is_read(tmp_path: Path) -> None:
    path = tmp_path / "preise.csv"
    path.write_text("preis;anzahl\n1.234,5;1.000\n0,25;2\n")
    inferred = infer_table(files.sniff(path), ColumnOptions())
    assert [c.type for c in inferred.columns] == [Kind.NUMBER, Kind.INTEGER]
    assert inferred.columns[1].high == 1000


def test_the_order_of_day_and_month_is_inferred_or_remarked_on(path: Path) -> None:
    header, rows = ["on", "n"], [["03/04/2024", 1], ["05/06/2024", 2]]
    uncertain = table(path, header, rows)
    assert uncertain.day_first is True
    assert "--month-first" in uncertain.remarks[0]
    assert table(path, header, rows, day_first=False).remarks == ()
    certain = table(path, header, [*rows, ["05/31/2024", 3]])
    assert (certain.day_first, certain.remarks) == (False, ())


@pytest.mark.parametrize(
    ("header", "cells"), [("customer_id", range(7, 150, 3)), ("x", range(1, 41)), ("x", map(hex, range(40)))]
)
def test_identifiers_are_left_out_with_a_remark(path: Path, header: str, cells: Iterable[Any]) -> None:
    inferred = column(path, list(cells), header)
    assert inferred.role is Role.LEFT_OUT
    assert "identifier" in inferred.remarks[0]


def test_an_identifier_that_few_rows_repeat_is_left_out(path: Path) -> None:
    codes = [f"K{number:05}" for number in range(1000)]
    inferred = column(path, ["K00007", *codes])
    assert inferred.role is Role.LEFT_OUT
    assert inferred.remarks == ("an identifier: 1,000 different values in 1,001 rows",)
    assert column(path, [*codes, *[""] * 50]).role is Role.LEFT_OUT
    assert column(path, [*codes, *codes[:20]]).role is Role.FEATURE


@pytest.mark.parametrize("ages", [range(20, 80), [*range(64, 18, -1)], [18 + n * 37 % 71 for n in range(60)]])
def test_ages_that_do_not_repeat_in_a_small_file_are_a_feature(path: Path, ages: Iterable[Any]) -> None:
    assert column(path, ages, "age").role is Role.FEATURE


@settings(max_examples=draws(10))
@given(
    kind=st.sampled_from(["code", "number", "age", "word"]),
    rows=st.integers(5, 400),
    repeated=st.integers(0, 12),
    gaps=st.integers(0, 3),
    first=st.integers(0, 10_000),
)
def test_the_scaffold_and_the_analysis_find_the_same_identifiers(
    kind: str, rows: int, repeated: int, gaps: int, first: int
) -> None:
    make = {
        "code": lambda n: f"K{first + n}",
        "number": lambda n: str(first + n * 3),
        "age": lambda n: str(18 + n % 70),
        "word": lambda n: f"w{n % 40}",
    }[kind]
    cells = [make(n) for n in range(rows)] + [make(0)] * repeated
    labels = [("no", "yes")[n % 2] for n in range(len(cells) + gaps)]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        inferred = column(path, [*cells, *[""] * gaps])
    if not inferred.distinct or inferred.distinct == 1:
        return
    typed = [int(cell) if inferred.type.is_whole else cell for cell in cells]
    declared = Column(name="x", kind=inferred.type, nullable=True, choices=inferred.values)
    data = dataset(Classification(folds=2), [declared], [[cell] for cell in [*typed, *[None] * gaps]], labels)
    findings = [finding.kind for finding in analyse(data, Classification(folds=2)).findings]
    assert (FindingKind.IDENTIFIER in findings) is (inferred.role is Role.LEFT_OUT)


def test_prose_and_measurements_are_no_identifiers(path: Path) -> None:
    prose = [f"the patient number {i} came back after a while" for i in range(30)]
    assert (column(path, prose).type, column(path, prose).role) == (Kind.TEXT, Role.FEATURE)
    assert column(path, [i * i for i in range(30)], "area").role is Role.FEATURE


@pytest.mark.parametrize(("cells", "reason"), [(["x"] * 5, "the same"), ([""] * 5, "nothing")])
def test_empty_and_constant_columns_are_left_out(path: Path, cells: list[str], reason: str) -> None:
    inferred = column(path, cells)
    assert inferred.role is Role.LEFT_OUT
    assert reason in inferred.remarks[0]


def test_copies_of_the_label_are_left_out(path: Path) -> None:
    rows = [[i % 2, ["no", "yes"][i % 2], i % 3, "a"[: i % 2]] for i in range(60)]
    inferred = table(path, ["survived", "alive", "class", "half"], rows, label="survived")
    assert [c.role for c in inferred.columns] == [Role.LABEL, Role.LEFT_OUT, Role.FEATURE, Role.FEATURE]
    assert "copy of survived" in inferred.columns[1].remarks[0]


def test_a_column_with_twenty_thousand_values_is_text(path: Path) -> None:
    inferred = column(path, [f"street {i % 20_000}" for i in range(24_000)])
    assert (inferred.type, inferred.role, inferred.distinct) == (Kind.TEXT, Role.FEATURE, 20_000)
    assert "20,000" in inferred.remarks[0]


def test_a_large_number_of_different_values_is_estimated(path: Path) -> None:
    inferred = column(path, range(140_000), "amount")
    assert inferred.unique
    assert abs(inferred.distinct - 140_000) < 4_200


def test_a_value_of_another_type_far_from_the_start_is_reported_with_its_line(path: Path) -> None:
    inferred = column(path, [*range(70_000), "none of it", 7])
    assert inferred.type is Kind.TEXT
    assert "line 70002" in inferred.remarks[0]
    assert "none of it" in inferred.remarks[0]


@pytest.mark.parametrize(
    ("rows", "options", "sentence"),
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
def test_malformed_files_and_wrong_options_are_rejected_in_one_sentence(
    path: Path, rows: list[list[str]], options: dict[str, str], sentence: str
) -> None:
    with pytest.raises(FileError, match=sentence) as raised:
        table(path, ["a", "b"], rows, **options)
    assert str(path) in str(raised.value)


def test_columns_are_chosen_by_header_name_or_number(path: Path) -> None:
    for title in ("The label (m)", "the_label", "1"):
        inferred = table(path, ["x", "The label (m)"], [["1", "2"], ["2", "3"]], label=title)
        assert inferred.label is inferred.columns[1]


@pytest.mark.parametrize(
    ("values", "is_open"),
    [
        ([f"A-{n}" for n in range(60)] * 2, True),
        ([f"New York {n:c}" for n in range(65, 125)] * 2, False),  # of three words, as prose is
        ([f"a b {n}" for n in range(60)] * 2, False),
    ],
)
def test_the_scaffold_and_the_build_take_the_same_texts_for_levels(
    path: Path, values: list[str], is_open: bool
) -> None:
    assert column(path, values).type.is_open is is_open
    assert repeats_as_names(pd.Series(values, dtype=object)) is is_open


@pytest.mark.parametrize(
    ("header", "is_open"), [("zip_code", True), ("shop_id", True), ("age", False), ("barcode", False)]
)
def test_whole_numbers_that_are_codes_by_their_name_are_categories(
    path: Path, header: str, is_open: bool
) -> None:
    inferred = table(path, [header], [[str(10_000 + n % 30)] for n in range(90)])
    assert inferred.columns[0].type is Kind.INTEGER
    assert inferred.columns[0].is_open is is_open


def test_a_header_that_looks_like_data_is_remarked_on(path: Path) -> None:
    assert "--no-header" in table(path, ["1.5", "2"], [["1", "2"]]).remarks[0]


@pytest.mark.parametrize(
    ("distinct", "times", "longest", "type_"),
    [
        (50, 2, 9, Kind.CATEGORY),
        (51, 2, 9, Kind.OPEN_CATEGORY),
        (10, 2, 80, Kind.CATEGORY),
        (10, 2, 81, Kind.TEXT),
    ],
)
def test_a_category_has_few_short_values_that_repeat(
    path: Path, distinct: int, times: int, longest: int, type_: Kind
) -> None:
    values = [f"v{n:02}".ljust(longest, "x") for n in range(distinct)]
    assert column(path, values * times).type is type_
    assert column(path, [*values, values[0]]).type is Kind.TEXT  # less than twice each


@pytest.mark.parametrize(
    ("cells", "type_"),
    [
        ([f"{2**63 - 1}", "1"], Kind.INTEGER),
        ([f"{2**63}", "1"], Kind.LARGE),
        ([f"-{2**63}", "1"], Kind.INTEGER),
        ([f"-{2**63 + 1}", "1"], Kind.LARGE),
    ],
)
def test_whole_numbers_beyond_64_bits_are_large(path: Path, cells: list[str], type_: Kind) -> None:
    inferred = column(path, cells)
    assert inferred.type is type_
    assert ("beyond 64 bits" in inferred.remarks) is (type_ is Kind.LARGE)


def test_the_smallest_and_the_largest_integer_are_counted(path: Path) -> None:
    inferred = column(path, ["-7", "3", "1,200", "-7"])
    assert (inferred.low, inferred.high, inferred.distinct, inferred.missing, inferred.longest) == (
        -7,
        1200,
        3,
        0,
        5,
    )


def test_zeros_and_ones_are_booleans_where_they_are_many_or_the_label(path: Path) -> None:
    assert column(path, ["0", "1"] * 9 + ["1"]).type is Kind.INTEGER  # 19
    assert column(path, ["0", "1"] * 10).type is Kind.BOOLEAN
    assert column(path, ["0", "1"], label="thing").type is Kind.BOOLEAN
    assert column(path, ["yes", "no", "maybe"] * 3).type is Kind.CATEGORY


@pytest.mark.parametrize(
    ("cells", "day_first", "type_"),
    [
        (["31/12/2023"], True, Kind.DATE),
        (["31/12/2023"], False, Kind.TEXT),
        (["12/31/2023"], True, Kind.TEXT),
        (["12/31/2023"], False, Kind.DATE),
        (["01.02.2023"], False, Kind.TEXT),  # with points the day comes first
        (["2023-12-31"], False, Kind.DATE),
    ],
)
def test_dates_in_another_order_than_the_declared_one_are_text(
    path: Path, cells: list[str], day_first: bool, type_: Kind
) -> None:
    assert column(path, cells, day_first=day_first).type is type_


def test_a_column_with_a_certain_order_decides_for_all_dates(path: Path) -> None:
    inferred = table(path, ["a", "b"], [["03/04/2024", "05/31/2024"], ["03/05/2024", "01/02/2024"]])
    assert (inferred.day_first, inferred.remarks) == (False, ())
    assert table(path, ["a", "b"], [["2024-01-02", "1"]]).day_first is None


def test_columns_with_certain_orders_have_each_their_own(path: Path) -> None:
    differing = table(path, ["a", "b"], [["03/13/2024", "13/05/2024"]])
    assert [column.type for column in differing.columns] == [Kind.DATE, Kind.DATE]
    assert (differing.day_first, differing.remarks) == (None, ())
    unclear = table(path, ["a", "b", "c"], [["03/13/2024", "13/05/2024", "01/02/2024"]])
    assert unclear.unclear_date == "01/02/2024"
    assert "c has dates as 01/02/2024, which do not show whether the day" in unclear.remarks[0]


@pytest.mark.parametrize(
    ("cells", "type_"),
    [
        (["10/20/12", "01/27/11"], Kind.DATE),
        (["31.12.99", "01.01.00"], Kind.DATE),
        (["1.2.10", "2.1.11", "10.1.12"], Kind.TEXT),  # versions
        (["31-Jan-2024", "1-Feb-24"], Kind.DATE),
        (["January 31, 2024", "Feb. 1 2024"], Kind.DATE),
        (["Mon, 29 Jan 2024 12:30:00 GMT"], Kind.DATETIME),
        (["20240131", "19991231"], Kind.DATE),
        (["20240131", "20240132"], Kind.INTEGER),
        (["31/01/24 5:00 PM", "2024-01-31"], Kind.DATETIME),
        (["2024-01-31", "31/01/2024", "31 Jan 2024", "20240131"], Kind.DATE),
    ],
)
def test_dates_are_read_in_all_usual_forms_also_mixed(path: Path, cells: list[str], type_: Kind) -> None:
    assert column(path, cells).type is type_


def test_what_years_of_two_digits_mean_is_said(path: Path) -> None:
    assert column(path, ["10/20/12", "01/27/71"]).remarks == ("years of two digits are read as 1971 to 2012",)


@pytest.mark.parametrize(
    "cells",
    [
        ["2024-01", "2024-02", "2023-12"],
        ["Q1 2024", "Q2 2024", "Q3 2024"],
        ["2024-W01", "2024-W02", "2024-W03"],
        ["31. Januar 2024", "1. Mai 2024", "2. Dezember 2024"],
        ["99-12-31", "98-01-01", "97-01-31"],
        ["31/02/2024", "30/01/2024", "29/01/2024"],
    ],
)
def test_what_is_nearly_a_date_is_remarked_upon(path: Path, cells: list[str]) -> None:
    inferred = column(path, cells)
    assert not inferred.type.has_date
    [remark] = [remark for remark in inferred.remarks if "dates" in remark]
    assert remark.startswith("looks like dates as ")


def test_a_column_with_both_orders_is_remarked_upon(path: Path) -> None:
    inferred = column(path, ["31/01/2024", "01/31/2024"])
    assert inferred.type is Kind.TEXT
    assert inferred.remarks[0].startswith("the day is first in '31/01/2024', the month in '01/31/2024'")


@pytest.mark.parametrize(
    ("each", "values", "copies"),
    [(10, 4, True), (10, 5, False), (5, 4, True), (4, 4, False)],
)
def test_a_copy_has_at_most_twice_as_many_values_as_the_label_each_often(
    path: Path, each: int, values: int, copies: bool
) -> None:
    rows = [[n % values % 2, f"v{n % values}"] for n in range(each * values)]
    inferred = table(
        path, ["label", "thing"], [[["no", "yes"][label], cell] for label, cell in rows], label="label"
    )
    assert (inferred.columns[1].role is Role.LEFT_OUT) is copies


def test_a_column_that_contradicts_the_label_once_is_no_copy(path: Path) -> None:
    rows = [[["no", "yes"][n % 2], "ab"[n % 2]] for n in range(60)] + [["no", "b"]]
    assert table(path, ["label", "thing"], rows, label="label").columns[1].role is Role.FEATURE


def test_a_constant_column_with_gaps_is_a_feature(path: Path) -> None:
    assert column(path, ["x", "", "x", ""] * 5).role is Role.FEATURE
    assert column(path, ["x"] * 5).role is Role.LEFT_OUT


def test_columns_are_left_out_on_request(path: Path) -> None:
    inferred = table(path, ["a", "b"], [[i % 3, i % 7] for i in range(40)], leave_out=("b",))
    assert inferred.columns[1].remarks == ("as you asked",)
    assert [c.name for c in inferred.features] == ["a"]
    assert (inferred.columns[1].optional, inferred.columns[0].optional) == (True, False)


def test_the_number_of_a_missing_column_is_rejected(path: Path) -> None:
    rows = [["1", "2"], ["2", "3"]]
    assert table(path, ["x", "y"], rows, label="1").label
    with pytest.raises(FileError, match="no column is called '2'"):
        table(path, ["x", "y"], rows, label="2")


def test_labels_are_counted_with_the_line_of_the_first(path: Path) -> None:
    inferred = table(path, ["label", "n"], [["a", 1], ["b", 2], ["", 3], ["b", 4]], label="label")
    assert (inferred.labels, inferred.first_lines) == ({"a": 1, "b": 2}, {"a": 2, "b": 3})
    signs = table(path, ["label", "n"], [["+", 1], ["-", 2], ["-", 4]], label="label")
    assert signs.labels == {"+": 1, "-": 2}


def test_an_exception_is_described_by_the_cells_before_it(path: Path) -> None:
    assert column(path, [*[""] * 60, *["Grvl", "Pave"] * 30]).remarks == ()
    cells = [*["", "7"] * 30, "x", *["7", "8"] * 30]
    assert (
        "a number in each of 30 cells with a value before line 62, which has 'x'"
        in column(path, cells).remarks[0]
    )
    minus = ["-", *range(40), "x"]
    assert "each of 40 cells with a value before line 43" in column(path, minus).remarks[0]


def test_a_whole_number_that_is_written_in_several_ways_is_one_value(path: Path) -> None:
    assert column(path, ["1,000", "1000", "+7", "7", "-1"] * 8).values == ("-1", "7", "1000")


def test_lists_are_left_out_with_a_remark(tmp_path: Path) -> None:
    path = tmp_path / "nested.jsonl"
    path.write_text("".join(f'{{"tags": ["a", {i % 3}], "base": {{"hp": {i % 7}}}}}\n' for i in range(30)))
    tags, hp = infer_table(files.sniff(path), ColumnOptions()).columns
    assert (tags.role, tags.type, hp.name, hp.type) == (Role.LEFT_OUT, Kind.TEXT, "base_hp", Kind.INTEGER)
    assert tags.remarks[-1].startswith("lists, which no model learns from")


def test_an_early_exception_from_a_form_gets_no_remark(path: Path) -> None:
    assert column(path, ["1", "2", "x", "3"]).remarks == ()
    assert "a number in each row before line 32, which has 'x'" in column(path, [*range(30), "x"]).remarks[0]


@pytest.mark.parametrize(
    ("header", "has_remark"), [(["1.5", "2"], True), (["1.5", "a"], False), (["a", "b"], False)]
)
def test_a_header_looks_like_data_where_most_of_its_titles_are_numbers(
    path: Path, header: list[str], has_remark: bool
) -> None:
    assert bool(table(path, header, [["1", "2"]]).remarks) is has_remark


def test_values_are_sorted_as_numbers_or_as_texts(path: Path) -> None:
    assert column(path, ["10", "9", "1"] * 8).values == ("1", "9", "10")
    assert column(path, ["b", "a", "B"] * 8).values == ("B", "a", "b")
