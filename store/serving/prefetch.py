"""Prefetch: truth, feedback, entities and intervals of a page of predictions, each loaded in one query."""

from collections.abc import Iterable, Sequence
from functools import cached_property

from learning.evaluation.intervals import Intervals

from ..db.pagination import WeakRows, lookup_for_page, share_lookups
from ..entities import entities
from ..entities.entities import Entity
from ..exceptions import StoreError
from ..predictions import feedback, truth
from ..predictions.feedback import Feedback
from ..predictions.predictions import Prediction
from ..predictions.truth import Truth
from ..products import catalogue
from ..registry.versions import ModelVersion
from . import would_be


class Prefetch:
    """Related rows of a page of predictions; each kind is loaded when it is first used."""

    def __init__(self, predictions: Sequence[Prediction]):
        self.predictions = WeakRows(predictions)
        #: By product and version: the answers by the stored predictions' ids, or the refusal.
        self._would_be: dict[tuple[str, int | None], dict[str, Prediction] | StoreError] = {}

    def _by_product(self) -> Iterable[tuple[str, list[Prediction]]]:
        names = {prediction.product for prediction in self.predictions}
        return ((name, [p for p in self.predictions if p.product == name]) for name in names)

    @cached_property
    def truths(self) -> dict[str, Truth]:
        truths: dict[str, Truth] = {}
        for name, predictions in self._by_product():
            truths |= truth.find_truths(catalogue.get(name), (p.subject for p in predictions))
        return truths

    @cached_property
    def feedback(self) -> dict[str, list[Feedback]]:
        rows: dict[str, list[Feedback]] = {}
        for name, predictions in self._by_product():
            rows |= feedback.about_subjects(catalogue.get(name), (p.subject for p in predictions))
        return rows

    @cached_property
    def entities(self) -> dict[tuple[str, str], Entity | StoreError]:
        rows: dict[tuple[str, str], Entity | StoreError] = {}
        for name, predictions in self._by_product():
            keys = sorted({p.entity for p in predictions if p.entity is not None})
            by_key = entities.find_each(catalogue.get(name), keys)
            rows |= {(name, key): entity for key, entity in by_key.items()}
        return rows

    @cached_property
    def intervals(self) -> dict[int, Intervals | None]:
        """The intervals around the values of each version, by its key."""
        return ModelVersion.objects.intervals_of({p.model_id for p in self.predictions})

    def would_be(self, prediction: Prediction, key: int | None) -> Prediction | None:
        """Get the answer of another version, of all predictions of the page at once; None where it has none.

        Raises as `would_be.predict` does.
        """
        name = prediction.product
        if (name, key) not in self._would_be:
            self._would_be[name, key] = self._find_would_be(name, key)
        answers = self._would_be[name, key]
        if isinstance(answers, StoreError):
            raise type(answers)(answers.message, argument=answers.argument)
        return answers.get(prediction.id)

    def _find_would_be(self, name: str, key: int | None) -> dict[str, Prediction] | StoreError:
        try:
            answers = would_be.predict(
                catalogue.get(name), key, [row for row in self.predictions if row.product == name]
            )
        except StoreError as error:
            return error
        share_lookups(list(answers.values()))
        attach_prefetch(list(answers.values()))
        return answers

    def entity_of(self, prediction: Prediction) -> Entity | None:
        """The entity that the prediction is about; None if it is about none, or the row is gone.

        Raises the error of an entity that cannot be read, which is none of the others of the page.
        """
        entity = self.entities.get((prediction.product, prediction.entity)) if prediction.entity else None
        if isinstance(entity, StoreError):
            raise type(entity)(entity.message)
        return entity

    def truth_of(self, prediction: Prediction) -> str | None:
        """The label that counts for the prediction, as text: what feedback says, else the table's label."""
        agreed = self.truths.get(prediction.subject)
        if agreed and agreed.answer is not None:
            return agreed.answer
        entity = self.entity_of(prediction)
        return entity.product.stored_answer(entity.label) if entity else None


def attach_prefetch(predictions: Sequence[Prediction]) -> Sequence[Prediction]:
    """Attach one shared prefetch to these predictions and return them."""
    shared = Prefetch(predictions)
    for prediction in predictions:
        prediction.prefetch = shared
    return predictions


def prefetch_of(prediction: Prediction) -> Prefetch:
    """Get the prediction's prefetch; one of its own if it came with no page."""
    if not hasattr(prediction, "prefetch"):
        attach_prefetch([prediction])
    shared: Prefetch = prediction.prefetch
    return shared


def truth_of_entity(entity: Entity) -> str | None:
    """The label that counts for the entity, as text."""
    agreed: Truth | None = lookup_for_page(entity, "truth", _truths_of)
    return (
        agreed.answer if agreed and agreed.answer is not None else entity.product.stored_answer(entity.label)
    )


def _truths_of(rows: Sequence[Entity]) -> dict[str, Truth]:
    product = rows[0].product
    by_subject = {truth.subject_of_entity(product, entity.key): entity.key for entity in rows}
    truths = truth.find_truths(product, by_subject)
    return {by_subject[subject]: agreed for subject, agreed in truths.items()}
