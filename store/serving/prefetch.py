"""Surroundings of predictions: truth, feedback and entities, looked up once for a whole page."""

from collections.abc import Iterable, Sequence
from functools import cached_property

from learning.evaluation.intervals import Intervals

from ..db.pagination import WeakRows
from ..entities import entities
from ..entities.entities import Entity
from ..predictions import feedback, truth
from ..predictions.feedback import Feedback
from ..predictions.predictions import Prediction
from ..predictions.truth import Truth
from ..products import catalogue
from ..registry.versions import ModelVersion


class Prefetch:
    """What is known around some predictions; each kind is looked up when the first of them asks."""

    def __init__(self, predictions: Sequence[Prediction]):
        self.predictions = WeakRows(predictions)

    def _by_product(self) -> Iterable[tuple[str, list[Prediction]]]:
        names = {prediction.product for prediction in self.predictions}
        return ((name, [p for p in self.predictions if p.product == name]) for name in names)

    @cached_property
    def truths(self) -> dict[str, Truth]:
        found: dict[str, Truth] = {}
        for name, predictions in self._by_product():
            found |= truth.find_truths(catalogue.get(name), (p.subject for p in predictions))
        return found

    @cached_property
    def feedback(self) -> dict[str, list[Feedback]]:
        found: dict[str, list[Feedback]] = {}
        for name, predictions in self._by_product():
            found |= feedback.about_subjects(catalogue.get(name), (p.subject for p in predictions))
        return found

    @cached_property
    def entities(self) -> dict[tuple[str, str], Entity]:
        found: dict[tuple[str, str], Entity] = {}
        for name, predictions in self._by_product():
            keys = {p.entity for p in predictions if p.entity is not None}
            found |= {(name, key): entity for key, entity in entities.find(catalogue.get(name), keys).items()}
        return found

    @cached_property
    def intervals(self) -> dict[int, Intervals | None]:
        """Around the values of each version."""
        versions = ModelVersion.objects.filter(pk__in={p.model_id for p in self.predictions})
        told = versions.values_list("pk", "intervals")
        return {version: stored and Intervals.from_json(stored) for version, stored in told}

    def entity_of(self, prediction: Prediction) -> Entity | None:
        return self.entities.get((prediction.product, prediction.entity)) if prediction.entity else None

    def truth_of(self, prediction: Prediction) -> str | None:
        """What counts as the prediction's label, as text: what people agree on, else what the table says."""
        agreed = self.truths.get(prediction.subject)
        if agreed and agreed.answer is not None:
            return agreed.answer
        entity = self.entity_of(prediction)
        return entity.product.stored_answer(entity.label) if entity else None


def attach_prefetch(predictions: Sequence[Prediction]) -> Sequence[Prediction]:
    """Let the predictions share one look around; returns them."""
    shared = Prefetch(predictions)
    for prediction in predictions:
        prediction.surroundings = shared
    return predictions


def prefetch_of(prediction: Prediction) -> Prefetch:
    if not hasattr(prediction, "surroundings"):
        attach_prefetch([prediction])
    shared: Prefetch = prediction.surroundings
    return shared


def truth_of_entity(entity: Entity) -> str | None:
    """What counts as the entity's label, as text."""
    subject = truth.subject_of_entity(entity.product, entity.key)
    agreed = truth.find_truths(entity.product, [subject]).get(subject)
    return (
        agreed.answer if agreed and agreed.answer is not None else entity.product.stored_answer(entity.label)
    )
