"""Features: what the join computes, and what of it can be written."""

import pytest
from django.db.models import Count, Exists, OuterRef, Q, Sum

from learning.columns import Kind
from store.exceptions import InvalidJoin
from store.products.features import Before, Join, Latest, Recency, Trend
from store.products.product import DataProduct
from tests.clinic.models import Operation, Visit, Ward

from ..conftest import HOUR, declared, operate

pytestmark = pytest.mark.django_db


def features_of(product: DataProduct, operation: Operation) -> dict:
    names = [f"feature_{name}" for name in product.feature_names]
    row = product.join.instances().filter(pk=operation.pk).values(*names).get()
    return {name.removeprefix("feature_"): value for name, value in row.items()}


def test_aggregates_over_two_tables_do_not_inflate_each_other(relapse: DataProduct) -> None:
    visits, labs = [(-HOUR, 10.0), (-2 * HOUR, 20.0)], [(-HOUR * n, float(n)) for n in (1, 2, 3)]
    operation = operate(visits=visits, labs=labs)
    found = features_of(relapse, operation)
    assert (found["visits"], found["labs"], found["minutes"]) == (2, 3, 15.0)


def test_aggregates_without_a_time_do_not_inflate_each_other_either() -> None:
    product = declared({"visits": Count("visits"), "minutes": Sum("visits__minutes"), "labs": Count("labs")})
    operation = operate(visits=[(HOUR, 10.0), (2 * HOUR, 20.0)], labs=[(HOUR * n, 1.0) for n in (1, 2, 3)])
    assert features_of(product, operation) == {"visits": 2, "minutes": 30.0, "labs": 3}


def test_nothing_from_the_events_time_or_after_it_is_a_feature(relapse: DataProduct) -> None:
    times = [-HOUR, 0 * HOUR, HOUR]
    operation = operate(visits=[(t, 10.0) for t in times], labs=[(t, n) for n, t in enumerate(times)])
    found = features_of(relapse, operation)
    assert (found["visits"], found["labs"], found["last_marker"]) == (1, 1, 0.0)


def test_aggregates_of_no_rows_count_zero_and_average_null(relapse: DataProduct) -> None:
    found = features_of(relapse, operate(visits=[(HOUR, 1.0)]))
    assert (found["visits"], found["minutes"], found["last_marker"]) == (0, None, None)


def test_the_latest_value_is_the_newest_rows(relapse: DataProduct) -> None:
    operation = operate(labs=[(-2 * HOUR, 2.0), (-HOUR, 1.0), (-3 * HOUR, 3.0)])
    assert features_of(relapse, operation)["last_marker"] == 1.0


def test_recency_and_trend_know_only_earlier_rows() -> None:
    features = {"recency": Recency("visits__on"), "trend": Trend("visits__minutes", at="visits__on")}
    product = declared(features, at="done_at")
    day = 24 * HOUR
    visits = [(-4 * day, 10.0), (-2 * day, 14.0), (-day - 12 * HOUR, 15.0), (day, 1000.0)]
    values = features_of(product, operate(visits=visits))
    assert values["recency"] == pytest.approx(1.5)
    assert values["trend"] == pytest.approx(2.0)
    assert features_of(product, operate(visits=[(-day, 5.0)]))["trend"] is None
    assert features_of(product, operate(visits=[(day, 5.0)])) == {"recency": None, "trend": None}
    assert [column.kind for column in product.columns] == [Kind.NUMBER, Kind.NUMBER]


def test_recency_needs_the_time_of_the_event() -> None:
    with pytest.raises(InvalidJoin, match="Recency needs the time of the instance"):
        _ = declared({"recency": Recency("visits__on")}).columns
    trend = declared({"trend": Trend("visits__minutes", at="visits__on")})
    assert features_of(trend, operate(visits=[(HOUR, 1.0), (25 * HOUR, 4.0)]))["trend"] == pytest.approx(3.0)


def test_of_two_rows_of_the_same_time_the_one_written_last_is_the_latest(relapse: DataProduct) -> None:
    operation = operate(labs=[(-HOUR, 5.0), (-HOUR, 7.0)])
    assert features_of(relapse, operation)["last_marker"] == 7.0


def test_without_an_event_time_the_latest_is_the_newest_of_all() -> None:
    product = declared({"marker": Latest("labs__marker", at="labs__taken_at")})
    assert features_of(product, operate(labs=[(HOUR, 5.0), (3 * HOUR, 6.0)])) == {"marker": 6.0}


def test_the_latest_may_come_before_another_time_than_the_events() -> None:
    product = declared({"marker": Latest("labs__marker", at="labs__taken_at", before="done_at")})
    assert features_of(product, operate(labs=[(-HOUR, 5.0), (HOUR, 6.0)])) == {"marker": 5.0}


def test_an_instance_with_an_empty_to_one_relation_is_kept(relapse: DataProduct) -> None:
    without, within = operate(), operate(ward=Ward.objects.create(beds=2**40))
    assert features_of(relapse, without)["beds"] is None
    assert features_of(relapse, within)["beds"] == 2**40


def test_an_instance_without_a_one_to_one_row_is_incomplete(relapse: DataProduct) -> None:
    operation = operate(age=None)
    assert relapse.join.required_rows == ("anamnesis",)
    assert not relapse.join.complete().filter(pk=operation.pk).exists()


def test_any_django_expression_is_a_feature(relapse: DataProduct) -> None:
    assert features_of(relapse, operate(cost=120, age=60))["cost_per_year"] == 2
    seen = declared({"seen": Exists(Visit.objects.filter(operation=OuterRef("pk")))})
    assert features_of(seen, operate(visits=[(HOUR, 1.0)])) == {"seen": True}


def test_columns_come_in_the_order_of_their_names(relapse: DataProduct) -> None:
    assert list(relapse.feature_names) == sorted(relapse.join.features)


def test_kind_and_nullability_come_from_the_fields(relapse: DataProduct, stay: DataProduct) -> None:
    kinds = {c.name: (c.kind, c.nullable) for c in relapse.columns}
    assert kinds == {
        "age": (Kind.INTEGER, False),
        "beds": (Kind.BIGINT, True),
        "cost_per_year": (Kind.DECIMAL, False),
        "labs": (Kind.INTEGER, False),
        "last_marker": (Kind.NUMBER, True),
        "minutes": (Kind.NUMBER, True),
        "urgency": (Kind.CATEGORY, False),
        "visits": (Kind.INTEGER, False),
    }
    kinds = {c.name: (c.kind, c.nullable) for c in stay.columns}
    assert kinds["smokes"] == (Kind.BOOLEAN, True)
    assert kinds["born"] == (Kind.DATE, True)
    assert kinds["note"] == (Kind.TEXT, False)


def test_a_boolean_label_takes_no_and_yes(stay: DataProduct) -> None:
    assert [(label.text, label.title) for label in stay.labels] == [("False", "no"), ("True", "yes")]


def test_columns_of_the_base_row_and_of_one_to_one_rows_can_be_written(
    stay: DataProduct, relapse: DataProduct
) -> None:
    assert stay.writable
    assert not relapse.writable
    assert {c.name for c in relapse.columns if c.path} == {"age", "urgency"}


def test_a_required_column_that_the_product_does_not_know_makes_it_read_only() -> None:
    product = declared({"cost": "cost"}, at="done_at")
    assert not product.writable
    assert product.join.missing_columns == ("Operation.urgency",)


def test_the_key_can_be_a_feature_and_is_not_written() -> None:
    assert declared({"number": "pk"}).columns[0].path is None


def test_a_writable_time_may_be_the_one_thing_missing() -> None:
    assert declared({"urgency": "urgency"}).join.missing_columns == ("Operation.done_at",)
    assert declared({"urgency": "urgency"}, at="done_at").writable


def test_a_filtered_count_counts_earlier_rows() -> None:
    long = Before(Count("visits", filter=Q(visits__minutes__gt=5)), at="visits__on")
    product = declared({"visits": long}, at="done_at")
    assert features_of(product, operate(visits=[(-HOUR, 4.0), (-HOUR, 6.0), (HOUR, 7.0)])) == {"visits": 1}


def test_a_join_over_the_many_side_follows_to_its_one() -> None:
    join = Join(Visit.objects.all(), features={"cost": "operation__cost", "minutes": "minutes"})
    operate(cost=7, visits=[(HOUR, 1.0), (HOUR, 2.0)])
    assert sorted(row.feature_minutes for row in join.instances()) == [1.0, 2.0]
    assert not join.writable  # other visits share the operation
