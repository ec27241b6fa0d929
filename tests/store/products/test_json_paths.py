"""Values inside of a JSON column, with a declared kind."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import models

from learning.columns import Kind
from store.exceptions import InvalidJoin
from store.products import checks
from store.products.features import Category
from store.products.json_paths import Json
from tests.market.models import Order, Tag
from tests.market.rows import customer, product_of, served_values, snapshot_values

pytestmark = pytest.mark.django_db

NO_PATH: Any = Json("profile__age", models.CharField())


def value_of(profile: Any, path: str, field: models.Field) -> Any:
    """The value that a snapshot and a prediction alike have."""
    row = customer(profile=profile)
    product = product_of({"value": Json(path, field)})
    assert not list(checks.find_problems(product))
    values = snapshot_values(product)[str(row.pk)]
    assert served_values(product, row.pk) == {str(row.pk): values}
    return values["value"]


@pytest.mark.parametrize(
    "profile, path, field, value",
    [
        ({"age": 40}, "profile__age", models.IntegerField(), 40),
        ({"age": 40.0}, "profile__age", models.IntegerField(), 40),
        ({"age": "41"}, "profile__age", models.IntegerField(), 41),
        ({"age": "old"}, "profile__age", models.IntegerField(), None),
        ({"age": 10**30}, "profile__age", models.IntegerField(), None),
        ({"age": None}, "profile__age", models.IntegerField(), None),
        ({}, "profile__age", models.IntegerField(), None),
        ("no object", "profile__age", models.IntegerField(), None),
        ([{"n": 1.5}, {"n": 2.5}], "profile__1__n", models.FloatField(), 2.5),
        ({"a": {"city": "Rome"}}, "profile__a__city", models.CharField(max_length=10), "Rome"),
        ({"a": {"city": "Rome the great"}}, "profile__a__city", models.CharField(max_length=10), None),
        ({"vip": True}, "profile__vip", models.BooleanField(), True),
        ({"on": "2024-01-31"}, "profile__on", models.DateField(), date(2024, 1, 31)),
        ({"on": "today"}, "profile__on", models.DateField(), None),
        ({"age": -5}, "profile__age", models.PositiveSmallIntegerField(), None),
        ({"wait": "infinity"}, "profile__wait", models.DurationField(), None),
        ({"wait": "9000000 years"}, "profile__wait", models.DurationField(), None),
        ({"wait": "1 day 00:00:01"}, "profile__wait", models.DurationField(), timedelta(days=1, seconds=1)),
        ({"50% off": 3}, "profile__50% off", models.IntegerField(), 3),
    ],
)
def test_a_value_that_is_none_of_its_kind_is_null(
    profile: Any, path: str, field: models.Field, value: Any
) -> None:
    assert value_of(profile, path, field) == value


def test_kind_title_unit_and_limits_are_those_of_the_field() -> None:
    field = models.PositiveSmallIntegerField("Age (years)")
    [column] = product_of({"age": Json("profile__age", field)}).columns
    assert (column.kind, column.title, column.unit, column.nullable) == (Kind.INTEGER, "Age", "years", True)
    choices = models.CharField(max_length=5, choices=[("a", "A"), ("b", "B")])
    [column] = product_of({"grade": Json("profile__grade", choices)}).columns
    assert [choice.value for choice in column.choices] == ["a", "b"]


def test_a_path_goes_through_relations() -> None:
    row = customer(orders=[(0, 1.0)], profile={"age": 33})
    product = product_of(
        {"age": Json("customer__profile__age", models.IntegerField())}, Order.objects.all(), "returned"
    )
    [values] = snapshot_values(product).values()
    assert values == {"age": 33}
    assert row.orders.count() == 1


@pytest.mark.parametrize(
    "feature, sentence",
    [
        ("profile__age", r"write Json\('profile__age', models.IntegerField\(\)\)"),
        (models.F("profile__age"), r"write Json\('profile__age'"),
        (Category(NO_PATH), "is no path"),
        (Json("profile", models.IntegerField()), "leads to no key"),
        (Json("age__x", models.IntegerField()), "leads to no key"),
        (Json("nothing__x", models.IntegerField()), "leads to no key"),
    ],
)
def test_what_is_no_json_path_is_refused_with_what_to_write(feature: Any, sentence: str) -> None:
    with pytest.raises(InvalidJoin, match=sentence):
        _ = product_of({"feature": feature}).columns


def test_a_path_over_many_rows_is_refused() -> None:
    product = product_of(
        {"age": Json("customers__profile__age", models.IntegerField())}, Tag.objects.all(), None
    )
    with pytest.raises(InvalidJoin, match="has many rows"):
        _ = product.columns
