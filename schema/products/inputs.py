"""Inputs of a product: features, rows, feedback and filters."""

import datetime
from typing import Any

import strawberry

from store.products.columns import TypedColumn
from store.products.features import Feature

from ..core import names
from ..core.inputs import INPUT_COLUMN
from ..types.nodes import UNSET
from .type_factory import RETIRED, ProductTypes, category_suffix, describe_column, list_of

#: Ends the description of an optional input field that may be null and may not be left out.
MUST_BE_SAID = "Required: null where it has no value."
KEY = "The row's primary key. Leave it out if the database numbers the rows."


def make_enums(t: ProductTypes) -> None:
    """Build the enums of the label and of the categories."""
    product = t.product
    if product.labels:
        description = f"The labels of {product}. Members are only ever added."
        t.enum("", "Label", description, retired=list(map(str, product.retired_labels)))
    for column in (*product.columns, *product.retired):
        if column.choices:
            t.enum(column.name, category_suffix(column.name), describe_column(column))


def make_inputs(t: ProductTypes) -> None:
    """Build the input types."""
    columns = t.product.inputs
    t.make(
        strawberry.input,
        "Features",
        {column.name: _feature(t, column) for column in columns} | _retired(t),
        f"The features of one instance of {t.product}. Null and absent values are unknown values."
        + _describe_computed(t),
    )
    t.make(
        strawberry.input,
        "FeaturesPatch",
        {
            column.name: (t.annotation(column) | None, optional(describe_column(column), column))
            for column in columns
        }
        | _retired(t),
        "The features to change: an absent field keeps its value, null clears it if the column may be null.",
    )
    _make_rows(t)
    if t.product.learns_from_labels:
        _make_feedback(t)


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
        description += f" {MUST_BE_SAID}"
    return t.annotation(column) | None, optional(description, column)


def _retired(t: ProductTypes) -> dict[str, tuple[object, object]]:
    """Build the fields of retired features, which only clients that know them of old still give."""
    return {
        column.name: (
            t.annotation(column) | None,
            strawberry.field(default=UNSET, description=describe_column(column), deprecation_reason=RETIRED),
        )
        for column in t.product.retired_inputs
    }


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
        "One item to predict.",
    )
    rows = f"A row of the feature tables of {t.product}."
    t.make(strawberry.input, "EntityInput", _row_fields(t, KEY), rows)
    t.make(strawberry.input, "CreateInput", _row_fields(t, KEY), "The new row.")
    t.make(
        strawberry.input,
        "ReplaceInput",
        _row_fields(t, "The primary key of the row.") | {"version": _version()},
        "The whole row, with its key.",
    )
    t.make(strawberry.input, "PatchInput", _changes(t), "The row, and its changes.")
    t.make(
        strawberry.input,
        "DeleteInput",
        {
            "entity": (strawberry.ID, required("The primary key of the row.")),
            "version": _version(),
            "dry_run": (
                bool,
                strawberry.field(
                    default=False, description="True: delete nothing, and return what is about the row."
                ),
            ),
        },
        "The row to delete.",
    )
    t.make(
        strawberry.input,
        "UpsertManyInput",
        {"rows": (list_of(t.EntityInput), required("The rows, at most 10,000."))},
        "The rows to insert or overwrite.",
    )


def _row_fields(t: ProductTypes, key: str) -> dict[str, tuple[object, object]]:
    """Build the fields of a whole row; `key` describes its key."""
    fields: dict[str, tuple[object, object]] = {
        "key": (strawberry.ID | None, optional(key)),
        "features": (t.Features, required("The row's features.")),
    }
    if t.product.learns_from_labels:
        fields[t.label_name] = (
            t.label | None,
            optional("The row's label; null if it is not known yet.", t.product.join.label_column),
        )
    if t.product.join.at:
        fields["at"] = datetime.datetime, required("The time of the event that the row describes.")
    return fields


def _changes(t: ProductTypes) -> dict[str, tuple[object, object]]:
    """Build the fields of the changes of a row."""
    fields: dict[str, tuple[object, object]] = {
        "entity": (strawberry.ID, required("The primary key of the row.")),
        "features": (
            t.FeaturesPatch | None,
            optional("The features to change. Leave it out to change none."),
        ),
    }
    if t.product.learns_from_labels:
        description = "The new label; null clears it. Leave it out to keep it."
        fields[t.label_name] = t.label | None, optional(description, t.product.join.label_column)
    if t.product.join.at:
        description = "The new time of the event. Leave it out to keep it."
        fields["at"] = datetime.datetime | None, optional(description)
    return fields | {"version": _version()}


def _version() -> tuple[object, object]:
    return str | None, optional(
        "The `version` with which the row was read: if the row has changed since, it is left as it is and "
        "STALE_VERSION is the error. Leave it out to write in any case."
    )


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
    t.make(
        strawberry.input,
        "FeedbackManyInput",
        {"inputs": (list_of(t.FeedbackInput), required("The feedbacks, at most 10,000."))},
        "The feedbacks to store.",
    )
    t.make(
        strawberry.input,
        "FeedbackRetractInput",
        {"feedback": (strawberry.ID, required("The id of the feedback."))},
        "The feedback to retract.",
    )


@strawberry.input(one_of=True, description="The subject of a feedback: exactly one field must be given.")
class FeedbackTarget:
    prediction: strawberry.ID | None = optional("The id of a prediction.")
    entity: strawberry.ID | None = optional("The primary key of a row.")
    reference: str | None = optional("The reference that earlier predictions were requested with.")
