"""What a product takes: features, rows, feedback and filters."""

import datetime
from typing import Any

import strawberry

from store.products.features import Feature

from ..types.nodes import UNSET
from .type_factory import ProductTypes, category_suffix, described


def make_enums(t: ProductTypes) -> None:
    product = t.product
    if product.labels:
        t.enum("", "Label", product.labels, f"What {product} answers. Members are only ever added.")
    for column in product.columns:
        if column.choices:
            suffix = category_suffix(column.name)
            t.enum(column.name, suffix, column.choices, described(column) or column.title)


def make_inputs(t: ProductTypes) -> None:
    columns = t.product.columns
    t.make(
        strawberry.input,
        "Features",
        {column.name: _feature(t, column) for column in columns},
        description=f"The features of one instance of {t.product}.",
    )
    t.make(
        strawberry.input,
        "FeaturesPatch",
        {column.name: (t.annotation(column) | None, _field(described(column))) for column in columns},
        description="Absent keeps the value, null clears it (where the column may be null).",
    )
    _make_rows(t)
    if t.product.learns_from_labels:
        _make_feedback(t)
    _make_filter(t)


def _feature(t: ProductTypes, column: Feature) -> tuple[Any, Any]:
    if column.nullable:
        return t.annotation(column) | None, _field(described(column))
    return t.annotation(column), strawberry.field(description=described(column))


def _field(description: str | None = None) -> Any:
    return strawberry.field(default=UNSET, description=description)


def _make_rows(t: ProductTypes) -> None:
    t.make(
        strawberry.input,
        "PredictInput",
        {
            "features": (t.Features, strawberry.field()),
            "entity": (strawberry.ID | None, _field()),
            "reference": (str | None, _field()),
        },
        description="`reference` is the caller's own name for what this is about where there is no entity: an order, "
        "a session, a form.",
    )
    row = {"key": (strawberry.ID | None, _field()), "features": (t.Features, strawberry.field())}
    if t.product.learns_from_labels:
        row[t.label_name] = (t.label | None, _field())
    if t.product.join.at:
        row["at"] = (datetime.datetime, strawberry.field(description="When it happened."))
    t.make(strawberry.input, "EntityInput", row, description=f"A row of the feature tables of {t.product}.")


def _make_feedback(t: ProductTypes) -> None:
    t.make(
        strawberry.input,
        "FeedbackInput",
        {
            "about": (FeedbackTarget, strawberry.field()),
            t.label_name: (t.label, strawberry.field()),
            "author": (str | None, _field()),
            "observed_at": (datetime.datetime | None, _field()),
            "comment": (str | None, _field()),
        },
        description="`author` speaks for somebody else and needs the permission to; without it the caller is the "
        "author.",
    )


@strawberry.input(one_of=True, description="What a feedback is about.")
class FeedbackTarget:
    prediction: strawberry.ID | None = strawberry.UNSET
    entity: strawberry.ID | None = strawberry.UNSET
    reference: str | None = strawberry.UNSET


def _make_filter(t: ProductTypes) -> None:
    fields: dict[str, tuple[Any, Any]] = {
        "entity": (strawberry.ID | None, _field()),
        "reference": (str | None, _field()),
        "model": (strawberry.ID | None, _field()),
        "since": (datetime.datetime | None, _field()),
        "until": (datetime.datetime | None, _field()),
    }
    if t.product.labels:
        fields |= {
            "label": (t.label | None, _field()),
            "truth": (t.label | None, _field()),
            "confidence_below": (float | None, _field()),
        }
    if t.product.learns_from_labels:
        fields["labelled"] = (bool | None, _field("Whether people agree on its label."))
    if t.product.task == "CLUSTERING":
        fields["cluster"] = (int | None, _field())
    t.make(strawberry.input, "PredictionFilter", fields, description="Every condition given must hold.")
