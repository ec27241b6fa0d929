"""Rows of a file that belong to base rows which the product's queryset leaves out: these do not exist for it."""

from collections.abc import Iterable, Iterator

from django.db import connection, models
from psycopg2 import sql

from ..entities import base_rows
from ..products.product import DataProduct
from .checking import REJECTS, TYPED, execute
from .tables import LoadPlan, TargetTable, table_name


def reject_hidden(product: DataProduct, plan: LoadPlan) -> None:
    """Reject the staged rows that would change a row of a hidden base row, or refer to one."""
    title = product.join.model._meta.verbose_name
    for lines in _list_hidden(product, plan):
        _reject(lines, f"belongs to a {title} that {product} leaves out")


def find_written(product: DataProduct, plan: LoadPlan) -> list[int]:
    """Find the lines whose base rows, now that they are written, are none of the product's."""
    if not base_rows.is_restricted(product):
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL(" UNION ").join(_list_hidden(product, plan) or [sql.SQL("SELECT 0 WHERE false")])
        )
        return [line for (line,) in cursor.fetchall()]


def reject_written(product: DataProduct, lines: Iterable[int]) -> None:
    """Reject the lines that `find_written` has found, once their writing was rolled back."""
    numbers = sql.SQL("SELECT unnest({})").format(sql.Literal(list(lines)))
    _reject(numbers, f"would be none of the rows of {product}: with its values the queryset leaves it out")


def _list_hidden(product: DataProduct, plan: LoadPlan) -> list[sql.Composable]:
    """Compile a query for each way in which lines belong to base rows: those of the rows that are hidden."""
    if not base_rows.is_restricted(product):
        return []
    base, keys = product.join.model, base_rows.keys_sql(product)
    hidden = sql.SQL("NOT EXISTS (SELECT FROM ({}) AS own (key) WHERE own.key = b.{})").format(
        keys, sql.Identifier(base._meta.pk.column)
    )
    return [
        sql.SQL("SELECT n.line FROM {} n {} JOIN {} b ON {} WHERE {}").format(
            TYPED, stored, table_name(base), is_base, hidden
        )
        for table in plan.tables
        for stored, is_base in _list_links(base, table)
    ]


def _list_links(
    base: type[models.Model], table: TargetTable
) -> Iterator[tuple[sql.Composable, sql.Composable]]:
    """List how lines lead to base rows: by the stored row with their key, and by the reference that they have."""
    stored = sql.SQL("")
    if table.key is not None:
        stored = sql.SQL("JOIN {} t ON t.{} = n.{}").format(
            table.name, sql.Identifier(table.key.column), sql.Identifier(table.values[table.key])
        )
    for field in table.model._meta.concrete_fields:
        target = _find_target(base, table.model, field)
        if target is None:
            continue
        is_base = sql.SQL("b.{} = {}")
        if table.key is not None:
            yield stored, is_base.format(sql.Identifier(target.column), sql.Identifier("t", field.column))
        if field in table.values:
            value = sql.Identifier("n", table.values[field])
            yield sql.SQL(""), is_base.format(sql.Identifier(target.column), value)


def _find_target(
    base: type[models.Model], model: type[models.Model], field: models.Field
) -> models.Field | None:
    """Find the column of the base table that a field is equal to; None for a field that leads elsewhere."""
    if model._meta.concrete_model is base._meta.concrete_model:
        return field if field.primary_key else None
    if not isinstance(field, models.ForeignKey):
        return None
    is_base = field.related_model._meta.concrete_model is base._meta.concrete_model
    return field.target_field if is_base else None


def _reject(lines: sql.Composable, reason: str) -> None:
    execute(
        sql.SQL("INSERT INTO {} (line, reason) SELECT DISTINCT line, {} FROM ({}) AS found (line)").format(
            REJECTS, sql.Literal(reason), lines
        )
    )
