"""The reader of HTTP requests: head, body, document, variables and operation name, each read once.

The fast path and the standard path read one `GraphQLRequest`, whether its bytes came through ASGI or below it.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import NoneType
from typing import Any, NamedTuple, TypeVar

import orjson
from cross_web import HTTPException
from django.conf import settings
from starlette.datastructures import QueryParams
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from store.access.credentials import Credentials, read_credentials
from store.access.rate_limiter import Allowance
from store.db import threads
from store.telemetry.requests import RequestRecord

from . import negotiation

T = TypeVar("T")

#: Bytes of a WebSocket's message. Larger requests belong into HTTP, which decodes them on a thread.
LARGEST_MESSAGE = 1024 * 1024
#: Bytes that are decoded within a millisecond; a larger body is decoded on a thread.
LARGE_BODY = 128 * 1024
#: Under which an ASGI scope's extensions hold the request.
EXTENSION = "exemplar.request"


@dataclass(frozen=True, eq=False)
class RequestHead:
    """The head of an HTTP request: all that precedes its body."""

    method: str
    query_string: bytes
    #: Names in lower case, with their values, in order.
    headers: Sequence[tuple[bytes, bytes]]

    @cached_property
    def first(self) -> Mapping[bytes, bytes]:
        """The first value of each header."""
        return dict(reversed(self.headers))

    def get(self, name: bytes) -> str:
        """The first value of a header; empty where the request has none."""
        return self.first.get(name, b"").decode("latin-1")

    @cached_property
    def credentials(self) -> Credentials:
        """The session or the token that the request brings, not verified yet. Raises Unauthenticated."""
        return read_credentials(self.headers)

    @cached_property
    def media_type(self) -> str | None:
        """The media type of the answer that the client ranks highest; None where it takes none of ours."""
        return negotiation.choose(self.get(b"accept"))

    @cached_property
    def has_json_body(self) -> bool:
        """Check if the body is JSON in UTF-8."""
        return negotiation.is_json(self.get(b"content-type"))

    @property
    def answer_type(self) -> str:
        """The media type of an answer that is not a stream."""
        return negotiation.RESPONSE if self.media_type == negotiation.RESPONSE else negotiation.JSON

    @property
    def may_be_cross_site(self) -> bool:
        """Check if a page of another site may have sent this GET; browsers send a preflight for all other requests."""
        return (
            self.method == "GET"
            and self.get(b"sec-fetch-site") not in ("same-origin", "none")
            and b"x-exemplar-preflight" not in self.first
        )


#: The names of the parameters in a request, and the types of JSON that each may have.
PARAMETERS: Mapping[str, tuple[type, ...]] = {
    "query": (str, NoneType),
    "variables": (dict, NoneType),
    "operationName": (str, NoneType),
    "extensions": (dict, NoneType),
    "documentId": (str, NoneType),
    "id": (str, NoneType),
}


class Parameters(NamedTuple):
    """The parameters of a GraphQL request, as GraphQL over HTTP names them; None where they are absent."""

    query: str | None
    variables: dict[str, Any] | None
    operation_name: str | None
    extensions: dict[str, Any] | None
    #: The document's id in the manifest of trusted documents.
    document_id: str | None
    #: False where the JSON holds what its standard does not allow, as NaN, or halves of surrogate pairs.
    strict: bool


class GraphQLRequest:
    """One HTTP request of the API."""

    def __init__(
        self,
        head: RequestHead,
        receive: Receive,
        body: bytes | None = None,
        gone: Callable[[], bool] | None = None,
        address: str = "",
    ):
        self.record = RequestRecord(head.first.get(b"x-request-id"))
        self.head = head
        #: The client's address; empty where it has none.
        self.address = address
        #: By which the operation was counted; None where it was not, or has no limit.
        self.allowance: Allowance | None = None
        #: What its stream counts for; None where it has none.
        self.slot: Any = None
        #: Bytes that its body may have, which depend on who asks.
        self.largest_body: int = settings.EXEMPLAR_STRANGER_BODY
        self.receive = receive
        #: None until it is received.
        self.body = body
        self._gone = gone
        #: The document that was executed on the standard path without errors, and the data; None where none was.
        self.answered: tuple[Any, Mapping[str, Any]] | None = None
        #: True once the fast path has left the request to the standard path.
        self.declined = False
        self._parameters: Parameters | Exception | None = None

    @property
    def length(self) -> int:
        """The bytes of the body, as far as they are known before it is received."""
        if self.body is not None:
            return len(self.body)
        declared = self.head.get(b"content-length")
        return int(declared) if declared.isdecimal() else 0

    @property
    def is_large(self) -> bool:
        return self.body is not None and len(self.body) > LARGE_BODY

    async def parameters(self) -> Parameters:
        """Read the request to its end. Raises HTTPException where it is none of GraphQL, and ClientDisconnect."""
        if self._parameters is None:
            try:
                self._parameters = await self._read()
            except (HTTPException, ClientDisconnect) as error:
                self._parameters = error
        if isinstance(self._parameters, Exception):
            raise self._parameters
        return self._parameters

    async def _read(self) -> Parameters:
        if self.head.method == "GET":
            return parameters_of_query(self.head.query_string)
        if not self.head.has_json_body:
            raise HTTPException(415, "Send application/json in UTF-8.")
        if self.head.get(b"content-encoding") not in ("", "identity"):
            raise HTTPException(415, "Send the body as it is, without Content-Encoding.")
        if self.length > self.largest_body:
            raise too_large(self.largest_body)
        if self.body is None:
            self.body = await receive_body(self.receive, self.largest_body)
        return await self.run(parameters_of_body, self.body)

    async def run(self, function: Callable[..., T], *args: Any) -> T:
        """Call `function`, on a thread where the body is large: it would keep the event loop from all others."""
        if self.is_large:
            result: T = await threads.run(function, *args)
            return result
        return function(*args)

    def gone(self) -> bool:
        """Check if the client has hung up: after the body, a message that is there at once says so."""
        if self._gone is not None:
            return self._gone()
        waiting: Any = self.receive()
        try:
            waiting.send(None)
        except StopIteration as received:
            return bool(received.value["type"] == "http.disconnect")
        waiting.close()
        return False


def request_of(scope: Scope, receive: Receive) -> GraphQLRequest:
    """The request of an ASGI scope, made when it is first asked for; read already where it came below ASGI."""
    extensions = scope.setdefault("extensions", {})
    if EXTENSION not in extensions:
        head = RequestHead(scope["method"], scope.get("query_string", b""), scope["headers"])
        address, _ = scope.get("client") or ("", 0)
        extensions[EXTENSION] = GraphQLRequest(head, receive, address=address)
    request: GraphQLRequest = extensions[EXTENSION]
    return request


def too_large(most: int) -> HTTPException:
    """The error for a body of more bytes than the caller may send."""
    return HTTPException(413, f"The body may have {most} bytes; send several requests.")


async def receive_body(receive: Receive, most: int) -> bytes:
    """Receive a body to its end. Raises HTTPException if it is too large, ClientDisconnect if it breaks off."""
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > most:
            raise too_large(most)
        chunks.append(chunk)
        more = message.get("more_body", False)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def parameters_of_query(query_string: bytes) -> Parameters:
    """The parameters of a GET. Raises HTTPException."""
    values: dict[str, Any] = {name: value for name, value in QueryParams(query_string).items() if value}
    strict = True
    for name in ("variables", "extensions"):
        if name in values:
            values[name], is_strict = parse_json(values[name])
            strict = strict and is_strict
    return parameters_of(values, strict)


def parameters_of_body(body: bytes) -> Parameters:
    """The parameters of a POST. Raises HTTPException."""
    values, strict = parse_json(body)
    if not isinstance(values, dict):
        raise HTTPException(400, "The body must be a JSON object with `query`; there are no batches.")
    return parameters_of(values, strict)


def parameters_of(values: Mapping[str, Any], strict: bool) -> Parameters:
    """The parameters by their names in the request. Raises HTTPException where one has another type."""
    sent = list(map(values.get, PARAMETERS))
    if not all(map(isinstance, sent, PARAMETERS.values())):
        raise HTTPException(400, _describe_wrong_type(values))
    query, variables, operation_name, extensions, document_id, id = sent
    return Parameters(query, variables, operation_name or None, extensions, document_id or id, strict)


def _describe_wrong_type(values: Mapping[str, Any]) -> str:
    """Say which is the first parameter of another type, and what it must be."""
    name, types = next((n, types) for n, types in PARAMETERS.items() if not isinstance(values.get(n), types))
    return f"`{name}` must be {'an object' if dict in types else 'a string'}."


def parse_json(text: str | bytes) -> tuple[object, bool]:
    """JSON as Python, and whether it keeps to its standard. Raises HTTPException."""
    try:
        return orjson.loads(text), True
    except json.JSONDecodeError:
        pass
    try:
        return decode_json(text), False
    except json.JSONDecodeError as error:
        raise HTTPException(400, "Unable to parse request body as JSON") from error


def decode_json(text: str | bytes) -> object:
    """JSON as Python. NaN and infinities pass, for their field to refuse. Else raises JSONDecodeError."""
    try:
        return orjson.loads(text)
    except json.JSONDecodeError:
        pass
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise json.JSONDecodeError(f"Not JSON: {type(error).__name__}", "", 0) from None
