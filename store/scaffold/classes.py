"""Classes of a label that is a foreign key: the rows that it refers to."""

from dataclasses import replace

from ..ingest.files import FileError
from .inference import InferredTable
from .inference.roles import MAX_CLASSES
from .inspection import DatabaseColumn, DatabaseTable, read_titles
from .linking import Tables
from .planning import MIN_EXAMPLES
from .views import render_labelled_view


def find_classes(base: DatabaseTable, table: InferredTable, tables: Tables) -> dict[str, str]:
    """Find the classes of a label that is a foreign key: titles by key. Empty for any other label. Raises FileError."""
    if table.label is None:
        return {}
    field = base.fields[table.columns.index(table.label)]
    if field.target is None:
        return {}
    often = sum(rows >= MIN_EXAMPLES for rows in table.labels.values())
    if table.label.distinct > MAX_CLASSES or len(table.labels) > MAX_CLASSES:
        raise _refuse_classes(base, field, tables, f"at most {MAX_CLASSES} can be classes")
    if often < 2:
        has = "none of them has" if not often else "only one of them has"
        raise _refuse_classes(base, field, tables, f"{has} the {MIN_EXAMPLES} examples that a class needs")
    return read_titles(tables[field.target][0], field.target_column, list(table.labels), MAX_CLASSES)


def _refuse_classes(base: DatabaseTable, field: DatabaseColumn, tables: Tables, reason: str) -> FileError:
    """Build the error of a label whose rows cannot be classes: it shows a view with a label that can."""
    table = tables[base.name][1]
    assert field.target and table.label
    view = render_labelled_view(base, field, table.key.header, *tables[field.target]) if table.key else ""
    return FileError(
        f"{base.name}, column {field.column}: it refers to {table.label.distinct:,} rows of {field.target}, and "
        f"{reason}: name a view in which a column with fewer values stands in its place{': ' * bool(view)}{view}."
    )


def without_rare(table: InferredTable) -> InferredTable:
    """Count no class with too few examples: a build leaves it out, until it has more."""
    labels = {label: rows for label, rows in table.labels.items() if rows >= MIN_EXAMPLES}
    rare = [label for label in table.labels if label not in labels]
    remark = f"has too few examples of {', '.join(rare)}, which are not learned until they have more"
    return replace(table, labels=labels, remarks=(*table.remarks, *[f"The label {remark}."] * bool(rare)))
