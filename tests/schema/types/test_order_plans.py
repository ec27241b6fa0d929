"""Orders of long lists: a page in the middle begins at its place of an index, which has the order."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from schema.composition import compose
from schema.core.context import Context
from schema.execution.execution import Schema
from store.access.acting import acting_as
from store.access.actors import Actor
from store.models import Feedback, Prediction
from store.predictions.feedback import About
from store.products import catalogue
from store.products.product import DataProduct
from tests.clinic.models import Operation

from ...store.conftest import HOUR, NOON, operate, version
from ...store.predictions.test_predictions import question, record

pytestmark = pytest.mark.django_db

ANN = Actor(author="ann", name="ann", superuser=True)
PAGE = "{ stay { page: %s(first: 3, after: %s%s) { edges { cursor } } } }"
ORDERS = [
    ("predictions", "", Prediction, "predictions_newest_first", "ROW(created_at, id)"),
    ("predictions", "CREATED_AT", Prediction, "predictions_newest_first", "ROW(created_at, id)"),
    ("predictions", "UPDATED_AT", Prediction, "predictions_by_update", "ROW(updated_at, id)"),
    ("predictions", "CONFIDENCE", Prediction, "predictions_by_confidence", "ROW(confidence, id)"),
    ("predictions", "VALUE", Prediction, "predictions_by_value", "ROW(value, id)"),
    ("feedback", "CREATED_AT", Feedback, "feedback_by_age", "ROW(created_at, id)"),
    ("entities", "KEY", Operation, "clinic_operation_pkey", "(id"),
    ("entities", "AT", Operation, "operations_by_time", "ROW(done_at, id)"),
]


@pytest.fixture(scope="module")
def schema() -> Schema:
    return compose([catalogue.get("stay")])


@pytest.fixture
def stay() -> DataProduct:
    return catalogue.get("stay")


@pytest.fixture
def rows(stay: DataProduct) -> None:
    """Eight operations, predictions of all columns, and feedback; PostgreSQL sorts and scans only if it must."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE INDEX operations_by_time ON clinic_operation (done_at, id)")
    for n in range(8):
        operate(at=NOON + n * HOUR)
    requests = [question(stay, {"reference": f"form {n}"}, age=20 + n) for n in range(8)]
    for prediction in record(stay, version(stay), *requests):
        Feedback.objects.give(stay, About(prediction=prediction.pk), "True", "ann")
    Prediction.objects.update(confidence=0.5, value=1.5)
    with connection.cursor() as cursor:
        for kind in ("seqscan", "bitmapscan", "sort"):
            cursor.execute(f"SET LOCAL enable_{kind} = off")


def execute(schema: Schema, document: str) -> Any:
    with acting_as(ANN):
        result = schema.execute_sync(document, context_value=Context(ANN, None))  # type: ignore[arg-type]
    assert not result.errors, result.errors
    data: Any = result.data
    return data["stay"]["page"]["edges"]


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
@pytest.mark.parametrize(("field", "order", "table", "index", "place"), ORDERS)
def test_a_deep_page_begins_at_its_place_of_an_index(
    schema: Schema, rows: None, field: str, order: str, table: Any, index: str, place: str, direction: str
) -> None:
    argument = f", orderBy: {{field: {order}, direction: {direction}}}" if order else ""
    cursor = execute(schema, PAGE % (field, "null", argument))[-1]["cursor"]
    with CaptureQueriesContext(connection) as captured:
        assert len(execute(schema, PAGE % (field, f'"{cursor}"', argument))) == 3
    (page, *_) = [
        query["sql"]
        for query in captured
        if table._meta.db_table in query["sql"] and "ORDER BY" in query["sql"]
    ]
    with connection.cursor() as explained:
        explained.execute(f"EXPLAIN {page}")
        plan = "\n".join(line for (line,) in explained.fetchall())
    assert f"using {index}" in plan, plan
    condition = plan[plan.index("Index Cond") :].splitlines()[0]
    assert place in condition, plan
    assert "Sort Key" not in plan, plan
