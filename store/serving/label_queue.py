"""Label queue: what to label next in a product, in an order that pages can rely on.

A job orders the queue anew as labels and predictions arrive; each order is a generation of rows. A cursor goes on in
its own generation. What has been labelled is left out when a page is read, whatever the generation.
"""

import logging
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import ProgrammingError, models, transaction
from django.db.models import Max, Q
from django.db.models.functions import Now

from ..access import acting
from ..access.actors import ANONYMOUS
from ..builds.builds import Build
from ..db import clock, pagination, sqlstates
from ..db.base import BaseModel
from ..db.fields import DigestField, JSONField
from ..db.pagination import Cursors, Page, PageRequest
from ..db.writes import Writes
from ..entities import base_rows, entities
from ..entities.entities import Entity
from ..exceptions import BadInput, StoreError
from ..jobs import queue
from ..predictions.feedback import Feedback
from ..predictions.predictions import Prediction
from ..products import catalogue
from ..products.product import DataProduct
from ..registry.product_states import ProductState
from ..registry.versions import ModelVersion
from . import label_pool
from .prefetch import attach_prefetch

log = logging.getLogger(__name__)

#: The kind of the job that orders a queue.
KIND = "labels"
#: Candidates of a generation, at most.
MOST = 500
#: Seconds between two looks for changes, which is also the least between two generations.
LOOK_SECONDS = 30
#: Seconds from one generation to the next where predictions or rows have come, but no labels.
WITHOUT_LABELS_SECONDS = 300
#: A generation is followed by the next after so many times the seconds that it took, at the earliest.
PAUSE_FACTOR = 50
#: Seconds after which a job that was requested is taken for lost.
LOST_SECONDS = 600
#: Seconds for which a generation is kept once there is a newer one.
KEEP_SECONDS = 3_600

#: The order of candidates; its cursors name the generation.
CURSORS = ("generation", "position")
#: What differs where a generation is another one.
COMPARED = ("subject", "prediction", "model", "uncertainty")


class LabelQueueManager(models.Manager["LabelQueue"]):
    """Requests jobs for the queues that are due."""

    def request_due(self) -> None:
        """Request a job for each product whose queue may have changed; any process may call this at any time."""
        products = catalogue.labelled()
        for row in self._take_turns(products):
            if row.is_due(products[row.product], clock.now()):
                with transaction.atomic():
                    self.filter(pk=row.pk).update(requested_at=Now())
                    pk = row.pk
                    transaction.on_commit(lambda pk=pk: queue.enqueue(KIND, pk))  # type: ignore[misc]

    def _take_turns(self, products: Collection[str]) -> "Iterator[LabelQueue]":
        """Take the queues that are this caller's to look for changes in: each is one process's in LOOK_SECONDS."""
        rows = self.filter(product__in=products)
        if missing := set(products) - set(rows.values_list("product", flat=True)):
            self.bulk_create([LabelQueue(product=name) for name in sorted(missing)], ignore_conflicts=True)
        # Before a generation, at each call; and where the database's clock was set back, by more than another process
        # may have read it later than this one.
        pause = timedelta(seconds=LOOK_SECONDS)
        is_due = Q(looked_at=None) | Q(generation=0) | Q(looked_at__gt=Now() + pause)
        is_due |= Q(looked_at__lt=Now() - pause)
        for name in list(rows.filter(is_due).values_list("product", flat=True)):
            if self.filter(is_due, product=name).update(looked_at=Now()):
                yield self.get(product=name)


class LabelQueue(BaseModel):
    """The queue of one product: its newest generation, and what was known then."""

    web_writes = Writes(insert=True, update=("looked_at", "requested_at"))

    product = models.CharField(max_length=40, unique=True)
    #: Number of the newest generation; 0 before the first.
    generation = models.PositiveIntegerField(default=0)
    computed_at = models.DateTimeField(null=True)
    #: Seconds that the newest generation took.
    seconds = models.FloatField(default=0.0)
    #: What has changed since tells whether another generation is due.
    facts = JSONField(default=dict)
    looked_at = models.DateTimeField(null=True)
    #: When the job was requested that has not ended; null where none was.
    requested_at = models.DateTimeField(null=True)

    objects = LabelQueueManager()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.product}: generation {self.generation}"

    def is_due(self, product: DataProduct, now: datetime) -> bool:
        """Return True where another generation would differ, and enough time has passed."""
        if self.requested_at and now - self.requested_at < timedelta(seconds=LOST_SECONDS):
            return False
        if Build.objects.unfinished(product.name):  # whose version may see all in another light
            return False
        facts = read_facts(product)
        if self.computed_at is None or facts == self.facts:
            return self.computed_at is None and facts != NOTHING_YET
        has_labels = facts["feedback"] != self.facts.get("feedback") or facts["champion"] != self.facts.get(
            "champion"
        )
        least = LOOK_SECONDS if has_labels else WITHOUT_LABELS_SECONDS
        return bool(now - self.computed_at >= timedelta(seconds=max(least, PAUSE_FACTOR * self.seconds)))

    @transaction.atomic
    def replace(self, rows: Sequence[label_pool.Unlabelled], facts: dict[str, Any], seconds: float) -> bool:
        """Store the rows as the next generation, unless they are those of the newest; delete old generations.

        Returns: whether there is a new generation.
        """
        locked = LabelQueue.objects.select_for_update().get(pk=self.pk)
        rows = _without_deleted(rows)
        wanted = [tuple(getattr(row, name) for name in COMPARED) for row in rows]
        is_new = not locked.generation or wanted != locked.list_compared()
        number = locked.generation + is_new
        if is_new:
            LabelCandidate.objects.bulk_create(
                LabelCandidate.of(locked.product, number, position, row)
                for position, row in enumerate(rows, 1)
            )
        locked.generation, locked.facts, locked.seconds = number, facts, seconds
        locked.requested_at = None
        locked.save(update_fields=["generation", "facts", "seconds", "requested_at"])
        LabelQueue.objects.filter(pk=self.pk).update(computed_at=Now())
        LabelCandidate.objects.delete_old(locked.product)
        return is_new

    def list_compared(self) -> list[tuple[Any, ...]]:
        """List what tells the newest generation from another, in its order."""
        rows = LabelCandidate.objects.filter(product=self.product, generation=self.generation)
        return list(rows.order_by("position").values_list(*COMPARED))


#: What is known of a product before anything has happened.
NOTHING_YET = {"prediction": None, "feedback": None, "champion": None, "entity": None}


def read_facts(product: DataProduct) -> dict[str, Any]:
    """Read what tells whether a queue may have changed: the newest rows, and the champion, by their indexes."""
    predictions = Prediction.objects.served().filter(product=product.name).order_by("-created_at", "-pk")
    words = Feedback.objects.filter(product=product.name).order_by("-created_at", "-pk")
    state = ProductState.objects.filter(product=product.name).first()
    return {
        "prediction": predictions.values_list("pk", flat=True).first(),
        "feedback": words.values_list("pk", flat=True).first(),
        "champion": state and state.champion_id,
        "entity": _find_last_key(product),
    }


def _find_last_key(product: DataProduct) -> str | None:
    """Find the last key of the product's rows; None without any, and where they are not read for it."""
    if product.join.is_grouped:  # the last group would be found by making all groups
        return None
    try:
        with transaction.atomic():
            key = base_rows.select(product).order_by("-pk").values_list("pk", flat=True).first()
    except ProgrammingError as error:  # one product's tables must not end the maintenance of the others
        log.warning("The rows of %s cannot be read. %s", product, sqlstates.explain(error))
        return None
    return None if key is None else str(key)


def _without_deleted(rows: Sequence[label_pool.Unlabelled]) -> list[label_pool.Unlabelled]:
    """Leave out what is about a prediction that was deleted meanwhile; the others stay until the transaction ends."""
    keys = [row.prediction for row in rows if row.prediction]
    # In the order of the ids, as writers lock them.
    locked = (
        Prediction.objects.filter(pk__in=keys).order_by("pk").select_for_update(no_key=True, of=("self",))
    )
    existing = set(locked.values_list("pk", flat=True))
    return [row for row in rows if row.prediction is None or row.prediction in existing]


class LabelCandidateManager(models.Manager["LabelCandidate"]):
    """Reads pages of queues."""

    def page(self, product: DataProduct, request: PageRequest) -> Page["LabelCandidate"]:
        """Read a page of what is still to be labelled, of the newest generation or of that of the cursor.

        What the actor of this thread may not see is left out, and what it has labelled itself, although others have not
        yet agreed. Raises OutOfRange, BadInput.
        """
        size, cursors = request.size(), Cursors(CURSORS, request.name)
        after = _decode(cursors, request.after, "after")
        before = _decode(cursors, request.before, "before")
        rows = self._list_waiting(product, self._find_generation(product, after, before))
        between = [
            row
            for row in rows
            if (after is None or row.position > after[1]) and (before is None or row.position < before[1])
        ]
        nodes = between[-size:] if request.backward else between[:size]
        more = len(between) > size
        return Page(
            pagination.share_lookups(nodes),
            cursor=cursors.encode,
            has_next=request.before is not None or (more and not request.backward),
            has_previous=request.after is not None or (more and request.backward),
            total=lambda: len(rows),
        )

    def _find_generation(
        self, product: DataProduct, after: tuple[int, int] | None, before: tuple[int, int] | None
    ) -> int:
        """Find the generation to read; 0 where there is none yet."""
        if after and before and after[0] != before[0]:
            raise BadInput("The two cursors are of different orders of the queue.", argument=("before",))
        cursor, argument = (after, "after") if after else (before, "before")
        if cursor is None:
            return (
                LabelQueue.objects.filter(product=product.name).values_list("generation", flat=True).first()
                or 0
            )
        if not self.filter(product=product.name, generation=cursor[0]).exists():
            raise BadInput(
                "The order of this cursor is no longer kept. Start again without it.", argument=(argument,)
            )
        return cursor[0]

    def _list_waiting(self, product: DataProduct, generation: int) -> list["LabelCandidate"]:
        """List what has no label yet, and what the actor may see, in order."""
        rows = list(self.filter(product=product.name, generation=generation).order_by("position"))
        subjects = {row.subject: row.entity for row in rows}
        labelled = label_pool.find_labelled(product, subjects) | _find_own(product, subjects)
        visible = Prediction.objects.filter(pk__in=[row.prediction_id for row in rows if row.prediction_id])
        predictions = set(visible.values_list("pk", flat=True))
        keys = [row.entity for row in rows if row.entity and not row.prediction_id]
        existing = base_rows.existing(product, keys) if keys else set()
        return [
            row
            for row in rows
            if row.subject not in labelled
            and (row.prediction_id in predictions if row.prediction_id else row.entity in existing)
        ]

    def delete_old(self, product: str) -> None:
        """Delete the generations that were replaced some time ago."""
        rows = self.filter(product=product)
        long_ago = Now() - timedelta(seconds=KEEP_SECONDS)
        newest = rows.filter(created_at__lt=long_ago).aggregate(newest=Max("generation"))["newest"]
        if newest is not None:
            rows.filter(generation__lt=newest).delete()


def _find_own(product: DataProduct, subjects: dict[str, str | None]) -> set[str]:
    """Find the subjects that the actor of this thread has labelled itself."""
    actor = acting.current()
    if actor is None or actor.author == ANONYMOUS:
        return set()
    words = Feedback.objects.filter(
        product=product.name, subject__in=subjects, author=actor.author, retracted_at=None
    )
    return set(words.values_list("subject", flat=True))


def _decode(cursors: Cursors, cursor: str | None, argument: str) -> tuple[int, int] | None:
    """Decode a cursor to generation and position. Raises BadInput."""
    if cursor is None:
        return None
    generation, position = cursors.decode(cursor, argument)
    if not all(type(number) is int and 0 <= number < 2**31 for number in (generation, position)):
        raise pagination.no_cursor(argument)
    return generation, position


class LabelCandidate(BaseModel):
    """A place in a generation of a queue: a subject that a label would teach about."""

    #: Of what is erased.
    web_writes = Writes(delete=True)

    product = models.CharField(max_length=40)
    generation = models.PositiveIntegerField()
    #: From 1.
    position = models.PositiveIntegerField()
    subject = DigestField()
    entity = models.TextField(null=True)
    reference = models.TextField(null=True)
    #: The newest prediction about it, with which the row goes, by the constraint of the table; null where nobody asked.
    prediction = models.ForeignKey(
        Prediction, models.DO_NOTHING, null=True, related_name="+", db_constraint=False
    )
    #: The version that answered; null where none served.
    model = models.ForeignKey(
        ModelVersion, models.DO_NOTHING, null=True, related_name="+", db_constraint=False, db_index=False
    )
    answer = models.TextField(null=True)
    runner_up = models.TextField(null=True)
    confidence = models.FloatField(null=True)
    uncertainty = models.FloatField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = LabelCandidateManager()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["product", "generation", "position"], name="one_candidate_per_place"
            )
        ]

    def __str__(self) -> str:
        return f"{self.product}, generation {self.generation}, place {self.position}"

    @classmethod
    def of(cls, product: str, generation: int, position: int, row: label_pool.Unlabelled) -> "LabelCandidate":
        """Build the row of a place."""
        return cls(
            product=product,
            generation=generation,
            position=position,
            subject=row.subject,
            entity=row.entity,
            reference=row.reference,
            prediction_id=row.prediction,
            model_id=row.model,
            answer=row.answer,
            runner_up=row.runner_up,
            confidence=row.confidence,
            uncertainty=row.uncertainty,
        )

    def find_prediction(self) -> Prediction | None:
        """Find the newest prediction about it when the queue was ordered; those of a page share one prefetch."""
        row: Prediction | None = pagination.lookup_for_page(self, "prediction", _find_predictions)
        return row

    def find_entity(self) -> Entity | None:
        """Find the row that it is about as it is now; None for none. Raises the error of one that cannot be read."""
        entity = pagination.lookup_for_page(self, "entity", _find_entities)
        if isinstance(entity, StoreError):
            raise type(entity)(entity.message)
        return entity  # type: ignore[no-any-return]

    def find_version(self) -> ModelVersion | None:
        """Find the version that answered."""
        [version] = pagination.related([self], "model") if self.model_id else [None]
        return version


def _find_predictions(rows: Sequence[LabelCandidate]) -> dict[int, Prediction]:
    by_key = Prediction.objects.in_bulk([row.prediction_id for row in rows if row.prediction_id])
    pagination.share_lookups(list(by_key.values()))
    attach_prefetch(list(by_key.values()))
    return {row.pk: by_key[row.prediction_id] for row in rows if row.prediction_id in by_key}


def _find_entities(rows: Sequence[LabelCandidate]) -> dict[int, Entity | StoreError]:
    product = catalogue.get(rows[0].product)
    by_key = entities.find_each(product, sorted({row.entity for row in rows if row.entity}))
    pagination.share_lookups([entity for entity in by_key.values() if isinstance(entity, Entity)])
    return {row.pk: by_key[row.entity] for row in rows if row.entity in by_key}
