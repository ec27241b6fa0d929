"""HTTP as a socket has it, where predictions are answered below ASGI: split, one behind the other, broken off."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

import pytest

from project.transport import Joining
from tests.system import System
from tests.test_lifecycle import champion
from tests.test_under_load import FEATURES
from tests.waiting import PATIENCE, eventually

PREDICT = (
    "query($features: DiabetesFeatures!) { diabetes { predict(features: $features) { features { age } } } }"
)
READ = "{ diabetes { name } }"


@contextmanager
def connected(system: System) -> Iterator[socket.socket]:
    address = urlsplit(system.url)
    with socket.create_connection((address.hostname, address.port), timeout=PATIENCE) as connection:
        yield connection


def body(age: int, query: str = PREDICT, padding: int = 0) -> bytes:
    variables = {"features": {**FEATURES, "age": age}, "padding": "x" * padding}
    return json.dumps({"query": query, "variables": variables}).encode()


def request(sent: bytes, *headers: str, version: str = "1.1") -> bytes:
    usual = ["Host: 127.0.0.1", "Content-Type: application/json", f"Content-Length: {len(sent)}"]
    return "\r\n".join([f"POST /graphql/ HTTP/{version}", *usual, *headers, "", ""]).encode() + sent


class Reader:
    """The responses of one connection, in order."""

    def __init__(self, connection: socket.socket):
        self.stream = connection.makefile("rb")

    def close(self) -> None:
        self.stream.close()

    def head(self) -> tuple[int, dict[str, str]]:
        status = int(self.stream.readline().split()[1])
        lines = iter(lambda: self.stream.readline().decode().strip(), "")
        return status, {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
        }

    def response(self) -> tuple[int, dict[str, str], bytes]:
        status, headers = self.head()
        return status, headers, self.stream.read(int(headers["content-length"]))

    def age(self) -> int:
        status, _, said = self.response()
        assert status == 200
        answer = json.loads(said)
        assert "errors" not in answer
        return answer["data"]["diabetes"]["predict"]["features"]["age"]


@pytest.fixture
def reader(exemplar):
    champion(exemplar, "diabetes")
    # The web process has loaded it, too.
    assert eventually(lambda: "errors" not in exemplar.ask(PREDICT, {"features": FEATURES}))
    with connected(exemplar) as connection, closing(Reader(connection)) as responses:
        yield connection, responses


async def test_a_lost_connection_does_not_cost_others_their_answers() -> None:
    opened: list[Joining] = []

    class Opened(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            opened.append(Joining(transport))

    server = await asyncio.get_running_loop().create_server(Opened, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    clients = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
    while len(opened) < 2:
        await asyncio.sleep(0.01)
    gone, here = opened
    gone.abort()
    await asyncio.sleep(0.1)
    gone.write(b"gone")
    here.write(b"an answer")
    assert await asyncio.wait_for(clients[1][0].read(100), PATIENCE) == b"an answer"
    for _, writer in clients:
        writer.close()
        await writer.wait_closed()
    here.close()
    server.close()


def test_a_request_may_arrive_in_pieces(reader):
    connection, responses = reader
    whole = request(body(21))
    for start in range(0, len(whole), 97):
        connection.sendall(whole[start : start + 97])
    assert responses.age() == 21


def test_requests_that_come_at_once_are_answered_in_order(reader):
    connection, responses = reader
    connection.sendall(
        request(body(31)) + request(body(0, READ)) + request(body(32)) + request(body(33, padding=100_000))
    )
    assert responses.age() == 31
    assert json.loads(responses.response()[2]) == {"data": {"diabetes": {"name": "diabetes"}}}
    assert [responses.age(), responses.age()] == [32, 33]


def test_data_that_arrives_during_an_answer_waits(reader):
    connection, responses = reader
    for age in range(70, 80):
        connection.sendall(request(body(age)))
    assert [responses.age() for _ in range(70, 80)] == list(range(70, 80))


def test_hundreds_at_once_on_one_connection_are_all_answered(reader):
    connection, responses = reader
    sender = threading.Thread(target=connection.sendall, args=(request(body(81)) * 500,))
    sender.start()
    assert [responses.age() for _ in range(500)] == [81] * 500
    sender.join()


@pytest.mark.parametrize("header", ["Content-Length: 5", "Transfer-Encoding: chunked"])
def test_two_content_lengths_are_refused(reader, header):
    connection, responses = reader
    connection.sendall(request(body(82), header))
    assert responses.head()[0] == 400


@pytest.mark.parametrize("padding", [10_000, 70_000, 1_000_000])
def test_a_large_request_is_read_to_its_end(reader, padding):
    connection, responses = reader
    connection.sendall(request(body(41, padding=padding)))
    assert responses.age() == 41
    connection.sendall(request(body(42)))
    assert responses.age() == 42


def test_answers_below_asgi_have_the_same_headers(reader):
    connection, responses = reader
    connection.sendall(request(body(51)) + request(body(0, READ)))
    (_, fast, _), (_, standard, _) = responses.response(), responses.response()
    for headers in (fast, standard):
        del headers["content-length"], headers["date"], headers["x-request-id"]
    assert fast == standard


@pytest.mark.parametrize(("header", "version"), [("Connection: close", "1.1"), ("Accept: */*", "1.0")])
def test_a_connection_is_closed_where_the_client_wants_it(reader, header, version):
    connection, responses = reader
    connection.sendall(request(body(61), header, version=version))
    assert responses.age() == 61
    assert responses.stream.read() == b""


def test_a_client_waits_for_100_continue_before_its_body(reader):
    connection, responses = reader
    head, _, sent = request(body(62), "Expect: 100-continue").partition(b"\r\n\r\n")
    connection.sendall(head + b"\r\n\r\n")
    assert responses.head()[0] == 100
    connection.sendall(sent)
    assert responses.age() == 62


@pytest.mark.parametrize("part", [0.5, 0.9, 1.0])
def test_a_disconnected_client_harms_no_other(exemplar, reader, part):
    whole = request(body(63))
    for _ in range(5):
        with connected(exemplar) as other:
            other.sendall(whole[: int(len(whole) * part)])
    connection, responses = reader
    connection.sendall(request(body(64)))
    assert responses.age() == 64


def test_a_body_that_is_no_json_is_refused_and_the_connection_continues(reader):
    connection, responses = reader
    connection.sendall(request(b"{") + request(body(65)))
    status, _, said = responses.response()
    assert status == 400 and json.loads(said)["errors"]
    assert responses.age() == 65


def test_a_request_for_another_host_is_refused(reader):
    connection, responses = reader
    connection.sendall(request(body(66)).replace(b"127.0.0.1", b"evil.example"))
    assert responses.response()[0] == 400
