"""What changes a product: feedback, and the rows of its feature tables."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from inspect import Parameter, Signature
from typing import Any

import strawberry
from django.db import transaction
from strawberry.types import Info

from learning.exceptions import ExemplarError
from store import models
from store.access.actors import Actor
from store.entities.entities import KEEP
from store.ingest import editing
from store.predictions.feedback import About, Given
from store.products import limits

from ..core import ids, names
from ..types.nodes import UNSET, given
from .type_factory import ProductTypes, values

Fields = dict[str, Any]


@strawberry.type(description="What became of rows that were upserted.")
class UpsertManyPayload:
    inserted: int
    updated: int
    unchanged: int = strawberry.field(description="Rows which the tables held just so.")


def mutation(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """A mutation field: one transaction, which a refusal rolls back."""
    return lambda resolver: strawberry.mutation(transaction.atomic(resolver), **options)


def make_mutations(t: ProductTypes) -> Fields:
    """The product's mutation fields by name; flat, because nested ones would run concurrently."""
    name = t.product.name
    fields = {f"{name}_{suffix}": field for suffix, field in _editing(t).items()}
    if t.product.learns_from_labels:
        fields |= {f"{name}_{suffix}": field for suffix, field in _feedback(t).items()}
    return fields


def _feedback(t: ProductTypes) -> Fields:
    t.make(
        strawberry.type,
        "FeedbackPayload",
        {
            "feedback": (t.Feedback, strawberry.field()),
            "prediction": (t.Prediction | None, strawberry.field()),
            "entity": (t.Entity | None, strawberry.field()),
            "created": (
                bool,
                strawberry.field(description="False where the author had said just this before."),
            ),
            "feature_rows_changed": (int, strawberry.field(description="Rows of the feature tables.")),
        },
        description="What a feedback did.",
    )

    @mutation(
        description="Say what the label is. It is stored, and what counts by now is written to the tables."
    )
    def feedback(self: Any, info: Info, input: t.FeedbackInput) -> t.FeedbackPayload | None:
        return payload(t, give(t, info.context.actor, input, ("input",)))

    @mutation(
        description="Item by item as `predictMany`: null and an error with the item's path where one was refused; "
        "the others hold."
    )
    def feedback_many(
        self: Any, info: Info, inputs: list[t.FeedbackInput]
    ) -> list[t.FeedbackPayload | None] | None:
        limits.check_size(inputs, "inputs")
        return [one_of_many(t, info.context.actor, input, place) for place, input in enumerate(inputs)]

    @mutation(description="Take a feedback back; a second time changes nothing.")
    def feedback_retract(self: Any, info: Info, id: strawberry.ID) -> t.FeedbackPayload | None:
        return payload(t, models.Feedback.objects.retract(t.product, feedback_id(t, id), info.context.actor))

    return {"feedback": feedback, "feedback_many": feedback_many, "feedback_retract": feedback_retract}


def feedback_id(t: ProductTypes, id: str) -> int:
    return ids.number(id, f"{t.prefix}Feedback")


def give(t: ProductTypes, actor: Actor, input: Any, path: tuple[str | int, ...]) -> Given:
    """Store one feedback; a refusal names the input's path."""
    try:
        with transaction.atomic():
            label = getattr(input, t.label_name)
            return models.Feedback.objects.give(
                t.product,
                about(t, input.about),
                t.product.answer_of(label.value if t.product.labels else label, (t.label_name,)),
                actor.author_for(given(input.author)),
                given(input.observed_at),
                given(input.comment),
            )
    except ExemplarError as refusal:
        refusal.argument = (*map(str, path), *refusal.argument)
        raise


def about(t: ProductTypes, target: Any) -> About:
    prediction = given(target.prediction)
    return About(
        prediction=None
        if prediction is None
        else ids.digest(prediction, f"{t.prefix}Prediction", ("about", "prediction")),
        entity=given(target.entity),
        reference=given(target.reference),
    )


def one_of_many(t: ProductTypes, actor: Actor, input: Any, place: int) -> Any:
    try:
        return payload(t, give(t, actor, input, ("inputs", place)))
    except ExemplarError as refusal:
        return refusal


def payload(t: ProductTypes, done: Given) -> Any:
    feedback = done.feedback
    return t.FeedbackPayload(
        feedback=feedback,
        prediction=feedback.prediction,
        entity=feedback.entity_of(),
        created=done.created,
        feature_rows_changed=done.feature_rows_changed,
    )


def _editing(t: ProductTypes) -> Fields:
    t.make(
        strawberry.type,
        "EntityPayload",
        {
            "entity": (t.Entity, strawberry.field()),
            "created": (bool, strawberry.field()),
            "changed": (list[str], strawberry.field(description="The fields whose values are others now.")),
        },
        description="What became of a row.",
    )

    @mutation(
        description="A key that exists is refused (CONFLICT). Who may have to try again gives a key, or replaces."
    )
    def create(self: Any, row: t.EntityInput) -> t.EntityPayload | None:
        return edited(t, editing.create(t.product, *row_of(t, row)))

    @mutation(
        description="Make the row exactly this, whether it exists or not; with `version`, only if it is as read."
    )
    def replace(self: Any, row: t.EntityInput, version: str | None = UNSET) -> t.EntityPayload | None:
        return edited(t, editing.replace(t.product, *row_of(t, row), given(version)))

    @mutation(
        description="All rows or none, 10,000 at most. A row whose key exists is made so; what is left out of it "
        "becomes null, but a label that is left out stays as it is."
    )
    def upsert_many(self: Any, rows: list[t.EntityInput]) -> UpsertManyPayload | None:
        given = [editing.EditedRow(*row_of(t, row, ("rows", place), KEEP)) for place, row in enumerate(rows)]
        return editing.upsert_many(t.product, given)

    return {"create": create, "replace": replace, "patch": _patch(t), "upsert_many": upsert_many}


def _patch(t: ProductTypes) -> Any:
    """Its arguments depend on what the product has: a label or a value, a time."""

    def patch(
        self: Any,
        entity: str,
        features: Any = UNSET,
        version: str | None = UNSET,
        at: Any = UNSET,
        **told: Any,
    ) -> Any:
        label = told.get(t.label_name, UNSET)
        return edited(
            t,
            editing.patch(
                t.product,
                entity,
                {} if not features else values(features),
                KEEP if label is UNSET else value_of(t, label, (t.label_name,)),
                KEEP if at is UNSET else at,
                given(version),
            ),
        )

    optional: dict[str, Any] = {"features": t.FeaturesPatch}
    if t.product.learns_from_labels:
        optional[t.label_name] = t.label
    if t.product.join.at:
        optional["at"] = datetime
    optional["version"] = str
    named = partial(Parameter, kind=Parameter.POSITIONAL_OR_KEYWORD)
    parameters = [named("self"), named("entity", annotation=strawberry.ID)]
    parameters += [named(name, annotation=of | None, default=UNSET) for name, of in optional.items()]
    patch.__signature__ = Signature(parameters, return_annotation=t.EntityPayload | None)  # type: ignore[attr-defined]
    return mutation(description="Change what is given; with `version`, only if the row is as it was read.")(
        patch
    )


def value_of(t: ProductTypes, label: Any, path: tuple[str | int, ...]) -> Any:
    """A label as its column holds it. Raises BadInput, OutOfRange, NotFinite."""
    if label is UNSET or label is None:
        return None
    return t.product.label_of(t.product.answer_of(label.value if t.product.labels else label, path))


def row_of(
    t: ProductTypes, row: Any, path: tuple[str | int, ...] = ("row",), unlabelled: Any = None
) -> tuple[Any, ...]:
    """Key, features, label and time of a row that is written as a whole; `unlabelled` where no label was given."""
    label = getattr(row, t.label_name, UNSET)
    told = unlabelled if label is UNSET else value_of(t, label, (*path, t.label_name))
    return given(row.key), values(row.features), told, getattr(row, "at", None)


def edited(t: ProductTypes, done: editing.Edited) -> Any:
    changed = [names.field(t.label_name if name == "label" else name) for name in done.changed]
    return t.EntityPayload(entity=done.entity, created=done.created, changed=changed)
