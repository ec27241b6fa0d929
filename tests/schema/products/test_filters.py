"""Filters of lists: the product's own, typed by its columns, and the one over all products, agree."""

from typing import Any

import pytest

from schema.composition import compose
from schema.core.context import Context
from schema.core.ids import encode
from schema.execution.execution import Schema
from schema.schema import schema as served
from store.access.acting import acting_as
from store.access.actors import Actor
from store.predictions.predictions import Prediction
from store.products import catalogue
from store.products.product import DataProduct

from ...store.conftest import HOUR, NOON, operate, version
from ...store.predictions.test_predictions import question, record

pytestmark = pytest.mark.django_db

ANN = Actor(author="ann", name="ann", superuser=True)
OWN = "query($filter: StayPredictionFilter) { stay { predictions(filter: $filter) { totalCount } } }"
ROOT = "query($filter: PredictionFilter) { predictions(filter: $filter) { totalCount } }"


@pytest.fixture(scope="module")
def schema() -> Schema:
    return compose([catalogue.get("stay"), catalogue.get("relapse")])


@pytest.fixture
def rows(stay: DataProduct) -> list[Prediction]:
    key = str(operate(pk=77).pk)
    return record(
        stay,
        version(stay),
        question(stay, {"entity": key}, age=40, smokes=True, urgency="1st"),
        question(stay, {"reference": "form 7"}, age=61, cost=9.5),
        question(stay, age=80, note="a"),
    )


@pytest.fixture
def stay() -> DataProduct:
    return catalogue.get("stay")


def execute(schema: Schema, query: str, filter: Any) -> Any:
    with acting_as(ANN):
        context = Context(ANN, None)  # type: ignore[arg-type]
        return schema.execute_sync(query, {"filter": filter}, context_value=context)


def count(schema: Schema, query: str, filter: Any) -> int:
    result = execute(schema, query, filter)
    assert not result.errors, result.errors
    data: Any = result.data
    return int((data.get("stay") or data)["predictions"]["totalCount"])


def refusals(schema: Schema, query: str, filter: Any) -> dict[tuple[str, ...], str]:
    """The codes of the errors by the places that they name."""
    errors = execute(schema, query, filter).errors or []
    return {tuple(e.extensions["argument"]): e.extensions["code"] for e in errors}


@pytest.mark.parametrize(
    ("own", "root", "expected"),
    [
        ({}, {}, 3),
        ({"entity": {"eq": "77"}}, {}, 1),
        ({"reference": {"in": ["form 7", "x"]}, "confidence": {"gt": 0.5}}, {}, 1),
        ({"search": " FORM"}, {}, 1),
        ({"labelled": False, "disputed": False}, {}, 3),
        ({"createdAt": {"lt": "2000-01-01T00:00:00Z"}}, {}, 0),
        ({"label": {"in": ["YES"]}}, {"label": None, "answer": {"in": ["YES"]}}, 3),
        ({"label": {"eq": "NO"}}, {"label": None, "answer": {"eq": "False"}}, 0),
        ({"truth": {"isNull": True}}, {}, 3),
        ({"features": {"age": {"gte": 61}}}, {"features": [{"feature": "age", "gte": 61}]}, 2),
        ({"features": {"cost": {"lt": "9.6"}}}, {"features": [{"feature": "cost", "lt": "9.6"}]}, 1),
        (
            {"features": {"urgency": {"in": ["URGENT"]}, "smokes": {"eq": True}}},
            {"features": [{"feature": "urgency", "in": ["1st"]}, {"feature": "smokes", "eq": True}]},
            1,
        ),
        (
            {"features": {"urgency": {"eq": "PLANNED"}, "note": {"in": ["a"]}}},
            {"features": [{"feature": "urgency", "eq": "PLANNED"}, {"feature": "note", "in": ["a"]}]},
            1,
        ),
        ({"features": {"born": {"isNull": False}}}, {"features": [{"feature": "born", "isNull": False}]}, 0),
        (
            {"features": {"born": {"gt": "1970-01-01"}}},
            {"features": [{"feature": "born", "gt": "1970-01-01"}]},
            0,
        ),
    ],
)
def test_both_filters_select_the_same(
    schema: Schema, rows: list[Prediction], own: Any, root: Any, expected: int
) -> None:
    assert count(schema, OWN, own) == expected
    generic = {name: value for name, value in (own | root).items() if value is not None}
    assert count(schema, ROOT, generic | {"product": "stay"}) == expected


def test_a_filter_without_a_product_is_for_all_products(schema: Schema, rows: list[Prediction]) -> None:
    assert count(schema, ROOT, {"search": "form"}) == 1
    assert refusals(schema, ROOT, {"features": [], "answer": {"eq": "YES"}, "truth": {"eq": "NO"}}) == {
        ("filter", "answer"): "BAD_INPUT",
        ("filter", "truth"): "BAD_INPUT",
        ("filter", "features"): "BAD_INPUT",
    }


def test_all_faults_of_a_filter_are_told_at_once(schema: Schema, rows: list[Prediction]) -> None:
    wrong: dict[str, Any] = {
        "model": {"in": ["garbage", encode("Build", "1")]},
        "search": "x" * 201,
        "entity": {"in": ["1"] * 1_001},
    }
    shared = {
        ("filter", "model", "in", "0"): "UNKNOWN_ID",
        ("filter", "model", "in", "1"): "WRONG_KIND_OF_ID",
        ("filter", "search"): "OUT_OF_RANGE",
        ("filter", "entity", "in"): "OUT_OF_RANGE",
    }
    assert refusals(schema, OWN, wrong) == shared
    features = [
        {"feature": "age", "gt": "old", "lt": True},
        {"feature": "height", "eq": 1},
        {"feature": "age", "eq": 1},
        {"feature": "born", "in": ["2000-01-01", "yesterday", 7]},
        {"feature": "urgency", "eq": "NEVER", "gt": "PLANNED"},
    ]
    root = wrong | {"product": "stay", "features": features, "answer": {"in": ["PERHAPS", "YES"]}}
    assert refusals(schema, ROOT, root) == shared | {
        ("filter", "answer", "in", "0"): "BAD_INPUT",
        ("filter", "features", "0", "gt"): "BAD_INPUT",
        ("filter", "features", "0", "lt"): "BAD_INPUT",
        ("filter", "features", "1", "feature"): "BAD_INPUT",
        ("filter", "features", "2", "feature"): "BAD_INPUT",
        ("filter", "features", "3", "in", "1"): "BAD_INPUT",
        ("filter", "features", "3", "in", "2"): "BAD_INPUT",
        ("filter", "features", "4", "gt"): "BAD_INPUT",
    }


def test_a_deletion_takes_the_same_filter(schema: Schema, rows: list[Prediction]) -> None:
    query = """mutation($filter: PredictionFilter) {
        deletePredictions(input: {filter: $filter, dryRun: true}) { count } }"""
    wanted = {"product": "stay", "features": [{"feature": "age", "lt": 80}]}
    data: Any = execute(schema, query, wanted).data
    assert data == {"deletePredictions": {"count": 2}}
    assert refusals(schema, query, {"search": "form"}) == {("input", "filter", "product"): "BAD_INPUT"}


ENTITIES = """query($filter: StayEntityFilter, $order: EntityOrder, $after: String) {
    stay { entities(first: 2, after: $after, filter: $filter, orderBy: $order) {
        totalCount nodes { key } pageInfo { hasNextPage endCursor } } } }"""


def list_keys(schema: Schema, order: Any, filter: Any = None) -> list[str]:
    """The keys of all pages of the entities, each as often as it comes."""
    keys: list[str] = []
    after = None
    while True:
        with acting_as(ANN):
            variables = {"filter": filter, "order": order, "after": after}
            result = schema.execute_sync(ENTITIES, variables, context_value=Context(ANN, None))  # type: ignore[arg-type]
        assert not result.errors, result.errors
        data: Any = result.data
        page = data["stay"]["entities"]
        keys += [node["key"] for node in page["nodes"]]
        if not page["pageInfo"]["hasNextPage"]:
            assert page["totalCount"] == len(keys)
            return keys
        after = page["pageInfo"]["endCursor"]


@pytest.fixture
def operations() -> None:
    """Operations 1 to 5, later ones at earlier times; the third has no label."""
    for key, relapsed in enumerate([True, False, None, True, False], start=1):
        operate(pk=key, at=NOON - key * HOUR, age=10 * key, relapsed=relapsed, note=f"Note {key}")


@pytest.mark.parametrize(
    ("order", "filter", "keys"),
    [
        (None, None, "12345"),
        ({"field": "KEY", "direction": "DESC"}, None, "54321"),
        ({"field": "AT"}, None, "54321"),
        ({"field": "AT", "direction": "DESC"}, {"features": {"age": {"gt": 20}}}, "345"),
        ({"field": "LABEL"}, None, "2514"),
        ({"field": "LABEL", "direction": "DESC"}, {"labelled": True}, "4152"),
        (None, {"label": {"eq": "YES"}, "at": {"lt": "2024-05-17T10:00:00Z"}}, "4"),
        (None, {"search": "note 3"}, "3"),
        (None, {"truth": {"isNull": True}, "key": {"in": ["3", "4", "no key"]}}, "3"),
    ],
)
def test_entities_are_listed_in_an_order(
    schema: Schema, operations: None, order: Any, filter: Any, keys: str
) -> None:
    assert list_keys(schema, order, filter) == list(keys)


def test_faults_of_a_filter_of_entities_are_told_at_once(schema: Schema) -> None:
    filter = {"search": "x" * 201, "key": {"in": ["1"] * 1_001}, "features": {"note": {"eq": "n" * 51}}}
    assert refusals(schema, ENTITIES, filter) == {
        ("filter", "search"): "OUT_OF_RANGE",
        ("filter", "key", "in"): "OUT_OF_RANGE",
        ("filter", "features", "note", "eq"): "BAD_INPUT",
    }


@pytest.mark.parametrize("field", ["LABEL", "AT"])
def test_rows_without_such_a_column_are_not_ordered_by_it(field: str) -> None:
    query = f"{{ wine {{ entities(orderBy: {{ field: {field} }}) {{ totalCount }} }} }}"
    context = Context(Actor(author="tests", superuser=True), None)  # type: ignore[arg-type]
    result = served.execute_sync(query, context_value=context)
    assert result.errors
    assert result.errors[0].extensions["code"] == "BAD_INPUT"
    assert result.errors[0].extensions["argument"] == ["orderBy", "field"]
