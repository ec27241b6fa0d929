"""Mutations for screens over all products: predict and feedback, with features and answers as JSON."""

import datetime
from typing import Annotated

import strawberry
from strawberry.scalars import JSON

from store import models
from store.access import acting
from store.access.permissions import Permission
from store.entities.entities import Entity as EntityRow
from store.exceptions import BadInput
from store.products import catalogue
from store.products.product import DataProduct as DeclaredProduct
from store.serving import predict
from store.serving.predict import PredictionRequest

from .compiled import LOCAL
from .core import ids, names
from .core.context import Info
from .core.mutation import mutation
from .products.feedback_mutations import feedback_values, payload
from .products.inputs import FeedbackTarget, optional, required
from .products.json_inputs import read_answer, read_features
from .products.queries import champion
from .types.nodes import Edge, product_of, unset_to_none
from .types.prediction_interfaces import Entity, Feedback, Prediction, edge_of
from .types.problems import Problem
from .types.products import DataProduct


@strawberry.input(description="One item to predict, of any product.")
class PredictInput:
    product: str = required("The name of the product.")
    features: JSON = required(
        "The features to predict from: an object with the members of the product's own input type, as `features` of "
        "the product lists them."
    )
    entity: strawberry.ID | None = optional(
        "The primary key of the row that the prediction is about, if there is one."
    )
    reference: str | None = optional("The caller's own name for the subject if it has no row.")


@strawberry.type(description="The result of `predict`.")
class PredictPayload:
    @strawberry.field(
        graphql_type=Prediction | None, description="The stored prediction.", metadata={LOCAL: True}
    )
    def prediction(self: models.Prediction) -> models.Prediction:
        return self

    @strawberry.field(
        graphql_type=Edge[Prediction] | None,
        description="The prediction with its cursor in the product's `genericPredictions`, newest first: put it there.",
        metadata={LOCAL: True},
    )
    def prediction_edge(self: models.Prediction) -> Edge[models.Prediction]:
        return edge_of(self, "genericPredictions")

    @strawberry.field(graphql_type=DataProduct, description="The product.", metadata={LOCAL: True})
    def product(self: models.Prediction) -> DeclaredProduct:
        return product_of(self)


@strawberry.input(
    description="One statement about the right answer of a subject, of any product with labels."
)
class FeedbackInput:
    product: str = required("The name of the product.")
    about: FeedbackTarget = required("The subject of the feedback.")
    answer: JSON = required("The right answer: the name of one of the product's `labels`, or a number.")
    author: str | None = optional(
        "The name of another author to give feedback for, which needs the permission ADMINISTER unless the server is "
        "open. Leave it out to be the author."
    )
    observed_at: datetime.datetime | None = optional(
        "The time at which the answer was observed, if it differs from now."
    )
    comment: str | None = optional("A comment for people, at most 10,000 characters.")


@strawberry.type(description="The result of `feedback`.")
class FeedbackPayload:
    feedback: models.Feedback = strawberry.field(
        graphql_type=Feedback, description="The feedback, as it is stored."
    )
    prediction: models.Prediction | None = strawberry.field(
        graphql_type=Prediction | None,
        description="The prediction that it was given to; null if it was given to an entity or a reference.",
    )
    entity: EntityRow | None = strawberry.field(
        graphql_type=Entity | None,
        description="The row that it is about, with its label as it is now; null if it is about none.",
    )
    product: DeclaredProduct = strawberry.field(graphql_type=DataProduct, description="The product.")
    created: bool = strawberry.field(
        description="False if the author's latest feedback about the subject was the same, so that nothing was stored."
    )
    feature_rows_changed: int = strawberry.field(
        description="The number of rows of the feature tables that were changed."
    )
    not_written: Problem | None = strawberry.field(
        description="Why the label column was not written although the product writes labels: the feedback is stored "
        "and counts all the same. Null if it was written, and in a product that writes none."
    )


@strawberry.input(description="The feedback to retract, of any product.")
class FeedbackRetractInput:
    product: str = required("The name of the product.")
    feedback: strawberry.ID = required("The id of the feedback.")


@strawberry.type(description="The result of a retraction, of any product.")
class FeedbackRetractPayload(FeedbackPayload):
    pass


@strawberry.type
class GenericMutation:
    """Mutations that take the name of a product, and values as JSON."""

    @mutation(
        "Predict from features as JSON, and store the prediction, of any product: for screens that know no product's "
        "types. The checks and errors are those of the product's own mutation.",
        graphql_type=PredictPayload | None,
    )
    def predict(
        self,
        info: Info,
        input: Annotated[PredictInput, strawberry.argument(description="The item to predict.")],
    ) -> models.Prediction:
        product = permitted(input.product, Permission.PREDICT)
        features = read_features(info.schema._schema, product, input.features, ("features",))
        entity, reference = unset_to_none(input.entity), unset_to_none(input.reference)
        request = PredictionRequest(features, entity, reference)
        return predict.predict_one(champion(info, product), request)

    @mutation(
        "Store feedback about the right answer of a subject, of any product: for screens that know no product's types. "
        "The checks and errors are those of the product's own mutation."
    )
    def feedback(
        self,
        info: Info,
        input: Annotated[FeedbackInput, strawberry.argument(description="The feedback.")],
    ) -> FeedbackPayload | None:
        product = permitted(input.product, Permission.FEEDBACK)
        if not product.learns_from_labels:
            message = f"{product} learns without labels: it takes no feedback."
            raise BadInput(message, argument=("product",))

        def answer() -> str:
            return read_answer(info.schema._schema, product, input.answer, ("answer",))

        values = feedback_values(product, info.context.actor, input, answer)
        result = models.Feedback.objects.give(product, **values)
        return FeedbackPayload(product=product, **payload(result))

    @mutation(
        "Retract a feedback, of any product: it stays stored and no longer counts. Retracting it again changes nothing."
    )
    def feedback_retract(
        self,
        info: Info,
        input: Annotated[FeedbackRetractInput, strawberry.argument(description="The feedback to retract.")],
    ) -> FeedbackRetractPayload | None:
        product = permitted(input.product, Permission.FEEDBACK)
        number = ids.number(input.feedback, f"{names.prefix(product.name)}Feedback", ("feedback",))
        result = models.Feedback.objects.retract(product, number, info.context.actor)
        return FeedbackRetractPayload(product=product, **payload(result))


def permitted(name: str, permission: Permission) -> DeclaredProduct:
    """The product of this name, on which the caller has the permission. Raises UnknownProduct, Forbidden."""
    product = catalogue.get(name)
    acting.require(permission, product.name)
    return product
