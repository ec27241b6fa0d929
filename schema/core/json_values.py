"""Values of columns as JSON has them, where no type of the schema says what they are."""

from collections.abc import Sequence
from math import isfinite
from typing import Any

from store.exceptions import BadInput, NotFinite
from store.products.columns import TypedColumn
from store.products.product import DataProduct
from store.registry import served_choices


def read_value(product: DataProduct, column: TypedColumn, value: Any, path: Sequence[str | int]) -> Any:
    """Convert a value of JSON to one that the column can validate; a category by its name or its value.

    Raises: BadInput, NotFinite.
    """
    if column.choices:
        choices = served_choices.list_named(product, column.name)
        return {choice.name: choice.text for choice in choices}.get(str(value), value)
    kind = column.kind or column.field_kind
    if isinstance(value, float) and not isfinite(value):
        raise NotFinite(f"{column.title} must be a finite number.", argument=path)
    try:
        parsed = kind.parse(value)
    except ValueError:
        parsed = None
    if parsed is value:  # a kind whose scalar is not our own
        parsed = kind.from_json(value)
    if parsed is None or isinstance(value, dict) or isinstance(parsed, bool) != kind.is_boolean:
        raise BadInput(f"{column.title} must be {column.expected}.", argument=path)
    return parsed
