"""Responses about files, and what every request for one must meet before it is read."""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, TypeAlias

import orjson
from cross_web import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from learning.exceptions import ExemplarError
from store.access import resolver
from store.access.acting import Origin
from store.access.actors import Actor
from store.access.rate_limiter import NO_HEADERS
from store.exceptions import Forbidden

from ..core import permissions, security
from ..core.cors import Cors
from ..core.errors import BadRequest, extensions_of, refusal_of
from ..core.permissions import Rule
from ..core.request import GraphQLRequest, request_of
from ..core.responses import HEADERS, STATUS, retry
from ..transport.admission import Admission
from ..transport.http import GraphQLApp

Respond: TypeAlias = Callable[[Request, Actor], Awaitable[Response]]

#: The statuses of refused requests that name what is not there; of others as GraphQL over HTTP has them.
STATUSES = STATUS | {"UNKNOWN_PRODUCT": HTTPStatus.NOT_FOUND, "UNKNOWN_ID": HTTPStatus.NOT_FOUND}


class FileApp:
    """An ASGI application of files, which stands beside the API and has its callers."""

    #: The methods that it allows, as the header `Allow` has them.
    methods = "GET"

    def __init__(self, api: GraphQLApp):
        #: Its callers and its schema are those of the files, too.
        self.api = api
        self.cors = Cors(self.answer)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.cors(scope, receive, send)

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        response = await respond(request, self.api.admission, self.methods, self.respond)
        await response(scope, receive, send)

    async def respond(self, request: Request, actor: Actor) -> Response:
        """Respond to a request that is allowed. Raises ExemplarError, HTTPException."""
        raise NotImplementedError


async def respond(request: Request, admission: Admission, methods: str, answer: Respond) -> Response:
    """Have `answer` respond to a request that is allowed; refuse it otherwise, as JSON with a code and a sentence."""
    read = request_of(request.scope, request.receive)
    try:
        check(request, read, methods)
        actor = await admission.find_and_admit(read)
        read.record.actor = actor.author
        actor.check_admitted()
        response = await answer(request, actor)
    except ClientDisconnect:
        return Response(status_code=400)
    except HTTPException as refusal:
        response = refuse(BadRequest(refusal.reason), refusal.status_code)
        if refusal.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            response.headers["Allow"] = methods
    except Exception as error:
        response = refuse(refusal_of(error))
    response.headers.update(HEADERS | dict(read.allowance.headers() if read.allowance else NO_HEADERS))
    return response


def recheck(request: Request, rule: Rule, product: str) -> Callable[[], Awaitable[None]]:
    """Make the check by which a file that is being sent is broken off once its caller may not have it any more."""
    credentials = request_of(request.scope, request.receive).head.credentials

    async def check_again() -> None:
        permissions.check(rule, await resolver.find(credentials), product)

    return check_again


def check(request: Request, read: GraphQLRequest, methods: str) -> None:
    """Check a request before its caller is looked up. Raises HTTPException, Forbidden."""
    if not security.is_served(read.head.get(b"host")):
        raise HTTPException(400, "This Host is not one that is served here.")
    if not security.is_secure(request):
        raise HTTPException(403, "Send this by HTTPS: what is sent without it can be read on the way.")
    if request.method not in methods.split(", "):
        raise HTTPException(405, f"Send {methods}.")
    security.check_reader(read.head)
    if not read.head.credentials.session:
        return
    if request.method != "GET":
        security.check_forgery(request)
    elif read.head.may_be_cross_site:
        raise Forbidden(
            "A page of another site may have sent this: send a token, or X-Exemplar-Preflight: 1."
        )


def refuse(refusal: ExemplarError, status: int | None = None) -> Response:
    """Build the response for a refused request: an error for each fault."""
    errors = [{"message": fault.message, "extensions": extensions_of(fault)} for fault in refusal.faults]
    body: Mapping[str, Any] = {"errors": errors}
    status = status or STATUSES.get(refusal.code, HTTPStatus.BAD_REQUEST)
    return Response(orjson.dumps(body), status, retry(body), "application/json; charset=utf-8")


def origin_of(request: Request) -> Origin:
    """Find where a request came from, for the audit log."""
    return Origin(address=request.client.host if request.client else "", operation=request.url.path)
