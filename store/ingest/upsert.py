"""Upsert of typed rows into feature tables, by key. Rows that are equal already are not touched."""

from collections.abc import Callable, Iterable, Mapping

from django.db import connection, models
from psycopg2 import sql

from ..entities import unique_keys
from ..entities.unique_keys import KeyCounts
from ..exceptions import NotOneRow
from ..products.columns import select_stored
from .casts import Cast
from .checking import TYPED, execute, fetch_row
from .tables import TargetTable

#: The temporary table with the key of each row that was written, and whether it is new.
WRITTEN = sql.Identifier("ingest_written")

#: For each column that the upsert may have to leave alone, the condition on rows `t` where it does.
Retained = Mapping[models.Field, sql.Composable]


def upsert(tables: Iterable[TargetTable], retained: Retained) -> None:
    """Write the typed rows into the tables, and the keys of inserted and changed rows into WRITTEN."""
    execute(sql.SQL("DROP TABLE IF EXISTS {}").format(WRITTEN))
    execute(sql.SQL("CREATE TEMPORARY TABLE {} (key text, new boolean) ON COMMIT DROP").format(WRITTEN))
    for place, table in enumerate(tables):
        if table.key is None:
            _execute_and_record(_insert_missing_copies(table))
        elif table.missing_fields:
            _execute_and_record(_compile_update(table, retained))
            _check_single(table)
        else:
            _check_unique(table.key)
            _execute_and_record(_compile_insert(table, retained, is_base=place == 0))
            _advance_sequence(table)


def count_written() -> tuple[int, int]:
    """Count the rows that were inserted, and the others that changed."""
    inserted, rows = fetch_row(
        sql.SQL("SELECT count(*) FILTER (WHERE new), count(DISTINCT key) FROM {}").format(WRITTEN)
    )
    return inserted, rows - inserted


def find_changed() -> set[str]:
    """Find the keys of the rows that were there, and changed."""
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("SELECT key FROM {} GROUP BY key HAVING NOT bool_or(new)").format(WRITTEN))
        return {key for (key,) in cursor.fetchall()}


def add_written(keys: Iterable[str]) -> None:
    """Add the keys of rows that were changed by other statements."""
    for key in keys:
        execute(sql.SQL("INSERT INTO {} VALUES ({}, false)").format(WRITTEN, sql.Literal(key)))


def _execute_and_record(statement: sql.Composable) -> None:
    execute(sql.SQL("WITH written AS ({}) INSERT INTO {} SELECT * FROM written").format(statement, WRITTEN))


def _check_single(table: TargetTable) -> None:
    """Raise NotOneRow where several rows have the key of a typed row: the update has reached all of them."""
    assert table.key is not None
    if unique_keys.is_enforced(table.key):
        return
    key, staged = sql.Identifier(table.key.column), sql.Identifier(table.values[table.key])
    counts = sql.SQL(
        "SELECT count(*), count(DISTINCT t.{0}) FROM {1} t WHERE t.{0} IN (SELECT n.{2} FROM {3} n)"
    )
    rows = KeyCounts(*fetch_row(counts.format(key, table.name, staged, TYPED)))
    if not rows.are_distinct:
        raise NotOneRow(
            f"{rows.rows:,} rows of {table.model._meta.db_table} have {rows.keys:,} different {table.key.column}: "
            "nothing was written. Load by a column that is unique."
        )


def _check_unique(key: models.Field) -> None:
    """Raise NotOneRow where nothing keeps the key unique, by which PostgreSQL tells new rows from known ones."""
    if not unique_keys.is_enforced(key):
        raise NotOneRow(
            f"Nothing keeps {key.model._meta.db_table}.{key.column} unique, so that no row can be told from a new one: "
            "nothing was written. Add a unique index over this column."
        )


def _compile_insert(table: TargetTable, retained: Retained, is_base: bool) -> sql.Composable:
    assert table.key is not None
    fields = [*table.values, *table.default_fields]
    return sql.SQL(
        "INSERT INTO {} AS t ({}) SELECT {} FROM {} n ON CONFLICT ({}) {} RETURNING CAST({} AS text), {}"
    ).format(
        table.name,
        _column_list(fields),
        sql.SQL(", ").join(
            [*map(_staged_value, table.values.values()), *map(_default_value, table.default_fields)]
        ),
        TYPED,
        sql.Identifier(table.key.column),
        _compile_conflict_action(table, retained, lambda field: sql.Identifier("excluded", field.column)),
        sql.Identifier("t", table.entity.column),
        sql.SQL("t.xmax = 0") if is_base else sql.SQL("false"),
    )


def _compile_conflict_action(table: TargetTable, retained: Retained, new: "NewValue") -> sql.Composable:
    if not table.updated_values:
        return sql.SQL("DO NOTHING")
    return sql.SQL("DO UPDATE SET {} WHERE {}").format(*_compile_changes(table, retained, new))


def _compile_update(table: TargetTable, retained: Retained) -> sql.Composable:
    """Compile the update of existing rows; the file lacks columns of new ones."""
    assert table.key is not None
    staged = table.values[table.key]
    changes, differ = (
        _compile_changes(table, retained, lambda field: _staged_value(table.values[field]))
        if table.updated_values
        else (sql.SQL("{0} = t.{0}").format(sql.Identifier(table.key.column)), sql.SQL("false"))
    )
    key = sql.Identifier("t", table.key.column)
    return sql.SQL(
        "UPDATE {} t SET {} FROM {} n WHERE {} = {} AND {} RETURNING CAST({} AS text), false"
    ).format(
        table.name,
        changes,
        TYPED,
        key,
        _staged_value(staged),
        differ,
        sql.Identifier("t", table.entity.column),
    )


NewValue = Callable[[models.Field], sql.Composable]


def _compile_changes(
    table: TargetTable, retained: Retained, new: NewValue
) -> tuple[sql.Composable, sql.Composable]:
    """Compile the assignments, and the condition that they change a value."""
    values = {field: _compile_value(field, new(field), retained) for field in table.updated_values}
    assignments = [
        sql.SQL("{} = {}").format(sql.Identifier(field.column), value) for field, value in values.items()
    ]
    stored = sql.SQL(", ").join(map(_stored_value, values))
    differ = sql.SQL("ROW({}) IS DISTINCT FROM ROW({})").format(stored, sql.SQL(", ").join(values.values()))
    return sql.SQL(", ").join(assignments), differ


def _compile_value(field: models.Field, value: sql.Composable, retained: Retained) -> sql.Composable:
    if field not in retained:
        return value
    return sql.SQL("CASE WHEN {} THEN {} ELSE {} END").format(
        retained[field], sql.Identifier("t", field.column), value
    )


def _insert_missing_copies(table: TargetTable) -> sql.Composable:
    """Compile the insertion of equal rows that the file has more often than the table.

    The same file twice adds nothing.
    """
    stored = sql.SQL(", ").join(map(_stored_value, table.values))
    staged = sql.SQL(", ").join(map(_staged_value, table.values.values()))
    return sql.SQL(
        """INSERT INTO {table} AS t ({columns})
        SELECT {values} FROM (
            SELECT *, md5(CAST(ROW({staged}) AS text)) AS hash,
                   row_number() OVER (PARTITION BY md5(CAST(ROW({staged}) AS text)) ORDER BY line) AS occurrence
            FROM {typed} n
        ) n LEFT JOIN (
            SELECT md5(CAST(ROW({stored}) AS text)) AS hash, count(*) AS copies FROM {table} t GROUP BY 1
        ) t USING (hash)
        WHERE occurrence > coalesce(copies, 0)
        RETURNING CAST(t.{key} AS text), true"""
    ).format(
        table=table.name,
        columns=_column_list([*table.values, *table.default_fields]),
        values=sql.SQL(", ").join(
            [*map(_staged_value, table.values.values()), *map(_default_value, table.default_fields)]
        ),
        staged=staged,
        stored=stored,
        typed=TYPED,
        key=sql.Identifier(table.model._meta.pk.column),
    )


def _column_list(fields: Iterable[models.Field]) -> sql.Composable:
    return sql.SQL(", ").join(sql.Identifier(field.column) for field in fields)


def _stored_value(field: models.Field) -> sql.Composable:
    """Compile the stored value as all ways have it, so that none is written that differs by its form alone."""
    column = sql.Identifier("t", field.column)
    template = select_stored(field)
    return sql.SQL(template).format(column) if template else column


def _staged_value(staged: str) -> sql.Composable:
    return sql.Identifier("n", staged)


def _default_value(field: models.Field) -> sql.Composable:
    """Compute the value that Django writes for a field without one."""
    if getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False):
        return sql.SQL("CAST(statement_timestamp() AS {})").format(sql.SQL(Cast(field).type))
    value = field.get_default()
    return sql.Literal(field.get_db_prep_save(field.to_python(value), connection))


def _advance_sequence(table: TargetTable) -> None:
    """Advance the table's sequence beyond the keys of the file."""
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
