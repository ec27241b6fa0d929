"""Predictions: each answer is stored before it leaves; asking again is the same row."""

import re
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

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
SELECT id, %(product)s::text, %(model)s::bigint, subject, entity, reference, features::jsonb, answer, value, confidence,
    output::jsonb, now(), now(), asked
FROM unnest(%(id)s::uuid[], %(subject)s::uuid[], %(entity)s::text[], %(reference)s::text[], %(features)s::text[],
    %(answer)s::text[], %(value)s::float8[], %(confidence)s::float8[], %(output)s::text[], %(asked)s::int[])
    AS row (id, subject, entity, reference, features, answer, value, confidence, output, asked)
ON CONFLICT (id) DO UPDATE
SET updated_at = now(), times_asked = store_prediction.times_asked + excluded.times_asked
RETURNING id::text, created_at, updated_at, times_asked
"""

#: UPSERT, parsed and planned once for a connection, and how it is then run.
PREPARE = "PREPARE record AS " + UPSERT % {
    name: f"${place}" for place, name in enumerate(re.findall(r"%\((\w+)\)s", UPSERT), 1)
}
EXECUTE = """
EXECUTE record (%(product)s, %(model)s, %(id)s::uuid[], %(subject)s::uuid[], %(entity)s::text[], %(reference)s::text[],
    %(features)s::text[], %(answer)s::text[], %(value)s::float8[], %(confidence)s::float8[], %(output)s::text[],
    %(asked)s::int[])
"""

#: UPSERT that tells nothing of what it stored.
SILENT = UPSERT.partition("RETURNING")[0]

#: When a row was first asked, when last, and how often.
Stamps = tuple[datetime, datetime, int]


class Question(NamedTuple):
    """What is asked of a model: a cleaned instance, and whom or what it is about."""

    instance: Sequence[Any]
    entity: str | None = None
    reference: str | None = None


class Row(NamedTuple):
    """What is stored of a prediction beside product and version: a tuple, as thousands are made in a second."""

    id: str
    subject: str
    entity: str | None
    reference: str | None
    #: The instance as served, as canonical JSON by the features' names.
    features: str
    answer: str
    value: float | None
    confidence: float | None
    #: JSON of the probabilities by label, or of the distances by cluster.
    output: str | None


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
        rows, stamps = self.keep(product, version, questions, answers)
        return [_prediction(product, version, row, stamps[row.id]) for row in rows]

    def keep(
        self, product: DataProduct, version: Any, questions: Sequence[Question], answers: Sequence[Answer]
    ) -> tuple[list[Row], dict[str, Stamps]]:
        """As `record`; returns the rows as they are stored, and their stamps."""
        rows = rows_of(product, version, questions, answers)
        if not rows:
            return [], {}
        with connection.cursor() as cursor:
            cursor.execute(UPSERT, parameters(product, version, rows))
            return rows, stamps_by_id(cursor.fetchall())

    def put(self, product: DataProduct, version: Any, rows: Sequence[Row]) -> None:
        """Store rows by the thousand."""
        if rows:
            given = parameters(product, version, rows)
            arrays = {name: _array(value) for name, value in given.items() if isinstance(value, list)}
            with connection.cursor() as cursor:
                cursor.execute(SILENT, given | arrays)


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


def rows_of(
    product: DataProduct, version: Any, questions: Sequence[Question], answers: Sequence[Answer]
) -> list[Row]:
    """The row of each answer, in order."""
    classes = version.signature["classes"]
    return [
        _row(product, version.pk, question, _output(answer, classes))
        for question, answer in zip(questions, answers, strict=True)
    ]


def _row(
    product: DataProduct, version: int, question: Question, output: tuple[str, Any, Any, str | None]
) -> Row:
    instance, entity, reference = question
    features = product.instance_json(instance)
    subject = _subject(product, question, features)
    id = truth.digest(f"{version}\0{subject}\0{features}")
    return Row(id, subject, entity, reference, features, *output)


def _subject(product: DataProduct, question: Question, features: str) -> str:
    if question.entity is not None:
        return truth.subject(product, "entity", question.entity)
    if question.reference is not None:
        return truth.subject(product, "reference", question.reference)
    return truth.subject(product, "features", features)


def _output(answer: Answer, classes: Sequence[str]) -> tuple[str, float | None, float | None, str | None]:
    """Answer, value, confidence and output as they are stored."""
    match answer:
        case ClassAnswer(label, confidence, probabilities):
            by_label = dict(zip(classes, probabilities, strict=True))
            return label, None, confidence, orjson.dumps(by_label).decode()
        case ValueAnswer(value):
            return repr(value), value, None, None
        case ClusterAnswer(cluster, distances):
            return str(cluster), None, None, orjson.dumps(distances).decode()


def parameters(product: DataProduct, version: Any, rows: Sequence[Row]) -> dict[str, Any]:
    """What UPSERT takes for these rows, of which there is at least one."""
    asked = Counter(row.id for row in rows)
    # Each once, as one statement cannot touch a row twice, and sorted, so that two who store the same rows cannot
    # wait for each other.
    distinct = sorted({row.id: row for row in rows}.values())
    columns = dict(zip(Row._fields, map(list, zip(*distinct, strict=True)), strict=True))
    return {
        "product": product.name,
        "model": version.pk,
        **columns,
        "asked": [asked[row.id] for row in distinct],
    }


def _array(values: Sequence[str | float | None]) -> str:
    """As PostgreSQL reads an array: of thousands, it takes a third less time than an expression for each."""
    return f"{{{','.join(map(_element, values))}}}"


def _element(value: str | float | None) -> str:
    if isinstance(value, str):
        escaped = value.replace("\\", r"\\").replace('"', r"\"")
        return f'"{escaped}"'
    return "NULL" if value is None else repr(value)


def stamps_by_id(returned: Iterable[tuple[Any, ...]]) -> dict[str, Stamps]:
    """What UPSERT returned, by the rows' ids."""
    return {id: (created, updated, asked) for id, created, updated, asked in returned}


def _prediction(product: DataProduct, version: Any, row: Row, stamps: Stamps) -> Prediction:
    created, updated, asked = stamps
    fields = row._asdict() | {
        "id": uuid.UUID(row.id),
        "subject": uuid.UUID(row.subject),
        "features": orjson.loads(row.features),
        "output": None if row.output is None else orjson.loads(row.output),
    }
    times = {"created_at": created, "updated_at": updated, "times_asked": asked}
    return Prediction(product=product.name, model=version, **fields, **times)


def checked_name(value: str | None, argument: Iterable[str | int]) -> str | None:
    """A reference or a key as it may be stored. Raises BadInput."""
    if value is not None and (
        not value or len(value) > LONGEST or any(c == "\0" or "\ud800" <= c <= "\udfff" for c in value)
    ):
        raise BadInput(
            f"This name must have 1 to {LONGEST} characters, none of them NUL.", argument=tuple(argument)
        )
    return value
