"""Conditions of filters on one value, and the expressions that they become."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from django.db.models import BooleanField, Case, Q, QuerySet, Value, When
from django.db.models.lookups import Exact, GreaterThan, GreaterThanOrEqual, In, LessThan, LessThanOrEqual

#: Values by the names of LOOKUPS, and `is_null` with a boolean; None is no condition.
Condition: TypeAlias = Mapping[str, Any]

#: The lookups of values, by the names of conditions.
LOOKUPS: Mapping[str, Any] = {
    "eq": Exact,
    "in": In,
    "gt": GreaterThan,
    "gte": GreaterThanOrEqual,
    "lt": LessThan,
    "lte": LessThanOrEqual,
}
#: Those that bound a range from below, and from above.
LOWER, UPPER = ("gt", "gte"), ("lt", "lte")


def select(rows: QuerySet[Any], wanted: Mapping[str, Condition | bool | None]) -> QuerySet[Any]:
    """Select the rows that meet conditions on columns or annotations, by their names; a boolean is to be equal."""
    for name, condition in wanted.items():
        if isinstance(condition, bool):
            rows = rows.filter(**{name: condition})
        elif condition:
            rows = rows.filter(on_column(name, condition))
    return rows


def convert(condition: Condition, function: Callable[[Any], Any]) -> Condition:
    """Convert every value of a condition; `in` has several."""
    converted = dict(condition)
    for name in LOOKUPS:
        value = condition.get(name)
        if value is not None:
            converted[name] = list(map(function, value)) if name == "in" else function(value)
    return converted


def on_column(name: str, condition: Condition) -> Q:
    """Build the condition on a column or an annotation."""
    lookups = {
        f"{name}__{LOOKUPS[key].lookup_name}": value
        for key, value in condition.items()
        if key in LOOKUPS and value is not None
    }
    return Q(**lookups) & on_null(condition, Q(**{f"{name}__isnull": True}))


def on_null(condition: Condition, is_null: Q) -> Q:
    """Build the condition that a value is null, or that it is not; an empty one where nothing is said of it."""
    wanted = condition.get("is_null")
    return Q() if wanted is None else is_null if wanted else ~is_null


def unestimated(condition: Q) -> Q:
    """Keep the planner from estimating a condition of which it has no statistics.

    It takes any such condition for one that hardly a row meets, and two of them for one that none meets: then it would
    read and sort all rows, where the order's index has the page within a few hundred.
    """
    if not condition:
        return condition
    return Q(Case(When(condition, then=Value(True)), default=Value(False), output_field=BooleanField()))
