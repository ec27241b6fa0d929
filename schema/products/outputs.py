"""Outputs of a product: predictions, entities and feedback, typed by its columns."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from operator import methodcaller
from typing import Annotated, NamedTuple, TypeAlias

import strawberry

from learning.problem import Classification, Clustering, Problem, Regression, problem_type
from store import models
from store.access.actors import ANONYMOUS, Actor
from store.access.permissions import Permission
from store.db import pagination
from store.db.pagination import Page, PageRequest
from store.entities.entities import Entity as EntityRow
from store.predictions.predictions import PredictionQuerySet
from store.products.columns import TypedColumn
from store.products.features import Feature
from store.products.product import DataProduct
from store.registry.retired_features import note_use
from store.serving import prefetch

from ..compiled import COLUMN, LOCAL
from ..core import names
from ..types import values
from ..types.answers import USUAL_LEVEL, ClusterDistance, Interval, Level, OfVersion, would_be_of
from ..types.nodes import UNSET, list_field, relation
from ..types.prediction_interfaces import (
    Entity,
    Feedback,
    Prediction,
    PredictionOrder,
    order_columns,
    prediction_of,
    with_order,
)
from ..types.registry import ModelVersion
from .type_factory import RETIRED_VALUE, ProductTypes, describe_column, list_of

#: A label as GraphQL has it: a member of the label's enum, or a number.
Label: TypeAlias = Enum | float | None

#: Resolvers, or pairs of an annotation and a `strawberry.field(…)`, by name.
Fields: TypeAlias = dict[str, object]

Order = Annotated[
    PredictionOrder | None, strawberry.argument(description="The order. Leave it out for newest first.")
]


def make_outputs(t: ProductTypes) -> None:
    """Build the output types."""
    t.make(
        strawberry.type,
        "Instance",
        {column.name: _feature(t, column) for column in t.product.columns}
        | {column.name: _retired_feature(t, column) for column in t.product.retired},
        "The features of a row or a stored prediction. All are nullable, whatever the input requires: older "
        "predictions lack features that were added later.",
    )
    t.make(
        strawberry.type,
        "Entity",
        _entity_fields(t),
        f"A row of {t.product} with its features, as the tables have them now.",
        (Entity,),
    )
    if t.product.learns_from_labels:
        t.make(
            strawberry.type,
            "Feedback",
            _feedback_fields(t),
            f"One author's statement about the right label of a subject of {t.product}.",
            (Feedback,),
        )
    if problem_type(t.product.task) is Classification:
        _make_probability(t)
    t.make(
        strawberry.type,
        "WouldBe",
        _would_be_fields(t),
        f"What a version of {t.product} would answer to the features of a stored prediction.",
    )
    t.make(
        strawberry.type,
        "Prediction",
        _prediction_fields(t) | _would_be_field(t) | ANSWER_FIELDS[problem_type(t.product.task)](t),
        f"A stored prediction of {t.product}: what was asked, what was answered, and by which model version.",
        (Prediction,),
    )


def _feature(t: ProductTypes, column: Feature) -> object:
    """Build a field of instances, which are mappings by the columns' names."""
    convert, read = t.converters[column.name], methodcaller("get", column.name)

    def feature(self: object) -> object:
        return convert(read(self))

    def features(instances: Sequence[object]) -> list[object]:
        return list(map(convert, map(read, instances)))

    return strawberry.field(
        feature,
        graphql_type=t.annotation(column) | None,
        description=describe_column(column) + _describe_computation(column),
        metadata={COLUMN: features, LOCAL: True},
    )


def _retired_feature(t: ProductTypes, column: TypedColumn) -> object:
    """Build the field of a retired feature, which older predictions have; each use of it is noted."""
    convert, read = t.converters[column.name], methodcaller("get", column.name)

    def feature(self: object) -> object:
        note_use(t.product.name, column.name)
        return convert(read(self))

    def features(instances: Sequence[object]) -> list[object]:
        note_use(t.product.name, column.name)
        return list(map(convert, map(read, instances)))

    return strawberry.field(
        feature,
        graphql_type=t.annotation(column) | None,
        description=describe_column(column),
        deprecation_reason=RETIRED_VALUE,
        metadata={COLUMN: features, LOCAL: True},
    )


def _describe_computation(column: Feature) -> str:
    if column.computation is None:
        return ""
    return f" Computed from {', '.join(f'`{names.field(name)}`' for name in column.computation.inputs)}."


def _product_field(t: ProductTypes) -> Fields:
    product = t.product

    @strawberry.field(graphql_type=t.lazy("Product"), description="The data product it belongs to.")
    def product_field(self: object) -> DataProduct:
        return product

    return {"product": product_field}


def _entity_fields(t: ProductTypes) -> Fields:
    @strawberry.field(graphql_type=t.Instance, description="The row's features.")
    def features(self: EntityRow) -> Mapping[str, object]:
        return self.features

    @list_field(t.lazy("Prediction"), description="The stored predictions about the row, newest first.")
    def predictions(self: EntityRow, page: PageRequest, order_by: Order = UNSET) -> Page[models.Prediction]:
        rows = models.Prediction.objects.matching(t.product, entity={"eq": self.key})
        return prediction_page([rows], order_by, page)

    fields = _product_field(t) | {"features": features, "predictions": predictions}
    if t.product.join.at:
        fields["at"] = (
            datetime | None,
            strawberry.field(
                description="The time of the event that the row describes; null if it is unknown."
            ),
        )
    return fields | (_entity_labels(t) if t.product.learns_from_labels else {})


def _entity_labels(t: ProductTypes) -> Fields:
    @strawberry.field(
        graphql_type=t.label | None, description="The value of the label column; null if it has none."
    )
    def label(self: EntityRow) -> Label:
        return label_of(t, t.product.stored_answer(self.label))

    @strawberry.field(
        graphql_type=t.label | None,
        description="The label that counts: what feedback says, else the label column; null if neither has one.",
    )
    def truth(self: EntityRow) -> Label:
        return label_of(t, prefetch.truth_of_entity(self))

    return {t.label_name: label, "truth": truth}


def _feedback_fields(t: ProductTypes) -> Fields:
    @strawberry.field(
        graphql_type=t.lazy("Prediction") | None,
        description="The prediction that it was given to; null if it was given to an entity or a reference, or the "
        "prediction was deleted.",
    )
    def prediction(self: models.Feedback) -> models.Prediction | None:
        return prediction_of(self)

    @strawberry.field(
        graphql_type=t.Entity | None,
        description="The row that it is about; null if it is about none, or the row was deleted.",
    )
    def entity(self: models.Feedback) -> EntityRow | None:
        return models.Feedback.entity_of(self)

    @strawberry.field(
        graphql_type=t.stored_label,
        description=f"The right label, according to the author.{_unnamed(t)}",
    )
    def label(self: models.Feedback) -> Label:
        return label_of(t, self.answer)

    return _product_field(t) | {"prediction": prediction, "entity": entity, t.label_name: label}


def _prediction_fields(t: ProductTypes) -> Fields:
    @strawberry.field(
        graphql_type=t.Entity | None,
        description="The row that it is about; null if it is about none, or the row was deleted.",
    )
    def entity(self: models.Prediction) -> EntityRow | None:
        return prefetch.prefetch_of(self).entity_of(self)

    @strawberry.field(
        graphql_type=t.Instance,
        description="The features that were predicted from, as they were then.",
        metadata={LOCAL: True},
    )
    def features(self: models.Prediction) -> Mapping[str, object]:
        return t.product.restore_instance(self.features)

    @list_field(t.lazy("Prediction"), description="Other predictions about the same subject, newest first.")
    def others(self: models.Prediction, page: PageRequest) -> Page[models.Prediction]:
        return prediction_page([models.Prediction.objects.others(self)], None, page)

    fields = _product_field(t) | {"entity": entity, "features": features, "others": others}
    return fields | (_prediction_labels(t) if t.product.learns_from_labels else {})


def _would_be_field(t: ProductTypes) -> Fields:
    @strawberry.field(
        graphql_type=t.WouldBe | None,
        description="What another version would answer to the same features, as they were then. It is computed when it "
        "is selected, and not stored. Null if the stored features lack one that the version needs, or it has no finite "
        "answer.",
    )
    def would_be(self: models.Prediction, model: OfVersion = UNSET) -> models.Prediction | None:
        return would_be_of(self, model)

    return {"would_be": would_be}


def _would_be_fields(t: ProductTypes) -> Fields:
    @strawberry.field(
        description="The answer as people read it: the title of a label, a number with its unit."
    )
    def answer_text(self: models.Prediction) -> str:
        return values.answer_text(t.product, self.answer) or self.answer

    fields: Fields = {
        "model": (ModelVersion, relation("model", "The version that would answer so.")),
        "answer": (
            str,
            strawberry.field(description="The predicted label, number or cluster, as text."),
        ),
        "answer_text": answer_text,
    }
    return fields | ANSWER_FIELDS[problem_type(t.product.task)](t)


def _prediction_labels(t: ProductTypes) -> Fields:
    @strawberry.field(
        graphql_type=list_of(t.Feedback),
        description="All feedback about its subject, newest first.",
    )
    def feedback(self: models.Prediction) -> list[models.Feedback]:
        return prefetch.prefetch_of(self).feedback.get(self.subject, [])

    @strawberry.field(
        graphql_type=t.label | None,
        description="The label of its subject that counts: what feedback says, else the label column; null if "
        "neither has one.",
    )
    def truth(self: models.Prediction) -> Label:
        return label_of(t, prefetch.prefetch_of(self).truth_of(self))

    return {"feedback": feedback, "truth": truth}


#: When an answer is null.
OTHER_TASK = " Null if the product had another task then; `answer` is the text."


def _unnamed(t: ProductTypes) -> str:
    """Describe when a stored label is null."""
    return " Null if the enum has never had it; `answer` is its text." if t.product.labels else OTHER_TASK


class Probability(NamedTuple):
    """The probability of one label."""

    label: Enum | None
    probability: float


def _make_probability(t: ProductTypes) -> None:
    t.make(
        strawberry.type,
        "Probability",
        {
            "label": (
                t.stored_label,
                strawberry.field(description="The label. Null if the enum has never had it."),
            ),
            "probability": (float, strawberry.field(description="Its probability, 0 to 1.")),
        },
        "The probability of one label.",
    )


def _class_fields(t: ProductTypes) -> Fields:
    labels = t.labels

    @strawberry.field(
        graphql_type=t.stored_label,
        description=f"The predicted label: the most probable one.{_unnamed(t)}",
        metadata={LOCAL: True},
    )
    def label(self: models.Prediction) -> Label:
        return labels.get(self.answer)

    @strawberry.field(
        graphql_type=list_of(t.Probability),
        description="The probability of each label that the model version can predict; they sum to 1.",
        metadata={LOCAL: True},
    )
    def probabilities(self: models.Prediction) -> list[Probability]:
        output = self.output if isinstance(self.output, dict) else {}
        return list(map(Probability, map(labels.get, output), output.values()))

    confidence = strawberry.field(description=f"The probability of the predicted label, 0 to 1.{OTHER_TASK}")
    return {"label": label, "probabilities": probabilities, "confidence": (float | None, confidence)}


def _number_fields(t: ProductTypes) -> Fields:
    column = t.product.join.label_column
    assert column is not None
    value = strawberry.field(description=f"The predicted number. {describe_column(column)}{OTHER_TASK}")

    @strawberry.field(
        description="The interval that contains the true value with this probability; null if the model version has "
        "none."
    )
    def interval(self: models.Prediction, level: Level = USUAL_LEVEL) -> Interval | None:
        return Interval.around(self, level)

    return {"value": (float | None, value), "interval": interval}


def _cluster_fields(t: ProductTypes) -> Fields:
    @strawberry.field(
        description=f"The number of the cluster, from 0; −1 is noise, outside of all clusters.{OTHER_TASK}",
        metadata={LOCAL: True},
    )
    def cluster(self: models.Prediction) -> int | None:
        # Labels and numbers stand beside a probability or as a value.
        return int(self.answer) if self.confidence is None and self.value is None else None

    @strawberry.field(
        description="The distance from the centre of each cluster, by cluster.", metadata={LOCAL: True}
    )
    def distances(self: models.Prediction) -> list[ClusterDistance]:
        return ClusterDistance.list_all(self)

    return {"cluster": cluster, "distances": distances}


#: The fields of a prediction that depend on the problem.
ANSWER_FIELDS: dict[type[Problem], Callable[[ProductTypes], Fields]] = {
    Classification: _class_fields,
    Regression: _number_fields,
    Clustering: _cluster_fields,
}


def label_of(t: ProductTypes, answer: str | None) -> Label:
    """A stored answer as the enum's member or as a number; None if there is none or it is no longer declared."""
    if t.product.labels:
        return t.labels.get(answer)
    value = t.product.label_of(answer)
    return None if value is None else float(value)


def readable(rows: PredictionQuerySet, actor: Actor, product: str) -> PredictionQuerySet:
    """Limit a product's predictions to what the actor reads back: all for a viewer, else what it asked for itself.

    Raises Unauthenticated, Forbidden for callers whom nobody can tell from others.
    """
    if actor.may(Permission.VIEW, product):
        return rows
    if actor.author == ANONYMOUS:
        actor.refuse(Permission.VIEW, product)
    return rows.asked_by(actor.author)


def prediction_list(rows: PredictionQuerySet) -> list[models.Prediction]:
    """The newest of the predictions, as many as a page has by default; they share one prefetch."""
    newest = pagination.page(rows, order_columns(None)).nodes
    prefetch.attach_prefetch(newest)
    return newest


def prediction_page(
    parts: Sequence[PredictionQuerySet], order: PredictionOrder | None, request: PageRequest
) -> Page[models.Prediction]:
    """A page of the predictions in all querysets; its rows share one prefetch."""
    rows = [with_order(part, order) for part in parts]
    page = pagination.page_of(rows, order_columns(order), request)
    prefetch.attach_prefetch(page.nodes)
    return page
