"""Annotations of a Join's queryset as features: what they compute, and what is refused."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import (
    Case,
    Count,
    DateField,
    Exists,
    F,
    Max,
    OuterRef,
    Q,
    Subquery,
    Sum,
    When,
)
from django.db.models.functions import Cast, Now, Random

from learning.columns import Kind
from store.entities import base_rows
from store.exceptions import InvalidJoin
from store.products import checks
from store.products.features import Before, Latest
from store.products.indicators import Choices
from store.snapshots import snapshots
from tests.market.models import Call, Customer, Order, Tag
from tests.market.rows import customer, product_of, served_values, snapshot_values

pytestmark = pytest.mark.django_db

#: Two aggregates over two relations, which inflate each other in one SELECT, and two expressions.
ANNOTATED = Customer.objects.annotate(
    spent=Sum("orders__amount"),
    talked=Sum("calls__minutes"),
    orders_made=Count("orders"),
    doubled=F("points") * 2,
    sum=F("age") + F("points"),
)


def values_of(features: dict[str, Any], rows: Any = ANNOTATED, **more: Any) -> dict[str, Any]:
    """The features of the one customer there is, which a snapshot and a prediction read alike."""
    product = product_of(features, rows, **more)
    [(key, values)] = snapshot_values(product).items()
    assert served_values(product, key) == {key: values}
    assert not list(checks.find_problems(product))
    return values


def test_annotations_are_features_and_aggregates_do_not_inflate_each_other() -> None:
    customer(orders=[(-1, 10.0), (-2, 5.0)], calls=[(1, 3), (2, 4), (3, 5)], points=4)
    names = ("spent", "talked", "orders_made", "doubled", "sum")
    assert values_of({name: name for name in names}) == {
        "spent": 15.0,
        "talked": 12,
        "orders_made": 2,
        "doubled": 8,
        "sum": 34,
    }


def test_an_expression_reads_annotations() -> None:
    customer(orders=[(-1, 10.0), (-2, 5.0)], calls=[(1, 3)])
    assert values_of({"mean": F("spent") / F("orders_made")}) == {"mean": 7.5}


def test_before_an_event_only_earlier_rows_of_an_annotation_count() -> None:
    customer(orders=[(-1, 10.0), (1, 5.0)], calls=[(-2, 3), (0, 100), (1, 50)])
    features = {
        "spent": Before("spent", at="orders__placed_at"),
        "talked": Before("talked", at="calls__on"),
        "orders_made": Before("orders_made", at="orders__placed_at"),
    }
    assert values_of(features, at="joined_at") == {"spent": 10.0, "talked": 3, "orders_made": 1}


def test_rows_without_any_aggregated_row_stay() -> None:
    customer()
    assert values_of({"spent": "spent", "made": "orders_made"}) == {"spent": None, "made": 0}


def test_the_querysets_own_conditions_hold_for_the_rows_that_they_restrict() -> None:
    kept, left = customer(orders=[(0, 1.0), (0, 2.0)], calls=[(0, 7), (0, 8)]), customer(orders=[(0, 4.0)])
    Order.objects.filter(amount__lt=2).update(paid=False)
    rows = (
        Customer.objects.filter(orders__paid=False)
        .annotate(unpaid=Count("orders"), talked=Sum("calls__minutes"))
        .filter(unpaid__gte=1, calls__minutes__gt=7)
    )
    product = product_of({"unpaid": "unpaid", "talked": "talked"}, rows)
    assert snapshot_values(product) == {str(kept.pk): {"unpaid": 1, "talked": 15}}
    assert base_rows.existing(product, map(str, (kept.pk, left.pk))) == {str(kept.pk)}


def test_a_filter_by_an_aggregate_chooses_the_rows() -> None:
    customer(orders=[(0, 1.0)])
    many = customer(orders=[(0, 1.0), (0, 2.0)])
    product = product_of({"points": "points", "made": "orders_made"}, ANNOTATED.filter(orders_made__gt=1))
    assert snapshot_values(product) == {str(many.pk): {"points": 0, "made": 2}}
    assert product.join.rows.count() == 1


def test_kind_and_null_of_an_annotation_come_from_its_output_field() -> None:
    product = product_of({name: name for name in ("spent", "talked", "orders_made", "doubled")}, ANNOTATED)
    assert {column.name: (column.kind, column.nullable) for column in product.columns} == {
        "spent": (Kind.NUMBER, True),
        "talked": (Kind.INTEGER, True),
        "orders_made": (Kind.INTEGER, False),
        "doubled": (Kind.INTEGER, False),
    }


def test_an_annotation_over_features_is_computed_when_serving() -> None:
    product = product_of({"points": "points", "doubled": "doubled"}, ANNOTATED)
    assert product.input_names == ("points",)
    assert product.clean({"points": 3}) == [6, 3]


def test_a_label_may_not_be_read_through_an_annotation() -> None:
    product = product_of({"guess": "guess"}, Customer.objects.annotate(guess=F("churned")))
    assert any("is the label itself" in problem for problem in checks.find_problems(product))


@pytest.mark.parametrize(
    "feature, sentence",
    [
        ("spent", "may use rows after 'joined_at': write Before"),
        (F("spent") / 2, "may use rows after 'joined_at': write Before"),
        (Before("doubled", at="orders__placed_at"), "has no aggregate"),
        (Before("spent", at="calls__on"), "is not a column of 'orders'"),
        ("both", "inflate each other"),
        ("each", "outside of an aggregate"),
        ("bought", "OuterRef"),
    ],
)
def test_what_would_be_wrong_is_refused_with_what_to_write(feature: Any, sentence: str) -> None:
    rows = ANNOTATED.annotate(
        each=F("orders__amount"),
        both=Count("orders") + Count("calls"),
        bought=Exists(Order.objects.filter(customer=OuterRef("pk"))),
    )
    product = product_of({"feature": feature}, rows, at="joined_at")
    with pytest.raises(InvalidJoin, match=sentence):
        _ = product.columns
    assert any(sentence in problem for problem in checks.find_problems(product))


def test_a_subquery_that_ends_before_the_event_is_a_feature() -> None:
    earlier = Order.objects.filter(customer=OuterRef("pk"), placed_at__lt=OuterRef("joined_at"))
    customer(orders=[(1, 5.0)])
    rows = Customer.objects.annotate(bought=Exists(earlier))
    assert values_of({"bought": "bought", "direct": Exists(earlier)}, rows, at="joined_at") == {
        "bought": False,
        "direct": False,
    }


def test_a_day_is_compared_with_a_day() -> None:
    def called(limit: Any) -> dict[str, Any]:
        return {"called": Exists(Call.objects.filter(customer=OuterRef("pk"), on__lt=limit))}

    customer(calls=[(0, 5)])
    assert values_of(called(Cast(OuterRef("joined_at"), DateField())), at="joined_at") == {"called": False}
    with pytest.raises(InvalidJoin, match="a day by Cast"):
        _ = product_of(called(OuterRef("joined_at")), at="joined_at").columns


def test_an_annotated_queryset_becomes_a_snapshot() -> None:
    customer(orders=[(-1, 10.0)], churned=True)
    sql = snapshots.join_sql(product_of({"spent": "spent", "top": Max("orders__amount")}, ANNOTATED))
    assert sql.count("GROUP BY") == 2


EARLIER = Order.objects.filter(customer=OuterRef("pk"), placed_at__lt=OuterRef("joined_at"))
TOO_LATE = Order.objects.filter(
    customer=OuterRef("pk"), placed_at__lt=OuterRef("joined_at") + timedelta(days=9)
)


@pytest.mark.parametrize(
    "subquery, is_refused",
    [
        (Exists(EARLIER), False),
        (Exists(EARLIER.filter(placed_at__lt=OuterRef("joined_at") - timedelta(days=9))), False),
        (Exists(TOO_LATE), True),
        (Exists(EARLIER.filter(customer__owner="x")), False),
        (Exists(EARLIER.filter(customer__orders__amount__gt=1)), True),
        (Exists(Tag.objects.filter(customers=OuterRef("pk"))), False),
        (Exists(Tag.objects.filter(customers=OuterRef("pk"), customers__orders__amount__gt=1)), True),
    ],
)
def test_each_relation_of_a_subquery_ends_before_the_event(subquery: Any, is_refused: bool) -> None:
    product = product_of({"has": "has"}, Customer.objects.annotate(has=subquery), at="joined_at")
    problems = list(checks.find_problems(product))
    assert ["may use rows after 'joined_at'" in problem for problem in problems] == [True] * is_refused


@pytest.mark.parametrize(
    "feature",
    [
        Count("customer__orders", filter=Q(customer__orders__returned=True)),
        Choices("customer__orders__returned", [True]),
        Latest("customer__orders__returned", at="customer__orders__placed_at"),
    ],
)
def test_the_label_is_not_read_on_a_way_back(feature: Any) -> None:
    product = product_of({"feature": feature}, Order.objects.all(), "returned")
    [problem] = checks.find_problems(product)
    assert "reads the label of the instance itself" in problem


@pytest.mark.parametrize("condition", [{}, {"churned": True}])
def test_the_label_is_not_read_in_a_subquery(condition: Any) -> None:
    own = Customer.objects.filter(pk=OuterRef("pk"), **condition)
    feature = Exists(own) if condition else Subquery(own.values("churned"))
    problems = " ".join(checks.find_problems(product_of({"feature": feature})))
    assert "reads the label in a query of its own" in problems


@pytest.mark.parametrize(
    "feature",
    [
        Sum(Now() - F("orders__placed_at")),
        Now() - F("joined_at"),
        Random(),
        Case(When(joined_at__lt=Now(), then=1)),
    ],
)
def test_what_is_another_value_each_time_is_refused(feature: Any) -> None:
    problems = checks.find_problems(product_of({"feature": feature}))
    assert "another value each time" in " ".join(problems)
