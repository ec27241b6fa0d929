"""Admission of uploads for new products: who may create none is refused before the file is received."""

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from store.access import resolver
from store.access.actors import Actor
from store.access.permissions import Permission
from store.db import threads

#: The path that receives the files of a new product.
UPLOAD = "/new/upload/"
#: Files that one process receives at once, at most; and the seconds after which one may try again.
MOST_AT_ONCE, RETRY_AFTER = 4, 5


def may_create(actor: Actor) -> bool:
    """Return True for callers who may create products: administrators of all, and everybody on an open machine."""
    return settings.EXEMPLAR_OPEN or actor.may(Permission.ADMINISTER, None)


class Uploads:
    """An ASGI application that passes uploads on to the pages, few at once."""

    def __init__(self, pages: ASGIApp):
        self.pages = pages
        self.receiving = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse an upload by its head, or have the pages receive it."""
        if refusal := await self.refuse(Request(scope)):
            await refusal(scope, receive, send)
            return
        self.receiving += 1
        try:
            await self.pages(scope, receive, send)
        finally:
            self.receiving -= 1

    async def refuse(self, request: Request) -> Response | None:
        """Return the response that refuses a request; None for one that is admitted."""
        try:
            session = request.cookies.get(settings.SESSION_COOKIE_NAME)
            actor = await threads.run(resolver.find_session_actor, session)
        except (DatabaseError, InterfaceError):  # the pages say so
            return None
        if not may_create(actor):
            return RedirectResponse("/new/", 303)
        if self.receiving >= MOST_AT_ONCE:
            message = "As many files are received as may be: try again in some seconds."
            return PlainTextResponse(message, 503, headers={"Retry-After": str(RETRY_AFTER)})
        return None
