"""Nothing that a client sends is an internal error: random operations over every transport of a running system."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from graphql import GraphQLSchema, build_schema
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.project.test_logs import counts
from tests.random_operations import Drawing, Request
from tests.system import ROOT, System, copied
from tests.waiting import PATIENCE, eventually

#: Seeds of the requests that are drawn, and of those that the slow tests add; a failure names its seed.
SEEDS, MORE_SEEDS = range(500), range(500, 3_000)
#: Seconds after which no more requests are drawn, on a machine that is slower.
SECONDS = 60
#: Seconds that the next event of a subscription is waited for: most never come.
STREAM_SECONDS = 0.2
#: Close codes by which a server says that it is at fault.
INTERNAL_CLOSES = {1011, 1006}
KNOWN = """{
    products { id champion { id snapshot { id } } builds(first: 2) { edges { cursor node { id } } } }
    tumor { entities(first: 3) { edges { cursor node { id key } } } }
}"""


@pytest.fixture(scope="module")
def system(grown: Path) -> Iterator[System]:
    """A system of its own, since mutations change it; without workers, which would build."""
    system = System(copied(grown), "--workers=0")
    with system.running():
        yield system


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema((ROOT / "schema" / "schema.graphql").read_text())


@pytest.fixture(scope="module")
def known(system: System) -> list[str]:
    """Ids, cursors and keys of the system."""
    found = list(strings(system.ask(KNOWN)["data"]))
    assert len(found) > 10
    return found


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from strings(each)


# -- Transports: each sends a request and returns the JSON objects of the response --


def post(system: System, request: Request, accept: str) -> list[Any]:
    headers = {"Content-Type": "application/json", "Accept": accept}
    return exchange(system, request, "POST", "/graphql/", content=request.body(), headers=headers)


def get(system: System, request: Request, accept: str) -> list[Any]:
    parameters = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in request.payload().items()
    }
    url = f"/graphql/?{urlencode(parameters, errors='replace')}"
    headers = {"Accept": accept, "X-Exemplar-Preflight": "1"}
    return exchange(system, request, "GET", url, headers=headers)


def exchange(system: System, request: Request, method: str, url: str, **options: Any) -> list[Any]:
    """Read the JSON objects of a response, of whatever media type; those of a subscription for a while."""
    text = ""
    endless = request.kind == "subscription"
    timeout = httpx.Timeout(PATIENCE, read=STREAM_SECONDS if endless else PATIENCE)
    with (
        suppress(*[httpx.ReadTimeout] * endless),
        system.client.stream(method, url, timeout=timeout, **options) as response,
    ):
        assert response.status_code < 500 or response.status_code == 503, response.read()
        for chunk in response.iter_text():
            text += chunk
    return list(json_objects(text))


def json_objects(text: str) -> Iterator[Any]:
    decoder = json.JSONDecoder()
    place = text.find("{")
    while place >= 0:
        try:
            value, place = decoder.raw_decode(text, place)
            yield value
        except json.JSONDecodeError:
            place += 1
        place = text.find("{", place)


def socket(system: System, request: Request, accept: str) -> list[Any]:
    """Run one operation over a socket of the subprotocol `accept`."""
    url = system.url.replace("http", "ws") + "/graphql/"
    messages: list[Any] = []
    with connect(url, subprotocols=[accept], proxy=None, close_timeout=1) as connection:  # type: ignore[list-item]
        try:
            connection.send(json.dumps({"type": "connection_init"}))
            start = "subscribe" if accept == "graphql-transport-ws" else "start"
            connection.send(json.dumps({"type": start, "id": "1", "payload": request.payload()}))
            while not messages or messages[-1]["type"] not in ("complete", "error"):
                waits = STREAM_SECONDS if request.kind == "subscription" else PATIENCE
                messages.append(json.loads(connection.recv(timeout=waits)))
        except ConnectionClosed as closed:
            assert closed.rcvd and closed.rcvd.code not in INTERNAL_CLOSES, closed
        except TimeoutError:
            assert request.kind == "subscription", request
    return messages


MULTIPART = 'multipart/mixed;boundary="graphql";subscriptionSpec="1.0",application/json'
Send = Callable[[System, Request, str], list[Any]]
TRANSPORTS: dict[str, tuple[Send, str]] = {
    "POST": (post, "application/json"),
    "POST of the newer media type": (post, "application/graphql-response+json"),
    "GET": (get, "application/graphql-response+json"),
    "POST, server-sent events": (post, "text/event-stream"),
    "GET, server-sent events": (get, "text/event-stream"),
    "POST, multipart": (post, MULTIPART),
    "GET, multipart": (get, MULTIPART),
    "WebSocket": (socket, "graphql-transport-ws"),
    "WebSocket of the older protocol": (socket, "graphql-ws"),
}


def codes(value: Any) -> Iterator[str]:
    """Find the code of every error in an object."""
    if isinstance(value, dict):
        if "extensions" in value and "message" in value:
            yield value["extensions"].get("code", "NONE")
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from codes(each)


@pytest.mark.parametrize("seeds", [SEEDS, pytest.param(MORE_SEEDS, marks=pytest.mark.slow)])
def test_nothing_that_a_client_sends_is_internal(system, schema, known, seeds):
    until = time.monotonic() + SECONDS
    seen: set[str] = set()
    for seed in seeds:
        name = list(TRANSPORTS)[seed % len(TRANSPORTS)]
        send, accept = TRANSPORTS[name]
        request = Drawing(schema, Random(seed), known).request()
        try:
            found = set(codes(send(system, request, accept)))
        except Exception as error:
            error.add_note(f"Seed {seed}, {name}: {request}")
            raise
        assert not found & {"INTERNAL", "NONE"}, f"Seed {seed}, {name}: {request}\n{system.output[-3_000:]}"
        seen |= found
        if time.monotonic() > until:
            break
    assert "Traceback" not in system.output
    assert seen >= {"BAD_INPUT", "BAD_REQUEST", "UNKNOWN_ID", "OUT_OF_RANGE"}, seen
    assert system.status("/ready") == 200


CASES = {
    "no kinds of diagnostics": Request('{ product(name: "tumor") { champion { diagnostics(kinds: []) { title } } } }'),
    "an operation that is not there": Request("query A { __typename }", operation="B"),
    "fragments alone": Request("fragment F on Query { __typename }"),
    "no operation at all": Request("", operation="B"),
    "a mutation": Request(
        'mutation { requestBuild(input: {product: "nobody"}) { started } }', kind="mutation"
    ),
    "a query": Request("{ __typename }"),
    "a subscription": Request('subscription { buildProgress(build: "x") { __typename } }', kind="subscription"),
}  # fmt: skip


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("case", CASES)
def test_what_was_internal_once_has_a_code(system, transport, case):
    send, accept = TRANSPORTS[transport]
    assert not set(codes(send(system, CASES[case], accept))) & {"INTERNAL", "NONE"}


def test_a_flood_of_refused_sockets_is_a_line_a_second(system):
    def lines() -> list[str]:
        return [line for line in system.output.splitlines() if "evil.example" in line]

    url = system.url.replace("http", "ws") + "/graphql/"
    began = time.monotonic()
    for _ in range(100):
        opened = connect(url, origin=Origin("http://evil.example"), proxy=None)
        with opened as socket, pytest.raises(ConnectionClosed):
            socket.recv(timeout=PATIENCE)
    seconds = time.monotonic() - began
    assert eventually(lambda: sum(counts(lines())) == 100)
    assert len(lines()) <= seconds + 2
