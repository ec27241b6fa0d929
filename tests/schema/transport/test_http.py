"""GraphQL over HTTP: methods, media types, streams, and who is let in."""

import json

import httpx
import pytest
from django.db import OperationalError

from schema.core import negotiation
from store.access.actors import Actor
from tests.schema.conftest import listening
from tests.waiting import PATIENCE, eventually

JSON, RESPONSE, EVENTS = "application/json", "application/graphql-response+json", "text/event-stream"
MULTIPART = "multipart/mixed;boundary=graphql;subscriptionSpec=1.0"
PREDICT = "{ predict(features: { radius: 1 }) { radius } }"


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (JSON, JSON),
        (RESPONSE, RESPONSE),
        (f"{RESPONSE}; charset=utf-8, {JSON}; charset=utf-8", RESPONSE),
        (f"{JSON};q=0.5, {RESPONSE};q=0.9", RESPONSE),
        (f"{RESPONSE}, application/graphql+json, {JSON}, {EVENTS}, multipart/mixed", RESPONSE),
        (f"{EVENTS}, multipart/mixed", EVENTS),
        (f"{EVENTS};q=0.1, {JSON}", JSON),
        (f"{MULTIPART}, {JSON}", "multipart/mixed"),
        (f"multipart/mixed;deferSpec=20220824, {JSON}", JSON),
        (f"{JSON};q=0, */*", RESPONSE),
        ("text/html", None),
        (f"{JSON};q=0", None),
        (f"{JSON};q=nonsense", None),
    ],
)
def test_the_media_type_is_the_one_ranked_highest(accept, chosen):
    assert negotiation.choose(accept) == chosen


@pytest.mark.parametrize(("accept", "status"), [(RESPONSE, 400), (JSON, 200)])
def test_a_request_that_was_not_executed_has_no_data(client, accept, status):
    for query in ["{", "{ nope }", "query Q($a: Float!) { predict(features: { radius: $a }) { radius } }"]:
        response = client.post("", json={"query": query}, headers={"Accept": accept})
        assert response.status_code == status
        assert response.headers["Content-Type"] == f"{accept}; charset=utf-8"
        assert "data" not in response.json()


def test_every_answer_has_cache_control_and_vary(client):
    for response in [client.post("", json={"query": "{ hello }"}), client.post("", json={}), client.put("")]:
        assert "no-store" in response.headers["Cache-Control"]
        assert "Accept" in response.headers["Vary"]
        assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"5", b'"x"', b"[]", b"{}", b"\xff\xfe", b"{", b"[" * 5_000 + b"]" * 5_000,
     b'{"a":' * 9_000 + b"1" + b"}" * 9_000,
     b'{"query": 5}', b'{"query": "{ hello }", "variables": []}',
     b'{"query": "{ hello }", "variables": "x"}',
     b'{"query": "{ hello }", "operationName": 3}', b'{"query": "{ hello }", "extensions": 3}',
     b'{"query": ""}',
     b'[{"query": "{ hello }"}]'],
)  # fmt: skip
def test_a_body_that_is_no_request_is_refused(client, body):
    response = client.post("", content=body, headers={"Content-Type": JSON})
    assert response.status_code == 400
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1"]
)
def test_a_body_of_another_type_is_refused(client, content_type):
    response = client.post("", content=b'{"query": "{ hello }"}', headers={"Content-Type": content_type})
    assert response.status_code == 415


def test_a_body_without_measure_is_refused(client):
    def spaces():
        for _ in range(70):
            yield b" " * 1024 * 1024

    response = client.post("", content=spaces(), headers={"Content-Type": JSON})
    assert response.status_code == 413


def test_other_methods_are_refused(client):
    for method in ("PUT", "DELETE", "PATCH"):
        response = client.request(method, "")
        assert response.status_code == 405
        assert response.headers["Allow"] == "GET, POST, OPTIONS"


def test_a_query_may_be_sent_by_get_and_a_mutation_may_not(client):
    query = "query Q($name: String!) { hello(name: $name) }"
    response = client.get("", params={"query": query, "variables": json.dumps({"name": "Ada"})})
    assert response.json() == {"data": {"hello": "Hello, Ada"}}
    assert client.get("", params={"query": 'mutation { write(text: "a") }'}).status_code == 405


def test_a_page_of_another_site_cannot_predict_by_get(client):
    for site in ({}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}):
        response = client.get("", params={"query": PREDICT}, headers=site)
        assert response.status_code == 403
        assert response.json()["errors"][0]["extensions"]["code"] == "FORBIDDEN"


def test_an_own_page_a_person_and_a_program_can_predict_by_get(client):
    for told in (
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"X-Exemplar-Preflight": "1"},
    ):
        response = client.get("", params={"query": PREDICT}, headers=told)
        assert response.json() == {"data": {"predict": {"radius": 1.0}}}


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", ""])
def test_another_host_is_refused(client, host):
    assert client.post("", json={"query": "{ hello }"}, headers={"Host": host}).status_code == 400


def test_resolvers_run_on_the_rows_threads(ask):
    assert ask("{ thread }")["data"]["thread"].startswith("rows")


def test_events_are_streamed_and_executed_on_the_rows_threads(client):
    response = client.post(
        "", json={"query": "subscription { ticks(to: 2) { number thread pins } }"}, headers={"Accept": EVENTS}
    )
    assert response.headers["Content-Type"] == "text/event-stream"
    first, second, last, rest = response.text.split("\n\n")
    assert first.startswith("event: next\ndata: ")
    tick = json.loads(second.removeprefix("event: next\ndata: "))["data"]["ticks"]
    assert tick["number"] == 1 and tick["thread"].startswith("rows") and tick["pins"] == 1
    assert (last, rest) == ("event: complete\ndata: ", "")


def test_a_query_may_be_streamed_too(client):
    response = client.post("", json={"query": "{ thread }"}, headers={"Accept": EVENTS})
    assert json.loads(response.text.split("\n")[1].removeprefix("data: "))["data"]["thread"].startswith(
        "rows"
    )


def test_a_refused_document_is_one_event(client):
    response = client.post("", json={"query": "subscription { nope }"}, headers={"Accept": EVENTS})
    event = json.loads(response.text.split("\n")[1].removeprefix("data: "))
    assert "data" not in event and event["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


def test_a_subscription_needs_a_stream(client):
    response = client.post("", json={"query": "subscription { ticks(to: 2) { number } }"})
    assert response.status_code == 400
    assert EVENTS in response.json()["errors"][0]["message"]


def test_a_subscription_over_multipart_ends_with_its_boundary(client):
    query = {"query": "subscription { ticks(to: 2) { number } }"}
    response = client.post("", json=query, headers={"Accept": f"{MULTIPART}, {JSON}"})
    assert '{"payload":{"data":{"ticks":{"number":1}}}}' in response.text
    assert response.text.endswith("--graphql--\r\n")


def test_a_stream_ends_with_its_client(client):
    query = {"query": "subscription { forever { number } }"}
    with client.stream("POST", "", json=query, headers={"Accept": EVENTS}) as response:
        lines = response.iter_lines()
        assert next(lines) == "event: next"
        assert '"number":0' in next(lines)
        assert listening
    assert eventually(lambda: not listening)


def test_a_session_needs_the_token_of_its_cookie(url, monkeypatch):
    monkeypatch.setattr(
        "store.access.resolver.resolve",
        lambda credentials: Actor(author=credentials.session or "anonymous", superuser=True),
    )
    token = "a" * 32
    with httpx.Client(
        base_url=url, cookies={"sessionid": "s" * 32, "csrftoken": token}, timeout=PATIENCE
    ) as client:
        assert client.post("", json={"query": "{ hello }"}).status_code == 403
        assert (
            client.post("", json={"query": "{ hello }"}, headers={"X-CSRFToken": "b" * 32}).status_code == 403
        )
        told = {"X-CSRFToken": token}
        assert client.post("", json={"query": "{ hello }"}, headers=told).status_code == 200
        elsewhere = told | {"Origin": "http://evil.example"}
        assert client.post("", json={"query": "{ hello }"}, headers=elsewhere).status_code == 403
        here = told | {"Origin": url.removesuffix("/graphql/")}
        assert client.post("", json={"query": "{ hello }"}, headers=here).status_code == 200


def test_an_unauthorised_request_is_unauthenticated(client, closed):
    response = client.post("", json={"query": "{ hello }"})
    assert response.status_code == 401
    assert response.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


def test_a_database_that_is_down_while_finding_the_actor_is_unavailable(client, monkeypatch):
    def actor(key):
        raise OperationalError("connection refused")

    monkeypatch.setattr("store.access.resolver.cached", lambda credentials: None)
    monkeypatch.setattr("store.access.resolver.resolve", actor)
    response = client.post("", json={"query": "{ hello }"})
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "2"
