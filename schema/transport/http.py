"""GraphQL over HTTP: POST, GET, server-sent events and multipart, in one ASGI application with WebSocket."""

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

import orjson
from cross_web import HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketState
from strawberry.asgi import GraphQL
from strawberry.exceptions import MissingQueryError
from strawberry.http import GraphQLHTTPResponse, GraphQLRequestData, GraphQLRequestProtocol
from strawberry.http.streaming import MultipartSubscriptionTransport, SSETransport
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.subscriptions import (
    GRAPHQL_SSE_PROTOCOL,
    GRAPHQL_TRANSPORT_WS_PROTOCOL,
    MULTIPART_SUBSCRIPTION_PROTOCOL,
)
from strawberry.types.execution import ExecutionResult
from strawberry.types.graphql import OperationType

from store.access.actors import Actor
from store.access.credentials import NOBODY, Credentials, read_credentials
from store.access.rate_limiter import NO_HEADERS
from store.db import threads
from store.exceptions import Forbidden, Unauthenticated
from store.telemetry import metrics, requests, streams

from ..compiled import operation_labels
from ..core import negotiation, security
from ..core.context import Context, next_deadline
from ..core.cors import Cors
from ..core.errors import BadRequest, body_of, refusal_of
from ..core.request import EXTENSION, GraphQLRequest, RequestHead, decode_json, request_of
from ..core.responses import HEADERS, METHODS, STATUS, JSONObject, retry, status_of
from ..execution.document_store import name_of
from ..execution.execution import Schema
from . import http_caching, websocket
from .admission import SLOT, Admission
from .fast_path import FastPath, send_reply

#: Parameters that other APIs take tokens by.
TOKENS_IN_URL = frozenset({"access_token", "token", "authorization", "api_key"})
#: PUT and DELETE are of the mode of GraphQL over server-sent events in which one connection carries several streams.
OTHER_METHOD = (
    "Send GraphQL requests by POST or GET. Each stream of server-sent events has a connection of its own "
    "(`singleConnection: false`); a WebSocket carries several."
)
#: The operations that a method may execute; the transport of a stream has its own rule.
KINDS = {"GET": {OperationType.QUERY}, "POST": {OperationType.QUERY, OperationType.MUTATION}}

STREAMS: dict[str, GraphQLRequestProtocol] = {
    negotiation.EVENTS: "sse",
    negotiation.MULTIPART: "multipart-subscription",
}


class EventStream(SSETransport):
    """Server-sent events with the line ends that clients expect, and comments that keep proxies from closing."""

    headers = {**SSETransport.headers, "Cache-Control": HEADERS["Cache-Control"]}

    def encode_event(self, event: str, data: str | None = None) -> str:
        return f"event: {event}\ndata: {data or ''}\n\n"

    def encode_comment(self, comment: str) -> str:
        return f": {comment}\n\n"


class GraphQLApp(GraphQL[Context, None]):
    """The API as one ASGI application, for HTTP and WebSocket."""

    schema: Schema
    websocket_adapter_class = websocket.Socket
    graphql_transport_ws_handler_class = websocket.Protocol
    stream_transport_classes_by_protocol = {
        MULTIPART_SUBSCRIPTION_PROTOCOL: MultipartSubscriptionTransport,
        GRAPHQL_SSE_PROTOCOL: EventStream,
    }

    def __init__(self, schema: Schema):
        super().__init__(
            schema,
            graphql_ide=None,
            subscription_protocols=[
                GRAPHQL_TRANSPORT_WS_PROTOCOL,
                MULTIPART_SUBSCRIPTION_PROTOCOL,
                GRAPHQL_SSE_PROTOCOL,
            ],
            connection_init_wait_timeout=websocket.INIT_TIMEOUT,
            max_subscriptions_per_connection=None,
            allowed_origins=["*"],  # `security` has checked it
        )
        self.admission = Admission()
        #: The standard path, for pages of other origins too.
        self.cors = Cors(self.answer)
        self.fast_path = FastPath(schema.document_cache, self.encode_json, self.cors, self.admission)

    def serve(self, schema: Schema) -> None:
        """Serve this schema from now on."""
        self.schema, self.fast_path.document_cache = schema, schema.document_cache

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            with streams.opened("websocket"):
                await self.connect(WebSocket(scope, receive, send))
            return
        request = request_of(scope, receive)
        try:
            if not request.declined and (reply := await self.fast_path.reply(request)):
                await send_reply(reply, send)
            else:
                await self.cors(scope, receive, send)
                self.observe(request)
        finally:
            # The request refers to the scope by `receive`: without this cycle its body is freed at once.
            del scope["extensions"][EXTENSION]

    def observe(self, request: GraphQLRequest) -> None:
        """Count a request that the standard path has answered, unless it was a stream."""
        record = request.record
        if request.head.media_type not in STREAMS:
            operation = record.operation or operation_labels.INVALID
            metrics.REQUEST_SECONDS.of("standard", operation).observe(time.perf_counter() - record.started)

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self.respond(Request(scope, receive))
        request = request_of(scope, receive)
        allowance = request.allowance.headers() if request.allowance else NO_HEADERS
        for name, value in (*HEADERS.items(), *allowance.items()):
            response.headers[name] = value
        if request.answered:
            response = await http_caching.finish(request.head, response, *request.answered)
        try:
            with streams.opened("http") if isinstance(response, StreamingResponse) else nullcontext():
                await response(scope, receive, send)
        except asyncio.CancelledError:
            # The server stops and its grace period is over: end the stream properly.
            await send({"type": "http.response.body"})
        finally:
            if request.slot:
                request.slot.leave()

    async def respond(self, request: Request) -> Response:
        """Respond to a request; an unexpected exception becomes an internal error with an id."""
        try:
            if request.method == "OPTIONS":
                return Response(status_code=204, headers={"Allow": METHODS})
            self.check(request)
            return await self.run(request)
        except ClientDisconnect:
            return Response(status_code=400)
        except HTTPException as refusal:
            return self.refuse(request, BadRequest(refusal.reason), refusal.status_code)
        except Exception as error:
            return self.refuse(request, error)

    def check(self, request: Request) -> None:
        """Check a request before its body is read. Raises HTTPException, Forbidden."""
        head = head_of(request)
        if not security.is_served(head.get(b"host")):
            raise HTTPException(400, "This Host is not one that is served here.")
        if not security.is_secure(request):
            raise HTTPException(403, "Send this by HTTPS: what is sent without it can be read on the way.")
        if request.method not in ("GET", "POST"):
            raise HTTPException(405, OTHER_METHOD)
        if head.media_type is None:
            raise HTTPException(
                406, f"Accept {negotiation.RESPONSE}, {negotiation.JSON} or {negotiation.EVENTS}."
            )
        if any(name in TOKENS_IN_URL for name, _ in parse_qsl(head.query_string.decode("latin-1"))):
            raise Unauthenticated(
                "A token in a URL ends in logs and histories: send Authorization: Bearer TOKEN."
            )
        security.check_reader(head)
        if head.credentials.session and request.method == "POST":
            security.check_forgery(request)

    async def execute(
        self, document: str, variables: JSONObject, actor: Actor, connection: HTTPConnection
    ) -> ExecutionResult:
        """Execute an operation of a page of this process, which counts as any other one of its caller.

        Its errors are translated. Raises RateLimited.
        """
        await self.admission.admit_operation(actor, requests.address_of(connection.scope))
        context = Context(actor, connection, until=next_deadline())
        execute = partial(
            self.schema.execute_sync,
            document,
            variable_values=dict(variables),
            context_value=context,
            allowed_operation_types=KINDS["POST"],
        )
        return await threads.run(execute_or_explain, execute)

    async def connect(self, socket: WebSocket) -> None:
        """Run the operations of a socket until it is closed; reject it before if it may not be opened."""
        if not security.may_open(socket):
            await self.reject_websocket(socket)
            return
        try:
            security.check_page(socket)
        except Forbidden as forbidden:
            await websocket.close_with_reason(socket, forbidden.message)
            return
        socket.scope[SLOT] = slot = self.admission.sockets.slot()
        try:
            await self.run(socket)
        except Exception as error:
            refusal = refusal_of(error)
            if socket.application_state == WebSocketState.CONNECTED:
                await socket.close(SOCKET_CLOSES.get(refusal.code, websocket.INTERNAL), refusal.message[:100])
        finally:
            slot.leave()

    async def get_context(self, request: HTTPConnection, response: object) -> Context:
        """The context with the caller. Raises Unauthenticated if the caller may not use the API at all."""
        head = head_of(request) if isinstance(request, Request) else None
        credentials = head.credentials if head else read_credentials(request.headers.raw)
        actor = await self.find_caller(request, credentials)
        if record := requests.current.get():
            record.actor = actor.author
        if head or credentials is not NOBODY:  # over a socket, the token may come with the first message
            actor.check_admitted()
        cross_site = head is not None and head.may_be_cross_site
        return Context(actor, request, cross_site=cross_site, credentials=credentials, until=next_deadline())

    async def find_caller(self, connection: HTTPConnection, credentials: Credentials) -> Actor:
        """Find the caller, and count the request or the socket. Raises Unauthenticated, RateLimited, Overloaded."""
        if isinstance(connection, Request):
            return await self.admission.find_and_admit(request_of(connection.scope, connection.receive))
        address = websocket.address_of(connection)
        actor = await self.admission.find(credentials, address)
        self.admission.enter_socket(connection.scope[SLOT], actor, address)
        return actor

    async def get_sub_response(self, request: Request) -> Response:  # type: ignore[override]
        """The response that headers and the negotiated media type are set on."""
        sub_response = await super().get_sub_response(request)
        sub_response.media_type = head_of(request).answer_type
        return sub_response

    def should_render_graphql_ide(self, request: object) -> bool:
        return False

    def decode_json(self, data: str | bytes) -> object:
        return decode_json(data)

    def encode_json(self, data: object) -> str:
        try:
            return orjson.dumps(data).decode()
        except TypeError:  # integers beyond 64 bits, or half surrogate pairs from clients
            return json.dumps(data, separators=(",", ":"), allow_nan=False)

    async def parse_http_body(self, request: Any) -> GraphQLRequestData:
        """The parameters of a request. Raises HTTPException if they are not valid."""
        read = request_of(request._request.scope, request._request.receive)
        parameters = await read.parameters()
        return GraphQLRequestData(
            query=parameters.query,
            variables=parameters.variables,
            operation_name=parameters.operation_name,
            extensions=parameters.extensions,
            protocol=STREAMS.get(read.head.media_type or "", "http"),
        )

    async def execute_operation(
        self,
        request: Request,
        request_adapter: Any,
        request_data: Any,
        context: Context,
        root_value: None,
        sub_response: Response,
    ) -> Any:
        """The result, executed on one thread of the database's pool; for a stream, its results as they come."""
        read = request_of(request.scope, request.receive)
        name = name_of(request_data.extensions, (await read.parameters()).document_id)
        query = await self.admission.documents.get(request_data.query, name, context.actor)
        if not query:
            raise HTTPException(400, "There is no `query` in the request.")
        request_data = replace(request_data, query=query)
        if request_data.protocol != "http":
            read.slot = self.admission.subscriptions.slot()
            self.admission.enter_stream(read.slot, context.actor, read.address)
            return await super().execute_operation(
                request, request_adapter, request_data, context, root_value, sub_response
            )
        execute = partial(
            self.schema.execute_sync,
            query,
            variable_values=request_data.variables,
            context_value=context,
            operation_name=request_data.operation_name,
            allowed_operation_types=KINDS[request.method],
            operation_extensions=request_data.extensions,
        )
        result = await threads.run(execute_or_explain, execute)
        if not result.errors:
            read.answered = self.schema.document_cache.get(query), result.data or {}
        return result

    async def process_result(self, request: Request, result: ExecutionResult) -> GraphQLHTTPResponse:
        """The response map; it has no `data` if nothing was executed."""
        response = await super().process_result(request, result)
        if result.data is None and result.errors and all(error.path is None for error in result.errors):
            del response["data"]
        return response

    def create_response(self, response_data: Any, sub_response: Response) -> Response:
        media_type = sub_response.media_type or negotiation.JSON
        executed = "data" in response_data
        status = HTTPStatus.OK if executed else status_of(response_data["errors"], media_type)
        return self.encoded(response_data, status, media_type)

    def refuse(self, request: Request, error: Exception, status: int | None = None) -> Response:
        """The response to a request that is refused before execution."""
        refusal = refusal_of(error)
        status = status or STATUS.get(refusal.code, HTTPStatus.BAD_REQUEST)
        return self.encoded(body_of(refusal), status, head_of(request).answer_type)

    def encoded(self, body: JSONObject, status: int, media_type: str) -> Response:
        headers = retry(body) | ({"Allow": METHODS} if status == HTTPStatus.METHOD_NOT_ALLOWED else {})
        return Response(self.encode_json(body), status, headers, f"{media_type}; charset=utf-8")


#: Close codes of a socket by error codes.
SOCKET_CLOSES = {
    "UNAUTHENTICATED": websocket.FORBIDDEN,
    "UNAVAILABLE": websocket.TRY_AGAIN_LATER,
    "OVERLOADED": websocket.TRY_AGAIN_LATER,
    "RATE_LIMITED": websocket.TRY_AGAIN_LATER,
}


def head_of(request: Request) -> RequestHead:
    """The head of a request, read once."""
    return request_of(request.scope, request.receive).head


def execute_or_explain(execute: Callable[[], ExecutionResult]) -> ExecutionResult:
    """Call `execute`. Raises HTTPException if the method may not execute the operation."""
    try:
        return execute()
    except (MissingQueryError, CannotGetOperationTypeError, InvalidOperationTypeError) as error:
        is_mutation = getattr(error, "operation_type", None) is OperationType.MUTATION
        raise HTTPException(405 if is_mutation else 400, refusal_of(error).message) from None
