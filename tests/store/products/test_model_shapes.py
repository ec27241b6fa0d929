"""Products over models of many shapes: inheritance, proxies, references to themselves, keys of several columns."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, models
from django.db.models import Avg, Count, F, Max
from django.test.utils import isolate_apps

from learning.problem import Classification, Clustering
from store.access.actors import Actor
from store.entities import entities
from store.ingest.files import Layout
from store.ingest.tables import NoTable, plan_loads
from store.predictions.feedback import About, Feedback
from store.products import checks
from store.products.features import Join
from store.products.product import DataProduct
from store.snapshots.preview import preview
from tests.shops import FILMS, MUSIC

ANN = Actor(author="ann", name="ann")
STAFF = """
CREATE SCHEMA staff;
CREATE TABLE staff.person (
    id serial PRIMARY KEY, boss_id integer REFERENCES staff.person, age integer NOT NULL, likes text
);
CREATE TABLE staff.agent (person_ptr_id integer PRIMARY KEY REFERENCES staff.person, sales integer NOT NULL);
INSERT INTO staff.person (boss_id, age, likes)
SELECT CASE WHEN i > 3 THEN 1 + i % 3 END, 20 + i, (ARRAY['tea', 'milk', NULL])[1 + i % 3]
FROM generate_series(1, 30) i;
INSERT INTO staff.agent SELECT i, i * i FROM generate_series(4, 30) i;
"""


@pytest.fixture(autouse=True)
def shops(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(FILMS + MUSIC + STAFF)


def declare(model: Any, features: dict[str, Any], **join: Any) -> DataProduct:
    product = DataProduct(
        name="shape",
        join=Join(model.objects.all(), features=features, **join),
        problem=Classification(folds=3),
    )
    assert list(checks.find_problems(product)) == []
    return product


def unmanaged(table: str) -> type:
    return type("Meta", (), {"app_label": "clinic", "managed": False, "db_table": table})


@isolate_apps("tests.clinic")
def people() -> tuple[Any, Any, Any]:
    class Person(models.Model):
        boss = models.ForeignKey("self", models.DO_NOTHING, null=True, related_name="team")
        age = models.IntegerField()
        likes = models.TextField(choices=[("tea", "Tea"), ("milk", "Milk")], null=True, blank=True)
        Meta = unmanaged('"staff"."person"')

    class Agent(Person):
        sales = models.IntegerField()
        Meta = unmanaged('"staff"."agent"')

    class Young(Person):
        class Meta:
            app_label = "clinic"
            proxy = True

    return Person, Agent, Young


def test_a_row_with_a_parent_is_read_labelled_and_given_back() -> None:
    _, agent, _ = people()
    product = declare(
        agent, {"sales": "sales", "age": "age", "boss": "boss__age", "team": Count("team")}, label="likes"
    )
    assert preview(product).rows_out == 27
    entity = entities.get(product, "6")
    assert (entity.label, entity.features) == ("tea", {"sales": 36, "age": 26, "boss": 21, "team": 0})
    given = Feedback.objects.give(product, About(entity="6"), "milk", "ann")
    assert entities.get(product, "6").label == "milk"
    Feedback.objects.retract(product, given.feedback.pk, ANN)
    assert entities.get(product, "6").label == entity.label


def test_a_proxy_and_a_reference_to_the_same_table_are_joined() -> None:
    _, _, young = people()
    product = declare(
        young, {"age": "age", "boss": "boss__age", "mean": Avg("team__age")}, label="likes", group="boss"
    )
    assert preview(product).rows_out == 30
    mean = sum(20 + i for i in range(4, 31) if 1 + i % 3 == 2) / 9
    assert entities.get(product, "2").features == {"age": 22, "boss": None, "mean": mean}


def test_a_row_may_be_labelled_with_another_of_its_table() -> None:
    person, _, _ = people()
    join = Join(person.objects.all(), features={"age": "age"}, label="boss")
    product = DataProduct(
        name="shape", join=join, problem=Classification(folds=3), classes={1: "Ann", 2: "Bob", 3: "Cid"}
    )
    assert list(checks.find_problems(product)) == []
    Feedback.objects.give(product, About(entity="1"), "3", "ann")
    assert entities.get(product, "1").label == 3


def test_a_one_to_one_relation_is_no_label_but_a_column_behind_it_is() -> None:
    _, agent, _ = people()

    def problems(label: str) -> list[str]:
        join = Join(agent.objects.all(), features={"sales": "sales"}, label=label)
        return list(
            checks.find_problems(DataProduct(name="shape", join=join, problem=Classification(folds=3)))
        )

    [problem] = problems("person_ptr")
    assert problem.startswith(
        "label: 'person_ptr' is a one-to-one relation, whose keys never repeat: name a column"
    )
    assert problems("person_ptr__likes") == []


def test_as_many_classes_as_the_product_names_are_taken() -> None:
    person, _, _ = people()
    join = Join(person.objects.all(), features={"age": "age"}, label="boss")
    classes = {number: f"Boss {number}" for number in range(1, 251)}
    product = DataProduct(name="shape", join=join, problem=Classification(folds=3), classes=classes)
    assert list(checks.find_problems(product)) == []
    assert len(product.label_by_text) == 250


@isolate_apps("tests.clinic")
def rentals() -> tuple[Any, Any]:
    class Rental(models.Model):
        rental_id = models.AutoField(primary_key=True)
        rental_date = models.DateTimeField()
        Meta = unmanaged('"films"."rental"')

    class Line(models.Model):
        pk = models.CompositePrimaryKey("rental_id", "line")
        rental = models.ForeignKey(Rental, models.DO_NOTHING, related_name="lines")
        line = models.IntegerField()
        price = models.DecimalField(max_digits=5, decimal_places=2)
        Meta = unmanaged('"films"."rental_line"')

    return Rental, Line


def test_rows_with_a_key_of_several_columns_are_joined_and_are_no_entities() -> None:
    rental, line = rentals()
    features = {"lines": Count("lines"), "mean": Avg("lines__price")}
    join = Join(rental.objects.all(), features=features)
    product = DataProduct(name="shape", join=join, problem=Clustering())
    assert list(checks.find_problems(product)) == []
    entity = entities.get(product, "1")
    assert entity.features == {"lines": 2, "mean": Decimal("3.49")}
    product = DataProduct(
        name="shape",
        join=Join(line.objects.all(), features={"price": F("price") * 2}),
        problem=Classification(),
    )
    [problem] = checks.find_problems(product)
    assert problem.startswith(
        "Line has a key of 2 columns (rental_id, line), and an entity has one: declare a unique"
    )
    assert "group the rows by their key, as Line.objects.values('rental', 'line').annotate(…)" in problem


def test_rows_that_are_grouped_by_their_key_of_several_columns_are_entities() -> None:
    _, line = rentals()
    rows = line.objects.values("rental", "line").annotate(paid=Max("price"))
    join = Join(rows, features={"paid": "paid", "lines": Count("rental__lines")})
    product = DataProduct(name="shape", join=join, problem=Clustering())
    assert list(checks.find_problems(product)) == []
    assert preview(product).rows_out == line.objects.count()
    assert entities.get(product, "[1, 1]").features["lines"] == 2


def test_a_file_of_rows_with_a_key_of_several_columns_is_refused_by_the_names_of_its_columns() -> None:
    rental, _ = rentals()
    join = Join(rental.objects.all(), features={"lines": Count("lines")})
    product = DataProduct(name="shape", join=join, problem=Clustering())
    layout = Layout(path=Path("lines.csv"), format="csv", header=("rental", "line", "price"))
    with pytest.raises(
        NoTable, match=r"Line, whose key has several columns \(rental, line\), is written by SQL"
    ):
        plan_loads(product, [layout])
