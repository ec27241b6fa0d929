"""Inspection of existing tables of the database: their columns, keys and references, with Django's inspectdb."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from django.core.management.commands.inspectdb import Command as InspectDB
from django.db import connection, models, transaction
from psycopg2 import sql

from learning.kinds import kind_of_field

from ..db.team import OWN_SCHEMA, list_exemplar_tables
from ..ingest.files import FileError, Layout, field_names
from .stored_types import StoredType, is_quotable, read_types

#: The end of a foreign key's name: `customer_id`, `CustomerId`.
KEY_SUFFIX = re.compile(r"(?<=.)_[iI][dD]$|(?<=[a-z0-9])I[dD]$")


@dataclass(frozen=True, kw_only=True)
class DatabaseColumn:
    """A column of the database and the Django field for it."""

    name: str
    column: str
    #: The name of the field's class, as inspectdb has it, and its arguments.
    type: str
    parameters: dict[str, object]
    #: The type as PostgreSQL has it.
    stored: StoredType
    null: bool
    #: The table and the column that it references.
    target: str | None = None
    target_column: str = ""
    unique: bool = False

    @property
    def attribute(self) -> str:
        """The attribute of a row that holds the column's value."""
        return f"{self.name}_id" if self.target else self.name

    @property
    def is_text(self) -> bool:
        """True if the column holds texts."""
        return kind_of_field(getattr(models, self.type, models.Field)).is_text

    @property
    def arguments(self) -> dict[str, object]:
        """The arguments of the field, with the column's name where the field's does not say it."""
        named = {} if self.attribute == self.column else {"db_column": self.column}
        return ({} if self.target else self.parameters) | named


@dataclass(frozen=True, kw_only=True)
class DatabaseTable:
    """A table or view of the database."""

    schema: str
    relation: str
    #: The name of the relation, with its schema where that is another than the first table's.
    name: str
    fields: tuple[DatabaseColumn, ...]
    #: Columns that have no field, as Django cannot write their names.
    unnamed: tuple[str, ...]
    #: The columns of its key; empty: it has none.
    keys: tuple[str, ...]
    #: True for a view, which has no constraints.
    is_view: bool
    #: False for a table that others refer to, and that the caller has not named.
    is_named: bool

    @property
    def key(self) -> str | None:
        """The column of its key; None: the key has no column, or several."""
        return self.keys[0] if len(self.keys) == 1 else None

    @property
    def layout(self) -> Layout:
        """The layout of its rows, as if it were a file."""
        header = tuple(field.column for field in self.fields)
        texts = frozenset(place for place, field in enumerate(self.fields) if field.is_text)
        return Layout(path=Path(self.relation), format="table", header=header, texts=texts)

    @property
    def db_table(self) -> str:
        """The value of Django's option `db_table`: with the schema, as tables of Exemplar's may have the same name."""
        return self.relation if self.schema == OWN_SCHEMA else f'"{self.schema}"."{self.relation}"'

    def find_field(self, column: str) -> DatabaseColumn | None:
        """Find the field of a column, by the column's name or its own."""
        named = [field for field in self.fields if column in (field.column, field.name)]
        return min(named, key=lambda field: field.column != column, default=None)

    def keyed_by(self, column: str | None) -> "DatabaseTable":
        """Return the table with its field for `id` renamed, unless that is the key: Django reserves the name."""
        used = {field.name for field in self.fields}
        free = next(name for name in ("identifier", "row_id", "given_id", "id_2") if name not in used)
        fields = (
            replace(field, name=free) if field.name == "id" and field.column != column else field
            for field in self.fields
        )
        return replace(self, fields=tuple(fields))


class Relation(NamedTuple):
    """A table or view by its names in PostgreSQL."""

    schema: str
    name: str


#: By column of a table, the table and the column that it references.
References = Mapping[str, tuple[Relation, str]]


def find_tables(names: Sequence[str]) -> list[DatabaseTable]:
    """Find tables by name (`customers`, `sales.customers`), followed by all tables that they reference.

    Raises: FileError where one does not exist, or is Exemplar's own.
    """
    named = [_qualify(name) for name in names]
    pending, tables = list(named), dict[Relation, DatabaseTable]()
    while pending:
        if (relation := pending.pop(0)) not in tables:
            references = _find_references(relation)
            table = _inspect(relation, named[0].schema, references)
            tables[relation] = replace(table, is_named=relation in named)
            pending += [target for target, _ in references.values()]
    return list(tables.values())


def _qualify(name: str) -> Relation:
    """Find schema and name of a table or view; without a schema, another's before Exemplar's. Raises FileError."""
    schema, _, table = name.replace('"', "").rpartition(".")  # as SQL writes it, too
    rows = _fetch(
        "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.relname = %s AND c.relkind IN ('r', 'v', 'm', 'p', 'f') "
        "AND (n.nspname = %s OR %s = '' AND n.nspname = ANY(current_schemas(false))) ORDER BY n.nspname = %s",
        [table, schema, schema, OWN_SCHEMA],
    )
    if not rows:
        raise FileError(f"{name}: the database has no table or view of this name.")
    relation = Relation(*rows[0])
    if relation.schema == OWN_SCHEMA and relation.name in list_exemplar_tables():
        raise FileError(
            f"{name}: this table is Exemplar's own. Name one of yours, with its schema if it has one."
        )
    return relation


def _fetch(statement: str | sql.Composable, parameters: Iterable[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, list(parameters))
        return list(cursor.fetchall())


def _find_references(relation: Relation) -> References:
    """Find the foreign keys of one column."""
    rows = _fetch(
        "SELECT DISTINCT ON (1) a.attname, tn.nspname, t.relname, ta.attname FROM pg_constraint c "
        "JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] "
        "JOIN pg_class t ON t.oid = c.confrelid JOIN pg_namespace tn ON tn.oid = t.relnamespace "
        "JOIN pg_attribute ta ON ta.attrelid = c.confrelid AND ta.attnum = c.confkey[1] "
        "WHERE c.contype = 'f' AND cardinality(c.conkey) = 1 AND c.conrelid = format('%%I.%%I', %s, %s)::regclass "
        "ORDER BY 1, t.relispartition, c.oid",
        relation,
    )
    return {column: (Relation(schema, table), target) for column, schema, table, target in rows}


def _find_keys(relation: Relation) -> list[tuple[str, ...]]:
    """Find the columns of unique indexes that are never null, the primary key's first, then those of few columns."""
    # A materialised view does not know which of its columns are never null.
    rows = _fetch(
        "SELECT array_agg(a.attname::text ORDER BY k.place) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid, "
        "unnest(i.indkey::smallint[]) WITH ORDINALITY k (number, place), pg_attribute a "
        "WHERE a.attrelid = i.indrelid AND a.attnum = k.number AND k.place <= i.indnkeyatts AND i.indisunique "
        "AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indrelid = format('%%I.%%I', %s, %s)::regclass "
        "GROUP BY i.indexrelid, i.indisprimary, i.indnkeyatts HAVING bool_and(a.attnotnull OR c.relkind = 'm') "
        "ORDER BY NOT i.indisprimary, i.indnkeyatts, i.indexrelid",
        relation,
    )
    return [tuple(columns) for (columns,) in rows]


@contextmanager
def _search_schema(schema: str) -> Iterator[Any]:
    """Open a cursor whose search path begins with `schema`, as Django's introspection needs."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('search_path', format('%%I, exemplar, public', %s), true)", [schema]
        )
        yield cursor


def _inspect(relation: Relation, first: str, references: References) -> DatabaseTable:
    """Inspect a table with Django's inspectdb; one in another schema than `first` is called with its schema."""

    def name(other: Relation) -> str:
        return other.name if other.schema == first else f"{other.schema}.{other.name}"

    with _search_schema(relation.schema) as cursor:
        described = connection.introspection.get_table_description(cursor, relation.name)
    rows, types = [row for row in described if is_quotable(row.name)], read_types(*relation)
    keys, names = _find_keys(relation), name_columns([row.name for row in rows], references)
    fields = []
    for row, field in zip(rows, names, strict=True):
        stored = types[row.name]
        type_, parameters = stored.declare(*InspectDB().get_field_type(connection, relation.name, row)[:2])
        target, target_column = references.get(row.name, (None, ""))
        fields.append(
            DatabaseColumn(
                name=field,
                column=row.name,
                type=type_,
                parameters=parameters,
                stored=stored,
                null=bool(row.null_ok),
                target=name(target) if target else None,
                target_column=target_column,
                unique=(row.name,) in keys,
            )
        )
    return DatabaseTable(
        schema=relation.schema,
        relation=relation.name,
        name=name(relation),
        fields=tuple(fields),
        unnamed=tuple(row.name for row in described if row not in rows),
        keys=keys[0] if keys else (),
        is_view=_is_view(relation),
        is_named=True,
    )


def _is_view(relation: Relation) -> bool:
    statement = "SELECT relkind IN ('v', 'm') FROM pg_class WHERE oid = format('%%I.%%I', %s, %s)::regclass"
    [(is_view,)] = _fetch(statement, relation)
    return bool(is_view)


def name_columns(columns: Sequence[str], references: Iterable[str] = ()) -> tuple[str, ...]:
    """Name the fields of columns: valid for Python and Django, all different.

    Args:
        references: the columns that are foreign keys. A field `customer` has the attribute `customer_id` too, so that
            no other field can have that name.
    """
    keys = set(references)
    titles = [KEY_SUFFIX.sub("", column) if column in keys else column for column in columns]
    names = field_names(titles)
    taken = {f"{name}_id" for name, column in zip(names, columns, strict=True) if column in keys}
    return field_names(
        title if name not in taken else f"{name}_value" for title, name in zip(titles, names, strict=True)
    )


def read_titles(target: DatabaseTable, key: str, used: Sequence[str], most: int) -> dict[str, str]:
    """Read the names of a table's rows by their keys: the first text that no two rows share, else the key.

    Args:
        used: the keys to read; all others are read too, unless the table has more than `most` rows.
    """
    texts = [field.column for field in target.fields if field.type in ("CharField", "TextField")]
    columns = [key, *(column for column in texts if column != key)]
    table = sql.Identifier(target.schema, target.relation)
    statement = sql.SQL(
        "SELECT {} FROM {} WHERE CAST({} AS text) = ANY(%s) OR (SELECT count(*) FROM {}) <= %s ORDER BY {}"
    ).format(
        sql.SQL(", ").join(sql.SQL("CAST({} AS text)").format(sql.Identifier(column)) for column in columns),
        table,
        sql.Identifier(key),
        table,
        sql.Identifier(key),
    )
    rows = _fetch(statement, [list(used), most])
    for place in range(1, len(columns)):
        titles = {row[0]: " ".join((row[place] or "").split()) for row in rows}
        if all(titles.values()) and len(set(titles.values())) == len(rows):
            return titles
    return {row[0]: row[0] for row in rows}
