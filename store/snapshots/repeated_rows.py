"""Repeated rows: what would make several instances of one entity, and lets a write reach several rows.

A key that a declaration names for a table without one need not be unique; a queryset may join a relation with several
rows; and nothing may keep a relation that is declared as one-to-one to one row.
"""

from collections.abc import Iterator

from django.db import models

from ..entities import base_rows, unique_keys
from ..entities.unique_keys import KeyCounts
from ..exceptions import RowsMultiplied
from ..products.features import Hop
from ..products.product import DataProduct
from . import fingerprint


def find_unwritable(product: DataProduct) -> Iterator[str]:
    """List the keys by which a write would reach several rows, although the queryset has only one of them."""
    key = product.join.model._meta.pk
    if unique_keys.is_enforced(key):
        return
    table = unique_keys.count_table(key)
    if not table.are_distinct and unique_keys.count(base_rows.select(product)).are_distinct:
        yield (
            f"{_describe_table(key, table)}, of which the queryset has one each: feedback and changes of these rows "
            "are refused with NOT_ONE_ROW, since a write would reach all of them."
        )


def refusal(product: DataProduct, joined: KeyCounts) -> RowsMultiplied:
    """Build the error for joined rows, which were counted, of which some have one entity."""
    rows_in = base_rows.select(product).count()
    return RowsMultiplied(
        f"The join multiplies: {joined.rows:,} rows for {joined.keys:,} entities ({rows_in:,} rows in). The cause: "
        f"{explain(product, joined)}"
    )


def explain(product: DataProduct, joined: KeyCounts) -> str:
    """Say why the joined rows, which were counted, are repeated, and what to change."""
    own, plural = unique_keys.count(base_rows.select(product)), product.join.model._meta.verbose_name_plural
    repeated = {column: table for column, table in _count_loose(product) if not table.are_distinct}
    key = product.join.model._meta.pk
    if not own.are_distinct and key in repeated:
        return (
            f"{_describe_table(key, repeated[key])}: declare a column as primary_key that is unique, or make a view of "
            "the table that has one."
        )
    if not own.are_distinct:
        return (
            f"its queryset has {own.rows:,} rows of {own.keys:,} {plural}, as it joins a relation with several rows: "
            "filter with Exists(…), or add .distinct()."
        )
    tables = "; ".join(_describe_table(*counts) for counts in repeated.items())
    return (
        f"its features make {joined.rows:,} instances of {joined.keys:,} {plural}, as what should have one value for "
        f"each has several{f' ({tables})' if tables else ''}: take one with Latest, or aggregate them."
    )


def is_possible(product: DataProduct) -> bool:
    """Return False where no row can be repeated: the database keeps all keys apart, and the queryset joins nothing."""
    if not fingerprint.has_distinct_keys(base_rows.select(product)):
        return True
    # An expression that Exemplar does not know may give several rows, as generate_series() does.
    has_unknown = any(column.not_computable for column in product.columns)
    return has_unknown or not all(map(unique_keys.is_enforced, _list_keys(product)))


def _count_loose(product: DataProduct) -> Iterator[tuple[models.Field, KeyCounts]]:
    """Count the tables whose keys the database does not keep apart."""
    for column in _list_keys(product):
        if not unique_keys.is_enforced(column):
            yield column, unique_keys.count_table(column)


def _list_keys(product: DataProduct) -> dict[models.Field, None]:
    """List the columns that tell rows apart: the base table's key, and those that to-one relations look rows up by."""
    return dict.fromkeys([product.join.model._meta.pk, *_list_targets(product)])


def _list_targets(product: DataProduct) -> Iterator[models.Field]:
    """List the columns that the to-one relations of the join look rows up by."""
    join = product.join
    declared = [name for name in (join.label, join.at, join.group) if name]
    for feature in (*declared, *join.features.values()):
        # Of to-many relations there are aggregates, in subqueries of their own.
        for _, path in () if join.aggregates(feature) else join.paths(feature):
            yield from map(_target, path.hops)


def _target(hop: Hop) -> models.Field:
    field: models.Field = hop.field if hop.auto_created else hop.target_field
    return field


def _describe_table(column: models.Field, counts: KeyCounts) -> str:
    return f"{counts.rows:,} rows of {column.model._meta.db_table} have {counts.keys:,} different {column.column}"
