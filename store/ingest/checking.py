"""Checks of staged rows: reject those that do not fit, with line, column, value and reason, and type the others."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from django.db import connection, models
from psycopg2 import sql

from .renames import guess_renames
from .staging import STAGING
from .tables import ROW_KEY, LoadPlan, TargetColumn, TargetTable, table_name

REJECTS = sql.Identifier("ingest_rejects")
#: For tables whose keys are derived: the keys, and the rows without them.
KEYS, VALUES = sql.Identifier("ingest_keys"), sql.Identifier("ingest_values")
#: The rows that fit, as values of their columns' types: these are loaded.
TYPED = sql.Identifier("ingest_typed")

#: Characters of a rejected value that are listed.
VALUE_LENGTH = 200
#: Stands in a reason for the line of the other row.
OTHER_LINE = "{line}"


def execute(statement: sql.Composable) -> int:
    """Run a statement and return the number of rows that it touched."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return int(cursor.rowcount)


def fetch_row(statement: sql.Composable) -> tuple[int, ...]:
    """Fetch the one row that the statement selects."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        row: tuple[int, ...] = cursor.fetchone()
        return row


def check(plan: LoadPlan) -> int:
    """Reject staged rows that do not fit, and make typed rows of the others.

    Returns: the number of staged rows, rejected ones included.
    """
    _create_rejects()
    rows, ragged, *unfit = _count_misfits(plan.columns)
    suspects = [_infer_day_order(column) for column, n in zip(plan.columns, unfit, strict=True) if n]
    texts = {column.staged: column.cast.rewritten(sql.Identifier(column.staged)) for column in suspects}
    if ragged:
        _reject(sql.SQL("NULL"), sql.SQL("NULL"), sql.SQL("problem"), sql.SQL("problem IS NOT NULL"))
    for column in suspects:
        text = texts[column.staged]
        condition = sql.SQL("problem IS NULL AND NOT {}").format(column.cast.fits(text))
        cell = sql.Identifier(column.staged)
        _reject(sql.Literal(column.header), cell, column.cast.reason(text), condition)
    _create_typed_view(plan, texts)
    if plan.derives_keys:
        _derive_keys(plan)
    for table in plan.tables:
        _check_table(plan, table)
    return rows


def _create_rejects() -> None:
    """Create the table of the rows that are left out; those without a reason equal another row."""
    execute(sql.SQL("DROP TABLE IF EXISTS {}, {} CASCADE").format(REJECTS, KEYS))
    execute(
        sql.SQL(
            'CREATE TEMPORARY TABLE {} (line bigint, "column" text, value text, reason text, other bigint, '
            "breaks bigint DEFAULT 0, other_breaks bigint DEFAULT 0, listed boolean DEFAULT false) ON COMMIT DROP"
        ).format(REJECTS)
    )


def count_rejected() -> int:
    """Count the rows that do not fit, without those that are in the rejects file."""
    count = "SELECT count(DISTINCT line) FROM {} WHERE reason IS NOT NULL AND NOT listed"
    return fetch_row(sql.SQL(count).format(REJECTS))[0]


def count_repeated() -> int:
    """Count the rows that are left out because another row with their key equals them."""
    return fetch_row(sql.SQL("SELECT count(*) FROM {} WHERE reason IS NULL").format(REJECTS))[0]


def _count_misfits(columns: Iterable[TargetColumn]) -> tuple[int, ...]:
    """Count the rows, those with a problem, and for each column the cells that may not fit."""
    unfit = [
        sql.SQL("count(*) FILTER (WHERE NOT {})").format(column.cast.fits(sql.Identifier(column.staged)))
        if not column.cast.must_be_rewritten
        else sql.SQL("count({})").format(sql.Identifier(column.staged))
        for column in columns
    ]
    counts = sql.SQL(", ").join([sql.SQL("count(*), count(problem)"), *unfit])
    return fetch_row(sql.SQL("SELECT {} FROM {}").format(counts, STAGING))


def _infer_day_order(column: TargetColumn) -> TargetColumn:
    """Infer the order of day and month in the column's dates from cells that allow only one order."""
    if not column.cast.is_time or column.cast.day_first is not None:
        return column
    part = "(regexp_match({}, '^\\s*(\\d\\d?)([-/.])(\\d\\d?)[-/.](?:\\d{{4}}|\\d\\d)(?!\\d)'))[{}]"
    cell = sql.Identifier(column.staged)
    first, separator, second = (sql.SQL(part).format(cell, sql.Literal(group)) for group in (1, 2, 3))
    day_first, month_first = fetch_row(
        sql.SQL(
            "SELECT bool_or({} = '.' OR CAST({} AS integer) > 12), bool_or(CAST({} AS integer) > 12) FROM {}"
        ).format(separator, first, second, STAGING)
    )
    if bool(day_first) == bool(month_first):
        return column
    return replace(column, cast=replace(column.cast, day_first=bool(day_first)))


def _reject(
    header: sql.Composable, cell: sql.Composable, reason: sql.Composable, condition: sql.Composable
) -> None:
    execute(
        sql.SQL(
            'INSERT INTO {} (line, "column", value, reason) SELECT line, {}, left({}, {}), {} FROM {} WHERE {}'
        ).format(REJECTS, header, cell, sql.Literal(VALUE_LENGTH), reason, STAGING, condition)
    )


def _create_typed_view(plan: LoadPlan, texts: dict[str, sql.Composable]) -> None:
    values = [sql.SQL("s.line")]
    for column in plan.columns:
        text = texts.get(column.staged, sql.Identifier("s", column.staged))
        values.append(sql.SQL("{} AS {}").format(column.cast.value(text), sql.Identifier(column.staged)))
    execute(
        sql.SQL("CREATE OR REPLACE TEMPORARY VIEW {} AS SELECT {} FROM {} s WHERE NOT {}").format(
            TYPED, sql.SQL(", ").join(values), STAGING, _is_rejected("s")
        )
    )


def _derive_keys(plan: LoadPlan) -> None:
    """Derive keys of rows: a hash of the typed values, and the number of the row among equal ones from the second on.

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
    """Reject rows with unknown references, repeated keys, or keys of new rows that lack a column."""
    columns = {column.staged: column for column in plan.columns}
    loaded = {other.model for other in plan.tables}
    for field, staged in table.values.items():
        if staged in columns and isinstance(field, models.ForeignKey) and field.related_model not in loaded:
            _check_relation(columns[staged], field)
    if table.key is None or table.values[table.key] not in columns:
        return
    _check_repeats(plan, columns[table.values[table.key]])
    if table.missing_fields:
        _check_new(plan, table, columns[table.values[table.key]])


def _check_relation(column: TargetColumn, field: models.ForeignKey) -> None:
    target = field.target_field
    reason = f"is no key of a {target.model._meta.verbose_name}"
    condition = sql.SQL("t.{0} IS NOT NULL AND NOT EXISTS (SELECT FROM {1} o WHERE o.{2} = t.{0})").format(
        sql.Identifier(column.staged),
        table_name(target.model),
        sql.Identifier(target.column),
    )
    _reject_typed(column, condition, reason)


def _check_repeats(plan: LoadPlan, column: TargetColumn) -> None:
    """Leave out rows that equal another one with their key, and reject those that differ from it."""
    key = sql.Identifier(column.staged)
    repeated = sql.SQL(
        "SELECT count(*) FROM (SELECT FROM {} GROUP BY {} HAVING count(*) > 1) repeated"
    ).format(TYPED, key)
    if fetch_row(repeated)[0]:
        _leave_out_equal_rows(plan, key)
        _reject_different_rows(plan, column)


def _leave_out_equal_rows(plan: LoadPlan, key: sql.Composable) -> None:
    cells = sql.SQL(", ").join(sql.Identifier(column.staged) for column in plan.columns)
    execute(
        sql.SQL(
            "INSERT INTO {} (line) SELECT line FROM (SELECT line, row_number() OVER (PARTITION BY {}, "
            "md5(CAST(ROW({}) AS text)) ORDER BY line) AS occurrence FROM {}) numbered WHERE occurrence > 1"
        ).format(REJECTS, key, cells, TYPED)
    )


def _reject_different_rows(plan: LoadPlan, column: TargetColumn) -> None:
    """Reject all but the first row of each key, with the line of that one and the columns that differ."""
    differences = [
        sql.SQL("CASE WHEN CAST(t.{0} AS text) IS DISTINCT FROM CAST(f.{0} AS text) THEN {1} END").format(
            sql.Identifier(other.staged), sql.Literal(other.header)
        )
        for other in plan.columns
        if other is not column
    ]
    execute(
        sql.SQL(
            'INSERT INTO {rejects} (line, "column", value, reason, other) '
            "SELECT t.line, {header}, left(s.{cell}, {length}), {reason} || concat_ws(', ', {differences}), f.line "
            "FROM (SELECT *, first_value(line) OVER (PARTITION BY {cell} ORDER BY line) AS first FROM {typed}) t "
            "JOIN {typed} f ON f.line = t.first JOIN {staging} s ON s.line = t.line WHERE t.line > t.first"
        ).format(
            rejects=REJECTS,
            header=sql.Literal(column.header),
            cell=sql.Identifier(column.staged),
            length=sql.Literal(VALUE_LENGTH),
            reason=sql.Literal(f"repeats the key of line {OTHER_LINE} with another "),
            differences=sql.SQL(", ").join(differences or [sql.SQL("NULL")]),
            typed=TYPED,
            staging=STAGING,
        )
    )


def _check_new(plan: LoadPlan, table: TargetTable, column: TargetColumn) -> None:
    assert table.key is not None
    missing = ", ".join(field.name for field in table.missing_fields)
    condition = sql.SQL("NOT EXISTS (SELECT FROM {} o WHERE o.{} = t.{})").format(
        table.name,
        sql.Identifier(table.key.column),
        sql.Identifier(column.staged),
    )
    renamed = "".join(
        f" ({rename.header!r} may be {rename.field.name} renamed)"
        for rename in guess_renames(plan)
        if rename.field in table.missing_fields
    )
    _reject_typed(column, condition, f"is new, and a new {table.title} needs {missing} too{renamed}")


def _reject_typed(column: TargetColumn, condition: sql.Composable, reason: str) -> None:
    execute(
        sql.SQL(
            'INSERT INTO {} (line, "column", value, reason) '
            "SELECT t.line, {}, left(s.{}, {}), {} FROM {} t JOIN {} s USING (line) WHERE {}"
        ).format(
            REJECTS,
            sql.Literal(column.header),
            sql.Identifier(column.staged),
            sql.Literal(VALUE_LENGTH),
            sql.Literal(reason),
            TYPED,
            STAGING,
            condition,
        )
    )


def correct_lines(plan: LoadPlan) -> None:
    """Turn the numbers of rejected rows into lines by counting the line breaks in the cells before them."""
    cells = sql.SQL(" || ").join(
        sql.SQL("coalesce({}, '')").format(sql.Identifier(name)) for name in plan.names
    )
    for number, breaks in (("line", "breaks"), ("other", "other_breaks")):
        execute(
            sql.SQL(
                "UPDATE {rejects} r SET {breaks} = n.breaks FROM (SELECT line, coalesce(sum(length({cells}) - "
                "length(replace({cells}, E'\\n', ''))) OVER (ORDER BY line ROWS BETWEEN UNBOUNDED PRECEDING AND "
                "1 PRECEDING), 0) AS breaks FROM {staging}) n WHERE n.line = r.{number} AND n.breaks > 0"
            ).format(
                rejects=REJECTS,
                breaks=sql.Identifier(breaks),
                cells=cells,
                staging=STAGING,
                number=sql.Identifier(number),
            )
        )


def _list_rejects(condition: str = "reason IS NOT NULL") -> sql.Composable:
    """Select line, column, value and reason of the rejected cells."""
    return sql.SQL(
        'SELECT line + breaks AS line, "column", value, '
        "coalesce(replace(reason, {}, CAST(other + other_breaks AS text)), reason) AS reason "
        "FROM {} WHERE {}"
    ).format(sql.Literal(OTHER_LINE), REJECTS, sql.SQL(condition))


def write_rejects(path: Path, file: str, append: bool) -> None:
    """Write the rejected cells that it does not list yet as CSV, in the order of the lines."""
    cells = _list_rejects("reason IS NOT NULL AND NOT listed")
    statement = sql.SQL(
        "COPY (SELECT {} AS file, * FROM ({}) rejects ORDER BY 2, 3) TO STDOUT (FORMAT csv, HEADER {})"
    ).format(sql.Literal(file), cells, sql.Literal(not append))
    with path.open("ab" if append else "wb") as rejects, connection.cursor() as cursor:
        cursor.copy_expert(statement, rejects)
    execute(sql.SQL("UPDATE {} SET listed = true").format(REJECTS))


def get_first_reject() -> tuple[int, str | None, str | None, str]:
    """Get line, column, value and reason of the first rejected cell; column and value are None for a whole row."""
    return fetch_row(sql.SQL("{} ORDER BY 1, 2 LIMIT 1").format(_list_rejects()))  # type: ignore[return-value]
