"""The fingerprint of a snapshot's table: counts and hashes that do not depend on the rows' order, in one scan."""

import hashlib
from dataclasses import dataclass

from django.db import connection
from django.db.models import BigIntegerField, Count, F, Func, QuerySet, Sum, TextField, Value
from django.db.models.functions import Cast

from . import copy_reader

#: The column with the subject of an example without a base row. Its prediction implies it, so it is not hashed.
SUBJECT = "_subject"
#: Types whose values PostgreSQL hashes to 64 bits without loss.
WHOLE = ("bool", "int2", "int4", "date", "float8", "numeric", "uuid")
#: Seeds of the hashes of keys, rows and row hashes.
KEY, ROW, MIXED = 1, 2, 3


@dataclass(frozen=True)
class TableContents:
    """Counts and hashes of a snapshot's table."""

    rows: int
    unlabelled: int
    from_predictions: int
    #: The sum of the keys' hashes, without rows from predictions; None without rows.
    keys: int | None
    #: SHA-256 over names and types of the columns, the number of rows and the sum of their hashes.
    fingerprint: str


def scan_table(table: str) -> TableContents:
    """Count and hash the rows of a table.

    PostgreSQL hashes each row and sums the hashes, so the order of rows does not matter and repeated rows count.
    Each row's hash is hashed again: it is itself a sum over columns, and without that, values exchanged between rows
    would go unnoticed. Values that are equal in PostgreSQL, such as 0.0 and −0.0, have equal hashes.
    """
    types = copy_reader.get_column_types(table)
    columns = {name: type_.name for name, type_ in types.items() if name != SUBJECT}
    row = ", ".join(_hashable(connection.ops.quote_name(name), type_) for name, type_ in columns.items())
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT count(*), count(*) - count(_label), count(_prediction),
                sum(hashtextextended(_entity, {KEY})) FILTER (WHERE _prediction IS NULL),
                sum(hashtextextended(hash_record_extended(ROW({row}), {ROW})::text, {MIXED})) FROM {table}"""
        )
        rows, unlabelled, from_predictions, keys, hashes = cursor.fetchone()
    column_types = ",".join(f"{name} {type_}" for name, type_ in columns.items())
    fingerprint = hashlib.sha256(f"{column_types};{rows};{hashes}".encode()).hexdigest()
    return TableContents(rows, unlabelled, from_predictions, None if keys is None else int(keys), fingerprint)


def _hashable(column: str, type_: str) -> str:
    """Get an expression that is hashed without loss: of a 64-bit integer PostgreSQL hashes only 32 bits."""
    match type_:
        case "int8":
            return f"{column} >> 32, {column} & 4294967295"
        case "timestamptz" | "timestamp":
            return f"date_part('epoch', {column})"
        case name if name in WHOLE:
            return column
    return f'{column}::text COLLATE "C"'


def count_keys(queryset: QuerySet) -> tuple[int, int | None]:
    """Count the queryset's rows, and sum their keys' hashes as in `TableContents.keys`."""
    key = Func(
        Cast(F("pk"), TextField()), Value(KEY), function="hashtextextended", output_field=BigIntegerField()
    )
    totals = queryset.order_by().aggregate(rows=Count("*"), keys=Sum(key))
    return totals["rows"], totals["keys"]


def has_distinct_keys(queryset: QuerySet) -> bool:
    """Return True where the queryset surely has distinct keys, since it selects from the base table alone."""
    query = queryset.query
    return not (len(query.alias_map) > 1 or query.annotations or query.extra_tables or query.combinator)


def count_entities(table: str) -> int:
    """Count the distinct entities among the joined rows; a row without a key is none."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(_entity) FROM "
            f"(SELECT _entity FROM {table} WHERE _prediction IS NULL GROUP BY _entity) AS entities"
        )
        return int(cursor.fetchone()[0])
