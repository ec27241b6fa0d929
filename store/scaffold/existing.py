"""Existing tables of the database: infer types and roles of their columns from their rows."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

from django.db import connection, models, transaction
from psycopg2 import sql

from learning.kinds import UNLEARNED, Kind, kind_of_field

from ..entities.unique_keys import KeyCounts
from ..ingest.files import FileError, Layout, Row
from .inference import ColumnOptions, InferredColumn, InferredTable, Role, infer_table
from .inspection import DatabaseColumn, DatabaseTable

#: The start of the remark about a column that is a relation.
REFERENCES = "references"
#: Columns of tables of users whose values belong into no snapshot and no report.
SECRETS = frozenset({"password", "password_hash", "passwd", "secret", "token", "api_key"})
#: The remark about such a column.
SECRET = "it holds secrets"


def infer_existing(
    existing: DatabaseTable, options: ColumnOptions, is_empty_accepted: bool = False
) -> tuple[DatabaseTable, InferredTable]:
    """Infer roles of a table's columns from its rows; types come from the database.

    Args:
        options: `entity` is the column of the key; None: no column is the key.

    Returns: the table with the names that its fields have with this key, and what was inferred.
    Raises: FileError.
    """
    layout, rows = existing.layout, _read_rows(existing)
    first = next(rows, None)
    if first is None and not is_empty_accepted:
        raise FileError(f"{existing.name} has no rows.")
    if first is None:
        table = _describe_empty(layout, options.entity)
    else:
        leave_out = tuple(column for column in options.leave_out if column in layout.header)
        table = infer_table(layout, replace(options, leave_out=leave_out), chain([first], rows))
    existing = existing.keyed_by(table.key.header if table.key else None)
    pairs = zip(table.columns, existing.fields, strict=True)
    columns = tuple(_apply_stored_type(column, field, existing.name) for column, field in pairs)
    return existing, replace(table, columns=_leave_out_sources(existing, columns))


def _leave_out_sources(
    existing: DatabaseTable, columns: tuple[InferredColumn, ...]
) -> tuple[InferredColumn, ...]:
    """Leave out the columns that a generated label is computed from, and those that are computed from the same."""
    stored = {field.column: field.stored for field in existing.fields}
    label = next((column for column in columns if column.role is Role.LABEL), None)
    sources = stored[label.header].sources if label else frozenset()
    return tuple(
        replace(column, role=Role.LEFT_OUT, remarks=(*column.remarks, f"it tells the label: {label.header}"))
        if label and column.role is Role.FEATURE and sources & {column.header, *stored[column.header].sources}
        else column
        for column in columns
    )


def count_key(existing: DatabaseTable, column: str) -> KeyCounts:
    """Count the rows of a table and the different values of a column, all of them: inference reads a sample."""
    statement = sql.SQL("SELECT count(*), count(DISTINCT {}) FROM {}").format(
        sql.Identifier(column), sql.Identifier(existing.schema, existing.relation)
    )
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return KeyCounts(*cursor.fetchone())


def _describe_empty(layout: Layout, key: str | None) -> InferredTable:
    columns = (
        InferredColumn(
            header=column,
            name=column,
            type=Kind.TEXT,
            role=Role.KEY if column == key else Role.LEFT_OUT,
            remarks=("nothing is in it",),
            missing=0,
            distinct=0,
            unique=True,
            example="",
            longest=0,
        )
        for column in layout.header
    )
    return InferredTable(layout=layout, columns=tuple(columns), rows=0)


def _read_rows(existing: DatabaseTable) -> Iterator[Row]:
    columns = [sql.SQL("CAST({} AS text)").format(sql.Identifier(field.column)) for field in existing.fields]
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        table = sql.Identifier(existing.schema, existing.relation)
        cursor.execute(sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join(columns), table))
        for number, row in enumerate(cursor, 1):
            yield number, list(row)


def _apply_stored_type(column: InferredColumn, field: DatabaseColumn, table: str) -> InferredColumn:
    """Replace the inferred type by the stored one, and leave relations out of the features. Raises FileError."""
    column = replace(column, name=field.name)
    if field.column.lower() in SECRETS:
        return replace(column, role=Role.LEFT_OUT, type=Kind.TEXT, example="", values=(), remarks=(SECRET,))
    if field.target and column.role is Role.LABEL:
        return replace(column, type=Kind.CATEGORY)
    if field.target and column.role is not Role.KEY:
        return replace(column, role=Role.LEFT_OUT, type=Kind.TEXT, remarks=(f"{REFERENCES} {field.target}",))
    if applied := field.stored.apply(column, table):
        return applied
    kind = kind_of_field(getattr(models, field.type, models.Field))
    if kind.is_text:
        is_category = column.type.is_boolean or column.type.is_category or column.role is Role.LABEL
        if column.type.is_open and column.role is not Role.LABEL:
            return column
        return replace(column, type=Kind.CATEGORY if is_category else Kind.TEXT)
    if kind is not UNLEARNED:
        return replace(column, type=kind)
    if column.role is Role.FEATURE:
        return replace(column, role=Role.LEFT_OUT, remarks=(f"no model learns from a {field.type}",))
    return column
