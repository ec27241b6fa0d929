"""Instances that a queryset makes by `values` and `annotate`: one for each customer and month."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.db.models import Avg, Case, Count, EmailField, Exists, F, Max, OuterRef, Sum, Value, When, Window
from django.db.models.functions import Cast, TruncMonth

from learning.columns import Kind
from learning.problem import Clustering, Regression
from store.entities import base_rows, entities
from store.exceptions import InvalidJoin
from store.predictions.feedback import About, Feedback
from store.products import checks
from store.products.features import Before
from store.products.product import DataProduct
from store.snapshots import preview, snapshots
from tests.market.models import Call, Customer, Order
from tests.market.rows import customer, product_of, served_values, snapshot_values

pytestmark = pytest.mark.django_db

MONTHS = (
    Order.objects.annotate(month=TruncMonth("placed_at"))
    .values("customer", "month")
    .annotate(total=Sum("amount"), orders=Count("pk"), largest=Max("amount"), mean=Avg("amount"))
)
FEATURES = {"total": "total", "orders": "orders", "age": "customer__age"}


def monthly(features: dict[str, Any] | None = None, rows: Any = MONTHS, **more: Any) -> Any:
    return product_of(features or FEATURES, rows, **{"label": None, "problem": Clustering(), **more})


def test_each_group_is_an_instance_with_a_key_of_its_values() -> None:
    one, other = (customer(orders=[(0, 1.0), (1, 2.0), (20, 4.0)], age=age) for age in (40, 50))
    product = monthly()
    values = snapshot_values(product)
    may, june = (f'[{one.pk}, "2024-{month}-01T00:00:00+00:00"]' for month in ("05", "06"))
    assert len(values) == 4
    assert values[may] == {"total": 3.0, "orders": 2, "age": 40}
    assert values[june] == {"total": 4.0, "orders": 1, "age": 40}
    assert served_values(product, *values) == values
    assert not list(checks.find_problems(product))
    assert base_rows.existing(product, [may, f'[{other.pk}, "2020-01-01"]', "5", "[]"]) == {may}


def test_the_groups_of_a_table_with_its_schema_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    row = customer(orders=[(0, 1.0), (1, 2.0)])
    monkeypatch.setattr(Order._meta, "db_table", f'"exemplar"."{Order._meta.db_table}"')
    monkeypatch.delattr(Order.placed_at.field, "cached_col", raising=False)
    product = monthly({"orders": "orders"})
    key = f'[{row.pk}, "2024-05-01T00:00:00+00:00"]'
    assert snapshot_values(product) == {key: {"orders": 2}} == served_values(product, key)


def test_kind_and_null_of_a_groups_columns() -> None:
    columns = {column.name: (column.kind, column.nullable) for column in monthly().columns}
    assert columns == {
        "total": (Kind.NUMBER, True),
        "orders": (Kind.INTEGER, False),
        "age": (Kind.INTEGER, False),
    }
    assert not monthly().writable


def test_a_truncated_time_is_a_moment_of_its_zone() -> None:
    row = customer(orders=[(0, 1.0)])
    month = TruncMonth("placed_at", tzinfo=ZoneInfo("Asia/Tokyo"))
    product = monthly(
        {"total": "total", "month": "month"},
        Order.objects.annotate(month=month).values("customer", "month").annotate(total=Sum("amount")),
    )
    key = f'[{row.pk}, "2024-04-30T15:00:00+00:00"]'
    moment = datetime(2024, 4, 30, 15, tzinfo=UTC)
    assert snapshot_values(product) == {key: {"total": 1.0, "month": moment}} == served_values(product, key)


def test_one_entity_reads_its_own_group_alone() -> None:
    one = customer(orders=[(0, 1.0)])
    product = monthly()
    rows = base_rows.select_keys(product, [f'[{one.pk}, "2024-05-01T00:00:00+00:00"]'])
    assert '"customer" = ANY' in str(rows.query)
    assert rows.count() == 1


@pytest.mark.parametrize(
    "key",
    [
        "",
        "5",
        "[]",
        '["x", "2024-05-01"]',
        "[1, 2, 3]",
        "[1, NaN]",
        '[1, "no day"]',
        "[99999999999999999999, null]",
        '[1, "\\u0000"]',
        "[[1], null]",
        "[" * 5000,
    ],
)
def test_what_is_no_key_has_no_row(key: str) -> None:
    assert not monthly().is_key(key)
    assert base_rows.existing(monthly(), [key]) == set()


def test_a_group_whose_value_is_null_is_found() -> None:
    order = customer(orders=[(0, 3.0)]).orders.get()
    rows = Order.objects.values("returned").annotate(total=Sum("amount"))
    product = monthly({"total": "total"}, rows)
    assert order.returned is None
    assert snapshot_values(product) == {"[null]": {"total": 3.0}} == served_values(product, "[null]")


def test_of_a_group_only_rows_before_its_time_count() -> None:
    row = customer(orders=[(-3, 1.0), (3, 2.0), (-40, 8.0)])
    rows = (
        Order.objects.annotate(middle=TruncMonth("placed_at") + timedelta(days=16))
        .values("customer", "middle")
        .annotate(total=Sum("amount"), orders=Count("pk"))
    )
    features = {
        "total": Before("total", at="placed_at"),
        "orders": Before("orders", at="placed_at"),
        "before": Before(Count("customer__orders"), at="customer__orders__placed_at"),
    }
    product = monthly(features, rows, at="middle")
    assert not list(checks.find_problems(product))
    may = f'[{row.pk}, "2024-05-17T00:00:00+00:00"]'
    assert snapshot_values(product)[may] == {"total": 1.0, "orders": 1, "before": 2}
    assert served_values(product, may)[may] == {"total": 1.0, "orders": 1, "before": 2}


def test_feedback_about_a_group_counts_and_is_not_written() -> None:
    row = customer(orders=[(0, 1.0), (20, 4.0)])
    product = monthly({"orders": "orders"}, label="mean", problem=Regression(folds=3), writes="none")
    assert not list(checks.find_problems(product))
    key = f'[{row.pk}, "2024-05-01T00:00:00+00:00"]'
    assert entities.get(product, key).label == 1.0
    result = Feedback.objects.give(product, About(entity=key), "7.5", "ann")
    assert (result.created, result.feature_rows_changed) == (True, 0)
    assert "7.5" in {answer for (answer,) in joined(product, "_label")}


def joined(product: DataProduct, column: str) -> list[tuple[Any, ...]]:
    names = ", ".join([*snapshots.SYSTEM_COLUMNS, *product.feature_names])
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM ({snapshots.join_sql(product)}) AS joined ({names})")
        return cursor.fetchall()


def test_a_label_of_groups_says_that_it_is_not_written() -> None:
    product = monthly({"orders": "orders"}, label="mean", problem=Regression(folds=3))
    assert any('declare writes="none"' in problem for problem in checks.find_problems(product))


@pytest.mark.parametrize(
    "rows, features, at, sentence",
    [
        (MONTHS, {"total": "total"}, "month", "write Before\\('total'"),
        (MONTHS, {"total": F("total") / 2}, "month", "write Before\\('total'"),
        (MONTHS, {"total": Before("total", at="amount")}, "month", "name a column with their time"),
        (MONTHS, {"total": "totals"}, None, "has no column 'totals'"),
        (
            Order.objects.values("customer__age").annotate(n=Count("pk")),
            {"n": "n"},
            None,
            "write values\\(age=",
        ),
        (
            Order.objects.values("paid").annotate(n=Count("pk")),
            {"n": "n"},
            "placed_at",
            "has no column 'placed_at'",
        ),
        (
            MONTHS.annotate(more=Exists(Order.objects.filter(customer=OuterRef("customer")))),
            {"more": "more"},
            "month",
            "a query of its own",
        ),
        (Customer.objects.values("profile").annotate(n=Count("pk")), {"n": "n"}, None, "plain values"),
        (MONTHS[:3], {"total": "total"}, None, "a slice or a union"),
        (MONTHS.union(MONTHS), {"total": "total"}, None, "a slice or a union"),
        (
            Customer.objects.values("owner").annotate(n=Count("orders"), talked=Sum("calls__minutes")),
            {"n": "n"},
            None,
            "which inflate 'n'",
        ),
        (
            Customer.objects.values("owner").annotate(n=Count("orders"), points=Sum("points")),
            {"n": "n"},
            None,
            "which inflate 'points'",
        ),
    ],
)
def test_groups_that_would_be_wrong_are_refused(
    rows: Any, features: Any, at: str | None, sentence: str
) -> None:
    product = monthly(features, rows, at=at)
    problems = list(checks.find_problems(product))
    with pytest.raises(AssertionError if not problems else InvalidJoin, match=sentence):
        raise InvalidJoin(" ".join(problems))


def test_groups_become_a_preview_and_a_snapshot() -> None:
    customer(orders=[(0, 1.0), (20, 4.0)])
    shown = preview.preview(monthly())
    assert (shown.rows_in, shown.rows_out, shown.incomplete) == (2, 2, 0)
    assert "GROUP BY" in snapshots.join_sql(monthly())


def test_no_reverse_relation_and_no_app_knows_the_groups() -> None:
    before = {field.name for field in Customer._meta.get_fields(include_hidden=True)}
    assert monthly().columns
    assert {field.name for field in Customer._meta.get_fields(include_hidden=True)} == before


def test_months_of_days_are_days_in_keys() -> None:
    row = customer(calls=[(0, 1), (1, 2), (40, 4)])
    months = Call.objects.annotate(month=TruncMonth("on")).values("customer", "month")
    product = monthly({"talked": "talked", "month": "month"}, months.annotate(talked=Sum("minutes")))
    values = snapshot_values(product)
    assert values[f'[{row.pk}, "2024-05-01"]'] == {"talked": 3, "month": date(2024, 5, 1)}
    assert served_values(product, *values) == values


def test_a_group_of_null_by_an_expression_has_its_related_rows() -> None:
    row = customer(orders=[(0, 1.0), (1, 9.0)], calls=[(0, 1)])
    rows = Order.objects.annotate(size=Case(When(amount__gt=5, then=Value("big")))).values("customer", "size")
    product = monthly({"calls": Count("customer__calls"), "size": "size"}, rows.annotate(n=Count("pk")))
    values = snapshot_values(product)
    assert values[f"[{row.pk}, null]"] == {"calls": 1, "size": None}
    assert served_values(product, *values) == values


def test_keys_hold_every_digit_and_what_validators_refuse() -> None:
    customer(owner="no address")
    number = Value(Decimal("12345678901234567.1234567890"))
    groups = Customer.objects.values(owner_mail=Cast("owner", EmailField()), number=number)
    product = monthly({"n": "n"}, groups.annotate(n=Count("pk")))
    values = snapshot_values(product)
    assert values == {'["no address", 12345678901234567.1234567890]': {"n": 1}}
    assert served_values(product, *values) == values


def test_a_group_has_windows_over_the_newest_rows_and_over_other_groups() -> None:
    row = customer(orders=[(-30, 1.0), (-29, 2.0), (0, 4.0)])
    windows = {
        "newest": Before(Sum("customer__orders__amount"), at="customer__orders__placed_at", last=1),
        "earlier": Window(Max("customer__age"), partition_by="customer", order_by="month"),
    }
    product = monthly(windows, at="month")
    values = snapshot_values(product)
    assert values[f'[{row.pk}, "2024-05-01T00:00:00+00:00"]'] == {"newest": 2.0, "earlier": 30}
    assert served_values(product, *values) == values
