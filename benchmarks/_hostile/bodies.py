"""Bodies that are too large, never end, or end where they should not."""

import gzip
import time
from contextlib import ExitStack
from socket import socket

from .case import Case, sends
from .heads import CHUNKED, MB, send_endless
from .target import ELSEWHERE, Target, converse, read_answer

QUERY = b'{"query": "{ __typename }"}'


def chunked(target: Target, body: bytes) -> bytes:
    """Render a POST with the given bytes for chunks."""
    return target.head("POST /graphql/", "Content-Type: application/json", CHUNKED) + body


def leave_unfinished(target: Target) -> str:
    """Send 15 bodies of 60 MB but for their last byte; return what the last one is answered."""
    with ExitStack() as stack:
        connections = [stack.enter_context(target.connect(ELSEWHERE)) for _ in range(15)]
        head = target.head("POST /graphql/", "Content-Type: application/json", f"Content-Length: {60 * MB}")
        for connection in connections[:-1]:
            send_most(connection, head)
        return converse(connections[-1], head, *[b" " * MB] * 59)


def send_most(connection: socket, head: bytes) -> None:
    """Send a head and 59 MB, unless the server closes the connection."""
    try:
        connection.sendall(head)
        for _ in range(59):
            connection.sendall(b" " * MB)
    except OSError:
        pass


def drip(target: Target) -> str:
    """Send a byte of a body each second; return the answer."""
    with target.connect() as connection:
        connection.sendall(target.post(b" " * 1_000_000)[:500])
        connection.settimeout(1)
        for _ in range(60):
            try:
                connection.sendall(b" ")
            except OSError:
                break
            answer = read_answer(connection)
            if answer != "silence":
                return answer
        return "silence"


def smuggle(target: Target) -> str:
    """Send a request in the body of another one; return what the connection is answered after the first."""
    inner = target.head("GET /admin/")
    with target.connect() as connection:
        connection.sendall(target.post(QUERY + inner) + target.head("GET /health"))
        read_answer(connection)
        time.sleep(0.1)
    return "one answer"


CASES = (
    Case("15 unfinished bodies of 60 MB", leave_unfinished, ("503 OVERLOADED",), growth=300.0),
    Case("a body of 1 byte a second", drip, ("408 BAD_REQUEST",), is_patient=True),
    sends(
        "a body of 65 MB", lambda t: t.head("POST /graphql/", f"Content-Length: {68 * MB}"), "413 BAD_REQUEST"
    ),
    sends(
        "a form of 10 MB",
        lambda t: t.head("POST /admin/login/", f"Content-Length: {10 * MB}"),
        "413 BAD_REQUEST",
    ),
    Case(
        "chunks without end",
        lambda t: send_endless(t, chunked(t, b""), b"400\r\n" + b" " * 1_024 + b"\r\n", 200 * MB),
        ("413 BAD_REQUEST",),
        growth=300.0,
    ),
    Case(
        "chunks of one byte",
        lambda t: send_endless(t, chunked(t, b""), b"1\r\n \r\n", 20 * MB),
        ("400 BAD_REQUEST",),
    ),
    sends("a chunk of 16 digits", lambda t: chunked(t, b"f" * 16 + b"\r\n"), "400 BAD_REQUEST"),
    sends("a chunk of -1", lambda t: chunked(t, b"-1\r\n"), "400 BAD_REQUEST"),
    sends("a chunk with 0x", lambda t: chunked(t, b"0x5\r\n"), "400 BAD_REQUEST"),
    sends(
        "a chunk longer than its size", lambda t: chunked(t, b"5\r\n123456\r\n0\r\n\r\n"), "400 BAD_REQUEST"
    ),
    sends("a chunk's line without CR", lambda t: chunked(t, b"5\n12345\r\n0\r\n\r\n"), "400 BAD_REQUEST"),
    sends("a chunk's extension without end", lambda t: chunked(t, b"5;" + b"a" * 100_000), "400 BAD_REQUEST"),
    Case(
        "trailers without end",
        lambda t: send_endless(t, chunked(t, b"0\r\n"), b"Name: value\r\n", 5 * MB),
        ("400 BAD_REQUEST",),
    ),
    sends("gzip", lambda t: t.post(gzip.compress(QUERY), "Content-Encoding: gzip"), "415 BAD_REQUEST"),
    sends(
        "a form instead of JSON",
        lambda t: t.head("POST /graphql/", "Content-Type: text/plain", "Content-Length: 0"),
        "415 BAD_REQUEST",
    ),
    sends("lists in lists in JSON", lambda t: t.post(b"[" * 10_000_000), "400 BAD_REQUEST"),
)
