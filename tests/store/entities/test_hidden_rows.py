"""Whoever reads or writes a team's rows does it as if those that the queryset leaves out were not in the table."""

import csv
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.db import connection, transaction
from django.db.models import Count

from learning.exceptions import ExemplarError
from store import ingest
from store.access.actors import Actor
from store.db.pagination import PageRequest
from store.entities import base_rows, entities
from store.entities.entities import KEEP
from store.exceptions import Conflict, NotWritable
from store.ingest import editing, values
from store.ingest.editing import EditedRow
from store.predictions import upsert
from store.predictions.feedback import About, Feedback
from store.predictions.predictions import Prediction
from store.predictions.upsert import PredictionBatch, ValidRequest
from store.products import catalogue
from store.products.product import DataProduct
from store.serving import batch_scoring, champions, predict, prefetch
from store.serving.predict import PredictionRequest
from store.snapshots import preview

from ..conftest import version
from ..team import OURS, Customer, Order, Profile, contents, customers, team

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("team")]
__all__ = ["team"]

#: A row of the product's, another tenant's, a deleted one, and none.
OWN, FOREIGN, DELETED, MISSING = KEYS = ("1", "2", "3", "4")
FEATURES = {"age": 41, "tenant": OURS}
ANN = Actor(author="ann", name="ann")

#: Products that may insert rows, and that may not.
PRODUCTS: dict[str, Callable[[], DataProduct]] = {
    "writable": customers,
    "computed": lambda: customers(age="age", tenant="tenant", orders=Count("orders")),
}


class World:
    """One product over the team's tables, with a file to load."""

    def __init__(self, product: DataProduct, folder: Path):
        self.product, self.folder = product, folder

    @property
    def inputs(self) -> list[int]:
        values = {"age": 30, "orders": 1, "tenant": OURS}
        return [values[name] for name in self.product.input_names]

    def load(self, name: str, *rows: dict[str, object], **options: Any) -> object:
        path = self.folder / f"{name}.csv"
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        loaded = ingest.load(self.product, [path], rejects=self.folder / "rejects.csv", **options)
        return loaded.inserted, loaded.updated, loaded.unchanged, loaded.rejected

    def predicted(self, key: str) -> Prediction:
        prediction = Prediction.objects.get(product=self.product.name, entity=key)
        return prefetch.attach_prefetch([prediction])[0]

    def spoken(self, key: str) -> Feedback:
        """What was said of an entity before it was hidden."""
        return Feedback.objects.get(product=self.product.name, entity=key, author=ANN.author)

    def say(self, about: About) -> object:
        given = Feedback.objects.give(self.product, about, "False", "bob")
        return given.created, given.feature_rows_changed, shown(given.feedback.entity_of())

    def validate(self, request: PredictionRequest) -> object:
        return refusals(predict.validate(self.product, [request]))


def shown(entity: entities.Entity | None) -> object:
    return entity and (entity.key, entity.inputs, entity.label, entity.version)


def refusals(validated: Any) -> object:
    return [(type(each), str(each)) if isinstance(each, ExemplarError) else tuple(each) for each in validated]


def prediction_shown(world: World, key: str) -> object:
    prediction = world.predicted(key)
    return shown(prediction.prefetch.entity_of(prediction)), prediction.prefetch.truth_of(prediction)


def page(world: World, key: str) -> object:
    rows = entities.page(world.product, PageRequest(first=10))
    return list(map(shown, rows.nodes)), rows.total()


def counted(world: World, key: str) -> object:
    seen = preview.preview(world.product)
    return seen.rows_in, seen.rows_out, seen.first_keys, champions._instances(world.product)


READERS: dict[str, Callable[[World, str], object]] = {
    "find": lambda world, key: shown(entities.find(world.product, [key]).get(key)),
    "get": lambda world, key: shown(entities.get(world.product, key)),
    "existing": lambda world, key: base_rows.existing(world.product, [key, OWN]),
    "page": page,
    "chunk": lambda world, key: list(map(shown, entities.after(world.product, None, 10))),
    "scoring": lambda world, key: refusals(batch_scoring._read_chunk(world.product, None)[1]),
    "lock": lambda world, key: (row := base_rows.lock(world.product, key)) and row.pk,
    "predictFor": lambda world, key: world.validate(PredictionRequest(entity=key)),
    "predict about it": lambda world, key: world.validate(PredictionRequest(world.inputs, entity=key)),
    "a prediction's": prediction_shown,
    "a feedback's": lambda world, key: shown(world.spoken(key).entity_of()),
    "counts": counted,
}
WRITERS: dict[str, Callable[[World, str], object]] = {
    "feedback": lambda world, key: world.say(About(entity=key)),
    "patch": lambda world, key: editing.patch(world.product, key, {"age": 50}, KEEP, KEEP, None).changed,
    "label": lambda world, key: editing.patch(world.product, key, {}, False, KEEP, None).changed,
}
#: What inserts a row where there is none, or writes without one. Where a hidden row has the key, nothing may change.
INSERTERS: dict[str, Callable[[World, str], object]] = {
    "feedback on a prediction": lambda world, key: world.say(About(prediction=world.predicted(key).pk)),
    "create": lambda world, key: editing.create(world.product, key, FEATURES, None, None).changed,
    "replace": lambda world, key: editing.replace(world.product, key, FEATURES, True, None, None).changed,
    "upsert": lambda world, key: editing.upsert_many(world.product, [EditedRow(key, FEATURES, True, None)]),
    "retract": lambda world, key: Feedback.objects.retract(world.product, world.spoken(key).pk, ANN).created,
    "ingest": lambda world, key: world.load("customer", {"id": key, **FEATURES, "churned": "true"}),
    "ingest of a column": lambda world, key: world.load("customer", {"id": key, "age": 41}),
    "ingest of labels": lambda world, key: world.load("customer", {"id": key, "churned": "true"}),
    "ingest of a reference": lambda world, key: world.load("order", {"id": 9, "customer_id": key, "paid": 3}),
    "ingest of another": lambda world, key: world.load("order", {"id": key, "customer_id": OWN, "paid": 3}),
    "ingest of one-to-one": lambda world, key: world.load("profile", {"customer_id": key, "visits": 3}),
}


@pytest.fixture(params=PRODUCTS)
def world(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A product whose rows have been predicted and spoken about, all before some were hidden."""
    product = PRODUCTS[request.param]()
    monkeypatch.setattr(catalogue, "get", lambda name: product)
    registered = version(product)
    with connection.cursor() as cursor:
        cursor.execute("CREATE UNIQUE INDEX ON team_profile (customer_id)")
    Customer.objects.bulk_create(Customer(id=key, tenant=OURS) for key in (OWN, FOREIGN, DELETED))
    Order.objects.bulk_create(Order(id=key, customer_id=key, paid=1) for key in (OWN, FOREIGN, DELETED))
    requests = [ValidRequest(World(product, tmp_path).inputs, key) for key in KEYS]
    answers = registered.load(product).predict([each.instance for each in requests])
    upsert.store(PredictionBatch(product, registered, requests, answers))
    for key in (OWN, FOREIGN, DELETED):
        Feedback.objects.give(product, About(entity=key), "True", ANN.author)
    return World(product, tmp_path)


def hide() -> None:
    Customer.objects.filter(pk=FOREIGN).update(tenant=OURS + 1)
    Customer.objects.filter(pk=DELETED).update(deleted_at=datetime(2024, 5, 17, tzinfo=UTC))


def remove() -> None:
    Order.objects.filter(customer_id__in=(FOREIGN, DELETED)).delete()
    Customer.objects.filter(pk__in=(FOREIGN, DELETED)).delete()


def outcome(
    action: Callable[[World, str], object], world: World, key: str, prepare: Callable[[], None]
) -> Any:
    """What an action gives or raises, and the rows before and after it; then all is as it was."""
    try:
        with transaction.atomic():
            prepare()
            before = rows()
            try:
                with transaction.atomic():
                    result: object = action(world, key)
            except (ExemplarError, Prediction.DoesNotExist, Feedback.DoesNotExist) as error:
                result = type(error), str(error)
            raise Undo(result, before, rows())
    except Undo as undo:
        return undo.args


class Undo(Exception):
    """Rolls an outcome back."""


def rows() -> dict[Any, list[Any]]:
    return {model: contents(model) for model in (Customer, Order, Profile)}


def hidden(of: dict[Any, list[Any]]) -> list[Any]:
    return [row for row in of[Customer] if str(row[0]) in (FOREIGN, DELETED)]


@pytest.mark.parametrize("action", [*READERS, *WRITERS])
def test_a_hidden_row_is_as_good_as_none(action: str, world: World) -> None:
    run = (READERS | WRITERS)[action]
    for key in KEYS:
        result, before, after = outcome(run, world, key, hide)
        assert result == outcome(run, world, key, remove)[0], key
        assert hidden(after) == hidden(before), key


@pytest.mark.parametrize("action", INSERTERS)
def test_nothing_takes_the_place_of_a_hidden_row(action: str, world: World) -> None:
    for key in KEYS:
        result, before, after = outcome(INSERTERS[action], world, key, hide)
        if key in (FOREIGN, DELETED):
            assert isinstance(result, tuple) and issubclass(result[0], ExemplarError), (key, result)
            assert after == before, key
        else:
            assert result == outcome(INSERTERS[action], world, key, remove)[0], key


def test_a_file_is_loaded_without_the_rows_that_are_hidden_or_would_be(world: World) -> None:
    hide()
    before = contents(Customer)
    lines = [{"id": key, "age": 41, "tenant": OURS} for key in (OWN, FOREIGN, MISSING)]
    lines.append({"id": "5", "age": 41, "tenant": OURS + 1})
    assert world.load("customer", *lines, max_rejects=2) == (1, 1, 0, 2)
    with (world.folder / "rejects.csv").open() as file:
        rejects = {row["line"]: row["reason"] for row in csv.DictReader(file)}
    assert "belongs to a customer that Team leaves out" in rejects.pop("3")
    assert "would be none of the rows of Team" in rejects.pop("5")
    assert not rejects
    assert {row[0]: row[3] for row in contents(Customer)} == {1: 41, 2: 30, 3: 30, 4: 41}
    assert hidden({Customer: contents(Customer)}) == hidden({Customer: before})


@pytest.mark.parametrize(
    ("key", "module", "step"),
    [(MISSING, values, "upsert_rows"), (OWN, editing, "_resolve_keys")],
    ids=["inserted", "moved"],
)
def test_a_row_that_becomes_anothers_just_before_the_upsert_is_not_taken(
    world: World, key: str, module: Any, step: str
) -> None:
    if not world.product.writable:
        return
    real = getattr(module, step)

    def write_first(*arguments: Any) -> Any:
        Customer.objects.update_or_create(id=key, defaults={"tenant": OURS + 1})
        return real(*arguments)

    edited = [EditedRow(key, FEATURES, KEEP, None)]
    refused = pytest.raises(Conflict, match="meanwhile: try again")
    with mock.patch.object(module, step, write_first), refused, transaction.atomic():
        editing.upsert_many(world.product, edited)


def test_rows_with_feedback_that_would_be_hidden_are_refused_with_their_labels(world: World) -> None:
    away = {"age": 41, "tenant": OURS + 1}
    before = contents(Customer)
    assert world.load("customer", {"id": OWN, **away, "churned": "true"}, max_rejects=1) == (0, 0, 0, 1)
    if world.product.writable:
        with pytest.raises(NotWritable, match="its queryset leaves it out"), transaction.atomic():
            editing.upsert_many(world.product, [EditedRow(OWN, away, True, None)])
    assert contents(Customer) == before


def test_rows_that_would_be_hidden_are_not_upserted(world: World) -> None:
    if world.product.writable:
        before = contents(Customer)
        row = EditedRow("5", {"age": 41, "tenant": OURS + 1}, KEEP, None)
        with pytest.raises(NotWritable, match="its queryset leaves it out") as refusal, transaction.atomic():
            editing.upsert_many(world.product, [EditedRow("6", FEATURES, KEEP, None), row])
        assert refusal.value.argument == ("rows", "1")
        assert contents(Customer) == before


def test_a_row_that_people_spoke_about_is_not_taken_out_by_a_file_or_an_upsert(world: World) -> None:
    before = contents(Customer)
    taken_out = {"age": 41, "tenant": OURS + 1}
    with (
        pytest.raises(ingest.TooManyRejects, match="would be none of the rows of Team"),
        transaction.atomic(),
    ):
        world.load("customer", {"id": OWN, **taken_out, "churned": "false"})
    if world.product.writable:
        with pytest.raises(NotWritable, match="its queryset leaves it out"), transaction.atomic():
            editing.upsert_many(world.product, [EditedRow(OWN, taken_out, False, None)])
    assert contents(Customer) == before
