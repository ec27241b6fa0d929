"""What bad input gets: a code, a sentence, the input's path, and nothing half-written."""

import base64
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from signal import SIGCONT, SIGKILL, SIGSTOP
from typing import Any

import psycopg2
import pytest

from project.engines import PostgreSQL
from tests.system import System
from tests.test_lifecycle import champion, data, nodes
from tests.test_survival import descendants
from tests.test_under_load import FEATURES as PATIENT
from tests.waiting import BUILD_PATIENCE, alive, eventually

pytestmark = pytest.mark.system

Answer = dict[str, Any]

PREDICT = """query($features: TumorFeatures!, $entity: ID, $reference: String) {
  tumor { predict(features: $features, entity: $entity, reference: $reference) { id } } }"""
PREDICT_MANY = "query($rows: [TumorPredictInput!]!) { tumor { predictMany(rows: $rows) { id } } }"
PREDICT_MANY_PATIENTS = (
    "query($rows: [DiabetesPredictInput!]!) { diabetes { predictMany(rows: $rows) { id } } }"
)
PREDICT_FOR_MANY = "query($keys: [ID!]!) { tumor { predictForMany(entities: $keys) { id } } }"
FEEDBACK = (
    "mutation($input: TumorFeedbackInput!) { tumorFeedback(input: $input) { created feedback { id } } }"
)
FEEDBACK_MANY = """mutation($input: TumorFeedbackManyInput!) {
  tumorFeedbackMany(input: $input) { results { created } } }"""
VALUE = "mutation($input: DiabetesFeedbackInput!) { diabetesFeedback(input: $input) { created } }"
RETRACT = "mutation($input: TumorFeedbackRetractInput!) { tumorFeedbackRetract(input: $input) { created } }"
CREATE = "mutation($input: TumorCreateInput!) { tumorCreate(input: $input) { created } }"
REPLACE = "mutation($input: TumorReplaceInput!) { tumorReplace(input: $input) { created } }"
PATCH = "mutation($input: TumorPatchInput!) { tumorPatch(input: $input) { changed } }"
DELETE = "mutation($input: DeletePredictionsInput!) { deletePredictions(input: $input) { count deletedIds } }"
PROMOTE = "mutation($input: PromoteInput!) { promote(input: $input) { promotion { id } } }"
ROLLBACK = "mutation($input: RollbackInput!) { rollback(input: $input) { promotion { id } } }"
REQUEST = "mutation($input: RequestBuildInput!) { requestBuild(input: $input) { started build { id } } }"
CANCEL = "mutation($input: CancelJobInput!) { cancelJob(input: $input) { job { status } } }"


@dataclass(frozen=True)
class World:
    """What requests can be made from: ids and rows of a system that has learned."""

    system: System
    features: Answer
    champion: str
    alternative: str
    foreign: str
    build: str
    prediction: str
    deleted: str

    def refusal(self, query: str, variables: Answer | None = None) -> tuple[str, list[str] | None]:
        """Code and argument of the one refusal; its sentence must be one, and no internal error."""
        return told(ask(self.system, query, variables))

    def row(self, **changes: Any) -> Answer:
        return {"features": self.features | changes, "reference": "bad input"}

    def entity(self, **changes: Any) -> Answer:
        new = {"key": "B-new", "features": self.features, "label": "BENIGN", "at": "2026-01-01T00:00:00Z"}
        return new | changes


@pytest.fixture(scope="module")
def world(exemplar: System) -> Iterator[World]:
    serving = {name: champion(exemplar, name)["id"] for name in ("tumor", "diabetes")}
    assert eventually(lambda: history(exemplar)[0]["status"] == "SUCCEEDED", BUILD_PATIENCE)
    features = features_of(exemplar)
    predictions = [
        data(exemplar.ask(PREDICT, {"features": features, "reference": name}))["tumor"]["predict"]["id"]
        for name in ("bad input", "deleted")
    ]
    delete(exemplar, predictions[1:])
    models = data(exemplar.ask("{ tumor { models { edges { node { id status } } } } }"))["tumor"]["models"]
    alternatives = [model["id"] for model in nodes(models) if model["status"] != "CHAMPION"]
    yield World(
        exemplar,
        features,
        serving["tumor"],
        alternatives[0],
        serving["diabetes"],
        history(exemplar)[0]["id"],
        *predictions,
    )
    for reference in ("bad input", "many"):
        delete(exemplar, about(exemplar, reference))


def ask(system: System, query: str, variables: Answer | None = None) -> Answer:
    """The whole answer. In ASCII, so that JSON can bring what is no text: NaN, and half a surrogate pair."""
    body = json.dumps({"query": query, "variables": variables or {}})
    headers = {"Content-Type": "application/json"}
    return dict(system.client.post("/graphql/", content=body, headers=headers).json())


def history(system: System) -> list[Answer]:
    unended = "filter: { status: { in: [READY, RUNNING, SUCCEEDED] } }"
    builds = f"{{ tumor {{ builds({unended}) {{ edges {{ node {{ id status }} }} }} }} }}"
    return nodes(data(system.ask(builds))["tumor"]["builds"])


def features_of(system: System, key: str = "B-0001") -> Answer:
    names = data(system.ask("{ tumor { features { name } } }"))["tumor"]["features"]
    selected = " ".join(feature["name"] for feature in names)
    query = f"query($key: ID!) {{ tumor {{ entity(key: $key) {{ features {{ {selected} }} }} }} }}"
    return dict(data(system.ask(query, {"key": key}))["tumor"]["entity"]["features"])


def delete(system: System, predictions: list[str]) -> None:
    data(system.ask(DELETE, {"input": {"ids": predictions}}))


def about(system: System, reference: str) -> list[str]:
    query = """query($reference: String) { tumor {
      predictions(first: 100, filter: { reference: { eq: $reference } }) { edges { node { id } } } } }"""
    found = data(system.ask(query, {"reference": reference}))["tumor"]["predictions"]
    return [prediction["id"] for prediction in nodes(found)]


def told(answer: Answer) -> tuple[str, list[str] | None]:
    (error,) = answer["errors"]
    assert len(error["message"]) > 10 and error["message"] != "Internal error"
    return error["extensions"]["code"], error["extensions"].get("argument")


def node_id(kind: str, key: str) -> str:
    return base64.urlsafe_b64encode(f"{kind}:{key}".encode()).decode().rstrip("=")


Make = Callable[[World], Answer]

UNKNOWN_PREDICTION = node_id("TumorPrediction", "215a5e51-ecce-619b-b07b-000000000000")
OF_ANOTHER = node_id("WinePrediction", "215a5e51-ecce-619b-b07b-000000000000")
NO_PREDICTIONS: Answer = {"input": {"ids": []}}


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"meanRadius": None}, "BAD_INPUT", "meanRadius"),
        ({"meanRadius": "Infinity"}, "BAD_INPUT", "meanRadius"),
        ({"meanRadius": True}, "BAD_INPUT", "meanRadius"),
        ({"mean_radius": 1}, "BAD_INPUT", "mean_radius"),
        ({"meanRadius": float("nan")}, "NOT_FINITE", "meanRadius"),
        ({"meanRadius": float("-inf")}, "NOT_FINITE", "meanRadius"),
        ({"meanRadius": 10**400}, "NOT_FINITE", "meanRadius"),
        ({"meanRadius": -1}, "OUT_OF_RANGE", "meanRadius"),
        ({"worstConcavePoints": 10.5}, "OUT_OF_RANGE", "worstConcavePoints"),
    ],
)
def test_a_feature_is_refused_by_its_name(world: World, changes: Answer, code: str, field: str) -> None:
    assert world.refusal(PREDICT, {"features": world.features | changes}) == (code, ["features", field])


def test_a_feature_that_is_missing_is_named(world: World) -> None:
    features = {name: value for name, value in world.features.items() if name != "meanRadius"}
    assert world.refusal(PREDICT, {"features": features}) == ("BAD_INPUT", ["features", "meanRadius"])


@pytest.mark.parametrize("number", ["1e400", "-1e400"])
def test_a_literal_that_is_not_finite_is_refused(world: World, number: str) -> None:
    input = f'{{entity: "B-0001", features: {{ meanRadius: {number} }}}}'
    query = f"mutation {{ tumorPatch(input: {input}) {{ changed }} }}"
    assert world.refusal(query) == ("NOT_FINITE", ["input", "features", "meanRadius"])


def test_a_category_takes_its_values_only(world: World) -> None:
    query = 'mutation { diabetesPatch(input: {entity: "P-0001", features: { sex: THIRD }}) { changed } }'
    assert world.refusal(query) == ("BAD_INPUT", ["input", "features", "sex"])


@pytest.mark.parametrize(
    ("subject", "code", "argument"),
    [
        ({"reference": ""}, "BAD_INPUT", "reference"),
        ({"reference": "x" * 201}, "BAD_INPUT", "reference"),
        ({"reference": "a\0b"}, "BAD_INPUT", "reference"),
        ({"reference": "\ud800"}, "BAD_INPUT", "reference"),
        ({"entity": ""}, "UNKNOWN_ENTITY", "entity"),
        ({"entity": "x" * 21}, "UNKNOWN_ENTITY", "entity"),
        ({"entity": "\0"}, "BAD_INPUT", "entity"),
        ({"entity": "\udc00"}, "BAD_INPUT", "entity"),
    ],
)
def test_a_subjects_name_is_not_empty(world: World, subject: Answer, code: str, argument: str) -> None:
    assert world.refusal(PREDICT, {"features": world.features} | subject) == (code, [argument])


@pytest.mark.parametrize(
    ("bad", "code", "argument"),
    [
        ({"meanSmoothness": 11}, "OUT_OF_RANGE", ["features", "meanSmoothness"]),
        ({"entity": "x" * 50}, "UNKNOWN_ENTITY", ["entity"]),
        ({"reference": ""}, "BAD_INPUT", ["reference"]),
    ],
)
def test_a_bad_row_leaves_the_others_as_they_are(
    world: World, bad: Answer, code: str, argument: list[str]
) -> None:
    rows = [{"features": world.features | {"meanRadius": 10 + n}, "reference": "many"} for n in range(5)]
    rows[3] |= {"features": world.features | bad} if argument[0] == "features" else bad
    answer = world.system.ask(PREDICT_MANY, {"rows": rows})
    assert told(answer) == (code, ["rows", "3", *argument])
    assert answer["errors"][0]["path"] == ["tumor", "predictMany", 3]
    assert [place for place, row in enumerate(answer["data"]["tumor"]["predictMany"]) if row is None] == [3]


def test_a_null_in_the_middle_refuses_the_request_with_its_place(world: World) -> None:
    answer = world.system.ask(PREDICT_MANY, {"rows": [world.row(), world.row(meanRadius=None)]})
    assert told(answer) == ("BAD_INPUT", ["rows", "1", "features", "meanRadius"])
    assert "data" not in answer


def test_unknown_entities_leave_the_others_as_they_are(world: World) -> None:
    answer = world.system.ask(PREDICT_FOR_MANY, {"keys": ["B-0001", "nobody", "B-0002", ""]})
    refused = [(error["extensions"]["argument"], error["path"]) for error in answer["errors"]]
    path = ["tumor", "predictForMany"]
    assert refused == [(["entities", "1"], [*path, 1]), (["entities", "3"], [*path, 3])]
    assert [row is None for row in answer["data"]["tumor"]["predictForMany"]] == [False, True, False, True]


def test_bad_feedback_leaves_the_others_as_they_are(world: World) -> None:
    good = {"about": {"reference": "bad input"}, "label": "BENIGN", "author": "many"}
    inputs = [good, good | {"about": {"prediction": world.deleted}}, good | {"author": "TABLE"}, good]
    answer, path = (
        world.system.ask(FEEDBACK_MANY, {"input": {"inputs": inputs}}),
        ["tumorFeedbackMany", "results"],
    )
    refused = [(e["extensions"]["code"], e["extensions"]["argument"], e["path"]) for e in answer["errors"]]
    assert refused == [
        ("UNKNOWN_ID", ["input", "inputs", "1", "about", "prediction"], [*path, 1]),
        ("BAD_INPUT", ["input", "inputs", "2", "author"], [*path, 2]),
    ]
    kept = answer["data"]["tumorFeedbackMany"]["results"]
    assert [row and row["created"] for row in kept] == [True, None, None, False]


@pytest.mark.parametrize(
    ("query", "variables", "argument"),
    [
        # Of the product with the fewest features: each of them is read before the rows are counted.
        (PREDICT_MANY_PATIENTS, lambda w: {"rows": [{"features": PATIENT}] * 10_001}, ["rows"]),
        (PREDICT_FOR_MANY, lambda w: {"keys": ["B-0001"] * 10_001}, ["entities"]),
        (
            FEEDBACK_MANY,
            lambda w: {"input": {"inputs": [{"about": {"entity": "B-0001"}, "label": "BENIGN"}] * 10_001}},
            ["input", "inputs"],
        ),
        (DELETE, lambda w: {"input": {"ids": [w.prediction] * 10_001}}, ["input", "ids"]),
        ("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", lambda w: {"ids": [w.build] * 1_001}, ["ids"]),
    ],
)
def test_more_than_one_request_may_bring_is_refused(
    world: World, query: str, variables: Make, argument: list[str]
) -> None:
    assert world.refusal(query, variables(world)) == ("OUT_OF_RANGE", argument)


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        (PREDICT_MANY, {"rows": []}),
        (PREDICT_FOR_MANY, {"keys": []}),
        (FEEDBACK_MANY, {"input": {"inputs": []}}),
        (DELETE, NO_PREDICTIONS),
    ],
)
def test_nothing_may_be_asked_for(world: World, query: str, variables: Answer) -> None:
    data(world.system.ask(query, variables))


@pytest.mark.parametrize(
    ("given", "code", "argument"),
    [
        (lambda w: {"about": {}}, "BAD_INPUT", ["about"]),
        (lambda w: {"about": {"entity": None}}, "BAD_INPUT", ["about"]),
        (lambda w: {"about": {"entity": "B-0001", "prediction": w.prediction}}, "BAD_INPUT", ["about"]),
        (lambda w: {"about": {"prediction": ""}}, "UNKNOWN_ID", ["about", "prediction"]),
        (lambda w: {"about": {"prediction": "garbage"}}, "UNKNOWN_ID", ["about", "prediction"]),
        (lambda w: {"about": {"prediction": UNKNOWN_PREDICTION}}, "UNKNOWN_ID", ["about", "prediction"]),
        (lambda w: {"about": {"prediction": w.deleted}}, "UNKNOWN_ID", ["about", "prediction"]),
        (lambda w: {"about": {"prediction": w.champion}}, "WRONG_KIND_OF_ID", ["about", "prediction"]),
        (lambda w: {"about": {"prediction": OF_ANOTHER}}, "WRONG_KIND_OF_ID", ["about", "prediction"]),
        (lambda w: {"about": {"entity": "nobody"}}, "UNKNOWN_ENTITY", ["about", "entity"]),
        (lambda w: {"about": {"reference": "nothing"}}, "UNKNOWN_ID", ["about", "reference"]),
        (lambda w: {"label": "PURPLE"}, "BAD_INPUT", ["label"]),
        (lambda w: {"label": None}, "BAD_INPUT", ["label"]),
        (lambda w: {"author": "TABLE"}, "BAD_INPUT", ["author"]),
        (lambda w: {"author": " "}, "BAD_INPUT", ["author"]),
        (lambda w: {"author": "a" * 201}, "BAD_INPUT", ["author"]),
        (lambda w: {"author": "a\0"}, "BAD_INPUT", ["author"]),
        (lambda w: {"comment": "a" * 10_001}, "BAD_INPUT", ["comment"]),
        (lambda w: {"comment": "\ud800"}, "BAD_INPUT", ["comment"]),
        (lambda w: {"observedAt": "yesterday"}, "BAD_INPUT", ["observedAt"]),
        (lambda w: {"observedAt": "2026-01-01T00:00:00"}, "BAD_INPUT", ["observedAt"]),
        (lambda w: {"observedAt": "0001-01-01T00:00:00+23:00"}, "BAD_INPUT", ["observedAt"]),
    ],
)
def test_feedback_is_refused_by_its_path(world: World, given: Make, code: str, argument: list[str]) -> None:
    said = {"about": {"reference": "bad input"}, "label": "BENIGN"} | given(world)
    assert world.refusal(FEEDBACK, {"input": said}) == (code, ["input", *argument])


@pytest.mark.parametrize(
    ("value", "code"), [(-1, "OUT_OF_RANGE"), ("many", "BAD_INPUT"), (None, "BAD_INPUT")]
)
def test_a_number_is_no_label_outside_its_range(world: World, value: Any, code: str) -> None:
    said = {"about": {"entity": "P-0001"}, "value": value}
    assert world.refusal(VALUE, {"input": said}) == (code, ["input", "value"])


def test_the_same_feedback_twice_is_one_and_another_word_is_another(world: World) -> None:
    said = {"about": {"reference": "bad input"}, "label": "BENIGN", "author": "twice"}

    def say(**changes: Any) -> tuple[bool, str]:
        given = data(world.system.ask(FEEDBACK, {"input": said | changes}))["tumorFeedback"]
        return given["created"], given["feedback"]["id"]

    created, first = say()
    assert created and say() == (False, first)
    created, second = say(label="MALIGNANT")
    assert created and second != first


@pytest.mark.parametrize(
    ("query", "variables", "code", "argument"),
    [
        (CREATE, lambda w: w.entity(key="B-0001"), "CONFLICT", ["key"]),
        (CREATE, lambda w: w.entity(key=None), "BAD_INPUT", ["key"]),
        (CREATE, lambda w: w.entity(key=""), "BAD_INPUT", ["key"]),
        (CREATE, lambda w: w.entity(key="x" * 21), "BAD_INPUT", ["key"]),
        (CREATE, lambda w: w.entity(key="\0"), "BAD_INPUT", ["key"]),
        (CREATE, lambda w: w.entity(at=None), "BAD_INPUT", ["at"]),
        (CREATE, lambda w: w.entity(label="PURPLE"), "BAD_INPUT", ["label"]),
        (
            CREATE,
            lambda w: w.entity(features=w.features | {"meanSmoothness": 11}),
            "OUT_OF_RANGE",
            ["features", "meanSmoothness"],
        ),
        (REPLACE, lambda w: w.entity(key=None), "BAD_INPUT", ["key"]),
        (REPLACE, lambda w: w.entity(key="B-0001") | {"version": "old"}, "STALE_VERSION", ["version"]),
        (REPLACE, lambda w: w.entity(key="B-0001") | {"version": ""}, "STALE_VERSION", ["version"]),
        (REPLACE, lambda w: w.entity() | {"version": "old"}, "STALE_VERSION", ["version"]),
        (PATCH, lambda w: {"entity": "nobody", "features": {}}, "UNKNOWN_ENTITY", ["entity"]),
        (PATCH, lambda w: {"entity": "", "features": {}}, "UNKNOWN_ENTITY", ["entity"]),
        (PATCH, lambda w: {"entity": "B-0001", "version": "old"}, "STALE_VERSION", ["version"]),
        (
            PATCH,
            lambda w: {"entity": "B-0001", "features": {"meanRadius": None}},
            "BAD_INPUT",
            ["features", "meanRadius"],
        ),
        (
            PATCH,
            lambda w: {"entity": "B-0001", "features": {"meanSmoothness": 11}},
            "OUT_OF_RANGE",
            ["features", "meanSmoothness"],
        ),
        (PATCH, lambda w: {"entity": "B-0001", "at": None}, "BAD_INPUT", ["at"]),
    ],
)
def test_a_row_is_written_whole_or_not_at_all(
    world: World, query: str, variables: Make, code: str, argument: list[str]
) -> None:
    assert world.refusal(query, {"input": variables(world)}) == (code, ["input", *argument])
    look = '{ tumor { entity(key: "B-new") { key } } }'
    assert data(world.system.ask(look))["tumor"]["entity"] is None
    assert features_of(world.system) == world.features


def test_a_label_of_a_row_is_refused_by_its_path(world: World) -> None:
    query = "mutation($input: DiabetesCreateInput!) { diabetesCreate(input: $input) { created } }"
    names = data(world.system.ask("{ diabetes { features { name } } }"))["diabetes"]["features"]
    features = {feature["name"]: 30 for feature in names} | {"sex": "FIRST"}
    row = {"key": "P-new", "features": features, "value": -5}
    assert world.refusal(query, {"input": row}) == ("OUT_OF_RANGE", ["input", "value"])


@pytest.mark.parametrize(
    ("query", "variables", "code", "argument"),
    [
        (PROMOTE, lambda w: {"model": w.champion}, "CONFLICT", "model"),
        (PROMOTE, lambda w: {"model": "garbage"}, "UNKNOWN_ID", "model"),
        (PROMOTE, lambda w: {"model": node_id("ModelVersion", "99999")}, "UNKNOWN_ID", "model"),
        (PROMOTE, lambda w: {"model": w.build}, "WRONG_KIND_OF_ID", "model"),
        (PROMOTE, lambda w: {"champion": w.foreign}, "FOREIGN_MODEL", "champion"),
        (PROMOTE, lambda w: {"champion": w.alternative}, "CHAMPION_CHANGED", "champion"),
        (PROMOTE, lambda w: {"champion": "garbage"}, "UNKNOWN_ID", "champion"),
        (PROMOTE, lambda w: {"champion": ""}, "UNKNOWN_ID", "champion"),
        (PROMOTE, lambda w: {"reason": ""}, "BAD_INPUT", "reason"),
        (PROMOTE, lambda w: {"reason": "  "}, "BAD_INPUT", "reason"),
        (PROMOTE, lambda w: {"reason": "\0"}, "BAD_INPUT", "reason"),
        (ROLLBACK, lambda w: {"champion": w.foreign}, "FOREIGN_MODEL", "champion"),
        (ROLLBACK, lambda w: {"champion": w.alternative}, "CHAMPION_CHANGED", "champion"),
        (ROLLBACK, lambda w: {"champion": ""}, "UNKNOWN_ID", "champion"),
        (ROLLBACK, lambda w: {"product": "nothing"}, "UNKNOWN_PRODUCT", "product"),
        (CANCEL, lambda w: {"job": w.build}, "JOB_ENDED", "job"),
        (CANCEL, lambda w: {"job": node_id("Build", "99999")}, "UNKNOWN_ID", "job"),
        (CANCEL, lambda w: {"job": node_id("Build", "9" * 30)}, "UNKNOWN_ID", "job"),
        (CANCEL, lambda w: {"job": w.champion}, "WRONG_KIND_OF_ID", "job"),
        (RETRACT, lambda w: {"feedback": node_id("TumorFeedback", "-1")}, "UNKNOWN_ID", "feedback"),
        (RETRACT, lambda w: {"feedback": node_id("DiabetesFeedback", "1")}, "WRONG_KIND_OF_ID", "feedback"),
    ],
)
def test_the_registry_is_changed_by_authorised_actors(
    world: World, query: str, variables: Make, code: str, argument: str
) -> None:
    usual = {
        PROMOTE: {"model": world.alternative, "reason": "a test"},
        ROLLBACK: {"product": "tumor", "champion": world.champion, "reason": "a test"},
    }
    input = usual.get(query, {}) | variables(world)
    assert world.refusal(query, {"input": input}) == (code, ["input", argument])
    assert champion(world.system)["id"] == world.champion


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"candidates": 0}, "candidates"),
        ({"candidates": 2**31 - 1}, "candidates"),
        ({"candidates": 1.5}, "candidates"),
        ({"seconds": -1}, "seconds"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**40}, "seed"),
        ({"families": []}, "families"),
        ({"families": ["magic"]}, "families"),
        ({"fold": 5}, "fold"),
    ],
)
def test_a_build_that_makes_no_sense_is_not_begun(world: World, options: Answer, argument: str) -> None:
    asked = {"product": "tumor", "options": options}
    assert world.refusal(REQUEST, {"input": asked}) == ("BAD_INPUT", ["input", "options", argument])


@pytest.mark.parametrize("name", ["nothing", "", "n" * 100_000])
def test_an_unknown_product_is_refused_in_few_words(world: World, name: str) -> None:
    answer = world.system.ask(REQUEST, {"input": {"product": name}})
    assert told(answer) == ("UNKNOWN_PRODUCT", ["input", "product"])
    assert len(answer["errors"][0]["message"]) < 1_000


@pytest.mark.parametrize(
    ("which", "code", "argument"),
    [
        (lambda w: {}, "BAD_INPUT", []),
        (lambda w: {"ids": None}, "BAD_INPUT", []),
        (lambda w: {"ids": [], "filter": {"product": "tumor"}}, "BAD_INPUT", []),
        (lambda w: {"ids": [w.prediction, "garbage"]}, "UNKNOWN_ID", ["ids", "1"]),
        (lambda w: {"ids": [w.champion]}, "WRONG_KIND_OF_ID", ["ids", "0"]),
        (lambda w: {"filter": {}}, "BAD_INPUT", ["filter", "product"]),
        (lambda w: {"filter": {"product": "nothing"}}, "UNKNOWN_PRODUCT", ["filter", "product"]),
        (
            lambda w: {"filter": {"product": "tumor", "model": {"eq": ""}}},
            "UNKNOWN_ID",
            ["filter", "model", "eq"],
        ),
        (
            lambda w: {"filter": {"product": "tumor", "model": {"in": [w.champion, w.build]}}},
            "WRONG_KIND_OF_ID",
            ["filter", "model", "in", "1"],
        ),
    ],
)
def test_a_deletion_lists_the_deleted_rows(world: World, which: Make, code: str, argument: list[str]) -> None:
    assert world.refusal(DELETE, {"input": which(world)}) == (code, ["input", *argument])


def test_a_deleted_row_is_not_deleted_again(world: World) -> None:
    found = data(world.system.ask(DELETE, {"input": {"ids": [world.deleted]}}))["deletePredictions"]
    assert found == {"count": 0, "deletedIds": []}


PAGE = "first: $first, after: $after, last: $last, before: $before"
LISTS = [
    "tumor { predictions(PAGE) { totalCount } }",
    "tumor { entities(PAGE) { totalCount } }",
    "tumor { models(PAGE) { totalCount } }",
    "tumor { models(PAGE, orderBy: { field: BUILT_AT }) { totalCount } }",
    "tumor { build(number: 1) { events(PAGE) { totalCount } } }",
    "tumor { build(number: 1) { candidates(PAGE) { totalCount } } }",
    "predictions(PAGE) { totalCount }",
]


def cursor(*values: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("variables", "code", "argument"),
    [
        ({"first": 0}, "OUT_OF_RANGE", "first"),
        ({"first": -1}, "OUT_OF_RANGE", "first"),
        ({"first": 1_001}, "OUT_OF_RANGE", "first"),
        ({"first": 2**31}, "BAD_INPUT", "first"),
        ({"after": "garbage"}, "BAD_INPUT", "after"),
        ({"after": "%"}, "BAD_INPUT", "after"),
        ({"after": cursor()}, "BAD_INPUT", "after"),
        ({"after": cursor("a\0b")}, "BAD_INPUT", "after"),
        ({"after": cursor("another", 1)}, "BAD_INPUT", "after"),
        ({"last": 0}, "OUT_OF_RANGE", "last"),
        ({"last": 1_001}, "OUT_OF_RANGE", "last"),
        ({"before": "garbage"}, "BAD_INPUT", "before"),
        ({"first": 1, "last": 1}, "BAD_INPUT", "last"),
    ],
)
def test_a_page_has_a_size_and_a_cursor_of_its_own_list(
    world: World, variables: Answer, code: str, argument: str
) -> None:
    for pages in LISTS:
        query = f"query($first: Int, $after: String, $last: Int, $before: String) {{ {pages.replace('PAGE', PAGE)} }}"
        assert world.refusal(query, variables) == (code, [argument]), pages


def test_a_look_up_of_nothing_answers_null(world: World) -> None:
    for id in (
        "",
        "garbage",
        "é",
        node_id("Build", "x"),
        node_id("TumorEntity", "\0"),
        node_id("Magic", "1"),
    ):
        assert data(world.system.ask("query($id: ID!) { node(id: $id) { id } }", {"id": id})) == {
            "node": None
        }
    for key in ("nobody", "", "x" * 1_000):
        query = "query($key: ID!, $name: String!) { tumor { entity(key: $key) { key } } product(name: $name) { name } }"
        found = data(world.system.ask(query, {"key": key, "name": key}))
        assert found == {"tumor": {"entity": None}, "product": None}


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ('{ tumor { predictFor(entity: "B-0001") { id } } }', {}, 403),
        ('{ tumor { predictFor(entity: "B-0001") { id } } }', {"Sec-Fetch-Site": "cross-site"}, 403),
        ('{ tumor { predictFor(entity: "B-0001") { __typename } } }', {"Sec-Fetch-Site": "same-site"}, 403),
        ('{ node(id: "") { ... on Prediction { answer } } }', {"Sec-Fetch-Site": "cross-site"}, 403),
        ('{ tumor { predictFor(entity: "B-0001") { id } } }', {"Sec-Fetch-Site": "same-origin"}, 200),
        ('{ tumor { predictFor(entity: "B-0001") { id } } }', {"X-Exemplar-Preflight": "1"}, 200),
        ("{ products { name } }", {"Sec-Fetch-Site": "cross-site"}, 200),
        ('mutation { cancelJob(input: {job: ""}) { job { id } } }', {"Sec-Fetch-Site": "same-origin"}, 405),
    ],
)
def test_a_get_from_another_site_writes_nothing(
    world: World, query: str, headers: dict[str, str], status: int
) -> None:
    response = world.system.client.get("/graphql/", params={"query": query}, headers=headers)
    assert response.status_code == status
    if status == 403:
        assert told(response.json()) == ("FORBIDDEN", None)


def test_an_entity_without_its_feature_rows_is_incomplete(world: World) -> None:
    with rows_of(world.system) as cursor:
        cursor.execute("INSERT INTO tumor_biopsy (number, taken_at) VALUES ('B-bare', now())")
        try:
            answer = world.system.ask(PREDICT_FOR_MANY, {"keys": ["B-0001", "B-bare"]})
            assert told(answer) == ("INCOMPLETE_ENTITY", ["entities", "1"])
            assert answer["data"]["tumor"]["predictForMany"][0]
            query = '{ tumor { predictFor(entity: "B-bare") { id } } }'
            assert world.refusal(query) == ("INCOMPLETE_ENTITY", ["entity"])
        finally:
            cursor.execute("DELETE FROM tumor_biopsy WHERE number = 'B-bare'")


def test_numbers_that_are_none_are_shown_as_null(world: World) -> None:
    with rows_of(world.system) as cursor:
        cursor.execute("SELECT bmi, progression FROM diabetes_patient WHERE number = 'P-0009'")
        before = cursor.fetchone()
        cursor.execute("UPDATE diabetes_patient SET bmi = 'NaN', progression = 'NaN' WHERE number = 'P-0009'")
        try:
            query = '{ diabetes { entity(key: "P-0009") { value truth features { bmi } } } }'
            shown = data(world.system.ask(query))["diabetes"]["entity"]
            assert shown == {"value": None, "truth": None, "features": {"bmi": None}}
            query = '{ diabetes { predictFor(entity: "P-0009") { id } } }'
            assert world.refusal(query) == ("NOT_FINITE", ["entity", "bmi"])
        finally:
            cursor.execute(
                "UPDATE diabetes_patient SET bmi = %s, progression = %s WHERE number = 'P-0009'", before
            )


class rows_of:
    """A cursor on a system's tables, as its users have one: each statement is committed."""

    def __init__(self, system: System):
        self.connection = psycopg2.connect(**PostgreSQL(system.folder).dsn)
        self.connection.autocommit = True

    def __enter__(self) -> Any:
        return self.connection.cursor()

    def __exit__(self, *_: object) -> None:
        self.connection.close()


def test_without_the_database_a_request_is_refused_and_may_be_repeated(world: World) -> None:
    system = world.system
    say = {"input": {"about": {"reference": "bad input"}, "label": "BENIGN", "author": "down"}}
    supervisor = system.process("supervisor")
    os.kill(supervisor, SIGSTOP)  # or it would start the database again before we have asked
    try:
        server = system.process("postgres")
        family = [server, *descendants(server)]
        os.kill(server, SIGKILL)
        assert eventually(lambda: not any(map(alive, family)))
        for query, variables in (
            (PREDICT, {"features": world.features}),
            (FEEDBACK, say),
            (DELETE, NO_PREDICTIONS),
        ):
            answer = system.ask(query, variables)
            assert told(answer) == ("UNAVAILABLE", None)
            assert answer["errors"][0]["extensions"]["retryAfter"] > 0
        assert system.status("/ready") == 503 and system.status("/health") == 200
    finally:
        os.kill(supervisor, SIGCONT)
    assert eventually(lambda: system.status("/ready") == 200)
    assert data(system.ask(FEEDBACK, say))["tumorFeedback"]["created"]  # nothing of it was kept


def test_without_the_broker_predictions_go_on(world: World) -> None:
    system = world.system
    asked = {"features": world.features, "reference": "bad input"}
    # Another test may have killed something.
    assert eventually(lambda: "errors" not in system.ask(PREDICT, asked))
    supervisor = system.process("supervisor")
    os.kill(supervisor, SIGSTOP)
    try:
        os.kill(system.process("valkey"), SIGKILL)
        assert eventually(lambda: system.status("/ready") == 503)
        data(system.ask(PREDICT, asked))
    finally:
        os.kill(supervisor, SIGCONT)
    assert eventually(lambda: system.status("/ready") == 200)
