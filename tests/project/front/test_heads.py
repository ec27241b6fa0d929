"""Heads of requests: what they say of the body, and what is refused."""

import pytest

from project.front import refusals
from project.front.heads import MAX_URL, Head, read
from project.front.refusals import Rejection

HOST = "Host: localhost"
H2C = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAA")
SOCKET = ("Connection: Upgrade", "Upgrade: WebSocket")


def text(line: str, *headers: str, version: str = "1.1") -> bytes:
    return "\r\n".join([f"{line} HTTP/{version}", *headers, "", ""]).encode("latin-1")


def valid(line: str, *headers: str, version: str = "1.1") -> Head:
    head = read(text(line, HOST, *headers, version=version))
    assert isinstance(head, Head)
    return head


def refused(line: str, *headers: str, version: str = "1.1") -> Rejection:
    refusal = read(text(line, *headers, version=version))
    assert isinstance(refusal, Rejection)
    return refusal


def test_a_post_to_the_api_is_usual():
    head = valid("POST /graphql/", "Content-Length: 5", "X: 1")
    assert head.is_usual and head.length == 5
    assert head.head.get(b"x") == "1"


@pytest.mark.parametrize(
    ("line", "header"),
    [
        ("GET /graphql/", "X: 1"),
        ("POST /graphql/?a=b", "Content-Length: 5"),
        ("POST /graphql/", "Transfer-Encoding: chunked"),
        ("POST /admin/", "Content-Length: 5"),
    ],
)
def test_other_requests_are_not(line, header):
    assert not valid(line, header).is_usual


def test_chunks_have_no_length():
    assert valid("POST /", "Transfer-Encoding: Chunked").length is None
    assert valid("GET /").length == 0


def test_an_offer_of_http_2_is_left_out_and_the_body_stays():
    head = valid("POST /graphql/", "Content-Length: 5", *H2C)
    assert head.is_usual and head.length == 5
    assert b"h2c" not in head.text and b"onnection" not in head.text


def test_other_options_of_a_connection_stay():
    head = valid("GET /", "Connection: Upgrade, close", "Upgrade: h2c")
    assert b"connection: close" in head.text


def test_a_web_socket_is_opened_by_get():
    assert valid("GET /graphql/", *SOCKET).upgrades
    assert refused("POST /graphql/", HOST, *SOCKET, "Content-Length: 5") is refusals.NO_SOCKET
    assert refused("GET /graphql/", HOST, *SOCKET, "Content-Length: 5") is refusals.NO_SOCKET
    assert refused("GET /graphql/", HOST, *SOCKET, version="1.0") is refusals.NO_SOCKET


def test_load_balancers_need_no_host_in_http_1_0():
    assert isinstance(read(text("GET /health", version="1.0")), Head)


def test_an_absolute_url_names_the_same_host():
    assert isinstance(read(text("GET http://a.example:81/health", "Host: a.example:81")), Head)
    assert refused("GET http://b.example/health", "Host: a.example") is refusals.MALFORMED


@pytest.mark.parametrize(
    ("refusal", "headers", "version"),
    [
        (refusals.TWO_HOSTS, [HOST, HOST], "1.1"),
        (refusals.TWO_HOSTS, [], "1.1"),
        (refusals.OTHER_VERSION, [HOST], "2.0"),
        (refusals.UNCLEAR_LENGTH, [HOST, "Transfer-Encoding: chunked"], "1.0"),
    ],
)
def test_what_is_not_clear_is_refused(refusal, headers, version):
    assert refused("GET /health", *headers, version=version) is refusal


def test_a_long_url_is_refused():
    assert refused("GET /" + "a" * MAX_URL, HOST) is refusals.LONG_URL


def test_a_refusal_is_json_with_a_code():
    encoded = refusals.NO_ROOM.encode()
    assert encoded.startswith(b"HTTP/1.1 503 ") and b"\r\nretry-after: 2\r\n" in encoded
    assert encoded.endswith(b'"extensions":{"code":"OVERLOADED","retryAfter":2}}]}')
