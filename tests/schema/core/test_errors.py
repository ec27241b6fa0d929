"""Errors of bad input: a message, a code and the path of the input."""

import json
import logging
from typing import Any

import httpx
import pytest
from django.db import ProgrammingError, connection, transaction

from schema.core.errors import refusal_of
from schema.core.inputs import MAX_REFUSALS
from schema.execution.documents import DocumentCache
from tests.schema.conftest import schema
from tests.waiting import PATIENCE

PREDICT_MANY = "query Many($rows: [Row!]!) { predictMany(rows: $rows) { radius } }"


def refusals(answer: dict[str, Any]) -> list[tuple[str, list[str] | None]]:
    assert "data" not in answer
    return [(error["extensions"]["code"], error["extensions"].get("argument")) for error in answer["errors"]]


def row(**features: Any) -> dict[str, Any]:
    return {"features": {"radius": 1.0} | features}


def test_an_error_of_the_store_has_its_code_its_range_and_its_path_with_the_schemas_names(ask):
    answer = ask("{ refused hello }")
    assert answer["data"] == {"refused": None, "hello": "Hello, world"}
    assert answer["errors"][0]["message"] == "Mean radius is large."
    assert answer["errors"][0]["extensions"] == {
        "code": "OUT_OF_RANGE",
        "argument": ["rows", "3", "meanRadius"],
        "minimum": 0,
        "maximum": 10,
    }


def test_an_unexpected_error_has_only_an_id_that_the_log_has_too(ask, caplog):
    with caplog.at_level(logging.ERROR, "schema.core.errors"):
        answer = ask("{ broken }")
    (error,) = answer["errors"]
    assert error["message"] == "Internal error"
    assert error["extensions"]["code"] == "INTERNAL"
    assert error["extensions"]["id"] in caplog.text
    assert "hunter2" in caplog.text
    assert "hunter2" not in str(answer)


def test_an_unreachable_database_is_unavailable_and_its_address_is_not_in_the_message(ask):
    (error,) = ask("{ withoutDatabase }")["errors"]
    assert error["extensions"] == {"code": "UNAVAILABLE", "retryAfter": 2.0}
    assert "10.0.0.7" not in error["message"]


@pytest.mark.django_db
@pytest.mark.parametrize("statement", ["SELECT * FROM nowhere", "SELECT nothing FROM clinic_operation"])
def test_a_table_or_column_that_is_missing_is_unavailable_and_the_log_names_it(
    statement: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ProgrammingError) as missing, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    refusal = refusal_of(missing.value)
    assert refusal.code == "UNAVAILABLE" and "lacks a table or a column" in refusal.message
    assert "does not exist" in caplog.text and "does not exist" not in refusal.message


@pytest.mark.django_db
def test_a_table_that_the_role_may_not_read_is_unavailable(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ProgrammingError) as denied, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "CREATE ROLE stranger; GRANT USAGE ON SCHEMA exemplar TO stranger; SET LOCAL ROLE stranger"
        )
        cursor.execute("SELECT * FROM clinic_operation")
    assert refusal_of(denied.value).code == "UNAVAILABLE"
    assert "permission denied" in caplog.text


def test_errors_of_clients_are_not_logged(ask, caplog):
    for query in ["{", "{ nope }", "{ predict }", "{ refused }"]:
        ask(query)
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("bad", "code", "path"),
    [
        (row(radius=None), "BAD_INPUT", ["rows", "1", "features", "radius"]),
        (row(radius="a"), "BAD_INPUT", ["rows", "1", "features", "radius"]),
        (row(radius=True), "BAD_INPUT", ["rows", "1", "features", "radius"]),
        ({"features": {}}, "BAD_INPUT", ["rows", "1", "features", "radius"]),
        (row(radus=1), "BAD_INPUT", ["rows", "1", "features", "radus"]),
        (row(label="FOO"), "BAD_INPUT", ["rows", "1", "features", "label"]),
        (row(radius=float("nan")), "NOT_FINITE", ["rows", "1", "features", "radius"]),
        (row(radius=float("-inf")), "NOT_FINITE", ["rows", "1", "features", "radius"]),
        (row(radius=10**400), "NOT_FINITE", ["rows", "1", "features", "radius"]),
        (row() | {"reference": "a\0b"}, "BAD_INPUT", ["rows", "1", "reference"]),
        (row() | {"reference": 5}, "BAD_INPUT", ["rows", "1", "reference"]),
        ({}, "BAD_INPUT", ["rows", "1", "features"]),
        (None, "BAD_INPUT", ["rows", "1"]),
        (7, "BAD_INPUT", ["rows", "1"]),
    ],
)
def test_a_bad_row_is_refused_with_its_path(client, bad, code, path):
    body = {"query": PREDICT_MANY, "variables": {"rows": [row(), bad]}}
    answer = client.post("", content=json.dumps(body), headers={"Content-Type": "application/json"}).json()
    assert refusals(answer) == [(code, path)]


def test_half_a_surrogate_pair_is_refused_with_its_path(client):
    body = r'{"query": "query Q($n: String!) { hello(name: $n) }", "variables": {"n": "\ud800"}}'
    answer = client.post("", content=body, headers={"Content-Type": "application/json"}).json()
    assert refusals(answer) == [("BAD_INPUT", ["name"])]


def test_a_json_number_too_large_for_a_float_is_not_finite(client):
    query = "query Q($radius: Float!) { predict(features: { radius: $radius }) { radius } }"
    body = f'{{"query": "{query}", "variables": {{"radius": 1e400}}}}'
    answer = client.post("", content=body, headers={"Content-Type": "application/json"}).json()
    assert refusals(answer) == [("NOT_FINITE", ["features", "radius"])]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("{ predict { radius } }", [("BAD_INPUT", ["features"])]),
        ("{ predict(features: {}) { radius } }", [("BAD_INPUT", ["features", "radius"])]),
        ("{ predict(features: { radius: 1e400 }) { radius } }", [("NOT_FINITE", ["features", "radius"])]),
        ("{ predict(features: { radius: null }) { radius } }", [("BAD_INPUT", ["features", "radius"])]),
        (
            '{ predict(features: { radius: 1, label: "MALIGNANT" }) { radius } }',
            [("BAD_INPUT", ["features", "label"])],
        ),
        (
            "{ predictMany(rows: [{ features: { radius: 1 } }, { features: { radius: A } }]) { radius } }",
            [("BAD_INPUT", ["rows", "1", "features", "radius"])],
        ),
        ("{ about(target: {}) }", [("BAD_INPUT", ["target"])]),
        ('{ about(target: { entity: "1", prediction: "2" }) }', [("BAD_INPUT", ["target"])]),
        ('{ hello(name: "a\\u0000b") }', [("BAD_INPUT", ["name"])]),
        ("query Q($name: String! = 5) { hello(name: $name) }", [("BAD_INPUT", ["name"])]),
        ("{ hello @skip(if: 5) }", [("BAD_INPUT", ["if"])]),
    ],
)
def test_a_bad_literal_is_refused_with_its_path(ask, query, expected):
    assert refusals(ask(query)) == expected


def test_the_path_of_a_variable_with_two_uses_is_its_own_name(ask):
    query = """query Q($a: Float!) {
        x: predict(features: { radius: $a }) { radius }
        y: predict(features: { radius: 1, texture: $a }) { radius }
    }"""
    assert refusals(ask(query, {"a": "no"})) == [("BAD_INPUT", ["a"])]


def test_the_path_of_a_missing_variable_is_its_use(ask):
    query = "query Q($radius: Float!) { predict(features: { radius: $radius }) { radius } }"
    answer = ask(query)
    assert refusals(answer) == [("BAD_INPUT", ["features", "radius"])]
    assert "$radius is missing" in answer["errors"][0]["message"]


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        ("Möbel 日本", "Möbel 日本"),
        ("a\u202eb", r"a\u202eb"),
        ("\ud800", r"\ud800"),
        ("line\nline", r"line\nline"),
    ],
)
def test_a_message_has_the_value_as_it_was_sent_where_it_can_be_printed(client, value, quoted):
    query = "query Q($radius: Float!) { predict(features: { radius: $radius }) { radius } }"
    body = json.dumps({"query": query, "variables": {"radius": value}})
    answer = client.post("", content=body, headers={"Content-Type": "application/json"}).json()
    assert f"not '{quoted}'" in answer["errors"][0]["message"]


def test_a_message_names_the_values_and_fields_that_are_accepted(ask):
    answer = ask("{ predict(features: { radius: 1, label: FOO, txture: 2 }) { radius } }")
    sentences = " ".join(error["message"] for error in answer["errors"])
    assert "one of BENIGN, MALIGNANT" in sentences
    assert "Did you mean 'texture'?" in sentences


def test_a_closed_server_suggests_no_names(ask, settings):
    settings.EXEMPLAR_OPEN = False
    errors = DocumentCache(schema._schema).get("{ helo predict(features: { radus: 1 }) { radius } }").errors
    assert errors and not any("Did you mean" in error.message for error in errors)


def test_of_ten_thousand_bad_rows_the_first_faults_are_reported(ask):
    answer = ask(PREDICT_MANY, {"rows": [row(radius=None)] * 10_000})
    assert len(answer["errors"]) == MAX_REFUSALS


def test_ten_thousand_rows_of_thirty_numbers_fit_into_one_request(client):
    rows = [row(texture=0.123456789) | {"reference": "x" * 700} for _ in range(10_000)]
    answer = client.post("", json={"query": PREDICT_MANY, "variables": {"rows": rows}}, timeout=PATIENCE)
    assert len(answer.json()["data"]["predictMany"]) == 10_000


def test_an_error_of_a_non_null_field_makes_the_data_null(client: httpx.Client):
    response = client.post("", json={"query": "{ required }"})
    assert response.status_code == 200
    assert response.json()["data"] is None
