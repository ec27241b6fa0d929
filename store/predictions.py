"""Predictions: each answer is stored before it leaves; asking again is the same row."""

import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any

import orjson
from django.contrib.postgres.indexes import BrinIndex
from django.db import connection, models
from django.db.models import Exists, OuterRef, Q

from learning.model import Answer, ClassAnswer, ClusterAnswer, ValueAnswer

from . import truth
from .exceptions import BadInput
from .product import DataProduct

#: Characters that a reference or a key may have.
LONGEST = 200

UPSERT = """
INSERT INTO store_prediction (id, product, model_id, subject, entity, reference, features, answer, value, confidence,
    output, created_at, updated_at, times_asked)
SELECT id, %(product)s, %(model)s, subject, entity, reference, features::jsonb, answer, value, confidence,
    output::jsonb, now(), now(), asked
FROM unnest(%(id)s::uuid[], %(subject)s::uuid[], %(entity)s::text[], %(reference)s::text[], %(features)s::text[],
    %(answer)s::text[], %(value)s::float8[], %(confidence)s::float8[], %(output)s::text[], %(asked)s::int[])
    AS row (id, subject, entity, reference, features, answer, value, confidence, output, asked)
ON CONFLICT (id) DO UPDATE
SET updated_at = now(), times_asked = store_prediction.times_asked + excluded.times_asked
RETURNING id, created_at, updated_at, times_asked
"""


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked of a model: a cleaned instance, and whom or what it is about."""

    instance: Sequence[Any]
    entity: str | None = None
    reference: str | None = None


class PredictionQuerySet(models.QuerySet["Prediction"]):
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
        """Those that meet every condition given; `since` is inside, `until` outside."""
        conditions = {
            "product": product and product.name,
            # By its subject where that is known: it has the index.
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
        return rows if labelled is None else rows.filter(_spoken_of() if labelled else ~_spoken_of())

    def others(self, prediction: "Prediction") -> "PredictionQuerySet":
        """Other predictions about the same subject."""
        return self.filter(product=prediction.product, subject=prediction.subject).exclude(pk=prediction.pk)

    def with_truth(self, product: DataProduct, answer: str) -> "PredictionQuerySet":
        """Those about whose subject people agree on `answer`."""
        said = truth.Truth.objects.filter(product=product.name, subject=OuterRef("subject"), answer=answer)
        return self.filter(Exists(said))


def _spoken_of() -> Q:
    """Whether people agree on a label of the subject."""
    said = truth.Truth.objects.filter(product=OuterRef("product"), subject=OuterRef("subject"))
    return Q(Exists(said.filter(answer__isnull=False)))


class PredictionManager(models.Manager.from_queryset(PredictionQuerySet)):  # type: ignore[misc]
    def record(
        self, product: DataProduct, version: Any, questions: Sequence[Question], answers: Sequence[Answer]
    ) -> list["Prediction"]:
        """Store the answers in one statement, and return them in order once it is done.

        The same features asked of the same version about the same subject are one row, also within one call.
        """
        predictions = [_prediction(product, version, *pair) for pair in zip(questions, answers, strict=True)]
        # Sorted, so that two processes that store the same rows cannot wait for each other.
        distinct = sorted({p.pk: p for p in predictions}.values(), key=lambda p: p.pk)
        if distinct:
            stored = _upsert(product, version, distinct, Counter(p.pk for p in predictions))
            for prediction in predictions:
                prediction.created_at, prediction.updated_at, prediction.times_asked = stored[prediction.pk]
        return predictions


class Prediction(models.Model):
    """A stored answer, with the instance as served and the version that gave it."""

    #: A hash of version, subject and canonical features.
    id = models.UUIDField(primary_key=True)
    product = models.CharField(max_length=40)
    model = models.ForeignKey("store.ModelVersion", models.PROTECT, related_name="predictions")
    #: What truth hangs on: the entity, else the reference, else the features.
    subject = models.UUIDField()
    entity = models.TextField(null=True)
    reference = models.TextField(null=True)
    #: The instance as served, by the features' names.
    features = models.JSONField()
    #: The label, the number or the cluster, as text.
    answer = models.TextField()
    #: The number, of a regression.
    value = models.FloatField(null=True)
    confidence = models.FloatField(null=True)
    #: The probabilities by label, or the distances by cluster.
    output = models.JSONField(null=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    times_asked = models.PositiveIntegerField(default=1)

    #: Set for a whole page by `surroundings.surround`.
    surroundings: Any

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


def _prediction(product: DataProduct, version: Any, question: Question, answer: Answer) -> Prediction:
    features = product.instance_json(question.instance)
    subject = subject_of(product, question, features)
    digest = blake2b(f"{version.pk}\0{subject}\0{features}".encode(), digest_size=16).digest()
    return Prediction(
        id=uuid.UUID(bytes=digest),
        product=product.name,
        model=version,
        subject=subject,
        entity=question.entity,
        reference=question.reference,
        features=orjson.loads(features),
        **_output(answer, version),
    )


def subject_of(product: DataProduct, question: Question, features: str) -> uuid.UUID:
    if question.entity is not None:
        return truth.subject_of_entity(product, question.entity)
    if question.reference is not None:
        return truth.subject_of_reference(product, question.reference)
    return truth.subject_of_features(product, features)


def _output(answer: Answer, version: Any) -> dict[str, Any]:
    match answer:
        case ClassAnswer():
            by_label = dict(zip(version.signature["classes"], answer.probabilities, strict=True))
            return {"answer": answer.label, "confidence": answer.confidence, "output": by_label}
        case ValueAnswer():
            return {"answer": repr(answer.value), "value": answer.value}
        case ClusterAnswer():
            return {"answer": str(answer.cluster), "output": list(answer.distances)}


def _upsert(
    product: DataProduct, version: Any, rows: Sequence[Prediction], asked: Counter[uuid.UUID]
) -> dict[uuid.UUID, tuple[datetime, datetime, int]]:
    columns = {
        name: [getattr(row, name) for row in rows]
        for name in ("subject", "entity", "reference", "answer", "value", "confidence")
    }
    parameters = columns | {
        "product": product.name,
        "model": version.pk,
        "id": [str(row.pk) for row in rows],
        "subject": [str(subject) for subject in columns["subject"]],
        "features": [orjson.dumps(row.features).decode() for row in rows],
        "output": [None if row.output is None else orjson.dumps(row.output).decode() for row in rows],
        "asked": [asked[row.pk] for row in rows],
    }
    with connection.cursor() as cursor:
        cursor.execute(UPSERT, parameters)
        return {row[0]: row[1:] for row in cursor.fetchall()}


def checked_name(value: str | None, argument: Iterable[str | int]) -> str | None:
    """A reference or a key as it may be stored. Raises BadInput."""
    if value is not None and (
        not value or len(value) > LONGEST or any(c == "\0" or "\ud800" <= c <= "\udfff" for c in value)
    ):
        raise BadInput(
            f"This name must have 1 to {LONGEST} characters, none of them NUL.", argument=tuple(argument)
        )
    return value
