"""Numbers for charts, as clients ask for them: of one product, and of whichever product."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from store.access.actors import Actor
from store.access.permissions import Grants, Permission
from store.models import Prediction
from store.products import DataProduct, catalogue
from store.snapshots.snapshots import Snapshot

from ...store.charts.test_charts import predicted
from ...store.conftest import tables, version
from .test_forms import ANALYSIS, Ask, ask, operations, product_of, serve

__all__ = ["ask", "tables"]

AT = datetime(2025, 5, 5, 23, tzinfo=UTC)


@pytest.fixture
def product(monkeypatch: pytest.MonkeyPatch) -> DataProduct:
    product = product_of()
    monkeypatch.setitem(catalogue._products, product.name, product)
    return product


def data_of(result: Any, field: str) -> Any:
    assert result.errors is None, result.errors
    return result.data[field]


@pytest.mark.django_db
def test_counts_are_typed_by_the_product_and_filtered_as_the_list_is(ask: Ask, product: DataProduct) -> None:
    model = version(product)
    Prediction.objects.bulk_create([predicted(model, AT, answer) for answer in ("True", "True", "False")])
    query = """{ formed { predictionCounts(by: [DAY, LABEL, MODEL, TRUTH], timeZone: "Europe/Berlin"%s) {
        count start label truth answer truthText model { number } } } }"""
    day = {"start": "2025-05-05T22:00:00+00:00", "truth": None, "truthText": None, "model": {"number": 1}}
    no, yes = {"count": 1, "label": "NO", "answer": "False"}, {"count": 2, "label": "YES", "answer": "True"}
    assert data_of(ask(product, query % ""), "formed")["predictionCounts"] == [no | day, yes | day]
    filtered = ", filter: {label: {eq: YES}}"
    assert data_of(ask(product, query % filtered), "formed")["predictionCounts"] == [yes | day]
    with CaptureQueriesContext(connection) as captured:
        ask(product, query % filtered)
    assert len(captured) <= 2  # the counts, and the versions


@pytest.mark.django_db
def test_counts_of_whichever_product_have_answers_as_text(ask: Ask, product: DataProduct) -> None:
    Prediction.objects.bulk_create([predicted(version(product), AT)])
    query = """{ product(name: "formed") {
        predictionCounts(by: [LABEL, WEEK], since: "2025-05-05T00:00:00Z") { count answer start }
        feedbackCounts(by: [LABEL]) { count answer }
        buildCounts(by: [STATUS]) { count status start } } }"""
    assert data_of(ask(product, query), "product") == {
        "predictionCounts": [{"count": 1, "answer": "True", "start": "2025-05-05T00:00:00+00:00"}],
        "feedbackCounts": [],
        "buildCounts": [{"count": 1, "status": "SUCCEEDED", "start": None}],
    }


@pytest.mark.engine
def test_a_histogram_has_numbers_values_and_what_is_missing(
    tables: None, ask: Ask, product: DataProduct
) -> None:
    operations()
    serve(product, Snapshot.objects.take(product), ANALYSIS)
    query = """{ formed { featureHistogram(feature: "%s", of: [SNAPSHOT, ENTITIES], bins: 2) {
        feature { name } bins { bin { kind low high value title } snapshot predictions entities } } } }"""
    ages = data_of(ask(product, query % "age"), "formed")["featureHistogram"]
    assert ages["feature"] == {"name": "age"}
    assert ages["bins"][1] == {
        "bin": {"kind": "WITHIN", "low": 21.0, "high": 51.0, "value": None, "title": None},
        "snapshot": 3,
        "predictions": None,
        "entities": 3,
    }
    assert [each["snapshot"] for each in ages["bins"]] == [0, 3, 7, 1, 0]
    urgency = data_of(ask(product, query % "urgency"), "formed")["featureHistogram"]["bins"]
    values = [(each["bin"]["kind"], each["bin"]["value"], each["bin"]["title"]) for each in urgency]
    assert values == [
        ("VALUE", "PLANNED", "Planned"), ("VALUE", "URGENT", "at once"), ("OTHER", None, None), ("MISSING", None, None)
    ]  # fmt: skip
    smokes = data_of(ask(product, query % "smokes"), "formed")["featureHistogram"]["bins"]
    assert [(each["bin"]["value"], each["bin"]["title"]) for each in smokes[:2]] == [
        (False, "no"),
        (True, "yes"),
    ]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("field", "code", "argument"),
    [
        ("predictionCounts(by: [])", "BAD_INPUT", ["by"]),
        ('predictionCounts(by: [DAY], timeZone: "Mars")', "BAD_INPUT", ["timeZone"]),
        ('predictionCounts(by: [FEATURE], feature: "ages")', "BAD_INPUT", ["feature"]),
        ("predictionCounts(by: [FEATURE])", "BAD_INPUT", ["feature"]),
        ('predictionCounts(by: [FEATURE], feature: "age", bins: 0)', "OUT_OF_RANGE", ["bins"]),
        ("feedbackCounts(by: [DAY, HOUR])", "BAD_INPUT", ["by"]),
        ("buildCounts(by: [STATUS, STATUS])", "BAD_INPUT", ["by"]),
    ],
)
def test_what_cannot_be_counted_is_an_error_of_its_argument(
    ask: Ask, product: DataProduct, field: str, code: str, argument: list[str]
) -> None:
    result = ask(product, f"{{ formed {{ {field} {{ count }} }} }}")
    [error] = result.errors
    assert (error.extensions["code"], error.extensions["argument"]) == (code, argument)


@override_settings(EXEMPLAR_OPEN=False)
@pytest.mark.django_db
def test_counts_need_the_permission_to_view(ask: Ask, product: DataProduct) -> None:
    predicts = Actor(author="x", name="x", grants=Grants(frozenset({Permission.PREDICT})))
    query = """{ formed { predictionCounts(by: [DAY]) { count } feedbackCounts(by: [DAY]) { count }
        buildCounts(by: [DAY]) { count } featureHistogram(feature: "age", of: [ENTITIES]) { bins { entities } } } }"""
    result = ask(product, query, predicts)
    assert set(result.data["formed"].values()) == {None}
    assert {error.extensions["code"] for error in result.errors} == {"FORBIDDEN"} and len(result.errors) == 4
