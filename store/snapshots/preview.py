"""The preview of a product's next snapshot, without taking it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from psycopg2 import sql

from ..entities.unique_keys import KeyCounts
from ..products.features import refusals_explained
from ..products.product import DataProduct
from . import fingerprint, repeated_rows, snapshots
from .undeclared import UndeclaredValues, find_undeclared

#: Instances whose values are shown, and unlabelled ones whose keys are listed.
PREVIEW_ROWS, MAX_UNLABELLED_KEYS = 3, 10

JOINED = sql.Identifier("preview")


@dataclass(frozen=True)
class ColumnPreview:
    """A column of the joined rows."""

    name: str
    kind: str
    missing: int
    distinct: int
    #: Its values in the first rows.
    first: tuple[Any, ...]


@dataclass(frozen=True)
class Preview:
    """The content of the next snapshot."""

    #: The compiled join.
    sql: str
    #: The planner's estimate: cost in its own unit, and rows.
    cost: float
    expected_rows: int
    #: Base rows, those that lack a one-to-one row, and rows of the snapshot.
    rows_in: int
    incomplete: int
    rows_out: int
    #: Those of them that are labelled predictions without a base row.
    from_predictions: int
    unlabelled: int
    #: Keys of some unlabelled instances.
    unlabelled_keys: tuple[str, ...]
    #: Keys of the first rows.
    first_keys: tuple[str, ...]
    columns: tuple[ColumnPreview, ...]
    #: Values that are none of their column's choices.
    undeclared: tuple[UndeclaredValues, ...]


def preview(product: DataProduct) -> Preview:
    """Join the rows into a temporary table, count them and drop it.

    Raises: RowsMultiplied where several of them are one entity.
    """
    statement = snapshots.join_sql(product)
    with transaction.atomic():
        plan = _explain(statement)
        _join(product, statement)
        names = _names(product)
        rows_out, from_predictions, unlabelled, *cells = _count(names)
        joined = KeyCounts(rows_out - from_predictions, fingerprint.count_entities("preview"))
        if not joined.are_distinct:
            raise repeated_rows.refusal(product, joined)
        first = _rows([sql.Identifier(name) for name in ("_entity", *names)], sql.SQL("true"), PREVIEW_ROWS)
        unlabelled_rows = _rows([sql.Identifier("_entity")], sql.SQL("_label IS NULL"), MAX_UNLABELLED_KEYS)
        undeclared = find_undeclared(product, "preview")
        _execute(sql.SQL("DROP TABLE {}").format(JOINED))
        counts = snapshots.count_rows(product)
    has_label = product.learns_from_labels
    return Preview(
        sql=statement,
        cost=plan["Total Cost"],
        expected_rows=plan["Plan Rows"],
        rows_out=rows_out,
        from_predictions=from_predictions,
        unlabelled=unlabelled if has_label else 0,
        unlabelled_keys=tuple(str(key) for (key,) in unlabelled_rows) if has_label else (),
        first_keys=tuple(str(key) for key, *_ in first),
        columns=tuple(_columns(product, names, rows_out, cells, [values for _, *values in first])),
        undeclared=undeclared,
        **counts,
    )


def _names(product: DataProduct) -> list[str]:
    join = product.join
    return ["_label"] * bool(join.label) + ["_at"] * bool(join.at) + list(product.feature_names)


def _join(product: DataProduct, statement: str) -> None:
    columns = sql.SQL(", ").join(map(sql.Identifier, (*snapshots.SYSTEM_COLUMNS, *product.feature_names)))
    with refusals_explained(product.join):
        _execute(
            sql.SQL("CREATE TEMPORARY TABLE {} ({}) ON COMMIT DROP AS {}").format(
                JOINED, columns, sql.SQL(statement)
            )
        )


def _columns(
    product: DataProduct,
    names: Sequence[str],
    rows: int,
    cells: Sequence[int],
    first: Sequence[Sequence[Any]],
) -> list[ColumnPreview]:
    kinds = {"_label": "label", "_at": "time"} | {
        column.name: column.learning_column().kind.lower() for column in product.columns
    }
    join = product.join
    titles = {"_label": join.label or "", "_at": join.at or ""}
    return [
        ColumnPreview(
            name=titles.get(name, name),
            kind=kinds[name],
            missing=rows - cells[2 * place],
            distinct=cells[2 * place + 1],
            first=tuple(row[place] for row in first),
        )
        for place, name in enumerate(names)
    ]


def _explain(statement: str) -> dict[str, Any]:
    [(plan,)] = _execute(sql.SQL("EXPLAIN (FORMAT JSON) {}").format(sql.SQL(statement)))
    estimate: dict[str, Any] = plan[0]["Plan"]
    return estimate


def _count(names: Sequence[str]) -> tuple[int, ...]:
    """Count rows, rows from predictions, rows without label; then for each column non-null and distinct values."""
    by_column = [sql.SQL("count({0}), count(DISTINCT {0})").format(sql.Identifier(name)) for name in names]
    counts = sql.SQL(", ").join(
        [sql.SQL("count(*), count(_prediction), count(*) FILTER (WHERE _label IS NULL)"), *by_column]
    )
    [row] = _execute(sql.SQL("SELECT {} FROM {}").format(counts, JOINED))
    return tuple(row)


def _rows(selected: Sequence[sql.Composable], condition: sql.Composable, most: int) -> list[tuple[Any, ...]]:
    return _execute(
        sql.SQL(
            "SELECT {} FROM {} WHERE _prediction IS NULL AND {} ORDER BY length(_entity), _entity LIMIT {}"
        ).format(sql.SQL(", ").join(selected), JOINED, condition, sql.Literal(most))
    )


def _execute(statement: sql.Composable) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []
