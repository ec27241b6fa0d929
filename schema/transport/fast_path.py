"""The hot way: a compiled document, asynchronous from the bytes of its request to those of its answer.

Whatever is unusual about a request (its headers, a session, its document, its variables) goes the ordinary way, which
says what is wrong where something is. Nothing has been stored by then.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from django.conf import settings
from django.core.signals import setting_changed
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from store.access import actors
from store.db import threads
from store.exceptions import Overloaded
from store.serving import dispatcher

from ..compiled import NotEligible, Operation
from ..core import negotiation, security
from ..core.errors import extensions_of
from ..core.responses import HEADERS, STATUS, retry

if TYPE_CHECKING:
    from ..execution.documents import DocumentCache

#: Bytes of a body. 10,000 rows of thirty features in one request are 10 MB, with long names and spaces 20.
LARGEST_BODY = 64 * 1024 * 1024
#: Bytes that are decoded within a millisecond.
LARGE_BODY = 128 * 1024
#: Answers that are shown within a few milliseconds.
MANY_ANSWERS = 250
#: Characters of the headers that are looked at; sensible ones have a hundred.
LONGEST_HEADERS = 1_000

#: Who has no session.
STRANGER = actors.find_actor(None)

ENCODED = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]


class Taken(NamedTuple):
    """Whether a request was answered; if not, what the ordinary way receives."""

    answered: bool
    receive: Receive


#: Names in lower case, and values.
Headers = tuple[tuple[bytes, bytes], ...]


class Reply(NamedTuple):
    """What is answered, but for the length of its body."""

    status: int
    headers: Headers
    body: bytes


class FastPath:
    """Takes the requests that it can answer."""

    #: Among a scope's extensions: this request was declined before it became ASGI's.
    DECLINED = "exemplar.declined"

    def __init__(self, library: "DocumentCache", encode: Callable[[Any], str]):
        self.library = library
        self.encode = encode

    async def take(self, scope: Scope, receive: Receive, send: Send) -> Taken:
        declined = self.DECLINED in scope.get("extensions", ())
        if declined or not dispatcher.desk or not admitted(scope):
            return Taken(False, receive)
        body = BufferedBody(receive)
        try:
            text = b"" if scope["method"] == "GET" else await body.read()
        except NotEligible:
            return Taken(False, body.replayed)
        reply = await self.reply(scope, text, body.gone)
        if reply is None:
            return Taken(False, body.replayed)
        length = (b"content-length", str(len(reply.body)).encode())
        await send(
            {"type": "http.response.start", "status": reply.status, "headers": [length, *reply.headers]}
        )
        await send({"type": "http.response.body", "body": reply.body})
        return Taken(True, receive)

    async def reply(self, scope: Scope, text: bytes, gone: Callable[[], bool]) -> Reply | None:
        """The answer to a request with this body; None where only the ordinary way can give one: nothing is stored."""
        desk, media_type = dispatcher.desk, admitted(scope)
        if not desk or not media_type:
            return None
        try:
            status, answer = await self.answer(scope, text, desk, gone)
        except NotEligible:
            return None
        headers = headers_of(media_type)
        if isinstance(answer, bytes):
            return Reply(status, headers, answer)
        more = tuple((name.lower().encode(), value.encode()) for name, value in retry(answer).items())
        return Reply(status, headers + more, self.encode(answer).encode())

    async def answer(
        self, scope: Scope, text: bytes, desk: dispatcher.PredictionDispatcher, gone: Callable[[], bool]
    ) -> tuple[int, Any]:
        """Status and body of the answer. Raises Unusual."""
        run = threads.run if len(text) > LARGE_BODY else at_once
        query, variables, name = await run(request_of, scope, text)
        plan = await self.library.plan(query, name)
        if plan is None:
            raise NotEligible
        operation = plan.operation(variables)
        asked = await run(operation.read, variables)
        try:
            outcomes = await operation.answer(asked, desk, gone)
        except Overloaded as refusal:
            error = {"message": refusal.message, "extensions": extensions_of(refusal)}
            return STATUS[refusal.code], {"errors": [error]}
        many = sum(map(len, asked)) > MANY_ANSWERS
        return 200, await (threads.run if many else run)(shown, operation, outcomes)


async def at_once(function: Callable[..., Any], *args: Any) -> Any:
    return function(*args)


def shown(operation: Operation, outcomes: Any) -> Any:
    """The body of the answer: bytes already, where there are no errors to look into."""
    data, errors = operation.shown(outcomes)
    if errors:
        return {"data": data, "errors": [error.formatted for error in errors]}
    return orjson.dumps({"data": data})


def admitted(scope: Scope) -> str | None:
    """The media type of the answer; None where the ordinary way has to look at the request."""
    pairs, method = scope["headers"], scope["method"]
    headers = dict(pairs)
    if len(headers) != len(pairs) or brings_credentials(headers):
        return None
    if method == "POST":
        content_type = headers.get(b"content-type", b"")
    elif method == "GET" and not security.may_be_cross_site(Request(scope)):
        content_type = b"application/json"
    else:
        return None
    host, accept = headers.get(b"host", b""), headers.get(b"accept", b"")
    if len(host) + len(accept) + len(content_type) > LONGEST_HEADERS:
        return None
    return media_type_of(host, accept, content_type)


def brings_credentials(headers: Mapping[bytes, bytes]) -> Any:
    """Who asks is found out by the ordinary way, which also checks that no other site asks for them."""
    cookies = headers.get(b"cookie", b"")
    return b"authorization" in headers or (cookies and settings.SESSION_COOKIE_NAME.encode() in cookies)


@lru_cache(1_000)
def media_type_of(host: bytes, accept: bytes, content_type: bytes) -> str | None:
    """As the ordinary way decides of a stranger; None where it would refuse, or stream."""
    if not STRANGER.admitted:
        return None
    chosen = negotiation.choose(accept.decode("latin-1"))
    usual = security.is_served(host.decode("latin-1")) and negotiation.is_json(content_type.decode("latin-1"))
    return chosen if usual and chosen in (negotiation.JSON, negotiation.RESPONSE) else None


# To look at one of Django's settings takes longer than all else that is looked at.
setting_changed.connect(lambda **_: media_type_of.cache_clear(), weak=False)


class BufferedBody:
    """What is received of a request, kept for the ordinary way."""

    def __init__(self, receive: Receive):
        self.receive = receive
        self.messages: list[Message] = []

    async def read(self) -> bytes:
        """Raises Unusual where it is too large, or breaks off."""
        size, more = 0, True
        while more:
            message = await self.receive()
            self.messages.append(message)
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
            if message["type"] != "http.request" or size > LARGEST_BODY:
                raise NotEligible
        if len(self.messages) == 1:
            return self.messages[0].get("body", b"")  # type: ignore[no-any-return]
        return b"".join(message.get("body", b"") for message in self.messages)

    async def replayed(self) -> Message:
        return self.messages.pop(0) if self.messages else await self.receive()

    def gone(self) -> bool:
        """Whether the client has hung up: then there is a next message at once."""
        waiting: Any = self.receive()
        try:
            waiting.send(None)
        except StopIteration as received:
            return bool(received.value["type"] == "http.disconnect")
        waiting.close()
        return False


NULL = type(None)


def request_of(scope: Scope, text: bytes) -> tuple[str, dict[str, Any], str | None]:
    """Document, variables and the operation's name. Raises Unusual."""
    try:
        given = parameters_of(scope) if scope["method"] == "GET" else orjson.loads(text)
    except orjson.JSONDecodeError:
        raise NotEligible from None
    if type(given) is not dict or given.get("extensions") not in (None, {}):
        raise NotEligible
    query, variables, name = given.get("query"), given.get("variables"), given.get("operationName")
    if type(query) is not str or type(variables) not in (dict, NULL) or type(name) not in (str, NULL):
        raise NotEligible
    return query, variables or {}, name or None


def parameters_of(scope: Scope) -> dict[str, Any]:
    given: dict[str, Any] = {
        name: value for name, value in QueryParams(scope["query_string"]).items() if value
    }
    if "variables" in given:
        given["variables"] = orjson.loads(given["variables"])
    return given


@lru_cache
def headers_of(media_type: str) -> Headers:
    return ((b"content-type", f"{media_type}; charset=utf-8".encode()), *ENCODED)
