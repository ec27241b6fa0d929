"""What every product's predictions, feedback and entities have: interfaces over all products."""

import datetime
from typing import Any

import strawberry

from store import models
from store.predictions.predictions import PredictionQuerySet
from store.products import catalogue, limits
from store.serving import prefetch

from ..core import ids
from ..core.enums import Direction, FeedbackStatus, PredictionOrderField
from .nodes import UNSET, Node, given, relation
from .products import DataProduct
from .registry import ModelVersion


@strawberry.interface(description="Whom or what an instance is about: the base row.")
class Entity(Node):
    @strawberry.field(description="The row's own key.")
    def key(self: Any) -> strawberry.ID:
        return strawberry.ID(self.key)

    product: DataProduct
    version: str = strawberry.field(description="Give it back with a change, so that nobody's is lost.")


@strawberry.interface(description="A stored answer, with the instance and the version that gave it.")
class Prediction(Node):
    reference: str | None
    answer: str
    confidence: float | None
    model: ModelVersion = relation("model")
    created_at: datetime.datetime
    updated_at: datetime.datetime
    times_asked: int

    @strawberry.field
    def product(self) -> DataProduct:
        return catalogue.get(self.product)

    @strawberry.field(description="Null where it is about no entity, or the entity's row is gone.")
    def entity(self: Any) -> Entity | None:
        return prefetch.prefetch_of(self).entity_of(self)

    @strawberry.field(description="All that was said about its subject, newest first.")
    def feedback(self: Any) -> list["Feedback"]:
        return prefetch.prefetch_of(self).feedback.get(self.subject, [])

    @strawberry.field(description="Whether people's latest words differ.")
    def disputed(self: Any) -> bool:
        truth = prefetch.prefetch_of(self).truths.get(self.subject)
        return bool(truth and truth.disputed)


@strawberry.interface(description="One word about what the label is.")
class Feedback(Node):
    answer: str
    author: str
    created_at: datetime.datetime
    observed_at: datetime.datetime | None

    @strawberry.field
    def product(self) -> DataProduct:
        return catalogue.get(self.product)

    @strawberry.field(
        description="Null where it was about the entity or the reference, or the prediction is gone."
    )
    def prediction(self: Any) -> Prediction | None:
        return self.prediction

    @strawberry.field
    def entity(self: Any) -> Entity | None:
        return models.Feedback.entity_of(self)

    @strawberry.field
    def status(self: Any) -> FeedbackStatus:
        return FeedbackStatus(models.Feedback.status_of(self))

    @strawberry.field
    def comment(self: Any) -> str | None:
        return self.comment or None


@strawberry.input(description="In which order predictions come.")
class PredictionOrder:
    field: PredictionOrderField
    direction: Direction = Direction.DESC


def columns_of(order: Any) -> tuple[str, ...]:
    """What predictions are ordered by."""
    if not order:
        return ("-created_at", "-pk")
    sign = order.direction.value
    return (f"{sign}{order.field.value}", f"{sign}pk")


def with_order(rows: PredictionQuerySet, order: Any) -> PredictionQuerySet:
    """Those that have a place in the order."""
    by_confidence = order and order.field is PredictionOrderField.CONFIDENCE
    return rows.filter(confidence__isnull=False) if by_confidence else rows


@strawberry.input(description="Every condition given must hold.")
class PredictionFilter:
    product: str
    entity: strawberry.ID | None = UNSET
    model: strawberry.ID | None = UNSET
    answer: str | None = UNSET
    labelled: bool | None = UNSET
    since: datetime.datetime | None = UNSET
    until: datetime.datetime | None = UNSET

    def rows(self, path: tuple[str, ...] = ("filter",)) -> PredictionQuerySet:
        """The predictions that it matches. Raises UnknownProduct, UnknownId, WrongKindOfId."""
        return models.Prediction.objects.matching(
            catalogue.get(self.product, (*path, "product")),
            entity=given(self.entity),
            model=version_number(given(self.model), path),
            answer=given(self.answer),
            labelled=given(self.labelled),
            since=given(self.since),
            until=given(self.until),
        )


def version_number(model: str | None, path: tuple[str, ...] = ("filter",)) -> int | None:
    """The number of the model version that a filter names. Raises UnknownId, WrongKindOfId."""
    return None if model is None else ids.number(model, "ModelVersion", (*path, "model"))


@strawberry.input(one_of=True, description="Predictions by their ids, 10,000 at most, or all that match.")
class PredictionSelection:
    ids: list[strawberry.ID] | None = UNSET
    filter: PredictionFilter | None = UNSET

    def rows(self) -> PredictionQuerySet:
        """The predictions selected; ids that are gone already select nothing.

        Raises UnknownId, WrongKindOfId, UnknownProduct, OutOfRange.
        """
        if self.filter:
            return self.filter.rows(("which", "filter"))
        named = self.ids or []
        limits.check_size(named, "which", "ids")
        return models.Prediction.objects.filter(pk__in=[_digest(*pair) for pair in enumerate(named)])


def _digest(place: int, id: str) -> str:
    return ids.digest(id, "*Prediction", ("which", "ids", place))
