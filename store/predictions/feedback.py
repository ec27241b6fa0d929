"""Feedback: statements about the right label; the truth that follows is written to the feature tables."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import DatabaseError, connection, models, transaction
from django.db.models import Case, Exists, OuterRef, Q, Value, When
from django.db.models.functions import Now

from ..access import acting, groups
from ..access.actors import TABLE, Actor
from ..access.permissions import Permission
from ..db import pagination, sqlstates
from ..db.base import BaseModel
from ..db.fields import DigestField
from ..db.writes import APPENDED, Writes
from ..entities import base_rows, entities
from ..exceptions import BadInput, Forbidden, NotWritable, NotWritten, StoreError, UnknownEntity, UnknownId
from ..products import catalogue
from ..products.product import DataProduct
from ..telemetry import metrics
from . import truth
from .predictions import Prediction

log = logging.getLogger(__name__)

COUNTS, SUPERSEDED, RETRACTED = "COUNTS", "SUPERSEDED", "RETRACTED"

#: Characters of a comment, at most.
LONGEST = 10_000
#: Numbers of feedback that transactions which have not ended may hold, at most.
IN_FLIGHT = 20_000

#: The newest number that was drawn, and the numbers before it whose feedback this transaction does not see: it is not
#: committed yet, or never will be.
SEEN = """
WITH newest AS (
    SELECT COALESCE(pg_sequence_last_value(pg_get_serial_sequence('store_feedback', 'id')::regclass), 0) AS id
)
SELECT id, ARRAY(
    SELECT number FROM generate_series(GREATEST(id - %s, 1), id) AS number
    WHERE NOT EXISTS (SELECT FROM store_feedback f WHERE f.id = number)
) FROM newest
"""


@dataclass(frozen=True, kw_only=True)
class About:
    """The target of feedback: exactly one of the three is not None."""

    prediction: str | None = None
    entity: str | None = None
    reference: str | None = None


@dataclass(frozen=True)
class FeedbackResult:
    """The effect of giving or retracting feedback."""

    feedback: "Feedback"
    #: False if the author's latest feedback was the same.
    created: bool
    feature_rows_changed: int
    #: Why the label column was not written although it should be; None where it was, and where none is written.
    not_written: NotWritable | None = None


@dataclass(frozen=True)
class _Subject:
    """The subject of feedback, with its locked base row if it is an entity that has one."""

    id: str
    prediction: Prediction | None = None
    entity: str | None = None
    reference: str | None = None
    base: Any = None
    #: False: its rows are read alone.
    writes: bool = True


class FeedbackManager(models.Manager["Feedback"]):
    """Appends feedback, and writes the truth that follows to the label column."""

    def give(
        self,
        product: DataProduct,
        about: About,
        answer: str,
        author: str,
        observed_at: datetime | None = None,
        comment: str | None = None,
    ) -> FeedbackResult:
        """Append an author's feedback, and write the label that counts now to the label column.

        Feedback that may not be written is stored all the same, and counts.

        Raises UnknownId, UnknownEntity, BadInput; NotOneRow where several rows have the key.
        """
        acting.require(Permission.FEEDBACK, product.name)
        checked_comment(comment)
        values = {
            "answer": answer,
            "observed_at": observed_at,
            "comment": comment or "",
            "groups": groups.names_of(author),
        }
        result = _write_if_possible(
            product, lambda writes: self._give(product, about, author, values, writes)
        )
        if result.created:
            _count_after_commit(product, "given")
        return result

    def _give(
        self, product: DataProduct, about: About, author: str, values: Mapping[str, Any], writes: bool
    ) -> FeedbackResult:
        subject, inserted = self._subject(product, about, writes)
        latest = self._latest(product, subject.id, author)
        self._store_table_label(product, subject)
        feedback = (
            latest if latest and latest.says(values) else self._append(product, subject, author, **values)
        )
        changed = inserted + self._write_truth(product, subject)
        if inserted:
            base_rows.check_written(product, subject.base)
        return FeedbackResult(feedback, feedback is not latest, changed)

    def retract(self, product: DataProduct, pk: int, actor: Actor) -> FeedbackResult:
        """Retract feedback, so that the author's feedback before it, or the others', counts again. Idempotent.

        Raises UnknownId, Forbidden unless it is the actor's own or the actor speaks for all.
        """
        acting.require(Permission.FEEDBACK, product.name)
        return _write_if_possible(product, lambda writes: self._retract(product, pk, actor, writes))

    def _retract(self, product: DataProduct, pk: int, actor: Actor, writes: bool) -> FeedbackResult:
        feedback = self.find(product, pk)
        if feedback is None or feedback.author == TABLE:
            raise _no_feedback(product)
        if not actor.may_speak_for(feedback.author, product.name):
            raise Forbidden("Only its author may take a feedback back.", argument=("feedback",))
        lock(product, feedback.subject)
        feedback = self.select_for_update(of=("self",)).get(pk=pk)
        if feedback.retracted_at:
            return FeedbackResult(feedback, False, 0)
        base = _find_base(product, feedback.entity, _no_feedback(product), writes)
        subject = _Subject(
            feedback.subject, feedback.prediction, feedback.entity, feedback.reference, base, writes
        )
        self._store_table_label(product, subject)
        self.filter(pk=pk).update(retracted_at=Now())
        _count_after_commit(product, "retracted")
        feedback.refresh_from_db()
        return FeedbackResult(feedback, False, self._write_truth(product, subject))

    def listed(self, product: DataProduct) -> "models.QuerySet[Feedback]":
        """List the feedback on entities that the actor of this thread may see, with `validity` to be filtered by."""
        rows = self.filter(product=product.name, answer__isnull=False)
        if not product.join.sees_all(acting.current()):
            rows = rows.filter(Q(entity=None) | base_rows.is_key_of_row(product, "entity"))
        return rows.alias(validity=_validity())

    def predictions_of(self, rows: "Sequence[Feedback]") -> dict[int, Prediction]:
        """Get the predictions that feedback was given to, by its number, as far as the actor may see them."""
        predictions = Prediction.objects.in_bulk({row.prediction_id for row in rows if row.prediction_id})
        pagination.share_lookups(list(predictions.values()))
        return {row.pk: predictions[row.prediction_id] for row in rows if row.prediction_id in predictions}

    def find(self, product: DataProduct, pk: int) -> "Feedback | None":
        """Find a feedback; None where there is none, or where the actor of this thread may not see its entity."""
        feedback = self.filter(product=product.name, pk=pk, answer__isnull=False).first()
        if feedback is None or feedback.entity is None:
            return feedback
        return None if base_rows.concealed(product, [feedback.entity]) else feedback

    def from_people(self) -> "models.QuerySet[Feedback]":
        """Select the feedback of people and programs: not what the table had before."""
        return self.exclude(author=TABLE)

    def visible(self, product: DataProduct) -> "models.QuerySet[Feedback]":
        """Select a product's feedback of people and programs about what the actor of this thread may see."""
        rows = self.from_people().filter(product=product.name)
        if product.join.sees_all(acting.current()):
            return rows
        return rows.filter(Q(entity=None) | base_rows.is_key_of_row(product, "entity"))

    def seen(self) -> dict[str, Any]:
        """Describe the feedback that this transaction sees, so that all other can be counted later.

        By numbers, since a moment says nothing of feedback that was given before it and committed after it.

        Returns: the newest number under "last", and under "unseen" those before it that are not visible.
        """
        with connection.cursor() as cursor:
            cursor.execute(SEEN, [IN_FLIGHT])
            last, unseen = cursor.fetchone()
        return {"last": last, "unseen": unseen}

    def table_says(self, product: DataProduct, base: Any, label: Any) -> int:
        """Write a label that was edited in the table; it counts unless feedback says otherwise.

        `base` is locked. Returns how many rows of the feature tables changed.
        """
        truth.hold_policy(product)
        key = str(base.pk)
        subject = _Subject(truth.subject_of_entity(product, key), entity=key, base=base)
        if not self.filter(product=product.name, subject=subject.id).exists():
            return entities.write_label(product, base, label)
        self._store_table_label(product, subject)
        self._append(product, subject, TABLE, answer=product.stored_answer(label))
        return self._write_truth(product, subject)

    def _subject(self, product: DataProduct, about: About, writes: bool) -> tuple[_Subject, int]:
        """Find the subject, and count the feature rows that were inserted for it."""
        if about.prediction is not None:
            return self._of_prediction(product, about.prediction, writes)
        if about.entity is not None:
            subject = truth.subject_of_entity(product, about.entity)
            lock(product, subject)
            base = (base_rows.lock if writes else base_rows.find)(product, about.entity)
            if base is None:
                raise UnknownEntity(
                    f"No {product.join.model._meta.verbose_name} has the key {about.entity!r}.",
                    argument=("about", "entity"),
                )
            return _Subject(subject, entity=about.entity, base=base, writes=writes), 0
        return self._of_reference(product, about.reference or ""), 0

    def _of_reference(self, product: DataProduct, reference: str) -> _Subject:
        subject = truth.subject_of_reference(product, reference)
        lock(product, subject)  # before the look-up: an erasure that holds it removes the predictions
        if not Prediction.objects.filter(product=product.name, subject=subject).exists():
            raise UnknownId(
                f"No prediction of {product} is about {reference!r}: predict with this reference first.",
                argument=("about", "reference"),
            )
        return _Subject(subject, reference=reference)

    def _of_prediction(self, product: DataProduct, pk: str, writes: bool) -> tuple[_Subject, int]:
        # Locked, so that it cannot be deleted before the feedback on it is committed.
        locked = Prediction.objects.select_for_update(of=("self",), no_key=True)
        prediction = locked.filter(product=product.name, pk=pk).first()
        unknown = UnknownId(
            f"No prediction of {product} has this id; it may have been deleted.",
            argument=("about", "prediction"),
        )
        if prediction is None:
            raise unknown
        key = prediction.entity
        lock(product, prediction.subject)
        base, inserted = _find_base(product, key, unknown, writes), 0
        if key is not None and base is None and product.writable and writes:
            base, inserted = _insert(product, key, prediction), 1
        return _Subject(prediction.subject, prediction, key, prediction.reference, base, writes), inserted

    def _latest(self, product: DataProduct, subject: str, author: str) -> "Feedback | None":
        rows = self.filter(product=product.name, subject=subject, author=author, retracted_at=None)
        return rows.order_by("-pk").first()

    def _store_table_label(self, product: DataProduct, subject: _Subject) -> None:
        """Append the label column's value as feedback of TABLE: the first time, and when others have changed it.

        A column that could not be written holds what TABLE has said last.
        """
        if subject.base is None:
            return
        label = product.stored_answer(entities.read_label(product, subject.base))
        latest = self._latest(product, subject.id, TABLE)
        if latest is None or not self._was_written(product, subject, latest, label):
            self._append(product, subject, TABLE, answer=label)

    def _written(self, product: DataProduct, subject: _Subject, latest: "Feedback") -> str | None:
        """The label that was written to the label column last; `latest` is the latest feedback of TABLE."""
        agreed = truth.find_truths(product, [subject.id]).get(subject.id)
        return agreed.answer if agreed and agreed.answer is not None else latest.answer

    def _was_written(
        self, product: DataProduct, subject: _Subject, latest: "Feedback", label: str | None
    ) -> bool:
        """Return True if a label of the label column is what was written there, be it by a policy before this one."""
        if label in (latest.answer, self._written(product, subject, latest)):
            return True
        return label is not None and label == truth.find_answers_before(product, [subject.id]).get(subject.id)

    def _append(self, product: DataProduct, subject: _Subject, author: str, **values: Any) -> "Feedback":
        return self.create(
            product=product.name,
            subject=subject.id,
            entity=subject.entity,
            reference=subject.reference,
            prediction=None if author == TABLE else subject.prediction,
            author=author,
            **values,
        )

    def _write_truth(self, product: DataProduct, subject: _Subject) -> int:
        """Write the label that counts now to the label column; returns the number of rows that changed."""
        latest = self._latest(product, subject.id, TABLE)
        if subject.base is None or latest is None or not subject.writes:
            return 0
        counts = self._written(product, subject, latest)
        return entities.write_label(product, subject.base, product.restore_label(counts))


class Feedback(BaseModel):
    """One statement of an author about the label of a subject. Rows are appended; retracting marks a row."""

    web_writes = Writes(insert=True, delete=True, update=("prediction_id", "retracted_at"))
    #: Labels of imported files.
    worker_writes = APPENDED

    product = models.CharField(max_length=40)
    subject = DigestField()
    entity = models.TextField(null=True)
    reference = models.TextField(null=True)
    prediction = models.ForeignKey(Prediction, models.SET_NULL, null=True, related_name="feedback")
    author = models.CharField(max_length=200)
    #: The label as text; null only where the TABLE had none.
    answer = models.TextField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    #: The time of the observation, if the author gave it.
    observed_at = models.DateTimeField(null=True)
    comment = models.TextField(blank=True)
    retracted_at = models.DateTimeField(null=True)
    #: The groups that the author was in when it was given, by name and in order; null of TABLE, and where they were not
    #: recorded.
    groups = ArrayField(models.CharField(max_length=150), null=True)

    #: COUNTS, SUPERSEDED or RETRACTED; follows from all feedback on the subject, see `about_subjects`.
    status: str

    objects = FeedbackManager()

    class Meta:
        indexes = [
            models.Index(fields=["product", "subject", "author", "-id"], name="feedback_by_subject"),
            models.Index(fields=["product", "entity"], name="feedback_by_entity"),
            models.Index(fields=["product", "created_at", "id"], name="feedback_by_age"),
            models.Index(fields=["product", "author", "-created_at", "-id"], name="feedback_by_author"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(answer__isnull=False) | Q(author=TABLE), name="people_say_something"
            )
        ]

    def __str__(self) -> str:
        return f"{self.author}: {self.answer}"

    def says(self, values: Mapping[str, Any]) -> bool:
        """Return True if it has these values; groups that were not recorded are no difference."""
        same = (
            getattr(self, name) in (value, None if name == "groups" else value)
            for name, value in values.items()
        )
        return all(same)

    def entity_of(self) -> entities.Entity | None:
        """The entity's row as it is now; None if it is about no entity, or the row is gone.

        Raises the error of an entity that cannot be read.
        """
        entity = pagination.lookup_for_page(self, "entity", _entities_of)
        if isinstance(entity, StoreError):
            raise type(entity)(entity.message)
        return entity

    def status_of(self) -> str:
        """The status, which follows from all feedback on the subject."""
        if not hasattr(self, "status"):
            self.status = pagination.lookup_for_page(self, "status", _statuses_of)
        return self.status


def _by_product(rows: Sequence[Feedback]) -> Iterator[tuple[DataProduct, list[Feedback]]]:
    for name in {row.product for row in rows}:
        yield catalogue.get(name), [row for row in rows if row.product == name]


def _entities_of(rows: Sequence[Feedback]) -> dict[int, entities.Entity | StoreError]:
    by_key: dict[int, entities.Entity | StoreError] = {}
    for product, members in _by_product(rows):
        of_members = entities.find_each(product, sorted({row.entity for row in members if row.entity}))
        by_key |= {row.pk: of_members[row.entity] for row in members if row.entity in of_members}
    return by_key


def _statuses_of(rows: Sequence[Feedback]) -> dict[int, str]:
    statuses: dict[int, str] = {}
    for product, members in _by_product(rows):
        subjects = about_subjects(product, (row.subject for row in members))
        statuses |= {row.pk: row.status for about in subjects.values() for row in about}
    return statuses


def _validity() -> Case:
    """The status of feedback in SQL, as `_set_status` has it."""
    on_subject = {"product": OuterRef("product"), "subject": OuterRef("subject")}
    voices = truth.Voice.objects.filter(**on_subject)
    newer = Feedback.objects.filter(**on_subject, author=TABLE, retracted_at=None, pk__gt=OuterRef("pk"))
    is_deciding = Exists(voices.filter(pk=OuterRef("pk"), counts=True))
    is_newest_of_table = Q(author=TABLE) & ~Exists(newer) & ~Exists(voices)
    return Case(
        When(retracted_at__isnull=False, then=Value(RETRACTED)),
        When(is_deciding | is_newest_of_table, then=Value(COUNTS)),
        default=Value(SUPERSEDED),
        output_field=models.TextField(),
    )


def about_subjects(product: DataProduct, subjects: Iterable[str]) -> dict[str, list[Feedback]]:
    """All feedback on each subject, newest first, with its `status`; nulls of TABLE are left out."""
    subjects = set(subjects)
    rows = Feedback.objects.filter(product=product.name, subject__in=subjects).order_by("-pk")
    by_subject: dict[str, list[Feedback]] = {}
    for row in pagination.share_lookups(list(rows)):
        by_subject.setdefault(row.subject, []).append(row)
    voices = truth.Voice.objects.filter(product=product.name, subject__in=subjects)
    counts = dict(voices.values_list("pk", "counts"))
    for of_subject in by_subject.values():
        _set_status(of_subject, counts)
    return {
        subject: [row for row in of_subject if row.answer is not None]
        for subject, of_subject in by_subject.items()
    }


def _set_status(rows: list[Feedback], counts: Mapping[int, bool]) -> None:
    """Set the status of all feedback on a subject, newest first.

    Args:
        counts: the numbers of the authors' latest words, and whether they decide. TABLE's newest counts where there are
            none.
    """
    newest = next((row for row in rows if row.author == TABLE and not row.retracted_at), None)
    of_table = newest if newest and not any(row.pk in counts for row in rows) else None
    for row in rows:
        if row.retracted_at:
            row.status = RETRACTED
        else:
            row.status = COUNTS if row is of_table or counts.get(row.pk) else SUPERSEDED


def _write_if_possible(product: DataProduct, act: Callable[[bool], FeedbackResult]) -> FeedbackResult:
    """Act and write the product's rows; where PostgreSQL refuses that, act once more without.

    Args:
        act: receives whether rows are written.
    """
    try:
        with transaction.atomic():
            return act(product.writes_labels)
    except (DatabaseError, NotWritten) as error:
        if not product.writes_labels or not (isinstance(error, NotWritten) or sqlstates.is_unwritable(error)):
            raise
        refusal = describe_refusal(product, error)
    with transaction.atomic():
        result = act(False)
    log.warning("%s", refusal)
    return replace(result, not_written=refusal)


def _count_after_commit(product: DataProduct, change: str) -> None:
    transaction.on_commit(lambda: metrics.FEEDBACK.add(1, product.name, change))


def describe_refusal(product: DataProduct, error: Exception) -> NotWritable:
    """Build what is said of feedback that is stored and not written, for the error that refused it."""
    reason = sqlstates.get_reason(error) if isinstance(error, DatabaseError) else str(error).rstrip(".")
    return NotWritable(
        f"The label column of {product} was not written: {reason}. The feedback is stored all the same and "
        "counts: in the truth, and in every snapshot that has the row."
    )


def _insert(product: DataProduct, key: str, prediction: Prediction) -> Any:
    """Insert the entity's rows, from the instance that was predicted."""
    values: Mapping[str, Any] = {c.name: c.from_json(prediction.features.get(c.name)) for c in product.inputs}
    return base_rows.reload(product, entities.insert(product, key, values, prediction.created_at))


def _find_base(product: DataProduct, key: str | None, refusal: UnknownId, writes: bool) -> Any:
    """Find the row of an entity, and lock it to write; None where there is none.

    Raises `refusal` for a row of which the actor may not hear.
    """
    base = (base_rows.lock if writes else base_rows.find)(product, key) if key is not None else None
    if key is not None and base is None and base_rows.concealed(product, [key]):
        raise refusal
    return base


def _no_feedback(product: DataProduct) -> UnknownId:
    return UnknownId(f"No feedback on {product} has this id.", argument=("feedback",))


def lock(product: DataProduct, subject: str) -> None:
    """Serialize concurrent feedback on a subject, also if there is no row to lock, and hold the product's policy."""
    truth.hold_policy(product)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"{product.name} {subject}"])


def checked_comment(comment: str | None) -> str | None:
    """Check that a comment can be stored, and return it. Raises BadInput."""
    if comment is not None and (len(comment) > LONGEST or "\0" in comment):
        raise BadInput(
            f"A comment has at most {LONGEST} characters, none of them NUL.", argument=("comment",)
        )
    return comment
