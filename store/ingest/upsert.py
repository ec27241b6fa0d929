"""Upserting: typed rows into the feature tables by their keys; what is equal already is not touched."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.db import connection, models
from django.utils import timezone
from psycopg2 import sql

from .checking import TYPED, execute, numbers
from .tables import TargetTable

#: The key of each row that was written, and whether it is new.
WRITTEN = sql.Identifier("ingest_written")

#: For columns whose rows `t` may keep what they hold, the condition on which they do.
Kept = Mapping[models.Field, sql.Composable]


def upsert(tables: Iterable[TargetTable], kept: Kept) -> None:
    """Write the typed rows into the tables, and those that changed something into WRITTEN."""
    execute(sql.SQL("DROP TABLE IF EXISTS {}").format(WRITTEN))
    execute(sql.SQL("CREATE TEMPORARY TABLE {} (key text, new boolean) ON COMMIT DROP").format(WRITTEN))
    for place, table in enumerate(tables):
        if table.key is None:
            _write(_add(table))
        elif table.lacking:
            _write(_update(table, kept))
        else:
            _write(_insert(table, kept, is_base=place == 0))
            _advance_sequence(table)


def written() -> tuple[int, int]:
    """How many rows were inserted, and how many others changed."""
    inserted, rows = numbers(
        sql.SQL("SELECT count(*) FILTER (WHERE new), count(DISTINCT key) FROM {}").format(WRITTEN)
    )
    return inserted, rows - inserted


def note(keys: Iterable[str]) -> None:
    """Add rows that were changed otherwise."""
    for key in keys:
        execute(sql.SQL("INSERT INTO {} VALUES ({}, false)").format(WRITTEN, sql.Literal(key)))


def _write(statement: sql.Composable) -> None:
    execute(sql.SQL("WITH written AS ({}) INSERT INTO {} SELECT * FROM written").format(statement, WRITTEN))


def _insert(table: TargetTable, kept: Kept, is_base: bool) -> sql.Composable:
    assert table.key is not None
    fields = [*table.values, *table.filled]
    return sql.SQL(
        "INSERT INTO {} AS t ({}) SELECT {} FROM {} n ON CONFLICT ({}) {} RETURNING CAST({} AS text), {}"
    ).format(
        table.name,
        _columns(fields),
        sql.SQL(", ").join([*map(_given, table.values.values()), *map(_filled, table.filled)]),
        TYPED,
        sql.Identifier(table.key.column),
        _do_update(table, kept, lambda field: sql.Identifier("excluded", field.column)),
        sql.Identifier("t", table.entity.column),
        sql.SQL("t.xmax = 0") if is_base else sql.SQL("false"),
    )


def _do_update(table: TargetTable, kept: Kept, new: "New") -> sql.Composable:
    if not table.rest:
        return sql.SQL("DO NOTHING")
    return sql.SQL("DO UPDATE SET {} WHERE {}").format(*_changes(table, kept, new))


def _update(table: TargetTable, kept: Kept) -> sql.Composable:
    """Rows that exist; there are no others, because the file lacks what a new one needs."""
    assert table.key is not None
    staged = table.values[table.key]
    changes, differ = (
        _changes(table, kept, lambda field: _given(table.values[field]))
        if table.rest
        else (sql.SQL("{0} = t.{0}").format(sql.Identifier(table.key.column)), sql.SQL("false"))
    )
    key = sql.Identifier("t", table.key.column)
    return sql.SQL(
        "UPDATE {} t SET {} FROM {} n WHERE {} = {} AND {} RETURNING CAST({} AS text), false"
    ).format(
        table.name, changes, TYPED, key, _given(staged), differ, sql.Identifier("t", table.entity.column)
    )


New = Callable[[models.Field], sql.Composable]


def _changes(table: TargetTable, kept: Kept, new: New) -> tuple[sql.Composable, sql.Composable]:
    """The assignments, and the condition that they change something."""
    values = {field: _unless_kept(field, new(field), kept) for field in table.rest}
    assigned = [
        sql.SQL("{} = {}").format(sql.Identifier(field.column), value) for field, value in values.items()
    ]
    held = sql.SQL(", ").join(sql.Identifier("t", field.column) for field in values)
    differ = sql.SQL("ROW({}) IS DISTINCT FROM ROW({})").format(held, sql.SQL(", ").join(values.values()))
    return sql.SQL(", ").join(assigned), differ


def _unless_kept(field: models.Field, value: sql.Composable, kept: Kept) -> sql.Composable:
    if field not in kept:
        return value
    return sql.SQL("CASE WHEN {} THEN {} ELSE {} END").format(
        kept[field], sql.Identifier("t", field.column), value
    )


def _add(table: TargetTable) -> sql.Composable:
    """Of each content the rows which the file has more often than the table: the same file twice adds nothing."""
    held = sql.SQL(", ").join(sql.Identifier("t", field.column) for field in table.values)
    given = sql.SQL(", ").join(map(_given, table.values.values()))
    return sql.SQL(
        """INSERT INTO {table} AS t ({columns})
        SELECT {values} FROM (
            SELECT *, md5(CAST(ROW({given}) AS text)) AS hash,
                   row_number() OVER (PARTITION BY md5(CAST(ROW({given}) AS text)) ORDER BY line) AS occurrence
            FROM {typed} n
        ) n LEFT JOIN (
            SELECT md5(CAST(ROW({held}) AS text)) AS hash, count(*) AS held FROM {table} t GROUP BY 1
        ) t USING (hash)
        WHERE occurrence > coalesce(held, 0)
        RETURNING CAST(t.{key} AS text), true"""
    ).format(
        table=table.name,
        columns=_columns([*table.values, *table.filled]),
        values=sql.SQL(", ").join([*map(_given, table.values.values()), *map(_filled, table.filled)]),
        given=given,
        held=held,
        typed=TYPED,
        key=sql.Identifier(table.model._meta.pk.column),
    )


def _columns(fields: Iterable[Any]) -> sql.Composable:
    return sql.SQL(", ").join(sql.Identifier(field.column) for field in fields)


def _given(staged: str) -> sql.Composable:
    return sql.Identifier("n", staged)


def _filled(field: Any) -> sql.Composable:
    """What Django writes where nothing was said."""
    automatic = getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False)
    value = timezone.now() if automatic else field.get_default()
    return sql.Literal(field.get_db_prep_save(field.to_python(value), connection))


def _advance_sequence(table: TargetTable) -> None:
    """Keep the table's own numbering ahead of the numbers that the file gave."""
    key = table.key
    if not isinstance(key, models.AutoField):
        return
    execute(
        sql.SQL(
            "SELECT setval(sequence, greatest((SELECT max({key}) FROM {table}), "
            "pg_sequence_last_value(sequence), 1)) "
            "FROM CAST(pg_get_serial_sequence({name}, {column}) AS regclass) AS sequence"
        ).format(
            key=sql.Identifier(key.column),
            table=table.name,
            name=sql.Literal(connection.ops.quote_name(table.model._meta.db_table)),
            column=sql.Literal(key.column),
        )
    )
