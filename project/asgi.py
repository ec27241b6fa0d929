"""The ASGI application: GraphQL beside Django, health and readiness, start and end of the web process."""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import cast
from urllib.parse import parse_qs

from django.core.asgi import get_asgi_application
from django.core.exceptions import SuspiciousOperation
from django.core.signals import request_finished
from django.db import DatabaseError, InterfaceError, connections
from django.http import HttpRequest, HttpResponseBadRequest
from django.http.response import HttpResponseBase
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
django = get_asgi_application()

# These modules import models, so Django is set up first.
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler  # noqa: E402

from project import contract_gate  # noqa: E402
from project.console.api import api  # noqa: E402
from project.console.uploads import UPLOAD, Uploads  # noqa: E402
from project.contract_gate import ContractGate  # noqa: E402
from project.headers import PageHeaders  # noqa: E402
from project.metrics import Metrics  # noqa: E402
from schema import schema as served  # noqa: E402
from schema.core import security  # noqa: E402
from schema.core.errors import refusal_of  # noqa: E402
from schema.core.negotiation import prefers_page  # noqa: E402
from schema.core.request import EXTENSION, request_of  # noqa: E402
from schema.files.exports import Exports  # noqa: E402
from schema.files.imports import Imports  # noqa: E402
from schema.files.model_files import ModelFiles  # noqa: E402
from schema.files.streaming import Streams  # noqa: E402
from schema.transport.http import GraphQLApp  # noqa: E402
from schema.transport.websocket import TRY_AGAIN_LATER  # noqa: E402
from store.db import memory, sqlstates, threads  # noqa: E402
from store.products import catalogue  # noqa: E402
from store.runtime import lifespan as web_lifespan  # noqa: E402
from store.runtime import row_checks  # noqa: E402
from store.serving import champions, dispatcher  # noqa: E402
from store.telemetry import requests, tracing  # noqa: E402
from store.telemetry.requests import RequestRecord  # noqa: E402

logger = logging.getLogger(__name__)

#: Time limit of the readiness check, in seconds: probes have a time limit too.
READY_SECONDS = 3


def close_connections(**_: object) -> None:
    """Close the connections of a page's thread, which ends with the page; the threads for rows keep theirs.

    As Django's own handler of this signal, it leaves a connection with an open transaction to whoever opened that.
    """
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()


request_finished.connect(close_connections)


class Pages(ASGIStaticFilesHandler):
    """Django with its static files, which are few and small."""

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        """Respond to a request; a path that leaves the static files is a bad request."""
        try:
            return await super().get_response_async(request)
        except SuspiciousOperation:
            return HttpResponseBadRequest()


class IdentifiedSend:
    """A sender of ASGI messages that adds the request's id to the headers, and remembers the status."""

    def __init__(self, send: Send, record: RequestRecord):
        self.send, self.record = send, record
        #: 0 until there is one.
        self.status = 0

    async def __call__(self, message: Message) -> None:
        """Send a message."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            identity = (b"x-request-id", self.record.id.encode())
            message = {**message, "headers": [*message.get("headers", ()), identity]}
        await self.send(message)


class Application:
    """Route connections to GraphQL, to files, to Django, or to the checks of health and readiness."""

    def __init__(self, graphql: ASGIApp, files: Mapping[str, ASGIApp], pages: ASGIApp, gate: ContractGate):
        self.graphql = graphql
        #: By the beginning of the path.
        self.files = files
        self.pages = PageHeaders(pages)
        self.uploads = PageHeaders(Uploads(pages))
        self.checks = PageHeaders(self.check)
        self.gate = gate
        self.endpoints: dict[str, Callable[[Request], Awaitable[Response]]] = {
            "/health": health,
            "/ready": ready,
            "/metrics": metrics.respond,
            "/graphql": redirect,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "lifespan":
                await lifespan(receive, send)
            case "websocket":
                with requests.working_for(RequestRecord.of(scope)):
                    await self.connect(scope, receive, send)
            case "http":
                await self.respond(scope, receive, send)

    async def connect(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Accept a WebSocket at GraphQL's path; close any other."""
        if scope["path"] in ("/graphql", "/graphql/") and not self.gate.changes:
            await self.graphql(scope, receive, send)
        else:
            await WebSocket(scope, receive, send).close(TRY_AGAIN_LATER if self.gate.changes else 1000)

    async def respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to an HTTP request, with its id; log it if the settings say so."""
        is_read_by_api = scope["path"] == "/graphql/" or self.find_files(scope) is not None
        record = request_of(scope, receive).record if is_read_by_api else RequestRecord.of(scope)
        record.address = requests.address_of(scope)
        identified = IdentifiedSend(send, record)
        tracing.begin(record, requests.header_of(scope, b"traceparent"))
        with requests.working_for(record):
            try:
                await self.route(scope, receive, identified)
            finally:
                # A page has left it there.
                scope.get("extensions", {}).pop(EXTENSION, None)
                record.log(scope["method"], scope["path"], identified.status)
                name = record.operation or scope["path"].partition("/")[0]
                status = {"http.response.status_code": identified.status}
                tracing.end(record, f"{scope['method']} {name}", **status)

    async def route(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the right application respond to an HTTP request."""
        if scope["path"] in self.endpoints:
            await self.checks(scope, receive, send)
        elif scope["path"] == "/graphql/" and (scope["method"] == "POST" or not wants_page(Request(scope))):
            await (self.gate.refuse() if self.gate.changes else self.graphql)(scope, receive, send)
        elif files := self.find_files(scope):
            await (self.gate.refuse() if self.gate.changes else files)(scope, receive, send)
        elif scope["path"] == UPLOAD:
            await self.uploads(scope, receive, send)
        else:
            await self.pages(scope, receive, send)

    def find_files(self, scope: Scope) -> ASGIApp | None:
        """Find the application that answers for files under a path; None for any other path."""
        return next((app for start, app in self.files.items() if scope["path"].startswith(start)), None)

    async def check(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to a check, or redirect."""
        response = await self.endpoints[scope["path"]](Request(scope, receive))
        await response(scope, receive, send)


def wants_page(request: Request) -> bool:
    """Return True for a browser that opens GraphiQL, False for a query."""
    has_query = "query" in parse_qs(request.url.query)
    return request.method == "GET" and not has_query and prefers_page(request.headers.get("accept", ""))


async def health(request: Request) -> Response:
    """Respond that the process is alive; other processes are not asked."""
    return JSONResponse({"alive": True}, headers={"Cache-Control": "no-store"})


async def ready(request: Request) -> Response:
    """Respond 200 if this process can answer requests, else 503 with the reasons.

    Products that cannot be served here, or whose champions cannot, are listed as `degraded` in both cases.
    """
    reasons = await list_reasons_not_ready()
    body: dict[str, object] = {"ready": not reasons}
    if reasons:
        body["reasons"] = reasons
    if degraded := list_degraded():
        body["degraded"] = degraded
    return JSONResponse(body, 503 if reasons else 200, headers={"Cache-Control": "no-store"})


def list_degraded() -> list[dict[str, object]]:
    """List the products, and the promoted versions, that cannot be served here, or not all rows, with the reasons."""
    refused: list[dict[str, object]] = [
        {"product": refusal.name, "reason": refusal.reason} for refusal in catalogue.refusals()
    ]
    wrong = row_checks.unreadable() | row_checks.repeated()
    refused += [{"product": name, "reason": reason} for name, reason in wrong.items()]
    return refused + [
        {"product": misfit.version.product, "version": misfit.version.number, "reason": misfit.reason}
        for misfit in champions.degraded()
    ]


async def list_reasons_not_ready() -> list[str]:
    """List the reasons against readiness, as sentences."""
    if gate.changes:
        return gate.reasons
    try:
        async with asyncio.timeout(READY_SECONDS):
            reasons = await threads.run(champions.unready)
    except TimeoutError:
        return [f"The check took longer than {READY_SECONDS} s: the database or the threads are busy."]
    except Exception as error:
        return [refusal_of(error).message]
    if not reasons and not dispatcher.is_connected():
        reasons.append("The connections that store predictions are being opened again.")
    return reasons


async def redirect(request: Request) -> Response:
    """Redirect to GraphQL's path with a slash, on the same host, with the method kept."""
    if not security.is_served(request.headers.get("host", "")):
        return Response("This Host is not one that is served here.", 400)
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"/graphql/{query}", 308)


async def lifespan(receive: Receive, send: Send) -> None:
    """Load the champions before the port opens, unless the schema may not be served yet; end all tasks afterwards."""
    await receive()
    try:
        catalogue.log_refusals()
        graphql.serve(await threads.run(served.recorded))
        if may_serve := await gate.check():
            await web_lifespan.start()
        await metrics.siblings.start()
        tracing.start("web")
    except Exception as error:
        await send({"type": "lifespan.startup.failed", "message": explain_failure(error)})
        return
    memory.freeze_heap()
    await send({"type": "lifespan.startup.complete"})
    starting = asyncio.create_task(record_schema() if may_serve else serve_later(), name="serve schema")
    await receive()
    await metrics.siblings.stop()
    if gate.changes:
        starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    if not gate.changes:
        await web_lifespan.stop()
    await threads.run(tracing.stop)
    await send({"type": "lifespan.shutdown.complete"})


async def serve_later() -> None:
    """Wait until a person has accepted the schema, then serve and record it."""
    await gate.open_later(web_lifespan.start)
    if not gate.changes:
        await record_schema()


def explain_failure(error: Exception) -> str:
    """Say why the process cannot start; log the traceback unless the database is the reason."""
    if isinstance(error, (DatabaseError, InterfaceError)):
        return sqlstates.explain(error)
    logger.exception("The web process could not start.")
    return str(error)


async def record_schema() -> None:
    """Record the schema that clients are served from now on, so that the next deploy can be compared with it."""
    try:
        await threads.run(contract_gate.record)
    except Exception:  # it is recorded at the next start
        logger.exception("The schema that is served could not be recorded.")


# Django and Starlette type the same ASGI differently.
graphql = GraphQLApp(served.schema)
api.serve(graphql)
gate = ContractGate()
metrics = Metrics()
streams = Streams()
files: dict[str, ASGIApp] = {
    "/export/": Exports(graphql, streams),
    "/import/": Imports(graphql),
    "/model/": ModelFiles(graphql, streams),
}
application = Application(graphql, files, cast(ASGIApp, Pages(django)), gate)
