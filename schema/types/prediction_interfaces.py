"""Interfaces and filters of predictions, feedback and entities of all products."""

import datetime

import strawberry

from store import models
from store.entities.entities import Entity as EntityRow
from store.predictions.predictions import PredictionQuerySet
from store.products import catalogue, limits
from store.registry import served_choices
from store.serving import prefetch

from ..core import ids
from ..core.enums import Direction, FeedbackStatus, PredictionOrderField
from .nodes import UNSET, Node, product_field, relation, unset_to_none
from .products import DataProduct
from .registry import ModelVersion


@strawberry.interface(
    description="A row of a product's base table, which predictions and feedback can be about."
)
class Entity(Node):
    @strawberry.field(description="The row's primary key, as text.")
    def key(self: EntityRow) -> strawberry.ID:
        return strawberry.ID(self.key)

    product: DataProduct = strawberry.field(description="The data product it belongs to.")
    version: str = strawberry.field(
        description="A hash of the row: pass it to the mutation that changes the row, so that another client's change "
        "in between is refused with STALE_VERSION and not overwritten."
    )


@strawberry.interface(
    description="A stored prediction: what was asked, what was answered, and by which model version."
)
class Prediction(Node):
    reference: str | None = strawberry.field(
        description="The caller's own name for the subject, such as an order number; null if none was given."
    )
    answer: str = strawberry.field(
        description="The predicted label, number or cluster, as text. The product's own type has it typed."
    )
    confidence: float | None = strawberry.field(
        description="The probability of the predicted label, 0 to 1; null unless the task is CLASSIFICATION."
    )
    model: ModelVersion = relation("model", "The model version that predicted.", local=True)
    created_at: datetime.datetime = strawberry.field(description="The time of the first request.")
    updated_at: datetime.datetime = strawberry.field(description="The time of the latest request.")
    times_asked: int = strawberry.field(
        description="The number of requests with the same features, about the same subject, to the same version."
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


@strawberry.interface(description="One author's statement about the right label of a subject.")
class Feedback(Node):
    answer: str = strawberry.field(
        description="The label or number that the author gave, as text. The product's own type has it typed."
    )
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
        return self.prediction

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


@strawberry.input(description="The order of predictions.")
class PredictionOrder:
    field: PredictionOrderField = strawberry.field(description="The field to order by.")
    direction: Direction = strawberry.field(default=Direction.DESC, description="The direction of the order.")


def order_columns(order: PredictionOrder | None) -> tuple[str, ...]:
    """The columns that predictions are ordered by, none ever null, the last of them unique; newest first by default."""
    if not order:
        return ("-created_at", "-pk")
    sign = order.direction.value
    return (f"{sign}{order.field.value}", f"{sign}pk")


def with_order(rows: PredictionQuerySet, order: PredictionOrder | None) -> PredictionQuerySet:
    """The predictions with the column to order by: all of them, those without a value last."""
    if order and order.field is PredictionOrderField.CONFIDENCE:
        return rows.with_known_confidence(ascending=order.direction is Direction.ASC)
    return rows


@strawberry.input(description="Conditions on predictions; all that are given must hold.")
class PredictionFilter:
    product: str = strawberry.field(description="The name of the product.")
    entity: strawberry.ID | None = strawberry.field(
        default=UNSET, description="Only predictions about the row with this primary key."
    )
    model: strawberry.ID | None = strawberry.field(
        default=UNSET, description="Only predictions of the model version with this id."
    )
    answer: str | None = strawberry.field(
        default=UNSET,
        description="Only predictions with this answer: a label's name in the enum or its value, a number, or the "
        "number of a cluster.",
    )
    labelled: bool | None = strawberry.field(
        default=UNSET,
        description="True: only predictions whose subject has feedback with a majority label. False: only the others.",
    )
    since: datetime.datetime | None = strawberry.field(
        default=UNSET, description="Only predictions created at this time or later."
    )
    until: datetime.datetime | None = strawberry.field(
        default=UNSET, description="Only predictions created before this time."
    )

    def rows(self, path: tuple[str, ...] = ("filter",)) -> PredictionQuerySet:
        """The predictions that match. Raises UnknownProduct, UnknownId, WrongKindOfId, BadInput."""
        product = catalogue.get(self.product, (*path, "product"))
        return models.Prediction.objects.matching(
            product,
            entity=unset_to_none(self.entity),
            model=version_number(unset_to_none(self.model), path),
            answer=served_choices.find_answer(product, unset_to_none(self.answer), (*path, "answer")),
            labelled=unset_to_none(self.labelled),
            since=unset_to_none(self.since),
            until=unset_to_none(self.until),
        )


def version_number(model: str | None, path: tuple[str, ...] = ("filter",)) -> int | None:
    """The number of the model version that a filter names. Raises UnknownId, WrongKindOfId."""
    return None if model is None else ids.number(model, "ModelVersion", (*path, "model"))


@strawberry.input(one_of=True, description="A selection of predictions: by id or by filter.")
class PredictionSelection:
    ids: list[strawberry.ID] | None = strawberry.field(
        default=UNSET,
        description="The predictions' ids, at most 10,000. Ids of deleted predictions are ignored.",
    )
    filter: PredictionFilter | None = strawberry.field(
        default=UNSET, description="All predictions that match this filter."
    )

    def rows(self) -> PredictionQuerySet:
        """The selected predictions. Raises UnknownId, WrongKindOfId, UnknownProduct, OutOfRange."""
        if self.filter:
            return self.filter.rows(("which", "filter"))
        wanted = self.ids or []
        limits.check_size(wanted, "which", "ids")
        return models.Prediction.objects.filter(pk__in=[_digest(*pair) for pair in enumerate(wanted)])


def _digest(place: int, id: str) -> str:
    return ids.digest(id, "*Prediction", ("which", "ids", place))
