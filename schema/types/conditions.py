"""Conditions of filters on one value: an input type for each scalar, and how the store has what was given."""

from datetime import datetime
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

import strawberry
from strawberry.scalars import JSON

from learning.kinds import Kind
from store.db.conditions import Condition

from .nodes import UNSET

#: The descriptions of the members, by their Python names.
EQUALITIES = {"eq": "Equal to this value.", "in_": "Equal to one of these values, at most 1,000."}
BOUNDS = {
    "gt": "Greater or later than this value.",
    "gte": "Greater or later than this value, or equal to it.",
    "lt": "Smaller or earlier than this value.",
    "lte": "Smaller or earlier than this value, or equal to it.",
}
IS_NULL = "True: null. False: not null."


def condition_fields(value: Any, *, is_ordered: bool) -> dict[str, tuple[object, object]]:
    """Build the members of a condition on values of a type."""
    members = EQUALITIES | (BOUNDS if is_ordered else {})
    fields = {name: (_type(name, value), _member(name, text)) for name, text in members.items()}
    return fields | {"is_null": (bool | None, _member("is_null", IS_NULL))}


def _type(name: str, value: Any) -> object:
    return list[value] | None if name == "in_" else value | None


def _member(name: str, description: str) -> object:
    alias = "in" if name == "in_" else None
    return strawberry.field(name=alias, default=UNSET, description=description)


def make_condition(name: str, value: Any, noun: str, *, is_ordered: bool) -> Any:
    """Build the input type of conditions on a scalar."""
    fields = condition_fields(value, is_ordered=is_ordered)
    body: dict[str, object] = {key: field for key, (_, field) in fields.items()}
    body["__annotations__"] = {key: annotation for key, (annotation, _) in fields.items()}
    body["__module__"] = __name__
    description = f"Conditions on {noun}; all that are given must hold."
    return strawberry.input(type(name, (), body), name=name, description=description)


if TYPE_CHECKING:
    # Made at start-up, so that their members are unknown.
    IDCondition: TypeAlias = Any
    StringCondition: TypeAlias = Any
    FloatCondition: TypeAlias = Any
    DateTimeCondition: TypeAlias = Any
    ClusterCondition: TypeAlias = Any
else:
    IDCondition = make_condition("IDCondition", strawberry.ID, "an id or a key", is_ordered=False)
    StringCondition = make_condition("StringCondition", str, "a text", is_ordered=False)
    FloatCondition = make_condition("FloatCondition", float, "a number", is_ordered=True)
    DateTimeCondition = make_condition("DateTimeCondition", datetime, "a moment", is_ordered=True)
    ClusterCondition = make_condition(
        "ClusterCondition", int, "the number of a cluster, −1 for noise", is_ordered=False
    )
#: Those of scalars, by the scalars' names.
_BY_SCALAR = {"String": StringCondition, "Float": FloatCondition, "DateTime": DateTimeCondition}


@cache
def condition_of_scalar(scalar: str, value: Any, is_ordered: bool) -> Any:
    """The input type of conditions on a scalar that kinds of columns have."""
    return _BY_SCALAR.get(scalar) or make_condition(
        f"{scalar}Condition", value, f"a value of {scalar}", is_ordered=is_ordered
    )


def condition_of_kind(kind: Kind) -> Any:
    """The input type of conditions on values of a kind that has no choices."""
    assert kind.scalar is not None
    return condition_of_scalar(kind.scalar, kind.python, kind.is_ranged)


@strawberry.input(
    description="Conditions on one feature of a product; all that are given must hold. The values are as the "
    "product's own filter takes them: numbers, texts, dates as texts, categories by name or value."
)
class FeatureCondition:
    feature: str = strawberry.field(description="The name of the feature, as `meanRadius`.")
    eq: JSON | None = strawberry.field(default=UNSET, description=EQUALITIES["eq"])
    in_: list[JSON] | None = strawberry.field(name="in", default=UNSET, description=EQUALITIES["in_"])
    gt: JSON | None = strawberry.field(default=UNSET, description=BOUNDS["gt"])
    gte: JSON | None = strawberry.field(default=UNSET, description=BOUNDS["gte"])
    lt: JSON | None = strawberry.field(default=UNSET, description=BOUNDS["lt"])
    lte: JSON | None = strawberry.field(default=UNSET, description=BOUNDS["lte"])
    is_null: bool | None = strawberry.field(default=UNSET, description=IS_NULL)


def read_condition(condition: object) -> Condition:
    """Read what was given as the store has it; members of enums as their values."""
    members = read_members(condition)
    members.pop("feature", None)
    if "in_" in members:
        members["in"] = members.pop("in_")
    return {name: _plain(value) for name, value in members.items()}


def read_members(filter: object) -> dict[str, Any]:
    """The members of an input object that were given, by their Python names; null is as good as absent."""
    if filter is UNSET or filter is None:
        return {}
    return {name: value for name, value in vars(filter).items() if value is not UNSET and value is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return list(map(_plain, value))
    return value.value if isinstance(value, Enum) else value
