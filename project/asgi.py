"""The ASGI application: GraphQL beside Django, and what happens around the first and the last request."""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

from django.core.asgi import get_asgi_application
from django.core.exceptions import SuspiciousOperation
from django.core.signals import request_finished
from django.db import connections
from django.http import HttpRequest, HttpResponseBadRequest
from django.http.response import HttpResponseBase
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
django = get_asgi_application()

# What follows imports models, so Django is set up first.
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler  # noqa: E402

from schema.core.errors import refusal_of  # noqa: E402
from schema.core.negotiation import prefers_page  # noqa: E402
from schema.schema import schema  # noqa: E402
from schema.transport.http import GraphQLApp  # noqa: E402
from store.db import memory, threads  # noqa: E402
from store.runtime import lifespan as web_lifespan  # noqa: E402
from store.serving import champions  # noqa: E402

logger = logging.getLogger(__name__)

#: Seconds that readiness may take to find out: whoever asks has a time limit too.
READY_SECONDS = 3


def let_go(**_: Any) -> None:
    """Close the connections of a page's thread, which ends with the page; the rows' threads keep theirs."""
    connections.close_all()


request_finished.connect(let_go)


class Pages(ASGIStaticFilesHandler):
    """Django with its static files, which are few and small."""

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        try:
            return await super().get_response_async(request)
        except SuspiciousOperation:  # a path that leads out of the static files
            return HttpResponseBadRequest()


class Application:
    """Routes connections to GraphQL, to Django, or to the two answers about health."""

    def __init__(self, graphql: ASGIApp, pages: Any):
        self.graphql = graphql
        self.pages = pages
        self.answers: dict[str, Callable[[Request], Awaitable[Response]]] = {
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
                await self.answer(scope, receive, send)

    async def connect(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in ("/graphql", "/graphql/"):
            await self.graphql(scope, receive, send)
        else:
            await WebSocket(scope, receive, send).close()

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if answer := self.answers.get(scope["path"]):
            response = await answer(Request(scope, receive))
            await response(scope, receive, send)
        elif scope["path"] == "/graphql/" and (scope["method"] == "POST" or not wants_page(Request(scope))):
            await self.graphql(scope, receive, send)
        else:
            await self.pages(scope, receive, send)


def wants_page(request: Request) -> bool:
    """Whether a browser wants to be shown GraphiQL, rather than to have a query answered."""
    asks = "query" in parse_qs(request.url.query)
    return request.method == "GET" and not asks and prefers_page(request.headers.get("accept", ""))


async def health(request: Request) -> Response:
    """The process is alive, whatever else is not."""
    return JSONResponse({"alive": True}, headers={"Cache-Control": "no-store"})


async def ready(request: Request) -> Response:
    """Whether requests can be answered here; the reasons if not."""
    reasons = await unready()
    body = {"ready": False, "reasons": reasons} if reasons else {"ready": True}
    return JSONResponse(body, 503 if reasons else 200, headers={"Cache-Control": "no-store"})


async def unready() -> list[str]:
    try:
        async with asyncio.timeout(READY_SECONDS):
            return await threads.run(champions.unready)
    except TimeoutError:
        return [f"It could not be found out within {READY_SECONDS} s: the database or the threads are busy."]
    except Exception as error:
        return [refusal_of(error).message]


async def redirect(request: Request) -> Response:
    return RedirectResponse(request.url.replace(path="/graphql/"), 308)


async def lifespan(receive: Receive, send: Send) -> None:
    """Load the champions before the port opens; let go of everything after it has closed."""
    await receive()
    try:
        await web_lifespan.start()
    except Exception as error:
        logger.exception("The operation phase could not start")
        await send({"type": "lifespan.startup.failed", "message": str(error)})
        return
    memory.freeze_heap()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await web_lifespan.stop()
    await send({"type": "lifespan.shutdown.complete"})


application = Application(GraphQLApp(schema), Pages(django))
