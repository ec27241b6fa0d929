"""Contents: what a snapshot's table holds, from one scan of it: counts, and hashes whatever the rows' order."""

import hashlib
from dataclasses import dataclass

from django.db import connection
from django.db.models import BigIntegerField, Count, F, Func, QuerySet, Sum, TextField, Value
from django.db.models.functions import Cast

from . import copy_reader

#: Types whose hash tells any two values apart as well as 64 bits can.
WHOLE = ("bool", "int2", "int4", "date", "float8", "numeric", "uuid")
#: Seeds of the hashes of keys, of rows and of rows' hashes.
KEY, ROW, MIXED = 1, 2, 3


@dataclass(frozen=True)
class TableContents:
    """What a snapshot's table holds."""

    rows: int
    unlabelled: int
    from_predictions: int
    #: The sum of the hashes of the keys of all rows but those of predictions; None where there is none.
    keys: int | None
    #: SHA-256 over names and types of the columns, the number of rows and the sum of their hashes.
    fingerprint: str


def scan_table(table: str) -> TableContents:
    """Count and hash the rows.

    Rows are hashed by PostgreSQL, and the hashes added: the sum is the same in any order, and repeated rows count.
    A row's hash is hashed once more, as the first is a sum over its columns: without that, values that change places
    between rows would change nothing. Equal is what PostgreSQL takes for equal, such as 0.0 and −0.0.
    """
    columns = {name: type_.name for name, type_ in copy_reader.types(table).items()}
    row = ", ".join(_hashable(connection.ops.quote_name(name), type_) for name, type_ in columns.items())
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT count(*), count(*) - count(_label), count(_prediction),
                sum(hashtextextended(_entity, {KEY})) FILTER (WHERE _prediction IS NULL),
                sum(hashtextextended(hash_record_extended(ROW({row}), {ROW})::text, {MIXED})) FROM {table}"""
        )
        rows, unlabelled, from_predictions, keys, hashes = cursor.fetchone()
    declared = ",".join(f"{name} {type_}" for name, type_ in columns.items())
    fingerprint = hashlib.sha256(f"{declared};{rows};{hashes}".encode()).hexdigest()
    return TableContents(rows, unlabelled, from_predictions, None if keys is None else int(keys), fingerprint)


def _hashable(column: str, type_: str) -> str:
    """The column as something whose hash loses nothing: of 64-bit integers PostgreSQL hashes 32 bits."""
    match type_:
        case "int8":
            return f"{column} >> 32, {column} & 4294967295"
        case "timestamptz" | "timestamp":
            return f"date_part('epoch', {column})"
        case known if known in WHOLE:
            return column
    return f'{column}::text COLLATE "C"'


def count_keys(queryset: QuerySet) -> tuple[int, int | None]:
    """How many rows the queryset has, and the sum of their keys' hashes as `Contents.keys` has it."""
    key = Func(
        Cast(F("pk"), TextField()), Value(KEY), function="hashtextextended", output_field=BigIntegerField()
    )
    found = queryset.order_by().aggregate(rows=Count("*"), keys=Sum(key))
    return found["rows"], found["keys"]


def has_distinct_keys(queryset: QuerySet) -> bool:
    """Whether each row is one of the base table, so that none can come twice; False where that is not plain to see."""
    query = queryset.query
    return not (len(query.alias_map) > 1 or query.annotations or query.extra_tables or query.combinator)


def count_entities(table: str) -> int:
    """How many different keys the joined rows have."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*) FROM (SELECT FROM {table} WHERE _prediction IS NULL GROUP BY _entity) AS entities"
        )
        return int(cursor.fetchone()[0])
