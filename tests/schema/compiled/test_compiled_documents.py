"""Compiled documents answer byte for byte what executing them would."""

import asyncio
import gc
import json
import weakref
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from random import Random
from threading import Barrier
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connection

from learning.dataset import dataset
from learning.estimators.families import Candidate as Recipe
from learning.model import ClassAnswer
from learning.problem import Classification
from schema.compiled import operations
from schema.core import names
from schema.core.request import EXTENSION, GraphQLRequest, RequestHead
from schema.schema import schema
from schema.transport.fast_path import Reply
from schema.transport.http import GraphQLApp
from store.db import threads
from store.predictions.predictions import Prediction
from store.predictions.upsert import PredictionBatch
from store.products import catalogue
from store.products.product import DataProduct
from store.registry.artifacts import artifact_columns
from store.registry.product_states import ProductState
from store.registry.versions import ModelVersion
from store.serving import champions as serving
from store.serving import dispatcher, micro_batching
from store.serving.connection_pool import ConnectionLost
from tests.learning.compiler.compiling import compiled, fit_model
from tests.schema.compiled.oracle import Oracle, intervals
from tests.schema.compiled.random_requests import Drawing
from tests.store.conftest import NOON, operate, version, with_rows

pytestmark = pytest.mark.django_db(transaction=True)

#: Seeds of the requests that are drawn for each product, and of those that the slow tests add.
SEEDS, MORE_SEEDS = range(120), range(120, 1_000)
PRODUCTS = ["stay", "bill", "relapse", "survey", "tumor", "diabetes", "wine", "manual"]
#: Products whose features are all alike, numbers: fewer requests write each of them in every way.
UNIFORM = {"tumor", "wine", "diabetes"}
JSON = {"content-type": "application/json", "host": "127.0.0.1"}


@pytest.fixture
def champions(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version that serves of the product that is the test's parameter, else of `stay`."""
    name = request.node.callspec.params.get("name", "stay") if hasattr(request.node, "callspec") else "stay"
    monkeypatch.setattr(serving, "_promoted", {name: champion(catalogue.get(name))})


def champion(product: DataProduct) -> serving.Champion:
    model = Oracle(signature=product.signature, family="x", hyperparameters={}, estimator=None)
    registered = version(product, intervals=intervals(product.signature))
    ProductState.objects.update_or_create(product=product.name, defaults={"champion": registered})
    return serving.Champion(product, registered, model, serving.InferenceTime(1.0, 1.0))


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Threads of the test's own, whose connections are closed at its end."""
    with ThreadPoolExecutor(2) as pool:
        monkeypatch.setattr(threads, "pool", pool)
        yield
        together = Barrier(2)
        for _ in range(2):
            pool.submit(lambda: (together.wait(10), connection.close()))


@pytest.fixture
def unstamped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are told as if each had been asked for once, at the same time."""
    stored = PredictionBatch.stored

    def unstamped_predictions(batch: PredictionBatch, returned: Any) -> list[Prediction]:
        predictions = stored(batch, returned)
        for prediction in predictions:
            prediction.created_at, prediction.times_asked = NOON, 1
            prediction.updated_at = datetime(2024, 5, 18, 1, 2, 3, 450_000, tzinfo=UTC)
        return predictions

    monkeypatch.setattr(PredictionBatch, "stored", unstamped_predictions)


@dataclass
class Response:
    status: int
    headers: dict[bytes, bytes]
    body: bytes


class Ways:
    """The same API twice, once without the fast path; `taken` counts the requests that this took."""

    def __init__(self) -> None:
        self.app, self.standard = GraphQLApp(schema), GraphQLApp(schema)
        self.reply, self.app.fast_path.reply = self.app.fast_path.reply, self.counted  # type: ignore[method-assign]
        self.standard.fast_path.reply = self.never  # type: ignore[method-assign]
        self.taken = 0

    async def counted(self, request: GraphQLRequest) -> Reply | None:
        reply = await self.reply(request)
        self.taken += reply is not None
        return reply

    async def never(self, request: GraphQLRequest) -> Reply | None:
        return None

    async def both(self, body: bytes, **more: str) -> tuple[Response, Response]:
        fast = await self.ask(self.app, body, **more)
        return fast, await self.ask(self.standard, body, **more)

    async def ask(
        self,
        app: Any,
        body: bytes,
        method: str = "POST",
        query: str = "",
        extensions: dict[str, Any] | None = None,
        **headers: str,
    ) -> Response:
        sent: list[Any] = []
        named = JSON | {name.replace("_", "-"): value for name, value in headers.items()}
        scope = {
            "type": "http",
            "method": method,
            "path": "/graphql/",
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in named.items()],
            "extensions": extensions or {},
        }
        messages = [{"type": "http.request", "body": body}]

        async def receive() -> Any:
            if messages:
                return messages.pop()
            return await asyncio.Event().wait()

        async def send(message: Any) -> None:
            sent.append(message)

        await app(scope, receive, send)
        return Response(sent[0]["status"], dict(sent[0]["headers"]), b"".join(m["body"] for m in sent[1:]))


@pytest.fixture
async def ways(champions: None, pool: None) -> AsyncIterator[Ways]:
    """Both ways to the same API, and what dispatches predictions."""
    await dispatcher.start()
    try:
        yield Ways()
    finally:
        await dispatcher.stop()


@pytest.mark.parametrize("seeds", [SEEDS, pytest.param(MORE_SEEDS, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", PRODUCTS)
async def test_both_paths_answer_the_same_bytes(name: str, seeds: range, unstamped: None, ways: Ways) -> None:
    keys = await with_rows(lambda: [str(operate(age=50 if n % 2 else None, cost=n).pk) for n in range(6)])
    product = catalogue.get(name)
    if seeds == SEEDS and name in UNIFORM:
        seeds = seeds[::3]
    for seed in seeds:
        drawing = Drawing(Random(f"{name} {seed}"), product, keys if name in ("stay", "relapse") else ())
        request = drawing.request()
        fast, standard = await ways.both(request.body())
        assert fast == standard, f"seed {seed}: {request}"
    assert ways.taken > len(seeds) / 3


STAY_FEATURES = {"age": 61, "note": "", "urgency": "PLANNED", "cost": 10}
ASK = "query Ask($features: StayFeatures!) { stay { predict(features: $features) { id label } } }"


ASK_ABOUT = """mutation Ask($features: StayFeatures!, $subject: String!) {
  stayPredict(input: { features: $features, reference: $subject }) { prediction { id reference } } }"""


def body(query: str = ASK, features: Any = STAY_FEATURES, **more: Any) -> bytes:
    variables = {"features": features} | {name: more.pop(name) for name in ("subject",) if name in more}
    return json.dumps({"query": query, "variables": variables, **more}).encode()


@pytest.mark.parametrize(
    ("taken", "sent", "headers"),
    [
        (True, body(), {}),
        (True, body(), {"accept": "application/graphql-response+json"}),
        (True, body(), {"content-type": "application/json; charset=UTF-8", "cookie": "csrftoken=x"}),
        (True, body(extensions={}, operationName=""), {"host": "localhost:8000"}),
        (True, body(operationName="Ask") + b" " * 200_000, {}),
        (False, body(), {"accept": "text/event-stream"}),
        (False, body(), {"accept": "text/html"}),
        (False, body(), {"host": "evil.example"}),
        (False, body(), {"cookie": "sessionid=5"}),
        (False, body(), {"authorization": "Bearer x"}),
        (False, body(), {"content-type": "text/plain"}),
        (False, body(operationName="Nobody"), {}),
        (False, body(extensions={"persistedQuery": {}}), {}),
        (False, body(variables=[]), {}),
        (False, body(operationName=False), {}),
        (False, body(extensions=0), {}),
        (False, body(features=None), {}),
        (False, body()[:-1], {}),
        (False, b"[]", {}),
        (False, body("mutation { cancelJob(input: {job: \"x\"}) { job { id } } }"), {}),
        (False, body(ASK.replace("label", "truth")), {}),
        # A variable is checked by its own type, also where the argument takes null.
        (True, body(ASK_ABOUT, subject="slip"), {}),
        (False, body(ASK_ABOUT), {}),
        (False, body(ASK_ABOUT, subject=None), {}),
        (True, body(ASK_ABOUT.replace("String!", 'String! = "slip"')), {}),
        (False, body(ASK_ABOUT.replace("String!", 'String! = "slip"'), subject=None), {}),
        (True, body(ASK_ABOUT.replace("String!", "String"), subject=None), {}),
        # A variable is checked although what reads it is left out.
        (False, body(ASK.replace("label", "label x: id @skip(if: true)").replace("(if: true)", "(if: $features)")), {}),
        (
            False,
            body(
                "query A($skip: Boolean!, $bad: ID!) { stay { predict(features: {age: 1, note: \"\", urgency: PLANNED, "
                "cost: 1}) { id } x: predictFor(entity: $bad) @skip(if: $skip) { id } } }",
                variables={"skip": True, "bad": {}},
            ),
            {},
        ),
    ],
)  # fmt: skip
async def test_ineligible_requests_take_the_standard_path(
    taken: bool,
    sent: bytes,
    headers: dict[str, str],
    unstamped: None,
    ways: Ways,
) -> None:
    fast, standard = await ways.both(sent, **headers)
    assert fast == standard
    assert ways.taken == taken


@pytest.mark.parametrize(
    ("taken", "headers"),
    [(False, {}), (False, {"sec-fetch-site": "cross-site"}), (True, {"sec-fetch-site": "same-origin"})],
)
async def test_a_get_prediction_is_eligible_unless_it_may_be_cross_site(
    taken: bool,
    headers: dict[str, str],
    unstamped: None,
    ways: Ways,
) -> None:
    query = urlencode(
        {"query": ASK, "variables": json.dumps({"features": STAY_FEATURES}), "operationName": ""}
    )
    fast, standard = await ways.both(b"", method="GET", query=query, **headers)
    assert fast == standard
    assert (ways.taken, fast.status) == (taken, 200 if taken else 403)


async def test_strangers_are_not_answered_where_they_are_not_admitted(
    settings: Any,
    ways: Ways,
) -> None:
    settings.EXEMPLAR_OPEN = False
    fast, standard = await ways.both(body())
    assert fast == standard
    assert (fast.status, ways.taken) == (401, 0)


async def test_a_replaced_model_is_freed(ways: Ways) -> None:
    query = ASK.replace("label", "model { number }")
    fast, standard = await ways.both(body(query))
    assert (fast.status, standard.status, ways.taken) == (200, 200, 1)
    product = catalogue.get("stay")
    before = weakref.ref(serving.get_champion(product).model)
    serving._promoted["stay"] = await with_rows(champion, product)
    gc.collect()
    assert before() is None


async def test_a_request_is_stored_once(ways: Ways) -> None:
    many = """query($rows: [StayPredictInput!]!) { stay { predictMany(rows: $rows) { timesAsked }
        a: predictFor(entity: "0") { id } } }"""
    rows = [{"features": STAY_FEATURES | {"age": n % 3 + 1}} for n in range(9)]
    for asked in (
        body(),
        body(features=STAY_FEATURES | {"age": 0}),
        body(many, variables={"rows": rows}),
    ):
        await ways.ask(ways.app, asked)
    assert ways.taken == 3
    asked = Prediction.objects.values_list("times_asked", flat=True)
    assert await with_rows(sorted, asked) == [1, 3, 3, 3]


async def test_ten_thousand_rows_are_answered_in_order(ways: Ways) -> None:
    many = (
        "query($rows: [StayPredictInput!]!) { stay { predictMany(rows: $rows) { features { age note } } } }"
    )
    rows = [{"features": STAY_FEATURES | {"age": n % 120 + 1, "note": str(n)}} for n in range(10_000)]
    answer = await ways.ask(ways.app, body(many, variables={"rows": rows}))
    told = [row["features"] for row in json.loads(answer.body)["data"]["stay"]["predictMany"]]
    assert told == [{"age": row["features"]["age"], "note": row["features"]["note"]} for row in rows]
    assert ways.taken == 1
    assert await with_rows(Prediction.objects.count) == 10_000


async def test_both_paths_report_a_lost_postgresql_alike(
    monkeypatch: pytest.MonkeyPatch,
    ways: Ways,
) -> None:
    def lost(*_: Any) -> Any:
        raise ConnectionLost("gone")

    monkeypatch.setattr(PredictionBatch, "_parameters", lost)
    query = ASK.replace("stay {", "stay { name").replace(
        "label } }", "label } ... on StayProduct { b: predict(features: $features) { answer } } }"
    )
    fast, standard = await ways.both(body(query))
    assert fast == standard
    assert ways.taken == 1
    told = json.loads(fast.body)
    assert told["data"] == {"stay": {"name": "stay", "predict": None, "b": None}}
    assert [error["extensions"]["code"] for error in told["errors"]] == ["UNAVAILABLE"] * 2
    assert fast.headers[b"retry-after"] == b"2"


async def test_overload_is_refused_at_once(monkeypatch: pytest.MonkeyPatch, ways: Ways) -> None:
    monkeypatch.setattr(micro_batching, "MOST_WAITING", 0)
    answer = await ways.ask(ways.app, body())
    assert answer.status == 503
    assert answer.headers[b"retry-after"] == b"1"
    [error] = json.loads(answer.body)["errors"]
    assert error["extensions"] == {"code": "OVERLOADED", "retryAfter": 1.0}
    assert not await with_rows(Prediction.objects.exists)


async def test_fields_that_exceed_the_queue_together_take_the_standard_path(
    unstamped: None,
    monkeypatch: pytest.MonkeyPatch,
    ways: Ways,
) -> None:
    monkeypatch.setattr(operations, "MOST_WAITING", 3)
    many = """query($rows: [StayPredictInput!]!) { stay { predictMany(rows: $rows) { id }
        again: predictMany(rows: $rows) { id } } }"""
    asked = body(many, variables={"rows": [{"features": STAY_FEATURES}] * 2})
    fast, standard = await ways.both(asked)
    assert fast == standard
    assert (fast.status, ways.taken) == (200, 0)


async def test_a_request_that_was_declined_below_asgi_is_neither_tried_nor_read_again(ways: Ways) -> None:
    async def never() -> Any:
        raise AssertionError("The body was read already.")

    headers = [(name.encode(), value.encode()) for name, value in JSON.items()]
    query = body("{ stay { predictions { totalCount } } }")
    request = GraphQLRequest(RequestHead("POST", b"", headers), never, query)
    assert await ways.reply(request) is None
    answer = await ways.ask(ways.app, b"nothing", extensions={EXTENSION: request})
    assert json.loads(answer.body) == {"data": {"stay": {"predictions": {"totalCount": 0}}}}
    assert ways.taken == 0


#: What `narrow_champion` never saw: a choice, a null and a feature.
UNSEEN = ({"urgency": "URGENT"}, {"smokes": None}, {"woken": "06:30"})
CONFIDENCE = ASK.replace("id label", "label confidence")


def narrow_champion() -> serving.Champion:
    """A champion that learned from fewer choices, nulls and features than `stay` declares."""
    stay = catalogue.get("stay")
    columns = tuple(
        replace(column, choices=tuple(c for c in column.choices if c != "1st"), nullable=False)
        for column in stay.signature.columns
        if column.name != "woken"
    )
    rows = [
        (40 + n % 30, date(1970, 1, 1 + n % 28), n % 7, f"note {n % 3}", n % 2 == 0, "planned")
        for n in range(90)
    ]
    by_name = [
        dict(zip(("age", "born", "cost", "note", "smokes", "urgency"), row, strict=True)) for row in rows
    ]
    cells = [[row[column.name] for column in columns] for row in by_name]
    labels = [row["age"] > 52 for row in by_name]
    data = dataset(Classification(), columns, cells, labels, ("False", "True"))
    model = compiled(fit_model(Classification(), Recipe("linear", {"C": 1.0}), data), data)
    assert model.serves_alone
    registered = version(stay)
    ModelVersion.objects.filter(pk=registered.pk).update(**artifact_columns(model))
    registered.refresh_from_db()
    return serving.Champion(stay, registered, registered.load(stay), serving.InferenceTime(1.0, 1.0))


async def test_a_version_of_a_narrower_declaration_is_served_alike_by_both_ways(
    ways: Ways, monkeypatch: pytest.MonkeyPatch
) -> None:
    champion = await with_rows(narrow_champion)
    monkeypatch.setitem(serving._promoted, "stay", champion)
    known = STAY_FEATURES | {"smokes": True, "born": "1980-01-01"}
    for change in ({}, *UNSEEN):
        fast, standard = await ways.both(body(CONFIDENCE, known | change))
        assert fast == standard
        answer = json.loads(fast.body)["data"]["stay"]["predict"]
        asked = {
            "age": 61,
            "note": "",
            "urgency": "planned",
            "cost": 10,
            "smokes": True,
            "born": date(1980, 1, 1),
        }
        asked |= {"urgency": None} if "urgency" in change else {"smokes": None} if "smokes" in change else {}
        [expected] = champion.model.predict([champion.product.instance(asked)])
        assert isinstance(expected, ClassAnswer)
        assert answer["confidence"] == pytest.approx(expected.confidence, abs=1e-12)
    assert ways.taken == 1 + len(UNSEEN)


PREDICT = "mutation Ask($input: StayPredictInput!) { stayPredict(input: $input) "
ITEM = {"features": STAY_FEATURES}


async def test_a_get_never_executes_a_mutation(ways: Ways) -> None:
    query = {"query": PREDICT + "{ prediction { id } } }", "variables": json.dumps({"input": ITEM})}
    fast, standard = await ways.both(b"", method="GET", query=urlencode(query), x_exemplar_preflight="1")
    assert fast == standard
    assert (fast.status, ways.taken) == (405, 0)
    assert not await with_rows(Prediction.objects.exists)


async def test_the_fields_of_a_mutation_are_executed_one_after_the_other(ways: Ways) -> None:
    query = (
        PREDICT
        + "{ prediction { timesAsked } } again: stayPredict(input: $input) { prediction { timesAsked } } }"
    )
    for way, first in ((ways.app, 1), (ways.standard, 3)):
        answer = await ways.ask(way, body(query, variables={"input": ITEM}))
        asked = [payload["prediction"]["timesAsked"] for payload in json.loads(answer.body)["data"].values()]
        assert asked == [first, first + 1]
    assert ways.taken == 1


async def test_the_edges_of_new_predictions_are_those_of_the_list(ways: Ways) -> None:
    listed = "{ stay { predictions(first: 2) { edges { cursor node { id } } } } }"
    many = """mutation($rows: [StayPredictInput!]!) { stayPredictMany(input: {rows: $rows}) {
        predictionEdges { cursor node { id } } } }"""
    rows = [{"features": STAY_FEATURES | {"age": age}} for age in (7, 8, 7)]
    fast, standard = await ways.both(body(many, variables={"rows": rows}))
    assert fast == standard
    edges = json.loads(fast.body)["data"]["stayPredictMany"]["predictionEdges"]
    stored = json.loads((await ways.ask(ways.app, body(listed))).body)["data"]["stay"]["predictions"]["edges"]
    assert edges[0] == edges[2] != edges[1]
    assert sorted(edges[:2], key=str) == sorted(stored, key=str)
    assert ways.taken == 1


async def test_each_list_of_a_payload_names_the_items_that_were_refused(ways: Ways) -> None:
    many = """mutation($rows: [StayPredictInput!]!) { stayPredictMany(input: {rows: $rows}) {
        predictions { answer } edges: predictionEdges { cursor } product { title } } }"""
    rows = [{"features": STAY_FEATURES | {"age": age}} for age in (7, -7)]
    fast, standard = await ways.both(body(many, variables={"rows": rows}))
    assert fast == standard
    answer = json.loads(fast.body)
    assert answer["data"]["stayPredictMany"]["predictions"][1] is None
    assert [error["path"] for error in answer["errors"]] == [
        ["stayPredictMany", "predictions", 1],
        ["stayPredictMany", "edges", 1],
    ]
    assert answer["errors"][0]["extensions"]["argument"] == ["input", "rows", "1", "features", "age"]
    assert ways.taken == 1


GENERIC = "mutation($input: PredictInput!) { predict(input: $input) { %s } }"


@pytest.mark.parametrize("name", PRODUCTS)
async def test_features_as_json_have_the_faults_of_typed_ones(name: str, ways: Ways) -> None:
    product = catalogue.get(name)
    prefix, field = names.prefix(name), names.field(name)
    typed = f"mutation($input: {prefix}PredictInput!) {{ {field}Predict(input: $input) {{ prediction {{ id }} }} }}"
    reported = 0
    for seed in range(25):
        drawing = Drawing(Random(f"{name} {seed}"), product, (), badness=0.8)
        features = drawing.features()
        asked = {"features": features, "reference": drawing.random.choice(["form", "x" * 300])}
        own = await ways.ask(ways.standard, body(typed, variables={"input": asked}))
        generic = GENERIC % "prediction { id }"
        any_ = await ways.ask(ways.app, body(generic, variables={"input": {"product": name, **asked}}))
        told, expected = faults_in(any_), faults_in(own)
        assert told == expected, f"seed {seed}: {features}"
        reported += len(told)
    assert reported > 20


def faults_in(response: Response) -> list[Any]:
    """The sentences, codes and paths of the errors; only the code where the request was refused as a whole."""
    errors = json.loads(response.body).get("errors", [])
    return [[error["message"], error["extensions"]] for error in errors]


@pytest.mark.parametrize("name", PRODUCTS)
async def test_generic_values_are_those_of_the_typed_fields(name: str, ways: Ways) -> None:
    product = catalogue.get(name)
    fields = [names.field(column.name) for column in product.declared_columns]
    typed = f"... on {names.prefix(name)}Prediction {{ features {{ {' '.join(fields)} }} }}"
    query = (
        GENERIC
        % f"prediction {{ answer answerText answerValue featureValues {{ name value text }} {typed} }}"
    )
    for seed in range(5):
        features = Drawing(Random(f"{name} {seed}"), product, (), badness=0.0).features()
        asked = {"product": name, "features": features}
        answer = await ways.ask(ways.app, body(query, variables={"input": asked}))
        prediction = json.loads(answer.body)["data"]["predict"]["prediction"]
        values = {each["name"]: each["value"] for each in prediction["featureValues"]}
        assert list(values) == fields
        assert values == prediction["features"]
        for each in prediction["featureValues"]:
            assert (each["text"] is None) == (each["value"] is None), each
        again = asked | {"features": {name: values[name] for name in map(names.field, product.input_names)}}
        same = await ways.ask(ways.app, body(query, variables={"input": again}))
        assert json.loads(same.body)["data"]["predict"]["prediction"] == prediction
    assert ways.taken == 10


async def test_one_document_predicts_of_the_product_that_its_variables_name(
    ways: Ways, unstamped: None
) -> None:
    serving._promoted["bill"] = await with_rows(champion, catalogue.get("bill"))
    query = GENERIC % "prediction { __typename answerText } product { __typename title }"
    for name in ("stay", "bill", "nothing", "stay"):
        product = catalogue.find(name) or catalogue.get("stay")
        features = Drawing(Random(name), product, (), badness=0.0).features()
        item = {"product": name, "features": features}
        fast, standard = await ways.both(body(query, variables={"input": item}))
        assert fast == standard
        answer = json.loads(fast.body)
        if name == "nothing":
            assert answer["errors"][0]["extensions"] == {
                "code": "UNKNOWN_PRODUCT",
                "argument": ["input", "product"],
            }
        else:
            assert answer["data"]["predict"]["prediction"]["__typename"] == f"{names.prefix(name)}Prediction"
    assert ways.taken == 3


async def test_any_product_lists_its_predictions_and_rows(ways: Ways) -> None:
    key = await with_rows(lambda: str(operate(age=50).pk))
    item = {"product": "stay", "features": STAY_FEATURES, "entity": key}
    edge = GENERIC % "predictionEdge { cursor node { id } } prediction { model { id } }"
    payload = json.loads((await ways.ask(ways.app, body(edge, variables={"input": item}))).body)["data"][
        "predict"
    ]
    listed = """query($filter: PredictionFilter, $key: ID!) { product(name: "stay") {
        genericPredictions(first: 5, filter: $filter) { totalCount edges { cursor node { id } } }
        genericEntities(first: 1) { nodes { key featureValues { name text } } }
        entity(key: $key) { __typename key labelText } } }"""
    model = {"eq": payload["prediction"]["model"]["id"]}
    for conditions in (None, {"model": model}, {"product": "stay", "entity": {"eq": key}}):
        asked = body(listed, variables={"filter": conditions, "key": key})
        product = json.loads((await ways.ask(ways.app, asked)).body)["data"]["product"]
        assert product["genericPredictions"] == {"totalCount": 1, "edges": [payload["predictionEdge"]]}
        assert product["entity"] == {"__typename": "StayEntity", "key": key, "labelText": None}
    values = {each["name"]: each["text"] for each in product["genericEntities"]["nodes"][0]["featureValues"]}
    assert values["age"] == "50"
    asked = body(listed, variables={"filter": {"product": "bill"}, "key": key})
    other = json.loads((await ways.ask(ways.app, asked)).body)
    assert other["errors"][0]["extensions"] == {"code": "BAD_INPUT", "argument": ["filter", "product"]}
