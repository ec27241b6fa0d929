"""What to label next, over the API: of the product's own types, and in one form for all products."""

from typing import Any

import pytest

from learning.model import ClassAnswer
from schema.core.context import Context
from schema.core.ids import node_id
from schema.schema import schema
from store.access.acting import acting_as
from store.access.actors import Actor
from store.access.permissions import Grants, Permission
from store.models import LabelQueue, Prediction
from store.predictions import upsert
from store.predictions.upsert import PredictionBatch
from store.products import catalogue
from store.serving import label_ordering
from tests.store.conftest import operate, version
from tests.store.predictions.test_predictions import question

pytestmark = pytest.mark.django_db

ANN = Actor(author="ann", superuser=True)
COMMON = "position reason answer answerText runnerUpText confidence uncertainty reference model { number }"
OWN = f"""{{ stay {{ nextToLabel {{ totalCount pageInfo {{ hasNextPage }} nodes {{
    {COMMON} label product {{ name }} prediction {{ id label features {{ age }} }} entity {{ key features {{ age }} }}
    }} }} }} }}"""
GENERIC = f"""query($name: String!) {{ product(name: $name) {{ genericNextToLabel {{ totalCount nodes {{ {COMMON}
    ... on StayLabelCandidate {{ label }} prediction {{ answerText }} entity {{ key }} product {{ name }} }} }} }} }}"""


def execute(document: str, actor: Actor = ANN, **variables: Any) -> Any:
    context = Context(actor, None)  # type: ignore[arg-type]
    with acting_as(actor):
        return schema.execute_sync(document, variables, context_value=context)


@pytest.fixture
def waiting() -> Prediction:
    """A prediction about a reference, and a row that nobody has asked about."""
    product = catalogue.get("stay")
    operate(pk=7, age=33)
    answer = ClassAnswer("True", 0.625, (0.375, 0.625))
    batch = PredictionBatch(product, version(product), [question(product, {"reference": "form 7"})], [answer])
    [prediction] = upsert.store(batch)
    row = LabelQueue.objects.create(product="stay")
    label_ordering.update(row, product)
    return prediction


def test_what_to_label_next_says_why(waiting: Prediction) -> None:
    result = execute(OWN)
    assert not result.errors
    page = result.data["stay"]["nextToLabel"]
    assert (page["totalCount"], page["pageInfo"]) == (2, {"hasNextPage": False})
    by_prediction, by_row = sorted(page["nodes"], key=lambda node: node["prediction"] is None)
    assert by_prediction["reason"] == "Version 1 hesitates between yes (62 %) and no (38 %)."
    assert by_prediction["uncertainty"] == 0.75
    assert (by_prediction["label"], by_prediction["answerText"]) == ("YES", "yes")
    assert (by_prediction["runnerUpText"], by_prediction["reference"]) == ("no", "form 7")
    assert by_prediction["prediction"] == {
        "id": node_id(waiting), "label": "YES", "features": {"age": 61}
    }  # fmt: skip
    assert by_prediction["entity"] is None
    assert by_row["reason"] == "No version serves yet; it differs from those before it."
    assert by_row["entity"] == {"key": "7", "features": {"age": 33}}
    assert by_row["label"] is by_row["model"] is by_row["uncertainty"] is None


def test_the_form_for_all_products_says_the_same(waiting: Prediction) -> None:
    own, generic = execute(OWN), execute(GENERIC, name="stay")
    assert not generic.errors
    nodes = generic.data["product"]["genericNextToLabel"]["nodes"]
    for node, typed in zip(nodes, own.data["stay"]["nextToLabel"]["nodes"], strict=True):
        assert {name: node[name] for name in node if name not in ("prediction", "entity")} == {
            name: typed[name] for name in typed if name not in ("prediction", "entity")
        }
    assert {node["prediction"]["answerText"] for node in nodes if node["prediction"]} == {"yes"}
    wine = execute(GENERIC, name="wine")
    assert wine.data["product"]["genericNextToLabel"] == {"totalCount": 0, "nodes": []}
    assert "nextToLabel" not in schema._schema.type_map["WineProduct"].fields  # type: ignore[attr-defined]


@pytest.mark.parametrize("permission", [Permission.FEEDBACK, Permission.PREDICT])
def test_it_takes_the_permission_to_view(waiting: Prediction, permission: Permission, settings: Any) -> None:
    settings.EXEMPLAR_OPEN = False
    actor = Actor(author="bob", name="bob", grants=Grants(frozenset({permission})))
    result = execute(OWN, actor)
    assert [error.extensions["code"] for error in result.errors] == ["FORBIDDEN"]
    assert result.data["stay"]["nextToLabel"] is None


def test_the_label_that_follows_takes_it_out(waiting: Prediction) -> None:
    give = f"""mutation {{ stayFeedback(input: {{about: {{prediction: "{node_id(waiting)}"}}, label: NO}}) {{
        created }} }}"""
    assert not execute(give).errors
    nodes = execute(OWN).data["stay"]["nextToLabel"]["nodes"]
    assert [node["entity"]["key"] for node in nodes] == ["7"]
