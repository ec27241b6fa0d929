"""Deliveries: one event for one receiver, as a row from the transaction of the event until it is old.

A delivery is sent at least once: a process that dies while it sends leaves a row that is due again.
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from ..access import acting
from ..access.permissions import Permission
from ..db.base import BaseModel
from ..db.fields import JSONField
from ..db.writes import Writes
from ..exceptions import Conflict, UnknownId
from .kinds import EventKind
from .receivers import Receiver

WAITING, DELIVERED, FAILED = STATUSES = ("WAITING", "DELIVERED", "FAILED")

#: Seconds between a failed attempt and the next one, as Standard Webhooks recommends; after the last one it has failed.
PAUSES = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
#: Seconds for which an attempt has a delivery for itself: longer than an attempt may take.
LEASE_SECONDS = 60
#: Deliveries that one process sends at a time.
BATCH = 8
#: Days for which ended deliveries stay.
KEEP_DAYS = 30
#: Rows that one statement deletes, at most.
DELETED_AT_ONCE = 10_000


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    """Records, claims, repeats and deletes deliveries."""

    def record(self, kind: EventKind, product: str, data: Mapping[str, Any]) -> None:
        """Record an event for every receiver that is registered for it, in the transaction of the event."""
        about = Q(product=product) | Q(product="")
        receivers = Receiver.objects.filter(about, kinds__contains=[kind], deleted_at=None, stopped="")
        self._add(list(receivers), kind, product, data)

    def record_test(self, receiver: Receiver) -> "Delivery":
        """Record a test for one receiver, which is sent although it is stopped."""
        [delivery] = self._add([receiver], EventKind.TEST, receiver.product, {"receiver": receiver.pk})
        return delivery

    def _add(
        self, receivers: Sequence[Receiver], kind: EventKind, product: str, data: Mapping[str, Any]
    ) -> "list[Delivery]":
        event = uuid.uuid4()
        rows = [
            Delivery(receiver=receiver, event=event, kind=kind, product=product, data=data)
            for receiver in receivers
        ]
        Delivery.objects.bulk_create(rows)
        return rows

    def find(self, pk: int) -> "Delivery":
        """Find a delivery for who administers its receiver. Raises UnknownId, Forbidden."""
        delivery = self.select_related("receiver").filter(pk=pk).first()
        if delivery is None:
            raise UnknownId("No delivery has this id.", argument=("delivery",))
        acting.require(Permission.ADMINISTER, delivery.receiver.product or None)
        return delivery

    @transaction.atomic
    def claim(self) -> "list[Delivery]":
        """Take the deliveries that are due, for this process alone while its lease lasts."""
        may_be_sent = Q(receiver__stopped="") | Q(kind=EventKind.TEST)
        due = self.filter(may_be_sent, status=WAITING, due_at__lte=Now()).order_by("due_at", "pk")
        keys = list(
            due.select_for_update(skip_locked=True, of=("self",)).values_list("pk", flat=True)[:BATCH]
        )
        rows = self.filter(pk__in=keys, status=WAITING)
        # Of events whose transactions ended after the deletion.
        rows.filter(receiver__deleted_at__isnull=False).give_up("Its receiver was deleted.")
        rows.update(attempts=F("attempts") + 1, due_at=Now() + timedelta(seconds=LEASE_SECONDS))
        return list(rows.annotate(now=Now()).select_related("receiver").order_by("pk"))

    def give_up(self, problem: str) -> None:
        """End what waits."""
        self.filter(status=WAITING).update(status=FAILED, ended_at=Now(), problem=problem)

    def delete_old(self) -> int:
        """Delete deliveries that ended long ago, some at a time; return how many."""
        old = self.filter(ended_at__lt=Now() - timedelta(days=KEEP_DAYS)).order_by("pk").values("pk")
        return self.filter(pk__in=old[:DELETED_AT_ONCE]).delete()[0]


class Delivery(BaseModel):
    """One event for one receiver, with what became of it."""

    web_writes = Writes(insert=True, delete=True, update=("status", "ended_at", "problem"))

    receiver = models.ForeignKey(Receiver, models.PROTECT, related_name="deliveries")
    #: The event, by which a receiver knows repetitions.
    event = models.UUIDField()
    kind = models.CharField(max_length=30)
    #: Empty in a test of a receiver of all products.
    product = models.CharField(max_length=40, blank=True)
    #: What is sent of the event.
    data = JSONField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    status = models.CharField(max_length=9, default=WAITING)
    attempts = models.PositiveIntegerField(default=0)
    #: When it is sent, or tried again.
    due_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)
    #: The HTTP status of the newest answer; null without one.
    answer = models.PositiveIntegerField(null=True)
    #: Why the newest attempt failed; empty where none did.
    problem = models.TextField(blank=True)

    #: The database's time, of a claimed delivery.
    now: datetime

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.CheckConstraint(condition=Q(status__in=STATUSES), name="delivery_status_is_valid")
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(status=WAITING), name="deliveries_due"),
            models.Index(fields=["receiver", "-id"], name="deliveries_newest_first"),
            models.Index(fields=["ended_at"], name="deliveries_ended"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} to {self.receiver}"

    @property
    def message_id(self) -> str:
        """The event's id in the form of Standard Webhooks."""
        return f"msg_{self.event.hex}"

    def succeed(self, answer: int | None) -> None:
        """Note that the attempt has reached the receiver."""
        self._mine().update(status=DELIVERED, ended_at=Now(), answer=answer, problem="")

    @transaction.atomic
    def fail(self, problem: str, answer: int | None = None, *, is_final: bool = False) -> None:
        """Note why the attempt failed, and when the next one is made, if any."""
        ends = is_final or self.attempts > len(PAUSES)
        end = {"status": FAILED, "ended_at": Now()}
        pause = {"due_at": Now() + timedelta(seconds=PAUSES[min(self.attempts, len(PAUSES)) - 1])}
        self._mine().update(answer=answer, problem=problem, **(end if ends else pause))

    def _mine(self) -> DeliveryQuerySet:
        """Select the row if this attempt is still its newest one."""
        return Delivery.objects.filter(pk=self.pk, attempts=self.attempts, status=WAITING)

    def repeat(self) -> "Delivery":
        """Send the same event to the same receiver once more, as a new delivery. Raises Conflict."""
        if self.receiver.deleted_at:
            raise Conflict("Its receiver was deleted: nothing is sent to it.", argument=("delivery",))
        return Delivery.objects.create(
            receiver=self.receiver, event=self.event, kind=self.kind, product=self.product, data=self.data
        )
