"""Overview of inferred columns, as a table for the terminal."""

from rich import box
from rich.table import Table as Grid
from rich.text import Text

from .column import InferredColumn, InferredTable, Role

#: Characters of a header or an example.
MAX_LENGTH = 24


def render_overview(table: InferredTable) -> Grid:
    """Render a line for each column: type, missing and distinct values, an example and the role."""
    grid = Grid(title=_title(table), title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("column", "type", "missing", "distinct", "example", "becomes"):
        grid.add_column(heading, justify="right" if heading in ("missing", "distinct") else "left")
    for column in table.columns:
        style = "dim" if column.role is Role.LEFT_OUT else "bold" if column.role is not Role.FEATURE else ""
        grid.add_row(*map(Text, _render_cells(column)), style=style)
    return grid


def _title(table: InferredTable) -> str:
    layout = table.layout
    delimiters = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars"}
    is_csv = layout.format == "csv"
    form = f"{layout.encoding}, {delimiters[layout.delimiter]}" if is_csv else layout.format
    quotes = "" if layout.quote else ", nothing quoted"
    comma = ", decimal comma" if layout.decimal_comma else ""
    return f"{layout.title}: {table.rows:,} rows ({form}{quotes}{comma})"


def _render_cells(column: InferredColumn) -> tuple[str, ...]:
    distinct = f"≈ {column.distinct:,}" if column.distinct > 1 << 16 else f"{column.distinct:,}"
    return (
        _shorten(column.header) or "(none)",
        describe_type(column),
        f"{column.missing:,}" if column.missing else "",
        distinct,
        _shorten(column.example),
        describe_role(column),
    )


def describe_type(column: InferredColumn) -> str:
    """Describe the kind of a column's values."""
    return "nothing" if column.type.is_text and not column.distinct else column.type.described


def describe_role(column: InferredColumn) -> str:
    """Describe what a column becomes, with the remarks about it."""
    role = column.role.value
    if column.role is not Role.LEFT_OUT and column.name != column.header:
        role = f"{role} {column.name}"
    remarks = "; ".join(column.remarks)
    return f"{role}: {remarks}" if remarks else role


def _shorten(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= MAX_LENGTH else f"{text[: MAX_LENGTH - 1]}…"
