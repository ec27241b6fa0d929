"""Cleaning: thousands of instances column by column, each as `DataProduct.clean` has it, in a tenth of the time."""

from collections.abc import Sequence
from types import NoneType
from typing import Any

from ..products.columns import TypedColumn
from ..products.product import DataProduct

#: Types of which values that are equal are the same.
DISCRETE: tuple[set[type], ...] = ({str}, {int}, {bool})


def instances(product: DataProduct, rows: Sequence[Sequence[Any]]) -> list[Sequence[Any]]:
    """Validate rows of inputs, and complete each to an instance. Raises what `clean` raises where it refuses one."""
    columns = zip(product.inputs, zip(*rows, strict=True), strict=True)
    cleaned = zip(*(_cleaned(column, values) for column, values in columns), strict=True)
    return list(map(product.complete, cleaned) if product.computed else cleaned)


def _cleaned(column: TypedColumn, values: Sequence[Any]) -> Sequence[Any]:
    types = set(map(type, values))
    some = values if NoneType not in types else [value for value in values if value is not None]
    if column.nullable or len(some) == len(values):
        types.discard(NoneType)
        if column.kind and column.kind.is_discrete and types in DISCRETE:
            clean = {value: column.clean(value) for value in set(values)}
            return [clean[value] for value in values]
        if column.kind and types == {column.kind.batch_type}:
            cleaned: Sequence[Any] | None = column.kind.clean_batch(values, some, column)
            if cleaned is not None:
                return cleaned
    return [column.clean(value) for value in values]
