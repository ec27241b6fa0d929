"""Who may reach the API: what Django's middleware would check, and what browsers say about other sites."""

from io import BytesIO
from typing import Any

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse
from django.http.request import HttpRequest, split_domain_port, validate_host
from django.middleware.csrf import CsrfViewMiddleware
from starlette.requests import HTTPConnection, Request

from store.exceptions import Forbidden


def host_is_served(connection: HTTPConnection) -> bool:
    """Whether the Host header names a host that is served here: another name may have been rebound to us."""
    return is_served(connection.headers.get("host", ""))


def is_served(host: str) -> bool:
    domain, _ = split_domain_port(host)
    return bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)


def session_key(connection: HTTPConnection) -> str | None:
    """The key in the session cookie, checked by nobody yet."""
    return connection.cookies.get(settings.SESSION_COOKIE_NAME) or None


class Forgery(CsrfViewMiddleware):
    """Django's check, which answers with the reason instead of a page."""

    def _reject(self, request: HttpRequest, reason: str) -> Any:
        return reason


forgery = Forgery(lambda request: None)  # type: ignore[arg-type]


def no_view(request: HttpRequest) -> HttpResponse:
    """What Django's check looks at for exemptions; there are none."""
    raise NotImplementedError


def check_forgery(request: Request) -> None:
    """Raises Forbidden where another site may act with somebody's session: Origin, Referer, token."""
    if session_key(request) is None:
        return
    checked = ASGIRequest(dict(request.scope), BytesIO())
    forgery.process_request(checked)
    if reason := forgery.process_view(checked, no_view, (), {}):
        raise Forbidden(f"With a session, send the csrftoken cookie's value as X-CSRFToken: {reason}")


def may_be_cross_site(request: Request) -> bool:
    """Whether a page of another site may have sent this GET; for anything else a browser asks us first."""
    return (
        request.method == "GET"
        and request.headers.get("sec-fetch-site") not in ("same-origin", "none")
        and "x-exemplar-preflight" not in request.headers
    )
