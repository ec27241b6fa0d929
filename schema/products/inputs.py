"""Inputs of a product: features, rows, feedback and filters."""

import datetime
from typing import Any

import strawberry

from store.products.columns import TypedColumn
from store.products.features import Feature

from ..core import names
from ..core.inputs import INPUT_COLUMN
from ..types.nodes import UNSET
from .type_factory import ProductTypes, category_suffix, describe_column


def make_enums(t: ProductTypes) -> None:
    """Build the enums of the label and of the categories."""
    product = t.product
    if product.labels:
        description = f"The labels of {product}. Members are only ever added."
        t.enum("", "Label", description, retired=list(map(str, product.retired_labels)))
    for column in product.columns:
        if column.choices:
            t.enum(column.name, category_suffix(column.name), describe_column(column))


def make_inputs(t: ProductTypes) -> None:
    """Build the input types."""
    columns = t.product.inputs
    t.make(
        strawberry.input,
        "Features",
        {column.name: _feature(t, column) for column in columns},
        f"The features of one instance of {t.product}. Null and absent values are unknown values."
        + _describe_computed(t),
    )
    t.make(
        strawberry.input,
        "FeaturesPatch",
        {
            column.name: (t.annotation(column) | None, optional(describe_column(column), column))
            for column in columns
        },
        "The features to change: an absent field keeps its value, null clears it if the column may be null.",
    )
    _make_rows(t)
    if t.product.learns_from_labels:
        _make_feedback(t)
    _make_filter(t)


def _describe_computed(t: ProductTypes) -> str:
    """Name the features that the input lacks."""
    computed = ", ".join(f"`{names.field(column.name)}`" for _, column in t.product.computed)
    return f" Computed from them: {computed}." if computed else ""


def required(description: str, column: TypedColumn | None = None) -> Any:
    """Build an input field that must be given; messages about it are in the words of its `column`."""
    return strawberry.field(description=description, metadata={INPUT_COLUMN: column})


def optional(description: str, column: TypedColumn | None = None) -> Any:
    """Build an input field that may be left out; messages about it are in the words of its `column`."""
    return strawberry.field(default=UNSET, description=description, metadata={INPUT_COLUMN: column})


def _feature(t: ProductTypes, column: Feature) -> tuple[object, object]:
    if not column.nullable:
        return t.annotation(column), required(describe_column(column), column)
    description = describe_column(column)
    if column.required:
        description += " Required: null where it has no value."
    return t.annotation(column) | None, optional(description, column)


def _make_rows(t: ProductTypes) -> None:
    t.make(
        strawberry.input,
        "PredictInput",
        {
            "features": (t.Features, required("The features to predict from.")),
            "entity": (
                strawberry.ID | None,
                optional("The primary key of the row that the prediction is about, if there is one."),
            ),
            "reference": (
                str | None,
                optional(
                    "The caller's own name for the subject if it has no row: an order, a session, a form. Feedback can "
                    "refer to it."
                ),
            ),
        },
        "One item of `predictMany`.",
    )
    row: dict[str, tuple[object, object]] = {
        "key": (
            strawberry.ID | None,
            optional("The row's primary key. Leave it out if the database numbers the rows."),
        ),
        "features": (t.Features, required("The row's features.")),
    }
    if t.product.learns_from_labels:
        row[t.label_name] = (
            t.label | None,
            optional("The row's label; null if it is not known yet.", t.product.join.label_column),
        )
    if t.product.join.at:
        row["at"] = datetime.datetime, required("The time of the event that the row describes.")
    t.make(strawberry.input, "EntityInput", row, f"A row of the feature tables of {t.product}.")


def _make_feedback(t: ProductTypes) -> None:
    t.make(
        strawberry.input,
        "FeedbackInput",
        {
            "about": (FeedbackTarget, required("The subject of the feedback.")),
            t.label_name: (
                t.label,
                required("The right label, according to the author.", t.product.join.label_column),
            ),
            "author": (
                str | None,
                optional(
                    "The name of another author to give feedback for, which needs the permission ADMINISTER unless the "
                    "server is open. Leave it out to be the author."
                ),
            ),
            "observed_at": (
                datetime.datetime | None,
                optional("The time at which the label was observed, if it differs from now."),
            ),
            "comment": (str | None, optional("A comment for people, at most 10,000 characters.")),
        },
        "One statement about the right label of a subject.",
    )


@strawberry.input(one_of=True, description="The subject of a feedback: exactly one field must be given.")
class FeedbackTarget:
    prediction: strawberry.ID | None = optional("The id of a prediction.")
    entity: strawberry.ID | None = optional("The primary key of a row.")
    reference: str | None = optional("The reference that earlier predictions were requested with.")


def _make_filter(t: ProductTypes) -> None:
    fields: dict[str, tuple[object, object]] = {
        "entity": (strawberry.ID | None, optional("Only predictions about the row with this primary key.")),
        "reference": (str | None, optional("Only predictions about this reference.")),
        "model": (strawberry.ID | None, optional("Only predictions of the model version with this id.")),
        "since": (datetime.datetime | None, optional("Only predictions created at this time or later.")),
        "until": (datetime.datetime | None, optional("Only predictions created before this time.")),
    }
    if t.product.labels:
        fields |= {
            "label": (t.label | None, optional("Only predictions of this label.")),
            "truth": (
                t.label | None,
                optional("Only predictions whose subject has this label by the majority of feedback."),
            ),
            "confidence_below": (
                float | None,
                optional("Only predictions whose label has a lower probability than this, 0 to 1."),
            ),
        }
    if t.product.learns_from_labels:
        fields["labelled"] = (
            bool | None,
            optional(
                "True: only predictions whose subject has feedback with a majority label. False: only the others."
            ),
        )
    else:
        fields["cluster"] = int | None, optional("Only predictions of this cluster; −1 is noise.")
    t.make(
        strawberry.input,
        "PredictionFilter",
        fields,
        f"Conditions on predictions of {t.product}; all that are given must hold.",
    )
