"""Checking: the staged rows that do not fit, with line, column, value and reason; the others as typed rows."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.db import connection
from psycopg2 import sql

from .staging import STAGING
from .tables import ROW_KEY, LoadPlan, TargetColumn, TargetTable, named

REJECTS = sql.Identifier("ingest_rejects")
#: Where rows have no key of their own: the keys that are made of them, and the rows without these.
KEYS, VALUES = sql.Identifier("ingest_keys"), sql.Identifier("ingest_values")
#: The rows that fit, as values of their columns' types: what is loaded.
TYPED = sql.Identifier("ingest_typed")

#: Characters of a refused value that are shown.
SHOWN = 200


def execute(statement: sql.Composable) -> int:
    """Run a statement; returns how many rows it touched."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return int(cursor.rowcount)


def numbers(statement: sql.Composable) -> tuple[int, ...]:
    """The one row that the statement selects."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        row: tuple[int, ...] = cursor.fetchone()
        return row


def check(plan: LoadPlan) -> int:
    """Make the typed rows of what is staged; returns how many rows there are, those that do not fit included."""
    execute(sql.SQL("DROP TABLE IF EXISTS {}, {} CASCADE").format(REJECTS, KEYS))
    execute(
        sql.SQL(
            'CREATE TEMPORARY TABLE {} (line bigint, "column" text, value text, reason text, breaks bigint '
            "DEFAULT 0) ON COMMIT DROP"
        ).format(REJECTS)
    )
    rows, ragged, *unfit = _count(plan.columns)
    suspects = [_ordered(column) for column, n in zip(plan.columns, unfit, strict=True) if n]
    texts = {column.staged: column.cast.rewritten(sql.Identifier(column.staged)) for column in suspects}
    if ragged:
        _reject(sql.SQL("NULL"), sql.SQL("NULL"), sql.SQL("problem"), sql.SQL("problem IS NOT NULL"))
    for column in suspects:
        text = texts[column.staged]
        bad = sql.SQL("problem IS NULL AND NOT {}").format(column.cast.fits(text))
        cell = sql.Identifier(column.staged)
        _reject(sql.Literal(column.header), cell, column.cast.reason(text), bad)
    _make_typed(plan, texts)
    if plan.makes_keys:
        _add_keys(plan)
    for table in plan.tables:
        _check_table(plan, table)
    return rows


def rejected() -> int:
    """How many rows do not fit."""
    return numbers(sql.SQL("SELECT count(DISTINCT line) FROM {}").format(REJECTS))[0]


def _count(columns: Iterable[TargetColumn]) -> tuple[int, ...]:
    """How many rows there are, how many of them have a problem, and cells of each column that do not fit."""
    unfit = [
        sql.SQL("count(*) FILTER (WHERE NOT {})").format(column.cast.fits(sql.Identifier(column.staged)))
        if not column.cast.must_be_rewritten
        else sql.SQL("count({})").format(sql.Identifier(column.staged))
        for column in columns
    ]
    counts = sql.SQL(", ").join([sql.SQL("count(*), count(problem)"), *unfit])
    return numbers(sql.SQL("SELECT {} FROM {}").format(counts, STAGING))


def _ordered(column: TargetColumn) -> TargetColumn:
    """The column, with the order of its dates' day and month where its other cells betray it."""
    if not column.cast.is_time or column.cast.day_first is not None:
        return column
    part = "regexp_substr({}, '^\\s*(\\d\\d?)([-/.])(\\d\\d?)[-/.]\\d{{4}}', 1, 1, '', {})"
    cell = sql.Identifier(column.staged)
    first, separator, second = (sql.SQL(part).format(cell, sql.Literal(group)) for group in (1, 2, 3))
    day_first, month_first = numbers(
        sql.SQL(
            "SELECT bool_or({} = '.' OR CAST({} AS integer) > 12), bool_or(CAST({} AS integer) > 12) FROM {}"
        ).format(separator, first, second, STAGING)
    )
    if bool(day_first) == bool(month_first):
        return column
    return replace(column, cast=replace(column.cast, day_first=bool(day_first)))


def _reject(
    header: sql.Composable, cell: sql.Composable, reason: sql.Composable, bad: sql.Composable
) -> None:
    execute(
        sql.SQL("INSERT INTO {} SELECT line, {}, left({}, {}), {} FROM {} WHERE {}").format(
            REJECTS, header, cell, sql.Literal(SHOWN), reason, STAGING, bad
        )
    )


def _make_typed(plan: LoadPlan, texts: dict[str, sql.Composable]) -> None:
    values = [sql.SQL("s.line")]
    for column in plan.columns:
        text = texts.get(column.staged, sql.Identifier("s", column.staged))
        values.append(sql.SQL("{} AS {}").format(column.cast.value(text), sql.Identifier(column.staged)))
    execute(
        sql.SQL("CREATE OR REPLACE TEMPORARY VIEW {} AS SELECT {} FROM {} s WHERE NOT {}").format(
            TYPED, sql.SQL(", ").join(values), STAGING, _is_rejected("s")
        )
    )


def _add_keys(plan: LoadPlan) -> None:
    """The key of a row without one: a hash of its values, however they are written, and which of the equal rows it is.

    The order of the file's columns does not matter, nor do columns that are not loaded.
    """
    columns = sorted(plan.columns, key=lambda column: column.header)
    values = sql.SQL(", ").join(sql.Identifier(column.staged) for column in columns)
    execute(sql.SQL("ALTER VIEW {} RENAME TO {}").format(TYPED, VALUES))
    execute(
        sql.SQL(
            "CREATE TEMPORARY TABLE {} ON COMMIT DROP AS "
            "SELECT line, CASE WHEN occurrence = 1 THEN hash ELSE hash || '-' || occurrence END AS key FROM ("
            "SELECT line, hash, row_number() OVER (PARTITION BY hash ORDER BY line) AS occurrence FROM ("
            "SELECT line, md5(CAST(ROW({}) AS text)) AS hash FROM {}) hashed) counted"
        ).format(KEYS, values, VALUES)
    )
    execute(
        sql.SQL(
            "CREATE TEMPORARY VIEW {} AS SELECT v.*, k.key AS {} FROM {} v JOIN {} k USING (line)"
        ).format(TYPED, sql.Identifier(ROW_KEY), VALUES, KEYS)
    )


def _is_rejected(rows: str) -> sql.Composable:
    return sql.SQL("EXISTS (SELECT FROM {} r WHERE r.line = {})").format(
        REJECTS, sql.Identifier(rows, "line")
    )


def _check_table(plan: LoadPlan, table: TargetTable) -> None:
    """What the rows must be together: keys that do not repeat, that others have, and all that a new row needs."""
    headers = {column.staged: column for column in plan.columns}
    made = {other.model for other in plan.tables}
    for field, staged in table.values.items():
        if staged in headers and field.is_relation and field.related_model not in made:
            _check_relation(headers[staged], field)
    if table.key is None or table.values[table.key] not in headers:
        return
    _check_repeats(headers[table.values[table.key]])
    if table.lacking:
        _check_new(table, headers[table.values[table.key]])


def _check_relation(column: TargetColumn, field: Any) -> None:
    target = field.target_field
    reason = f"is no key of a {target.model._meta.verbose_name}"
    condition = sql.SQL("t.{0} IS NOT NULL AND NOT EXISTS (SELECT FROM {1} o WHERE o.{2} = t.{0})").format(
        sql.Identifier(column.staged),
        named(target.model),
        sql.Identifier(target.column),
    )
    _reject_typed(column, condition, reason)


def _check_repeats(column: TargetColumn) -> None:
    key = sql.Identifier(column.staged)
    repeated = sql.SQL(
        "SELECT count(*) FROM (SELECT FROM {} GROUP BY {} HAVING count(*) > 1) repeated"
    ).format(TYPED, key)
    if numbers(repeated)[0]:
        condition = sql.SQL(
            "t.line IN (SELECT line FROM (SELECT line, row_number() OVER (PARTITION BY {} ORDER BY line) AS n "
            "FROM {}) numbered WHERE n > 1)"
        ).format(key, TYPED)
        _reject_typed(column, condition, "repeats the key of a row before it")


def _check_new(table: TargetTable, column: TargetColumn) -> None:
    assert table.key is not None
    lacking = ", ".join(field.name for field in table.lacking)
    condition = sql.SQL("NOT EXISTS (SELECT FROM {} o WHERE o.{} = t.{})").format(
        table.name,
        sql.Identifier(table.key.column),
        sql.Identifier(column.staged),
    )
    _reject_typed(column, condition, f"is new, and a new {table.title} needs {lacking} too")


def _reject_typed(column: TargetColumn, condition: sql.Composable, reason: str) -> None:
    execute(
        sql.SQL(
            "INSERT INTO {} SELECT t.line, {}, left(s.{}, {}), {} FROM {} t JOIN {} s USING (line) WHERE {}"
        ).format(
            REJECTS,
            sql.Literal(column.header),
            sql.Identifier(column.staged),
            sql.Literal(SHOWN),
            sql.Literal(reason),
            TYPED,
            STAGING,
            condition,
        )
    )


def find_lines(plan: LoadPlan) -> None:
    """Count the line breaks in the cells before: the rows' numbers are not their lines there."""
    cells = sql.SQL(" || ").join(
        sql.SQL("coalesce({}, '')").format(sql.Identifier(name)) for name in plan.names
    )
    execute(
        sql.SQL(
            "UPDATE {0} r SET breaks = n.breaks FROM (SELECT line, coalesce(sum(length({1}) - "
            "length(replace({1}, E'\\n', ''))) OVER (ORDER BY line ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
            ", 0) AS breaks FROM {2}) n WHERE n.line = r.line AND n.breaks > 0"
        ).format(REJECTS, cells, STAGING)
    )


def write_rejects(path: Path, file: str, append: bool) -> None:
    """Write what does not fit as CSV, in the order of the lines."""
    statement = sql.SQL(
        'COPY (SELECT {} AS file, line + breaks AS line, "column", value, reason FROM {} ORDER BY 2, 3) '
        "TO STDOUT (FORMAT csv, HEADER {})"
    ).format(sql.Literal(file), REJECTS, sql.Literal(not append))
    with path.open("ab" if append else "wb") as rejects, connection.cursor() as cursor:
        cursor.copy_expert(statement, rejects)


def first_reject() -> tuple[int, str | None, str | None, str]:
    """Line, column, value and reason of the first cell that does not fit."""
    return numbers(  # type: ignore[return-value]
        sql.SQL('SELECT line + breaks, "column", value, reason FROM {} ORDER BY 1, 2 LIMIT 1').format(REJECTS)
    )
