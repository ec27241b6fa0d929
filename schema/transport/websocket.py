"""GraphQL over WebSocket: the protocol graphql-transport-ws, with every message validated."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta
from json import JSONDecodeError
from typing import Any

from graphql import GraphQLError
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.http.exceptions import NonJsonMessageReceived, NonTextMessageReceived, WebSocketDisconnected
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import (
    BaseGraphQLTransportWSHandler,
    Operation,
)
from strawberry.subscriptions.protocols.graphql_transport_ws.types import (
    ConnectionInitMessage,
    Message,
    SubscribeMessage,
)
from strawberry.types.execution import PreExecutionError

from learning.exceptions import ExemplarError
from store.access.credentials import NOBODY, Credentials, read_bearer
from store.exceptions import Overloaded, Unauthenticated
from store.telemetry import requests
from store.telemetry.requests import RequestRecord

from ..core.context import Context
from ..core.errors import BadRequest, translate
from ..core.request import LARGEST_MESSAGE
from ..execution.document_store import name_of
from .admission import SLOT, Admission

#: Time limit of a client for its first message, connection_init.
INIT_TIMEOUT = timedelta(seconds=10)
#: Operations that run at once on one socket, at most.
MOST_OPERATIONS = 50

#: Bytes that the reason of a close may have.
LONGEST_REASON = 123

TOO_BIG, BAD_REQUEST, FORBIDDEN, TRY_AGAIN_LATER, INTERNAL = 1009, 4400, 4403, 1013, 1011


class Socket(ASGIWebSocketAdapter):
    """A socket of JSON objects of limited size; any other message closes it."""

    async def iter_json(self, *, ignore_parsing_errors: bool = False) -> AsyncGenerator[object, None]:
        while self.ws.application_state != WebSocketState.DISCONNECTED:
            try:
                text = await self.ws.receive_text()
            except WebSocketDisconnect:
                return
            except KeyError as error:
                raise NonTextMessageReceived from error
            if len(text) > LARGEST_MESSAGE:
                await self.close(TOO_BIG, "Message too big: send it over HTTP")
                return
            yield self.object_in(text)

    def object_in(self, text: str) -> dict[str, Any]:
        try:
            message = self.view.decode_json(text)
        except JSONDecodeError as error:
            raise NonJsonMessageReceived from error
        if not isinstance(message, dict):
            raise NonJsonMessageReceived
        return message


class Protocol(BaseGraphQLTransportWSHandler[Context, None]):
    """The protocol by its specification: an invalid document ends its operation, not the socket."""

    async def handle_task_exception(self, error: Exception) -> None:
        """Log an unexpected exception; that the client has gone is none."""
        if not isinstance(error, WebSocketDisconnected):
            await super().handle_task_exception(error)

    async def handle_message(self, message: Message) -> None:
        if problem := message_problem(message):
            await self.handle_invalid_message(problem)
        else:
            await super().handle_message(message)

    async def handle_connection_init(self, message: ConnectionInitMessage) -> None:
        """Find the caller by the token in the payload, where its head has none: a browser cannot set one."""
        payload = message.get("payload")
        if payload is None:  # clients that write every member of the message send null
            message.pop("payload", None)
        try:
            if isinstance(payload, dict) and not self.connection_init_received:
                await self.identify(payload.get("Authorization", payload.get("authorization")))
            self.context.actor.check_admitted()
        except ExemplarError as refusal:
            await self.websocket.close(FORBIDDEN, refusal.message[:100])
            return
        await super().handle_connection_init(message)

    async def identify(self, header: object) -> None:
        """Have a token's owner be the caller from now on; None: nothing changes. Raises Unauthenticated."""
        if header is None:
            return
        if not isinstance(header, str) or self.context.credentials is not NOBODY:
            raise Unauthenticated("Send one credential: a token in the payload, or a header of the socket.")
        self.context.credentials = Credentials(bearer=read_bearer(header))
        connection = self.context.request
        address = address_of(connection)
        self.context.actor = await self.admission.find(self.context.credentials, address)
        self.admission.enter_socket(connection.scope[SLOT], self.context.actor, address)

    async def handle_subscribe(self, message: SubscribeMessage) -> None:
        # What the operation logs names it.
        requests.current.set(RequestRecord.part_of(requests.current.get()))
        if len(self.operations) >= MOST_OPERATIONS:
            await self.refuse(message["id"], Overloaded(f"A socket carries {MOST_OPERATIONS} operations."))
            return
        if self.connection_acknowledged:
            # The caller may have been logged out, or lost a permission, since the socket was opened.
            self.context = await refreshed(self.context)
            try:
                await self.prepare(message["payload"])
            except ExemplarError as refusal:
                await self.refuse(message["id"], refusal)
                return
        await super().handle_subscribe(message)

    async def prepare(self, payload: Any) -> None:
        """Count an operation, and put its document into the payload where that only names it.

        Raises RateLimited, BadRequest, Forbidden, PersistedQueryNotFound.
        """
        actor = self.context.actor
        await self.admission.admit_operation(actor, address_of(self.context.request))
        name = name_of(payload.get("extensions"), payload.get("documentId") or payload.get("id"))
        payload["query"] = await self.admission.documents.get(payload.get("query"), name, actor)
        if not payload["query"]:
            raise BadRequest("There is no `query` in the message.")

    async def run_operation(self, operation: Operation[Context, None]) -> None:
        """Run an operation, which counts as a stream of its caller until it ends."""
        slot = self.admission.subscriptions.slot()
        try:
            self.admission.enter_stream(slot, self.context.actor, address_of(self.context.request))
        except Overloaded as refusal:
            error = GraphQLError(str(refusal), original_error=refusal)
            translate(error)
            await operation.send_initial_errors([error])
            return
        try:
            await super().run_operation(operation)
        finally:
            slot.leave()

    @property
    def admission(self) -> Admission:
        view: Any = self.view
        admission: Admission = view.admission
        return admission

    async def refuse(self, operation_id: str, refusal: Exception) -> None:
        error = GraphQLError(str(refusal), original_error=refusal)
        translate(error)
        await self.send_message({"id": operation_id, "type": "error", "payload": [error.formatted]})

    async def _handle_pre_execution_error(
        self, operation: Operation[Context, None], result: PreExecutionError
    ) -> None:
        await operation.send_initial_errors(result.errors or [])


async def close_with_reason(socket: WebSocket, reason: str) -> None:
    """Open a socket only to close it: a page reads the reason of that, and nothing of a handshake that failed."""
    offered = GRAPHQL_TRANSPORT_WS_PROTOCOL in socket.scope["subprotocols"]
    await socket.accept(GRAPHQL_TRANSPORT_WS_PROTOCOL if offered else None)
    await socket.close(FORBIDDEN, reason[:LONGEST_REASON])


def address_of(connection: HTTPConnection) -> str:
    """The client's address; empty where it has none."""
    return connection.client.host if connection.client else ""


async def refreshed(context: Context) -> Context:
    """The context of the next operation, with the caller as it is now. Raises Unauthenticated, Forbidden."""
    actor = await context.find_again()
    actor.check_admitted()
    return replace(context, actor=actor).for_event()


def message_problem(message: Message) -> str | None:
    """The problem of the shape of a message; None if it has none."""
    if message.get("type") in ("subscribe", "complete") and not isinstance(message.get("id"), str):
        return "A message's id must be a string"
    if message.get("type") != "subscribe":
        return None
    payload = message.get("payload")
    if not isinstance(payload, dict) or not any(
        map(payload.get, ("query", "extensions", "documentId", "id"))
    ):
        return "A subscribe message's payload must be an object with a query"
    for name in ("query", "documentId", "id"):
        if not isinstance(payload.get(name), str | None):
            return f"{name} must be a string"
    if not isinstance(payload.get("extensions"), dict | None):
        return "extensions must be an object"
    if not isinstance(payload.get("variables"), dict | None):
        return "variables must be an object"
    if not isinstance(payload.get("operationName"), str | None):
        return "operationName must be a string"
    return None
