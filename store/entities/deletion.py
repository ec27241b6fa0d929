"""Deletion of an entity's own rows: the base row, and the rows that refer to it one to one."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from django.db import IntegrityError, connection, models, transaction
from django.db.models import QuerySet
from psycopg2 import sql

from ..db import sqlstates
from ..exceptions import Conflict
from ..products.product import DataProduct
from . import base_rows
from .entities import database_message

#: The foreign keys to some tables from others, with their columns.
FOREIGN_KEYS = """
SELECT c.conrelid::regclass::text, c.confrelid::regclass::text, r.relname,
    ARRAY(SELECT a.attname FROM unnest(c.conkey) WITH ORDINALITY AS k (number, place)
        JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number ORDER BY k.place),
    ARRAY(SELECT a.attname FROM unnest(c.confkey) WITH ORDINALITY AS k (number, place)
        JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.number ORDER BY k.place)
FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid
WHERE c.contype = 'f' AND c.confrelid = ANY (%(own)s::regclass[]) AND c.conrelid <> ALL (%(own)s::regclass[])
    AND has_table_privilege(c.conrelid, 'SELECT')
ORDER BY r.relname
"""


class OwnRow(NamedTuple):
    """A row that belongs to one entity alone."""

    model: type[models.Model]
    key: object


def delete(product: DataProduct, base: models.Model) -> None:
    """Delete a locked base row with the rows that refer to it one to one; rows that it refers to may be others' too.

    Raises: Conflict where rows of other tables refer to them; NotWritten, NotOneRow.
    """
    rows = list(_own_rows(product, base))
    try:
        with transaction.atomic():
            for row in rows:
                base_rows.delete(row.model, row.key)
            connection.check_constraints()
    except IntegrityError as error:
        noun = f"The {base._meta.verbose_name} {base.pk}"
        raise Conflict(_describe(noun, error, rows), argument=("entity",)) from error


def _own_rows(product: DataProduct, base: models.Model) -> Iterator[OwnRow]:
    """List the rows that go, each before the one that it refers to."""
    for hops in sorted(product.join.own_relations, key=len, reverse=True):
        path = "__".join(hop.field.name for hop in reversed(hops))
        model = hops[-1].related_model
        for key in QuerySet(model=model).filter(**{path: base}).values_list("pk", flat=True):
            yield OwnRow(model, key)
    yield OwnRow(type(base), base.pk)


def _describe(noun: str, error: IntegrityError, rows: list[OwnRow]) -> str:
    """Describe why rows cannot be deleted: by the tables whose rows refer to them, if it is for that."""
    if not sqlstates.is_referenced(error):
        return f"{noun} cannot be deleted: {database_message(error)}"
    tables = set(_referring_tables(rows)) | {sqlstates.get_table(error)}
    names = ", ".join(sorted(filter(None, tables)))
    return f"{noun} cannot be deleted: rows of {names} refer to it. Delete those first."


def _referring_tables(rows: list[OwnRow]) -> Iterator[str]:
    """List the other tables that have rows which refer to these, of those that this role may read."""
    quoted = {connection.ops.quote_name(row.model._meta.db_table): row for row in rows}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, CAST(CAST(name AS regclass) AS text) FROM unnest(%s) AS name", [list(quoted)]
        )
        by_table = {table: quoted[name] for name, table in cursor.fetchall()}
        cursor.execute(FOREIGN_KEYS, {"own": list(by_table)})
        for referring, referred, name, columns, targets in cursor.fetchall():
            if _refers(
                cursor, by_table[referred], (referring, referred), tuple(zip(columns, targets, strict=True))
            ):
                yield name


def _refers(cursor: Any, row: OwnRow, tables: tuple[str, str], columns: tuple[tuple[str, str], ...]) -> bool:
    """Return True if a row of the first table refers to `row` of the second; both names are quoted."""
    referring, referred = map(sql.SQL, tables)
    equal = sql.SQL(" AND ").join(
        sql.SQL("r.{} = o.{}").format(sql.Identifier(column), sql.Identifier(target))
        for column, target in columns
    )
    pk = row.model._meta.pk
    statement = sql.SQL("SELECT EXISTS (SELECT FROM {} r JOIN {} o ON {} WHERE o.{} = %s)")
    statement = statement.format(referring, referred, equal, sql.Identifier(str(pk.column)))
    cursor.execute(statement, [pk.get_db_prep_value(row.key, connection)])
    return bool(cursor.fetchone()[0])
