"""Heads that are too long, ambiguous, or for others."""

from .case import Case, sends
from .target import Target

MB = 1_000_000


def send_endless(target: Target, beginning: bytes, piece: bytes, size: int) -> str:
    """Send a beginning, and pieces until the server closes the connection."""
    return target.ask(beginning, *[piece * (MB // len(piece))] * (size // MB))


def json_body(target: Target, *headers: str) -> bytes:
    """Render a query with more headers."""
    return target.post(b'{"query": "{ __typename }"}', *headers)


def altered(target: Target, old: bytes, new: bytes) -> bytes:
    """Render a query with other bytes in its head."""
    return json_body(target).replace(old, new, 1)


CHUNKED = "Transfer-Encoding: chunked"
NO_BODY = "Content-Length: 0"

CASES = (
    Case("a URL of 100 MB", lambda t: send_endless(t, b"GET /", b"a", 100 * MB), ("414 BAD_REQUEST",)),
    Case(
        "a header of 300 MB",
        lambda t: send_endless(t, t.head()[:-4] + b"\r\nX: ", b"a", 300 * MB),
        ("431 BAD_REQUEST",),
    ),
    Case(
        "headers without end",
        lambda t: send_endless(t, t.head()[:-2], b"Name: value\r\n", 50 * MB),
        ("431 BAD_REQUEST",),
    ),
    Case(
        "empty lines without end",
        lambda t: send_endless(t, b"", b"\r\n", 20 * MB),
        ("closed", "silence", "408 BAD_REQUEST"),
        is_patient=True,
    ),
    sends("a URL of 20 kB", lambda t: t.head("GET /" + "a" * 20_000), "414 BAD_REQUEST"),
    sends("two Host headers", lambda t: t.head("GET /health", "Host: evil.example"), "400 BAD_REQUEST"),
    sends("no Host header", lambda t: b"GET /health HTTP/1.1\r\n\r\n", "400 BAD_REQUEST"),
    sends("HTTP/2.0", lambda t: t.head(version="2.0"), "400 BAD_REQUEST"),
    sends("HTTP/0.9", lambda t: b"GET /health\r\n\r\n", "400 BAD_REQUEST"),
    sends("the preface of HTTP/2", lambda t: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400 BAD_REQUEST"),
    sends(
        "the greeting of TLS",
        lambda t: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        "400 BAD_REQUEST",
    ),
    sends("CONNECT", lambda t: t.head("CONNECT evil.example:443"), "400 BAD_REQUEST"),
    sends("a URL of another host", lambda t: t.head("GET http://evil.example/health"), "400 BAD_REQUEST"),
    sends("a URL beyond ASCII", lambda t: t.head("GET /h\xe9alth"), "400 BAD_REQUEST"),
    sends("a NUL in a header", lambda t: t.head("GET /health", "X: a\0b"), "400 BAD_REQUEST"),
    sends("a NUL in the path", lambda t: t.head("GET /static/%00"), "400", "404"),
    sends("a blank before the colon", lambda t: t.head("GET /health", "X : a"), "400 BAD_REQUEST"),
    sends("a folded header", lambda t: t.head("GET /health", "X: a\r\n b"), "400 BAD_REQUEST"),
    sends("lines without CR", lambda t: t.head().replace(b"\r\n", b"\n") + b"\r\n\r\n", "400 BAD_REQUEST"),
    sends("two Content-Lengths", lambda t: json_body(t, NO_BODY), "400 BAD_REQUEST"),
    sends(
        "a list of Content-Lengths", lambda t: altered(t, b"Length: 27", b"Length: 27, 27"), "400 BAD_REQUEST"
    ),
    sends("a Content-Length of -1", lambda t: altered(t, b"Length: 27", b"Length: -1"), "400 BAD_REQUEST"),
    sends("a Content-Length of +27", lambda t: altered(t, b"Length: 27", b"Length: +27"), "400 BAD_REQUEST"),
    sends(
        "a Content-Length of 20 digits",
        lambda t: altered(t, b"Length: 27", b"Length: " + b"9" * 20),
        "400 BAD_REQUEST",
    ),
    sends(
        "a Content-Length of 1 TB",
        lambda t: altered(t, b"Length: 27", b"Length: 1000000000000"),
        "413 BAD_REQUEST",
    ),
    sends("Content-Length and chunks", lambda t: json_body(t, CHUNKED), "400 BAD_REQUEST"),
    sends("chunks twice", lambda t: t.head("POST /graphql/", CHUNKED, CHUNKED), "400 BAD_REQUEST"),
    sends(
        "an unknown encoding",
        lambda t: t.head("POST /graphql/", "Transfer-Encoding: xchunked"),
        "400 BAD_REQUEST",
    ),
    sends(
        "chunks of gzip",
        lambda t: t.head("POST /graphql/", "Transfer-Encoding: gzip, chunked"),
        "400 BAD_REQUEST",
    ),
    sends(
        "chunks in HTTP/1.0", lambda t: t.head("POST /graphql/", CHUNKED, version="1.0"), "400 BAD_REQUEST"
    ),
    sends(
        "a forged Host at the API", lambda t: altered(t, t.host.encode(), b"evil.example"), "400 BAD_REQUEST"
    ),
    sends(
        "a forged Host at a redirect",
        lambda t: t.head("GET /graphql").replace(t.host.encode(), b"evil.example"),
        "400",
    ),
    sends(
        "a forged Host at a page",
        lambda t: t.head("GET /admin").replace(t.host.encode(), b"evil.example"),
        "400",
    ),
    sends(
        "Java's offer of HTTP/2",
        lambda t: json_body(
            t, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAA"
        ),
        "200",
        "401 UNAUTHENTICATED",
    ),
    sends(
        "a POST that asks for a WebSocket",
        lambda t: json_body(t, "Connection: Upgrade", "Upgrade: websocket"),
        "400 BAD_REQUEST",
    ),
)
