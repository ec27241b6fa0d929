"""The fast path: a compiled document, asynchronous from a request that was read to the bytes of its answer.

Whatever is unusual about a request (its headers, a session, its document, its variables) is left to the standard path,
which says what is wrong where something is. Nothing has been stored by then.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

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
from ..core import negotiation, security
from ..core.errors import extensions_of
from ..core.request import GraphQLRequest, RequestHead
from ..core.responses import HEADERS, STATUS, retry

if TYPE_CHECKING:
    from ..execution.documents import DocumentCache

#: Predictions that are serialized within a few milliseconds; more are serialized on a thread.
MANY_PREDICTIONS = 250
#: Characters of the headers that are looked at; sensible ones have a hundred.
LONGEST_HEADERS = 1_000

#: Who has no session.
STRANGER = actors.find_actor(None)

ENCODED = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]

#: Names in lower case, and values.
Headers = tuple[tuple[bytes, bytes], ...]


class Reply(NamedTuple):
    """An answer, but for the length of its body."""

    status: int
    headers: Headers
    body: bytes


class FastPath:
    """Answers the requests that it is made for, and declines all others."""

    def __init__(self, library: "DocumentCache", encode: Callable[[Any], str]):
        self.library = library
        self.encode = encode

    async def reply(self, request: GraphQLRequest) -> Reply | None:
        """The answer; None where the standard path has to answer. It is asked once: a declined request is marked."""
        try:
            return await self.answer(request)
        except (NotEligible, HTTPException, ClientDisconnect):
            request.declined = True
            return None

    async def answer(self, request: GraphQLRequest) -> Reply:
        """Raises NotEligible, and what reading the request raises."""
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
    ) -> tuple[int, Any]:
        """Status and body of the answer. Raises NotEligible, and what reading the request raises."""
        query, variables, operation_name, extensions, strict = await request.parameters()
        if not query or not strict or extensions:
            raise NotEligible
        plan = await self.library.plan(query, operation_name)
        if plan is None:
            raise NotEligible
        operation = plan.operation(variables or {})
        requests = await request.run(operation.read, variables or {})
        try:
            outcomes = await operation.predict(requests, dispatcher, request.gone)
        except Overloaded as refusal:
            error = {"message": refusal.message, "extensions": extensions_of(refusal)}
            return STATUS[refusal.code], {"errors": [error]}
        if sum(map(len, requests)) > MANY_PREDICTIONS:
            return 200, await threads.run(body_of, operation, outcomes)
        return 200, await request.run(body_of, operation, outcomes)


def body_of(operation: Operation, outcomes: Any) -> Any:
    """The body of the answer: bytes already, where there are no errors to look into."""
    data, errors = operation.serialize(outcomes)
    if errors:
        return {"data": data, "errors": [error.formatted for error in errors]}
    return orjson.dumps({"data": data})


async def send_reply(reply: Reply, send: Send) -> None:
    headers = [(b"content-length", str(len(reply.body)).encode()), *reply.headers]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


def eligible_media_type(head: RequestHead) -> str | None:
    """The media type of the answer; None where the standard path has to look at the request."""
    values = head.first
    if len(values) != len(head.headers) or brings_credentials(values):
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


def brings_credentials(headers: Mapping[bytes, bytes]) -> bool:
    """Tell whether there is a session or a token: the standard path finds out whose, and checks for forgery."""
    cookies = headers.get(b"cookie", b"")
    return b"authorization" in headers or (bool(cookies) and settings.SESSION_COOKIE_NAME.encode() in cookies)


@lru_cache(1_000)
def media_type_of(host: bytes, accept: bytes, content_type: bytes) -> str | None:
    """What the standard path decides for a stranger; None where it would refuse, or stream."""
    if not STRANGER.admitted:
        return None
    chosen = negotiation.choose(accept.decode("latin-1"))
    usual = security.is_served(host.decode("latin-1")) and negotiation.is_json(content_type.decode("latin-1"))
    return chosen if usual and chosen in (negotiation.JSON, negotiation.RESPONSE) else None


# To read one of Django's settings takes longer than all else that is looked at.
setting_changed.connect(lambda **_: media_type_of.cache_clear(), weak=False)


@lru_cache
def headers_of(media_type: str) -> Headers:
    return ((b"content-type", f"{media_type}; charset=utf-8".encode()), *ENCODED)
