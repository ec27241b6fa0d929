"""Request security: the Host header, sessions, and requests that other sites make browsers send."""

from io import BytesIO

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse
from django.http.request import HttpRequest, split_domain_port, validate_host
from django.middleware.csrf import CsrfViewMiddleware
from starlette.requests import HTTPConnection, Request

from store.exceptions import Forbidden


def is_served(host: str) -> bool:
    """Check that a host, with or without a port, is in ALLOWED_HOSTS, against DNS rebinding."""
    domain, _ = split_domain_port(host)
    return bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)


def session_key(connection: HTTPConnection) -> str | None:
    """The key in the session cookie, which is not verified here."""
    return connection.cookies.get(settings.SESSION_COOKIE_NAME) or None


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
    if session_key(request) is None:
        return
    checked = ASGIRequest(dict(request.scope), BytesIO())
    csrf_check.process_request(checked)
    if reason := csrf_check.process_view(checked, no_view, (), {}):
        raise Forbidden(f"With a session, send the csrftoken cookie's value as X-CSRFToken: {reason}")
