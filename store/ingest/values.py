"""Rows that come as values instead of files: the product's own, for its base rows and their one-to-one rows."""

from collections.abc import Sequence
from typing import Any

from django.db import connection, models
from psycopg2 import sql

from ..products.product import DataProduct
from . import label_conflicts, upsert
from .casts import Cast
from .checking import TYPED, execute
from .tables import TargetTable

#: A row: its key, then the values of `columns`.
Row = tuple[Any, ...]


def columns(product: DataProduct, labelled: bool) -> list[Any]:
    """The paths of the values of a row, in their order: the features', the time's, the label's."""
    join = product.join
    paths = [column.path for column in product.columns]
    paths += [join.at_path] if join.at_path else []
    return [*paths, join.label_path] if labelled and join.label_path else paths


def is_flat(product: DataProduct) -> bool:
    """Whether all that a row says goes to the base row and to the rows that point to it alone."""
    return all(
        not path.hops or (len(path.hops) == 1 and path.hops[0].auto_created)
        for path in columns(product, labelled=True)
    )


def write(product: DataProduct, rows: Sequence[Row], labelled: bool) -> tuple[int, int]:
    """Upsert the rows; returns how many were inserted, and how many others changed.

    They are sorted by their keys, so that two who write the same rows do not wait for each other.
    """
    tables = _tables(product, labelled)
    fields = {"key": product.join.model._meta.pk}
    fields |= {f"c{place}": path.column for place, path in enumerate(columns(product, labelled))}
    _give(fields, sorted(rows, key=lambda row: str(row[0])))
    label = label_conflicts.label_table(product, tables)
    upsert.upsert(tables, label_conflicts.kept(product, label))
    if label:
        upsert.note(label_conflicts.say(product, label))
    return upsert.written()


def _tables(product: DataProduct, labelled: bool) -> tuple[TargetTable, ...]:
    base = product.join.model
    values: dict[Any, dict[models.Field, str]] = {(): {base._meta.pk: "key"}}
    for place, path in enumerate(columns(product, labelled)):
        own = {path.hops[0].field: "key"} if path.hops else {}
        values.setdefault(path.hops, own)[path.column] = f"c{place}"
    return tuple(
        TargetTable(hops[0].related_model, hops[0].field, one)
        if hops
        else TargetTable(base, base._meta.pk, one)
        for hops, one in values.items()
    )


def _give(fields: dict[str, Any], rows: Sequence[Row]) -> None:
    """Make the typed rows, whose columns are `fields`."""
    types = {name: sql.SQL(Cast(field).type) for name, field in fields.items()}
    columns_ = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(name), of) for name, of in types.items()
    )
    arrays = sql.SQL(", ").join(sql.SQL("CAST(%s AS {}[])").format(of) for of in types.values())
    execute(sql.SQL("DROP TABLE IF EXISTS {}").format(TYPED))
    execute(sql.SQL("CREATE TEMPORARY TABLE {} ({}) ON COMMIT DROP").format(TYPED, columns_))
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("INSERT INTO {} SELECT * FROM unnest({})").format(TYPED, arrays),
            [list(values) for values in zip(*rows, strict=True)],
        )


def new_keys(model: type[models.Model], n: int) -> list[Any]:
    """Keys that the table makes by itself for `n` rows."""
    key: Any = model._meta.pk
    if key.has_default():
        return [key.get_default() for _ in range(n)]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence(%s, %s)) FROM generate_series(1, %s)",
            [connection.ops.quote_name(model._meta.db_table), key.column, n],
        )
        return [row[0] for row in cursor.fetchall()]
