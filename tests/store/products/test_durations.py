"""Durations as seconds, and ages up to the event's time."""

from datetime import date, timedelta

import pytest
from django.db import connection
from django.db.models import DurationField, ExpressionWrapper, F, Max
from hypothesis import given
from hypothesis import strategies as st

from learning.columns import Kind
from store.entities import entities
from store.exceptions import InvalidJoin, NotFinite, OutOfRange
from store.products import checks
from store.products.features import Age, Before
from store.snapshots import copy_reader, snapshots
from tests.market.models import Customer, Order
from tests.market.rows import DAY, NOON, customer, product_of, served_values, snapshot_values

pytestmark = pytest.mark.django_db


def test_a_duration_is_a_number_of_seconds_with_its_unit() -> None:
    [column] = product_of({"patience": "patience"}).columns
    assert (column.kind, column.unit, column.expected) == (Kind.DURATION, "seconds", "a number in seconds")
    assert column.clean(90.5) == timedelta(seconds=90.5)
    assert column.kind.serialize(timedelta(minutes=2)) == 120.0
    assert column.kind.to_float(timedelta(minutes=2)) == 120.0
    with pytest.raises(NotFinite):
        column.clean(float("nan"))
    with pytest.raises(OutOfRange):
        column.clean(1e300)


@given(st.timedeltas(timedelta(-10_000), timedelta(10_000)))
def test_a_duration_survives_json(span: timedelta) -> None:
    assert abs(Kind.DURATION.from_json(Kind.DURATION.to_json(span)) - span) <= timedelta(microseconds=1)


def test_a_snapshot_and_a_prediction_have_the_same_seconds() -> None:
    row = customer(patience=timedelta(days=3, seconds=5, microseconds=250_000))
    none = customer()
    product = product_of({"patience": "patience"})
    with connection.cursor() as cursor:
        cursor.execute("UPDATE market_customer SET patience = '1 year 2 mons' WHERE id = %s", [none.pk])
    values = snapshot_values(product)
    assert served_values(product, row.pk, none.pk) == values
    assert values[str(row.pk)]["patience"].total_seconds() == 3 * 86400 + 5.25
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE joined AS {snapshots.join_sql(product)}")
        cursor.execute("SELECT extract(epoch FROM patience)::float8 FROM market_customer ORDER BY id")
        [(first,), (second,)] = cursor.fetchall()
    assert [values[str(pk)]["patience"].total_seconds() for pk in (row.pk, none.pk)] == [first, second]
    assert copy_reader.get_column_types("joined")


def test_a_duration_is_written_and_read_back() -> None:
    row = customer(patience=timedelta(hours=1))
    product = product_of({"patience": "patience"})
    base = Customer.objects.get(pk=row.pk)
    assert entities.update(product, base, {"patience": product.inputs[0].clean(7200.0)}) == ["patience"]
    assert Customer.objects.get(pk=row.pk).patience == timedelta(hours=2)
    assert entities.update(product, base, {"patience": product.inputs[0].clean(7200.0)}) == []


def test_a_difference_of_times_is_computed_when_serving() -> None:
    lasted = ExpressionWrapper(F("placed_at") - F("customer__joined_at"), output_field=DurationField())
    features = {"lasted": lasted, "placed": "placed_at", "joined": "customer__joined_at"}
    product = product_of(features, Order.objects.all(), "returned")
    customer(orders=[(2, 1.0)])
    assert product.input_names == ("joined", "placed")
    assert product.clean({"joined": NOON, "placed": NOON + 2 * DAY})[1] == timedelta(days=2)
    [values] = snapshot_values(product).values()
    assert values["lasted"] == timedelta(days=2)


def test_the_average_of_durations_is_a_duration() -> None:
    rows = Customer.objects.annotate(
        gap=Max(F("orders__placed_at") - F("joined_at"), output_field=DurationField())
    )
    row = customer(orders=[(-2, 1.0), (5, 1.0)])
    product = product_of({"gap": Before("gap", at="orders__placed_at")}, rows, at="joined_at")
    assert snapshot_values(product) == {str(row.pk): {"gap": timedelta(days=-2)}}


def test_an_age_is_counted_up_to_the_event() -> None:
    row = customer(born=date(1984, 5, 17))
    features = {"age": Age("born"), "days": Age("born", unit="days"), "stated": Age("born", at="joined_at")}
    product = product_of(features, at="joined_at")
    assert not list(checks.find_problems(product))
    values = snapshot_values(product)
    assert values == served_values(product, row.pk)
    assert values[str(row.pk)]["age"] == pytest.approx(40.0, abs=0.01)
    assert values[str(row.pk)]["days"] == 14610.5
    assert values[str(row.pk)]["stated"] == values[str(row.pk)]["age"]
    assert [(column.kind, column.unit) for column in product.columns] == [
        (Kind.NUMBER, "years"),
        (Kind.NUMBER, "days"),
        (Kind.NUMBER, "years"),
    ]


def test_an_age_that_only_the_future_knows_is_null() -> None:
    customer(born=date(2030, 1, 1), orders=[(3, 1.0)])
    assert [*snapshot_values(product_of({"age": Age("born")}, at="joined_at")).values()] == [{"age": None}]
    later = product_of(
        {"age": Age("customer__born", at="placed_at")},
        Order.objects.all(),
        "returned",
        at="customer__joined_at",
    )
    Customer.objects.update(born=date(2000, 1, 1))
    assert [*snapshot_values(later).values()] == [{"age": None}]


def test_an_age_that_a_caller_could_forget_must_be_said() -> None:
    product = product_of({"age": Age("born"), "born": "born"}, at="joined_at")
    assert product.columns[0].not_computable


@pytest.mark.parametrize(
    "age, sentence",
    [
        (Age("born"), "declare at= of the Join"),
        (Age("points", at="joined_at"), "name a column with their time"),
        (Age("orders__placed_at", at="joined_at"), "use Recency"),
        (Age("born", at="joined_at", unit="months"), "it is one of years, days"),
    ],
)
def test_an_age_that_cannot_be_counted_is_refused(age: Age, sentence: str) -> None:
    with pytest.raises(InvalidJoin, match=sentence):
        _ = product_of({"age": age}).columns
