"""Predictions: stored answers, one row for the same features, subject and model version."""

from collections.abc import Iterable
from typing import Any

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Exists, F, OuterRef, Q

from learning.kinds import is_storable

from ..access import acting
from ..db import base, searches
from ..db.fields import DigestField, JSONField
from ..db.writes import Writes
from ..entities import base_rows
from ..exceptions import BadInput
from ..products import catalogue
from ..products.product import DataProduct
from . import prediction_filters

#: Characters that a reference or a key may have.
LONGEST = 200


class PredictionQuerySet(models.QuerySet["Prediction"]):
    """Predictions by what they are about, what was answered, and when."""

    def matching(self, product: DataProduct, **conditions: Any) -> "PredictionQuerySet":
        """Filter the predictions of a product by PredictionConditions, all of which must hold.

        Only served ones, unless a condition says otherwise.
        """
        wanted = prediction_filters.PredictionConditions(**conditions)
        return self.filter(*prediction_filters.compile(product, wanted), product=product.name)

    def served(self) -> "PredictionQuerySet":
        """Predictions that somebody was answered with: all but those that a version made beside the champion."""
        return self.filter(served=True)

    def others(self, prediction: "Prediction") -> "PredictionQuerySet":
        """Other predictions about the same subject."""
        return self.filter(product=prediction.product, subject=prediction.subject).exclude(pk=prediction.pk)

    def about_subject(self, product: DataProduct, subject: str) -> "PredictionQuerySet":
        """Predictions about a subject."""
        return self.filter(product=product.name, subject=subject)

    def asked_by(self, author: str) -> "PredictionQuerySet":
        """Select what this author asked for."""
        return self.filter(Exists(PredictionAsker.objects.filter(prediction=OuterRef("pk"), author=author)))


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


class PredictionAsker(base.BaseModel):
    """An author who asked for a prediction without being allowed to view the product's."""

    pk = models.CompositePrimaryKey("prediction_id", "author")
    #: The row goes with its prediction, by the constraint of the table.
    prediction = models.ForeignKey(
        "store.Prediction", models.DO_NOTHING, related_name="askers", db_constraint=False
    )
    author = models.CharField(max_length=200)

    class Meta:
        default_permissions = ()


class Prediction(base.BaseModel):
    """A stored prediction: the instance as served, the answer, and the version that gave it."""

    #: What was answered never changes.
    web_writes = worker_writes = Writes(
        insert=True, delete=True, update=("updated_at", "times_asked", "served")
    )

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
    #: 0 if it was not served.
    times_asked = models.PositiveIntegerField(default=1)
    #: False while the version has made it beside the champion, whose answer was returned: it counts in no list or
    #: total of what was answered. It becomes true when the version itself is asked for it.
    served = models.BooleanField(default=True, db_default=True)

    #: Shared by the predictions of a page; set by `serving.prefetch.attach_prefetch`.
    prefetch: Any

    objects = PredictionManager()

    class Meta:
        indexes = [
            # Has what charts count by, so that predictions are counted without being read.
            models.Index(
                fields=["product", "-created_at", "-id"],
                include=["answer", "model", "served", "subject"],
                name="predictions_newest_first",
            ),
            models.Index(fields=["product", "subject"], name="predictions_by_subject"),
            # Of searches, too: texts by their beginnings.
            models.Index(
                F("product"),
                searches.searchable("reference"),
                condition=Q(reference__isnull=False),
                name="predictions_by_reference",
            ),
            models.Index(
                F("product"),
                searches.searchable("entity"),
                condition=Q(entity__isnull=False),
                name="predictions_by_entity",
            ),
            # Of orders. Without the product, whose comparisons would cost as much as the index.
            models.Index(
                fields=["confidence", "id"],
                condition=Q(confidence__isnull=False),
                name="predictions_by_confidence",
            ),
            models.Index(
                fields=["value", "id"], condition=Q(value__isnull=False), name="predictions_by_value"
            ),
            models.Index(fields=["product", "updated_at", "id"], name="predictions_by_update"),
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
