"""Cleaning: thousands of instances column by column, each as `DataProduct.clean` has it, in a tenth of the time."""

import math
from collections.abc import Sequence
from types import NoneType
from typing import Any

from django.db import models

from learning.columns import Kind

from ..products.columns import TypedColumn
from ..products.product import DataProduct

#: Types of which values that are equal are the same.
DISCRETE: tuple[set[type], ...] = ({str}, {int}, {bool})


def instances(product: DataProduct, rows: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
    """The rows, each canonical, as their columns hold them. Raises what `clean` raises where it refuses one of them."""
    columns = zip(product.columns, zip(*rows, strict=True), strict=True)
    return list(zip(*(_cleaned(column, values) for column, values in columns), strict=True))


def _cleaned(column: TypedColumn, values: Sequence[Any]) -> Sequence[Any]:
    types = set(map(type, values))
    some = values if NoneType not in types else [value for value in values if value is not None]
    if column.nullable or len(some) == len(values):
        types.discard(NoneType)
        if column.kind in (Kind.CATEGORY, Kind.BOOLEAN) and types in DISCRETE:
            clean = {value: column.clean(value) for value in set(values)}
            return [clean[value] for value in values]
        if isinstance(column.field, models.IntegerField) and types == {int} and _within(column, some):
            return values
        if isinstance(column.field, models.FloatField) and types == {float} and _within(column, some):
            return [None if value is None else value + 0.0 for value in values]  # −0.0 as 0.0
    return [column.clean(value) for value in values]


def _within(column: TypedColumn, values: Sequence[float]) -> bool:
    """Whether all are numbers within the column's limits; False also where that cannot be told so quickly."""
    if column.kind is Kind.CATEGORY:
        return False
    low, high = column.limits
    return (
        math.isfinite(sum(values))
        and (low is None or min(values) >= low)
        and (high is None or max(values) <= high)
    )
