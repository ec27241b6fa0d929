"""Writes that the database allows into an existing table, for the declaration of a product over it."""

from django.db import connection

from ..products.product import LABEL, NOTHING, ROWS
from .inspection import DatabaseTable

#: Bit of `pg_relation_is_updatable` for rows that may be inserted.
INSERTABLE = 8
ALLOWED = """
SELECT has_table_privilege(c.oid, 'INSERT') AND pg_relation_is_updatable(c.oid, true) & %s <> 0,
    has_column_privilege(c.oid, a.attnum, 'UPDATE') AND a.attgenerated = ''
        AND pg_column_is_updatable(c.oid, a.attnum, true)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = %s
WHERE n.nspname = %s AND c.relname = %s
"""


def find_writes(table: DatabaseTable, label: str | None) -> str:
    """Find what this role may write: rows, the label's column alone, or nothing, as in a view that only reads.

    Args:
        label: the column; None where the product has no label.
    """
    with connection.cursor() as cursor:
        cursor.execute(ALLOWED, [INSERTABLE, label, table.schema, table.relation])
        inserts, labels = cursor.fetchone()
    if label and not labels:
        return NOTHING
    if inserts:
        return ROWS
    return LABEL if label else NOTHING
