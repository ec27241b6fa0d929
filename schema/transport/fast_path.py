"""The fast path: plans of compiled documents, executed asynchronously, from a request to the bytes of its response.

A request that is not eligible (by its headers, session, document or variables) is left to the standard path, which
executes it or reports its errors. Nothing is stored before that is decided.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import orjson
from cross_web import HTTPException
from django.core.signals import setting_changed
from django.db import Error
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import Send

from store.access import resolver
from store.access.actors import Actor
from store.access.caller_limits import limits_of
from store.db import threads
from store.exceptions import Forbidden, Overloaded, RateLimited, Unauthenticated, Unavailable
from store.serving import dispatcher
from store.telemetry import tracing
from store.telemetry.requests import RequestRecord, current

from ..compiled import NotEligible, Operation
from ..compiled.costs import evaluated
from ..compiled.operations import Outcome
from ..core import errors, negotiation, security
from ..core.cors import Cors
from ..core.errors import BadRequest
from ..core.permissions import are_met
from ..core.request import GraphQLRequest, Parameters, RequestHead
from ..core.responses import HEADERS, STATUS, retry
from ..execution.document_store import name_of
from .admission import Admission

if TYPE_CHECKING:
    from ..execution.documents import DocumentCache

#: Predictions that are serialized on the event loop, at most: they take a few milliseconds.
MANY_PREDICTIONS = 250
#: Characters of the headers that are cached, at most; browsers send about a hundred.
LONGEST_HEADERS = 1_000

ENCODED = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]

#: Names in lower case, and values.
Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]
#: The body of a response: encoded already, or an object with errors.
Body: TypeAlias = bytes | dict[str, Any]


class Reply(NamedTuple):
    """A response, without the headers of its length and of the request's id."""

    status: int
    headers: Headers
    body: bytes
    record: RequestRecord


class FastPath:
    """Respond to the eligible requests, and decline all others."""

    def __init__(
        self,
        document_cache: "DocumentCache",
        encode: Callable[[object], str],
        cors: Cors,
        admission: Admission,
    ):
        self.document_cache = document_cache
        self.admission = admission
        self.encode = encode
        self.cors = cors

    async def reply(self, request: GraphQLRequest) -> Reply | None:
        """The response; None if the request is left to the standard path, and marked as declined."""
        current.set(request.record)
        if tracing.tracer is not None:
            tracing.begin(request.record, request.head.get(b"traceparent"))
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
        actor = await find_caller(request.head)
        try:
            await self.admission.admit(request, actor)
            status, body = await self.execute(request, actor, dispatcher.current)
        except (RateLimited, Overloaded) as refusal:
            status, body = STATUS[refusal.code], errors.body_of(refusal)
        headers = headers_of(media_type, request.head.first.get(b"origin"), self.cors)
        if request.allowance is not None and (more := request.allowance.headers()):
            headers += encoded(more)
        if isinstance(body, bytes):
            return Reply(status, headers, body, request.record)
        return Reply(status, headers + encoded(retry(body)), self.encode(body).encode(), request.record)

    async def execute(
        self, request: GraphQLRequest, actor: Actor, dispatcher: dispatcher.PredictionDispatcher
    ) -> tuple[int, Body]:
        """The status and the body of the response. Raises NotEligible, HTTPException, ClientDisconnect."""
        record, clock = request.record, time.perf_counter
        parameters = await request.parameters()
        if not parameters.strict:
            raise NotEligible
        text, variables = self.find_document(parameters, actor), parameters.variables or {}
        plan = await self.document_cache.plan(text, parameters.operation_name)
        if plan is None or (plan.is_mutation and request.head.method != "POST"):
            raise NotEligible
        if evaluated(plan.cost, variables) > limits_of(actor).cost:
            raise NotEligible
        operation = plan.operation(variables)
        if not are_met(operation.needs, actor):
            raise NotEligible
        record.operation, record.name, metrics = plan.label, parameters.operation_name or "", plan.metrics
        record.actor = actor.author
        planned = clock()
        requests = await request.run(operation.read, variables)
        read = clock()
        outcomes = await operation.predict(requests, dispatcher, request.gone, actor)
        predicted = clock()
        if request.is_large or sum(map(len, requests)) > MANY_PREDICTIONS:
            body = await threads.run(body_of, operation, outcomes)
        else:
            body = body_of(operation, outcomes)
        metrics.observe(record, planned, read, predicted, clock())
        return 200, body

    def find_document(self, parameters: Parameters, actor: Actor) -> str:
        """Find the document that is sent or named. Raises NotEligible where it has to be looked for, or stored."""
        query, extensions, document_id = parameters.query, parameters.extensions, parameters.document_id
        if extensions and (extensions.keys() != {"persistedQuery"} or query is not None):
            raise NotEligible
        try:
            text = self.admission.documents.find(query, name_of(extensions, document_id), actor)
        except (BadRequest, Forbidden):
            raise NotEligible from None
        if not text:
            raise NotEligible
        return text


def body_of(operation: Operation, outcomes: Sequence[Outcome]) -> Body:
    """The body of a response: encoded, unless it has errors."""
    data, faults = operation.serialize(outcomes)
    if faults:
        return {"data": data, "errors": [fault.formatted for fault in faults]}
    return orjson.dumps({"data": data})


async def send_reply(reply: Reply, send: Send) -> None:
    """Send a response as ASGI messages."""
    headers = [(b"content-length", str(len(reply.body)).encode()), *reply.headers]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


def eligible_media_type(head: RequestHead) -> str | None:
    """The media type of the response; None if the request is not eligible."""
    values = head.first
    if len(values) != len(head.headers):
        return None
    if head.method == "POST":
        content_type = values.get(b"content-type", b"")
    elif head.method == "GET" and not head.may_be_cross_site:
        content_type = b"application/json"
    else:
        return None
    host, accept = values.get(b"host", b""), values.get(b"accept", b"")
    scheme = values.get(b"x-forwarded-proto", b"")
    if len(host) + len(accept) + len(content_type) + len(scheme) > LONGEST_HEADERS:
        return None
    return media_type_of(host, accept, content_type, scheme)


async def find_caller(head: RequestHead) -> Actor:
    """Find the caller, from the cache as a rule. Raises NotEligible where the standard path has to refuse it."""
    try:
        credentials = head.credentials
        actor = await resolver.find(credentials)
    except (Unauthenticated, Unavailable, Error):
        raise NotEligible from None
    if credentials.session and head.method == "POST" and not security.is_from_own_page(head):
        raise NotEligible
    return actor


@lru_cache(1_000)
def media_type_of(host: bytes, accept: bytes, content_type: bytes, scheme: bytes) -> str | None:
    """The media type for a request; None if the standard path would refuse or stream."""
    if not security.may_be_secure(scheme):
        return None
    chosen = negotiation.choose(accept.decode("latin-1"))
    is_accepted = security.is_served(host.decode("latin-1")) and negotiation.is_json(
        content_type.decode("latin-1")
    )
    return chosen if is_accepted and chosen in (negotiation.JSON, negotiation.RESPONSE) else None


# Reading Django's settings would take longer than all other checks of a request.
setting_changed.connect(lambda **_: media_type_of.cache_clear(), weak=False)


def encoded(headers: Mapping[str, str]) -> Headers:
    """Headers with their names in lower case, as bytes."""
    return tuple((name.lower().encode(), value.encode()) for name, value in headers.items())


@lru_cache
def headers_of(media_type: str, origin: bytes | None, cors: Cors) -> Headers:
    """The headers of a response to a request of a page with this origin, without the response's length."""
    headers = MutableHeaders(raw=[(b"content-type", f"{media_type}; charset=utf-8".encode()), *ENCODED])
    cors.add_headers(headers, None if origin is None else origin.decode("latin-1"))
    return tuple(headers.raw)
