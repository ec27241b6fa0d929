"""Detection and reading of files: delimiters, encodings, quotes, JSON lines, and errors of one sentence."""

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from store.ingest import files
from store.ingest.files import FileError, field_names
from store.ingest.files.opening import _copy_standard_input

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(content: str | bytes, name: str = "people.csv", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return write


def cells(path: Path, **options: bool) -> list[list[str | None]]:
    return [row for _, row in files.read_rows(files.sniff(path, **options))]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_detected(write: Write, delimiter: str) -> None:
    rows = [["name", "age"], ["Ann, B.", "1"], ["Bob", "2"]]
    path = write("\n".join(delimiter.join(f'"{cell}"' for cell in row) for row in rows))
    layout = files.sniff(path)
    assert (layout.delimiter, layout.header) == (delimiter, ("name", "age"))
    assert cells(path) == [["Ann, B.", "1"], ["Bob", "2"]]


def test_a_file_with_a_single_column_is_read(write: Write) -> None:
    assert cells(write("age\n1\n2\n")) == [["1"], ["2"]]


def test_single_quotes_are_detected_where_no_double_quotes_are_used(write: Write) -> None:
    assert cells(write("a,b\n'x, y','1'\n'z','2'\n")) == [["x, y", "1"], ["z", "2"]]


def test_single_quotes_are_detected_around_cells_with_double_quotes(write: Write) -> None:
    content = "a,b\n'she said \"no, no\"','1'\n'z','2'\n"
    assert cells(write(content)) == [['she said "no, no"', "1"], ["z", "2"]]


def test_single_quotes_are_detected_in_a_single_column(write: Write) -> None:
    layout = files.sniff(write("'age'\n'1'\n'2'\n"))
    assert layout.header == ("age",)


def test_a_delimiter_of_the_header_is_preferred(write: Write) -> None:
    layout = files.sniff(write("a;b\n" + "0,5;1,25\n" * 30))
    assert (layout.delimiter, layout.header, layout.decimal_comma) == (";", ("a", "b"), True)


@pytest.mark.parametrize(
    ("encoding", "detected"),
    [("utf-8", "utf-8"), ("utf-8-sig", "utf-8-sig"), ("latin-1", "cp1252"), ("utf-16", "utf-16")],
)
def test_the_encoding_is_detected(write: Write, encoding: str, detected: str) -> None:
    path = write("Größe,Ort\n1,Köln\n", encoding=encoding)
    layout = files.sniff(path)
    assert (layout.encoding, layout.header) == (detected, ("Größe", "Ort"))
    assert cells(path) == [["1", "Köln"]]


def test_the_encoding_is_detected_by_a_byte_far_from_the_start(write: Write) -> None:
    path = write(b"a,b\n" + b"1,x\n" * 400_000 + "2,ö\n".encode("latin-1"))
    assert files.sniff(path).encoding == "cp1252"


def test_a_file_with_two_encodings_is_rejected_with_a_line(write: Write) -> None:
    path = write("a,b\nö,1\n".encode() + b"1,%s\n" % (b"2" * 37) * 60_000 + b"\xff,3\n")
    with pytest.raises(FileError, match=r"people.csv, after line .*0xff"):
        cells(path)


@pytest.mark.parametrize(
    ("content", "comma"),
    [
        ("a;b\n0,5;x\n1,25;y\n", True),
        ("a;b\n1.234,5;x\n", True),
        ("a;b\n0.5;x\n1.25;y\n", False),
        ('a,b\n"1,234.5",x\n', False),
        ('a,b\n"0,5",x\n', True),
        ("a;b\n1,234;x\n", True),
    ],
)
def test_a_decimal_comma_is_detected(write: Write, content: str, comma: bool) -> None:
    assert files.sniff(write(content)).decimal_comma is comma


def test_each_row_comes_with_the_line_where_it_begins(write: Write) -> None:
    path = write('a,"b\nb"\n1,"x\ny"\n\n2,z\n3\n')
    layout = files.sniff(path)
    assert (layout.header, layout.first_line) == (("a", "b\nb"), 3)
    assert list(files.read_rows(layout)) == [(3, ["1", "x\ny"]), (6, ["2", "z"]), (7, ["3"])]


def test_without_header_columns_are_numbered(write: Write) -> None:
    layout = files.sniff(write("1,x\n2,\n"), no_header=True)
    assert layout.header == ("column_0", "column_1")
    assert list(files.read_rows(layout)) == [(1, ["1", "x"]), (2, ["2", None])]


def test_gzip_is_decompressed(write: Write) -> None:
    assert cells(write(gzip.compress(b"a,b\n1,2\n"), "people.csv.gz")) == [["1", "2"]]


def test_the_standard_input_is_read(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    _copy_standard_input.cache_clear()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a,b\n1,2\n")))
    assert cells(Path("-")) == cells(Path("-")) == [["1", "2"]]
    _copy_standard_input.cache_clear()


def test_numbers_in_json_lines_are_read_as_their_text(write: Write) -> None:
    path = write('{"a": 1.50, "b": "x"}\n\n{"b": null, "c": true, "a": 12345678901234567890123}\n', "a.jsonl")
    layout = files.sniff(path)
    assert layout.header == ("a", "b", "c")
    assert list(files.read_rows(layout)) == [
        (1, ["1.50", "x", None]),
        (3, ["12345678901234567890123", None, "true"]),
    ]


def test_nested_objects_become_columns_and_lists_stay_text(write: Write) -> None:
    rows = [
        '{"name": {"en": "A", "de": "Ä"}, "base": {"hp": 79.50, "type": {"x": 1}}, "tags": ["y", 2.50], "n": null}',
        '{"name": null, "base": {"hp": 1}, "tags": [], "n": {}}',
        '{"name": {"en": "B"}, "base": 7}',
    ]
    expected = [
        ["A", "Ä", "79.50", "1", '["y", 2.5]', None, None],
        [None, None, "1", None, "[]", None, None],
        ["B", None, None, None, None, None, "7"],
    ]
    lines, array = "\n".join(rows), "[\n" + ",\n".join(rows) + "\n]\n"
    for text, name in ((lines, "a.jsonl"), (array, "b.json"), (array, "c.txt"), (lines, "d.json")):
        path = write(text, name)
        layout = files.sniff(path)
        assert layout.header == ("name_en", "name_de", "base_hp", "base_type_x", "tags", "n", "base")
        assert layout.lists == {4}
        assert cells(path) == expected


def test_objects_are_read_whatever_their_lines_and_sizes_are(write: Write) -> None:
    lengths = [i if i % 8 else i * i for i in range(600)]
    objects = [{"a": i, "b": "x" * length} for i, length in enumerate(lengths)]
    path = write(json.dumps(objects, indent=2), "a.json")
    rows = list(files.read_rows(files.sniff(path)))
    assert [row for _, row in rows] == [[str(i), "x" * length or None] for i, length in enumerate(lengths)]
    assert [line for line, _ in rows[:3]] == [2, 6, 10]
    pretty = write("\n".join(json.dumps(record, indent=2) for record in objects[:3]), "b.json")
    assert cells(pretty) == [["0", None], ["1", "x"], ["2", "xx"]]
    compact = write(json.dumps([{"a": 1, "b": [{}, {}]}, {"a": 2, "b": [{}, {}]}]), "c.json")
    assert cells(compact) == [["1", "[{}, {}]"], ["2", "[{}, {}]"]]


def test_keys_that_would_name_the_same_column_are_told_apart(write: Write) -> None:
    layout = files.sniff(write('{"a_b": 1, "a": {"b": 2}}\n', "a.jsonl"))
    assert layout.header == ("a_b", "a.b")
    assert cells(layout.path) == [["1", "2"]]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b'[{"a": 1}, 2]', "line 1: each element must be one JSON object"),
        (b'[{"a": 1},\n{"a": }]', "line 2: this is no JSON"),
        (b'[{"a": 1},\n{"a": 1', "line 2: this is no JSON"),
        (b'[{"a": 1},\n{"a": 1}\n', "line 3: the array does not end: the file was cut off"),
        (b'[{"a": 1},\n{"a": 1}]\n[', "line 3: nothing may follow the array"),
        (b'[{"a": [%s]}]' % (b"1" * 5000), "line 1: a list cannot be read"),
        (b'[{"a": "\xff"}]', "this is no UTF-8"),
        (b'{"count": 2, "rows": [{"a": 1}, {"a": 2}]}', "whose rows are in 'rows'"),
        (json.dumps([{f"k{i}": 1} for i in range(1200)]).encode(), "more than 1,000 different keys"),
    ],
)
def test_json_that_holds_no_rows_is_refused(write: Write, content: bytes, sentence: str) -> None:
    with pytest.raises(FileError, match=sentence):
        cells(write(content, "rows.json"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
@pytest.mark.parametrize("packed", [False, True])
def test_the_position_in_a_file_ends_at_its_size(write: Write, encoding: str, packed: bool) -> None:
    content = ("größe,b\n" + "".join(f"{i * i % 10007},x{i}\n" for i in range(30_000))).encode(encoding)
    path = write(gzip.compress(content) if packed else content)
    position, layout = files.Position(), files.sniff(path)
    for number, _ in enumerate(files.read_rows(layout, position)):
        if number == 100:
            early = position.tell()
    assert early < position.tell() == path.stat().st_size


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"PK\x03\x04....", "zip archive"),
        (b"\x1f\x8b\x08\x00broken", "cannot be decompressed"),
        (b'a,b\n1,"x, y\n2,z\n', "line 2: a quote .* never closed"),
        (b'a,b\n1,"x, y"\n2,"x"y\n', "line 3: a quoted cell must end"),
        (b'a,b\n1,"x"\n2,"y"\n3,"x"y\n', "line 4: a quoted cell must end"),
        (b'a,b\n1,"6"" pipe"\n2,"x"y\n3,z\n4,z\n5,z\n', "line 3: a quoted cell must end"),
        (b'{"a": 1}\n{"a": \n', "line 2: this is no JSON"),
        (b'{"a": 1}\n[2]\n', "line 2: each line must be one JSON object"),
        (b"a,b\r1,2\r", "line feeds"),
        (b"PAR1....", "Parquet"),
    ],
)
def test_a_file_that_cannot_be_read_is_reported_in_one_sentence(
    write: Write, content: bytes, sentence: str
) -> None:
    path = write(content)
    with pytest.raises(FileError, match=sentence) as refused:
        cells(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_directories_and_missing_files_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="is a directory"):
        files.sniff(tmp_path)
    with pytest.raises(FileError, match="No such file"):
        files.sniff(tmp_path / "nothing.csv")


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Blood pressure (mmHg)", "blood_pressure"),
        ("weight [kg]", "weight"),
        ("PassengerId", "passenger_id"),
        ("HTTPStatus", "http_status"),
        ("Größe", "grosse"),
        ("class", "class_field"),
        ("save", "save_field"),
        ("2nd", "column_2nd"),
        ("年齢", "nian_ling"),
        ("", "column_0"),
        ("__a__b__", "a_b"),
        ("a very long header that goes on and on and on", "a_very_long_header_that_goes_on_and"),
    ],
)
def test_a_title_becomes_a_valid_name(title: str, name: str) -> None:
    assert field_names([title]) == (name,)


def test_names_of_columns_differ_in_graphql_too() -> None:
    assert field_names(["age", "Age", "age 2", "AGE", ""]) == ("age", "age_2", "age_2_2", "age_3", "column_4")
