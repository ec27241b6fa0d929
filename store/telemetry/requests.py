"""Requests: the id of each, and what is known of it when it is logged and measured."""

import itertools
import logging
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import quote

#: Has a line for each request where EXEMPLAR_ACCESS_LOG is on.
access_log = logging.getLogger("exemplar.access")

#: An id that a client or a proxy may choose: nothing that a log, a shell or a page could take for something else.
SANE = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:+=@-]{0,127}")
#: Characters of a name that a client chose, in a log, at most.
LONGEST_NAME = 100
#: Characters of a path, in a log, at most.
LONGEST_PATH = 300

_prefix = secrets.token_hex(5)
_numbers = itertools.count(1)


def make_id(proposed: bytes) -> str:
    """Return the id that a client proposed where it is sane, else a new one, unique among all processes."""
    if SANE.fullmatch(proposed):
        return proposed.decode("ascii")
    return f"{_prefix}-{next(_numbers):x}"


class RequestRecord:
    """Record of one request, or of one operation of a socket; the fast path makes thousands a second."""

    #: The field that it selects, as metrics name it; empty until that is known.
    operation = ""
    #: The client's own name of the operation.
    name = ""
    #: The author's name; empty until it is known.
    actor = ""
    address = ""
    #: The code of the first error; empty without one.
    code = ""
    #: The span of OpenTelemetry; None where spans are not recorded.
    span: Any = None

    def __init__(self, proposed: bytes | None = None):
        self.started = time.perf_counter()
        self.id = f"{_prefix}-{next(_numbers):x}" if proposed is None else make_id(proposed)

    @classmethod
    def of(cls, scope: Mapping[str, Any]) -> "RequestRecord":
        """Make the record of a connection, from its ASGI scope."""
        proposed = header_of(scope, b"x-request-id")
        record = cls(proposed.encode("latin-1") if proposed else None)
        record.address = address_of(scope)
        return record

    @classmethod
    def part_of(cls, connection: "RequestRecord | None") -> "RequestRecord":
        """Make the record of an operation of a socket; its id begins with that of the socket."""
        record = cls()
        if connection:
            record.id = f"{connection.id.partition('/')[0]}/{next(_numbers):x}"
            record.address, record.actor = connection.address, connection.actor
        return record

    def describe(self) -> dict[str, str]:
        """Describe it for a log; without what is not known."""
        values = {
            "request": self.id,
            "operation": self.operation,
            "operation_name": self.name[:LONGEST_NAME],
            "actor": self.actor,
            "address": self.address,
            "trace": f"{self.span.get_span_context().trace_id:032x}" if self.span else "",
        }
        return {name: value for name, value in values.items() if value}

    def log(self, method: str, path: str, status: int) -> None:
        """Log the request's end, if the settings say so; never its query, its document or their variables."""
        if not access_log.isEnabledFor(logging.INFO):
            return
        seconds = time.perf_counter() - self.started
        entries = {
            "method": method,
            "path": quote(path[:LONGEST_PATH]),
            "status": status,
            "duration": round(seconds, 6),
            "code": self.code or None,
        }
        access_log.info("%(method)s %(path)s %(status)d in %(duration)g s", entries, extra=entries)


def header_of(scope: Mapping[str, Any], name: bytes) -> str | None:
    """The first header of this name, in lower case, of an ASGI connection."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)


def address_of(scope: Mapping[str, Any]) -> str:
    """The address that an ASGI connection comes from; empty where it is not known."""
    client = scope.get("client")
    return str(client[0]) if client else ""


#: The request that this task or thread works for; None outside of requests.
current: ContextVar[RequestRecord | None] = ContextVar("request", default=None)


@contextmanager
def working_for(record: RequestRecord | None) -> Iterator[None]:
    """Have what this task or thread logs name the request."""
    token = current.set(record)
    try:
        yield
    finally:
        current.reset(token)
