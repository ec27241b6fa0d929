"""Dialects of delimited files: what a writer writes in any of them is read back equal."""

import csv
import io
import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from store.ingest import files
from store.ingest.files import FileError
from store.ingest.files.dialects import MAX_CELL_LENGTH
from tests.drawing import draws

Rows = Sequence[Sequence[str]]

WORDS = st.text(alphabet="ab1é", min_size=1, max_size=4)
#: Messages with quotes that do not pair, or pair within the text.
BARE_QUOTES = st.sampled_from(['"{0}', '"{0}" {0}', '{0} "{0}', '{0} "{0}"', '{0}"', '5" {0}'])
MESSAGES = st.builds(str.format, st.one_of(st.just("{0}"), BARE_QUOTES), WORDS)
#: Cells with all that a dialect has a meaning for.
HOSTILE_CELLS = st.text(alphabet="ab 1é\"'\\,;\t|\n", min_size=0, max_size=6)
WIDTHS = st.integers(2, 4)


def tables(cells: st.SearchStrategy[str]) -> st.SearchStrategy[Rows]:
    return WIDTHS.flatmap(
        lambda width: st.lists(st.lists(cells, min_size=width, max_size=width), min_size=3, max_size=8)
    )


def read(text: str, encoding: str = "utf-8") -> Rows:
    """Read the rows of a file with this text, an empty text for an empty cell."""
    with tempfile.NamedTemporaryFile(suffix=".csv") as file:
        file.write(text.encode(encoding))
        file.flush()
        layout = files.sniff(Path(file.name))
        return [[cell or "" for cell in cells] for _, cells in files.read_rows(layout)]


def write(rows: Rows, **dialect: Any) -> str:
    text = io.StringIO()
    csv.writer(text, **dialect).writerows(rows)
    return text.getvalue()


def header(rows: Rows) -> Rows:
    return [[f"title {place}" for place in range(len(rows[0]))], *rows]


@given(
    tables(HOSTILE_CELLS),
    st.sampled_from(",;\t|"),
    st.sampled_from("\"'"),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    st.sampled_from(["\n", "\r\n"]),
)
@settings(max_examples=draws(40))
def test_cells_in_quotes_are_read_as_they_were_written(
    rows: Rows, delimiter: str, quote: str, quoting: Any, end: str
) -> None:
    # Behind a backslash, a quote can be meant as the text's, whether it is doubled or not.
    rows = [[re.sub(r"\\+([\"'])", r"\1", cell) for cell in row] for row in rows]
    text = write(header(rows), delimiter=delimiter, quotechar=quote, quoting=quoting, lineterminator=end)
    assert read(text) == list(map(list, rows))


@given(
    tables(HOSTILE_CELLS), st.sampled_from(",;\t|"), st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
)
@settings(max_examples=draws(40))
def test_quotes_behind_backslashes_are_read_as_they_were_written(
    rows: Rows, delimiter: str, quoting: Any
) -> None:
    # Other quotes can be meant as the file's.
    rows = [[re.sub(r"\\+\"", '"', cell.replace("'", "")) for cell in row] for row in rows]
    assume(any('"' in cell for row in rows for cell in row))
    options: dict[str, Any] = {"doublequote": False, "escapechar": "\\", "lineterminator": "\n"}
    text = write(header(rows), delimiter=delimiter, quoting=quoting, **options)
    assert read(text) == list(map(list, rows))


@given(tables(MESSAGES), st.sampled_from(",;\t|"), WORDS)
@settings(max_examples=draws(60))
@example([['"Hello" she said', "a"], ['he said "maybe', "b"], ['5" screen', "c"]], "\t", "w")
@example([['"begins here', "a"], ["b", "b"], ['ends here"', "c"]], ",", "w")
def test_bare_quotes_are_characters_where_nothing_is_quoted(rows: Rows, delimiter: str, word: str) -> None:
    rows = [*rows, [f'"{word}" {word}', *rows[0][1:]]]
    text = write(
        header(rows), delimiter=delimiter, quoting=csv.QUOTE_NONE, quotechar=None, lineterminator="\n"
    )
    assert read(text) == list(map(list, rows))


@given(st.text(alphabet="ab\n\t,;\"'\\ ", max_size=60), st.sampled_from(["utf-8", "utf-16", "cp1252"]))
@settings(max_examples=draws(60))
def test_any_text_is_read_or_refused_with_a_sentence(text: str, encoding: str) -> None:
    try:
        read(text, encoding)
    except FileError as error:
        assert "\n" not in str(error)


@pytest.fixture
def sniffed(tmp_path: Path) -> Callable[[str], files.Layout]:
    def sniff(text: str) -> files.Layout:
        (tmp_path / "messages.tsv").write_text(text)
        return files.sniff(tmp_path / "messages.tsv")

    return sniff


def test_a_bare_quote_far_from_the_start_is_found(sniffed: Callable[[str], files.Layout]) -> None:
    rows = ["ham\tsee you at 1" + " sharp" * 30] * 20_000
    rows[15_000] = 'ham\t"Hello" she said'
    layout = sniffed("\n".join(["label\ttext", *rows]))
    assert (layout.quote, "do not pair" in layout.remarks[0]) == (None, True)
    assert list(files.read_rows(layout))[15_000] == (15_002, ["ham", '"Hello" she said'])


def test_quotes_that_pair_over_lines_by_accident_hide_no_rows(sniffed: Callable[[str], files.Layout]) -> None:
    layout = sniffed('label\ttext\nham\t"well\nham\tsee you\nspam\tso there"\nham\tbye\n')
    assert [cells for _, cells in files.read_rows(layout)] == [
        ["ham", '"well'],
        ["ham", "see you"],
        ["spam", 'so there"'],
        ["ham", "bye"],
    ]


def test_a_text_over_several_lines_stays_one_cell(sniffed: Callable[[str], files.Layout]) -> None:
    layout = sniffed('label\ttext\nham\t"well,\nsee you\nbye"\nspam\tso\n')
    assert [cells for _, cells in files.read_rows(layout)] == [["ham", "well,\nsee you\nbye"], ["spam", "so"]]


def test_an_address_over_several_lines_stays_one_cell() -> None:
    rows = [["name", "address"], ["Ann", "1 Main St\nTown, ST"], ["Bob", "2 Side St\nCity, ST"]]
    assert read(write(rows)) == rows[1:]


def test_a_quote_that_is_never_closed_before_much_text_is_refused_with_its_line() -> None:
    with pytest.raises(FileError, match=r"line 2: a quote \(\"\) that is opened here is never closed"):
        read('a,b\n1,"' + "x" * (MAX_CELL_LENGTH + 1) + "\n2,3\n")


def test_blanks_before_quotes_belong_to_no_cell(sniffed: Callable[[str], files.Layout]) -> None:
    layout = sniffed('a, b\n1, "x, y"\n2, "z"\n')
    assert layout.header == ("a", "b")
    assert [cells for _, cells in files.read_rows(layout)] == [["1", "x, y"], ["2", "z"]]


def test_quotes_behind_backslashes_end_no_cell(sniffed: Callable[[str], files.Layout]) -> None:
    layout = sniffed('a,b\n1,"she said \\"hi\\", twice"\n2,x\n3,5\\" pipe\n')
    assert [cells for _, cells in files.read_rows(layout)] == [
        ["1", 'she said "hi", twice'],
        ["2", "x"],
        ["3", '5" pipe'],
    ]
