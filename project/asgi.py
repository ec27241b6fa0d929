"""The ASGI application: GraphQL beside Django, health and readiness, start and end of the web process."""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
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
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
django = get_asgi_application()

# These modules import models, so Django is set up first.
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler  # noqa: E402

from schema import schema as served  # noqa: E402
from schema.core.errors import refusal_of  # noqa: E402
from schema.core.negotiation import prefers_page  # noqa: E402
from schema.transport.http import GraphQLApp  # noqa: E402
from store.db import memory, sqlstates, threads  # noqa: E402
from store.models import ServedSchema  # noqa: E402
from store.products import catalogue  # noqa: E402
from store.runtime import lifespan as web_lifespan  # noqa: E402
from store.runtime import row_checks  # noqa: E402
from store.serving import champions, dispatcher  # noqa: E402

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


class Application:
    """Route connections to GraphQL, to Django, or to the checks of health and readiness."""

    def __init__(self, graphql: ASGIApp, pages: ASGIApp):
        self.graphql = graphql
        self.pages = pages
        self.endpoints: dict[str, Callable[[Request], Awaitable[Response]]] = {
            "/health": health,
            "/ready": ready,
            "/graphql": redirect,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "lifespan":
                await lifespan(receive, send)
            case "websocket":
                await self.connect(scope, receive, send)
            case "http":
                await self.respond(scope, receive, send)

    async def connect(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Accept a WebSocket at GraphQL's path; close any other."""
        if scope["path"] in ("/graphql", "/graphql/"):
            await self.graphql(scope, receive, send)
        else:
            await WebSocket(scope, receive, send).close()

    async def respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to an HTTP request."""
        if endpoint := self.endpoints.get(scope["path"]):
            response = await endpoint(Request(scope, receive))
            await response(scope, receive, send)
        elif scope["path"] == "/graphql/" and (scope["method"] == "POST" or not wants_page(Request(scope))):
            await self.graphql(scope, receive, send)
        else:
            await self.pages(scope, receive, send)


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
    """Redirect to GraphQL's path with a slash, with the method kept."""
    return RedirectResponse(request.url.replace(path="/graphql/"), 308)


async def lifespan(receive: Receive, send: Send) -> None:
    """Load the champions before the port opens; end all tasks after it has closed."""
    await receive()
    try:
        catalogue.log_refusals()
        graphql.serve(await threads.run(served.recorded))
        await web_lifespan.start()
    except Exception as error:
        await send({"type": "lifespan.startup.failed", "message": explain_failure(error)})
        return
    memory.freeze_heap()
    await send({"type": "lifespan.startup.complete"})
    recording = asyncio.create_task(record_schema(), name="record schema")
    await receive()
    await recording
    await web_lifespan.stop()
    await send({"type": "lifespan.shutdown.complete"})


def explain_failure(error: Exception) -> str:
    """Say why the process cannot start; log the traceback unless the database is the reason."""
    if isinstance(error, (DatabaseError, InterfaceError)):
        return sqlstates.explain(error)
    logger.exception("The web process could not start.")
    return str(error)


async def record_schema() -> None:
    """Record the schema that clients are served from now on, so that the next deploy can be compared with it."""
    try:
        await threads.run(lambda: ServedSchema.objects.record(served.schema.as_str()))
    except Exception:  # it is recorded at the next start
        logger.exception("The schema that is served could not be recorded.")


# Django and Starlette type the same ASGI differently.
graphql = GraphQLApp(served.schema)
application = Application(graphql, cast(ASGIApp, Pages(django)))
