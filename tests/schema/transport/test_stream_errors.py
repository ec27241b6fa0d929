"""Errors of streams: one shape over server-sent events and WebSocket, with a path and a code."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from tests.waiting import PATIENCE

REFUSED = "subscription($number: Int!) { again: refusedAfter(number: $number) { number } }"


@contextmanager
def socket_to(url: str) -> Iterator[ClientConnection]:
    """Open a socket that is acknowledged."""
    options: Any = {"subprotocols": ["graphql-transport-ws"], "proxy": None}
    with connect(url.replace("http", "ws"), **options) as socket:
        socket.send(json.dumps({"type": "connection_init"}))
        assert json.loads(socket.recv(PATIENCE)) == {"type": "connection_ack"}
        yield socket


def over_socket(url: str, query: str, variables: dict[str, Any]) -> list[Any]:
    """The errors that a socket brings."""
    with socket_to(url) as socket:
        payload = {"query": query, "variables": variables}
        socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": payload}))
        errors: list[Any] = []
        while (message := json.loads(socket.recv(PATIENCE)))["type"] == "next":
            errors += message["payload"].get("errors", [])
        if message["type"] == "error":
            errors += message["payload"]
        return errors


def over_events(url: str, query: str, variables: dict[str, Any]) -> list[Any]:
    """The errors that server-sent events bring."""
    body, headers = {"query": query, "variables": variables}, {"Accept": "text/event-stream"}
    text = httpx.post(url, json=body, headers=headers, timeout=PATIENCE, trust_env=False).text
    results = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    return [error for result in results for error in result.get("errors", [])]


@pytest.mark.parametrize("transport", [over_socket, over_events])
@pytest.mark.parametrize("number", [0, 2])
def test_an_error_of_a_stream_has_path_and_code(url: str, transport: Any, number: int) -> None:
    (error,) = transport(url, REFUSED, {"number": number})
    assert error["message"] == "There is no more."
    assert error["path"] == ["again"]
    assert error["extensions"] == {"code": "OUT_OF_RANGE", "argument": ["number"], "maximum": number}


@pytest.mark.parametrize(
    "query", ["subscription { nope }", "{", "subscription { ticks(to: true) { number } }"]
)
def test_what_is_refused_before_it_begins_is_the_same_over_both(url: str, query: str) -> None:
    over_both = [transport(url, query, {}) for transport in (over_socket, over_events)]
    assert over_both[0] == over_both[1]
    assert {error["extensions"]["code"] for error in over_both[0]} <= {"BAD_REQUEST", "BAD_INPUT"}
