"""Connections that are silent, slow, too many, or never read."""

import time
from contextlib import ExitStack, suppress
from socket import socket

from project.front.limits import raise_file_limit

from .case import Case
from .heads import MB
from .target import ELSEWHERE, PATIENCE, Target, read_answer


def open_many(stack: ExitStack, target: Target, number: int) -> list[socket]:
    """Open connections from another address."""
    return [stack.enter_context(target.connect(ELSEWHERE)) for _ in range(number)]


def stay_silent(target: Target) -> str:
    """Open 500 connections and send nothing; return what the last one is answered."""
    with ExitStack() as stack:
        return read_answer(open_many(stack, target, 500)[-1])


def send_halves(target: Target) -> str:
    """Send half a head on 500 connections; return what the last one is answered."""
    with ExitStack() as stack:
        opened = open_many(stack, target, 500)
        for connection in opened:
            connection.sendall(target.head()[:-2])
        return read_answer(opened[-1])


def drip_head(target: Target) -> str:
    """Send a byte of a head each second; return what it is answered."""
    with target.connect() as connection:
        connection.settimeout(1)
        for _ in range(60):
            with suppress(OSError):
                connection.sendall(b"G" if connection.gettimeout() else b"a")
            if (answer := read_answer(connection)) != "silence":
                return answer
    return "silence"


def flood(target: Target) -> str:
    """Open 5,000 connections from one address, each with half a body; return what the last one is answered."""
    part = target.post(b" " * 1_000)[:-500]
    raise_file_limit(5_000)
    with ExitStack() as stack:
        for _ in range(5_000):
            connection = stack.enter_context(target.connect(ELSEWHERE))
            with suppress(OSError):
                connection.sendall(part)
        return read_answer(connection)


def pipeline_unread(target: Target) -> str:
    """Send requests as fast as the server reads them, and never read; return what comes of the connection."""
    return send_unread(target, target.head("GET /health") * 1_000)


def pipeline_predictions(target: Target) -> str:
    """Send requests to the API as fast as the server reads them, and never read; return what comes of it."""
    return send_unread(target, target.document("{ __typename }") * 500)


def read_nothing(target: Target) -> str:
    """Ask for large files, and never read; return what comes of the connection."""
    path = "/static/graphene_django_graphiql_static/graphiql.min.js"
    return send_unread(target, target.head(f"GET {path}") * 100)


def send_unread(target: Target, data: bytes) -> str:
    """Send data again and again until the server takes no more of it, or closes the connection."""
    sent, until = 0, time.monotonic() + PATIENCE
    with target.connect(ELSEWHERE) as connection:
        connection.settimeout(1)
        while time.monotonic() < until:
            try:
                sent += connection.send(data)
            except TimeoutError:
                continue  # not read: it is to be closed
            except OSError:
                return "closed"
            if sent > 200 * MB:
                return "all read"
    return "silence"


CLOSED = ("closed", "408 BAD_REQUEST")

CASES = (
    Case("500 silent connections", stay_silent, CLOSED, is_patient=True),
    Case("500 half heads", send_halves, CLOSED, is_patient=True),
    Case("a head of 1 byte a second", drip_head, ("408 BAD_REQUEST", "400 BAD_REQUEST"), is_patient=True),
    Case("5,000 connections with half a body", flood, ("503 OVERLOADED", "closed"), growth=150.0),
    Case("requests without end, no answer read", pipeline_unread, ("closed",), is_patient=True),
    Case("queries without end, no answer read", pipeline_predictions, ("closed",), is_patient=True),
    Case("large files, no answer read", read_nothing, ("closed",), is_patient=True),
)
