"""Existing tables of the database: inspect their columns and references, and infer types and roles from their rows."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from django.core.management.commands.inspectdb import Command as InspectDB
from django.db import connection, models, transaction
from psycopg2 import sql

from learning.kinds import UNLEARNED, Kind, kind_of_field

from ..db.team import OWN_SCHEMA, list_exemplar_tables
from ..ingest.files import FileError, Layout, Row
from .inference import ColumnOptions, InferredColumn, InferredTable, Role, infer_table

#: The start of the remark about a column that is a relation.
REFERENCES = "references"


@dataclass(frozen=True, kw_only=True)
class DatabaseColumn:
    """A column of the database and the Django field for it."""

    name: str
    column: str
    #: The name of the field's class, as inspectdb has it, and its arguments.
    type: str
    parameters: dict[str, object]
    null: bool
    #: The table that it references.
    target: str | None = None
    unique: bool = False


@dataclass(frozen=True, kw_only=True)
class DatabaseTable:
    """A table or view of the database."""

    schema: str
    name: str
    fields: tuple[DatabaseColumn, ...]
    #: The column of the primary key; None: the key has no column, or several.
    key: str | None

    @property
    def db_table(self) -> str:
        """The value of Django's option `db_table`: with the schema, as tables of Exemplar's may have the same name."""
        return self.name if self.schema == OWN_SCHEMA else f'"{self.schema}"."{self.name}"'


def find_tables(names: Sequence[str]) -> list[DatabaseTable]:
    """Find tables by name (`customers`, `sales.customers`), followed by all tables that they reference.

    Raises: FileError where one does not exist, or where they are in different schemas.
    """
    qualified_names = [_qualify(name) for name in names]
    schema = qualified_names[0][0]
    if any(other != schema for other, _ in qualified_names):
        raise FileError(f"{', '.join(names)} are in different schemas: create views of them in one schema.")
    pending = [name for _, name in qualified_names]
    tables: dict[str, DatabaseTable] = {}
    with _search_schema(schema) as cursor:
        while pending:
            if (name := pending.pop(0)) not in tables:
                tables[name] = _inspect(cursor, schema, name)
                pending += [field.target for field in tables[name].fields if field.target]
    return list(tables.values())


def _qualify(name: str) -> tuple[str, str]:
    """Find schema and name of a table or view; without a schema, another's before Exemplar's. Raises FileError."""
    schema, _, table = name.rpartition(".")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE c.relname = %s AND c.relkind IN ('r', 'v', 'm', 'p', 'f') "
            "AND (n.nspname = %s OR %s = '' AND n.nspname = ANY(current_schemas(false))) ORDER BY n.nspname = %s",
            [table, schema, schema, OWN_SCHEMA],
        )
        row = cursor.fetchone()
    if not row:
        raise FileError(f"{name}: the database has no table or view of this name.")
    if row[0] == OWN_SCHEMA and row[1] in list_exemplar_tables():
        raise FileError(
            f"{name}: this table is Exemplar's own. Name one of yours, with its schema if it has one."
        )
    return str(row[0]), str(row[1])


@contextmanager
def _search_schema(schema: str) -> Iterator[Any]:
    """Open a cursor whose search path begins with `schema`, as Django's introspection needs."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("SET LOCAL search_path TO {}, exemplar, public").format(sql.Identifier(schema))
        )
        yield cursor


def _inspect(cursor: Any, schema: str, name: str) -> DatabaseTable:
    """Inspect a table with Django's inspectdb."""
    inspect, introspection = InspectDB(), connection.introspection
    relations = introspection.get_relations(cursor, name)
    constraints = introspection.get_constraints(cursor, name).values()
    unique = {c["columns"][0] for c in constraints if c["unique"] and len(c["columns"]) == 1}
    keys = introspection.get_primary_key_columns(cursor, name) or []
    fields: list[DatabaseColumn] = []
    for row in introspection.get_table_description(cursor, name):
        target = relations.get(row.name)
        used = [field.name for field in fields]
        attribute, parameters, _ = inspect.normalize_col_name(row.name, used, target is not None)
        type_, type_parameters, _ = inspect.get_field_type(connection, name, row)
        if attribute != row.name and target is None:
            parameters["db_column"] = row.name
        fields.append(
            DatabaseColumn(
                name=attribute,
                column=row.name,
                type=type_,
                parameters={**parameters} if target else {**type_parameters, **parameters},
                null=bool(row.null_ok),
                target=target[1] if target else None,
                unique=row.name in unique,
            )
        )
    return DatabaseTable(
        schema=schema, name=name, fields=tuple(fields), key=keys[0] if len(keys) == 1 else None
    )


def infer_existing(existing: DatabaseTable, options: ColumnOptions) -> InferredTable:
    """Infer roles of a table's columns from its rows; types come from the database. Raises FileError without a key."""
    key = options.entity or existing.key
    if key is None:
        raise FileError(f"{existing.name} has no key of one column: name one with --entity.")
    header = tuple(field.column for field in existing.fields)
    layout = Layout(path=Path(existing.name), format="table", header=header)
    rows = _read_rows(existing)
    first = next(rows, None)
    if first is None:
        raise FileError(f"{existing.name} has no rows.")
    leave_out = tuple(column for column in options.leave_out if column in header)
    table = infer_table(layout, replace(options, entity=key, leave_out=leave_out), chain([first], rows))
    columns = (_apply_stored_type(*pair) for pair in zip(table.columns, existing.fields, strict=True))
    return replace(table, columns=tuple(columns))


def _read_rows(existing: DatabaseTable) -> Iterator[Row]:
    columns = [sql.SQL("CAST({} AS text)").format(sql.Identifier(field.column)) for field in existing.fields]
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        table = sql.Identifier(existing.schema, existing.name)
        cursor.execute(sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join(columns), table))
        for number, row in enumerate(cursor, 1):
            yield number, list(row)


def _apply_stored_type(column: InferredColumn, field: DatabaseColumn) -> InferredColumn:
    """Replace the inferred type by the stored one, and leave relations out of the features."""
    column = replace(column, name=field.name)
    if field.target and column.role is not Role.KEY:
        return replace(column, role=Role.LEFT_OUT, type=Kind.TEXT, remarks=(f"{REFERENCES} {field.target}",))
    kind = kind_of_field(getattr(models, field.type, models.Field))
    if kind.is_text:
        is_category = column.type.is_boolean or column.type.is_category or column.role is Role.LABEL
        return replace(column, type=Kind.CATEGORY if is_category else Kind.TEXT)
    if kind is not UNLEARNED:
        return replace(column, type=kind)
    if column.role is Role.FEATURE:
        return replace(column, role=Role.LEFT_OUT, remarks=(f"no model learns from a {field.type}",))
    return column
