"""Interfaces and filters of predictions, feedback and entities of all products."""

import datetime
from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any

import strawberry
from strawberry.scalars import JSON

from store import models
from store.db import pagination
from store.db.pagination import Page, PageRequest
from store.entities.entities import Entity as EntityRow
from store.predictions.predictions import PredictionQuerySet
from store.products.product import DataProduct as DeclaredProduct
from store.serving import prefetch

from ..compiled import LOCAL
from ..core import ids, names
from ..core.enums import Direction, EntityOrderField, FeedbackStatus, PredictionOrderField
from .answers import AnswerFields, WouldBeFields
from .list_filters import FeedbackOrder, columns_of, select
from .nodes import Edge, Node, list_field, product_field, product_of, relation
from .products import DataProduct
from .registry import ModelVersion
from .values import Cell, FeatureValue, answer_as_json, answer_text, cells_of


@strawberry.interface(
    description="A row of a product's base table, which predictions and feedback can be about."
)
class Entity(Node):
    @strawberry.field(description="The row's primary key, as text.")
    def key(self: EntityRow) -> strawberry.ID:
        return strawberry.ID(self.key)

    product: DataProduct = strawberry.field(description="The data product it belongs to.")

    @strawberry.field(
        graphql_type=list[FeatureValue],
        description="The row's features in declared order, in the same form for all products. The product's own type "
        "has them typed.",
    )
    def feature_values(self: EntityRow) -> list[Cell]:
        return cells_of(self.product, self.features)

    @strawberry.field(
        description="The value of the label column as people read it; null if it has none, or there is no such column."
    )
    def label_text(self: EntityRow) -> str | None:
        product = self.product
        return answer_text(product, product.stored_answer(self.label)) if product.learns_from_labels else None

    @strawberry.field(
        description="The label that counts as people read it: what feedback says, else the label column. Null if "
        "neither has one."
    )
    def truth_text(self: EntityRow) -> str | None:
        product = self.product
        return answer_text(product, prefetch.truth_of_entity(self)) if product.learns_from_labels else None

    version: str = strawberry.field(
        description="A hash of the row: pass it to the mutation that changes the row, so that another client's change "
        "in between is refused with STALE_VERSION and not overwritten."
    )


@strawberry.interface(
    description="A stored prediction: what was asked, what was answered, and by which model version."
)
class Prediction(AnswerFields, WouldBeFields, Node):
    reference: str | None = strawberry.field(
        description="The caller's own name for the subject, such as an order number; null if none was given."
    )
    answer: str = strawberry.field(
        description="The predicted label, number or cluster, as text. The product's own type has it typed."
    )

    @strawberry.field(
        description="The answer as people read it: the title of a label, a number with its unit.",
        metadata={LOCAL: True},
    )
    def answer_text(self: models.Prediction) -> str:
        return answer_text(product_of(self), self.answer) or self.answer

    @strawberry.field(
        graphql_type=JSON | None,
        description="The answer as `feedback` takes it, to say that it is right: a label's name in the enum, a number. "
        "Null if the product can no longer answer so.",
        metadata={LOCAL: True},
    )
    def answer_value(self: models.Prediction) -> Any:
        return answer_as_json(product_of(self), self.answer)

    confidence: float | None = strawberry.field(
        description="The probability of the predicted label, 0 to 1; null unless the task is CLASSIFICATION."
    )

    @strawberry.field(
        graphql_type=list[FeatureValue],
        description="The features that were predicted from, as they were then, in declared order and in the same form "
        "for all products. The product's own type has them typed.",
        metadata={LOCAL: True},
    )
    def feature_values(self: models.Prediction) -> list[Cell]:
        product = product_of(self)
        return cells_of(product, product.restore_instance(self.features))

    @strawberry.field(
        description="The label of its subject that counts, as people read it: what feedback says, else the label "
        "column. Null if neither has one."
    )
    def truth_text(self: models.Prediction) -> str | None:
        product = product_of(self)
        if not product.learns_from_labels:
            return None
        return answer_text(product, prefetch.prefetch_of(self).truth_of(self))

    model: ModelVersion = relation("model", "The model version that predicted.", local=True)
    created_at: datetime.datetime = strawberry.field(description="The time of the first request.")
    updated_at: datetime.datetime = strawberry.field(description="The time of the latest request.")
    times_asked: int = strawberry.field(
        description="The number of requests with the same features, about the same subject, to the same version; 0 if "
        "it was not served."
    )
    served: bool = strawberry.field(
        description="True if somebody was answered with it; false if its version made it in a shadow, beside what was "
        "served, and was not asked for it since. Lists and counts leave out what was not served."
    )
    product: DataProduct = product_field()

    @strawberry.field(
        graphql_type=Entity | None,
        description="The row that it is about; null if it is about none, or the row was deleted.",
    )
    def entity(self: models.Prediction) -> EntityRow | None:
        return prefetch.prefetch_of(self).entity_of(self)

    @strawberry.field(
        graphql_type=list["Feedback"], description="All feedback about its subject, newest first."
    )
    def feedback(self: models.Prediction) -> list[models.Feedback]:
        return prefetch.prefetch_of(self).feedback.get(self.subject, [])

    @strawberry.field(
        description="True if the authors of feedback about its subject disagree about the label."
    )
    def disputed(self: models.Prediction) -> bool:
        truth = prefetch.prefetch_of(self).truths.get(self.subject)
        return bool(truth and truth.disputed)

    @list_field(
        Annotated["Prediction", strawberry.lazy("schema.types.prediction_interfaces")],
        description="Other predictions about the same subject, newest first, in one form for all products: those of "
        "`others` of the product's own type.",
    )
    def generic_others(self: models.Prediction, page: PageRequest) -> Page[models.Prediction]:
        others = pagination.page(models.Prediction.objects.others(self), NEWEST_FIRST, page)
        prefetch.attach_prefetch(others.nodes)
        return others


@strawberry.interface(description="One author's statement about the right label of a subject.")
class Feedback(Node):
    answer: str = strawberry.field(
        description="The label or number that the author gave, as text. The product's own type has it typed."
    )

    @strawberry.field(
        description="The answer as people read it: the title of a label, a number with its unit."
    )
    def answer_text(self: models.Feedback) -> str:
        return answer_text(product_of(self), self.answer) or self.answer or ""

    author: str = strawberry.field(
        description="The author's name; `TABLE` for the value that the label column had before any feedback."
    )
    created_at: datetime.datetime = strawberry.field(description="The time at which it was stored.")
    observed_at: datetime.datetime | None = strawberry.field(
        description="The time at which the label was observed; null if the author gave none."
    )
    product: DataProduct = product_field()

    @strawberry.field(
        graphql_type=Prediction | None,
        description="The prediction that it was given to; null if it was given to an entity or a reference, or the "
        "prediction was deleted.",
    )
    def prediction(self: models.Feedback) -> models.Prediction | None:
        return prediction_of(self)

    @strawberry.field(
        graphql_type=Entity | None,
        description="The row that it is about; null if it is about none, or the row was deleted.",
    )
    def entity(self: models.Feedback) -> EntityRow | None:
        return models.Feedback.entity_of(self)

    @strawberry.field(description="The validity of the feedback.")
    def status(self: models.Feedback) -> FeedbackStatus:
        return FeedbackStatus(models.Feedback.status_of(self))

    @strawberry.field(description="The author's comment; null if there is none.")
    def comment(self: models.Feedback) -> str | None:
        return self.comment or None


def prediction_of(feedback: models.Feedback) -> models.Prediction | None:
    """The prediction that feedback was given to; those of a page share one prefetch."""

    def find(rows: Sequence[models.Feedback]) -> dict[int, models.Prediction]:
        by_feedback = models.Feedback.objects.predictions_of(rows)
        prefetch.attach_prefetch(list(by_feedback.values()))
        return by_feedback

    return pagination.lookup_for_page(feedback, "prediction", find)


def feedback_page(
    products: Sequence[DeclaredProduct], filter: object, order: FeedbackOrder | None, page: PageRequest
) -> Page[models.Feedback]:
    """A page of the feedback on products, newest first without an order."""
    rows = [select(models.Feedback.objects.listed(product), filter) for product in products]
    return pagination.page_of(rows, columns_of(order, NEWEST_FIRST), page)


@strawberry.input(description="The order of predictions.")
class PredictionOrder:
    field: PredictionOrderField = strawberry.field(description="The field to order by.")
    direction: Direction = strawberry.field(default=Direction.DESC, description="The direction of the order.")


@strawberry.input(description="The order of the rows of a product.")
class EntityOrder:
    field: EntityOrderField = strawberry.field(
        default=EntityOrderField.KEY, description="The field to order by."
    )
    direction: Direction = strawberry.field(default=Direction.ASC, description="The direction of the order.")


#: The order of predictions in a list that asks for none.
NEWEST_FIRST = ("-created_at", "-pk")


def order_columns(order: PredictionOrder | None) -> tuple[str, ...]:
    """The columns that predictions are ordered by, none ever null, the last of them unique; newest first by default."""
    if not order:
        return NEWEST_FIRST
    sign = order.direction.value
    return (f"{sign}{order.field.value}", f"{sign}pk")


def edge_of(prediction: models.Prediction, field: str = "predictions") -> Edge[models.Prediction]:
    """The edge of a prediction in this list of all predictions of its product, newest first."""
    return Edge(page=unread_list(prediction.product, field, NEWEST_FIRST), node=prediction)


def edge_of_entity(entity: EntityRow) -> Edge[EntityRow]:
    """The edge of an entity in the list of all, by their keys."""
    return Edge(page=unread_list(entity.product.name, "entities", ("pk",)), node=entity)


@cache
def unread_list(product: str, field: str, order: tuple[str, ...]) -> Page[Any]:
    """A list of a product's object, of which nothing was read."""
    type_ = names.prefix(product) + "Product"
    return pagination.unread(order, ids.list_name(type_, field, ids.encode(type_, product)))


def with_order(rows: PredictionQuerySet, order: PredictionOrder | None) -> PredictionQuerySet:
    """The predictions that have a value to order by."""
    if order and order.field in (PredictionOrderField.CONFIDENCE, PredictionOrderField.VALUE):
        return rows.filter(**{f"{order.field.value}__isnull": False})
    return rows
