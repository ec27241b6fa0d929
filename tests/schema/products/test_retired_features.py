"""Retired features: every way to give features takes and ignores them; older predictions have their values."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import models as fields
from django.db.models import F

from schema import graphiql_queries
from schema.compiled.input_coercion import InputReader, NotEligible
from schema.composition import compose
from schema.core.context import Context
from schema.schema import schema
from store import models
from store.access.actors import Actor
from store.products import catalogue, checks
from store.registry import retired_features
from store.registry.retired_features import RetiredFeature
from store.runtime import maintenance
from store.serving import champions as serving
from tests.schema.compiled.oracle import Oracle
from tests.store.conftest import declared, operate, version

pytestmark = pytest.mark.django_db

NOW = {"age": 61, "urgency": "PLANNED", "costPerYear": "1.5", "visits": 2, "labs": 0}
FORMER = {"weight": 70.5, "shift": "NIGHT", "admitted": "2024-02-29"}


@pytest.fixture(autouse=True)
def uses() -> Iterator[set[tuple[str, str]]]:
    """The uses that were noted in the test."""
    retired_features._used.clear()
    yield retired_features._used
    retired_features._used.clear()


@pytest.fixture
def champion(monkeypatch: pytest.MonkeyPatch) -> None:
    relapse = catalogue.get("relapse")
    model = Oracle(signature=relapse.signature, family="x", hyperparameters={}, estimator=None)
    monkeypatch.setitem(serving._promoted, "relapse", serving.Champion(relapse, version(relapse), model))


def ask(query: str, **variables: Any) -> Any:
    context = Context(Actor(author="tests", superuser=True), None)  # type: ignore[arg-type]
    result = schema.execute_sync(query, variables, context_value=context)
    assert result.errors is None, result.errors
    return result.data


def test_a_retired_feature_is_an_optional_input_with_the_reason_of_its_deprecation() -> None:
    types = schema._schema.type_map
    for name in ("RelapseFeatures", "RelapseFeaturesPatch"):
        field = types[name].fields["weight"]  # type: ignore[attr-defined]
        assert str(field.type) == "Float" and field.description == "Weight in kg."
        assert (
            field.deprecation_reason == "It is no feature any more: what is given is ignored, never stored."
        )
    output = types["RelapseInstance"].fields["weight"]  # type: ignore[attr-defined]
    assert output.deprecation_reason == "It is no feature any more: only older predictions have it."
    assert list(types["RelapseShift"].values) == ["DAY", "NIGHT"]  # type: ignore[attr-defined]


def test_a_retired_feature_stands_in_no_form() -> None:
    listed = ask("{ relapse { features { name } } }")["relapse"]["features"]
    assert FORMER.keys().isdisjoint(each["name"] for each in listed)
    columns = graphiql_queries.template_names("relapse")["columns"].split()
    assert FORMER.keys().isdisjoint(columns) and NOW.keys() <= set(columns)


@pytest.mark.parametrize("former", [FORMER, dict.fromkeys(FORMER), {"weight": 1}])
def test_the_standard_path_ignores_what_is_given(
    champion: None, former: dict[str, Any], uses: set[tuple[str, str]]
) -> None:
    query = """query($new: RelapseFeatures!, $old: RelapseFeatures!) { relapse {
        predict(features: $new) { id } predictMany(rows: [{features: $old}, {features: $new}]) { id timesAsked }
    } }"""
    data = ask(query, new=NOW, old=NOW | former)["relapse"]
    assert {each["id"] for each in data["predictMany"]} == {data["predict"]["id"]}
    assert FORMER.keys().isdisjoint(models.Prediction.objects.get().features)
    assert uses == {("relapse", name) for name in former}


@pytest.mark.parametrize("former", [FORMER, dict.fromkeys(FORMER), {"shift": "DAY"}])
def test_the_fast_path_ignores_what_is_given(former: dict[str, Any], uses: set[tuple[str, str]]) -> None:
    reader = InputReader(schema._schema, catalogue.get("relapse"))
    assert reader.instance(NOW | former) == reader.instance(NOW)
    assert uses == {("relapse", name) for name in former}


@pytest.mark.parametrize("wrong", [{"weight": "heavy"}, {"shift": "NOON"}, {"admitted": 5}, {"nothing": 1}])
def test_the_fast_path_leaves_what_is_wrong_to_the_standard_path(wrong: dict[str, Any]) -> None:
    reader = InputReader(schema._schema, catalogue.get("relapse"))
    with pytest.raises(NotEligible):
        reader.instance(NOW | wrong)


#: Conditions on retired features, and whether an older prediction and a row of the tables meet them.
CONDITIONS = {
    "{ weight: { gte: 70 } }": (True, False),
    "{ weight: { lt: 70 } }": (False, False),
    "{ shift: { in: [NIGHT] } }": (True, False),
    '{ admitted: { gt: "2024-01-01" } }': (True, False),
    "{ weight: { isNull: true } }": (False, True),
    "{ weight: { isNull: false } }": (True, False),
}


@pytest.mark.parametrize("condition", CONDITIONS)
def test_older_predictions_are_filtered_by_it_and_no_row_has_it(
    champion: None, uses: set[tuple[str, str]], condition: str
) -> None:
    operate()
    ask("query($new: RelapseFeatures!) { relapse { predict(features: $new) { id } } }", new=NOW)
    stored = models.Prediction.objects.get()
    stored.features |= {"weight": 70.5, "shift": "night", "admitted": "2024-02-29"}
    stored.save(update_fields=["features"])
    counts = f"""{{ relapse {{ predictions(filter: {{ features: {condition} }}) {{ totalCount }}
        entities(filter: {{ features: {condition} }}) {{ totalCount }} }} }}"""
    data = ask(counts)["relapse"]
    met = tuple(bool(data[name]["totalCount"]) for name in ("predictions", "entities"))
    assert met == CONDITIONS[condition]
    assert len(uses) == 1


def test_older_predictions_have_the_value_and_reading_it_is_a_use(
    champion: None, uses: set[tuple[str, str]]
) -> None:
    query = "query($new: RelapseFeatures!) { relapse { predict(features: $new) { id } } }"
    ask(query, new=NOW)
    stored = models.Prediction.objects.get()
    stored.features |= {"weight": 70.5, "shift": "night", "admitted": "2024-02-29"}
    stored.save(update_fields=["features"])
    listing = "{ relapse { predictions { edges { node { features { age %s } } } } } }"
    [edge] = ask(listing % " ".join(FORMER))["relapse"]["predictions"]["edges"]
    assert edge["node"]["features"] == {"age": 61, **FORMER}
    assert uses == {("relapse", name) for name in FORMER}


def test_rows_are_written_without_what_is_given(uses: set[tuple[str, str]]) -> None:
    product = declared(
        {"age": "anamnesis__age"}, name="stay", at="done_at", retired_features={"cost": fields.FloatField()}
    )
    operate(pk=5, age=61, cost=7)
    context = Context(Actor(author="tests", superuser=True), None)  # type: ignore[arg-type]
    mutation = 'mutation { stayPatch(input: {entity: "5", features: {age: 62, cost: 9}}) { changed } }'
    result = compose([product]).execute_sync(mutation, context_value=context)
    assert result.errors is None and result.data == {"stayPatch": {"changed": ["age"]}}
    assert uses == {("stay", "cost")}


def test_a_feature_that_was_computed_is_retired_where_it_was_shown() -> None:
    product = declared(
        {"age": "anamnesis__age"}, name="stay", retired_features={"double": F("anamnesis__age") * 2}
    )
    types = compose([product])._schema.type_map
    assert "double" not in types["StayFeatures"].fields  # type: ignore[attr-defined]
    assert types["StayInstance"].fields["double"].deprecation_reason  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("retired", "sentence"),
    [
        ({"age": fields.FloatField()}, "age is both a feature and retired"),
        (
            {"gone": "anamnesis__gone"},
            "Where its column is gone, write a Django field, as models.FloatField().",
        ),
        ({"data": fields.BinaryField()}, "data is a BinaryField, which was never a feature"),
        (["cost"], "retired_features is no mapping"),
        ({"x": fields.CharField(choices=[("e\u0301", "E")])}, "x has the choice"),
    ],
)
def test_a_declaration_that_cannot_hold_is_refused_with_what_to_write(retired: Any, sentence: str) -> None:
    [problem] = checks.find_problems(declared({"age": "anamnesis__age"}, retired_features=retired))
    assert sentence in problem


def test_uses_are_written_once_a_minute_and_told_by_check(capsys: pytest.CaptureFixture[str]) -> None:
    RetiredFeature.objects.record(catalogue.products())
    call_command("schema", "--check")
    assert (
        "relapse.weight is retired, and no client has used it since it was retired" in capsys.readouterr().out
    )
    for _ in range(2):
        retired_features.note_use("relapse", "weight")
        maintenance.tick()
        [row] = RetiredFeature.objects.filter(last_used_at__isnull=False)
    first = row.last_used_at
    assert (row.product, row.name) == ("relapse", "weight")
    retired_features.note_use("relapse", "weight")
    RetiredFeature.objects.write_uses()
    row.refresh_from_db()
    assert row.last_used_at == first
    call_command("schema", "--check")
    assert "relapse.weight is retired, and a client last used it on" in capsys.readouterr().out


def test_a_feature_that_is_declared_again_starts_anew() -> None:
    RetiredFeature.objects.record([declared({"age": "anamnesis__age"}, retired_features={"cost": "cost"})])
    assert RetiredFeature.objects.count() == 1
    RetiredFeature.objects.record([declared({"age": "anamnesis__age", "cost": "cost"})])
    assert RetiredFeature.objects.count() == 0
