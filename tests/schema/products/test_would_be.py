"""What another version would have said of stored predictions: computed for a page at once, and stored nowhere."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from schema.composition import compose
from schema.core.context import Context
from schema.core.ids import encode
from schema.execution.execution import Schema
from store.access.acting import acting_as
from store.access.actors import Actor
from store.comparisons import runner
from store.models import Comparison, Feedback, ModelVersion, Prediction, Promotion
from store.predictions.feedback import About
from store.products import catalogue
from store.products.product import DataProduct
from store.serving import champions, loaded_versions, would_be

from ...store.comparisons.test_comparisons import ask, by_age
from ...store.conftest import version

pytestmark = pytest.mark.django_db(transaction=True)

ANN = Actor(author="ann", name="ann", superuser=True)
VERSION = "model { number } label confidence probabilities { label probability } answer answerText"
PAGE = f"""query($model: ID) {{ stay {{ predictions(first: 1000) {{ nodes {{
    reference label wouldBe(model: $model) {{ {VERSION} }} }} }} }} }}"""


@pytest.fixture(scope="module")
def schema() -> Schema:
    return compose([catalogue.get("stay"), catalogue.get("relapse")])


@pytest.fixture
def stay() -> DataProduct:
    return catalogue.get("stay")


@pytest.fixture
def relapse() -> DataProduct:
    return catalogue.get("relapse")


@pytest.fixture
def versions(stay: DataProduct, monkeypatch: pytest.MonkeyPatch) -> list[ModelVersion]:
    monkeypatch.setattr(champions, "_promoted", {})
    monkeypatch.setattr(would_be, "loaded", loaded_versions.LoadedVersions())
    return [version(stay, by_age(stay, 50.5)), version(stay, by_age(stay, 60.5, cost=1))]


def execute(schema: Schema, query: str, **variables: Any) -> Any:
    with acting_as(ANN):
        return schema.execute_sync(query, variables, context_value=Context(ANN, None))  # type: ignore[arg-type]


def data(schema: Schema, query: str, **variables: Any) -> Any:
    result = execute(schema, query, **variables)
    assert not result.errors, result.errors
    return result.data


def id_of(version: ModelVersion) -> str:
    return encode("ModelVersion", str(version.pk))


def test_each_prediction_has_the_other_versions_answer(schema, stay, versions):
    ask(stay, versions[0], [f"form {n}" for n in range(60)])
    nodes = data(schema, PAGE, model=id_of(versions[1]))["stay"]["predictions"]["nodes"]
    model = versions[1].load(stay)
    stored = {row.reference: stay.restore_instance(row.features) for row in Prediction.objects.all()}
    assert len(nodes) == 60
    for node in nodes:
        instance = stored[node["reference"]]
        [answer] = model.predict([[instance[name] for name in stay.feature_names]])
        other = node["wouldBe"]
        assert (
            other["label"] == {"True": "YES", "False": "NO"}[answer.label] and other["answer"] == answer.label
        )
        assert other["confidence"] == pytest.approx(answer.confidence)
        assert [one["probability"] for one in other["probabilities"]] == pytest.approx(answer.probabilities)
        assert other["model"] == {"number": versions[1].number}
    assert {node["wouldBe"]["label"] for node in nodes} == {"YES", "NO"}
    assert Prediction.objects.count() == 60


def test_a_page_takes_one_load_and_one_call_of_the_model(schema, stay, versions, monkeypatch):
    loads, calls = [], []
    load = ModelVersion.load
    monkeypatch.setattr(
        ModelVersion, "load", lambda self, *a, **k: loads.append(self.pk) or load(self, *a, **k)
    )
    predict = would_be.predict_each
    monkeypatch.setattr(
        would_be, "predict_each", lambda model, rows, *a: calls.append(len(rows)) or predict(model, rows, *a)
    )
    counts = []
    for n in (2, 100):
        ask(stay, versions[0], [f"form {number}" for number in range(n)])
        data(schema, PAGE, model=id_of(versions[1]))
        with CaptureQueriesContext(
            connection,
        ) as queries:
            data(schema, PAGE, model=id_of(versions[1]))
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert loads == [versions[1].pk]
    assert calls == [2, 2, 100, 100]
    without = PAGE.replace(f"wouldBe(model: $model) {{ {VERSION} }}", "").replace(
        "query($model: ID)", "query"
    )
    data(schema, without)
    assert len(calls) == 4


def test_the_champion_answers_where_no_version_is_named(schema, stay, versions):
    ask(stay, versions[0], ["form"])
    [error] = execute(schema, PAGE).errors
    assert error.extensions["code"] == "NO_CHAMPION"
    Promotion.objects.promote(versions[1], "Better.", "ann")
    champions.refresh()
    [node] = data(schema, PAGE)["stay"]["predictions"]["nodes"]
    assert node["wouldBe"]["model"] == {"number": versions[1].number}
    both = """{ stay { predictions { nodes { a: wouldBe(model: "%s") { model { number } }
        b: wouldBe(model: "%s") { model { number } } } } } }"""
    [node] = data(schema, both % tuple(map(id_of, versions)))["stay"]["predictions"]["nodes"]
    assert [node[name]["model"]["number"] for name in "ab"] == [version.number for version in versions]


def test_what_cannot_answer_is_refused_with_its_code(schema, stay, relapse, versions):
    ask(stay, versions[0], ["form"])
    stay_id = id_of(versions[1])
    for model, code in (
        (id_of(version(relapse)), "FOREIGN_MODEL"),
        (encode("ModelVersion", "999999999"), "UNKNOWN_ID"),
        ("nonsense", "UNKNOWN_ID"),
        ("", "UNKNOWN_ID"),
        (encode("Build", "1"), "WRONG_KIND_OF_ID"),
    ):
        [error] = execute(schema, PAGE, model=model).errors
        assert (error.extensions["code"], error.extensions["argument"]) == (code, ["model"]), model
    ModelVersion.objects.filter(pk=versions[1].pk).update(seal="0" * 64)
    [error] = execute(schema, PAGE, model=stay_id).errors
    assert error.extensions["code"] == "MODEL_DOES_NOT_FIT"


def test_an_instance_that_lacks_a_feature_has_no_answer(schema, stay, versions):
    ask(stay, versions[0], ["whole", "part"])
    with connection.cursor() as cursor:
        cursor.execute("UPDATE store_prediction SET features = features - 'age' WHERE reference = 'part'")
    nodes = data(schema, PAGE, model=id_of(versions[1]))["stay"]["predictions"]["nodes"]
    assert {node["reference"]: node["wouldBe"] is None for node in nodes} == {"whole": False, "part": True}


def test_models_stay_in_memory_up_to_a_bound(stay, versions, monkeypatch):
    loads = []
    monkeypatch.setattr(ModelVersion, "load", lambda self, *a, **k: loads.append(self.pk) or object())
    cache = loaded_versions.LoadedVersions(most_versions=2)
    first, second, third = *versions, version(stay)
    for one in (first, second, first, third, first, second):
        cache.get(stay, one)
    assert loads == [first.pk, second.pk, third.pk, second.pk]
    small = loaded_versions.LoadedVersions(most_bytes=first.size - 1)
    loads.clear()
    for one in (first, first):
        small.get(stay, one)
    assert loads == [first.pk, first.pk] and small._size() == 0


def test_others_have_what_was_not_served(schema, stay, versions):
    ask(stay, versions[0], ["form"])
    ask(stay, versions[1], ["form"])
    Prediction.objects.filter(model=versions[1]).update(served=False)
    query = "{ stay { predictions { nodes { others { nodes { served model { number } } } } } } }"
    assert data(schema, query)["stay"]["predictions"]["nodes"] == [
        {"others": {"nodes": [{"served": False, "model": {"number": versions[1].number}}]}}
    ]


COMPARE = """mutation($input: CompareModelsInput!) { compareModels(input: $input) { started product { name }
    job { id status percent models { number } } } }"""
READ = """query($id: ID!) { job(id: $id) { __typename status message ... on Comparison { since sample instances
    unanswered labelled counted leftOut { reason n } flipped flippedShare metric
    measures { metric label first second difference low high n method }
    flips(first: 1000) { totalCount nodes { answers { answer answerText confidence } truth truthText counted entity
        reference prediction { id answer truthText } } } } }
    node(id: $id) { __typename id }
    stay { jobs { nodes { __typename } } promotions { nodes { comparison { id models { number } } } } } }"""


def test_a_comparison_is_requested_and_read(schema, stay, versions):
    for one in versions:
        Promotion.objects.promote(one, "Better.", "ann")
    ask(stay, versions[0], [f"form {n}" for n in range(60)])
    for n in range(30):
        Feedback.objects.give(stay, About(reference=f"form {n}"), str(n % 3 == 0), "ann")
    models = list(map(id_of, versions))
    payload = data(schema, COMPARE, input={"product": "stay", "models": models, "sample": 50})[
        "compareModels"
    ]
    assert payload["started"] and payload["product"] == {"name": "stay"}
    job = payload["job"]
    assert (job["status"], [model["number"] for model in job["models"]]) == ("READY", [1, 2])
    before = data(schema, READ, id=job["id"])["job"]
    assert (before["measures"], before["metric"], before["flippedShare"]) == ([], None, None)
    again = data(schema, COMPARE, input={"product": "stay", "models": models})["compareModels"]
    assert (again["started"], again["job"]["id"]) == (False, job["id"])
    runner.run(Comparison.objects.claim(Comparison.objects.get().pk))
    counts = []
    for pages in (1000, 1):
        with CaptureQueriesContext(connection) as queries:
            result = data(schema, READ.replace("first: 1000", f"first: {pages}"), id=job["id"])
        counts.append(len(queries))
    assert counts[0] == counts[1]
    result = data(schema, READ, id=job["id"])
    assert result["node"] == {"__typename": "Comparison", "id": job["id"]}
    assert result["stay"]["jobs"]["nodes"][0] == {"__typename": "Comparison"}
    newest, first = result["stay"]["promotions"]["nodes"]
    assert (first["comparison"], newest["comparison"]["id"]) == (None, job["id"])
    job = result["job"]
    assert (job["status"], job["instances"], job["sample"]) == ("SUCCEEDED", 50, 50)
    assert "answers differ" in job["message"]
    assert job["measures"][0]["metric"] == job["metric"] == "roc_auc"
    assert job["flips"]["totalCount"] == job["flipped"] == len(job["flips"]["nodes"]) > 0
    for flip in job["flips"]["nodes"]:
        assert {answer["answer"] for answer in flip["answers"]} == {"True", "False"}
        assert flip["reference"].startswith("form") and flip["entity"] is None
        assert flip["prediction"]["truthText"] == flip["truthText"]


def test_a_comparison_that_cannot_be_made_is_refused_in_the_input(schema, stay, relapse, versions):
    ask(stay, versions[0], ["form"])
    first, second = map(id_of, versions)

    def refusal(**input: Any) -> tuple[str, Any]:
        [error] = execute(
            schema, COMPARE, input={"product": "stay", "models": [first, second]} | input
        ).errors
        return error.extensions["code"], error.extensions.get("argument")

    assert refusal(product="nothing")[0] == "UNKNOWN_PRODUCT"
    assert refusal(models=[first]) == ("BAD_INPUT", ["input", "models"])
    assert refusal(models=[first, first]) == ("BAD_INPUT", ["input", "models", "1"])
    assert refusal(models=[first, encode("ModelVersion", "99999999")]) == (
        "UNKNOWN_ID",
        ["input", "models", "1"],
    )
    assert refusal(models=["x", second]) == ("UNKNOWN_ID", ["input", "models", "0"])
    assert refusal(models=[first, id_of(version(relapse))]) == ("FOREIGN_MODEL", ["input", "models", "1"])
    assert refusal(since="2999-01-01T00:00:00Z") == ("OUT_OF_RANGE", ["input", "since"])
    assert refusal(sample=0) == ("OUT_OF_RANGE", ["input", "sample"])
    Prediction.objects.all().delete()
    assert refusal()[0] == "NO_ROWS"
