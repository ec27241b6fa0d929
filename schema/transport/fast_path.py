"""The fast path: plans of compiled documents, executed asynchronously, from a request to the bytes of its response.

A request that is not eligible (by its headers, session, document or variables) is left to the standard path, which
executes it or reports its errors. Nothing is stored before that is decided.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import orjson
from cross_web import HTTPException
from django.conf import settings
from django.core.signals import setting_changed
from starlette.requests import ClientDisconnect
from starlette.types import Send

from store.access import actors
from store.db import threads
from store.exceptions import Overloaded
from store.serving import dispatcher

from ..compiled import NotEligible, Operation
from ..compiled.operations import Outcome
from ..core import negotiation, security
from ..core.errors import extensions_of
from ..core.request import GraphQLRequest, RequestHead
from ..core.responses import HEADERS, STATUS, retry

if TYPE_CHECKING:
    from ..execution.documents import DocumentCache

#: Predictions that are serialized on the event loop, at most: they take a few milliseconds.
MANY_PREDICTIONS = 250
#: Characters of the headers that are cached, at most; browsers send about a hundred.
LONGEST_HEADERS = 1_000

#: The actor without a session.
STRANGER = actors.find_actor(None)

ENCODED = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]

#: Names in lower case, and values.
Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]
#: The body of a response: encoded already, or an object with errors.
Body: TypeAlias = bytes | dict[str, Any]


class Reply(NamedTuple):
    """A response, without the header of its length."""

    status: int
    headers: Headers
    body: bytes


class FastPath:
    """Respond to the eligible requests, and decline all others."""

    def __init__(self, document_cache: "DocumentCache", encode: Callable[[object], str]):
        self.document_cache = document_cache
        self.encode = encode

    async def reply(self, request: GraphQLRequest) -> Reply | None:
        """The response; None if the request is left to the standard path, and marked as declined."""
        try:
            return await self.answer(request)
        except (NotEligible, HTTPException, ClientDisconnect):
            request.declined = True
            return None

    async def answer(self, request: GraphQLRequest) -> Reply:
        """Execute an eligible request. Raises NotEligible, HTTPException, ClientDisconnect."""
        media_type = eligible_media_type(request.head)
        if dispatcher.current is None or media_type is None:
            raise NotEligible
        status, body = await self.execute(request, dispatcher.current)
        headers = headers_of(media_type)
        if isinstance(body, bytes):
            return Reply(status, headers, body)
        more = tuple((name.lower().encode(), value.encode()) for name, value in retry(body).items())
        return Reply(status, headers + more, self.encode(body).encode())

    async def execute(
        self, request: GraphQLRequest, dispatcher: dispatcher.PredictionDispatcher
    ) -> tuple[int, Body]:
        """The status and the body of the response. Raises NotEligible, HTTPException, ClientDisconnect."""
        query, variables, operation_name, extensions, strict = await request.parameters()
        if not query or not strict or extensions:
            raise NotEligible
        plan = await self.document_cache.plan(query, operation_name)
        if plan is None:
            raise NotEligible
        operation = plan.operation(variables or {})
        requests = await request.run(operation.read, variables or {})
        try:
            outcomes = await operation.predict(requests, dispatcher, request.gone)
        except Overloaded as refusal:
            error = {"message": refusal.message, "extensions": extensions_of(refusal)}
            return STATUS[refusal.code], {"errors": [error]}
        if request.is_large or sum(map(len, requests)) > MANY_PREDICTIONS:
            return 200, await threads.run(body_of, operation, outcomes)
        return 200, body_of(operation, outcomes)


def body_of(operation: Operation, outcomes: Sequence[Outcome]) -> Body:
    """The body of a response: encoded, unless it has errors."""
    data, errors = operation.serialize(outcomes)
    if errors:
        return {"data": data, "errors": [error.formatted for error in errors]}
    return orjson.dumps({"data": data})


async def send_reply(reply: Reply, send: Send) -> None:
    """Send a response as ASGI messages."""
    headers = [(b"content-length", str(len(reply.body)).encode()), *reply.headers]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


def eligible_media_type(head: RequestHead) -> str | None:
    """The media type of the response; None if the request is not eligible."""
    values = head.first
    if len(values) != len(head.headers) or has_credentials(values):
        return None
    if head.method == "POST":
        content_type = values.get(b"content-type", b"")
    elif head.method == "GET" and not head.may_be_cross_site:
        content_type = b"application/json"
    else:
        return None
    host, accept = values.get(b"host", b""), values.get(b"accept", b"")
    if len(host) + len(accept) + len(content_type) > LONGEST_HEADERS:
        return None
    return media_type_of(host, accept, content_type)


def has_credentials(headers: Mapping[bytes, bytes]) -> bool:
    """Check for a session or a token, which the standard path verifies."""
    cookies = headers.get(b"cookie", b"")
    return b"authorization" in headers or (bool(cookies) and settings.SESSION_COOKIE_NAME.encode() in cookies)


@lru_cache(1_000)
def media_type_of(host: bytes, accept: bytes, content_type: bytes) -> str | None:
    """The media type for a request without a session; None if the standard path would refuse or stream."""
    if not STRANGER.admitted:
        return None
    chosen = negotiation.choose(accept.decode("latin-1"))
    is_accepted = security.is_served(host.decode("latin-1")) and negotiation.is_json(
        content_type.decode("latin-1")
    )
    return chosen if is_accepted and chosen in (negotiation.JSON, negotiation.RESPONSE) else None


# Reading Django's settings would take longer than all other checks of a request.
setting_changed.connect(lambda **_: media_type_of.cache_clear(), weak=False)


@lru_cache
def headers_of(media_type: str) -> Headers:
    """The headers of a response, without its length."""
    return ((b"content-type", f"{media_type}; charset=utf-8".encode()), *ENCODED)
