"""Upsert of base rows and their one-to-one rows from values in memory."""

from collections.abc import Sequence

from django.db import connection, models
from psycopg2 import sql

from ..entities import unique_keys
from ..products.features import Hop, Path
from ..products.product import DataProduct
from . import label_conflicts, upsert
from .casts import Cast
from .checking import TYPED, execute
from .tables import TargetTable

#: A row: its key, then the values of `list_paths`.
Row = tuple[object, ...]


def list_paths(product: DataProduct, labelled: bool) -> list[Path]:
    """List the paths of a row's values in their order: inputs, time, label.

    Every input of the product has a path: it is writable.
    """
    join = product.join
    paths = [*(column.path for column in product.inputs), join.at_path]
    if labelled:
        paths.append(join.label_path)
    return [path for path in paths if path is not None]


def is_flat(product: DataProduct) -> bool:
    """Return True where all values of a row belong to the base row and its one-to-one rows."""
    return all(
        not path.hops or (len(path.hops) == 1 and path.hops[0].auto_created)
        for path in list_paths(product, labelled=True)
    )


def has_unique_keys(product: DataProduct) -> bool:
    """Return True where the database keeps the keys unique by which new rows are told from known ones."""
    keys = [table.key for table in _build_tables(product, labelled=False)]
    return all(key is not None and unique_keys.is_enforced(key) for key in keys)


def upsert_rows(product: DataProduct, rows: Sequence[Row], labelled: bool) -> tuple[int, int]:
    """Upsert the rows, sorted by key to avoid deadlocks with other writers of the same rows.

    Args:
        labelled: True where the last value of each row is its label.

    Returns: the number of rows inserted, and of others changed.
    """
    tables = _build_tables(product, labelled)
    fields: dict[str, models.Field] = {"key": product.join.model._meta.pk}
    fields |= {f"c{place}": path.column for place, path in enumerate(list_paths(product, labelled))}
    _create_typed_table(fields, sorted(rows, key=lambda row: str(row[0])))
    label = label_conflicts.find_label_table(product, tables)
    upsert.upsert(tables, label_conflicts.get_retained_labels(product, label))
    if label:
        upsert.add_written(label_conflicts.record_table_labels(product, label))
    return upsert.count_written()


def _build_tables(product: DataProduct, labelled: bool) -> tuple[TargetTable, ...]:
    base = product.join.model
    values: dict[tuple[Hop, ...], dict[models.Field, str]] = {(): {base._meta.pk: "key"}}
    for place, path in enumerate(list_paths(product, labelled)):
        own = {path.hops[0].field: "key"} if path.hops else {}
        values.setdefault(path.hops, own)[path.column] = f"c{place}"
    return tuple(
        TargetTable(hops[0].related_model, hops[0].field, columns)
        if hops
        else TargetTable(base, base._meta.pk, columns)
        for hops, columns in values.items()
    )


def _create_typed_table(fields: dict[str, models.Field], rows: Sequence[Row]) -> None:
    """Create the typed rows with a column for each of `fields`."""
    types = {name: sql.SQL(Cast(field).type) for name, field in fields.items()}
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(name), type_) for name, type_ in types.items()
    )
    arrays = sql.SQL(", ").join(sql.SQL("CAST(%s AS {}[])").format(type_) for type_ in types.values())
    execute(sql.SQL("DROP TABLE IF EXISTS {}").format(TYPED))
    execute(sql.SQL("CREATE TEMPORARY TABLE {} ({}) ON COMMIT DROP").format(TYPED, columns))
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("INSERT INTO {} SELECT * FROM unnest({})").format(TYPED, arrays),
            [list(values) for values in zip(*rows, strict=True)],
        )


def draw_keys(model: type[models.Model], n: int) -> list[object]:
    """Draw `n` new keys from the table's default or sequence."""
    key = model._meta.pk
    if key.has_default():
        return [key.get_default() for _ in range(n)]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence(%s, %s)) FROM generate_series(1, %s)",
            [connection.ops.quote_name(model._meta.db_table), key.column, n],
        )
        return [row[0] for row in cursor.fetchall()]
