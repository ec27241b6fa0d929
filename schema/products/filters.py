"""Filters of a product's predictions and entities, typed by its columns."""

from typing import Any

import strawberry

from store import models
from store.db import conditions, searches
from store.db.pagination import Page, PageRequest
from store.entities import entities
from store.entities.entities import Entity
from store.exceptions import Faults
from store.predictions import entity_filters
from store.predictions.entity_filters import EntityConditions
from store.predictions.predictions import PredictionQuerySet
from store.products import filter_values
from store.products.columns import TypedColumn
from store.products.product import DataProduct
from store.registry.retired_features import note_use

from ..core.enums import EntityOrderField
from ..types.conditions import (
    ClusterCondition,
    DateTimeCondition,
    FloatCondition,
    IDCondition,
    condition_fields,
    condition_of_kind,
    read_condition,
    read_members,
)
from ..types.nodes import UNSET
from ..types.prediction_filters import (
    CONFIDENCE,
    FEATURES,
    FILTER,
    OF_CLASSES,
    OF_LABELS,
    SHARED,
    TRUTH,
    VALUE,
    Path,
    optional_member,
    read_shared,
)
from ..types.prediction_interfaces import EntityOrder
from .type_factory import RETIRED_VALUE, ProductTypes, category_suffix, describe_column

#: Members of a filter: annotations and fields by name.
Members = dict[str, tuple[object, object]]


def make_filters(t: ProductTypes) -> None:
    """Build the filters of predictions and entities, and the conditions that only this product has."""
    if t.product.labels:
        _make_condition(t, "Label", t.label, f"a label of {t.product}")
    for column in (*t.product.columns, *t.product.retired):
        if column.choices:
            suffix = category_suffix(column.name)
            _make_condition(t, suffix, t.annotation(column), f"{column.title} of {t.product}")
    t.make(
        strawberry.input,
        "FeatureFilter",
        {column.name: _member(_condition(t, column), describe_column(column)) for column in t.product.columns}
        | {column.name: _retired_member(t, column) for column in t.product.retired},
        f"Conditions on features of {t.product}; all that are given must hold.",
    )
    t.make(
        strawberry.input,
        "PredictionFilter",
        _shared(SHARED) | _answers(t) | {"features": _member(t.FeatureFilter, FEATURES)},
        f"Conditions on predictions of {t.product}; all that are given must hold. `PredictionFilter` has the same "
        "members.",
    )
    t.make(
        strawberry.input,
        "EntityFilter",
        _entity_members(t),
        f"Conditions on rows of {t.product}; all that are given must hold.",
    )


def _make_condition(t: ProductTypes, suffix: str, value: Any, noun: str) -> None:
    t.make(
        strawberry.input,
        f"{suffix}Condition",
        condition_fields(value, is_ordered=False),
        f"Conditions on {noun}; all that are given must hold.",
    )


def _member(type_: Any, description: str) -> tuple[object, object]:
    return type_ | None, optional_member(description)


def _retired_member(t: ProductTypes, column: TypedColumn) -> tuple[object, object]:
    field = strawberry.field(
        default=UNSET, description=describe_column(column), deprecation_reason=RETIRED_VALUE
    )
    return _condition(t, column) | None, field


def _shared(members: dict[str, tuple[Any, str]]) -> Members:
    return {name: _member(*member) for name, member in members.items()}


def _condition(t: ProductTypes, column: TypedColumn) -> Any:
    """The condition of a column."""
    if column.choices:
        return getattr(t, f"{category_suffix(column.name)}Condition")
    assert column.kind is not None
    return condition_of_kind(column.kind)


def _label_condition(t: ProductTypes) -> Any:
    return t.LabelCondition if t.product.labels else FloatCondition


def _answers(t: ProductTypes) -> Members:
    """The members that depend on the task."""
    if not t.product.learns_from_labels:
        return {"cluster": _member(ClusterCondition, "Conditions on the number of the cluster; −1 is noise.")}
    own: Members = {"truth": _member(_label_condition(t), TRUTH)} | _shared(OF_LABELS)
    if t.product.labels:
        return (
            own
            | _shared(OF_CLASSES)
            | {
                "label": _member(t.LabelCondition, "Conditions on the predicted label."),
                "confidence": _member(FloatCondition, CONFIDENCE),
            }
        )
    return own | {"value": _member(FloatCondition, VALUE)}


def _entity_members(t: ProductTypes) -> Members:
    members: Members = {
        "key": _member(IDCondition, "Conditions on the primary key."),
        "features": _member(t.FeatureFilter, "Conditions on its features, as the tables have them now."),
        "search": _member(
            str,
            "How its key begins, or what a text among its features contains, in upper or lower case: at most 200 "
            "characters.",
        ),
    }
    if t.product.learns_from_labels:
        members |= {
            t.label_name: _member(_label_condition(t), "Conditions on the label column."),
            "truth": _member(
                _label_condition(t),
                "Conditions on the label that counts: what feedback says, else the label column.",
            ),
            "labelled": _member(bool, "True: it has a label that counts. False: it has none."),
        }
    if t.product.join.at:
        members["at"] = _member(DateTimeCondition, "Conditions on the time of the event that it describes.")
    return members


def matching(product: DataProduct, filter: object, path: Path = FILTER) -> PredictionQuerySet:
    """The predictions that match a product's filter. Raises BadInput, UnknownId, …, all faults at once."""
    members, faults = read_members(filter), Faults()
    wanted = read_shared(filter, faults, path)
    answer = read_condition(members.get("label") or members.get("cluster"))
    wanted["answer"] = conditions.convert(answer, str)  # of clusters, which are stored as text
    wanted["value"] = read_condition(members.get("value"))
    wanted["truth"] = read_condition(members.get("truth"))
    wanted["features"] = _read_features(product, members.get("features"), faults, path)
    faults.check()
    return models.Prediction.objects.matching(product, **wanted)


def read_entity_filter(product: DataProduct, filter: object, path: Path = FILTER) -> EntityConditions:
    """The conditions of a filter of entities. Raises BadInput, OutOfRange, …, all faults at once."""
    members, faults = read_members(filter), Faults()
    label = members.get("label") or members.get("value")
    with faults.collect():
        search = searches.clean(members.get("search"), (*path, "search"))
    wanted = EntityConditions(
        key=read_condition(members.get("key")),
        label=read_condition(label),
        truth=read_condition(members.get("truth")),
        labelled=members.get("labelled"),
        at=read_condition(members.get("at")),
        features=_read_features(product, members.get("features"), faults, path),
        search=None if faults.errors else search,
    )
    filter_values.check_size(wanted.key, faults, (*path, "key"))
    faults.check()
    return wanted


def entity_page(
    product: DataProduct, filter: object, order: EntityOrder, request: PageRequest
) -> Page[Entity]:
    """A page of the entities that match a filter."""
    column, sign = order.field.value, order.direction.value
    rows = entity_filters.select(product, read_entity_filter(product, filter))
    rows = entity_filters.in_order(product, rows, column)
    columns = (
        (f"{sign}{column}",) if order.field is EntityOrderField.KEY else (f"{sign}{column}", f"{sign}pk")
    )
    return entities.page(product, request, rows, columns)


def _read_features(product: DataProduct, features: object, faults: Faults, path: Path) -> dict[str, Any]:
    members = {name: read_condition(condition) for name, condition in read_members(features).items()}
    for column in product.retired:
        if column.name in members:
            note_use(product.name, column.name)
    return filter_values.clean_features(product, members, faults, (*path, "features"))
