"""Conflicts between labels that are loaded and labels that people gave.

A loaded label counts as newer feedback by the author TABLE. Where people gave feedback about the entity, its truth
decides about the label column.
"""

from collections.abc import Iterator
from itertools import islice

from django.db import connection
from psycopg2 import sql

from ..access.actors import TABLE
from ..entities import base_rows, entities
from ..predictions import truth
from ..predictions.feedback import Feedback
from ..products.product import DataProduct
from .checking import TYPED
from .tables import TargetTable
from .upsert import Retained

#: Entities that are read and locked at once.
BATCH = 1000

#: A label as the label column holds it.
Label = object


def find_label_table(product: DataProduct, tables: tuple[TargetTable, ...]) -> TargetTable | None:
    """Find the one of the tables that holds the label; None where no labels are loaded."""
    path = product.join.label_path
    for table in tables if path and product.learns_from_labels else ():
        if table.key and table.model is path.column.model and path.column in table.values:  # type: ignore[union-attr]
            return table
    return None


def get_retained_labels(product: DataProduct, table: TargetTable | None) -> Retained:
    """Get the condition on which the upsert leaves the label column alone: there is feedback about the entity."""
    if table is None or not Feedback.objects.filter(product=product.name, entity__isnull=False).exists():
        return {}
    assert product.join.label_path
    has_feedback = sql.SQL("EXISTS (SELECT FROM {} f WHERE {})").format(
        sql.Identifier(Feedback._meta.db_table),
        _is_about(product, sql.Identifier("t", table.entity.column)),
    )
    return {product.join.label_path.column: has_feedback}


def record_table_labels(product: DataProduct, table: TargetTable) -> list[str]:
    """Record the loaded labels of entities with feedback as feedback by TABLE.

    Returns: the keys of entities whose row changed.
    """
    changed = []
    rows = _find_labels_with_feedback(product, table)
    while batch := list(islice(rows, BATCH)):
        recorded = _find_table_labels(product, [key for key, _ in batch])
        for key, label in batch:
            base = base_rows.lock(product, key)
            if base is None:
                continue  # with its new values the queryset leaves it out: the caller refuses it
            if recorded.get(key) == (product.stored_answer(label), entities.read_label(product, base)):
                continue
            if Feedback.objects.table_says(product, base, label):
                changed.append(key)
    return changed


def _find_table_labels(product: DataProduct, keys: list[str]) -> dict[str, tuple[str | None, Label]]:
    """Find TABLE's newest answer about each entity, and the label that its column should hold."""
    subjects = {truth.subject_of_entity(product, key): key for key in keys}
    items = Feedback.objects.filter(
        product=product.name, subject__in=subjects, author=TABLE, retracted_at=None
    ).order_by("subject", "-pk")
    truths = truth.find_truths(product, subjects)
    labels: dict[str, tuple[str | None, Label]] = {}
    for item in items.distinct("subject"):
        agreed = truths.get(item.subject)
        answer = agreed.answer if agreed and agreed.answer is not None else item.answer
        labels[subjects[item.subject]] = item.answer, product.restore_label(answer)
    return labels


def _find_labels_with_feedback(product: DataProduct, table: TargetTable) -> Iterator[tuple[str, Label]]:
    """Find key and label of the typed rows about whose entity there is feedback."""
    assert product.join.label_path and table.key
    entity = sql.Identifier("t", table.entity.column)
    statement = sql.SQL(
        "SELECT CAST({} AS text), n.{} FROM {} n JOIN {} t ON t.{} = n.{} WHERE EXISTS (SELECT FROM {} f WHERE {})"
    ).format(
        entity,
        sql.Identifier(table.values[product.join.label_path.column]),
        TYPED,
        table.name,
        sql.Identifier(table.key.column),
        sql.Identifier(table.values[table.key]),
        sql.Identifier(Feedback._meta.db_table),
        _is_about(product, entity),
    )
    with connection.chunked_cursor() as cursor:
        cursor.execute(statement)
        yield from cursor


def _is_about(product: DataProduct, key: sql.Composable) -> sql.Composable:
    return sql.SQL("f.product = {} AND f.entity = CAST({} AS text)").format(sql.Literal(product.name), key)
