"""Receivers of events in the API: the query that lists them, and the mutations."""

from typing import Annotated

import strawberry

from store import models
from store.db import pagination
from store.db.pagination import Page, PageRequest

from .core import ids
from .core.context import Info
from .core.mutation import mutation
from .types.nodes import UNSET, list_field, unset_to_none
from .types.receiver_mutations import (
    ChangeReceiverInput,
    ChangeReceiverPayload,
    CreateEmailAlertInput,
    CreateEmailAlertPayload,
    CreateWebhookInput,
    CreateWebhookPayload,
    DeleteReceiverInput,
    DeleteReceiverPayload,
    ResendDeliveryInput,
    ResendDeliveryPayload,
    RotateReceiverSecretInput,
    RotateReceiverSecretPayload,
    TestReceiverInput,
    TestReceiverPayload,
)
from .types.receivers import Receiver, ReceiverFilter


@strawberry.type
class ReceiverQuery:
    """Query fields of receivers."""

    @list_field(
        Receiver,
        description="The receivers of events of the products that the caller administers, newest first.",
    )
    def receivers(
        self,
        page: PageRequest,
        filter: Annotated[
            ReceiverFilter | None,
            strawberry.argument(description="The receivers to list. Leave it out for all."),
        ] = UNSET,
    ) -> Page[models.Receiver]:
        rows = models.Receiver.objects.visible(unset_to_none(filter.product) if filter else None)
        return pagination.page(rows.filter(deleted_at=None), ("-pk",), page)


@strawberry.type
class ReceiverMutation:
    """Mutation fields of receivers."""

    @mutation(
        "Create a webhook: events are posted to its URL, signed by Standard Webhooks. Needs ADMINISTER on the product."
    )
    def create_webhook(
        self,
        info: Info,
        input: Annotated[CreateWebhookInput, strawberry.argument(description="The URL, and the events.")],
    ) -> CreateWebhookPayload | None:
        receiver, secret = models.Receiver.objects.create_webhook(
            unset_to_none(input.product), input.url, input.events, info.context.actor.author, input.note
        )
        return CreateWebhookPayload(receiver=receiver, secret=secret)

    @mutation("Send events to a person by e-mail. Needs ADMINISTER on the product, and EXEMPLAR_MAIL.")
    def create_email_alert(
        self,
        info: Info,
        input: Annotated[
            CreateEmailAlertInput, strawberry.argument(description="The address, and the events.")
        ],
    ) -> CreateEmailAlertPayload | None:
        receiver = models.Receiver.objects.create_email_alert(
            unset_to_none(input.product),
            input.address,
            input.events,
            info.context.actor.author,
            input.note,
        )
        return CreateEmailAlertPayload(receiver=receiver)

    @mutation("Change which events are sent to a receiver, or stop it.")
    def change_receiver(
        self,
        info: Info,
        input: Annotated[
            ChangeReceiverInput, strawberry.argument(description="The receiver, and what changes.")
        ],
    ) -> ChangeReceiverPayload | None:
        receiver = find_receiver(input.receiver)
        events, note = unset_to_none(input.events), unset_to_none(input.note)
        stopped, author = unset_to_none(input.stopped), info.context.actor.author
        receiver.change(by=author, kinds=events, note=note, stopped=stopped)
        return ChangeReceiverPayload(receiver=receiver)

    @mutation("Make a new secret for a webhook. The old one verifies nothing that is sent from now on.")
    def rotate_receiver_secret(
        self, input: Annotated[RotateReceiverSecretInput, strawberry.argument(description="The webhook.")]
    ) -> RotateReceiverSecretPayload | None:
        receiver = find_receiver(input.receiver)
        return RotateReceiverSecretPayload(receiver=receiver, secret=receiver.rotate_secret())

    @mutation("Delete a receiver: nothing is sent to it any more, and what waited is not.")
    def delete_receiver(
        self, input: Annotated[DeleteReceiverInput, strawberry.argument(description="The receiver.")]
    ) -> DeleteReceiverPayload | None:
        receiver = find_receiver(input.receiver)
        receiver.remove()
        return DeleteReceiverPayload(deleted_id=ids.node_id(receiver))

    @mutation("Send a test to a receiver, also to one that is stopped.")
    def test_receiver(
        self, input: Annotated[TestReceiverInput, strawberry.argument(description="The receiver.")]
    ) -> TestReceiverPayload | None:
        receiver = find_receiver(input.receiver)
        return TestReceiverPayload(delivery=models.Delivery.objects.record_test(receiver))

    @mutation("Send an event once more, as a new delivery with the same event id.")
    def resend_delivery(
        self, input: Annotated[ResendDeliveryInput, strawberry.argument(description="The delivery.")]
    ) -> ResendDeliveryPayload | None:
        delivery = models.Delivery.objects.find(ids.number(input.delivery, "Delivery", ("delivery",)))
        return ResendDeliveryPayload(delivery=delivery.repeat())


def find_receiver(id: str) -> models.Receiver:
    """Find a receiver by its id. Raises UnknownId, WrongKindOfId, Forbidden."""
    return models.Receiver.objects.find(ids.number(id, "Receiver", ("receiver",)))
