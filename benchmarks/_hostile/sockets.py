"""WebSockets whose messages are too large, never end, or are never read."""

import json
import struct
import time
from contextlib import ExitStack, suppress
from socket import socket

from .case import Case
from .heads import MB
from .target import ELSEWHERE, PATIENCE, Target

CONTINUATION, TEXT, CLOSE, PING = 0, 1, 8, 9
LAST = 0x80
INIT = json.dumps({"type": "connection_init"}).encode()


def request(target: Target, *headers: str) -> bytes:
    """Render the request for a WebSocket."""
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    usual = ("Connection: Upgrade", "Upgrade: websocket", key, "Sec-WebSocket-Version: 13")
    return target.head("GET /graphql/", *usual, "Sec-WebSocket-Protocol: graphql-transport-ws", *headers)


def frame(opcode: int, data: bytes = b"", last: bool = True) -> bytes:
    """Render a frame of a client, masked by zeros."""
    first = opcode | (LAST if last else 0)
    size = len(data)
    if size < 126:
        head = struct.pack("!BB", first, 0x80 | size)
    elif size < 65_536:
        head = struct.pack("!BBH", first, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", first, 0x80 | 127, size)
    return head + bytes(4) + data


def open_socket(stack: ExitStack, target: Target, *frames: bytes, source: str = "") -> socket:
    """Open a WebSocket, read that it was accepted, and send frames."""
    connection = stack.enter_context(target.connect(source))
    connection.sendall(request(target))
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(1) or b"\r\n\r\n"
    for each in frames:
        connection.sendall(each)
    return connection


def read_close(connection: socket) -> str:
    """Read frames until the server closes; return its code, or `closed` without one."""
    with connection.makefile("rb") as stream:
        try:
            while head := stream.read(2):
                size = head[1]
                if size == 126:
                    size = struct.unpack("!H", stream.read(2))[0]
                data = stream.read(size)
                if head[0] & 15 == CLOSE and len(data) >= 2:
                    return str(struct.unpack("!H", data[:2])[0])
        except TimeoutError:
            return "silence"
        except OSError:
            pass
    return "closed"


def send(target: Target, *frames: bytes) -> str:
    """Send frames on a WebSocket; return how it is closed."""
    with ExitStack() as stack:
        connection = open_socket(stack, target)
        with suppress(OSError):
            for each in frames:
                connection.sendall(each)
        return read_close(connection)


def ping_unread(target: Target) -> str:
    """Send pings as fast as they are taken, and never read; return what comes of the connection."""
    return send_unread(target, frame(PING, b"a" * 125) * 1_000)


def messages_unread(target: Target) -> str:
    """Send the protocol's own pings, and never read; return what comes of the connection."""
    return send_unread(target, frame(TEXT, b'{"type": "ping"}') * 1_000)


def send_unread(target: Target, data: bytes) -> str:
    sent, until = 0, time.monotonic() + PATIENCE
    with ExitStack() as stack:
        connection = open_socket(stack, target, frame(TEXT, INIT), source=ELSEWHERE)
        connection.settimeout(1)
        while time.monotonic() < until:
            try:
                sent += connection.send(data)
            except TimeoutError:
                continue
            except OSError:
                return "closed"
            if sent > 200 * MB:
                return "all read"
    return "silence"


def open_many(target: Target) -> str:
    """Open 500 sockets and send nothing; return how the last one is closed."""
    with ExitStack() as stack:
        for _ in range(500):
            connection = open_socket(stack, target, source=ELSEWHERE)
        return read_close(connection)


def half_messages(target: Target) -> str:
    """Send most of a message of 1 MB on 300 sockets; return how the last one is closed."""
    part = frame(TEXT, b" " * 1_000_000)[:-1]
    with ExitStack() as stack:
        for _ in range(300):
            connection = open_socket(stack, target, source=ELSEWHERE)
            with suppress(OSError):
                connection.sendall(part)
        return read_close(connection)


def long_header(target: Target) -> str:
    """Ask for a WebSocket with a header of 20 kB."""
    return target.ask(request(target, "Cookie: " + "a" * 20_000))


def subscribe(text: str) -> bytes:
    """Render the message that begins an operation."""
    return frame(TEXT, json.dumps({"id": "1", "type": "subscribe", "payload": {"query": text}}).encode())


def send_document(target: Target) -> str:
    """Send a document of 500 kB after the greeting; return the code of its error."""
    with ExitStack() as stack:
        connection = open_socket(stack, target, frame(TEXT, INIT), subscribe("{" + "a " * 250_000 + "}"))
        received, until = b"", time.monotonic() + PATIENCE
        while b'"code"' not in received and time.monotonic() < until:
            data = connection.recv(65_536)
            received += data
            if not data:
                break
    return "TOO_COMPLEX" if b"TOO_COMPLEX" in received else str(received[-200:])


CASES = (
    Case("a handshake with a header of 20 kB", long_header, ("431 BAD_REQUEST",)),
    Case("a message of 2 MB", lambda t: send(t, frame(TEXT, b" " * 2 * MB)), ("1009", "closed")),
    Case("a message of a terabyte", lambda t: send(t, struct.pack("!BBQ", 0x81, 0xFF, 10**12)), ("1009",)),
    Case(
        "empty frames without end",
        lambda t: send(t, frame(TEXT, b"", False), *[frame(CONTINUATION, b"", False) * 1_000] * 2_000),
        ("1008", "closed"),
    ),
    Case(
        "frames before the handshake is answered",
        lambda t: t.ask(request(t) + b"\xff" * 100_000),
        ("101", "closed", "400", "403"),
    ),
    Case("an unmasked frame", lambda t: send(t, b"\x81\x05hello"), ("1002",)),
    Case("text that is no UTF-8", lambda t: send(t, frame(TEXT, b"\xff\xfe")), ("1007",)),
    Case(
        "text that is no UTF-8 behind messages whose answers wait",
        lambda t: send(t, frame(TEXT, INIT) + frame(TEXT, b'{"type": "ping"}') * 5 + frame(TEXT, b"\xff")),
        ("1007",),
    ),
    Case("bytes instead of text", lambda t: send(t, frame(2, b"{}")), ("4400", "4401", "4403")),
    Case("no JSON", lambda t: send(t, frame(TEXT, b"{")), ("4400", "4403")),
    Case("pings without end, no answer read", ping_unread, ("closed",), is_patient=True),
    Case("messages without end, no answer read", messages_unread, ("closed",), is_patient=True),
    Case("500 sockets without a greeting", open_many, ("4408", "4403", "1013"), is_patient=True),
    Case(
        "300 messages of 1 MB but for a byte",
        half_messages,
        ("1013", "1008", "closed"),
        growth=250.0,
        is_patient=True,
    ),
    Case("a document of 500 kB", send_document, ("TOO_COMPLEX",)),
)
