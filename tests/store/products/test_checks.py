"""Checks: a declaration that could not be built is refused with a sentence that says what to change."""

from typing import Any

import pytest
from django.core.management import call_command
from django.db import models
from django.db.models import Avg, Count, F
from django.test.utils import isolate_apps

from learning.problem import Classification, Clustering, Regression
from schema.composition import shared_names
from schema.products import name_checks as names
from store.exceptions import BadInput, InvalidJoin
from store.products import catalogue, checks, system_checks
from store.products.choices import name_choices
from store.products.features import Before, Latest
from store.products.product import DataProduct
from tests.clinic.models import Anamnesis, Operation

from ..conftest import declared

COST = {"cost": "cost"}
MARKER = Latest("labs__marker", at="labs__taken_at")
WARDS = {1: "North", 2: "South", 3: "R&B/Soul"}


def test_the_declared_products_pass() -> None:
    call_command("check")
    assert [sentence for product in catalogue.products() for sentence in checks.find_problems(product)] == []


REFUSED = {
    "no features": (declared({}), "it has no features"),
    "a choice in another Unicode form": (
        declared(COST, retired_labels=["cafe\u0301"]),
        r"label='relapsed' has the choice 'cafe\u0301', and values are read as 'caf\xe9': write it so.",
    ),
    "a choice of blanks": (
        declared(COST, retired_labels=[" "]),
        "has the choice ' ', and values are read as ''",
    ),
    "unknown column": (declared({"x": "price"}), "Operation has no column 'price'; it has anamnesis, cost"),
    "unknown column behind a relation": (declared({"x": "ward__rooms"}), "Ward has no column 'rooms'"),
    "path through a column": (
        declared({"x": "cost__x"}),
        "'cost' is a column of Operation, and has no columns",
    ),
    "a relation": (
        declared({"x": "visits"}),
        "'visits' is a relation: name a column of it, as visits__on",
    ),
    "many rows": (declared({"x": "visits__minutes"}), "Take one with Latest, or aggregate them"),
    "many rows in an expression": (declared({"x": F("visits__minutes") + 1}), "Use Before or Latest"),
    "unknown column in an expression": (declared({"x": F("price") + 1}), "Operation has no column 'price'"),
    "unknown column in an aggregate": (
        declared({"x": Before(Count("visit"), at="visits__on")}, at="done_at"),
        "has no column 'visit'",
    ),
    "mixed types": (declared({"x": F("cost") + F("done_at")}), "x: Django cannot compile the expression"),
    "no expression": (declared({"x": 3}), "x: Django cannot compile the expression"),
    "no aggregate": (
        declared({"x": Before("visits", at="visits__on")}),
        "x: 'visits' has no aggregate: write Before(Count('visits'), at=…)",
    ),
    "from after the event": (
        declared({"x": Avg("visits__minutes")}, at="done_at"),
        "x may use rows after 'done_at': write Before(Avg(…), at=<their time>)",
    ),
    "another table's time": (
        declared({"x": Before(Count("visits"), at="labs__taken_at")}, at="done_at"),
        "at='labs__taken_at' is not a column of 'visits'. Name a column of 'visits'",
    ),
    "the event's time for its own": (
        declared({"x": Latest("labs__marker", at="done_at")}, at="done_at"),
        "at='done_at' is not a column of 'labs'",
    ),
    "no time": (declared({"x": Latest("labs__marker", at="labs__marker")}), "name a column with their time"),
    "latest of one": (declared({"x": Latest("cost", at="labs__taken_at")}), "'cost' has one value for each"),
    "no such group": (
        declared(COST, group="clinic__pk"),
        "group: 'clinic__pk': Operation has no column 'clinic'; it has",
    ),
    "many rows as a group": (declared(COST, group="visits"), "group: 'visits' is a relation: name a column"),
    "a relation by its column's name": (
        declared({"x": F("ward_id") + 1}),
        "name a column of it, as ward__beds",
    ),
    "several groups": (
        declared(COST, group="visits__pk"),
        "group='visits__pk' has many rows for one instance, which can be in one group only",
    ),
    "the label by its column's name as a group": (
        declared(COST, label="ward", classes=WARDS, group="ward_id"),
        "group='ward_id' is the label",
    ),
    "the label as a group": (declared(COST, group="relapsed"), "group='relapsed' is the label"),
    "the label": (declared({"x": "relapsed"}), "the feature x is the label itself: remove it"),
    "the label in an expression": (declared({"x": F("relapsed")}), "the feature x is the label itself"),
    "the event's time": (declared(COST | {"x": "done_at"}, at="done_at"), "the event's own time"),
    "a slice": (declared(COST, rows=Operation.objects.all()[:5]), "restrict it with filter()"),
    "a union": (
        declared(COST, rows=Operation.objects.all().union(Operation.objects.all())),
        "restrict it with filter()",
    ),
    "no label": (declared(COST, label=None), "needs label=<a column>; without one declare a Clustering"),
    "a label of a clustering": (declared(COST, problem=Clustering()), "a clustering has no label"),
    "an unknown label": (declared(COST, label="cured"), "label: 'cured': Operation has no column"),
    "a label that others share": (declared(COST, label="ward__beds"), "feedback cannot reach it"),
    "a label without choices": (declared(COST, label="anamnesis__note"), "has no choices: add choices"),
    "a key as a label, without classes": (
        declared(COST, label="ward"),
        "label='ward' is a foreign key: name the rows of Ward that are classes in the product, as classes=",
    ),
    "a key as a number": (
        declared(COST, label="ward", problem=Regression()),
        "label='ward' is not a number",
    ),
    "a class that is no key": (
        declared(COST, label="ward", classes={"north": "North"}),
        "classes has 'north', which ward cannot hold",
    ),
    "a column of the row that is the label": (
        declared({"x": F("ward__beds") + 1}, label="ward", classes=WARDS),
        "the feature x is a column of the row that the label names",
    ),
    "classes and choices": (
        declared(COST, label="urgency", classes={"planned": "Planned", "1st": "At once"}),
        "has choices and the product has classes",
    ),
    "classes of a number": (
        declared({"x": "urgency"}, label="cost", problem=Regression(), classes=WARDS),
        "a regression has no classes",
    ),
    "a label that is no number": (
        declared(COST, label="anamnesis__born", problem=Regression()),
        "a Regression needs a FloatField, DecimalField or IntegerField",
    ),
    "an unknown time": (declared(COST, at="done"), "at: 'done': Operation has no column 'done'"),
    "a time that is none": (declared(COST, at="cost"), "the event's time must be a DateTimeField"),
    "a date that may be null": (declared(COST, at="anamnesis__born"), "make it required"),
    "a metric for several classes": (
        declared(COST, problem=Classification(metric="top_k_accuracy")),
        "'top_k_accuracy' is not defined for two classes",
    ),
    "too few folds": (declared(COST, problem=Classification(folds=2)), "use 3 or more"),
    "an unknown floor": (
        declared(COST, problem=Classification(folds=3, floors={"yes": 0.5})),
        "floors names 'yes', which is not a choice of the label",
    ),
    "an unknown positive": (
        declared(COST, problem=Classification(folds=3, positive="yes")),
        "positive='yes' is not a choice of the label",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_refused_declaration_names_the_change_to_make(what: str) -> None:
    product, sentence = REFUSED[what]
    assert sentence in "\n".join(checks.find_problems(product))


def test_rows_with_a_label_that_is_never_unknown_are_labelled_and_not_inserted() -> None:
    product = declared(COST, label="urgency", at="done_at")
    assert list(checks.find_problems(product)) == []
    assert not product.writable
    assert product.join.missing_columns == ("Operation.urgency",)
    assert "label='urgency' may not be null" in "".join(checks.find_remarks(product))

    with_default = declared({"x": "urgency", "done": "done_at"}, label="cost", problem=Regression())
    assert with_default.writable and list(checks.find_remarks(with_default)) == []


@pytest.mark.parametrize("label", ["ward", "ward_id"])
def test_a_foreign_key_is_a_label_whose_classes_are_called_by_their_titles(label: str) -> None:
    product = declared({"x": "urgency"}, label=label, classes=WARDS)
    assert list(checks.find_problems(product)) == []
    assert product.label_by_text == {"1": 1, "2": 2, "3": 3}
    assert list(name_choices(product.labels)) == ["NORTH", "SOUTH", "R_AND_B_SOUL"]
    assert product.label_of(product.answer_of(2)) == 2
    with pytest.raises(BadInput, match="'7' is no label of Declared: the labels are 1, 2, 3"):
        product.answer_of(7)


def test_a_foreign_key_groups_rows() -> None:
    assert list(checks.find_problems(declared(COST, group="ward"))) == []


def test_classes_of_one_title_are_told_apart_by_their_value() -> None:
    product = declared(COST, label="ward", classes={1: "North", 2: "North", 3: " ", 4: "4"})
    assert list(name_choices(product.labels)) == ["NORTH_1", "NORTH_2", "VALUE_3", "VALUE_4"]


def test_a_text_is_a_label_with_the_classes_that_the_product_names() -> None:
    class Note(models.TextChoices):
        WELL = "feels well"
        ILL = "ill"

    product = declared(COST, label="anamnesis__note", classes=Note)
    assert list(checks.find_problems(product)) == []
    assert list(name_choices(product.labels)) == ["WELL", "ILL"]
    product = declared(COST, label="anamnesis__note", classes={"feels well": "Good", "ill": "Bad"})
    assert list(name_choices(product.labels)) == ["FEELS_WELL", "ILL"]


def test_a_column_that_nothing_learns_from_is_refused() -> None:
    product = declared({"x": "scan"}, rows=_with_bytes())
    problems = "".join(checks.find_problems(product))
    assert "x is a BinaryField, which models cannot learn from: declare Func(" in problems


@isolate_apps("tests.clinic")
def _with_bytes() -> Any:
    class Stay(models.Model):
        scan = models.BinaryField()
        relapsed = models.BooleanField(null=True)

        class Meta:
            app_label = "clinic"
            managed = False

    return Stay._default_manager.all()


def test_a_product_without_anything_wrong_compiles() -> None:
    product = declared({"age": "anamnesis__age", "marker": MARKER}, at="done_at")
    assert list(checks.find_problems(product)) == []


def test_a_relation_may_be_named_from_its_other_side() -> None:
    product = declared(
        {"cost": "operation__cost", "age": "age"}, rows=Anamnesis.objects.all(), label="smokes"
    )
    assert list(checks.find_problems(product)) == []
    assert product.join.required_rows == ()


def test_an_invalid_join_is_reported_wherever_it_is_used() -> None:
    with pytest.raises(InvalidJoin, match="price"):
        _ = declared({"x": "price"}).columns


NAMES = ["Cost", "größe", "class", "a__b", "_a", "a_", "1st", "a b", "", "x" * 41]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_graphql_would_mangle_is_refused(name: str) -> None:
    assert list(names.name_problems(declared({name: "cost"})))
    assert "its name must be lower case" in "".join(names.name_problems(declared(COST, name=name)))


def test_two_features_that_would_be_one_field_are_refused() -> None:
    product = declared({"a_1": "cost", "a1": "anamnesis__age"})
    assert "would be one GraphQL field, a1: rename one" in "".join(names.name_problems(product))


def test_an_enum_that_would_be_made_twice_is_refused() -> None:
    product = declared({"label": "urgency"})
    assert "an enum DeclaredLabel would be made twice" in "".join(names.name_problems(product))


@pytest.mark.parametrize("name", ["build", "products", "node"])
def test_a_product_that_would_take_the_apis_own_name_is_refused(name: str) -> None:
    said = list(shared_names([declared(COST, name=name)]))
    assert any("which the API has already: rename it" in sentence for sentence in said)


def test_two_products_that_would_share_a_name_are_refused(stay: DataProduct) -> None:
    said = list(shared_names([stay, declared(COST, name="stay_feedback")]))
    assert any("stayFeedback, which the product 'stay' has already" in sentence for sentence in said)


def test_two_products_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from types import ModuleType

    module = ModuleType("other.products")
    module.stay = declared(COST, name="stay")  # type: ignore[attr-defined]
    monkeypatch.setattr(catalogue, "refused", [])
    catalogue._register(module)
    assert [e.msg for e in system_checks.check_products() if e.id == "exemplar.E001"] == [
        "other.products: the name 'stay' is used by another product; rename one."
    ]
