"""Values of conditions on features: checked, and in the form in which tables and stored instances have them."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from django.core.exceptions import ValidationError

from learning.kinds import listed, normal_form

from ..db import conditions
from ..db.conditions import LOWER, UPPER, Condition
from ..exceptions import BadInput, Faults, OutOfRange, StoreError
from .columns import TypedColumn
from .product import DataProduct

#: Values of one `in`, at most.
MAX_VALUES = 1_000
#: Features that one filter has conditions on, at most.
MAX_FEATURES = 20

#: Conditions on features by the features' names.
FeatureConditions = Mapping[str, Condition]


def clean_features(
    product: DataProduct, features: FeatureConditions, faults: Faults, path: Sequence[str | int]
) -> dict[str, Condition]:
    """Check conditions on features and return them with canonical values; faults are collected."""
    columns = {column.name: column for column in (*product.columns, *product.retired)}
    check_number(len(features), faults, path)
    cleaned = {}
    for name, condition in features.items():
        with faults.collect():
            cleaned[name] = clean_feature(columns[name], condition, (*path, name))
    return cleaned


def check_number(features: int, faults: Faults, path: Sequence[str | int]) -> None:
    """Check the number of features that a filter has conditions on."""
    if features > MAX_FEATURES:
        message = f"A filter has conditions on at most {MAX_FEATURES} features, not on {features}."
        faults.errors.append(OutOfRange(message, argument=path, maximum=MAX_FEATURES))


def clean_feature(column: TypedColumn, condition: Condition, path: Sequence[str | int]) -> Condition:
    """Check the conditions on one feature. Raises BadInput, OutOfRange or NotFinite; SeveralFaults."""
    faults = Faults()
    is_ordered = (column.kind or column.field_kind).is_ranged
    for name in (*LOWER, *UPPER):
        if condition.get(name) is not None and not is_ordered:
            message = f"{column.title} has no order: it takes eq, in and isNull."
            faults.errors.append(BadInput(message, argument=(*path, name)))
    faults.check()
    check_size(condition, faults, path)
    cleaned: dict[str, Any] = {}
    for name, value in condition.items():
        with faults.collect():
            cleaned |= conditions.convert({name: value}, partial(_clean, column, path=(*path, name)))
    faults.check()
    return cleaned


def check_size(condition: Condition, faults: Faults, path: Sequence[str | int]) -> None:
    """Check the number of values of `in`."""
    if len(condition.get("in") or ()) > MAX_VALUES:
        message = f"`in` takes at most {MAX_VALUES:,} values, not {len(condition['in']):,}."
        faults.errors.append(OutOfRange(message, argument=(*path, "in"), maximum=MAX_VALUES))


def _clean(column: TypedColumn, value: Any, path: Sequence[str | int]) -> Any:
    """Convert a value as the column would store it; one beyond its limits stays as it is, since it bounds a range."""
    if value is None:
        raise BadInput(f"{column.title}: null is no value to compare with. Use isNull.", argument=path)
    if column.choices:
        return _choice(column, str(value), path)
    try:
        cleaned = column.clean(value, path)
    except OutOfRange:
        return value
    except StoreError as refusal:
        raise BadInput(refusal.message, argument=path) from refusal
    except (TypeError, ValueError, AttributeError) as error:  # a value of another type, from JSON
        raise BadInput(f"{column.title} must be {column.expected}.", argument=path) from error
    if cleaned is None:
        raise BadInput(f"{column.title}: an empty text is stored as null. Use isNull.", argument=path)
    return cleaned


def _choice(column: TypedColumn, text: str, path: Sequence[str | int]) -> Any:
    """Convert the text of a choice, or of a former one, to the column's value. Raises BadInput."""
    if (normal := normal_form(text)) in column.by_text:
        return column.by_text[normal]
    try:
        return column.field.to_python(text)
    except ValidationError as error:
        names = listed(list(column.by_text))
        raise BadInput(f"{column.title} must be one of {names}, not {text!r}.", argument=path) from error
