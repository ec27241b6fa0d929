"""Exports: files of rows with the filters and the rights of lists, whole or broken off."""

import csv
import io
import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from django.conf import settings
from django.db import connection

from learning.model import ClassAnswer
from schema.core import ids
from schema.files.exports import Exports
from schema.schema import schema
from schema.transport.http import GraphQLApp
from store import models
from store.access import programs, resolver
from store.access.actors import Actor
from store.access.permissions import Permission
from store.exports import formats
from store.predictions import upsert
from store.predictions.feedback import About
from store.predictions.upsert import PredictionBatch, ValidRequest
from store.products import catalogue
from tests.schema.conftest import serve
from tests.store.conftest import STAY, drop_snapshots, examples, operate, version
from tests.waiting import PATIENCE, eventually

ANSWER = ClassAnswer("True", 0.1 + 0.2, (0.7, 0.1 + 0.2))


@pytest.fixture
def client(transactional_db: None) -> Iterator[httpx.Client]:
    drop_snapshots()
    for address in serve(Exports(GraphQLApp(schema))):
        base = f"{address.removesuffix('/graphql/')}/export/"
        with httpx.Client(base_url=base, trust_env=False, timeout=PATIENCE) as client:
            yield client
    drop_snapshots()


def store(notes: list[str], asker: str | None = None) -> list[Any]:
    product = catalogue.get("stay")
    served = models.ModelVersion.objects.first() or version(product)
    stored = []
    for number, note in enumerate(notes):
        instance = product.clean(STAY | {"note": note, "age": 18 + number})
        request = ValidRequest(instance, reference=note or None, asker=asker)
        stored += upsert.store(PredictionBatch(product, served, [request], [ANSWER]))
    return stored


def rows(response: httpx.Response) -> list[dict[str, str]]:
    assert response.status_code == 200, response.text
    return list(csv.DictReader(io.StringIO(response.text, newline="")))


def refusal(response: httpx.Response) -> tuple[int, str]:
    [error] = response.json()["errors"]
    return response.status_code, error["extensions"]["code"]


def test_csv_has_every_prediction_oldest_first_with_values_that_come_back(client: httpx.Client) -> None:
    notes = ["plain", 'says "a, b"', "two\nlines", "grün 🙂", ""]
    stored = store(notes)
    response = client.get("stay/predictions.csv")
    exported = rows(response)
    assert response.headers["Content-Disposition"] == 'attachment; filename="stay-predictions.csv"'
    assert response.headers["Cache-Control"].startswith("no-store")
    assert [row["note"] for row in exported] == notes
    assert [row["id"] for row in exported] == [ids.node_id(prediction) for prediction in stored]
    first = exported[0]
    assert (float(first["confidence"]), first["cost"], first["smokes"]) == (0.1 + 0.2, "10.00", "")
    assert (first["model"], first["answer"], first["entity"]) == ("1", "True", "")
    assert not response.content.startswith(b"\xef\xbb\xbf")


def test_a_client_continues_after_any_row(client: httpx.Client) -> None:
    store(["a", "b", "c", "d"])
    exported = rows(client.get("stay/predictions.csv"))
    for place, row in enumerate(exported):
        rest = rows(client.get("stay/predictions.csv", params={"after": row["cursor"]}))
        assert rest == exported[place + 1 :]
    for cursor in ("", "x", "12", "99999999999999999-" + "0" * 36, exported[0]["id"]):
        response = client.get("stay/predictions.csv", params={"after": cursor})
        assert refusal(response) == (400, "BAD_INPUT")


def test_lines_of_json_have_the_types_of_answers(client: httpx.Client) -> None:
    store(['back\\slash "quoted"\nline', "\u0001"])
    response = client.get("stay/predictions.jsonl")
    first, second = map(json.loads, response.text.splitlines())
    assert first["note"] == 'back\\slash "quoted"\nline' and second["note"] == "\u0001"
    assert (first["age"], first["cost"], first["smokes"], first["confidence"]) == (
        18,
        "10.00",
        None,
        0.1 + 0.2,
    )
    assert first["output"] == {"False": 0.7, "True": 0.1 + 0.2}
    assert first["created_at"].endswith("+00:00")


def test_a_filter_is_that_of_the_list(client: httpx.Client) -> None:
    store(["a", "b"])
    chosen = {"reference": {"eq": "b"}, "features": {"age": {"gte": 19}}}
    exported = rows(client.get("stay/predictions.csv", params={"filter": json.dumps(chosen)}))
    assert [row["note"] for row in exported] == ["b"]
    wrong = {"nonsense": 1, "createdAt": {"lt": "yesterday"}}
    response = client.get("stay/predictions.csv", params={"filter": json.dumps(wrong)})
    faults = [error["extensions"] for error in response.json()["errors"]]
    assert response.status_code == 400
    assert [fault["argument"] for fault in faults] == [["filter", "nonsense"], ["filter", "createdAt", "lt"]]
    examples(3)
    chosen = {"features": {"age": {"gt": 50}}, "labelled": True}
    exported = rows(client.get("stay/entities.csv", params={"filter": json.dumps(chosen)}))
    assert [row["age"] for row in exported] == ["55", "57"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("stay/predictions.xlsx", (404, "BAD_REQUEST")),
        ("stay/models.csv", (404, "BAD_REQUEST")),
        ("stay/predictions.csv?page=2", (400, "BAD_INPUT")),
        ("stay/predictions.csv?after=1&after=2", (400, "BAD_INPUT")),
        ("stay/snapshot.csv?filter={}", (400, "BAD_INPUT")),
        ('stay/feedback.csv?filter={"label": {"eq": "LONG"}}', (400, "BAD_INPUT")),
        ('stay/predictions.csv?filter={"model": {"eq": "x"}}', (404, "UNKNOWN_ID")),
        ("stay/predictions.csv?filter={", (400, "BAD_INPUT")),
        ("stay/predictions.csv?formulas=run", (400, "BAD_INPUT")),
        ("nothing/predictions.csv", (404, "UNKNOWN_PRODUCT")),
        ("stay/snapshot.csv", (404, "UNKNOWN_ID")),
        ("stay/snapshot.csv?snapshot=U25hcHNob3Q6OTk5", (404, "UNKNOWN_ID")),
    ],
)  # fmt: skip
def test_what_cannot_be_exported_is_refused(
    client: httpx.Client, path: str, expected: tuple[int, str]
) -> None:
    assert refusal(client.get(path)) == expected


def test_only_a_get_by_http_1_1_gets_a_file(client: httpx.Client) -> None:
    response = client.post("stay/predictions.csv")
    assert response.status_code == 405 and response.headers["Allow"] == "GET"
    address = urlsplit(str(client.base_url))
    with socket.create_connection((address.hostname, address.port), timeout=PATIENCE) as connected:
        connected.sendall(b"GET /export/stay/predictions.csv HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
        assert b" 505 " in connected.makefile("rb").readline()


def test_entities_have_their_inputs_and_labels(client: httpx.Client) -> None:
    examples(3)
    key = str(operate(age=None).pk)
    [first, *_, last] = rows(client.get("stay/entities.csv"))
    assert (first["age"], first["label"], first["urgency"]) == ("55", "true", "planned")
    assert (last["key"], last["age"], last["label"]) == (key, "", "")
    rest = rows(client.get("stay/entities.csv", params={"after": first["cursor"]}))
    assert rest[-1] == last and len(rest) == 3
    line = json.loads(client.get("stay/entities.jsonl").text.splitlines()[0])
    assert (line["age"], line["label"], line["cost"], line["key"]) == (55, True, "100.00", first["key"])


def test_a_snapshot_is_exported_as_it_was_taken(client: httpx.Client) -> None:
    examples(6)
    snapshot = models.Snapshot.objects.take(catalogue.get("stay"))
    operate(age=90)
    exported = rows(client.get("stay/snapshot.csv"))
    assert len(exported) == snapshot.rows == 6
    assert set(exported[0]) >= {"entity", "label", "age", "cost", "cursor"}
    rest = rows(client.get("stay/snapshot.csv", params={"after": exported[2]["cursor"]}))
    assert rest == exported[3:]
    named = client.get("stay/snapshot.csv", params={"snapshot": ids.node_id(snapshot)})
    assert rows(named) == exported


def test_feedback_names_its_prediction(client: httpx.Client) -> None:
    [stored] = store(["a"])
    models.Feedback.objects.give(
        catalogue.get("stay"), About(prediction=stored.pk), "False", "ann", comment="=1+1"
    )
    [exported] = rows(client.get("stay/feedback.csv"))
    assert (exported["author"], exported["answer"], exported["comment"]) == ("ann", "False", "=1+1")
    assert exported["prediction"] == ids.node_id(stored)
    [escaped] = rows(client.get("stay/feedback.csv?formulas=escape"))
    assert escaped["comment"] == "'=1+1"


def test_feedback_is_filtered_as_its_list_is(client: httpx.Client) -> None:
    stay, feedback = catalogue.get("stay"), models.Feedback.objects
    [stored] = store(["a"])
    for author in ("ann", "bob", "eve"):
        feedback.give(stay, About(prediction=stored.pk), "False", author)
    feedback.give(stay, About(prediction=stored.pk), "True", "bob")

    def authors(filter: dict[str, Any]) -> list[str]:
        exported = rows(client.get("stay/feedback.csv", params={"filter": json.dumps(filter)}))
        return [row["author"] for row in exported]

    assert authors({"author": {"in": ["ann", "bob"]}, "status": {"eq": "COUNTS"}}) == ["ann", "bob"]
    assert authors({"status": {"eq": "SUPERSEDED"}}) == ["bob"]
    assert authors({"createdAt": {"lt": "2020-01-01T00:00:00Z"}}) == []


def test_whoever_may_not_view_exports_what_it_asked_for_itself(client: httpx.Client, settings: Any) -> None:
    settings.EXEMPLAR_OPEN = False
    store(["of others"])
    secrets = {
        permission: programs.make_token(
            f"program-{permission}", created_by="tests", permissions=[permission], products=["stay"],
            expires_in=None, note="",
        ).secret
        for permission in (Permission.VIEW, Permission.PREDICT)
    }  # fmt: skip
    store(["its own"], asker="program-PREDICT")
    assert refusal(client.get("stay/predictions.csv"))[0] == 401

    def get(permission: Permission, path: str) -> httpx.Response:
        return client.get(path, headers={"Authorization": f"Bearer {secrets[permission]}"})

    assert len(rows(get(Permission.VIEW, "stay/predictions.csv"))) == 2
    [own] = rows(get(Permission.PREDICT, "stay/predictions.csv"))
    assert own["note"] == "its own"
    for path in ("stay/entities.csv", "stay/snapshot.csv", "stay/feedback.csv"):
        assert refusal(get(Permission.PREDICT, path)) == (403, "FORBIDDEN")
    assert refusal(get(Permission.VIEW, "bill/predictions.csv")) == (403, "FORBIDDEN")
    entries = models.AuditEntry.objects.filter(act="EXPORT").order_by("pk")
    assert [(entry.author, entry.product, entry.details["rows"]) for entry in entries] == [
        ("program-VIEW", "stay", "predictions"),
        ("program-PREDICT", "stay", "predictions"),
    ]
    assert entries[0].operation == "/export/stay/predictions.csv" and entries[0].address == "127.0.0.1"


def test_a_page_of_another_site_cannot_have_a_session_export(client: httpx.Client, settings: Any) -> None:
    headers = {"Cookie": f"{settings.SESSION_COOKIE_NAME}=any", "Sec-Fetch-Site": "cross-site"}
    assert refusal(client.get("stay/predictions.csv", headers=headers)) == (403, "FORBIDDEN")


def test_an_error_in_the_middle_breaks_the_file_off(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(["a", "b"])
    monkeypatch.setattr(formats, "CHUNK_BYTES", 1)
    monkeypatch.setattr(
        formats.Csv,
        "statement",
        lambda *_: "COPY (SELECT 1 / (3 - n) FROM generate_series(1, 3) n) TO STDOUT",
    )
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("stay/predictions.csv")
    assert "stay" in client.get("stay/predictions.jsonl").headers["Content-Disposition"]


def test_an_export_ends_when_its_caller_may_not_have_it_any_more(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = "COPY (SELECT repeat('x', 10000) FROM generate_series(1, 1000000)) TO STDOUT"
    monkeypatch.setattr(formats.Csv, "statement", lambda *_: endless)
    with client.stream("GET", "stay/predictions.csv") as response:
        parts = response.iter_bytes()
        next(parts)

        async def find(_: object) -> Actor:
            return Actor(author="ann", name="ann")

        monkeypatch.setattr(resolver, "find", find)
        monkeypatch.setattr(settings, "EXEMPLAR_OPEN", False)
        with pytest.raises(httpx.RemoteProtocolError):
            list(parts)
    assert eventually(lambda: not is_copying())


def test_a_client_that_leaves_ends_the_copy(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        formats.Csv,
        "statement",
        lambda *_: "COPY (SELECT repeat('x', 10000) FROM generate_series(1, 1000000)) TO STDOUT",
    )
    with client.stream("GET", "stay/predictions.csv") as response:
        next(response.iter_bytes())
        assert is_copying()
    assert eventually(lambda: not is_copying())


def is_copying() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY %%' AND state = 'active' AND pid <> "
            "pg_backend_pid()"
        )
        return bool(cursor.fetchone()[0])


def test_no_more_exports_run_than_may(client: httpx.Client, settings: Any) -> None:
    settings.EXEMPLAR_EXPORTS = 0
    response = client.get("stay/predictions.csv")
    assert refusal(response) == (503, "OVERLOADED") and response.headers["Retry-After"]


def test_an_export_that_takes_too_long_is_ended(
    client: httpx.Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EXEMPLAR_EXPORT_TIME_LIMIT = 1
    monkeypatch.setattr(formats.Csv, "statement", lambda *_: f"COPY (SELECT pg_sleep({PATIENCE})) TO STDOUT")
    assert refusal(client.get("stay/predictions.csv")) == (503, "TIMED_OUT")


def test_parquet_has_row_groups_of_typed_columns(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(formats, "GROUP_ROWS", 2)
    store(["a", 'b, "c"\n', ""])
    file = parquet.ParquetFile(io.BytesIO(client.get("stay/predictions.parquet").content))
    assert file.num_row_groups == 2
    first, second, third = file.read().to_pylist()
    assert (first["age"], first["smokes"], first["confidence"], first["cost"]) == (
        18,
        None,
        0.1 + 0.2,
        "10.00",
    )
    assert (second["note"], third["note"], third["reference"]) == ('b, "c"\n', "", None)
    assert first["created_at"].tzinfo is not None
    examples(2)
    file = parquet.ParquetFile(io.BytesIO(client.get("stay/entities.parquet").content))
    assert [row["label"] for row in file.read().to_pylist()] == [True, False]


def test_without_pyarrow_parquet_is_refused(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "find_spec", lambda name: None)
    assert refusal(client.get("stay/predictions.parquet")) == (503, "UNAVAILABLE")
