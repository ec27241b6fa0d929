"""Receivers: where events of products are sent, a webhook's URL or a person's e-mail address."""

import base64
import secrets
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from django.contrib.postgres.fields import ArrayField
from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import Now

from ..access import acting, audit
from ..access.audit import Act
from ..access.permissions import Permission
from ..db.base import BaseModel
from ..db.writes import Writes
from ..exceptions import BadInput, Faults, UnknownId
from ..products import catalogue
from . import destinations, sealing
from .kinds import CHOICES, EventKind

if TYPE_CHECKING:
    from .deliveries import DeliveryQuerySet

#: What the secret of a webhook begins with, by Standard Webhooks.
SECRET_MARK = "whsec_"
#: Bytes of a secret: Standard Webhooks has 24 to 64.
SECRET_BYTES = 32
#: Receivers of one product, or of all products, at most.
MOST_RECEIVERS = 50


class ReceiverQuerySet(models.QuerySet["Receiver"]):
    """Selects and changes receivers."""

    def visible(self, product: str | None = None) -> "ReceiverQuerySet":
        """Select the receivers that this thread's actor administers, of one product or of all. Raises Forbidden."""
        if product is not None:
            acting.require(Permission.ADMINISTER, product)
            return self.filter(product=product)
        actor = acting.current()
        if actor is None or actor.may(Permission.ADMINISTER, None):
            return self
        products = [each.name for each in catalogue.products() if actor.may(Permission.ADMINISTER, each.name)]
        return self.filter(product__in=products)

    def find(self, pk: int) -> "Receiver":
        """Find a receiver for who administers it. Raises UnknownId, Forbidden."""
        receiver = self.filter(pk=pk).first()
        if receiver:
            acting.require(Permission.ADMINISTER, receiver.product or None)
        if receiver is None or receiver.deleted_at:
            raise UnknownId("No receiver has this id.", argument=("receiver",))
        return receiver

    def create_webhook(
        self, product: str | None, url: str, kinds: Collection[EventKind], by: str, note: str = ""
    ) -> "tuple[Receiver, str]":
        """Create a webhook, and return it with its secret, which is shown this once. Raises BadInput, Forbidden."""
        secret = make_secret()
        values = {"url": url, "sealed_secret": sealing.seal(secret)}
        return self._create(product, kinds, by, note, values), secret

    def create_email_alert(
        self, product: str | None, address: str, kinds: Collection[EventKind], by: str, note: str = ""
    ) -> "Receiver":
        """Create a receiver of e-mail. Raises BadInput, Forbidden."""
        return self._create(product, kinds, by, note, {"email": address})

    @transaction.atomic
    def _create(
        self, product: str | None, kinds: Collection[EventKind], by: str, note: str, values: dict[str, Any]
    ) -> "Receiver":
        acting.require(Permission.ADMINISTER, product)
        faults = Faults()
        if product is not None:
            with faults.collect():
                catalogue.get(product)
        with faults.collect():
            check_address(values)
        with faults.collect():
            values["kinds"] = checked_kinds(kinds)
        faults.check()
        if self.filter(product=product or "", deleted_at=None).count() >= MOST_RECEIVERS:
            raise BadInput(f"There are {MOST_RECEIVERS} receivers of this product: delete one first.")
        receiver = self.create(product=product or "", created_by=by, note=note, **values)
        receiver.record(Act.CREATE_RECEIVER)
        return receiver


def check_address(values: Mapping[str, str]) -> None:
    """Check the URL or the e-mail address among the values of a receiver. Raises BadInput."""
    if "url" in values:
        destinations.find(values["url"])
    else:
        destinations.check_email(values["email"])


def checked_kinds(kinds: Collection[EventKind]) -> list[str]:
    """Return the kinds that a receiver is registered for, in order, each once. Raises BadInput."""
    if not kinds or EventKind.TEST in kinds:
        raise BadInput("Name at least one event; a test is sent on request.", argument=("events",))
    return [kind.value for kind in CHOICES if kind in kinds]


def make_secret() -> str:
    """Make the secret of a webhook."""
    return SECRET_MARK + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


class Receiver(BaseModel):
    """A receiver of events. One that is deleted stays as the row that its deliveries name."""

    worker_writes = Writes(update=("stopped",))

    #: Empty: events of all products.
    product = models.CharField(max_length=40, blank=True)
    #: Of a webhook; else empty.
    url = models.TextField(blank=True)
    #: Of a person; else empty.
    email = models.CharField(max_length=254, blank=True)
    #: The values of EventKind that are sent to it.
    kinds = ArrayField(models.CharField(max_length=30))
    #: By which a webhook's payloads are signed, encrypted.
    sealed_secret = models.TextField(blank=True)
    #: What it is for, in its creator's words.
    note = models.CharField(max_length=200, blank=True)
    #: Why nothing is sent to it; empty where something is.
    stopped = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    created_by = models.CharField(max_length=200)
    deleted_at = models.DateTimeField(null=True)
    if TYPE_CHECKING:
        deliveries: "DeliveryQuerySet"

    objects = ReceiverQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(url="", email__gt="") | Q(url__gt="", email=""), name="a_receiver_has_one_address"
            )
        ]

    def __str__(self) -> str:
        return self.url or self.email

    @transaction.atomic
    def change(
        self,
        *,
        by: str,
        kinds: Collection[EventKind] | None = None,
        note: str | None = None,
        stopped: bool | None = None,
    ) -> None:
        """Change what is sent to it, and whether; None leaves a value as it is. Raises BadInput."""
        if kinds is not None:
            self.kinds = checked_kinds(kinds)
        if note is not None:
            self.note = note
        if stopped is not None:
            self.stopped = (self.stopped or f"Stopped by {by}.") if stopped else ""
        self.save(update_fields=["kinds", "note", "stopped"])
        self.record(Act.CHANGE_RECEIVER)

    @transaction.atomic
    def rotate_secret(self) -> str:
        """Make a new secret, which signs from now on, and return it. Raises BadInput for receivers of e-mail."""
        if not self.url:
            raise BadInput("Only webhooks have a secret: e-mail is not signed.", argument=("receiver",))
        secret = make_secret()
        self.sealed_secret = sealing.seal(secret)
        self.save(update_fields=["sealed_secret"])
        self.record(Act.CHANGE_RECEIVER, secret="rotated")
        return secret

    @transaction.atomic
    def remove(self) -> None:
        """Send nothing to it any more, nor what waits; forget its secret. Deliveries stay until they are old."""
        self.deliveries.give_up("Its receiver was deleted.")
        self.deleted_at, self.sealed_secret = Now(), ""
        self.save(update_fields=["deleted_at", "sealed_secret"])
        self.refresh_from_db(fields=["deleted_at"])
        self.record(Act.DELETE_RECEIVER)

    def record(self, act: Act, **details: str) -> None:
        """Record a change in the audit log."""
        more = {"to": str(self), "events": self.kinds, **details}
        audit.record(act, product=self.product or None, ids=[self], details=more)
