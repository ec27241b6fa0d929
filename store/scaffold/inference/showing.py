"""Showing what was understood of a file as a table for people."""

from rich import box
from rich.table import Table as Grid
from rich.text import Text

from .column import InferredColumn, InferredTable, Role

#: Characters of an example.
LONGEST = 24


def grid(table: InferredTable) -> Grid:
    """A line for each column: what it is, what is missing, and what becomes of it."""
    grid = Grid(title=_title(table), title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("column", "type", "missing", "distinct", "example", "becomes"):
        grid.add_column(heading, justify="right" if heading in ("missing", "distinct") else "left")
    for column in table.columns:
        style = "dim" if column.role is Role.LEFT_OUT else "bold" if column.role is not Role.FEATURE else ""
        grid.add_row(*map(Text, _cells(column)), style=style)
    return grid


def _title(table: InferredTable) -> str:
    layout = table.layout
    spaced = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars"}
    how = f"{layout.encoding}, {spaced[layout.delimiter]}" if layout.format == "csv" else layout.format
    comma = ", decimal comma" if layout.decimal_comma else ""
    return f"{layout.path.name}: {table.rows:,} rows ({how}{comma})"


def _cells(column: InferredColumn) -> tuple[str, ...]:
    about = f"≈ {column.distinct:,}" if column.distinct > 1 << 16 else f"{column.distinct:,}"
    becomes = column.role.value
    if column.role is not Role.LEFT_OUT and column.name != column.header:
        becomes = f"{becomes} {column.name}"
    remarks = "; ".join(column.remarks)
    return (
        _short(column.header) or "(none)",
        "nothing" if column.type.is_text and not column.distinct else column.type.described,
        f"{column.missing:,}" if column.missing else "",
        about,
        _short(column.example),
        f"{becomes}: {remarks}" if remarks else becomes,
    )


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
