"""Computed features through the API: no inputs, described, shown as served, and the same by every way of predicting."""

from typing import Any

import pytest
from django.db.models import F
from django.db.models.functions import Lower

from schema import graphiql_queries
from schema.compiled.input_coercion import InputReader, NotEligible
from schema.composition import compose
from schema.core.context import Context
from schema.schema import schema
from store import models
from store.access.actors import Actor
from store.products import catalogue
from store.serving import champions as serving
from tests.schema.compiled.oracle import Oracle

from ...store.conftest import declared, operate, version

pytestmark = pytest.mark.django_db

FEATURES = {"age": 61, "smokes": True, "born": "1960-02-29", "note": "", "urgency": "PLANNED", "cost": 10}
SHOWN = "features { costPerYear perYearOver40 risk story yearBorn }"
COMPUTED = {
    "costPerYear": "0.16393442622950819672",
    "perYearOver40": "0.47619047619047619048",
    "risk": 2.5,
    "story": "planned: ",
    "yearBorn": 1960,
}


@pytest.fixture
def champion(monkeypatch: pytest.MonkeyPatch) -> None:
    bill = catalogue.get("bill")
    model = Oracle(signature=bill.signature, family="x", hyperparameters={}, estimator=None)
    monkeypatch.setitem(serving._promoted, "bill", serving.Champion(bill, version(bill), model))


def ask(query: str, **variables: Any) -> Any:
    context = Context(Actor(author="tests", superuser=True), None)  # type: ignore[arg-type]
    return schema.execute_sync(query, variables, context_value=context)


def test_a_computed_feature_is_no_input() -> None:
    types = schema._schema.type_map
    computed = {"costPerYear", "perYearOver40", "risk", "story", "yearBorn"}
    for name in ("BillFeatures", "BillFeaturesPatch"):
        assert computed.isdisjoint(types[name].fields)  # type: ignore[attr-defined]
    assert computed <= set(types["BillInstance"].fields)  # type: ignore[attr-defined]
    assert types["BillFeatures"].description.endswith(
        "Computed from them: `costPerYear`, `perYearOver40`, `risk`, `story`, `yearBorn`."
    )
    assert types["BillInstance"].fields["risk"].description.endswith("Computed from `age`, `smokes`.")  # type: ignore[attr-defined]


def test_the_list_of_features_says_what_is_computed_and_from_what() -> None:
    features = ask("{ bill { features { name required computedFrom } } }").data["bill"]["features"]
    by_name = {feature["name"]: (feature["required"], feature["computedFrom"]) for feature in features}
    assert by_name["risk"] == (False, ["age", "smokes"])
    assert (by_name["age"], by_name["smokes"]) == ((True, None), (False, None))


def test_every_way_of_predicting_computes_the_same(champion: None) -> None:
    operation = operate(pk=5, age=61, smokes=True, born="1960-02-29", cost=10)
    result = ask(
        """query($features: BillFeatures!, $rows: [BillPredictInput!]!) { bill {
        predict(features: $features, entity: "5") { id %s }
        predictMany(rows: $rows) { id %s }
        predictFor(entity: "5") { id %s } entity(key: "5") { %s } } }""".replace("%s", SHOWN),
        features=FEATURES,
        rows=[{"features": FEATURES, "entity": "5"}],
    )
    assert result.errors is None, result.errors
    bill = result.data["bill"]
    assert bill["predict"] == bill["predictFor"] == bill["predictMany"][0]
    assert bill["predict"]["features"] == bill["entity"]["features"] == COMPUTED
    stored = models.Prediction.objects.get()
    assert stored.entity == str(operation.pk) and stored.features["story"] == "planned: "


def test_a_computed_feature_that_is_sent_is_refused_by_its_name(champion: None) -> None:
    result = ask(
        "query($features: BillFeatures!) { bill { predict(features: $features) { id } } }",
        features=FEATURES | {"risk": 1.0},
    )
    [error] = result.errors
    assert error.message == "`features` has no field 'risk'."


def test_what_cannot_be_computed_is_an_error_with_a_code_and_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    product = declared(
        {"cost": "cost", "age": "anamnesis__age", "ratio": F("cost") / (F("anamnesis__age") - 40)}
    )
    model = Oracle(signature=product.signature, family="x", hyperparameters={}, estimator=None)
    monkeypatch.setitem(serving._promoted, "declared", serving.Champion(product, version(product), model))
    query = "{ declared { predictMany(rows: [%s]) { features { ratio } } } }"
    rows = ", ".join(f"{{features: {{age: {age}, cost: 1}}}}" for age in (40, 42))
    context = Context(Actor(author="tests", superuser=True), None)  # type: ignore[arg-type]
    result = compose([product]).execute_sync(query % rows, context_value=context)
    first, second = result.data["declared"]["predictMany"]
    assert first is None and float(second["features"]["ratio"]) == 0.5
    [error] = result.errors
    assert error.extensions["code"] == "BAD_INPUT"
    assert error.extensions["argument"] == ["rows", "0", "features"]
    assert error.message == "Ratio cannot be computed from Age and Cost: division by zero."


def test_a_required_expression_that_is_left_out_leaves_the_fast_path() -> None:
    product = declared({"urgency": "urgency", "word": Lower("urgency")})
    reader = InputReader(compose([product])._schema, product)
    assert reader.instance({"urgency": "PLANNED", "word": None}) == ["planned", None]
    with pytest.raises(NotEligible):
        reader.instance({"urgency": "PLANNED"})


def test_graphiql_sends_inputs_alone() -> None:
    operate(age=61, smokes=True, born="1960-02-29", cost=10)
    tabs = graphiql_queries.tabs("bill", Actor(author="tests", superuser=True))
    [predict] = [tab for tab in tabs if "query BillPredict" in tab["query"]]
    assert '"age": 61' in predict["variables"] and "risk" not in predict["variables"]
