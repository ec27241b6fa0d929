"""Cross-origin resource sharing: pages of the origins that the settings name may use the API, by a token.

No cookie is sent along from another site: a session is for pages of the same one.
"""

from django.conf import settings
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from . import security
from .errors import body_of
from .responses import HEADERS

#: Headers that pages may read, beside those that browsers always show.
EXPOSED = (
    "Content-Disposition",
    "ETag",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "X-Request-Id",
)
#: Seconds for which browsers remember the answer to a preflight.
MAX_AGE = 600


class Cors(CORSMiddleware):
    """Starlette's middleware, by the settings; the fast path, which is below it, asks for its headers."""

    def __init__(self, app: ASGIApp):
        super().__init__(
            app,
            allow_origins=settings.EXEMPLAR_ORIGINS,
            allow_methods=("GET", "POST", "DELETE"),
            allow_headers=("*",),
            expose_headers=EXPOSED,
            max_age=MAX_AGE,
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer a preflight; one of a page of another origin is refused with what to set."""
        origin = request_headers["origin"]
        if self.is_allowed_origin(origin):
            return super().preflight_response(request_headers)
        refusal = security.refuse_origin(origin, "may not use the API")
        return JSONResponse(body_of(refusal), 403, HEADERS | {"Vary": "Origin"})

    def add_headers(self, headers: MutableHeaders, origin: str | None) -> None:
        """Add to a response what the middleware adds where the request has this `Origin`."""
        if origin is not None:
            headers.update(self.simple_headers)
            if not self.allow_all_origins and self.is_allowed_origin(origin):
                self.allow_explicit_origin(headers, origin)
                return
        headers["Vary"] = f"{headers['Vary']}, Origin"
