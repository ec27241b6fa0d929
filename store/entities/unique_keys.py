"""Unique keys: whether the database keeps a column unique, and the rows that have a key together where it does not."""

from dataclasses import dataclass
from typing import Any

from django.db import connection, models
from django.db.models import Count, QuerySet

from ..products.grouped_rows import GroupKey

#: True for a column whose values a unique index keeps apart. One over several columns, over a part of the rows or over
#: an expression does not.
IS_ENFORCED = """
SELECT EXISTS (
    SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
    WHERE i.indrelid = to_regclass(%s) AND i.indisunique AND i.indisvalid AND i.indnkeyatts = 1
        AND i.indpred IS NULL AND a.attname = %s AND (a.attnotnull OR NOT %s)
)
"""


@dataclass(frozen=True)
class KeyCounts:
    """The rows of a query, and the different keys that they have; a null is no key."""

    rows: int
    keys: int

    @property
    def are_distinct(self) -> bool:
        """True where each row has a key of its own."""
        return self.rows == self.keys


def is_enforced(column: models.Field) -> bool:
    """Return True where the database keeps the values of this column unique, and those of a key not null."""
    if isinstance(column, GroupKey):
        return True  # each group comes once
    with connection.cursor() as cursor:
        table = connection.ops.quote_name(column.model._meta.db_table)
        cursor.execute(IS_ENFORCED, [table, column.column, column.primary_key])
        return bool(cursor.fetchone()[0])


def count(rows: QuerySet[Any], column: str = "pk") -> KeyCounts:
    """Count the rows of a queryset and their keys."""
    totals = rows.order_by().aggregate(rows=Count("*"), keys=Count(column, distinct=True))
    return KeyCounts(totals["rows"], totals["keys"])


def count_table(column: models.Field) -> KeyCounts:
    """Count the rows of a column's table and its different values, whatever managers leave out.

    A row without a key counts; one whose relation is null is nobody's.
    """
    rows: QuerySet[Any] = QuerySet(model=column.model)
    return count(rows if column.primary_key else rows.exclude(**{column.name: None}), column.name)
