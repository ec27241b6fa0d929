"""Answers in one form for all products: probabilities, what would be, what if, other predictions, wrong ones."""

from typing import Any

import pytest

from schema.composition import compose
from schema.core.context import Context
from schema.core.ids import encode, node_id
from schema.execution.execution import Schema
from store.access.acting import acting_as
from store.access.actors import Actor
from store.models import Feedback, ModelVersion, Prediction
from store.predictions.feedback import About
from store.products import catalogue
from store.products.product import DataProduct
from store.serving import loaded_versions, would_be

from ...store.comparisons.test_comparisons import ask, by_age
from ...store.conftest import version

pytestmark = pytest.mark.django_db(transaction=True)

ANN = Actor(author="ann", name="ann", superuser=True)
ASK = """query($id: ID!, $model: ID, $feature: String!, $values: [JSON!]!) { node(id: $id) { ... on Prediction {
    answerProbabilities { answer answerText probability } answerInterval { low } clusterDistances { distance }
    genericWouldBe(model: $model) { model { number } answerText confidence value }
    genericOthers { totalCount nodes { model { number } } }
    whatIf(feature: $feature, values: $values) { answer answerText model { number }
        answerProbabilities { answer probability } } } } }"""


@pytest.fixture(scope="module")
def schema() -> Schema:
    return compose([catalogue.get("stay"), catalogue.get("relapse")])


@pytest.fixture
def stay() -> DataProduct:
    return catalogue.get("stay")


@pytest.fixture
def versions(stay: DataProduct, monkeypatch: pytest.MonkeyPatch) -> list[ModelVersion]:
    monkeypatch.setattr(would_be, "loaded", loaded_versions.LoadedVersions())
    return [version(stay, by_age(stay, 50.5)), version(stay, by_age(stay, 60.5, cost=1))]


def execute(schema: Schema, query: str, **variables: Any) -> Any:
    with acting_as(ANN):
        return schema.execute_sync(query, variables, context_value=Context(ANN, None))  # type: ignore[arg-type]


def look_up(schema: Schema, prediction: Prediction, **variables: Any) -> Any:
    """The data of ASK, and of each error its code and path."""
    given = {"id": node_id(prediction), "feature": "age", "values": [20, 80]} | variables
    result = execute(schema, ASK, **given)
    errors = [(error.extensions["code"], error.extensions.get("argument")) for error in result.errors or ()]
    return (result.data or {}).get("node"), errors


def test_one_feature_moves_the_answer_of_the_same_version(schema, stay, versions):
    [first] = ask(stay, versions[0], ["form"])
    ask(stay, versions[1], ["form"])
    node, errors = look_up(schema, first, model=encode("ModelVersion", str(versions[1].pk)))
    assert not errors
    assert [(one["answer"], one["answerText"], one["model"]) for one in node["whatIf"]] == [
        ("False", "no", {"number": versions[0].number}),
        ("True", "yes", {"number": versions[0].number}),
    ]
    low, high = (one["answerProbabilities"][1]["probability"] for one in node["whatIf"])
    assert low < 0.1 and high > 0.9
    assert {one["answerText"] for one in node["answerProbabilities"]} == {"no", "yes"}
    assert (node["answerInterval"], node["clusterDistances"]) == (None, None)
    assert node["genericWouldBe"]["model"] == {"number": versions[1].number}
    assert node["genericOthers"] == {"totalCount": 1, "nodes": [{"model": {"number": versions[1].number}}]}
    assert Prediction.objects.count() == 2


@pytest.mark.parametrize(
    ("variables", "error"),
    [
        ({"feature": "shoeSize"}, ("BAD_INPUT", ["feature"])),
        ({"values": ["old"]}, ("BAD_INPUT", ["values", "0"])),
        ({"values": [20, -1e9]}, ("OUT_OF_RANGE", ["values", "1"])),
        ({"values": [20] * (would_be.MOST_VALUES + 1)}, ("OUT_OF_RANGE", ["values"])),
    ],
)
def test_what_cannot_be_tried_is_refused_with_its_path(schema, stay, versions, variables, error):
    [stored] = ask(stay, versions[0], ["form"])
    _, errors = look_up(schema, stored, model=encode("ModelVersion", str(versions[0].pk)), **variables)
    assert errors == [error]


def test_wrong_ones_are_those_that_feedback_contradicts(schema, stay, versions):
    rows = ask(stay, versions[0], ["right", "wrong", "nobody"])
    told = rows[0].answer
    other = {"True": "False", "False": "True"}[told]
    Feedback.objects.give(stay, About(reference="right"), told, "ann")
    Feedback.objects.give(stay, About(reference="wrong"), other, "ann")
    query = """query($wrong: Boolean) { product(name: "stay") { genericPredictions(filter: {wrong: $wrong}) {
        nodes { reference } } genericPredictionCounts(by: [LABEL, TRUTH], filter: {wrong: $wrong}) {
        answer truthText count } } stay { predictions(filter: {wrong: $wrong}) { totalCount } } }"""
    for wrong, reference, truth in ((True, "wrong", other), (False, "right", told)):
        result = execute(schema, query, wrong=wrong)
        assert not result.errors
        assert result.data["product"] == {
            "genericPredictions": {"nodes": [{"reference": reference}]},
            "genericPredictionCounts": [{"answer": told, "truthText": truth, "count": 1}],
        }
        assert result.data["stay"]["predictions"]["totalCount"] == 1


def test_feedback_on_any_product_is_retracted(schema, stay, versions):
    ask(stay, versions[0], ["form"])
    feedback = Feedback.objects.give(stay, About(reference="form"), "True", "ann").feedback
    query = """mutation($input: FeedbackRetractInput!) { feedbackRetract(input: $input) {
        feedback { status } product { name } } }"""
    result = execute(schema, query, input={"product": "stay", "feedback": node_id(feedback)})
    assert not result.errors
    assert result.data["feedbackRetract"] == {
        "feedback": {"status": "RETRACTED"},
        "product": {"name": "stay"},
    }
    [error] = execute(schema, query, input={"product": "relapse", "feedback": node_id(feedback)}).errors
    assert (error.extensions["code"], error.extensions["argument"]) == (
        "WRONG_KIND_OF_ID",
        ["input", "feedback"],
    )
