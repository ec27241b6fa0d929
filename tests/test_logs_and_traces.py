"""Logs as lines of JSON, and spans as a collector receives them, of one system."""

import json
import re
from contextlib import closing
from typing import Any

import psycopg2
import pytest

from project.engines import PostgreSQL
from tests.system import System
from tests.test_lifecycle import data, ended
from tests.test_under_load import ASK, FEATURES
from tests.waiting import BUILD_PATIENCE, eventually

SECRET = 1234.56789
TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
BROKEN = """{ products { name champion { snapshot { analysis { __typename } } } } }"""
REQUEST = """mutation($product: String!, $family: String!) {
  requestBuild(input: {product: $product, options: {candidates: 1, families: [$family]}}) { started build { id } } }"""
#: Has what no release has ever written.
BREAK = """UPDATE exemplar.store_snapshot SET analysis = '{"unknown": 1}'
  WHERE id IN (SELECT snapshot_id FROM exemplar.store_build WHERE product = 'tumor') RETURNING id"""


def lines(system: System, **wanted: Any) -> list[dict[str, Any]]:
    """The lines of the log that have these entries; every line must be an object."""
    whole = system.output.rpartition("\n")[0]
    entries = [json.loads(line) for line in whole.splitlines()]
    return [entry for entry in entries if wanted.items() <= entry.items()]


def line(system: System, **wanted: Any) -> dict[str, Any]:
    """The one line that has these entries, once it is there."""
    assert eventually(lambda: lines(system, **wanted)), (wanted, system.output)
    [entry] = lines(system, **wanted)
    return entry


def predict(system: System, number: float, **headers: str) -> Any:
    body = {
        "query": ASK.replace("query", "query Quote", 1),
        "variables": {"features": FEATURES | {"glucose": number}},
        "operationName": "Quote",
    }
    return system.client.post("/graphql/", json=body, headers=headers)


def test_every_line_says_when_what_and_who(deployed):
    for entry in lines(deployed):
        assert {"time", "level", "logger", "message"} <= entry.keys()
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", entry["time"])
    assert lines(deployed, logger="project.supervisor")
    assert lines(deployed, logger="store.runtime.lifespan")


def test_a_request_keeps_the_id_that_it_came_with(deployed):
    answer = predict(deployed, 87, **{"X-Request-Id": "order-4711"})
    assert answer.headers["x-request-id"] == "order-4711"
    entry = line(deployed, request="order-4711")
    assert entry["logger"] == "exemplar.access"
    assert (entry["method"], entry["path"], entry["status"]) == ("POST", "/graphql/", 200)
    assert (entry["operation"], entry["operation_name"]) == ("diabetes.predict", "Quote")
    assert entry["actor"] == "anonymous"
    assert entry["address"] == "127.0.0.1"
    assert 0 < entry["duration"] < 60
    assert "code" not in entry


@pytest.mark.parametrize("proposed", ["", "two words", "x" * 129, "line\\nbreak", "<script>", "a;b", "-dash"])
def test_an_id_that_is_not_sane_is_replaced(deployed, proposed):
    given = predict(deployed, 87, **{"X-Request-Id": proposed}).headers["x-request-id"]
    assert given != proposed
    assert re.fullmatch(r"[0-9a-f]{10}-[0-9a-f]+", given)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/health"), ("GET", "/admin/login/"), ("GET", "/graphql/"), ("GET", "/nothing")],
)
def test_every_answer_has_an_id_of_its_own(deployed, method, path):
    ids = {deployed.client.request(method, path).headers["x-request-id"] for _ in range(2)}
    assert len(ids) == 2
    for given in ids:
        assert line(deployed, request=given, logger="exemplar.access")["path"] == path


def test_the_id_of_an_unexpected_error_finds_its_line_and_its_request(deployed):
    dsn = PostgreSQL(deployed.folder).dsn
    with closing(psycopg2.connect(**dsn)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(BREAK)
        assert cursor.fetchall()
    answer = deployed.client.post("/graphql/", json={"query": BROKEN})
    extensions = [error["extensions"] for error in answer.json()["errors"]]
    assert {each["code"] for each in extensions} == {"INTERNAL"}
    for each in extensions:
        entry = line(deployed, error=each["id"])
        assert entry["code"] == "INTERNAL"
        assert entry["request"] == answer.headers["x-request-id"]
        assert entry["operation"] == "products"
        assert "Traceback" in entry["exception"]
    access = line(deployed, request=answer.headers["x-request-id"], logger="exemplar.access")
    assert access["code"] == "INTERNAL"


def test_no_line_has_what_a_client_has_sent(deployed):
    predict(deployed, SECRET, Cookie="sessionid=mysecretcookie")
    wrong = {"query": "query($f: TumorFeatures!) { tumor { predict(features: $f) { id } } }"}
    deployed.client.post("/graphql/", json=wrong | {"variables": {"f": {"secretvalue": "mysecretvalue"}}})
    deployed.client.get(
        "/graphql/", params={"query": "{ mysecretfield }"}, headers={"Accept": "application/json"}
    )
    deployed.client.get("/nothing?token=mysecrettoken", headers={"Authorization": "Bearer mysecretbearer"})
    last = deployed.client.get("/health").headers["x-request-id"]
    assert line(deployed, request=last)
    assert "mysecret" not in deployed.output
    assert str(SECRET) not in deployed.output


def test_a_prediction_is_a_span_with_its_stages_and_its_batch(deployed, collector):
    predict(deployed, 88, traceparent=f"00-{TRACE}-{CALLER}-01", **{"X-Request-Id": "traced"})
    assert eventually(lambda: collector.find("POST diabetes.predict", TRACE))
    [request] = collector.find("POST diabetes.predict", TRACE)
    assert request.parent_span_id.hex() == CALLER
    children = {span.name: span for span in collector.spans if span.parent_span_id == request.span_id}
    assert {"document", "read", "predict", "serialize", "batch"} == set(children)
    batch = children["batch"]
    inner = {span.name for span in collector.spans if span.parent_span_id == batch.span_id}
    assert inner == {"model", "SQL"}
    assert request.start_time_unix_nano <= batch.start_time_unix_nano
    assert batch.end_time_unix_nano <= request.end_time_unix_nano
    assert line(deployed, request="traced")["trace"] == TRACE


def test_a_build_belongs_to_the_request_that_asked_for_it(deployed, collector):
    trace = TRACE[::-1]
    headers = {"traceparent": f"00-{trace}-{CALLER}-01", "X-Request-Id": "please-build"}
    asked = data(deployed.ask(REQUEST, {"product": "wine", "family": "kmeans"}, **headers))
    assert asked["requestBuild"]["started"]
    assert eventually(lambda: collector.find("build", trace), BUILD_PATIENCE)
    [build] = collector.find("build", trace)
    [request] = collector.find("POST requestBuild", trace)
    assert build.parent_span_id == request.span_id
    steps = [span.name for span in collector.spans if span.parent_span_id == build.span_id]
    assert {"SnapshotTaken", "CandidateScored", "BuildSucceeded"} <= set(steps)
    assert {span.name for span in collector.spans if span.parent_span_id == request.span_id} >= {
        "document",
        "execute",
    }


def test_a_build_that_cannot_learn_fails_with_a_reason(deployed):
    with closing(psycopg2.connect(**PostgreSQL(deployed.folder).dsn)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute("CREATE TABLE labels AS SELECT number, diagnosis FROM tumor_biopsy")
        cursor.execute("UPDATE tumor_biopsy SET diagnosis = NULL")
        try:
            started = data(deployed.ask(REQUEST, {"product": "tumor", "family": "linear"}))["requestBuild"]
            ended(deployed, started["build"]["id"])
        finally:
            cursor.execute(
                "UPDATE tumor_biopsy SET diagnosis = labels.diagnosis FROM labels"
                " WHERE labels.number = tumor_biopsy.number"
            )
            cursor.execute("DROP TABLE labels")
    query = "query($id: ID!) { build(id: $id) { status problem { code message } } }"
    build = data(deployed.ask(query, {"id": started["build"]["id"]}))["build"]
    assert (build["status"], build["problem"]["code"]) == ("FAILED", "NO_ROWS")
    assert len(build["problem"]["message"]) > 10
