"""Rows that repeat the key of another: equal ones are one row, others contradict each other."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ...ingest.files import read_rows
from .column import InferredTable
from .column_statistics import normalize_cell

Cells = Sequence[str | None]


@dataclass
class Repeats:
    """The rows of a table that repeat the key of another."""

    #: Rows that equal one before them in every column.
    count: int = 0
    #: These rows by their label.
    labels: Counter[str] = field(default_factory=Counter)
    #: The first two rows with the same key that differ, in a sentence; "": there are none.
    difference: str = ""


def find_repeats(table: InferredTable) -> Repeats:
    """Find the rows that repeat a key, up to the first one that differs from the row with the same key."""
    assert table.key
    place = table.columns.index(table.key)
    label = table.columns.index(table.label) if table.label else None
    #: Line and hash of the first row with each key.
    first: dict[str | None, tuple[int, int]] = {}
    repeats = Repeats()
    for line, row in read_rows(table.layout):
        cells = list(map(normalize_cell, row))
        first_line, hash_ = first.setdefault(cells[place], (line, hash(tuple(cells))))
        if first_line == line:
            continue
        if hash_ != hash(tuple(cells)):
            repeats.difference = _describe_difference(table, first_line, line, cells)
            return repeats
        repeats.count += 1
        if label is not None and (text := cells[label]):
            repeats.labels[text] += 1
    return repeats


def _describe_difference(table: InferredTable, first_line: int, line: int, cells: Cells) -> str:
    assert table.key
    first_row = next(row for other, row in read_rows(table.layout) if other == first_line)
    first_cells = map(normalize_cell, first_row)
    key = cells[table.columns.index(table.key)]
    differences = [
        f"{column.header} {there or 'nothing'} there and {here or 'nothing'} here"
        for column, there, here in zip(table.columns, first_cells, cells, strict=True)
        if there != here
    ]
    more = f", and {len(differences) - 3} more columns" if len(differences) > 3 else ""
    return (
        f"{table.layout.path}, line {line}, column {table.key.header}: {key!r} is the key of line {first_line} too, "
        f"but the rows differ ({'; '.join(differences[:3])}{more}). Take the wrong one out; where both are right, "
        f"{table.key.header} does not identify a row: leave --entity out, or name another column."
    )


def merge_repeats(table: InferredTable, repeats: Repeats) -> InferredTable:
    """Count equal rows once, so that the key identifies a row."""
    assert table.key
    key = replace(table.key, unique=True)
    rows = "1 row equals" if repeats.count == 1 else f"{repeats.count:,} rows equal"
    remark = f"{table.layout.title}: {rows} another in every column; equal rows are one row."
    return replace(
        table,
        columns=tuple(key if column is table.key else column for column in table.columns),
        rows=table.rows - repeats.count,
        labels={label: count - repeats.labels[label] for label, count in table.labels.items()},
        remarks=(*table.remarks, remark),
    )
