"""Mutations of a product that give feedback, and take it back."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import strawberry
from django.db import transaction

from learning.exceptions import ExemplarError
from store import models
from store.access.actors import Actor
from store.exceptions import Faults
from store.predictions import many_feedbacks
from store.predictions.feedback import About, FeedbackResult, checked_comment
from store.products import limits
from store.products.product import DataProduct

from ..core import ids, names
from ..core.context import Info
from ..core.errors import ErrorCode
from ..core.mutation import locate_in_input, mutation
from ..types.nodes import unset_to_none
from ..types.problems import Problem
from .outputs import Fields, prediction_list
from .payloads import product_field
from .type_factory import ProductTypes, list_of


def make(t: ProductTypes) -> Fields:
    """Build the fields and their payloads."""
    t.make(strawberry.type, "FeedbackPayload", _payload_fields(t), "The result of a feedback.")
    t.make(strawberry.type, "FeedbackRetractPayload", _payload_fields(t), "The result of a retraction.")
    results = strawberry.field(
        description="The results, one for each feedback; null for one that was refused."
    )
    t.make(
        strawberry.type,
        "FeedbackManyPayload",
        {"results": (list_of(t.FeedbackPayload | None), results), "product": product_field(t)},
        "The results of many feedbacks.",
    )
    return {"feedback": _feedback(t), "feedback_many": _many(t), "feedback_retract": _retract(t)}


def _payload_fields(t: ProductTypes) -> Fields:
    @strawberry.field(
        graphql_type=list_of(t.Prediction) | None,
        description="The newest predictions about its subject, at most 20, with the truth as it is now.",
    )
    def predictions(self: Any) -> list[models.Prediction]:
        subject = models.Prediction.objects.about_subject(t.product, self.feedback.subject)
        return prediction_list(subject)

    return {
        "feedback": (t.Feedback, strawberry.field(description="The feedback, as it is stored.")),
        "prediction": (
            t.Prediction | None,
            strawberry.field(
                description="The prediction that it was given to; null if it was given to an entity or a reference."
            ),
        ),
        "predictions": predictions,
        "entity": (
            t.Entity | None,
            strawberry.field(
                description="The row that it is about, with its label as it is now; null if it is about none."
            ),
        ),
        "product": product_field(t),
        "created": (
            bool,
            strawberry.field(
                description="False if the author's latest feedback about the subject was the same, so that nothing was "
                "stored."
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
                "database refuses it: the feedback is stored and counts all the same. Null if it was written, and in a "
                "product that writes none."
            ),
        ),
    }


def _feedback(t: ProductTypes) -> object:
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
        return t.FeedbackPayload(**payload(give(t, info.context.actor, input)))

    return feedback


def _many(t: ProductTypes) -> object:
    @mutation(
        "Store many feedbacks. `results` has one place for each, in order; null for one that was refused, with an "
        "error whose path ends in its index. The others are stored.",
        graphql_type=t.FeedbackManyPayload | None,
    )
    def feedback_many(
        self: object,
        info: Info,
        input: Annotated[
            Any, strawberry.argument(graphql_type=t.FeedbackManyInput, description="The feedbacks.")
        ],
    ) -> object:
        limits.check_size(input.inputs, "inputs")
        actor = info.context.actor
        return t.FeedbackManyPayload(results=give_or_refuse(t, actor, input.inputs))

    return feedback_many


def _retract(t: ProductTypes) -> object:
    @mutation(
        "Retract a feedback: it stays stored and no longer counts. Retracting it again changes nothing.",
        graphql_type=t.FeedbackRetractPayload | None,
    )
    def feedback_retract(
        self: object,
        info: Info,
        input: Annotated[
            Any,
            strawberry.argument(graphql_type=t.FeedbackRetractInput, description="The feedback to retract."),
        ],
    ) -> object:
        number = ids.number(input.feedback, f"{t.prefix}Feedback", ("feedback",))
        result = models.Feedback.objects.retract(t.product, number, info.context.actor)
        return t.FeedbackRetractPayload(**payload(result))

    return feedback_retract


def give(t: ProductTypes, actor: Actor, input: Any) -> FeedbackResult:
    """Store one `FeedbackInput`."""
    with transaction.atomic():
        return models.Feedback.objects.give(t.product, **read_values(t, actor, input))


def read_values(t: ProductTypes, actor: Actor, input: Any) -> dict[str, Any]:
    """Read the values of a `FeedbackInput` of the product. Raises all of its faults at once."""
    label = getattr(input, t.label_name)

    def answer() -> str:
        return t.product.answer_of(label.value if t.product.labels else label, (t.label_name,))

    return feedback_values(t.product, actor, input, answer)


def give_or_refuse(t: ProductTypes, actor: Actor, inputs: Sequence[object]) -> list[object]:
    """The payloads of many feedbacks; in place of one that is refused, the error that GraphQL reports there."""
    results: dict[int, object] = {}
    values: dict[int, dict[str, Any]] = {}
    for place, input in enumerate(inputs):
        try:
            values[place] = read_values(t, actor, input)
        except ExemplarError as refusal:
            results[place] = refusal
    results |= zip(values, many_feedbacks.give(t.product, list(values.values())), strict=True)
    return [_payload_or_refusal(t, place, results[place]) for place in range(len(inputs))]


def _payload_or_refusal(t: ProductTypes, place: int, result: object) -> object:
    try:
        if isinstance(result, ExemplarError):
            raise result
        assert isinstance(result, FeedbackResult)
        return t.FeedbackPayload(**payload(result))
    except ExemplarError as refusal:
        refusal.locate(("inputs", place))
        locate_in_input(refusal)
        return refusal


def feedback_values(
    product: DataProduct, actor: Actor, input: Any, read_answer: Callable[[], str]
) -> dict[str, Any]:
    """The values of a `FeedbackInput`, of one product or of any. Raises all of its faults at once.

    Args:
        read_answer: reads the label, which each of the inputs has in a form of its own.
    """
    faults, values = Faults(), dict[str, Any](observed_at=unset_to_none(input.observed_at))
    with faults.collect():
        values["about"] = about(names.prefix(product.name), input.about)
    with faults.collect():
        values["answer"] = read_answer()
    with faults.collect():
        values["author"] = actor.author_for(unset_to_none(input.author), product.name)
    with faults.collect():
        values["comment"] = checked_comment(unset_to_none(input.comment))
    faults.check()
    return values


def about(prefix: str, target: Any) -> About:
    """The subject of a `FeedbackTarget`, of the product of these types. Raises UnknownId, WrongKindOfId."""
    prediction = unset_to_none(target.prediction)
    return About(
        prediction=None
        if prediction is None
        else ids.digest(prediction, f"{prefix}Prediction", ("about", "prediction")),
        entity=unset_to_none(target.entity),
        reference=unset_to_none(target.reference),
    )


def payload(result: FeedbackResult) -> dict[str, Any]:
    """The values of the payload of a stored feedback, by field."""
    feedback, refusal = result.feedback, result.not_written
    return {
        "feedback": feedback,
        "prediction": feedback.prediction,
        "entity": feedback.entity_of(),
        "created": result.created,
        "feature_rows_changed": result.feature_rows_changed,
        "not_written": refusal and Problem(code=ErrorCode.NOT_WRITABLE, message=refusal.message),
    }


def _describe_writing(product: DataProduct) -> str:
    """Say what becomes of feedback."""
    if product.writes_labels:
        return "The label that counts then is written to the label column, and the next build learns from it."
    return "The next build learns from the label that counts then; the label column is not written."
