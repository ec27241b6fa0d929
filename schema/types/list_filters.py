"""Filters and orders of models, builds and other jobs, candidates, promotions, decisions and feedback.

All have one shape: members of a filter are named as the fields of the row, and all conditions must hold.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, TypeVar

import strawberry
from django.db.models import QuerySet

from store.db import conditions
from store.db.conditions import Condition
from store.exceptions import Faults
from store.products import catalogue, filter_values

from ..core.enums import (
    BuildOrderField,
    CandidateOrderField,
    Direction,
    FeedbackOrderField,
    FeedbackStatus,
    JobOrderField,
    JobStatus,
    ModelOrderField,
    ModelStatus,
)
from .conditions import (
    DateTimeCondition,
    FloatCondition,
    IDCondition,
    StringCondition,
    make_condition,
    read_condition,
    read_members,
)
from .prediction_filters import Path, convert_each, optional_member

if TYPE_CHECKING:
    ModelStatusCondition: TypeAlias = Any
    JobStatusCondition: TypeAlias = Any
    FeedbackStatusCondition: TypeAlias = Any
else:
    ModelStatusCondition = make_condition(
        "ModelStatusCondition", ModelStatus, "the role of a model version", is_ordered=False
    )
    JobStatusCondition = make_condition(
        "JobStatusCondition", JobStatus, "the state of a job", is_ordered=False
    )
    FeedbackStatusCondition = make_condition(
        "FeedbackStatusCondition", FeedbackStatus, "the validity of feedback", is_ordered=False
    )

T = TypeVar("T")
#: The arguments of a list.
Filter: TypeAlias = Annotated[
    T | None, strawberry.argument(description="The rows to list. Leave it out for all.")
]
OrderBy: TypeAlias = Annotated[
    T | None, strawberry.argument(description="The order. Leave it out for the usual one.")
]

PRODUCT = "Conditions on the name of the product."


@strawberry.input(description="Conditions on model versions; all that are given must hold.")
class ModelFilter:
    product: StringCondition | None = optional_member(PRODUCT)
    status: ModelStatusCondition | None = optional_member("Conditions on its role in the product now.")
    family: StringCondition | None = optional_member("Conditions on the family of its estimator.")
    score: FloatCondition | None = optional_member("Conditions on its score.")
    built_at: DateTimeCondition | None = optional_member("Conditions on the time at which it was registered.")


@strawberry.input(description="Conditions on builds; all that are given must hold.")
class BuildFilter:
    product: StringCondition | None = optional_member(PRODUCT)
    status: JobStatusCondition | None = optional_member("Conditions on its state.")
    requested_by: StringCondition | None = optional_member("Conditions on the author of the request.")
    requested_at: DateTimeCondition | None = optional_member("Conditions on the time of the request.")
    ended_at: DateTimeCondition | None = optional_member("Conditions on the time at which it ended.")


@strawberry.input(description="Conditions on builds and other jobs; all that are given must hold.")
class JobFilter(BuildFilter):
    pass


@strawberry.input(description="Conditions on candidates; all that are given must hold.")
class CandidateFilter:
    family: StringCondition | None = optional_member("Conditions on the family of its estimator.")
    complete: bool | None = optional_member("True: all its folds are scored. False: they are not.")
    score: FloatCondition | None = optional_member("Conditions on its score in the search.")


@strawberry.input(description="Conditions on promotions; all that are given must hold.")
class PromotionFilter:
    rollback: bool | None = optional_member("True: it went back to an earlier version. False: it did not.")
    by: StringCondition | None = optional_member("Conditions on its author.")
    at: DateTimeCondition | None = optional_member("Conditions on its time.")


@strawberry.input(description="Conditions on decisions of retraining rules; all that are given must hold.")
class DecisionFilter:
    rule: StringCondition | None = optional_member("Conditions on the rule, as it is declared.")
    requested: bool | None = optional_member("True: it requested a build. False: it did not.")
    at: DateTimeCondition | None = optional_member("Conditions on its time.")


@strawberry.input(description="Conditions on feedback; all that are given must hold.")
class FeedbackFilter:
    product: StringCondition | None = optional_member(PRODUCT)
    author: StringCondition | None = optional_member("Conditions on its author.")
    status: FeedbackStatusCondition | None = optional_member("Conditions on its validity.")
    created_at: DateTimeCondition | None = optional_member("Conditions on the time at which it was stored.")
    observed_at: DateTimeCondition | None = optional_member("Conditions on the time of the observation.")
    entity: IDCondition | None = optional_member("Conditions on the primary key of the row that it is about.")
    reference: StringCondition | None = optional_member(
        "Conditions on the caller's own name for what it is about."
    )


#: By the filter, the store's names of members that are computed.
COMPUTED: Mapping[type, Mapping[str, str]] = {
    ModelFilter: {"status": "role"},
    CandidateFilter: {"complete": "scored"},
    FeedbackFilter: {"status": "validity"},
}


@strawberry.input(description="The order of model versions.")
class ModelOrder:
    field: ModelOrderField = strawberry.field(description="The field to order by.")
    direction: Direction = strawberry.field(default=Direction.DESC, description="The direction of the order.")


@strawberry.input(description="The order of builds.")
class BuildOrder:
    field: BuildOrderField = strawberry.field(description="The field to order by.")
    direction: Direction = strawberry.field(default=Direction.DESC, description="The direction of the order.")


@strawberry.input(description="The order of builds and other jobs.")
class JobOrder:
    field: JobOrderField = strawberry.field(description="The field to order by.")
    direction: Direction = strawberry.field(default=Direction.DESC, description="The direction of the order.")


@strawberry.input(description="The order of candidates.")
class CandidateOrder:
    field: CandidateOrderField = strawberry.field(description="The field to order by.")
    direction: Direction = strawberry.field(default=Direction.DESC, description="The direction of the order.")


@strawberry.input(description="The order of feedback.")
class FeedbackOrder:
    field: FeedbackOrderField = strawberry.field(description="The field to order by.")
    direction: Direction = strawberry.field(default=Direction.DESC, description="The direction of the order.")


def select(rows: QuerySet[Any], filter: object) -> QuerySet[Any]:
    """Select the rows that a list's filter describes. Raises OutOfRange, UnknownProduct; all faults at once."""
    return conditions.select(rows, read_filter(filter))


def read_filter(filter: object) -> dict[str, Condition | bool]:
    """Read a filter as conditions by the store's names."""
    faults, computed = Faults(), COMPUTED.get(type(filter), {})
    wanted: dict[str, Any] = {}
    for name, member in read_members(filter).items():
        key, path = computed.get(name, name), ("filter", name)
        if isinstance(member, bool):
            wanted[key] = member
        elif name == "product":
            wanted[key] = convert_each(read_condition(member), product_name, faults, path)
        else:
            wanted[key] = read_condition(member)
            filter_values.check_size(wanted[key], faults, path)
    faults.check()
    return wanted


def product_name(name: str, path: Path) -> str:
    """Check the name of a product. Raises UnknownProduct."""
    return catalogue.get(name, path).name


def columns_of(
    order: Any, usual: tuple[str, ...] = ("-pk",), last: tuple[str, ...] = ("pk",)
) -> tuple[str, ...]:
    """The columns to order a list by: those of `usual` if no order is wanted.

    Args:
        last: columns that tell rows apart where the wanted one does not.
    """
    if not order:
        return usual
    sign = order.direction.value
    return tuple(f"{sign}{column}" for column in (order.field.value, *last))
