"""Views in place of a table whose rows or label cannot be a product's as they are: statements that a refusal shows."""

from collections.abc import Iterable

from ..ingest.files import field_names
from .inference import InferredColumn, InferredTable, Role
from .inference.roles import MAX_CLASSES
from .inspection import DatabaseColumn, DatabaseTable


def render_keyed_view(table: DatabaseTable) -> str:
    """Render a view whose key joins the columns of the table's key, and the options that name it."""
    taken = {*(field.column.lower() for field in table.fields), *map(str.lower, table.unnamed)}
    key = next(name for name in ("key", "row_key", "entity_key", "key_of_row") if name not in taken)
    text = " || '-' || ".join(_quote(name) for name in table.keys)
    return f"CREATE VIEW … AS SELECT {text} AS {key}, * FROM {_render_name(table)}, with --entity {key}"


def render_labelled_view(
    base: DatabaseTable, label: DatabaseColumn, key: str, target: DatabaseTable, inferred: InferredTable
) -> str:
    """Render a view of the base in which a column of few values of `target` replaces the label that refers to it.

    Args:
        key: the column of the base's key.

    Returns: the statement and the options that go with it; "" where `target` has no such column.
    """
    column = _find_coarser(inferred.columns)
    if column is None:
        return ""
    own = [field.column for field in base.fields if field is not label]
    title = next(name for name in _list_titles(target, column) if name not in own)
    renamed = f" AS {title}" if title != column.header else ""
    selected = [*(f"b.{_quote(name)}" for name in own), f"t.{_quote(column.header)}{renamed}"]
    return (
        f"CREATE VIEW … AS SELECT {', '.join(selected)} FROM {_render_name(base)} b LEFT JOIN {_render_name(target)} t "
        f"ON t.{_quote(label.target_column)} = b.{_quote(label.column)}, with --entity {key} --label {title}"
    )


def _find_coarser(columns: Iterable[InferredColumn]) -> InferredColumn | None:
    """Find the first column that can be a label of classes: categories and booleans before others."""
    able = [
        column
        for column in columns
        if column.role is Role.FEATURE and not column.unique and 2 <= column.distinct <= MAX_CLASSES
    ]
    return min(able, key=lambda column: not (column.type.is_category or column.type.is_boolean), default=None)


def _list_titles(target: DatabaseTable, column: InferredColumn) -> Iterable[str]:
    """List names for the column in the view, its own first."""
    yield column.header
    (name,) = field_names([f"{target.relation}_{column.header}"])
    yield name
    for number in range(2, 2_000):
        yield f"{name}_{number}"


def _render_name(table: DatabaseTable) -> str:
    return f"{_quote(table.schema)}.{_quote(table.relation)}"


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
