"""Windows: over the newest rows of a relation, over the last days, and over the base rows of a partition."""

from typing import Any

import pytest
from django.db import connection
from django.db.models import (
    Avg,
    Case,
    Count,
    F,
    Max,
    OuterRef,
    RowRange,
    Subquery,
    Sum,
    When,
    Window,
)
from django.db.models.functions import Lag, Rank
from hypothesis import given, settings
from hypothesis import strategies as st

from store.exceptions import InvalidJoin
from store.products import checks
from store.products.features import Before
from tests.drawing import draws
from tests.market.models import Customer, Order
from tests.market.rows import customer, product_of, served_values, snapshot_values

pytestmark = pytest.mark.django_db


def values_of(features: dict[str, Any], rows: Any = None, **more: Any) -> dict[str, dict[str, Any]]:
    product = product_of(features, rows, **more)
    assert not list(checks.find_problems(product))
    values = snapshot_values(product)
    assert served_values(product, *values) == values
    return values


@given(
    st.lists(
        st.tuples(st.integers(-40, 5), st.integers(1, 100)), max_size=8, unique_by=lambda order: order[0]
    ),
    st.integers(1, 4),
    st.sampled_from([None, 3, 20.5]),
)
@settings(max_examples=draws(8))
def test_only_the_newest_rows_of_the_last_days_count(
    orders: list[tuple[int, int]], last: int, days: float | None
) -> None:
    Customer.objects.all().delete()
    row = customer(orders=orders)
    at = "orders__placed_at"
    features = {
        "spent": Before(Sum("orders__amount"), at=at, last=last, days=days),
        "annotated": Before("sum", at=at, last=last, days=days),
        "count": Before(Count("orders"), at=at, last=last, days=days),
    }
    rows = Customer.objects.annotate(sum=Sum("orders__amount"), talked=Sum("calls__minutes"))
    values = values_of(features, rows, at="joined_at")
    earlier = sorted((day, amount) for day, amount in orders if day < 0 and (days is None or day >= -days))
    newest = [float(amount) for _, amount in earlier[-last:]]
    expected = sum(newest) if newest else None
    assert values == {str(row.pk): {"spent": expected, "annotated": expected, "count": len(newest)}}


def test_days_of_a_day_are_whole() -> None:
    row = customer(calls=[(-2, 1), (-3, 10), (-4, 100), (0, 1000)])
    features = {"talked": Before(Sum("calls__minutes"), at="calls__on", days=3)}
    assert values_of(features, at="joined_at") == {str(row.pk): {"talked": 11}}


def test_a_window_over_the_rows_of_a_partition_knows_no_later_ones() -> None:
    customer(orders=[(0, 1.0), (1, 2.0), (2, 4.0)])
    customer(orders=[(0, 100.0), (1, 200.0)])
    mean = Window(Avg("amount"), partition_by="customer", order_by="placed_at", frame=RowRange(-1, 1))
    features = {
        "previous": Window(Lag("amount"), partition_by="customer", order_by="placed_at"),
        "mean": mean,
    }
    values = values_of(features, Order.objects.all(), label="returned", at="placed_at")
    by_amount = {Order.objects.get(pk=key).amount: row for key, row in values.items()}
    assert by_amount == {
        1.0: {"previous": None, "mean": 1.0},
        2.0: {"previous": 1.0, "mean": 1.5},
        4.0: {"previous": 2.0, "mean": 3.0},
        100.0: {"previous": None, "mean": 100.0},
        200.0: {"previous": 100.0, "mean": 150.0},
    }


def test_a_window_without_a_time_sees_its_partition() -> None:
    customer(orders=[(0, 1.0), (1, 2.0)])
    features = {"rank": Window(Rank(), partition_by="customer", order_by="-amount")}
    values = values_of(features, Order.objects.all(), label="returned")
    assert sorted(row["rank"] for row in values.values()) == [1, 2]


RANK = Window(Rank(), partition_by="owner", order_by="points")


@pytest.mark.parametrize(
    "feature, sentence",
    [
        (Window(Rank(), order_by="points"), "needs columns in partition_by"),
        (Window(Rank(), partition_by=F("age") + 1, order_by="points"), "needs columns in partition_by"),
        (Window(Rank(), partition_by="owner", order_by="churned"), "reads the label"),
        (RANK + 1, "inside of an expression"),
        ("rank", "declare that Window as a feature"),
        (Before(Sum("orders__amount"), at="orders__placed_at", days=3), "needs at= of the Join"),
        (Before(Sum("orders__amount"), at="orders__placed_at", last=0), "takes no row"),
        (Before(Sum("orders__amount"), at="orders__placed_at", last=True), "takes no row"),
        (Before(Sum("orders__amount"), at="orders__placed_at", last=10**30), "takes no row"),
        (Before(Sum("orders__amount"), at="joined_at", last=1), "is not a column of 'orders'"),
    ],
)
def test_a_window_that_cannot_be_served_as_learned_is_refused(feature: Any, sentence: str) -> None:
    product = product_of({"feature": feature}, Customer.objects.annotate(rank=RANK))
    with pytest.raises(InvalidJoin, match=sentence):
        _ = product.columns


SPENT = Customer.objects.annotate(spent=Sum("orders__amount"), label_too=F("churned"))
LAST_ORDER = Subquery(Order.objects.filter(customer=OuterRef("pk")).values("amount")[:1])


@pytest.mark.parametrize(
    "source, order_by, at, sentence",
    [
        (Sum("orders__amount"), "points", None, "has many rows for one instance"),
        (Count("pk"), "tags__label", None, "has many rows for one instance"),
        (Sum("spent"), "points", "joined_at", "its Window reads the aggregate 'spent'"),
        (Max(LAST_ORDER), "points", "joined_at", "may use rows after 'joined_at'"),
        (Max("points"), Case(When(churned=True, then=1), default=0), None, "reads the label"),
        (Max("points"), "label_too", None, "reads the label"),
    ],
)
def test_a_window_that_repeats_rows_or_tells_too_much_is_refused(
    source: Any, order_by: Any, at: str | None, sentence: str
) -> None:
    window = Window(source, partition_by="owner", order_by=order_by)
    assert sentence in " ".join(checks.find_problems(product_of({"feature": window}, SPENT, at=at)))


def test_rows_without_a_time_are_not_the_newest() -> None:
    row = customer(orders=[(0, 1.0), (1, 2.0)])
    at = Order._meta.get_field("placed_at")
    product = product_of({"spent": Before(Sum("orders__amount"), at="orders__placed_at", last=1)})
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE {Order._meta.db_table} ALTER {at.column} DROP NOT NULL")
        cursor.execute(f"UPDATE {Order._meta.db_table} SET {at.column} = NULL WHERE amount = 1")
    assert snapshot_values(product) == {str(row.pk): {"spent": 2.0}}
