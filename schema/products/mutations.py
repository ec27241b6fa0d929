"""Mutations of a product: feedback, and the rows of its feature tables."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from inspect import Parameter, Signature
from typing import Annotated, Any, TypeVar

import strawberry
from django.db import transaction

from learning.exceptions import ExemplarError
from store import models
from store.access.actors import Actor
from store.entities.entities import KEEP
from store.exceptions import Faults
from store.ingest import editing
from store.predictions.feedback import About, FeedbackResult, checked_comment
from store.products import limits
from store.products.product import LABEL, ROWS, DataProduct

from ..core import ids, names
from ..core.context import Info
from ..core.errors import ErrorCode
from ..types.nodes import UNSET, unset_to_none
from ..types.problems import Problem
from .outputs import Fields
from .type_factory import ProductTypes, column_values, list_of

Resolver = TypeVar("Resolver", bound=Callable[..., object])

Version = Annotated[
    str | None,
    strawberry.argument(
        description="The `version` with which the row was read: if the row has changed since, it is left as it is and "
        "STALE_VERSION is the error. Leave it out to write in any case."
    ),
]


@strawberry.type(description="The numbers of rows that were inserted and updated.")
class UpsertManyPayload:
    inserted: int = strawberry.field(description="The number of rows with new keys.")
    updated: int = strawberry.field(description="The number of rows that existed and were changed.")
    unchanged: int = strawberry.field(description="The number of rows that existed with the same values.")


def mutation(description: str, graphql_type: object = None) -> Callable[[Resolver], Any]:
    """Decorate a resolver as a mutation field: one transaction, which an error rolls back."""
    return lambda resolver: strawberry.mutation(
        transaction.atomic(resolver), graphql_type=graphql_type, description=description
    )


def make_mutations(t: ProductTypes) -> Fields:
    """Build the product's mutation fields by name, all at the root, where GraphQL executes them one by one."""
    name = t.product.name
    fields = {f"{name}_{suffix}": field for suffix, field in _row_fields(t).items()}
    if t.product.learns_from_labels:
        fields |= {f"{name}_{suffix}": field for suffix, field in _feedback_fields(t).items()}
    return fields


def _feedback_fields(t: ProductTypes) -> Fields:
    t.make(
        strawberry.type,
        "FeedbackPayload",
        {
            "feedback": (t.Feedback, strawberry.field(description="The feedback, as it is stored.")),
            "prediction": (
                t.Prediction | None,
                strawberry.field(
                    description="The prediction that it was given to; null if it was given to an entity or a reference."
                ),
            ),
            "entity": (
                t.Entity | None,
                strawberry.field(
                    description="The row that it is about, with its label as it is now; null if it is about none."
                ),
            ),
            "created": (
                bool,
                strawberry.field(
                    description="False if the author's latest feedback about the subject was the same, so that nothing "
                    "was stored."
                ),
            ),
            "feature_rows_changed": (
                int,
                strawberry.field(description="The number of rows of the feature tables that were changed."),
            ),
            "not_written": (
                Problem | None,
                strawberry.field(
                    description="Why the label column was not written although the product writes labels, as where the "
                    "database refuses it: the feedback is stored and counts all the same. Null if it was written, and "
                    "in a product that writes none."
                ),
            ),
        },
        "The result of a feedback.",
    )

    @mutation(
        f"Store feedback about the right label of a subject. {_describe_writing(t.product)}",
        graphql_type=t.FeedbackPayload | None,
    )
    def feedback(
        self: object,
        info: Info,
        input: Annotated[
            object, strawberry.argument(graphql_type=t.FeedbackInput, description="The feedback.")
        ],
    ) -> object:
        return payload(t, give(t, info.context.actor, input, ("input",)))

    @mutation(
        "Store many feedbacks. The list has one place for each, in order; null for one that was refused, with an error "
        "whose path ends in its index. The others are stored.",
        graphql_type=list_of(t.FeedbackPayload | None) | None,
    )
    def feedback_many(
        self: object,
        info: Info,
        inputs: Annotated[
            list[object],
            strawberry.argument(
                graphql_type=list_of(t.FeedbackInput), description="The feedbacks, at most 10,000."
            ),
        ],
    ) -> list[object]:
        limits.check_size(inputs, "inputs")
        return [give_or_refuse(t, info.context.actor, input, place) for place, input in enumerate(inputs)]

    @mutation(
        "Retract a feedback: it stays stored and no longer counts. Retracting it again changes nothing.",
        graphql_type=t.FeedbackPayload | None,
    )
    def feedback_retract(
        self: object,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The id of the feedback.")],
    ) -> object:
        return payload(
            t, models.Feedback.objects.retract(t.product, feedback_number(t, id), info.context.actor)
        )

    return {"feedback": feedback, "feedback_many": feedback_many, "feedback_retract": feedback_retract}


def feedback_number(t: ProductTypes, id: str) -> int:
    """The row's number of a feedback's id. Raises UnknownId, WrongKindOfId."""
    return ids.number(id, f"{t.prefix}Feedback")


def give(t: ProductTypes, actor: Actor, input: Any, path: tuple[str | int, ...]) -> FeedbackResult:
    """Store one `FeedbackInput`; an error has the path of the input."""
    try:
        with transaction.atomic():
            return models.Feedback.objects.give(t.product, **feedback_values(t, actor, input))
    except ExemplarError as refusal:
        refusal.locate(path)
        raise


def feedback_values(t: ProductTypes, actor: Actor, input: Any) -> dict[str, Any]:
    """The values of a `FeedbackInput`. Raises all of its faults at once."""
    faults, values = Faults(), {"observed_at": unset_to_none(input.observed_at)}
    label = getattr(input, t.label_name)
    with faults.collect():
        values["about"] = about(t, input.about)
    with faults.collect():
        values["answer"] = t.product.answer_of(label.value if t.product.labels else label, (t.label_name,))
    with faults.collect():
        values["author"] = actor.author_for(unset_to_none(input.author))
    with faults.collect():
        values["comment"] = checked_comment(unset_to_none(input.comment))
    faults.check()
    return values


def about(t: ProductTypes, target: Any) -> About:
    """The subject of a `FeedbackTarget`. Raises UnknownId, WrongKindOfId."""
    prediction = unset_to_none(target.prediction)
    return About(
        prediction=None
        if prediction is None
        else ids.digest(prediction, f"{t.prefix}Prediction", ("about", "prediction")),
        entity=unset_to_none(target.entity),
        reference=unset_to_none(target.reference),
    )


def give_or_refuse(t: ProductTypes, actor: Actor, input: object, place: int) -> object:
    """The payload of one feedback of many, or the error that GraphQL reports in its place."""
    try:
        return payload(t, give(t, actor, input, ("inputs", place)))
    except ExemplarError as refusal:
        return refusal


def payload(t: ProductTypes, result: FeedbackResult) -> object:
    """The payload of a stored feedback."""
    feedback = result.feedback
    return t.FeedbackPayload(
        feedback=feedback,
        prediction=feedback.prediction,
        entity=feedback.entity_of(),
        created=result.created,
        feature_rows_changed=result.feature_rows_changed,
        not_written=result.not_written
        and Problem(code=ErrorCode.NOT_WRITABLE, message=result.not_written.message),
    )


def _row_fields(t: ProductTypes) -> Fields:
    t.make(
        strawberry.type,
        "EntityPayload",
        {
            "entity": (t.Entity, strawberry.field(description="The row, as it is now.")),
            "created": (bool, strawberry.field(description="True if the row is new.")),
            "changed": (
                list[str],
                strawberry.field(description="The names of the fields whose values were changed."),
            ),
        },
        "The result of a change of a row.",
    )

    @mutation(
        "Insert a row. A key that exists is refused with CONFLICT. A client that may have to retry gives a key or "
        f"replaces the row.{_refusal(t.product)}",
        graphql_type=t.EntityPayload | None,
    )
    def create(
        self: object,
        row: Annotated[object, strawberry.argument(graphql_type=t.EntityInput, description="The new row.")],
    ) -> object:
        faults = Faults()
        edit = edited_row(t, row, faults)
        return entity_payload(
            t, editing.create(t.product, edit.key, edit.features, edit.label, edit.at, faults)
        )

    @mutation(
        f"Insert or overwrite a row: values that are left out become null.{_refusal(t.product)}",
        graphql_type=t.EntityPayload | None,
    )
    def replace(
        self: object,
        row: Annotated[
            object,
            strawberry.argument(graphql_type=t.EntityInput, description="The whole row, with its key."),
        ],
        version: Version = UNSET,
    ) -> object:
        faults = Faults()
        edit = edited_row(t, row, faults)
        return entity_payload(
            t,
            editing.replace(
                t.product, edit.key, edit.features, edit.label, edit.at, unset_to_none(version), faults
            ),
        )

    @mutation(
        "Insert or overwrite many rows: all of them or, with an error, none. Features that are left out become null; a "
        f"label that is left out stays as it is.{_refusal(t.product)}",
        graphql_type=UpsertManyPayload | None,
    )
    def upsert_many(
        self: object,
        rows: Annotated[
            list[object],
            strawberry.argument(graphql_type=list_of(t.EntityInput), description="The rows, at most 10,000."),
        ],
    ) -> editing.UpsertCounts:
        faults = Faults()
        edits = [edited_row(t, row, faults, ("rows", place), KEEP) for place, row in enumerate(rows)]
        return editing.upsert_many(t.product, edits, faults)

    return {"create": create, "replace": replace, "patch": _patch_field(t), "upsert_many": upsert_many}


def _patch_field(t: ProductTypes) -> object:
    """Build the mutation that changes single values; its arguments depend on the product's label and time."""

    def patch(
        self: object,
        entity: str,
        features: object = UNSET,
        version: str | None = UNSET,
        at: datetime | None = UNSET,
        **labels: object,
    ) -> object:
        faults = Faults()
        return entity_payload(
            t,
            editing.patch(
                t.product,
                entity,
                {} if not features else column_values(features),
                label_value(t, labels.get(t.label_name, UNSET), faults, (), KEEP),
                KEEP if at is UNSET else at,
                unset_to_none(version),
                faults,
            ),
        )

    key = "The primary key of the row."
    optional: dict[str, tuple[Any, str]] = {
        "features": (t.FeaturesPatch, "The features to change. Leave it out to change none.")
    }
    if t.product.learns_from_labels:
        optional[t.label_name] = t.label, "The new label; null clears it. Leave it out to keep it."
    if t.product.join.at:
        optional["at"] = datetime, "The new time of the event. Leave it out to keep it."
    named = partial(Parameter, kind=Parameter.POSITIONAL_OR_KEYWORD)
    patch.__signature__ = Signature(  # type: ignore[attr-defined]
        [
            named("self"),
            named("entity", annotation=Annotated[strawberry.ID, strawberry.argument(description=key)]),
            *(
                named(
                    name,
                    annotation=Annotated[type_ | None, strawberry.argument(description=description)],
                    default=UNSET,
                )
                for name, (type_, description) in optional.items()
            ),
            named("version", annotation=Version, default=UNSET),
        ],
        return_annotation=t.EntityPayload | None,
    )
    return mutation(
        f"Change single values of a row; those that are left out stay as they are.{_patch_refusal(t.product)}"
    )(patch)


def _describe_writing(product: DataProduct) -> str:
    """Say what becomes of feedback."""
    if product.writes_labels:
        return (
            "The majority of feedback is then written to the label column, and the next build learns from it."
        )
    return "The next build learns from the majority of feedback; the label column is not written."


def _refusal(product: DataProduct) -> str:
    """Say that whole rows are not written; empty where they are."""
    if product.writable:
        return ""
    reason = "a feature is computed or shared" if product.writes == ROWS else "the product writes no rows"
    return f" Always refused with NOT_WRITABLE: {reason}."


def _patch_refusal(product: DataProduct) -> str:
    """Say which changes of a row are refused; empty where all are accepted that its columns allow."""
    if product.writes == ROWS:
        return ""
    changes = "All but the label" if product.writes == LABEL else "Every change"
    return f" {changes} is refused with NOT_WRITABLE: the product writes {_written(product)}."


def _written(product: DataProduct) -> str:
    return "labels alone" if product.writes == LABEL else "nothing; give feedback instead"


def value_of(t: ProductTypes, label: Any, path: tuple[str | int, ...]) -> Any:
    """The value of a label in its column. Raises BadInput, OutOfRange, NotFinite."""
    if label is UNSET or label is None:
        return None
    return t.product.label_of(t.product.answer_of(label.value if t.product.labels else label, path))


def label_value(
    t: ProductTypes, label: Any, faults: Faults, path: tuple[str | int, ...], absent: object
) -> Any:
    """The value of a label in its column; `absent` if none was given. A refusal is collected."""
    if label is UNSET:
        return absent
    with faults.collect():
        return value_of(t, label, (*path, t.label_name))
    return absent


def edited_row(
    t: ProductTypes,
    row: Any,
    faults: Faults,
    path: tuple[str | int, ...] = ("row",),
    unlabelled: object = None,
) -> editing.EditedRow:
    """The row of an `EntityInput`; `unlabelled` is the label if none was given. A refused label is collected."""
    return editing.EditedRow(
        unset_to_none(row.key),
        column_values(row.features),
        label_value(t, getattr(row, t.label_name, UNSET), faults, path, unlabelled),
        getattr(row, "at", None),
    )


def entity_payload(t: ProductTypes, result: editing.EditResult) -> object:
    """The payload of a changed row."""
    changed = [names.field(t.label_name if name == "label" else name) for name in result.changed]
    return t.EntityPayload(entity=result.entity, created=result.created, changed=changed)
