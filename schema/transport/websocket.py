"""GraphQL over WebSocket: the protocol graphql-transport-ws, with every message validated."""

from collections.abc import AsyncGenerator
from datetime import timedelta
from json import JSONDecodeError
from typing import Any

from graphql import GraphQLError
from starlette.websockets import WebSocketDisconnect, WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.http.exceptions import NonJsonMessageReceived, NonTextMessageReceived
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import (
    BaseGraphQLTransportWSHandler,
    Operation,
)
from strawberry.subscriptions.protocols.graphql_transport_ws.types import Message, SubscribeMessage
from strawberry.types.execution import PreExecutionError

from store.exceptions import Overloaded

from ..core.context import Context
from ..core.errors import translate

#: Time limit of a client for its first message, connection_init.
INIT_TIMEOUT = timedelta(seconds=10)
#: Operations that run at once on one socket, at most.
MOST_OPERATIONS = 50
#: Characters of a message, at most. Larger requests belong into HTTP, which decodes them on a thread.
MAX_MESSAGE = 1024 * 1024

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
            if len(text) > MAX_MESSAGE:
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

    async def handle_message(self, message: Message) -> None:
        if problem := message_problem(message):
            await self.handle_invalid_message(problem)
        else:
            await super().handle_message(message)

    async def handle_subscribe(self, message: SubscribeMessage) -> None:
        if len(self.operations) >= MOST_OPERATIONS:
            await self.refuse(message["id"], Overloaded(f"A socket carries {MOST_OPERATIONS} operations."))
            return
        if self.connection_acknowledged:
            # The caller may have been logged out, or lost a permission, since the socket was opened.
            self.context = await self.view.get_context(self.context.request, response=None)
        await super().handle_subscribe(message)

    async def refuse(self, operation_id: str, refusal: Exception) -> None:
        error = GraphQLError(str(refusal), original_error=refusal)
        translate(error)
        await self.send_message({"id": operation_id, "type": "error", "payload": [error.formatted]})

    async def _handle_pre_execution_error(
        self, operation: Operation[Context, None], result: PreExecutionError
    ) -> None:
        await operation.send_initial_errors(result.errors or [])


def message_problem(message: Message) -> str | None:
    """The problem of the shape of a message; None if it has none."""
    if message.get("type") in ("subscribe", "complete") and not isinstance(message.get("id"), str):
        return "A message's id must be a string"
    if message.get("type") != "subscribe":
        return None
    payload = message.get("payload")
    if not isinstance(payload, dict) or not isinstance(payload.get("query"), str):
        return "A subscribe message's payload must be an object with a query"
    if not isinstance(payload.get("variables"), dict | None):
        return "variables must be an object"
    if not isinstance(payload.get("operationName"), str | None):
        return "operationName must be a string"
    return None
