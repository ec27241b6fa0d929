"""Rights: what a role must be granted in a team's tables for the declared products, and no more.

PostgreSQL itself tells what a join reads: a view depends on each table, column and function that its query names, and
may be created by a role that may read none of them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection, models, transaction
from django.db.models import F, QuerySet
from psycopg2 import sql

from ..db.team import OWN_SCHEMA
from .checks import ASKING
from .features import Path
from .product import NOTHING, ROWS, DataProduct

#: The schemas of Exemplar's own tables and of snapshots, which the role may do everything in.
OWN_SCHEMAS = (OWN_SCHEMA, "snapshots")

SELECT, INSERT, UPDATE, DELETE, USAGE, EXECUTE = "SELECT", "INSERT", "UPDATE", "DELETE", "USAGE", "EXECUTE"

VIEW = sql.Identifier("pg_temp", "exemplar_join")

#: The tables and functions that the view's query names, and those of views that read with the rights of who asks.
USED = """
WITH RECURSIVE used AS (
    SELECT d.refclassid, d.refobjid, d.refobjsubid
    FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
    WHERE r.ev_class = 'pg_temp.exemplar_join'::regclass AND d.refobjid <> r.ev_class
    UNION
    SELECT d.refclassid, d.refobjid, d.refobjsubid
    FROM used u JOIN pg_class v ON u.refclassid = 'pg_class'::regclass AND v.oid = u.refobjid AND v.relkind = 'v'
        AND v.reloptions && ARRAY['security_invoker=true', 'security_invoker=on', 'security_invoker=1']
        JOIN pg_rewrite r ON r.ev_class = v.oid
        JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
    WHERE d.refobjid <> v.oid
)
"""
#: A table of which no column is named, as by count(*), is read by the right to one of them.
TABLES = (
    USED
    + """
SELECT n.nspname, c.relname, array_agg(DISTINCT a.attname ORDER BY a.attname)
FROM (SELECT refobjid, array_agg(refobjsubid) AS columns FROM used WHERE refclassid = 'pg_class'::regclass GROUP BY 1) u
    JOIN pg_class c ON c.oid = u.refobjid AND c.relkind IN ('r', 'v', 'm', 'p', 'f')
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped AND (
        a.attnum = ANY (u.columns) AND a.attnum > 0
        OR u.columns <@ ARRAY[0] AND a.attnum = (
            SELECT min(attnum) FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
        )
    )
GROUP BY 1, 2 ORDER BY 1, 2
"""
)
FUNCTIONS = (
    USED
    + """
SELECT n.nspname, p.oid::regprocedure::text
FROM used u JOIN pg_proc p ON u.refclassid = 'pg_proc'::regclass AND p.oid = u.refobjid
    JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE NOT has_function_privilege('public', p.oid, 'EXECUTE')
ORDER BY 1, 2
"""
)


@dataclass(frozen=True, order=True)
class Right:
    """A right on an object of the database."""

    schema: str
    #: Of a table or a sequence; of a function its name as PostgreSQL writes it; empty for the schema itself.
    name: str
    privilege: str
    #: The columns, of a right on a table.
    columns: tuple[str, ...] = ()
    kind: str = ""

    def __str__(self) -> str:
        return f"{self.privilege} {', '.join(self.columns)} of {self.schema}.{self.name}"

    def grant(self, role: str) -> sql.Composed:
        """The statement that grants it to a role."""
        columns = sql.SQL(", ").join(map(sql.Identifier, self.columns))
        return sql.SQL("GRANT {}{} ON {}{} TO {};").format(
            sql.SQL(self.privilege),
            sql.SQL(" ({})").format(columns) if self.columns else sql.SQL(""),
            sql.SQL(f"{self.kind} " if self.kind else ""),
            self.object,
            sql.Identifier(role),
        )

    @property
    def writes(self) -> bool:
        """True for a right to write."""
        return self.privilege in (INSERT, UPDATE)

    @property
    def object(self) -> sql.Composable:
        """The quoted name of the object."""
        if self.privilege == EXECUTE:
            return sql.SQL(self.name)
        return sql.Identifier(self.schema, self.name) if self.name else sql.Identifier(self.schema)


def list_rights(product: DataProduct) -> list[Right]:
    """List the rights that a product needs in a team's tables, in the order in which they are granted.

    Raises: DatabaseError where a table is missing, or where the role may not see its schema.
    """
    return sort_rights(right for right in list_all(product) if right.schema not in OWN_SCHEMAS)


def list_all(product: DataProduct, writes: bool = True) -> list[Right]:
    """List the rights that a product needs, in tables of Exemplar's own schema too.

    Args:
        writes: False for those to read alone.

    Raises: DatabaseError as `list_rights` does.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        return [*_list_read(product, cursor), *(_list_written(product, cursor) if writes else ())]


def sort_rights(rights: Iterable[Right]) -> list[Right]:
    """Merge and sort rights, after those to use their schemas."""
    merged = sorted(_merge(set(rights)))
    schemas = {Right(right.schema, "", USAGE, kind="SCHEMA") for right in merged}
    return [*sorted(schemas), *merged]


def list_missing(product: DataProduct) -> list[Right]:
    """List the rights in the product's tables that this role lacks, with the columns of which it lacks them.

    Raises: DatabaseError as `list_rights` does.
    """
    rights = [right for right in list_rights(product) if right.columns]
    lacking = (replace(right, columns=tuple(_find_lacking(right))) for right in rights)
    return [right for right in lacking if right.columns]


def _find_lacking(right: Right) -> list[str]:
    with connection.cursor() as cursor:
        table = right.object.as_string(cursor.cursor)
        cursor.execute(
            "SELECT name FROM unnest(%s) AS name WHERE NOT has_column_privilege(%s, name, %s)",
            [list(right.columns), table, right.privilege],
        )
        return [name for (name,) in cursor.fetchall()]


def _merge(rights: set[Right]) -> Iterator[Right]:
    """Merge rights that differ by their columns alone."""
    columns: dict[tuple[str, str, str, str], set[str]] = {}
    for right in rights:
        columns.setdefault((right.schema, right.name, right.privilege, right.kind), set()).update(
            right.columns
        )
    for (schema, name, privilege, kind), names in columns.items():
        yield Right(schema, name, privilege, tuple(sorted(names)), kind)


def _list_read(product: DataProduct, cursor: Any) -> Iterator[Right]:
    """List the rights to read what the join names, and the conditions by which some rows are kept from some."""
    join = product.join
    asking = [actor for actor in ASKING if not join.sees_all(actor)]
    for rows in (_joined(product), *(join.visible_rows(actor).order_by().values("pk") for actor in asking)):
        yield from _list_named(rows, cursor)


def _list_named(rows: QuerySet[Any], cursor: Any) -> list[Right]:
    """List the rights to read what a query names."""
    try:
        statement, parameters = rows.query.sql_with_params()
    except EmptyResultSet:
        return []
    query = cursor.mogrify(statement, parameters).decode()
    cursor.execute(sql.SQL("CREATE VIEW {} AS SELECT FROM ({}) AS joined").format(VIEW, sql.SQL(query)))
    cursor.execute(TABLES)
    rights = [Right(schema, name, SELECT, tuple(columns)) for schema, name, columns in cursor.fetchall()]
    cursor.execute(FUNCTIONS)
    rights += [Right(schema, name, EXECUTE, kind="FUNCTION") for schema, name in cursor.fetchall()]
    cursor.execute(sql.SQL("DROP VIEW {}").format(VIEW))
    return rights


def _joined(product: DataProduct) -> QuerySet[Any]:
    """Select the join without the functions of Exemplar's own schema, which may not be there yet."""
    join = product.join
    paths = {"joined_key": "pk", "joined_label": join.label, "joined_group": join.group}
    expressions = {name: F(path) for name, path in paths.items() if path}
    expressions |= {f"feature_{column.name}": column.expression for column in join.columns}
    rows = join.complete().order_by().annotate(**expressions, joined_at=join.moment)
    return rows.values(*expressions, "joined_at")


def _list_written(product: DataProduct, cursor: Any) -> Iterator[Right]:
    """List the rights to write, and to read what is written."""
    if product.writes == NOTHING or product.join.is_grouped:
        return
    deleted = {product.join.model, *(relation[-1].related_model for relation in product.join.own_relations)}
    for model, columns in _written_columns(product).items():
        schema, table = _find_table(model, cursor)
        yield Right(schema, table, UPDATE, tuple(columns))
        if product.writes != ROWS:
            continue
        every = tuple(str(field.column) for field in model._meta.concrete_fields)
        yield Right(schema, table, SELECT, (*every, *_list_row_versions(schema, table, cursor)))
        if product.writable:
            yield Right(schema, table, INSERT, every)
            if model in deleted:
                yield Right(schema, table, DELETE)
            yield from _list_sequences(model, cursor)


def _list_row_versions(schema: str, table: str, cursor: Any) -> list[str]:
    """List the column by which a load of files tells new rows from others; a view has none."""
    cursor.execute(
        "SELECT attname FROM pg_attribute WHERE attname = 'xmax' AND attrelid = "
        "to_regclass(quote_ident(%s) || '.' || quote_ident(%s))",
        [schema, table],
    )
    return [name for (name,) in cursor.fetchall()]


def _written_columns(product: DataProduct) -> Mapping[type[models.Model], set[str]]:
    """Get the columns that are written, by model."""
    join = product.join
    paths: list[Path | None] = [join.label_path if product.writes_labels else None]
    if product.writes == ROWS:
        paths += [*(column.path for column in product.inputs), join.at_path]
    written: dict[type[models.Model], set[str]] = {join.model: set()} if product.writes == ROWS else {}
    for path in filter(None, paths):
        models_ = [join.model, *(hop.related_model for hop in path.hops)]
        written.setdefault(models_[-1], set()).add(str(path.column.column))
        for model, hop in zip(models_, path.hops, strict=False):
            if product.writable and not hop.auto_created:
                written.setdefault(model, set()).add(str(hop.column))
    # To lock a row wants the right to write one of its columns.
    return {model: columns or {str(model._meta.pk.column)} for model, columns in written.items()}


def _find_table(model: type[models.Model], cursor: Any) -> tuple[str, str]:
    """Find the schema and the name of a model's table as the search path has it."""
    cursor.execute(
        "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.oid = CAST(%s AS regclass)",
        [connection.ops.quote_name(model._meta.db_table)],
    )
    schema, name = cursor.fetchone()
    return schema, name


def _list_sequences(model: type[models.Model], cursor: Any) -> Iterator[Right]:
    """List the rights on the sequence of a table's keys: new keys are drawn, and it advances beyond given ones."""
    if not isinstance(model._meta.pk, models.AutoField):
        return
    cursor.execute(
        "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.oid = CAST(pg_get_serial_sequence(%s, %s) AS regclass)",
        [connection.ops.quote_name(model._meta.db_table), model._meta.pk.column],
    )
    for schema, name in cursor.fetchall():
        yield Right(schema, name, "SELECT, UPDATE", kind="SEQUENCE")
