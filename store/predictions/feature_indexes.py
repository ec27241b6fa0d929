"""Indexes of features of stored predictions, which products declare: rare values are then listed without a scan."""

from collections.abc import Iterable, Mapping
from hashlib import blake2b

from django.db import connection
from psycopg2 import sql

from ..db.team import OWN_SCHEMA
from ..products.columns import TypedColumn
from ..products.product import DataProduct
from .predictions import Prediction

#: Begins the names of the indexes and of their statistics.
PREFIX = "predictions_feature_"

#: Without a lock that writers wait for.
CREATE = "CREATE INDEX CONCURRENTLY {name} ON {table} (({value})) WHERE product = {product}"
#: The planner uses the statistics of an index only where it is of all rows.
DESCRIBE = "CREATE STATISTICS IF NOT EXISTS {name} ON ({value}) FROM {table}"
#: The indexes that are there, and whether a build of them was broken off.
EXISTING = """
SELECT relname, indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
WHERE indrelid = to_regclass(%s) AND relname LIKE %s
"""


def synchronise(products: Iterable[DataProduct]) -> None:
    """Create the indexes that products declare and that are missing, and drop those that none declares any more.

    To be called outside of a transaction, by the owner of the table.
    """
    table = sql.Identifier(OWN_SCHEMA, Prediction._meta.db_table)
    declared = _list_declared(products)
    with connection.cursor() as cursor:
        cursor.execute(EXISTING, [table.as_string(cursor.cursor), f"{PREFIX}%"])
        valid = dict(cursor.fetchall())
        for name in valid:
            if name not in declared or not valid[name]:
                cursor.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(OWN_SCHEMA, name)))
                cursor.execute(
                    sql.SQL("DROP STATISTICS IF EXISTS {}").format(sql.Identifier(OWN_SCHEMA, name))
                )
        missing = [name for name in declared if not valid.get(name)]
        for name in missing:
            parts = {**declared[name], "table": table}
            cursor.execute(sql.SQL(CREATE).format(**parts, name=sql.Identifier(name)))
            cursor.execute(sql.SQL(DESCRIBE).format(**parts, name=sql.Identifier(OWN_SCHEMA, name)))
        if missing:
            cursor.execute(sql.SQL("ANALYZE {}").format(table))


def _list_declared(products: Iterable[DataProduct]) -> Mapping[str, Mapping[str, sql.Composable]]:
    """List what the indexes are of, by their names."""
    declared = {}
    for product in products:
        columns = {column.name: column for column in product.columns} if product.indexed_features else {}
        for feature in columns.keys() & set(product.indexed_features):
            value = _value(columns[feature])
            digest = blake2b(f"{product.name}.{feature}: {value}".encode(), digest_size=8).hexdigest()
            declared[f"{PREFIX}{digest}"] = {"value": sql.SQL(value), "product": sql.Literal(product.name)}
    return declared


def _value(column: TypedColumn) -> str:
    """The SQL of a stored feature, as conditions compare it. A feature's name is an identifier: nothing is escaped."""
    stored = f"features -> '{column.name}'"
    template = column.field_kind.json_order_sql
    return template.format(f"({stored})") if template else stored
