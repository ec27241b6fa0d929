"""Responses: the headers of every answer, the status of those that were refused, the media type that was negotiated."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.requests import HTTPConnection

from . import negotiation

#: On every answer. Answers depend on who asks and change with the next build, and none is ever a page.
HEADERS = {
    "Cache-Control": "no-store, no-transform",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "Vary": "Accept, Cookie",
    "X-Content-Type-Options": "nosniff",
}

METHODS = "GET, POST, OPTIONS"

#: The status of a request that was refused before it was executed. What is not named here is 400.
STATUS = {
    "UNAUTHENTICATED": HTTPStatus.UNAUTHORIZED,
    "FORBIDDEN": HTTPStatus.FORBIDDEN,
    "RATE_LIMITED": HTTPStatus.TOO_MANY_REQUESTS,
    "OVERLOADED": HTTPStatus.SERVICE_UNAVAILABLE,
    "UNAVAILABLE": HTTPStatus.SERVICE_UNAVAILABLE,
    "INTERNAL": HTTPStatus.INTERNAL_SERVER_ERROR,
}


def answer_type(request: HTTPConnection) -> str:
    """The media type of an answer that is not a stream."""
    chosen = negotiation.choose(request.headers.get("accept", ""))
    return negotiation.RESPONSE if chosen == negotiation.RESPONSE else negotiation.JSON


def status_of(errors: list[dict[str, Any]], media_type: str) -> int:
    """The status of a request error; under application/json a client's mistake is 200, as was the custom."""
    code = errors[0].get("extensions", {}).get("code", "")
    return STATUS.get(code, HTTPStatus.BAD_REQUEST if media_type == negotiation.RESPONSE else HTTPStatus.OK)


def retry(response: Mapping[str, Any]) -> dict[str, str]:
    """The header that says when to try again, if an error does."""
    waits = [error.get("extensions", {}).get("retryAfter", 0) for error in response.get("errors", ())]
    return {"Retry-After": str(round(max(waits)))} if any(waits) else {}
