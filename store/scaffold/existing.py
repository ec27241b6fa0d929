"""Tables that are in the database already: what they hold, and which others they point to."""

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

from ..ingest.files import FileError, Layout, Row
from .inference import InferredColumn, InferredTable, Role, Wishes, understand

#: What is said of a column that is a relation.
LEADS_TO = "leads to"
#: Schemas whose tables are found without naming them.
FOUND = ("exemplar", "public")


@dataclass(frozen=True, kw_only=True)
class Field:
    """A column of the database as a field."""

    name: str
    column: str
    #: The class of the field, as inspectdb names it, and what stands in its brackets.
    type: str
    parameters: dict[str, Any]
    null: bool
    #: The table that it points to.
    target: str | None = None
    unique: bool = False


@dataclass(frozen=True, kw_only=True)
class Existing:
    """A table or view of the database."""

    schema: str
    name: str
    fields: tuple[Field, ...]
    #: Its column; None: it has none, or several.
    key: str | None

    @property
    def db_table(self) -> str:
        """As Django must be told it."""
        return self.name if self.schema in FOUND else f'"{self.schema}"."{self.name}"'


def find(names: Sequence[str]) -> list[Existing]:
    """The tables of these names (`customers`, `sales.customers`), and behind them all that their foreign keys lead to.

    Raises FileError where there is none, or where they lie in different schemas.
    """
    places = [_place(name) for name in names]
    schema = places[0][0]
    if any(other != schema for other, _ in places):
        raise FileError(f"{', '.join(names)} lie in different schemas: make views of them in one.")
    wanted = [name for _, name in places]
    found: dict[str, Existing] = {}
    with _looking_into(schema) as cursor:
        while wanted:
            if (name := wanted.pop(0)) not in found:
                found[name] = _inspected(cursor, schema, name)
                wanted += [field.target for field in found[name].fields if field.target]
    return list(found.values())


def _place(name: str) -> tuple[str, str]:
    schema, _, table = name.rpartition(".")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE c.relname = %s AND c.relkind IN ('r', 'v', 'm', 'p', 'f') "
            "AND (n.nspname = %s OR %s = '' AND pg_table_is_visible(c.oid))",
            [table, schema, schema],
        )
        if row := cursor.fetchone():
            return str(row[0]), str(row[1])
    raise FileError(f"{name}: the database has no table or view of this name.")


@contextmanager
def _looking_into(schema: str) -> Iterator[Any]:
    """A cursor that finds the tables of `schema` first, as Django's introspection needs."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("SET LOCAL search_path TO {}, exemplar, public").format(sql.Identifier(schema))
        )
        yield cursor


def _inspected(cursor: Any, schema: str, name: str) -> Existing:
    """By the parts of Django's inspectdb."""
    inspect, introspection = InspectDB(), connection.introspection
    relations = introspection.get_relations(cursor, name)
    constraints = introspection.get_constraints(cursor, name).values()
    unique = {c["columns"][0] for c in constraints if c["unique"] and len(c["columns"]) == 1}
    keys = introspection.get_primary_key_columns(cursor, name) or []
    fields: list[Field] = []
    for row in introspection.get_table_description(cursor, name):
        target = relations.get(row.name)
        used = [field.name for field in fields]
        attribute, parameters, _ = inspect.normalize_col_name(row.name, used, target is not None)
        type_, more, _ = inspect.get_field_type(connection, name, row)
        if attribute != row.name and target is None:
            parameters["db_column"] = row.name
        fields.append(
            Field(
                name=attribute,
                column=row.name,
                type=type_,
                parameters=parameters if target else {**more, **parameters},
                null=bool(row.null_ok),
                target=target[1] if target else None,
                unique=row.name in unique,
            )
        )
    return Existing(schema=schema, name=name, fields=tuple(fields), key=keys[0] if len(keys) == 1 else None)


def understood(existing: Existing, wishes: Wishes) -> InferredTable:
    """What its rows hold, by the types that the database gives them. Raises FileError where it has no key."""
    key = wishes.entity or existing.key
    if key is None:
        raise FileError(f"{existing.name} has no key of one column: name one with --entity.")
    header = tuple(field.column for field in existing.fields)
    layout = Layout(path=Path(existing.name), format="table", header=header)
    rows = _rows(existing)
    first = next(rows, None)
    if first is None:
        raise FileError(f"{existing.name} has no rows.")
    leave_out = tuple(column for column in wishes.leave_out if column in header)
    table = understand(layout, replace(wishes, entity=key, leave_out=leave_out), chain([first], rows))
    columns = (_as_stored(*pair) for pair in zip(table.columns, existing.fields, strict=True))
    return replace(table, columns=tuple(columns))


def _rows(existing: Existing) -> Iterator[Row]:
    columns = [sql.SQL("CAST({} AS text)").format(sql.Identifier(field.column)) for field in existing.fields]
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        table = sql.Identifier(existing.schema, existing.name)
        cursor.execute(sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join(columns), table))
        for number, row in enumerate(cursor, 1):
            yield number, list(row)


def _as_stored(column: InferredColumn, field: Field) -> InferredColumn:
    """The column as the database has it; a relation is followed, not learned from."""
    column = replace(column, name=field.name)
    if field.target and column.role is not Role.KEY:
        return replace(column, role=Role.LEFT_OUT, type=Kind.TEXT, remarks=(f"{LEADS_TO} {field.target}",))
    kind = kind_of_field(getattr(models, field.type, models.Field))
    if kind.is_text:
        known = column.type.is_boolean or column.type.is_category or column.role is Role.LABEL
        return replace(column, type=Kind.CATEGORY if known else Kind.TEXT)
    if kind is not UNLEARNED:
        return replace(column, type=kind)
    if column.role is Role.FEATURE:
        return replace(column, role=Role.LEFT_OUT, remarks=(f"nothing learns from a {field.type}",))
    return column
