"""Conditions on the features of stored predictions, which are JSON.

JSON values are compared as PostgreSQL orders them: numbers by their size and texts by their characters, whatever the
feature's kind was when they were stored. So no comparison fails, and one index of a feature serves each condition.
"""

import json
from typing import Any

from django.db.models import BooleanField, F, Func, Q, TextField, Value
from django.db.models.lookups import Exact

from ..db import conditions
from ..db.conditions import LOOKUPS, LOWER, UPPER, Condition
from ..products.columns import TypedColumn


def matching(column: TypedColumn, condition: Condition) -> Q:
    """Build the condition on a stored feature, from values as the column has them."""
    stored = _json(column)
    is_null = Func(stored, template="COALESCE(%(expressions)s, 'null') = 'null'", output_field=BooleanField())
    matched = conditions.on_null(condition, Q(is_null))
    compared = _comparable(column, stored)
    for name, lookup in LOOKUPS.items():
        if (value := condition.get(name)) is not None:
            operand = [_operand(column, one) for one in value] if name == "in" else _operand(column, value)
            matched &= Q(lookup(compared, operand))
    return matched & _of_one_type(column, stored, condition)


def _json(column: TypedColumn) -> Any:
    name = Value(column.name, TextField())
    return Func(
        F("features"), name, template="(%(expressions)s)", arg_joiner=" -> ", output_field=TextField()
    )


def _comparable(column: TypedColumn, stored: Any) -> Any:
    template = column.field_kind.json_order_sql
    if not template:
        return stored
    return Func(stored, template=template.format("%(expressions)s"), output_field=TextField())


def _operand(column: TypedColumn, value: Any) -> Any:
    value = column.as_json(value)
    if column.field_kind.json_order_sql:
        return Value(value, TextField())
    text = Value(json.dumps(value), TextField())  # whole numbers of JSON have any size
    return Func(text, template="CAST(%(expressions)s AS jsonb)", output_field=TextField())


def _of_one_type(column: TypedColumn, stored: Any, condition: Condition) -> Q:
    """Leave out what lies beyond the numbers in PostgreSQL's order, where a range is open at one end."""
    is_bounded = [any(condition.get(name) is not None for name in ends) for ends in (LOWER, UPPER)]
    if column.field_kind.json_order_sql or all(is_bounded) or not any(is_bounded):
        return Q()
    type_ = Func(stored, function="jsonb_typeof", output_field=TextField())
    return Q(Exact(type_, Value("number", TextField())))
