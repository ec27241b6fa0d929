"""Rows that only some actors may see: two tenants of one product, by every query that names a row."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db.models import F, Q, Sum
from django.test import override_settings

from learning.model import ClusterAnswer
from learning.problem import Clustering
from schema.compiled.input_coercion import NotEligible
from schema.composition import compose
from schema.core.context import Context
from schema.core.ids import node_id
from store.access.acting import acting_as
from store.access.actors import Actor
from store.access.permissions import Grants, Permission
from store.entities import base_rows, entities
from store.exceptions import UnknownId
from store.models import LabelQueue
from store.predictions import upsert
from store.predictions.feedback import About, Feedback
from store.predictions.predictions import Prediction
from store.predictions.upsert import PredictionBatch, ValidRequest
from store.products import catalogue
from store.products.features import Join
from store.products.product import DataProduct
from store.serving import champions as serving
from store.serving import label_ordering, predict
from store.serving.predict import PredictionRequest
from store.snapshots import snapshots
from tests.market.models import Customer, Order
from tests.market.rows import customer, product_of
from tests.schema.compiled.oracle import Oracle

from ...store.conftest import version

pytestmark = pytest.mark.django_db

ANN, BOB = (Actor(author=name, name=name, superuser=True) for name in ("ann", "bob"))
Ask = Callable[[Actor, str], Any]


def by_owner(actor: Actor) -> Q:
    return Q(owner=actor.name or "")


@pytest.fixture
def loyalty(monkeypatch: pytest.MonkeyPatch) -> DataProduct:
    product = product_of({"points": "points", "age": "age"}, at="joined_at", visible_to=by_owner)
    monkeypatch.setitem(catalogue._products, product.name, product)
    model = Oracle(signature=product.signature, family="x", hyperparameters={}, estimator=None)
    champion = serving.Champion(product, version(product), model)
    monkeypatch.setitem(serving._promoted, product.name, champion)
    return product


@pytest.fixture
def ask(loyalty: DataProduct) -> Ask:
    schema = compose([loyalty])

    def execute(actor: Actor, query: str) -> Any:
        return schema.execute_sync(query, context_value=Context(actor, None))  # type: ignore[arg-type]

    return execute


@pytest.fixture
def rows() -> dict[str, Customer]:
    return {name: customer(owner=name, points=place) for place, name in enumerate(("ann", "bob"))}


def test_a_list_and_a_row_by_its_key_are_those_of_the_actor(ask: Ask, rows: dict[str, Customer]) -> None:
    for actor, other in ((ANN, "bob"), (BOB, "ann"), (ANN, "bob")):
        result = ask(actor, "{ loyalty { entities { totalCount edges { node { key } } } } }")
        mine = {"node": {"key": str(rows[actor.author].pk)}}
        assert result.data["loyalty"]["entities"] == {"totalCount": 1, "edges": [mine]}
        result = ask(actor, f'{{ loyalty {{ entity(key: "{rows[other].pk}") {{ key }} }} }}')
        assert result.data["loyalty"]["entity"] is None


@pytest.mark.parametrize(
    "query",
    [
        '{ loyalty { predictFor(entity: "%s") { id } } }',
        '{ loyalty { predict(entity: "%s", features: {age: 3, points: 4}) { id } } }',
    ],
)
def test_a_prediction_about_anothers_row_is_refused(ask: Ask, rows: dict[str, Customer], query: str) -> None:
    assert not ask(BOB, query % rows["bob"].pk).errors
    result = ask(BOB, query % rows["ann"].pk)
    assert [error.extensions["code"] for error in result.errors] == ["UNKNOWN_ENTITY"]
    assert not Prediction.objects.filter(entity=str(rows["ann"].pk)).exists()


def test_feedback_on_anothers_row_is_refused_and_writes_nothing(ask: Ask, rows: dict[str, Customer]) -> None:
    give = 'mutation { loyaltyFeedback(input: {about: {entity: "%s"}, label: YES}) { created } }'
    result = ask(BOB, give % rows["ann"].pk)
    assert [error.extensions["code"] for error in result.errors] == ["UNKNOWN_ENTITY"]
    assert not Feedback.objects.exists()
    assert not ask(BOB, give % rows["bob"].pk).errors
    assert {row.owner: row.churned for row in Customer.objects.all()} == {"ann": None, "bob": True}


def test_pages_and_ids_of_predictions_are_those_of_the_actor(
    ask: Ask, rows: dict[str, Customer], loyalty: DataProduct
) -> None:
    keys = [str(row.pk) for row in rows.values()]
    predict.predict(serving.get_champion(loyalty), [PredictionRequest(entity=key) for key in keys])
    every = [node_id(prediction) for prediction in Prediction.objects.all()]
    assert len(every) == 2
    for actor in (ANN, BOB):
        [mine] = ids_of(ask(actor, LIST).data)
        assert ids_of(ask(actor, f"{{ loyalty {LIST} }}").data["loyalty"]) == [mine]
        [other] = set(every) - {mine}
        assert ask(actor, f'{{ node(id: "{other}") {{ id }} }}').data["node"] is None
        give = f'loyaltyFeedback(input: {{about: {{prediction: "{other}"}}, label: YES}}) {{ created }}'
        assert [error.extensions["code"] for error in ask(actor, f"mutation {{ {give} }}").errors] == [
            "UNKNOWN_ID"
        ]


#: What names a row by its key; creating one tells of necessity that its key is taken.
NAMING = [
    "{ loyalty { predictFor(entity: KEY) { id } } }",
    "{ loyalty { predictForMany(entities: [KEY]) { id } } }",
    "{ loyalty { predict(entity: KEY, features: {age: 3, points: 4}) { id } } }",
    '{ loyalty { predict(entity: KEY, features: {age: -3, points: 4}, reference: "") { id } } }',
    "{ loyalty { predictMany(rows: [{entity: KEY, features: {age: 3, points: 4}}]) { id } } }",
    "{ loyalty { entity(key: KEY) { key } } }",
    "{ loyalty { predictions(filter: {entity: {eq: KEY}}) { totalCount edges { node { id } } } } }",
    '{ predictions(filter: {product: "loyalty", entity: {eq: KEY}}) { totalCount edges { node { id } } } }',
    "mutation { loyaltyFeedback(input: {about: {entity: KEY}, label: YES}) { created } }",
    "mutation { loyaltyFeedbackMany(input: {inputs: [{about: {entity: KEY}, label: YES}]}) { results { created } } }",
    "mutation { loyaltyPatch(input: {entity: KEY, features: {age: 3}}) { created } }",
    "mutation { loyaltyPatch(input: {entity: KEY, label: YES}) { created } }",
    'mutation { loyaltyPatch(input: {entity: KEY, version: "1"}) { created } }',
    'mutation { loyaltyReplace(input: {key: KEY, features: {age: 3, points: 4}, at: AT, version: "1"}) { created } }',
    "mutation { loyaltyDelete(input: {entity: KEY, dryRun: true}) { predictionCount feedbackCount } }",
    'mutation { loyaltyDelete(input: {entity: KEY, version: "1"}) { deletedId } }',
    'mutation { deletePredictions(input: {filter: {product: "loyalty", entity: {eq: KEY}}}) { count feedbackCount } }',
]


@pytest.mark.parametrize("query", NAMING)
def test_a_key_of_anothers_row_is_answered_as_one_that_nobody_has(
    ask: Ask, rows: dict[str, Customer], loyalty: DataProduct, query: str
) -> None:
    about = PredictionRequest(entity=str(rows["ann"].pk))
    prediction = predict.predict_one(serving.get_champion(loyalty), about)
    Feedback.objects.give(loyalty, About(prediction=prediction.pk), "True", "ann")
    before = stored()

    def told(key: str) -> str:
        text = query.replace("KEY", f'"{key}"').replace("AT", '"2024-05-17T00:00:00Z"')
        result = ask(BOB, text)
        assert result.data is not None, result.errors
        errors = [(error.message, error.extensions) for error in result.errors or ()]
        return re.sub(rf"\b{key}\b", "KEY", f"{result.data} {errors}")

    assert told(about.entity or "") == told("987654321")
    assert stored() == before


def stored() -> list[Any]:
    """All rows that a query about a customer may change."""
    return [list(model.objects.order_by("pk").values_list()) for model in (Customer, Prediction, Feedback)]


def test_a_prediction_about_what_is_no_key_any_more_is_nobodys(
    ask: Ask, rows: dict[str, Customer], loyalty: DataProduct
) -> None:
    keys = [str(row.pk) for row in rows.values()]
    predict.predict(serving.get_champion(loyalty), [PredictionRequest(entity=key) for key in keys])
    Prediction.objects.filter(entity=keys[0]).update(entity="of another type")
    assert [len(ids_of(ask(actor, LIST).data)) for actor in (ANN, BOB)] == [0, 1]
    assert Prediction.objects.count() == 2


def test_predictions_about_groups_are_those_of_the_actor(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ann", "bob"):
        customer(owner=name, orders=[(0, 5), (1, 7)])
    groups = Order.objects.values(owner=F("customer__owner")).annotate(total=Sum("amount"))
    join = Join(groups, features={"total": "total"}, visible_to=by_owner)
    product = DataProduct(name="loyalty", join=join, problem=Clustering(), writes="none")
    monkeypatch.setitem(catalogue._products, product.name, product)
    requests = [ValidRequest((12.0,), f'["{name}"]') for name in ("ann", "bob")]
    answers = [ClusterAnswer(0, (1.0,))] * 2
    upsert.store(PredictionBatch(product, version(product), requests, answers))
    for actor in (ANN, BOB):
        with acting_as(actor):
            assert [row.entity for row in Prediction.objects.all()] == [f'["{actor.author}"]']


LIST = "{ predictions { edges { node { id } } } }"


def ids_of(data: Any) -> list[str]:
    return [edge["node"]["id"] for edge in data["predictions"]["edges"]]


def test_a_feedback_on_anothers_row_is_no_node(rows: dict[str, Customer], loyalty: DataProduct) -> None:
    given = Feedback.objects.give(loyalty, About(entity=str(rows["ann"].pk)), "True", "ann").feedback
    with acting_as(BOB):
        assert Feedback.objects.find(loyalty, given.pk) is None
    with acting_as(ANN):
        assert Feedback.objects.find(loyalty, given.pk) == given


def test_a_prediction_about_a_key_that_nobody_has_is_refused_as_one_about_anothers(
    ask: Ask, rows: dict[str, Customer]
) -> None:
    about = '{ loyalty { predict(entity: "%s", features: {age: 3, points: 4}) { id } } }'
    nobodys = max(row.pk for row in rows.values()) + 1
    refusals = [ask(BOB, about % key).errors[0] for key in (rows["ann"].pk, nobodys)]
    assert {error.extensions["code"] for error in refusals} == {"UNKNOWN_ENTITY"}
    customer(owner="ann", id=nobodys)
    assert ids_of(ask(ANN, LIST).data) == []


def test_what_was_said_of_a_row_that_is_gone_is_known_to_those_who_see_all_rows_alone(
    rows: dict[str, Customer], loyalty: DataProduct
) -> None:
    key = str(rows["ann"].pk)
    prediction = predict.predict_one(serving.get_champion(loyalty), PredictionRequest(entity=key))
    given = Feedback.objects.give(loyalty, About(prediction=prediction.pk), "True", "ann").feedback
    rows["ann"].delete()
    with acting_as(BOB):
        assert not Prediction.objects.exists()
        assert Feedback.objects.find(loyalty, given.pk) is None
        with pytest.raises(UnknownId):
            Feedback.objects.retract(loyalty, given.pk, BOB)
    object.__setattr__(loyalty.join, "visible_to", lambda actor: Q() if actor is ANN else by_owner(actor))
    with acting_as(ANN):
        assert Prediction.objects.get() == prediction
        assert Feedback.objects.find(loyalty, given.pk) == given


@override_settings(EXEMPLAR_OPEN=False)
def test_a_feedback_on_anothers_row_is_as_unknown_to_who_may_not_retract_it_as_none(
    rows: dict[str, Customer], loyalty: DataProduct
) -> None:
    given = Feedback.objects.give(loyalty, About(entity=str(rows["ann"].pk)), "True", "ann").feedback
    bob = Actor(author="bob", name="bob", grants=Grants(frozenset({Permission.FEEDBACK})))
    for number in (given.pk, given.pk + 1):
        with acting_as(bob), pytest.raises(UnknownId, match="No feedback on Loyalty has this id"):
            Feedback.objects.retract(loyalty, number, bob)


def test_what_to_label_next_is_of_the_actors_rows(
    ask: Ask, rows: dict[str, Customer], loyalty: DataProduct
) -> None:
    predict.predict(serving.get_champion(loyalty), [PredictionRequest(entity=str(rows["ann"].pk))])
    label_ordering.update(LabelQueue.objects.create(product="loyalty"), loyalty)
    query = "{ loyalty { nextToLabel { totalCount nodes { entity { key } prediction { id } } } } }"
    for actor in (ANN, BOB):
        page = ask(actor, query).data["loyalty"]["nextToLabel"]
        assert page["totalCount"] == 1
        assert [node["entity"]["key"] for node in page["nodes"]] == [str(rows[actor.author].pk)]
        assert [node["prediction"] is None for node in page["nodes"]] == [actor is BOB]


def test_a_build_sees_all_rows(rows: dict[str, Customer], loyalty: DataProduct) -> None:
    assert base_rows.select(loyalty).count() == 2
    assert "owner" not in snapshots.join_sql(loyalty)


def test_an_actor_is_forgotten_after_the_operation(
    ask: Ask, rows: dict[str, Customer], loyalty: DataProduct
) -> None:
    ask(ANN, "{ loyalty { entities { totalCount } } }")
    assert len(entities.page(loyalty).nodes) == 2


def test_the_fast_path_whose_batches_mix_actors_leaves_such_a_product_alone(loyalty: DataProduct) -> None:
    document = '{ loyalty { predictFor(entity: "1") { id } } }'
    compiled = compose([loyalty]).document_cache.make_plan(document, None)
    assert compiled is not None
    with pytest.raises(NotEligible):
        compiled.operation({})
    open_to_all = product_of({"points": "points", "age": "age"}, at="joined_at")
    compiled = compose([open_to_all]).document_cache.make_plan(document, None)
    assert compiled is not None and compiled.operation({})
