"""Predictions: stored answers, one row for the same features, subject and model version."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Exists, OuterRef, Q, Value
from django.db.models.functions import Coalesce

from learning.kinds import is_storable

from ..access import acting
from ..db import base
from ..db.fields import DigestField, JSONField
from ..entities import base_rows
from ..exceptions import BadInput
from ..products import catalogue
from ..products.product import DataProduct
from . import truth

#: Characters that a reference or a key may have.
LONGEST = 200


class PredictionQuerySet(models.QuerySet["Prediction"]):
    """Predictions by what they are about, what was answered, and when."""

    def matching(
        self,
        product: DataProduct | None = None,
        entity: str | None = None,
        reference: str | None = None,
        model: int | None = None,
        answer: str | None = None,
        labelled: bool | None = None,
        confidence_below: float | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> "PredictionQuerySet":
        """Filter by every condition that is not None; `since` is inclusive, `until` exclusive."""
        conditions = {
            "product": product and product.name,
            # The index is on the subject.
            "subject": truth.subject_of_entity(product, entity) if product and entity is not None else None,
            "entity": entity,
            "reference": reference,
            "model_id": model,
            "answer": answer,
            "confidence__lt": confidence_below,
            "created_at__gte": since,
            "created_at__lt": until,
        }
        rows = self.filter(**{name: value for name, value in conditions.items() if value is not None})
        return rows if labelled is None else rows.filter(_is_labelled() if labelled else ~_is_labelled())

    def others(self, prediction: "Prediction") -> "PredictionQuerySet":
        """Other predictions about the same subject."""
        return self.filter(product=prediction.product, subject=prediction.subject).exclude(pk=prediction.pk)

    def with_known_confidence(self, ascending: bool) -> "PredictionQuerySet":
        """Add `known_confidence` to order by, which puts predictions without a confidence last."""
        beyond = 2.0 if ascending else -1.0
        return self.annotate(known_confidence=Coalesce("confidence", Value(beyond)))

    def with_truth(self, product: DataProduct, answer: str) -> "PredictionQuerySet":
        """Filter by the label that the majority of feedback gives the subject."""
        truths = truth.Truth.objects.filter(product=product.name, subject=OuterRef("subject"), answer=answer)
        return self.filter(Exists(truths))


class PredictionManager(models.Manager.from_queryset(PredictionQuerySet)):  # type: ignore[misc]
    """Predictions without those about rows that the actor of this thread may not see.

    Where an actor sees some rows only, those about a row that is gone are left out: nobody can tell whose it was.
    """

    def get_queryset(self) -> PredictionQuerySet:
        rows: PredictionQuerySet = super().get_queryset()
        actor = acting.current()
        if actor is None:
            return rows
        for product in catalogue.products():
            if not product.join.sees_all(actor):
                is_visible = base_rows.is_key_of_row(product, "entity")
                rows = rows.filter(~Q(product=product.name) | Q(entity=None) | is_visible)
        return rows


def _is_labelled() -> Q:
    """The condition that feedback has a majority for a label of the subject."""
    truths = truth.Truth.objects.filter(product=OuterRef("product"), subject=OuterRef("subject"))
    return Q(Exists(truths.filter(answer__isnull=False)))


class Prediction(base.BaseModel):
    """A stored prediction: the instance as served, the answer, and the version that gave it."""

    #: A hash of version, subject and canonical features.
    id = DigestField(primary_key=True)
    product = models.CharField(max_length=40)
    model = models.ForeignKey("store.ModelVersion", models.PROTECT, related_name="predictions")
    #: What truth hangs on: the entity, else the reference, else the features.
    subject = DigestField()
    entity = models.TextField(null=True)
    reference = models.TextField(null=True)
    #: The instance as served, by the features' names.
    features = JSONField()
    #: The label, the number or the cluster, as text.
    answer = models.TextField()
    #: The number, of a regression.
    value = models.FloatField(null=True)
    confidence = models.FloatField(null=True)
    #: The probabilities by label, or the distances by cluster.
    output = JSONField(null=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    times_asked = models.PositiveIntegerField(default=1)

    #: Shared by the predictions of a page; set by `serving.prefetch.attach_prefetch`.
    prefetch: Any

    objects = PredictionManager()

    class Meta:
        indexes = [
            models.Index(fields=["product", "-created_at", "-id"], name="predictions_newest_first"),
            models.Index(fields=["product", "subject"], name="predictions_by_subject"),
            models.Index(
                fields=["product", "reference"],
                condition=Q(reference__isnull=False),
                name="predictions_by_reference",
            ),
            BrinIndex(fields=["created_at"], name="predictions_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.product}: {self.answer}"


def checked_name(value: str | None, argument: Iterable[str | int]) -> str | None:
    """Check that a reference or a key can be stored, and return it. Raises BadInput."""
    if value is not None and (not value or len(value) > LONGEST or not is_storable(value)):
        raise BadInput(
            f"This name must have 1 to {LONGEST} characters, none of them NUL.", argument=tuple(argument)
        )
    return value
