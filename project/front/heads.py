"""Heads of HTTP requests: parsed, checked, and cached as clients repeat theirs."""

import re
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from typing import NamedTuple

import httptools

from schema.core.request import RequestHead

from . import refusals
from .refusals import Rejection

#: Bytes of a URL, at most.
MAX_URL = 16_384
#: Bytes of a head with its URL, at most; tokens of large organisations have ten thousand.
MAX_HEAD = 32_768
#: Bytes of a usual head, at most, and how many such heads are cached; most have hundreds of bytes.
MAX_USUAL, USUAL_CACHED = 4_096, 1_000
#: Larger heads that are cached: those of providers' tokens with many groups.
LARGE_CACHED = 100
#: Between a request's head and its body.
END = b"\r\n\r\n"

#: The path of the API.
GRAPHQL = b"/graphql/"
#: The paths of what receives files: rows to import, and the data of a new product.
UPLOADS = (b"/import/", b"/new/upload/")
#: Headers by which a client offers another protocol.
OFFERS = {b"upgrade", b"http2-settings"}
#: Headers of requests that uvicorn reads: it knows whose forwarded addresses are to be believed.
UNUSUAL = {b"expect", b"x-forwarded-for"}
NUMBER = re.compile(rb"[0-9]{1,18}")

Header = tuple[bytes, bytes]


class Head(NamedTuple):
    """The head of a valid request."""

    head: RequestHead
    #: The bytes from which uvicorn reads the head.
    text: bytes
    path: bytes
    #: Bytes of the body; None: it is chunked.
    length: int | None
    #: True if it asks for a WebSocket.
    upgrades: bool
    #: True if the fast path may take the request: a POST to the API with a body of known length.
    is_usual: bool


class Parser:
    """Parser of a head; httptools calls its methods. Raises HttpParserError."""

    def __init__(self, text: bytes):
        self.url = b""
        self.headers: list[Header] = []
        self.parser = httptools.HttpRequestParser(self)
        with suppress(httptools.HttpParserUpgrade):
            self.parser.feed_data(text)

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def values(self, name: bytes) -> list[bytes]:
        """The values of a header, in order."""
        return [value for other, value in self.headers if other == name]

    @property
    def version(self) -> str:
        return str(self.parser.get_http_version())


def read(text: bytes) -> Head | Rejection:
    """Parse a head, its end included, or say why it is refused."""
    return read_usual(text) if len(text) <= MAX_USUAL else read_large(text)


def parse(text: bytes) -> Head | Rejection:
    """Parse a head; offers of other protocols than WebSocket are left out, as HTTP allows."""
    try:
        parser = Parser(text)
        if not parser.parser.should_upgrade():
            return check(parser, text)
        if is_websocket(parser):
            return check_socket(parser, text)
        text = without_offers(text, parser.headers)
        parser = Parser(text)
    except httptools.HttpParserError:
        return refusals.MALFORMED
    # CONNECT, which only proxies answer, stays an upgrade.
    return refusals.MALFORMED if parser.parser.should_upgrade() else check(parser, text)


read_usual = lru_cache(USUAL_CACHED)(parse)
read_large = lru_cache(LARGE_CACHED)(parse)


def is_websocket(parser: Parser) -> bool:
    """Check if the only offer is a WebSocket."""
    return [value.strip().lower() for value in parser.values(b"upgrade")] == [b"websocket"]


def without_offers(text: bytes, headers: Sequence[Header]) -> bytes:
    """Return the head without the headers by which a client offers another protocol."""
    others = []
    for name, value in headers:
        if name == b"connection":
            options = [option.strip() for option in value.split(b",")]
            value = b", ".join(option for option in options if option.lower() not in OFFERS)
        if name not in OFFERS and (value or name != b"connection"):
            others.append((name, value))
    return render(text, others)


def render(text: bytes, headers: Sequence[Header]) -> bytes:
    """Render a head with the first line of `text`."""
    line = text[: text.index(b"\r\n")]
    return b"\r\n".join([line, *(name + b": " + value for name, value in headers)]) + END


def check(parser: Parser, text: bytes) -> Head | Rejection:
    """Check what has to be clear before the body is read."""
    version, hosts = parser.version, parser.values(b"host")
    if version not in ("1.0", "1.1"):
        return refusals.OTHER_VERSION
    # Load balancers look for health by HTTP/1.0 without a host.
    if len(hosts) > 1 or (version == "1.1" and not hosts):
        return refusals.TWO_HOSTS
    if len(parser.url) > MAX_URL:
        return refusals.LONG_URL
    url = parse_url(parser.url, hosts)
    if url is None:
        return refusals.MALFORMED
    lengths, encodings = parser.values(b"content-length"), parser.values(b"transfer-encoding")
    if not is_clear(lengths, encodings, version):
        return refusals.UNCLEAR_LENGTH
    method = parser.parser.get_method().decode()
    head = RequestHead(method, url.query or b"", parser.headers)
    length = None if encodings else int(lengths[0]) if lengths else 0
    is_usual = (
        method == "POST"
        and parser.url == GRAPHQL
        and len(lengths) == 1
        and version == "1.1"
        and parser.parser.should_keep_alive()
        and not UNUSUAL.intersection(name for name, _ in parser.headers)
    )
    return Head(head, text, url.path, length, False, is_usual)


def check_socket(parser: Parser, text: bytes) -> Head | Rejection:
    """Check a request for a WebSocket."""
    head = check(parser, text)
    if isinstance(head, Rejection):
        return head
    if head.head.method != "GET" or head.length != 0 or parser.version != "1.1":
        return refusals.NO_SOCKET
    # Names in lower case, as ASGI wants them.
    return head._replace(text=render(text, parser.headers), upgrades=True)


def parse_url(text: bytes, hosts: Sequence[bytes]) -> httptools.parser.url_parser.URL | None:
    """Parse the target of a request; None if it is no path, or names another host than the header."""
    if not text.isascii():
        return None
    try:
        url = httptools.parse_url(text)
    except httptools.HttpParserInvalidURLError:
        return None
    if not url.path or (text[:1] != b"/" and [host_of(url)] != list(hosts)):
        return None
    return url


def host_of(url: httptools.parser.url_parser.URL) -> bytes:
    """Return the host of an absolute URL as the header has it."""
    return bytes(url.host or b"") + (b":%d" % url.port if url.port else b"")


def is_clear(lengths: Sequence[bytes], encodings: Sequence[bytes], version: str) -> bool:
    """Check that all who read the request find the same end of its body."""
    if encodings:
        return not lengths and version == "1.1" and [each.lower() for each in encodings] == [b"chunked"]
    return not lengths or (len(lengths) == 1 and NUMBER.fullmatch(lengths[0]) is not None)
