"""Payloads of mutations carry what they changed, so that a client's cache can follow."""

from typing import Any

import pytest

from schema.composition import compose
from schema.core.context import Context
from schema.core.ids import encode
from schema.execution.execution import Schema
from store.access.acting import acting_as
from store.access.actors import Actor
from store.entities import entities
from store.models import Scoring
from store.products import catalogue
from store.products.product import DataProduct
from tests.clinic.models import Operation

from ...store.conftest import operate, version
from ...store.predictions.test_predictions import question, record

pytestmark = pytest.mark.django_db

ANN = Actor(author="ann", name="ann", superuser=True)
FEATURES = {"age": 61, "urgency": "PLANNED", "cost": "10", "note": ""}
AT = "2024-05-17T12:00:00Z"


@pytest.fixture(scope="module")
def schema() -> Schema:
    return compose([catalogue.get("stay"), catalogue.get("relapse")])


@pytest.fixture
def stay() -> DataProduct:
    return catalogue.get("stay")


def execute(schema: Schema, selection: str, input: Any, kind: str) -> Any:
    """The result of a mutation with an input of this type."""
    field = f"{kind[:1].lower()}{kind[1:]}"
    query = f"mutation($input: {kind}Input!) {{ {field}(input: $input) {selection} }}"
    with acting_as(ANN):
        context = Context(ANN, None)  # type: ignore[arg-type]
        return schema.execute_sync(query, {"input": input}, context_value=context)


def payload(schema: Schema, selection: str, input: Any, kind: str) -> Any:
    """The payload of a mutation that is not refused."""
    result = execute(schema, selection, input, kind)
    assert not result.errors, result.errors
    (found,) = (result.data or {}).values()
    return found


def refusal(schema: Schema, input: Any, kind: str) -> tuple[str, list[str] | None]:
    """The code and the path of the one error."""
    (error,) = execute(schema, "{ __typename }", input, kind).errors
    return error.extensions["code"], error.extensions.get("argument")


def test_a_new_row_comes_with_its_edge_in_the_list(schema: Schema, stay: DataProduct) -> None:
    row = {"key": "7", "features": FEATURES, "at": AT}
    created = payload(schema, "{ entityEdge { cursor node { id } } product { name } }", row, "StayCreate")
    query = "{ stay { entities { edges { cursor node { id } } } } }"
    with acting_as(ANN):
        listed: Any = schema.execute_sync(query, context_value=Context(ANN, None)).data  # type: ignore[arg-type]
    assert [created["entityEdge"]] == listed["stay"]["entities"]["edges"]
    assert created["product"] == {"name": "stay"}


def test_rows_that_are_upserted_come_as_edges_in_their_order(schema: Schema, stay: DataProduct) -> None:
    operate(pk=9)
    rows = [{"key": key, "features": FEATURES, "at": AT} for key in ("9", "7", "8")]
    rows.append({"features": FEATURES, "at": AT})
    selection = "{ inserted updated entityEdges { node { key } } product { entities { totalCount } } }"
    upserted = payload(schema, selection, {"rows": rows}, "StayUpsertMany")
    keys = [edge["node"]["key"] for edge in upserted["entityEdges"]]
    assert keys[:3] == ["9", "7", "8"] and Operation.objects.filter(pk=keys[3]).exists()
    assert (upserted["inserted"], upserted["updated"]) == (3, 1)
    assert upserted["product"]["entities"]["totalCount"] == 4


def test_feedback_comes_with_all_predictions_about_the_subject(schema: Schema, stay: DataProduct) -> None:
    key = str(operate().pk)
    registered = version(stay)
    first, second, _ = record(
        stay,
        registered,
        question(stay, {"entity": key}),
        question(stay, {"entity": key}, age=40),
        question(stay, {"entity": str(operate().pk)}),
    )
    selection = "{ prediction { id } predictions { id truth } feedback { id } product { name } }"
    about = {"about": {"prediction": encode("StayPrediction", first.pk)}, "label": "YES"}
    given = payload(schema, selection, about, "StayFeedback")
    ids = {encode("StayPrediction", each.pk) for each in (first, second)}
    assert {each["id"] for each in given["predictions"]} == ids
    assert {each["truth"] for each in given["predictions"]} == {"YES"}
    taken = payload(schema, selection, {"feedback": given["feedback"]["id"]}, "StayFeedbackRetract")
    assert {each["truth"] for each in taken["predictions"]} == {None}
    assert taken["product"] == {"name": "stay"}


def test_many_feedbacks_have_one_place_each(schema: Schema, stay: DataProduct) -> None:
    key = str(operate().pk)
    inputs = [{"about": {"entity": each}, "label": "YES"} for each in (key, "0", key)]
    result = execute(
        schema, "{ results { created } product { name } }", {"inputs": inputs}, "StayFeedbackMany"
    )
    assert result.data["stayFeedbackMany"] == {
        "results": [{"created": True}, None, {"created": False}],
        "product": {"name": "stay"},
    }
    [error] = result.errors
    assert error.path == ["stayFeedbackMany", "results", 1]
    assert error.extensions["argument"] == ["input", "inputs", "1", "about", "entity"]


def test_a_deleted_row_is_named_by_its_id(schema: Schema, stay: DataProduct) -> None:
    operation = operate()
    key, selection = str(operation.pk), "{ deletedId predictionCount feedbackCount product { name } }"
    record(stay, version(stay), question(stay, {"entity": key}))
    expected = {"predictionCount": 1, "feedbackCount": 0, "product": {"name": "stay"}}
    dry = payload(schema, selection, {"entity": key, "dryRun": True}, "StayDelete")
    assert dry == {"deletedId": None, **expected}
    read = entities.get(stay, key).version
    assert refusal(schema, {"entity": key, "version": "old"}, "StayDelete") == (
        "STALE_VERSION",
        ["input", "version"],
    )
    deleted = payload(schema, selection, {"entity": key, "version": read}, "StayDelete")
    assert deleted == {"deletedId": encode("StayEntity", key), **expected}
    assert refusal(schema, {"entity": key}, "StayDelete") == ("UNKNOWN_ENTITY", ["input", "entity"])
    assert refusal(schema, {"entity": key}, "RelapseDelete") == ("NOT_WRITABLE", None)


def test_deleted_predictions_name_their_product(schema: Schema, stay: DataProduct) -> None:
    [prediction] = record(stay, version(stay), question(stay))
    selection = "{ count product { name } }"
    ids = [encode("StayPrediction", prediction.pk)]
    dry = payload(schema, selection, {"ids": ids, "dryRun": True}, "DeletePredictions")
    assert dry == {"count": 1, "product": {"name": "stay"}}
    filter = {"product": "stay"}
    assert payload(schema, selection, {"filter": filter}, "DeletePredictions") == dry
    assert payload(schema, selection, {"ids": ids}, "DeletePredictions") == {"count": 0, "product": None}
    for wrong in ({}, {"ids": [], "filter": filter}, {"ids": None, "filter": None}):
        assert refusal(schema, wrong, "DeletePredictions") == ("BAD_INPUT", ["input"])


def test_a_cancelled_scoring_comes_with_its_product(schema: Schema, stay: DataProduct) -> None:
    scoring = Scoring.objects.create(product="stay", requested_by="ann", model=version(stay))
    cancel = {"job": encode("Scoring", str(scoring.pk))}
    selection = "{ job { __typename status } product { name } }"
    assert payload(schema, selection, cancel, "CancelJob") == {
        "job": {"__typename": "Scoring", "status": "CANCELLED"},
        "product": {"name": "stay"},
    }
    assert refusal(schema, cancel, "CancelJob") == ("JOB_ENDED", ["input", "job"])
    assert refusal(schema, {"job": encode("Snapshot", "1")}, "CancelJob") == (
        "WRONG_KIND_OF_ID",
        ["input", "job"],
    )
