"""What a caller may ask for is limited, and every refusal says by what."""

import hashlib
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from schema.transport.http import GraphQLApp
from tests.schema.conftest import schema, serve
from tests.waiting import PATIENCE, eventually

HELLO = {"data": {"hello": "Hello, world"}}
EVENTS = {"Accept": "text/event-stream"}


@pytest.fixture
def url(settings) -> Iterator[str]:
    """The address of the small schema, served for this test alone, which counts without Valkey."""
    settings.REDIS_URL = "unix:///tmp/nowhere.sock"
    yield from serve(GraphQLApp(schema))


def post(client: httpx.Client, query: str | None = "{ hello }", **more: Any) -> httpx.Response:
    return client.post("", json={"query": query, **more})


def code(response: httpx.Response) -> str:
    return response.json()["errors"][0]["extensions"]["code"]


@contextmanager
def opened(url: str) -> Iterator[Any]:
    """A socket whose connection is acknowledged."""
    with connect(url.replace("http", "ws"), subprotocols=["graphql-transport-ws"], proxy=None) as connection:
        connection.send('{"type": "connection_init"}')
        assert json.loads(connection.recv(PATIENCE)) == {"type": "connection_ack"}
        yield connection


def subscribe(connection: Any, id: str = "1", **payload: Any) -> dict[str, Any]:
    """Send an operation; the first message of its answer."""
    connection.send(json.dumps({"type": "subscribe", "id": id, "payload": payload}))
    return json.loads(connection.recv(PATIENCE))


def test_a_stranger_who_has_used_up_its_quota_is_told_how_long_to_wait(client, settings):
    settings.EXEMPLAR_STRANGER_QUOTA = "3/day"
    left = [post(client).headers["RateLimit"].split(";")[1] for _ in range(3)]
    assert left == ["r=2", "r=1", "r=0"]
    refused = post(client)
    assert (refused.status_code, code(refused)) == (429, "RATE_LIMITED")
    assert "You may send 3 operations in 1 day" in refused.text
    assert 0 < int(refused.headers["Retry-After"]) <= 86_400
    assert refused.headers["RateLimit-Policy"] == '"quota";q=3;w=86400'


def test_the_operations_of_a_socket_count_too(url, client, settings):
    settings.EXEMPLAR_STRANGER_QUOTA = "2/day"
    with opened(url) as connection:
        for number in range(2):
            assert subscribe(connection, str(number), query="{ hello }")["payload"] == HELLO
            connection.recv(PATIENCE)
        refused = subscribe(connection, "3", query="{ hello }")
        assert refused["payload"][0]["extensions"]["code"] == "RATE_LIMITED"
    assert post(client).status_code == 429


def test_headers_tell_what_is_left_once_half_of_it_is_used(client, settings):
    assert "RateLimit" not in post(client).headers  # there is no limit
    settings.EXEMPLAR_STRANGER_QUOTA = "6/day"
    told = [post(client).headers.get("RateLimit", ";").split(";")[1] for _ in range(6)]
    assert told == ["", "", "r=3", "r=2", "r=1", "r=0"]


def test_an_operation_that_costs_too_much_is_not_executed(client, settings):
    settings.EXEMPLAR_STRANGER_COST = 4
    assert post(client, "{ a: hello b: hello c: hello d: hello }").status_code == 200
    refused = post(client, "{ a: hello b: hello c: hello d: hello e: hello }")
    assert code(refused) == "TOO_COMPLEX"
    assert refused.json()["errors"][0]["extensions"]["maximum"] == 4
    assert "costs 5 and may cost 4" in refused.text


def test_rows_in_variables_have_their_cost(client, settings):
    settings.EXEMPLAR_STRANGER_COST = 100
    query = "query($rows: [Row!]!) { predictMany(rows: $rows) { radius } }"
    rows = [{"features": {"radius": 1}}] * 51
    assert post(client, query, variables={"rows": rows[:50]}).status_code == 200
    assert code(post(client, query, variables={"rows": rows})) == "TOO_COMPLEX"


def test_a_strangers_body_is_refused_before_it_is_received(url, client, settings):
    settings.EXEMPLAR_STRANGER_BODY = 1_000
    assert post(client, padding="x" * 2_000).status_code == 413
    host, port = url.split("/")[2].split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
        head = f"POST /graphql/ HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        connection.sendall(f"{head}Content-Length: 60000000\r\n\r\n".encode())
        assert b" 413 " in connection.recv(100)


def test_a_caller_may_hold_so_many_sockets(url, settings):
    settings.EXEMPLAR_SOCKETS = 2
    with ExitStack() as sockets:
        first = sockets.enter_context(opened(url))
        sockets.enter_context(opened(url))
        with pytest.raises(ConnectionClosed) as closed, opened(url):
            pass
        assert closed.value.rcvd.code == 1013
        first.close()
        assert eventually(lambda: can_open(url))


def can_open(url: str) -> bool:
    try:
        with opened(url):
            return True
    except ConnectionClosed:
        return False


def test_a_caller_may_hold_so_many_streams_over_all_transports(url, client, settings):
    settings.EXEMPLAR_SUBSCRIPTIONS = 2
    forever = "subscription { forever { number } }"
    with opened(url) as connection:
        assert subscribe(connection, "1", query=forever)["type"] == "next"
        with client.stream("POST", "", json={"query": forever}, headers=EVENTS) as stream:
            assert stream.status_code == 200
            refused = subscribe(connection, "2", query=forever)
            assert refused["payload"][0]["extensions"]["code"] == "OVERLOADED"
            over_sse = client.post("", json={"query": forever}, headers=EVENTS)
            assert (over_sse.status_code, code(over_sse)) == (503, "OVERLOADED")
        assert eventually(lambda: subscribe(connection, "3", query=forever)["type"] == "next")


@pytest.mark.parametrize(
    ("audience", "introspects"), [("everybody", True), ("grantees", False), ("nobody", False)]
)
def test_introspection_and_suggestions_are_for_whom_the_setting_says(client, settings, audience, introspects):
    settings.EXEMPLAR_INTROSPECTION = audience
    for query in ("{ __schema { queryType { name } } }", '{ __type(name: "Query") { name } }'):
        answer = post(client, query)
        assert ("data" in answer.json()) is introspects
        assert introspects or code(answer) == "FORBIDDEN"
    assert ("Did you mean" in post(client, "{ helo }").text) is introspects
    assert post(client, "{ __typename }").json() == {"data": {"__typename": "Query"}}


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def persisted(text: str) -> dict[str, Any]:
    return {"persistedQuery": {"version": 1, "sha256Hash": sha256(text)}}


def test_a_document_is_named_by_its_hash_once_it_was_sent(client):
    query = "{ hello }"
    unknown = post(client, None, extensions=persisted(query))
    assert unknown.json()["errors"][0]["message"] == "PersistedQueryNotFound"
    assert code(unknown) == "PERSISTED_QUERY_NOT_FOUND"
    assert post(client, query, extensions=persisted(query)).json() == HELLO
    assert post(client, None, extensions=persisted(query)).json() == HELLO
    named = {"extensions": json.dumps(persisted(query))}
    assert client.get("", params=named).json() == HELLO


def test_a_document_with_another_hash_is_not_stored(client):
    refused = post(client, "{ hello }", extensions=persisted("{ thread }"))
    assert code(refused) == "BAD_REQUEST"
    assert code(post(client, None, extensions=persisted("{ thread }"))) == "PERSISTED_QUERY_NOT_FOUND"


@pytest.mark.parametrize("wrong", [{}, 3, {"sha256Hash": 5}, {"version": 2, "sha256Hash": "a"}])
def test_an_extension_that_is_none_is_refused(client, wrong):
    assert code(post(client, None, extensions={"persistedQuery": wrong})) == "BAD_REQUEST"


def test_a_socket_takes_the_name_of_a_document(url):
    with opened(url) as connection:
        missing = subscribe(connection, "1", extensions=persisted("{ hello }"))
        assert missing["payload"][0]["extensions"]["code"] == "PERSISTED_QUERY_NOT_FOUND"
        sent = subscribe(connection, "2", query="{ hello }", extensions=persisted("{ hello }"))
        assert sent["payload"] == HELLO
        connection.recv(PATIENCE)
        assert subscribe(connection, "3", extensions=persisted("{ hello }"))["payload"] == HELLO


@pytest.fixture
def trusted(settings) -> None:
    """A manifest with one document."""
    settings.EXEMPLAR_DOCUMENTS = {"abc123": "{ hello }"}


@pytest.fixture
def trusting(trusted: None, url: str) -> Iterator[httpx.Client]:
    """A client of a server with that manifest."""
    with httpx.Client(base_url=url, timeout=PATIENCE) as client:
        yield client


@pytest.mark.parametrize(
    "named",
    [
        {"documentId": "abc123"},
        {"documentId": "sha256:abc123"},
        {"id": "abc123"},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "abc123"}}},
        {"query": "{ hello }"},
    ],
)
def test_strangers_may_send_the_documents_of_the_manifest(trusting, named):
    assert trusting.post("", json=named).json() == HELLO


def test_strangers_may_send_no_others(trusting):
    assert code(post(trusting, "{ thread }")) == "FORBIDDEN"
    assert code(post(trusting, "{ thread }", extensions=persisted("{ thread }"))) == "FORBIDDEN"
    assert code(post(trusting, None, documentId="unknown")) == "BAD_REQUEST"


def test_strangers_may_send_no_others_over_a_socket(trusted, url):
    with opened(url) as connection:
        refused = subscribe(connection, "1", query="{ thread }")
        assert refused["payload"][0]["extensions"]["code"] == "FORBIDDEN"
        assert subscribe(connection, "2", documentId="abc123")["payload"] == HELLO
