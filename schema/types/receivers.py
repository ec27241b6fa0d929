"""Receivers of events, webhooks and e-mail addresses, and what was sent to them."""

import datetime
from typing import Annotated

import strawberry
from strawberry.scalars import JSON

from store import models
from store.db import pagination
from store.db.pagination import Page, PageRequest
from store.notices.kinds import EventKind as Kind

from ..core.enums import DeliveryStatus, EventKind
from .nodes import UNSET, Node, list_field, relation, row_type


@row_type(
    models.Delivery,
    description="One event for one receiver: it is sent at least once, with the same id each time.",
)
class Delivery(Node):
    created_at: datetime.datetime = strawberry.field(description="The time of the event.")
    attempts: int = strawberry.field(description="The number of attempts so far.")
    ended_at: datetime.datetime | None = strawberry.field(
        description="When it was delivered, or given up; null while it waits."
    )
    answer: int | None = strawberry.field(
        description="The HTTP status of the newest answer; null without one."
    )
    receiver: Annotated["Receiver", strawberry.lazy("schema.types.receivers")] = relation(
        "receiver", "Where it is sent."
    )

    @strawberry.field(description="The kind of event.")
    def event(self: models.Delivery) -> EventKind:
        return Kind(self.kind)

    @strawberry.field(description="The event's id: `webhook-id` of each attempt.")
    def event_id(self: models.Delivery) -> str:
        return self.message_id

    @strawberry.field(description="What became of it so far.")
    def status(self: models.Delivery) -> DeliveryStatus:
        return DeliveryStatus(self.status)

    @strawberry.field(description="When it is sent, or tried again; null once it has ended.")
    def due_at(self: models.Delivery) -> datetime.datetime | None:
        return None if self.ended_at else self.due_at

    @strawberry.field(description="Why the newest attempt failed, as a sentence; null if none did.")
    def problem(self: models.Delivery) -> str | None:
        return self.problem or None

    @strawberry.field(description="What is sent of the event: `data` of a webhook's payload.")
    def data(self: models.Delivery) -> JSON:
        return JSON(self.data)


@row_type(
    models.Receiver,
    description="Where events are sent: a webhook's URL, signed by Standard Webhooks, or a person's e-mail address.",
)
class Receiver(Node):
    note: str = strawberry.field(description="What it is for; empty if nobody said so.")
    created_at: datetime.datetime = strawberry.field(description="When it was made.")
    created_by: str = strawberry.field(description="Who made it.")

    @strawberry.field(
        name="productName",
        description="The product whose events are sent to it; null: those of all products.",
    )
    def product_name(self: models.Receiver) -> str | None:
        return self.product or None

    @strawberry.field(description="The URL of a webhook; null for e-mail.")
    def url(self: models.Receiver) -> str | None:
        return self.url or None

    @strawberry.field(description="The e-mail address; null for a webhook.")
    def email(self: models.Receiver) -> str | None:
        return self.email or None

    @strawberry.field(description="The events that are sent to it.")
    def events(self: models.Receiver) -> list[EventKind]:
        return [Kind(value) for value in self.kinds]

    @strawberry.field(description="Why nothing is sent to it, as a sentence; null if something is.")
    def stopped(self: models.Receiver) -> str | None:
        return self.stopped or None

    @list_field(
        Delivery, description="What was sent to it, newest first; what has ended long ago is deleted."
    )
    def deliveries(self: models.Receiver, page: PageRequest) -> Page[models.Delivery]:
        return pagination.page(models.Delivery.objects.filter(receiver=self), ("-pk",), page)


@strawberry.input(description="Conditions on receivers of events.")
class ReceiverFilter:
    product: str | None = strawberry.field(
        default=UNSET, description="Only the receivers of the product of this name."
    )
