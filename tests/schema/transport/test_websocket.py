"""GraphQL over WebSocket: graphql-transport-ws, with clients that may send anything."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from socket import create_connection
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.schema.conftest import listening
from tests.waiting import PATIENCE, eventually

PROTOCOL = "graphql-transport-ws"


class Socket:
    """A client that says what it is told to."""

    def __init__(self, connection: ClientConnection):
        self.connection = connection

    def send(self, message: Any) -> None:
        self.connection.send(message if isinstance(message, str | bytes) else json.dumps(message))

    def receive(self) -> dict[str, Any]:
        return json.loads(self.connection.recv(timeout=PATIENCE))

    def init(self) -> "Socket":
        self.send({"type": "connection_init"})
        assert self.receive() == {"type": "connection_ack"}
        return self

    def subscribe(self, query: str, id: str = "1", **payload: Any) -> None:
        self.send({"type": "subscribe", "id": id, "payload": {"query": query, **payload}})

    def closed(self) -> int | None:
        """The code with which the server closes."""
        with pytest.raises(ConnectionClosed) as info:
            while True:
                self.receive()
        return info.value.rcvd.code if info.value.rcvd else None


@pytest.fixture
def open_socket(url) -> Any:
    @contextmanager
    def opened(**options: Any) -> Iterator[Socket]:
        options = {"subprotocols": [PROTOCOL], "proxy": None} | options
        with connect(url.replace("http", "ws"), **options) as connection:
            yield Socket(connection)

    return opened


@pytest.fixture
def socket(open_socket) -> Iterator[Socket]:
    with open_socket() as socket:
        yield socket.init()


def test_a_subscription_streams_its_events_and_completes(socket):
    socket.subscribe("subscription { ticks(to: 2) { number thread pins } }")
    for number in range(2):
        message = socket.receive()
        tick = message["payload"]["data"]["ticks"]
        assert (message["type"], tick["number"], tick["pins"]) == ("next", number, 1)
        assert tick["thread"].startswith("rows")
    assert socket.receive() == {"type": "complete", "id": "1"}


def test_queries_and_mutations_run_over_a_socket_too(socket):
    for query in ("{ thread }", 'mutation { thread: write(text: "rows") }'):
        socket.subscribe(query)
        assert socket.receive()["payload"]["data"]["thread"].startswith("rows")
        assert socket.receive()["type"] == "complete"


def test_operations_over_one_socket_do_not_share_pins(socket):
    for _ in range(2):
        socket.subscribe("{ pin }")
        assert socket.receive()["payload"]["data"] == {"pin": 1}
        socket.receive()


@pytest.mark.parametrize("query", ["{", "{ nope }", "{ predict }", "query A { hello } query B { pin }"])
def test_a_refused_document_ends_its_operation_and_not_the_socket(socket, query):
    socket.subscribe(query)
    message = socket.receive()
    assert message["type"] == "error"
    assert message["payload"][0]["extensions"]["code"] in ("BAD_REQUEST", "BAD_INPUT")
    socket.subscribe("{ hello }", id="2")
    assert socket.receive()["type"] == "next"


def test_an_error_below_has_the_same_shape_as_over_http(socket):
    socket.subscribe(
        "query Q($radius: Float!) { predict(features: { radius: $radius }) { radius } }",
        variables={"radius": "x"},
    )
    (error,) = socket.receive()["payload"]["errors"]
    assert error["extensions"] == {"code": "BAD_INPUT", "argument": ["features", "radius"]}


@pytest.mark.parametrize(
    "message",
    [
        "null", "5", '"x"', "[]", "{", "{}", "[" * 5_000, b"bytes", '{"type": 5}', '{"type": "nonsense"}',
        '{"type": "connection_init", "payload": 5}',
        '{"type": "subscribe"}', '{"type": "subscribe", "id": 5, "payload": {"query": "{ hello }"}}',
        '{"type": "subscribe", "id": "1"}', '{"type": "subscribe", "id": "1", "payload": null}',
        '{"type": "subscribe", "id": "1", "payload": {"query": 5}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{ hello }", "variables": []}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{ hello }", "operationName": 5}}',
        '{"type": "complete", "id": []}',
    ],
)  # fmt: skip
def test_an_invalid_message_closes_the_socket(open_socket, message):
    with open_socket() as socket:
        socket.send(message)
        assert socket.closed() == 4400


def test_null_stands_for_what_a_message_leaves_out(open_socket):
    with open_socket() as socket:
        socket.send({"type": "connection_init", "payload": None})
        assert socket.receive() == {"type": "connection_ack"}
        socket.send({"type": "ping", "payload": None})
        assert socket.receive() == {"type": "pong"}
        socket.subscribe("{ hello }", variables=None, operationName=None, extensions=None)
        assert socket.receive()["type"] == "next"


def test_nothing_runs_before_the_connection_was_initialised(open_socket):
    with open_socket() as socket:
        socket.subscribe("{ hello }")
        assert socket.closed() == 4401


def test_a_message_without_measure_closes_the_socket(socket):
    socket.subscribe("{ hello }" + " " * 1024 * 1024)
    assert socket.closed() == 1009


def test_one_socket_carries_a_limited_number_of_operations(socket):
    for number in range(51):
        socket.subscribe("subscription { forever { number } }", id=str(number))
    messages = [socket.receive() for _ in range(51)]
    refused = [message for message in messages if message["type"] == "error"]
    assert [message["id"] for message in refused] == ["50"]
    assert refused[0]["payload"][0]["extensions"]["code"] == "OVERLOADED"


def test_an_operation_that_is_completed_by_its_client_ends(socket):
    socket.subscribe("subscription { forever { number } }")
    socket.receive()
    assert listening
    socket.send({"type": "complete", "id": "1"})
    assert eventually(lambda: not listening)


def test_a_client_that_has_gone_is_not_listened_for(open_socket):
    with open_socket() as socket:
        socket.init().subscribe("subscription { forever { number } }")
        socket.receive()
    assert eventually(lambda: not listening)


def test_a_page_of_another_site_cannot_open_a_socket(open_socket, url):
    with open_socket(origin="http://evil.example") as socket, pytest.raises(ConnectionClosed) as info:
        socket.init()
    assert info.value.rcvd.code == 4403
    assert "'http://evil.example'" in info.value.rcvd.reason and "EXEMPLAR_ORIGINS" in info.value.rcvd.reason
    with open_socket(origin=url.removesuffix("/graphql/")) as socket:
        socket.init()


def test_a_forged_host_cannot_open_a_socket_even_from_its_own_origin(url):
    address = url.removeprefix("http://").removesuffix("/graphql/")
    host, port = address.split(":")
    with (
        pytest.raises(InvalidStatus),
        connect(
            f"ws://evil.example:{port}/graphql/",
            sock=create_connection((host, int(port))),
            subprotocols=[PROTOCOL],
            origin=f"http://evil.example:{port}",
            proxy=None,
        ),
    ):
        pass


def test_the_legacy_protocol_is_not_spoken(open_socket):
    with open_socket(subprotocols=["graphql-ws"]) as socket:
        assert socket.closed() == 4406


def test_an_unauthorised_socket_is_refused(open_socket, closed):
    with open_socket() as socket:
        socket.send({"type": "connection_init"})
        assert socket.closed() == 4403


def test_a_session_that_ended_starts_no_operation(socket, closed):
    socket.subscribe("{ hello }")
    assert socket.closed() == 4403
