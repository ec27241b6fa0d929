"""HTTP responses: headers, the status of refused requests, and the negotiated media type."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from math import ceil
from typing import Any, TypeAlias

from django.conf import settings

from . import negotiation

#: GraphQL's `errors` or a whole response, as they are encoded to JSON.
JSONObject: TypeAlias = Mapping[str, Any]

#: Headers of every response. Responses depend on the caller and change with the next build, and none is a page.
HEADERS = {
    "Cache-Control": "no-store, no-transform",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "Vary": "Accept, Authorization, Cookie",
    "X-Content-Type-Options": "nosniff",
}

if settings.SECURE_HSTS_SECONDS:
    HEADERS["Strict-Transport-Security"] = f"max-age={settings.SECURE_HSTS_SECONDS}"

METHODS = "GET, POST, OPTIONS"

#: The status of a request that was refused before it was executed, by error code; 400 for all other codes.
STATUS = {
    "UNAUTHENTICATED": HTTPStatus.UNAUTHORIZED,
    "FORBIDDEN": HTTPStatus.FORBIDDEN,
    "RATE_LIMITED": HTTPStatus.TOO_MANY_REQUESTS,
    "OVERLOADED": HTTPStatus.SERVICE_UNAVAILABLE,
    "TIMED_OUT": HTTPStatus.SERVICE_UNAVAILABLE,
    "UNAVAILABLE": HTTPStatus.SERVICE_UNAVAILABLE,
    "INTERNAL": HTTPStatus.INTERNAL_SERVER_ERROR,
}


def status_of(errors: Sequence[JSONObject], media_type: str) -> int:
    """The status of a refused request; a client's mistake is 200 under application/json, as GraphQL over HTTP asks."""
    code = errors[0].get("extensions", {}).get("code", "")
    return STATUS.get(code, HTTPStatus.BAD_REQUEST if media_type == negotiation.RESPONSE else HTTPStatus.OK)


def retry(response: JSONObject) -> dict[str, str]:
    """The header `Retry-After`, if an error has such a delay."""
    waits = [error.get("extensions", {}).get("retryAfter", 0) for error in response.get("errors", ())]
    return {"Retry-After": str(ceil(max(waits)))} if any(waits) else {}
