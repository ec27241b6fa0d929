"""Inputs and payloads of the mutations of receivers."""

import strawberry

from store import models

from ..core.enums import EventKind
from .nodes import UNSET
from .receivers import Delivery, Receiver

#: What a receiver of one product or of all products hears of.
PRODUCT = "The product whose events are sent. Leave it out for all products, later ones too."
EVENTS = "The events that are sent, at least one."
NOTE = "What it is for."


@strawberry.input(description="The input of `createWebhook`.")
class CreateWebhookInput:
    url: str = strawberry.field(
        description="Where each event is posted to, as https://example.org/hook. It must have a public address, or one "
        "in EXEMPLAR_WEBHOOK_NETWORKS."
    )
    events: list[EventKind] = strawberry.field(description=EVENTS)
    product: str | None = strawberry.field(default=UNSET, description=PRODUCT)
    note: str = strawberry.field(default="", description=NOTE)


@strawberry.input(description="The input of `createEmailAlert`.")
class CreateEmailAlertInput:
    address: str = strawberry.field(description="The person's e-mail address.")
    events: list[EventKind] = strawberry.field(description=EVENTS)
    product: str | None = strawberry.field(default=UNSET, description=PRODUCT)
    note: str = strawberry.field(default="", description=NOTE)


@strawberry.input(description="The input of `changeReceiver`: what is left out stays as it is.")
class ChangeReceiverInput:
    receiver: strawberry.ID = strawberry.field(description="The id of the receiver.")
    events: list[EventKind] | None = strawberry.field(default=UNSET, description=EVENTS)
    note: str | None = strawberry.field(default=UNSET, description=NOTE)
    stopped: bool | None = strawberry.field(
        default=UNSET, description="True: nothing is sent to it from now on. False: events are sent again."
    )


@strawberry.input(description="A receiver, by its id.")
class ReceiverInput:
    receiver: strawberry.ID = strawberry.field(description="The id of the receiver.")


@strawberry.input(description="The input of `rotateReceiverSecret`.")
class RotateReceiverSecretInput(ReceiverInput):
    pass


@strawberry.input(description="The input of `testReceiver`.")
class TestReceiverInput(ReceiverInput):
    pass


@strawberry.input(description="The input of `deleteReceiver`.")
class DeleteReceiverInput(ReceiverInput):
    pass


@strawberry.input(description="The input of `resendDelivery`.")
class ResendDeliveryInput:
    delivery: strawberry.ID = strawberry.field(description="The id of the delivery.")


@strawberry.type
class ReceiverPayload:
    """A payload with the receiver."""

    receiver: models.Receiver | None = strawberry.field(
        graphql_type=Receiver | None, description="The receiver, as it is now."
    )


@strawberry.type
class SecretPayload(ReceiverPayload):
    """A payload with the receiver and its secret."""

    secret: str | None = strawberry.field(
        description="The secret that verifies signatures, by a library of Standard Webhooks. It cannot be shown again."
    )


@strawberry.type
class DeliveryPayload:
    """A payload with a delivery."""

    delivery: models.Delivery | None = strawberry.field(
        graphql_type=Delivery | None, description="The delivery: a worker sends it within seconds."
    )


@strawberry.type(description="The new webhook, with its secret.")
class CreateWebhookPayload(SecretPayload):
    pass


@strawberry.type(description="The new receiver of e-mail.")
class CreateEmailAlertPayload(ReceiverPayload):
    pass


@strawberry.type(description="The receiver that was changed.")
class ChangeReceiverPayload(ReceiverPayload):
    pass


@strawberry.type(description="A webhook with a new secret, by which everything is signed from now on.")
class RotateReceiverSecretPayload(SecretPayload):
    pass


@strawberry.type(description="The receiver that was deleted.")
class DeleteReceiverPayload:
    deleted_id: strawberry.ID | None = strawberry.field(
        description="The receiver's id, to remove it from caches."
    )


@strawberry.type(description="The test that was requested.")
class TestReceiverPayload(DeliveryPayload):
    pass


@strawberry.type(description="The repetition that was requested.")
class ResendDeliveryPayload(DeliveryPayload):
    pass
