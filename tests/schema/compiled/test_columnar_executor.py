"""A walk says what the ordinary execution says, of whatever is selected; where it cannot, it is not heard of."""

import json
from random import Random
from typing import Any

import pytest
from starlette.requests import HTTPConnection
from strawberry.schema.schema_converter import CustomGraphQLEnumType

from schema.compiled import ColumnarQueries
from schema.compiled.columnar_executor import enum_coercion
from schema.compiled.input_coercion import InputReader
from schema.compiled.serializers import leaf_field
from schema.composition import compose
from schema.core import ids, names
from schema.core.context import Context
from schema.core.enums import FeatureKind
from schema.schema import schema
from store import models
from store.access.actors import Actor
from store.predictions import upsert
from store.predictions.upsert import PredictionBatch
from store.products import catalogue
from store.serving import champions, predict
from tests.drawing import draws
from tests.schema.compiled.oracle import Oracle, intervals
from tests.schema.compiled.random_requests import Drawing
from tests.schema.compiled.random_selections import Selecting
from tests.store.conftest import version

QUERIES = draws(100)
CONTEXT = Context(Actor(author="tests", superuser=True), HTTPConnection({"type": "http", "headers": []}))


class Told:
    """What the walks told, beside what was executed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.walked, self.give_up, self.data = 0, False, ColumnarQueries.data
        monkeypatch.setattr(ColumnarQueries, "data", lambda walks, executor: self.found(walks, executor))

    def found(self, walks: ColumnarQueries, executor: Any) -> Any:
        found = None if self.give_up else self.data(walks, executor)
        self.walked += found is not None
        return found

    def both(self, query: str, **variables: Any) -> tuple[str, str]:
        """As JSON, in the order in which it is told."""
        walked = self.ask(query, variables)
        self.give_up = True
        executed = self.ask(query, variables)
        self.give_up = False
        return walked, executed

    def ask(self, query: str, variables: dict[str, Any]) -> str:
        result = schema.execute_sync(query, variable_values=variables, context_value=CONTEXT)
        return json.dumps([result.data, [error.formatted for error in result.errors or ()]])


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    return Told(monkeypatch)


def test_both_executors_return_the_same(told: Told, predictions: list[Any]) -> None:
    rows = [*predictions[:5], *models.ModelVersion.objects.all(), *models.Build.objects.all()]
    rows += [*models.Feedback.objects.all()[:5], *models.Candidate.objects.all()[:3]]
    here = [*(ids.node_id(row) for row in rows), "1", "nobody"]
    good = 0
    for seed in range(QUERIES):
        query = Selecting(schema._schema, Random(seed), here).query()
        walked, executed = told.both(query, yes=bool(seed % 2))
        assert walked == executed, f"seed {seed}: {query}"
        good += executed.endswith(", []]")
    # Else nothing has been compared.
    assert good > QUERIES / 4 and told.walked > good * 0.8


@pytest.mark.parametrize("name", ["stay", "relapse", "diabetes", "wine", "manual"])
def test_columns_and_answers_of_every_kind_are_walked(told: Told, db: None, name: str) -> None:
    product, prefix = catalogue.get(name), names.prefix(name)
    drawing, reader = Drawing(Random(name), product, [], badness=0.0), InputReader(schema._schema, product)
    rows = [{"features": drawing.features(), "reference": f"r{n}"} for n in range(6)]
    requests = [reader.row(row, ()) for row in rows]
    valid = predict.accepted(predict.validate(product, requests))
    assert len(valid) == 6
    oracle = Oracle(signature=product.signature, family="x", hyperparameters={}, estimator=None)
    answers = oracle.predict([request.instance for request in valid])
    registered = version(product, intervals=intervals(product.signature))
    stored = upsert.store(PredictionBatch(product, registered, valid, answers))
    types = schema._schema.type_map
    every = " ".join(types[f"{prefix}Instance"].fields)
    for seed in range(30):
        drawn = Selecting(schema._schema, Random(seed), [ids.node_id(row) for row in stored])
        selected = f"features {{ {every} }} {drawn.selection(types[f'{prefix}Prediction'], 3)}"
        page = f"{{ {names.field(name)} {{ predictions {{ edges {{ node {{ {selected} }} }} }} }} }}"
        query = "\n".join(
            [f"query($yes: Boolean!) {{ x: __typename @skip(if: $yes) {page[1:]}", *drawn.fragments]
        )
        walked, executed = told.both(query, yes=True)
        assert walked == executed, f"seed {seed}: {query}"
    assert told.walked > 20


@pytest.mark.parametrize(
    "query",
    [
        "{ tumor { models(first: 5) { edges { cursor node { number product { ... on TumorProduct { id } } } } } } }",
        "{ tumor { predictions { edges { node { model { number } features { meanRadius } truth } } } } }",
        "query($yes: Boolean!) { products { name champion { score @include(if: $yes) } } }",
        'fragment N on Node {id} { nodes(ids: ["x"]) { ...N } product(name: "tumor") { ...N builds { __typename } } }',
    ],
)
def test_a_page_is_walked(told: Told, predictions: list[Any], query: str) -> None:
    walked, executed = told.both(query, **({"yes": True} if "$yes" in query else {}))
    assert walked == executed and executed.endswith(", []]")
    assert told.walked == 1


@pytest.mark.parametrize(
    "query",
    [
        "{ __schema { queryType { name } } }",
        '{ __type(name: "Build") { name } }',
        "mutation { deletePredictions(input: {ids: []}) { __typename } }",
        "{ tumor { models(first: 0) { totalCount } name } }",
    ],
)
def test_documents_without_columnar_lists_are_executed_as_usual(told: Told, db: None, query: str) -> None:
    walked, executed = told.both(query)
    assert (walked, told.walked) == (executed, 0)


def test_a_mutation_is_executed_once(
    told: Told, predictions: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(predict, "predict_one", lambda *given: asked.append(given))
    monkeypatch.setattr(champions, "get_champion", lambda product: product)
    told.both('{ tumor { models { edges { node { number } } } predictFor(entity: "1") { id } } }')
    assert (len(asked), told.walked) == (2, 0)


def test_rows_are_looked_up_when_they_are_asked_for_again(told: Told, predictions: list[Any]) -> None:
    query = "{ tumor { predictions(first: 1) { totalCount } } }"
    first, _ = told.both(query)
    models.Feedback.objects.all().delete()
    predictions[0].delete()
    again, executed = told.both(query)
    assert again == executed != first


def test_an_enum_may_lack_members_that_no_product_uses() -> None:
    examples = [catalogue.get(name) for name in ("diabetes", "manual", "tumor", "wine")]
    kind = compose(examples)._schema.type_map["FeatureKind"]
    assert isinstance(kind, CustomGraphQLEnumType)
    assert "TIME" not in kind.values
    coerce = enum_coercion(kind)
    assert coerce([FeatureKind.NUMBER, FeatureKind.TEXT], False) == ["NUMBER", "TEXT"]
    assert coerce([FeatureKind.NUMBER, FeatureKind.TIME], False) is None
    assert leaf_field(lambda member: member, kind)(FeatureKind.NUMBER) == "NUMBER"
