"""A time of day through the API: written, predicted from, answered, described, and refused."""

from typing import Any

import pytest
from graphql import GraphQLSchema

from schema.composition import compose
from schema.core.context import Context
from schema.schema import schema
from store import models
from store.access.actors import Actor
from store.products import catalogue
from tests.clinic.models import Anamnesis

from ...store.conftest import version

pytestmark = pytest.mark.django_db

FEATURES = {"age": 61, "note": "", "urgency": "PLANNED", "cost": 10}
CREATE = """mutation($row: StayCreateInput!) { stayCreate(input: $row) {
    entity { key features { woken } } changed } }"""
PREDICT = "query($features: StayFeatures!) { stay { predict(features: $features) { features { woken } } } }"


def ask(query: str, **variables: Any) -> Any:
    context = Context(Actor(author="tests", superuser=True), None)  # type: ignore[arg-type]
    return schema.execute_sync(query, variables, context_value=context)


def test_a_row_with_a_time_of_day_is_written_and_read() -> None:
    row = {"key": "7", "features": FEATURES | {"woken": "6:30"}, "at": "2024-05-17T12:00:00Z"}
    result = ask(CREATE, row=row)
    assert result.errors is None, result.errors
    assert result.data["stayCreate"]["entity"]["features"] == {"woken": "06:30:00"}
    assert str(Anamnesis.objects.get().woken) == "06:30:00"


@pytest.mark.parametrize("woken", ["24:00", "06:30Z", "06:30:00+02:00", "0630", "6", 630, "06:60"])
def test_an_invalid_time_of_day_is_refused(woken: Any) -> None:
    result = ask(PREDICT, features=FEATURES | {"woken": woken})
    [error] = result.errors
    assert "must be a time of day without an offset" in error.message


def test_the_feature_is_described_for_its_form_field() -> None:
    result = ask("{ stay { features { name kind } } }")
    assert {"name": "woken", "kind": "TIME"} in result.data["stay"]["features"]


def test_only_a_schema_with_such_a_feature_knows_times_of_day() -> None:
    with_, without = (types_of("stay", "tumor"), types_of("tumor"))
    assert "Time" in with_.type_map and "TIME" in with_.type_map["FeatureKind"].values  # type: ignore[attr-defined]
    assert "Time" not in without.type_map
    assert list(without.type_map["FeatureKind"].values) == [  # type: ignore[attr-defined]
        "NUMBER",
        "INTEGER",
        "BOOLEAN",
        "CATEGORY",
        "ORDINAL",
        "DATE",
        "DATETIME",
        "TEXT",
        "OPEN_CATEGORY",
    ]


def types_of(*names: str) -> GraphQLSchema:
    return compose([catalogue.get(name) for name in names])._schema


def test_a_stored_prediction_answers_the_time_that_it_was_made_from() -> None:
    stay = catalogue.get("stay")
    instance = stay.clean({"age": 61, "note": "", "urgency": "planned", "cost": 10, "woken": None})
    assert stay.restore_instance({"woken": "23:59:59.500000"})["woken"].microsecond == 500_000
    assert stay.restore_instance({"woken": "half past six"})["woken"] is None
    assert version(stay).signature["columns"][-1]["kind"] == "TIME"
    assert models.Prediction.objects.count() == 0 and instance[-1] is None
