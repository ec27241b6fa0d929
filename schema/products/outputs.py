"""What a product answers: predictions, entities and feedback, typed by its columns."""

from collections.abc import Sequence
from datetime import datetime
from operator import methodcaller
from typing import Any, NamedTuple

import strawberry

from store import models
from store.db import pagination
from store.entities.entities import Entity as Row
from store.exceptions import OutOfRange
from store.products.features import Feature
from store.products.product import DataProduct
from store.serving import prefetch

from ..compiled import COLUMN
from ..types.nodes import UNSET, Connection, connection
from ..types.prediction_interfaces import (
    Entity,
    Feedback,
    Prediction,
    PredictionOrder,
    columns_of,
    with_order,
)
from .type_factory import ProductTypes, described

Fields = dict[str, Any]

# Resolvers are annotated with the types that are just being made, which no static checker can follow.


def make_outputs(t: ProductTypes) -> None:
    t.make(
        strawberry.type,
        "Instance",
        {column.name: _feature(t, column) for column in t.product.columns},
        description="Features as served. All nullable, whatever the input asks today: old rows lack newer features "
        "and keep retired ones.",
    )
    entity = f"A row of {t.product} with its features, as the tables hold them now."
    t.make(strawberry.type, "Entity", _of_entity(t), (Entity,), description=entity)
    if t.product.learns_from_labels:
        feedback = f"One word about what a label of {t.product} is."
        t.make(strawberry.type, "Feedback", _of_feedback(t), (Feedback,), description=feedback)
    special = {"CLASSIFICATION": _of_class, "REGRESSION": _of_number, "CLUSTERING": _of_cluster}[
        t.product.task
    ](t)
    prediction = f"What {t.product} answered, about what, and by which version."
    t.make(strawberry.type, "Prediction", _of_prediction(t) | special, (Prediction,), description=prediction)


def _feature(t: ProductTypes, column: Feature) -> Any:
    """A field of instances, which are mappings by the columns' names."""
    show, read = t.shows[column.name], methodcaller("get", column.name)

    def feature(self: Any) -> t.annotation(column) | None:
        return show(read(self))

    shown = {COLUMN: lambda instances: list(map(show, map(read, instances)))}
    return strawberry.field(feature, description=described(column), metadata=shown)


def _of_product(product: DataProduct, t: ProductTypes) -> Fields:
    @strawberry.field
    def product_field(self: Any) -> t.lazy("Product"):
        return product

    return {"product": product_field}


def _of_entity(t: ProductTypes) -> Fields:
    @strawberry.field
    def features(self: Row) -> t.Instance:
        return self.features

    @strawberry.field
    def predictions(
        self: Row, first: int | None = 20, after: str | None = UNSET, order_by: PredictionOrder | None = UNSET
    ) -> Connection[t.lazy("Prediction")] | None:
        about = models.Prediction.objects.matching(t.product, entity=self.key)
        return prediction_page([about], order_by, first, after)

    fields = _of_product(t.product, t) | {"features": features, "predictions": predictions}
    if t.product.join.at:
        fields["at"] = (datetime | None, strawberry.field(description="When it happened."))
    return fields | (_labels_of_entity(t) if t.product.learns_from_labels else {})


def _labels_of_entity(t: ProductTypes) -> Fields:
    @strawberry.field(description="What the label's column says.")
    def label(self: Row) -> t.label | None:
        return label_of(t, t.product.stored_answer(self.label))

    @strawberry.field(description="What counts as its label.")
    def truth(self: Row) -> t.label | None:
        return label_of(t, prefetch.truth_of_entity(self))

    return {t.label_name: label, "truth": truth}


def _of_feedback(t: ProductTypes) -> Fields:
    @strawberry.field
    def prediction(self: Any) -> t.lazy("Prediction") | None:
        return self.prediction

    @strawberry.field
    def entity(self: models.Feedback) -> t.Entity | None:
        return models.Feedback.entity_of(self)

    @strawberry.field
    def label(self: models.Feedback) -> t.label:
        return label_of(t, self.answer)

    return _of_product(t.product, t) | {"prediction": prediction, "entity": entity, t.label_name: label}


def _of_prediction(t: ProductTypes) -> Fields:
    @strawberry.field
    def entity(self: models.Prediction) -> t.Entity | None:
        return prefetch.prefetch_of(self).entity_of(self)

    @strawberry.field
    def features(self: models.Prediction) -> t.Instance:
        return t.product.instance_restored(self.features)

    @strawberry.field(description="Other predictions about the same subject, newest first.")
    def others(
        self: models.Prediction, first: int | None = 20, after: str | None = UNSET
    ) -> Connection[t.lazy("Prediction")] | None:
        return prediction_page([models.Prediction.objects.others(self)], None, first, after)

    fields = _of_product(t.product, t) | {"entity": entity, "features": features, "others": others}
    return fields | (_labels_of_prediction(t) if t.product.learns_from_labels else {})


def _labels_of_prediction(t: ProductTypes) -> Fields:
    @strawberry.field(description="All that was said about its subject, newest first.")
    def feedback(self: models.Prediction) -> list[t.Feedback]:
        return prefetch.prefetch_of(self).feedback.get(self.subject, [])

    @strawberry.field(description="What counts as the label of its subject; null while nobody knows.")
    def truth(self: models.Prediction) -> t.label | None:
        return label_of(t, prefetch.prefetch_of(self).truth_of(self))

    return {"feedback": feedback, "truth": truth}


class Probability(NamedTuple):
    """How probable a label is."""

    label: Any
    probability: float


def _of_class(t: ProductTypes) -> Fields:
    t.make(
        strawberry.type,
        "Probability",
        {"label": (t.label, strawberry.field()), "probability": (float, strawberry.field())},
        description="How probable a label is.",
    )

    @strawberry.field
    def label(self: models.Prediction) -> t.label:
        return label_of(t, self.answer)

    @strawberry.field(description="Of each label that the version knows; they sum to 1.")
    def probabilities(self: models.Prediction) -> list[t.Probability]:
        told = self.output or {}
        return list(map(Probability, map(t.labels.get, told), told.values()))

    confidence = strawberry.field(description="The label's probability.")
    return {"label": label, "probabilities": probabilities, "confidence": (float, confidence)}


def _of_number(t: ProductTypes) -> Fields:
    column = t.product.join.label_column
    value = strawberry.field(description=described(column) if column else None)

    @strawberry.field(
        description="Where the truth lies with this probability; null where the version cannot tell."
    )
    def interval(self: models.Prediction, level: float = 0.9) -> Interval | None:
        return Interval.around(self, level)

    return {"value": (float, value), "interval": interval}


@strawberry.type(description="From errors on rows that the model's folds had not seen.")
class Interval:
    low: float
    high: float
    level: float
    coverage: float | None = strawberry.field(
        description="The share of truths that such intervals held where that was measured: "
        "at 0.5, 0.8, 0.9 and 0.95."
    )

    @classmethod
    def around(cls, prediction: models.Prediction, level: float) -> "Interval | None":
        """Raises OutOfRange."""
        if not 0 < level < 1:
            raise OutOfRange(f"A level lies between 0 and 1, not at {level:g}.", argument=("level",))
        told = prefetch.prefetch_of(prediction).intervals.get(prediction.model_id)
        if told is None:
            return None
        low, high = told.interval(prediction.value, level)
        return cls(low=low, high=high, level=level, coverage=told.coverage.get(f"{level:g}"))


@strawberry.type(description="How far an instance is from a cluster's centre, in standardised features.")
class ClusterDistance:
    cluster: int
    distance: float


def _of_cluster(t: ProductTypes) -> Fields:
    @strawberry.field(description="−1 is noise.")
    def cluster(self: models.Prediction) -> int:
        return int(self.answer)

    @strawberry.field
    def distances(self: models.Prediction) -> list[ClusterDistance]:
        return [ClusterDistance(cluster=cluster, distance=d) for cluster, d in enumerate(self.output or ())]

    return {"cluster": cluster, "distances": distances}


def label_of(t: ProductTypes, answer: str | None) -> Any:
    """A stored answer as the enum's member, or as a number; null where there is none."""
    if t.product.labels:
        return t.labels.get(answer)
    value = t.product.label_of(answer)
    return None if value is None else float(value)


def prediction_page(parts: Sequence[Any], order_by: Any, first: int | None, after: str | None) -> Any:
    """A page of the predictions of these querysets, which look around together."""
    found = [with_order(rows, order_by) for rows in parts]
    page = pagination.page_of(found, columns_of(order_by), first, after or None)
    prefetch.attach_prefetch(page.nodes)
    return connection(page)
