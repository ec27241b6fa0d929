"""Staging: whether COPY parses a file's bytes or Python does, the rows are the same."""

import json
from pathlib import Path

import pytest
from django.db import connection, transaction
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from store.ingest import files, staging
from store.ingest.files import FileError, Layout
from tests.drawing import draws

pytestmark = pytest.mark.django_db

CELLS = st.one_of(
    st.sampled_from(["", "a", "1", "x y", " a", "é", "\\", "\\.", '6"', '5" x 4"', "it's"]),
    st.lists(st.sampled_from(["a", ",", '""', "\n", "\r", "\r\n", "\\.", " "]), max_size=4).map(
        lambda parts: f'"{"".join(parts)}"'
    ),
    st.text("a\"\\' \x08\x0b\x0c\x85\u2028", max_size=3),
)
TITLES = st.sampled_from(["h", '"h"', '"h\n"', '"h\r"'])


def staged(layout: Layout) -> list[list[str | None]]:
    """The cells of the staged rows."""
    names = [f"c{place}" for place in range(len(layout.header))]
    with transaction.atomic(), connection.cursor() as cursor:
        staging.stage(layout, names, lambda *_: None)
        cursor.execute(f"SELECT {', '.join(names)} FROM {staging.STAGING.string} ORDER BY line")
        rows = [list(row) for row in cursor.fetchall()]
        transaction.set_rollback(True)
    return rows


def read(layout: Layout) -> list[list[str | None]]:
    return [row[2:] for row in staging.read_checked_rows(layout, len(layout.header))]  # type: ignore[misc]


@pytest.mark.parametrize("text", ['name,size\na,5"\nb,6"\nc,7\n', 'size,name\n5",a\n6",b\n'])
def test_a_quote_at_the_end_of_a_cell_joins_no_rows(tmp_path: Path, text: str) -> None:
    (path := tmp_path / "rows.csv").write_text(text)
    assert staged(files.sniff(path)) == [line.split(",") for line in text.splitlines()[1:]]


@pytest.mark.parametrize("chunk", [1, 2, 3, 5])
def test_quotes_are_paired_across_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    (path := tmp_path / "rows.csv").write_text('a,b\n"x ""y"" z",1\n"",""\n2,6"\n3,4\n')
    monkeypatch.setattr(staging, "CHUNK", chunk)
    layout = files.sniff(path)
    assert staged(layout) == read(layout) == [['x "y" z', "1"], [None, None], ["2", '6"'], ["3", "4"]]


@pytest.mark.parametrize("chunk", [1, 3, 1 << 18])
def test_lines_of_a_quoted_cell_are_counted_as_one_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    (path := tmp_path / "rows.csv").write_text('a,b\n"x\ny\n""z""\n",1\n2,3\n"",4\n')
    monkeypatch.setattr(staging, "CHUNK", chunk)
    counts: list[int] = []
    with transaction.atomic():
        assert staging.stage(files.sniff(path), ["a", "b"], lambda _, rows: counts.append(rows))
        transaction.set_rollback(True)
    assert counts[-1] == 3


@pytest.mark.parametrize("text", ["x\ry", "x\r\n\\.\r\ny", "x\n\\.\ny", "\\."])
def test_line_ends_within_texts_of_json_are_stored(tmp_path: Path, text: str) -> None:
    (path := tmp_path / "rows.jsonl").write_text(f"{json.dumps({'a': text, 'b': '1'})}\n" * 2)
    assert staged(files.sniff(path)) == [[text, "1"]] * 2


@settings(max_examples=draws(30))
@given(
    header=st.lists(TITLES, min_size=2, max_size=2),
    rows=st.lists(st.lists(CELLS, min_size=2, max_size=2), min_size=1, max_size=4),
    end=st.sampled_from(["\n", "\r\n"]),
    start=st.sampled_from(["", "\ufeff", "\n", "\r"]),
)
def test_copy_reads_a_file_as_python_does(
    tmp_path: Path, header: list[str], rows: list[list[str]], end: str, start: str
) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes((start + "".join(",".join(cells) + end for cells in [header, *rows])).encode())
    try:
        layout = files.sniff(path)
        expected = read(layout)
    except FileError:
        assume(False)
    assert staged(layout) == expected
