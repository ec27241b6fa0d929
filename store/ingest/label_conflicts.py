"""Labels of files and of bulk upserts are the TABLE's newer word: where people spoke, the truth decides."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from django.db import connection
from psycopg2 import sql

from ..access.actors import TABLE
from ..entities import entities
from ..predictions import truth
from ..predictions.feedback import Feedback
from ..products.product import DataProduct
from .checking import TYPED
from .tables import TargetTable
from .upsert import Kept

#: Entities that are looked at in one go.
BATCH = 1000


def label_table(product: DataProduct, tables: tuple[TargetTable, ...]) -> TargetTable | None:
    """The one of the tables that the file's labels go to."""
    path = product.join.label_path
    for table in tables if path and product.learns_from_labels else ():
        if table.key and table.model is path.column.model and path.column in table.values:  # type: ignore[union-attr]
            return table
    return None


def kept(product: DataProduct, table: TargetTable | None) -> Kept:
    """The label's column where somebody has spoken of the entity: it has one writer, and that is not the upsert."""
    if table is None or not Feedback.objects.filter(product=product.name, entity__isnull=False).exists():
        return {}
    assert product.join.label_path
    spoken = sql.SQL("EXISTS (SELECT FROM {} f WHERE {})").format(
        sql.Identifier(Feedback._meta.db_table),
        _is_about(product, sql.Identifier("t", table.entity.column)),
    )
    return {product.join.label_path.column: spoken}


def say(product: DataProduct, table: TargetTable) -> list[str]:
    """Let the TABLE say the labels of entities of which people spoke; returns the keys of those whose row changed."""
    changed = []
    rows = _spoken(product, table)
    while batch := list(islice(rows, BATCH)):
        said = _said(product, [key for key, _ in batch])
        for key, label in batch:
            base = entities.lock(product, key)
            if said.get(key) == (product.stored_answer(label), entities.read_label(product, base)):
                continue
            if Feedback.objects.table_says(product, base, label):
                changed.append(key)
    return changed


def _said(product: DataProduct, keys: list[str]) -> dict[str, tuple[str | None, Any]]:
    """What the TABLE said last of each entity, and what its label column holds unless others changed it since."""
    subjects = {truth.subject_of_entity(product, key): key for key in keys}
    words = Feedback.objects.filter(
        product=product.name, subject__in=subjects, author=TABLE, retracted_at=None
    ).order_by("subject", "-pk")
    agreed = truth.find_truths(product, subjects)
    found: dict[str, tuple[str | None, Any]] = {}
    for word in words.distinct("subject"):
        truly = agreed.get(word.subject)
        counts = truly.answer if truly and truly.answer is not None else word.answer
        found[subjects[word.subject]] = word.answer, product.restored(counts)
    return found


def _spoken(product: DataProduct, table: TargetTable) -> Iterator[tuple[str, Any]]:
    """Key and label of the typed rows whose entity somebody has spoken of."""
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
