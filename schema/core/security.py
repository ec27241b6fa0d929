"""Request security: the Host header, HTTPS, sessions, and requests that other sites make browsers send."""

import logging
from functools import lru_cache
from io import BytesIO
from typing import Any

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse
from django.http.request import HttpRequest, split_domain_port, validate_host
from django.middleware.csrf import REASON_BAD_ORIGIN, CsrfViewMiddleware
from starlette.requests import HTTPConnection, Request
from strawberry.http.websocket_origin import is_same_origin

from store.exceptions import Forbidden

from .request import RequestHead

log = logging.getLogger(__name__)

#: Characters of an origin that are quoted, at most.
LONGEST_ORIGIN = 50


def is_served(host: str) -> bool:
    """Check that a host, with or without a port, is in ALLOWED_HOSTS, against DNS rebinding."""
    domain, _ = split_domain_port(host)
    return bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)


def is_secure(connection: HTTPConnection) -> bool:
    """Check that a request came by HTTPS, directly or to a trusted proxy, where the settings want it."""
    return connection.url.scheme in ("https", "wss") or not settings.EXEMPLAR_HTTPS


def may_be_secure(forwarded: bytes) -> bool:
    """Check the same where nothing but the header X-Forwarded-Proto is known. Who forges it harms himself only.

    A process with a certificate of its own speaks nothing but HTTPS.
    """
    has_certificate = bool(getattr(settings, "EXEMPLAR_TLS_CERT", ""))
    return forwarded == b"https" or has_certificate or not settings.EXEMPLAR_HTTPS


def may_open(socket: HTTPConnection) -> bool:
    """Check the host and the scheme of a socket that is to be opened."""
    return is_served(socket.headers.get("host", "")) and is_secure(socket)


def check_page(socket: HTTPConnection) -> None:
    """Check that the page that opens a socket may; a program, which sends no Origin, passes. Raises Forbidden."""
    origin = socket.headers.get("origin")
    if origin is None or socket.headers.get("sec-fetch-site") == "same-origin":
        return
    has_session = settings.SESSION_COOKIE_NAME in socket.cookies
    allowed = settings.CSRF_TRUSTED_ORIGINS if has_session else settings.EXEMPLAR_ORIGINS
    if origin in allowed or "*" in allowed or is_same_origin(origin, socket.headers.get("host")):
        return
    raise refuse_origin(origin, "may not use a session here" if has_session else "may not open a WebSocket")


def check_reader(head: RequestHead) -> None:
    """Check that a browser will show the answer to the page that asks for it by GET. Raises Forbidden."""
    origin, allowed = head.get(b"origin"), settings.EXEMPLAR_ORIGINS
    is_elsewhere = head.get(b"sec-fetch-site") in ("cross-site", "same-site")
    if head.method == "GET" and origin and is_elsewhere and origin not in allowed and "*" not in allowed:
        raise refuse_origin(origin, "may not use the API")


def refuse_origin(origin: str, refusal: str) -> Forbidden:
    """Log that pages of an origin are refused, and return the error that says what to set."""
    if origin == "null":
        sentence = f"A page without an origin {refusal}: serve it by HTTP, not from a file or in a sandbox."
    else:
        sentence = f"Pages of {origin[:LONGEST_ORIGIN]!a} {refusal}: name this origin in EXEMPLAR_ORIGINS."
    log.warning("%s", sentence)
    return Forbidden(sentence)


class CsrfCheck(CsrfViewMiddleware):
    """Django's check, which returns the reason instead of a page."""

    def _reject(self, request: HttpRequest, reason: str) -> str:  # type: ignore[override]
        return reason


csrf_check = CsrfCheck(lambda request: HttpResponse())


def no_view(request: HttpRequest) -> HttpResponse:
    """The view that Django's check looks up for exemptions; it has none and is never called."""
    raise NotImplementedError


def check_forgery(request: Request) -> None:
    """Check Origin, Referer and token of a request with a session. Raises Forbidden."""
    if reason := forgery_in(dict(request.scope)):
        origin = request.headers.get("origin", "")
        if reason == REASON_BAD_ORIGIN % origin:
            raise refuse_origin(origin, "may not use a session here")
        raise Forbidden(f"With a session, send the csrftoken cookie's value as X-CSRFToken: {reason}")


def forgery_in(scope: dict[str, Any]) -> str | None:
    """Find what makes a request look like one that another site has sent; None if nothing does."""
    checked = ASGIRequest(scope, BytesIO())
    csrf_check.process_request(checked)
    reason: Any = csrf_check.process_view(checked, no_view, (), {})
    return reason


@lru_cache(1_000)
def is_from_own_page(head: RequestHead) -> bool:
    """Check a request with a session as `check_forgery` does, by its head, which the transport caches."""
    scope = {"type": "http", "method": head.method, "path": "/graphql/", "headers": list(head.headers)}
    scheme = "https" if settings.EXEMPLAR_HTTPS else "http"  # of the page that a browser names as its origin
    return forgery_in(scope | {"query_string": head.query_string, "scheme": scheme}) is None
