"""Filters of entities: conditions on base rows, compiled into the team's joined query, whose indexes serve them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet, TextField
from django.db.models.functions import Cast

from ..db import conditions, searches
from ..db.conditions import Condition
from ..entities import base_rows
from ..exceptions import BadInput
from ..products.columns import select_stored
from ..products.features import Feature
from ..products.product import DataProduct
from . import truth


@dataclass(frozen=True, kw_only=True)
class EntityConditions:
    """Conditions on entities; an empty one, or None, is no condition."""

    #: On the key, as text.
    key: Condition = field(default_factory=dict)
    #: On the label column: the class as text, or the number.
    label: Condition = field(default_factory=dict)
    #: On the label that counts, of the same type: what feedback says, else the label column.
    truth: Condition = field(default_factory=dict)
    #: True: it has a label that counts.
    labelled: bool | None = None
    #: On the time of the event.
    at: Condition = field(default_factory=dict)
    #: On the features of the product, by name, with values as its columns have them.
    features: Mapping[str, Condition] = field(default_factory=dict)
    #: How the key begins, or what a text among the features contains, in upper or lower case.
    search: str | None = None


def select(product: DataProduct, wanted: EntityConditions) -> QuerySet[Any]:
    """Select the base rows that the actor of this thread may see and that meet the conditions.

    Conditions on computed features and on some joins can fail for rows: use `refusals_explained` of the join.
    """
    names = set(wanted.features)
    texts = _texts(product) if wanted.search else []
    columns = [column for column in product.columns if column.name in names or column in texts]
    rows = product.join.with_features(base_rows.select(product), columns)
    rows = rows.annotate(**_annotations(product, wanted))
    return rows.filter(*_compile(product, wanted, texts))


def in_order(product: DataProduct, rows: QuerySet[Any], column: str) -> QuerySet[Any]:
    """Add the column `order_at` or `order_label` to order by; rows without a value are left out.

    Raises BadInput where the product has no such column.
    """
    expressions = {
        "order_at": product.join.moment if product.join.at else None,
        "order_label": truth.column_label(product) if product.join.label else None,
    }
    if column not in expressions:
        return rows
    if expressions[column] is None:
        noun = "label" if column == "order_label" else "time"
        raise BadInput(f"{product} has no {noun} to order by.", argument=("orderBy", "field"))
    return rows.annotate(**{column: expressions[column]}).filter(**{f"{column}__isnull": False})


def _texts(product: DataProduct) -> list[Feature]:
    """List the features whose texts are searched: columns, as what is computed has no index."""
    return [
        column
        for column in product.inputs
        if column.kind and (column.kind.is_text or column.kind.is_open) and not column.is_expression
    ]


def _annotations(product: DataProduct, wanted: EntityConditions) -> dict[str, Any]:
    join, selected = product.join, {}
    if wanted.search or wanted.truth or wanted.labelled is not None:
        selected["entity_key"] = Cast("pk", TextField())
    if join.label and (wanted.label or wanted.truth or wanted.labelled is not None):
        selected["entity_label"] = truth.column_label(product)
    if wanted.at:
        selected["entity_at"] = join.moment
    return selected


def _compile(product: DataProduct, wanted: EntityConditions, texts: list[Feature]) -> Iterator[Q]:
    yield _keys(product, wanted.key)
    if wanted.at:
        yield conditions.on_column("entity_at", wanted.at)
    columns = {column.name: column for column in product.columns}
    for name, condition in wanted.features.items():
        if name not in columns:
            yield _of_retired(condition)
            continue
        matched = conditions.on_column(f"feature_{name}", condition)
        yield matched if _has_statistics(columns[name]) else conditions.unestimated(matched)
    if wanted.label:
        yield conditions.on_column("entity_label", wanted.label)
    yield from _truths(product, wanted)
    if wanted.search:
        matched = Q(searches.begins_with(F("entity_key"), wanted.search))
        for column in texts:
            matched |= Q(searches.contains(F(f"feature_{column.name}"), wanted.search))
        yield matched


def _of_retired(condition: Condition) -> Q:
    """Compile the condition on a retired feature, which no row has."""
    is_null = set(condition) == {"is_null"} and condition["is_null"] is True
    return Q() if is_null or not condition else Q(pk__in=[])


def _has_statistics(column: Feature) -> bool:
    """Return True for a column that is read as it is stored, so that its index and its statistics are of use."""
    return not (column.is_expression or select_stored(column.field))


def _keys(product: DataProduct, condition: Condition) -> Q:
    """Compile a condition on keys; a text that is no key has no row."""
    matched = Q()
    if (key := condition.get("eq")) is not None:
        matched &= Q(pk__in=_parsed(product, [key]))
    if (keys := condition.get("in")) is not None:
        matched &= Q(pk__in=_parsed(product, keys))
    return matched


def _parsed(product: DataProduct, keys: list[str]) -> list[object]:
    return [product.key_of(key) for key in keys if product.is_key(key)]


def _truths(product: DataProduct, wanted: EntityConditions) -> Iterator[Q]:
    if not wanted.truth and wanted.labelled is None:
        return
    agreed = truth.answers(product).filter(entity=OuterRef("entity_key"))
    has_truth = Q(Exists(agreed))
    labels = {name: value for name, value in wanted.truth.items() if name != "is_null"}
    if any(value is not None for value in labels.values()):
        by_truth = Q(Exists(agreed.filter(conditions.on_column("label", labels))))
        yield by_truth | (~has_truth & conditions.on_column("entity_label", labels))
    is_labelled = has_truth | Q(entity_label__isnull=False)
    yield conditions.on_null(wanted.truth, ~is_labelled)
    if wanted.labelled is not None:
        yield is_labelled if wanted.labelled else ~is_labelled
