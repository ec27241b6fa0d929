"""Boundaries of the inference of columns: where a type, a role or a remark turns into another."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from learning.kinds import Kind
from store.ingest import files
from store.ingest.files import FileError, Layout
from store.scaffold.inference import (
    ColumnOptions,
    InferredColumn,
    InferredTable,
    Role,
    collect_statistics,
    column_statistics,
    infer_table,
)
from store.scaffold.inference.overview import render_overview
from store.scaffold.inference.repeats import find_repeats, merge_repeats

#: The file of the layouts, which does not exist: the rows are given.
PATH = Path("things.csv")


def table(header: Sequence[str], rows: Iterable[Sequence[Any]], **options: Any) -> InferredTable:
    own = {name: options.pop(name) for name in ("has_header", "lists", "texts") if name in options}
    cells = ([None if cell is None else str(cell) for cell in row] for row in rows)
    layout = Layout(path=PATH, format="csv", header=tuple(header), **own)
    return infer_table(layout, ColumnOptions(**options), enumerate(cells, 2))


def column(cells: Iterable[Any], header: str = "thing", **options: Any) -> InferredColumn:
    return table([header, "n"], ([cell, i % 7] for i, cell in enumerate(cells)), **options).columns[0]


def names(count: int, length: int = 4) -> list[str]:
    return [f"v{n:0{length - 1}}" for n in range(count)]


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read two rows at a time, so that what is told of a column comes from several batches."""
    monkeypatch.setattr(column_statistics, "BATCH", 2)


# -- One pass in batches --


def test_composed_and_decomposed_characters_are_one_value() -> None:
    assert column(["Zoe\u0308", "Zo\u00eb"] * 2).values == ("Zo\u00eb",)


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize(
    ("cells", "line"), [(["1", "", "2", ""], 3), (["1", "2", "-", "", "3"], 4), ([None], 2)]
)
def test_the_first_gap_of_a_key_is_reported(cells: list[str], line: int) -> None:
    with pytest.raises(FileError, match=f"line {line}, column thing: the key is missing"):
        column(cells, entity="thing")


@pytest.mark.usefixtures("small_batches")
def test_range_example_and_length_are_of_all_batches() -> None:
    inferred = column(["5", "7", "6", "1000", "-3", "6", "8", "8"])
    assert (inferred.low, inferred.high, inferred.example, inferred.longest) == (-3, 1000, "5", 4)
    assert column(["5", "7", "6", "6"]).low == 5  # and not 0
    assert column(["-5", "-7", "-6", "-6"]).high == -5


@pytest.mark.usefixtures("small_batches")
def test_dates_of_all_batches_decide_on_order_and_years() -> None:
    assert column(["13/01/2024", "01/01/2024", "01/02/2024", "01/31/2024"]).type is Kind.TEXT
    assert table(["on"], [["01/13/2024"], ["01/01/2024"], ["01/02/2024"]]).day_first is False
    years = column(["10/20/12", "01/27/71", "01/27/05", "01/28/05"])
    assert years.remarks == ("years of two digits are read as 1971 to 2012",)


def test_one_year_of_two_digits_is_no_range() -> None:
    assert column(["10/20/12", "01/27/12"]).remarks == ("years of two digits are read as 2012",)


@pytest.mark.usefixtures("small_batches")
def test_an_exception_is_counted_over_all_batches() -> None:
    cells = [*range(19), "", 19, "x", "y"]
    assert (
        "a number in each of 20 cells with a value before line 23, which has 'x'" in column(cells).remarks[0]
    )


@pytest.mark.usefixtures("small_batches")
def test_values_that_repeat_in_another_batch_are_not_unique() -> None:
    repeated, unique = column([*names(4), *names(4)]), column(names(8))
    assert (repeated.unique, repeated.distinct, unique.unique) == (False, 4, True)


@pytest.mark.usefixtures("small_batches")
def test_the_first_line_of_a_label_is_of_its_first_batch() -> None:
    labels = table(["label"], [["a"], ["a"], ["b"], ["b"], ["a"], ["c"]], label="label")
    assert labels.first_lines == {"a": 2, "b": 4, "c": 7}


def test_a_column_is_of_near_dates_where_its_first_values_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(column_statistics, "BATCH", 4)
    dates = [f"2024-{month:02}" for month in range(1, 9)]
    assert column([*names(4), *dates]).remarks == ()
    assert "looks like dates as '2024-01'" in column([*dates, *names(4)]).remarks[0]


@pytest.mark.parametrize(
    ("near", "others", "is_near"),
    [(9, 1, True), (8, 1, False), (2, 0, False), (3, 0, True), (17, 2, False), (18, 2, True)],
)
def test_nine_of_ten_values_and_three_look_like_dates(near: int, others: int, is_near: bool) -> None:
    cells = [*[f"2024-W{week:02}" for week in range(1, near + 1)], *names(others)]
    assert any("looks like dates as '2024-W01'" in remark for remark in column(cells).remarks) is is_near


@pytest.mark.usefixtures("small_batches")
def test_values_are_counted_one_by_one_up_to_a_thousand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(column_statistics, "MAX_VALUES", 4)
    assert len(column(names(4) * 2).values) == 4
    assert column(names(5) * 2).values == ()
    labels = table(["label"], [[name] for name in names(5) * 2], label="label")
    assert (labels.labels, labels.first_lines) == ({}, {})


def test_a_sample_of_the_values_estimates_how_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(column_statistics, "MAX_VALUES", 10)
    monkeypatch.setattr(column_statistics, "MAX_HASHES", 256)
    once, thrice = column(range(1, 12_000, 3)), column([*range(1, 12_000, 3)] * 3)
    assert abs(once.distinct - 4000) < 1200
    assert once.distinct == thrice.distinct
    assert (once.unique, thrice.unique) == (True, False)


def test_a_minus_counts_as_a_value_and_not_as_missing() -> None:
    signs = column(["+", "-", "-", "", "+", "-"])
    assert (signs.distinct, signs.missing, signs.values) == (2, 1, ("+", "-"))
    plus = column(["+", "", "+", ""])
    assert (plus.distinct, plus.missing, plus.values) == (1, 2, ("+",))
    only_dashes = column(["-", "-", "-"])
    assert (only_dashes.distinct, only_dashes.missing, only_dashes.remarks) == (0, 3, ("nothing is in it",))


@pytest.mark.parametrize("word", ["N/A", "Null", "NONE", "unknown", " nan ", ".", "--", "#N/A"])
def test_words_for_missing_values_have_any_case_and_blanks_around(word: str) -> None:
    assert (column(["1", word, "2"]).type, column(["1", word, "2"]).missing) == (Kind.INTEGER, 1)


@pytest.mark.parametrize("word", ["nothing", "0", "N", "n.a", "x"])
def test_other_words_are_values(word: str) -> None:
    assert column(["1", word, "2"]).missing == 0


def test_texts_of_a_table_are_taken_as_they_are() -> None:
    cells = ["NaN", "None", "n/a", "-", "+", " x", "Zoe\u0308"] * 2 + [None, "", " \t"]
    inferred = column(cells, texts=frozenset({0}))
    assert inferred.values == (" x", "+", "-", "NaN", "None", "Zo\u00eb", "n/a")
    assert inferred.missing == 3
    for infinite in (["inf", "1.5"], ["1e999", "1"]):
        assert column(infinite, texts=frozenset({0})).distinct == 2
    with pytest.raises(FileError, match="line 4, column thing: the key is missing"):
        column(["NA", "-", None], entity="thing", texts=frozenset({0}))
    exception = column([*["-"] * 30, "x"], texts=frozenset({0}))
    assert (exception.missing, exception.remarks) == (0, ())


# -- Wishes --


LISTS = {"lists": frozenset({0})}


@pytest.mark.parametrize(
    ("cells", "options", "kinds"),
    [
        (range(60), {}, (Kind.INTEGER, Kind.TEXT, Kind.OPEN_CATEGORY)),
        (["0", "1"] * 10, {}, (Kind.BOOLEAN, Kind.INTEGER, Kind.CATEGORY, Kind.TEXT, Kind.OPEN_CATEGORY)),
        (["red", "green"] * 10, {"label": "thing"}, (Kind.CATEGORY,)),
        (["red", "green"] * 10, {}, (Kind.CATEGORY, Kind.TEXT, Kind.OPEN_CATEGORY)),
        (names(60), {"entity": "thing"}, ()),
        ([""] * 9, {}, ()),
    ],
)
def test_a_column_may_be_declared_as_the_kinds_that_its_values_have(
    cells: Iterable[Any], options: dict[str, Any], kinds: tuple[Kind, ...]
) -> None:
    assert column(cells, **options).kinds == kinds


def test_a_wish_for_the_inferred_kind_changes_nothing() -> None:
    cells = [*range(40), "3"]
    assert column(cells, kinds={"thing": Kind.INTEGER}) == column(cells)


def test_numbers_that_are_wished_to_be_choices_are_sorted_as_texts() -> None:
    wished = column(["10", "9", "1"] * 8, kinds={"thing": Kind.CATEGORY})
    assert (wished.type, wished.values, wished.remarks) == (
        Kind.CATEGORY,
        ("1", "10", "9"),
        ("as you asked",),
    )


@pytest.mark.parametrize(
    ("cells", "options"), [([""] * 9, {}), (["x"] * 9, {}), (['["a"]', '["b"]'] * 9, LISTS)]
)
def test_a_wish_does_not_use_a_column_from_which_nothing_can_be_learned(
    cells: list[str], options: dict[str, Any]
) -> None:
    assert column(cells, use=("thing",), **options).role is Role.LEFT_OUT


# -- Roles --


def test_a_header_comes_before_a_name_and_a_name_before_a_number() -> None:
    header, row = ["A b", "a_b", "0"], [["1", "2", "3"], ["2", "3", "4"]]
    for title, place in [("a_b", 1), ("A b", 0), ("0", 2), ("1", 1)]:
        label = table(header, row, label=title).label
        assert label and label.header == header[place]


@pytest.mark.parametrize(("width", "is_cut"), [(30, False), (31, True)])
def test_thirty_titles_are_listed_for_a_missing_column(width: int, is_cut: bool) -> None:
    with pytest.raises(FileError, match="no column is called 'z'") as raised:
        table(names(width), [["1"] * width], label="z")
    assert str(raised.value).endswith("v029, …." if is_cut else f"v{width - 1:03}.")


def test_an_order_that_the_caller_chooses_is_that_of_every_column() -> None:
    chosen = table(["a", "b"], [["13/05/2024", "01/02/2024"]], day_first=False)
    assert ([column.type for column in chosen.columns], chosen.day_first) == ([Kind.TEXT, Kind.DATE], False)
    assert chosen.columns[0].remarks[0] == "'13/05/2024' has another order of day and month than was given"


@pytest.mark.usefixtures("small_batches")
def test_dates_that_are_not_read_decide_for_no_other_column() -> None:
    rows = [["05/31/2024", "03/04/2024"], ["05/30/2024", "05/06/2024"], ["red", "05/06/2024"]]
    assert table(["a", "b"], rows).unclear_date == "03/04/2024"
    assert table(["a", "b"], [["2024-05-31", "03/04/2024"]]).unclear_date == "03/04/2024"
    assert table(["a", "b"], [["2024-05-31", "2024-05-30"]], day_first=True).day_first is None


def test_columns_that_differ_beside_an_unclear_one_have_no_common_order() -> None:
    inferred = table(["a", "b", "c"], [["03/13/2024", "13/05/2024", "01/02/2024"]])
    assert inferred.day_first is None


def test_key_label_and_time_are_never_left_out() -> None:
    rows = [[n, "2024-01-01", ["no", "yes"][n % 2], n % 3] for n in range(1, 61)]
    inferred = table(["id", "on", "label", "x"], rows, entity="id", time="on", label="label")
    assert [column.role for column in inferred.columns] == [Role.KEY, Role.TIME, Role.LABEL, Role.FEATURE]
    assert [column.remarks for column in inferred.columns] == [(), (), (), ()]
    assert (inferred.key, inferred.time) == (inferred.columns[0], inferred.columns[1])


def test_a_label_of_lists_is_a_category() -> None:
    lists = {"lists": frozenset({0})}
    assert column(['["a"]', '["b"]'] * 9, label="thing", **lists).type is Kind.CATEGORY
    assert column(['["a"]', '["b"]'] * 9, **lists).role is Role.LEFT_OUT


@pytest.mark.parametrize("infinite", ["inf", "-Infinity", "+INF"])
def test_an_infinite_number_is_refused_and_a_word_is_not(infinite: str) -> None:
    with pytest.raises(FileError, match="line 3, column thing"):
        column(["1.5", infinite])
    assert column(["one", infinite, "two"]).type is Kind.TEXT


def test_labels_that_do_not_repeat_are_categories_and_keys_are_texts() -> None:
    assert column(["red", "green", "blue"], label="thing").type is Kind.CATEGORY
    assert column(names(60) * 2, entity="thing").type is Kind.TEXT
    assert column(names(60) * 2).type is Kind.OPEN_CATEGORY


@pytest.mark.parametrize(
    ("cells", "type_"),
    [
        (["yes"] * 4, Kind.CATEGORY),
        (["Yes", "NO", "no"], Kind.BOOLEAN),
        (["on", "off"], Kind.BOOLEAN),
        (["t", "f"], Kind.BOOLEAN),
        (["yes", "false"], Kind.TEXT),
        (["0.0", "1.0"] * 10, Kind.BOOLEAN),
        (["0", "1.0"] * 10, Kind.NUMBER),
        (["0", "1", ""] * 9 + ["0"], Kind.INTEGER),  # 19 cells with a value
        (["0", "1", ""] * 10, Kind.BOOLEAN),
        (["1"] * 30, Kind.INTEGER),
    ],
)
def test_booleans_are_a_whole_pair(cells: list[str], type_: Kind) -> None:
    assert column(cells).type is type_


@pytest.mark.parametrize(("before", "has_remark"), [(19, False), (20, True)])
def test_an_exception_is_one_from_twenty_cells_on(before: int, has_remark: bool) -> None:
    assert column([*range(before), "x"]).remarks[0].startswith("a number in each row") is has_remark


def test_an_exception_is_described_once_and_only_if_no_wider_type_takes_it() -> None:
    assert column([*range(30), "2.5", *range(30)]).remarks == ()
    days = ["2024-01-01", "2024-01-02"] * 15
    assert column([*days, "2024-01-03 10:00"]).remarks == ()
    described = [remark for remark in column([*range(30), "x"]).remarks if "before line" in remark]
    assert described == ["a number in each row before line 32, which has 'x'"]
    words = column(["", *range(30), "x"]).remarks[0]
    assert words == "a number in each of 30 cells with a value before line 33, which has 'x'"


@pytest.mark.parametrize(("length", "shown"), [(40, "x" * 40), (41, "x" * 39 + "…")])
def test_long_values_are_shortened_in_remarks_and_errors(length: int, shown: str) -> None:
    assert f"which has '{shown}'" in column([*range(30), "x" * length]).remarks[0]
    with pytest.raises(FileError, match=f"each label is '{shown}'"):
        column(["x" * length] * 2, label="thing")


def test_fifty_one_texts_that_are_no_names_are_read_as_words() -> None:
    def remarks(count: int, ending: str = "") -> tuple[str, ...]:
        cells = [f"a b {name}{ending}" for name in names(count)]
        return column([*cells, *cells[1:]]).remarks

    assert remarks(51) == ("51 different values are too many to choose from: read as words",)
    assert remarks(50) == ()
    assert remarks(51, " c") == ()  # prose
    levels = column(names(51) * 2)
    assert levels.remarks == ("51 different values, each a level of its own: new ones are accepted",)


def test_words_are_counted_in_each_cell_and_not_in_each_value() -> None:
    cells = [*["one two three four five"] * 40, *[f"w{n}" for n in range(30)], *[f"w{n}" for n in range(30)]]
    assert column(cells).type is Kind.CATEGORY
    spaced = [*names(60), *["a b c d e"] * 60]
    assert column([*spaced, *names(60)]).type is not Kind.OPEN_CATEGORY


def test_what_the_caller_leaves_out_has_that_reason_first() -> None:
    assert column([""] * 3, leave_out=("thing",)).remarks == ("as you asked",)
    assert column(range(1, 41), leave_out=("0",)).remarks == ("as you asked",)


@pytest.mark.parametrize(("each", "is_copy"), [(9, False), (10, True)])
def test_a_copy_stands_in_twenty_rows(each: int, is_copy: bool) -> None:
    rows = [[label, label.upper()] for label in ("no", "yes") * each]
    assert (table(["label", "x"], rows, label="label").columns[1].role is Role.LEFT_OUT) is is_copy


def test_gaps_do_not_hide_a_copy_and_one_label_makes_none() -> None:
    rows = [[["no", "yes"][n % 2], ["a", "b"][n % 2]] for n in range(60)]
    gaps = [*rows, ["", "a"], ["yes", ""], ["", "b"], ["no", ""]]
    assert table(["label", "x"], gaps, label="label").columns[1].role is Role.LEFT_OUT
    half = [[label, "a" if label == "yes" else ""] for label, _ in rows]
    assert table(["label", "x"], half, label="label").columns[1].role is Role.FEATURE


def test_no_column_of_very_many_values_is_taken_for_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(column_statistics, "MAX_VALUES", 3)
    layout = Layout(path=PATH, format="csv", header=("label", "x"))
    for count, places in [(3, (1,)), (4, ())]:
        rows = [[f"l{n % count}", f"x{n % count}"] for n in range(20)]
        assert collect_statistics(layout, enumerate(rows, 2), label=0).copies == places


@pytest.mark.parametrize(
    ("header", "cells", "is_identifier"),
    [
        ("x", range(1, 20), False),  # 19 rows
        ("x", range(20), True),
        ("x", range(2, 40), False),  # counts from 2
        ("x", range(0, 80, 2), False),  # with gaps
        ("x", [*range(2, 102), 5], False),
        ("x", range(-220, 230, 3), True),  # 150 rows that repeat less than by chance
        ("x", range(-220, 227, 3), False),
        ("order_no", range(2, 80, 2), True),
        ("x", [*range(100, 199), 100], False),
        ("order_no", [*range(100, 199), 100], True),  # 99 of 100
        ("order_no", [*range(100, 198), 100, 101], False),
        ("order_no", [n / 8 for n in range(40)], False),  # no whole numbers
        ("x", [f"{n} of a b" for n in range(40)], False),  # prose of 3 spaces
        ("x", [f"{n} of a" for n in range(40)], True),
        ("order_no", [f"2024-01-{1 + n:02}" for n in range(31)], False),
    ],
)
def test_identifiers_are_whole_numbers_that_count_or_are_called_so_and_texts(
    header: str, cells: Iterable[Any], is_identifier: bool
) -> None:
    inferred = column(cells, header)
    assert (inferred.role is Role.LEFT_OUT) is is_identifier
    assert any("an identifier" in remark for remark in inferred.remarks) is is_identifier


def test_an_identifier_says_whether_any_value_repeats() -> None:
    assert column(range(1, 41)).remarks == ("an identifier: different in each row",)
    assert column([*range(1, 101), 7], "order_no").remarks == (
        "an identifier: 100 different values in 101 rows",
    )


@pytest.mark.parametrize(
    ("header", "has_header", "has_remark"),
    [
        (["1.5", "-2", "a"], True, True),
        (["1.5", "-2", "a"], False, False),
        (["1,5", "a"], True, False),
        (["1a", "2b"], True, False),
    ],
)
def test_only_a_header_of_the_file_is_taken_for_data(
    header: list[str], has_header: bool, has_remark: bool
) -> None:
    assert bool(table(header, [["1"] * len(header)], has_header=has_header).remarks) is has_remark


def test_numbers_are_sorted_by_size_and_texts_by_characters() -> None:
    assert column(["10.5", "9.5", "-1.5", "1e1"] * 3).values == ("-1.5", "9.5", "1e1", "10.5")
    assert column(["10", "9", "b"] * 3).values == ("10", "9", "b")


@pytest.mark.parametrize(
    ("cells", "is_open"),
    [
        ([10_000, 10_001, 10_002] * 5, True),
        ([10_000, 10_001] * 5, False),  # two values
        (range(10_000, 10_015), False),  # none repeats
        (["1.5", "2.5", "3.5"] * 5, False),
    ],
)
def test_codes_are_open_categories_where_more_than_two_repeat(cells: Iterable[Any], is_open: bool) -> None:
    assert column(cells, "zip").is_open is is_open


@pytest.mark.parametrize(
    ("cells", "options", "is_optional"),
    [
        (["1", "2"], {}, False),
        (["1", ""], {}, True),
        (["1", "2"], {"label": "thing"}, True),
        (["1", "2"], {"leave_out": ("thing",)}, True),
        (["1", "2"], {"entity": "thing"}, False),
    ],
)
def test_what_no_model_needs_to_predict_may_be_null(
    cells: list[str], options: dict[str, Any], is_optional: bool
) -> None:
    assert column(cells, **options).optional is is_optional


def test_days_without_hyphens_are_days_before_they_are_integers() -> None:
    assert column(["20240131", "20240201"]).type is Kind.DATE
    assert column(["20240131", "7"]).type is Kind.INTEGER


def test_a_time_is_a_date_or_a_time_of_a_date() -> None:
    with pytest.raises(FileError, match="column thing: '06:30' is no date and no time"):
        column(["06:30", "07:00"], time="thing")
    for cells in (["2024-01-01"], ["2024-01-01 10:00"]):
        assert column(cells, time="thing").role is Role.TIME


def test_a_decimal_comma_turns_points_into_thousands(tmp_path: Path) -> None:
    path = tmp_path / "preise.csv"
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter=";").writerows(
            [["a", "b"], ["0,25", "1.000"], ["1.234,5", "-2"], ["7", "3"]]
        )
    first, second = infer_table(files.sniff(path), ColumnOptions()).columns
    assert (first.type, second.type, second.low, second.high) == (Kind.NUMBER, Kind.INTEGER, -2, 1000)


# -- Rows that repeat, and the overview --


def read(path: Path, text: str, **options: Any) -> InferredTable:
    path.write_text(text)
    return infer_table(files.sniff(path), ColumnOptions(**options))


def test_equal_rows_are_counted_once_with_their_label(tmp_path: Path) -> None:
    text = "id,on,label\n1,a,no\n2,b,yes\n3, c,no\n2,b,yes\n3,c,no\n4,n/a,yes\n4,,yes\n"
    inferred = read(tmp_path / "a.csv", text, entity="id", label="label")
    repeats = find_repeats(inferred)
    assert (repeats.count, repeats.labels, repeats.difference) == (3, {"yes": 2, "no": 1}, "")
    merged = merge_repeats(inferred, repeats)
    assert (merged.rows, merged.labels, merged.key and merged.key.unique) == (4, {"no": 2, "yes": 2}, True)
    assert merged.remarks[-1] == "a.csv: 3 rows equal another in every column; equal rows are one row."
    once = read(tmp_path / "b.csv", "id,on\n1,a\n2,b\n1,a\n", entity="id")
    assert merge_repeats(once, find_repeats(once)).remarks[-1].startswith("b.csv: 1 row equals another")


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("1,b,c,d,", "(x0 a there and b here)"),
        ("1,b,d,e,", "(x0 a there and b here; x1 c there and d here; x2 d there and e here)"),
        ("1,b,d,e,f", "; x2 d there and e here, and 1 more columns)"),
        ("1,,c,d,", "(x0 a there and nothing here)"),
    ],
)
def test_rows_with_one_key_that_differ_are_described(tmp_path: Path, row: str, sentence: str) -> None:
    inferred = read(tmp_path / "a.csv", f"id,x0,x1,x2,x3\n2,a,c,d,\n1,a,c,d,\n{row}\n1,a,c,d,\n", entity="id")
    repeats = find_repeats(inferred)
    assert "line 4, column id: '1' is the key of line 3 too" in repeats.difference
    assert sentence in repeats.difference
    assert repeats.count == 0


def show(table: InferredTable) -> list[str]:
    """Render the lines of the overview, with single blanks."""
    console = Console(width=240, file=StringIO(), color_system=None)
    with console.capture() as capture:
        console.print(render_overview(table))
    return [" ".join(line.split()) for line in capture.get().splitlines() if line.strip()]


def test_the_overview_names_fields_reasons_and_gaps() -> None:
    rows = [[i % 7, "", "x", "word " * 9 if i % 2 else None] for i in range(1200)]
    title, _, _, *lines = show(table(["n of a", "empty", "", "w" * 25], rows))
    assert title == "things.csv: 1,200 rows (utf-8, commas)"
    assert lines[:3] == [
        "n of a integer 7 0 feature n_of_a",
        "empty nothing 1,200 0 left out: nothing is in it",
        "(none) category 1 x left out: the same in each row",
    ]
    assert lines[3].startswith("w" * 23 + "… ")
    assert lines[3].endswith(" category 600 1 word word word word wor… feature")


@pytest.mark.parametrize(
    ("layout", "title"),
    [
        ({"format": "csv", "delimiter": ";", "decimal_comma": True}, "(utf-8, semicolons, decimal comma)"),
        ({"format": "csv", "delimiter": "\t", "quote": None}, "(utf-8, tabs, nothing quoted)"),
        ({"format": "parquet"}, "(parquet)"),
    ],
)
def test_the_overview_says_how_a_file_is_read(layout: dict[str, Any], title: str) -> None:
    rows = enumerate([["1", "2"], ["2", "3"]], 2)
    inferred = infer_table(Layout(path=PATH, header=("a", "b"), **layout), ColumnOptions(), rows)
    assert show(inferred)[0] == f"things.csv: 2 rows {title}"


@pytest.mark.parametrize(("distinct", "shown"), [(1 << 16, "65,536"), ((1 << 16) + 1, "≈ 65,537")])
def test_an_estimate_is_shown_as_one(distinct: int, shown: str) -> None:
    inferred = table(["a"], [["1"], ["2"]])
    [counted] = inferred.columns
    [line] = show(replace(inferred, columns=(replace(counted, distinct=distinct),)))[3:]
    assert line == f"a integer {shown} 1 feature"
