"""Refusals below ASGI: a status, and the same body as GraphQL's errors have."""

from collections.abc import Mapping
from typing import NamedTuple

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from schema.core.responses import HEADERS

#: Seconds after which a client may come again where there was no room for it.
RETRY_AFTER = 2

Lines = Mapping[str, str]


class Rejection(NamedTuple):
    """The answer to a request that is not read on; its connection ends with it."""

    status: int
    sentence: str

    @property
    def code(self) -> str:
        return "OVERLOADED" if self.status == 503 else "BAD_REQUEST"

    def encode(self) -> bytes:
        """Encode it as an HTTP response, without a date."""
        extensions = {"code": self.code} | ({"retryAfter": RETRY_AFTER} if self.status == 503 else {})
        body = orjson.dumps({"errors": [{"message": self.sentence, "extensions": extensions}]})
        headers = {
            **HEADERS,
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Connection": "close",
            **({"Retry-After": str(RETRY_AFTER)} if self.status == 503 else {}),
        }
        lines = "".join(f"{name.lower()}: {value}\r\n" for name, value in headers.items())
        return STATUS_LINE[self.status] + lines.encode() + b"\r\n" + body


MALFORMED = Rejection(400, "This is no valid request of HTTP/1.1.")
TWO_HOSTS = Rejection(400, "A request has one Host header.")
OTHER_VERSION = Rejection(400, "Send HTTP/1.1, or HTTP/1.0.")
UNCLEAR_LENGTH = Rejection(400, "A body has one Content-Length, or Transfer-Encoding: chunked, and not both.")
NO_SOCKET = Rejection(400, "A WebSocket is opened by GET, without a body, over HTTP/1.1.")
LONG_URL = Rejection(414, "The URL is too long: send the query by POST.")
LONG_HEAD = Rejection(431, "The headers are too long: send fewer cookies, or a shorter token.")
LARGE_BODY = Rejection(413, "The body is too large; send several requests.")
SLOW = Rejection(408, "The request came too slowly; send it again.")
NO_ROOM = Rejection(503, "There are too many connections; try again.")
NO_MEMORY = Rejection(503, "Too many unfinished requests are held; try again.")
