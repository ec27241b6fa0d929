"""Rows that are repeated: by a key that is not unique, by the queryset, by a relation that is not to one row."""

import re
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models import Count, Exists, F, OuterRef, Value
from hypothesis import given, settings
from hypothesis import strategies as st

from store.db.pagination import PageRequest
from store.entities import entities, unique_keys
from store.exceptions import NotOneRow, RowsMultiplied
from store.predictions.feedback import About, Feedback
from store.predictions.predictions import Prediction
from store.predictions.upsert import ValidRequest
from store.products import catalogue
from store.products.product import DataProduct
from store.serving import predict, prefetch
from store.snapshots import checks, preview, snapshots
from store.snapshots.snapshots import Snapshot
from tests.drawing import draws

from ..team import Customer, Line, Order, Profile, customers, lines, team

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("team")]
__all__ = ["team"]


@pytest.fixture
def rows(team: None) -> None:
    """Three customers, of whom two have three orders each, and four lines of one purchase."""
    Customer.objects.bulk_create([Customer(id=n, tenant=1, churned=n % 2 == 0) for n in (1, 2, 3)])
    Order.objects.bulk_create([Order(customer_id=n, paid=paid) for n in (1, 2) for paid in (1, 2, 3)])
    Line.objects.bulk_create([Line(purchase=7, number=number, amount=number) for number in range(1, 5)])


def second_profile() -> DataProduct:
    """A product over a relation that is declared as one-to-one, and that leads to two rows of customer 1."""
    Profile.objects.bulk_create(
        [Profile(customer_id=n, visits=visits) for n, visits in ((1, 2), (1, 5), (2, 1))]
    )
    return customers(visits="profile__visits")


PAYING = {"orders__paid__gt": 0}
REPEATED: dict[str, tuple[Callable[[], DataProduct], str]] = {
    "a key that is not unique": (lines, "4 rows of team_line have 1 different purchase"),
    "a filter over many rows": (
        lambda: customers(Customer.objects.filter(**PAYING)),
        r"its queryset has 6 rows of 2 \w+, as it joins",
    ),
    "an annotation over many rows": (
        lambda: customers(Customer.objects.annotate(paid=F("orders__paid"))),
        r"its queryset has 7 rows of 3 \w+, as it joins",
    ),
    "a relation that is not to one row": (
        second_profile,
        r"3 instances of 2 \w+, .* \(3 rows of team_profile have 2 different customer_id\)",
    ),
}


def build(product: DataProduct) -> Snapshot:
    """The snapshot of a build; its table goes with the test's transaction."""
    snapshot = Snapshot(product=product.name, number=1)
    snapshots._create_table(product, snapshot.table)
    snapshot.count_rows(product)
    return snapshot


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("name", REPEATED)
def test_repeated_rows_are_refused_with_the_counts_by_check_preview_and_build(name: str) -> None:
    declare, sentence = REPEATED[name]
    product = declare()
    [problem] = [message for message in checks.check_product(product) if message.is_serious()]
    assert problem.id == "exemplar.E005"
    assert re.search(sentence, problem.msg)
    for refuse in (preview.preview, build):
        with pytest.raises(RowsMultiplied, match=sentence), transaction.atomic():
            refuse(product)


SINGLE: dict[str, Callable[[], Any]] = {
    "all rows": Customer.objects.all,
    "distinct rows": lambda: Customer.objects.filter(**PAYING).distinct(),
    "rows with others": lambda: Customer.objects.filter(
        Exists(Order.objects.filter(customer=OuterRef("pk")))
    ),
    "counted rows": lambda: Customer.objects.annotate(orders_paid=Count("orders")),
    "rows by a percent sign": lambda: Customer.objects.annotate(sign=Value("5 %")).filter(sign__contains="%"),
    "none": Customer.objects.none,
}


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("name", SINGLE)
def test_rows_that_come_once_are_not_refused(name: str) -> None:
    product = customers(SINGLE[name]())
    assert list(checks.check_product(product)) == []
    assert preview.preview(product).rows_out == build(product).rows == SINGLE[name]().count()


def test_keys_of_a_history_are_unique_in_a_queryset_and_their_rows_are_not_written(rows: None) -> None:
    product = lines(Line.objects.filter(number=2))
    [warning] = checks.check_product(product)
    assert warning.id == "exemplar.W009"
    assert "4 rows of team_line have 1 different purchase, of which the queryset has one each" in warning.msg
    assert build(product).rows == 1
    assert entities.find(product, ["7"])["7"].inputs == (2,)
    with pytest.raises(NotOneRow), transaction.atomic():
        Feedback.objects.give(product, About(entity="7"), "True", "ann")


@pytest.mark.parametrize(
    ("index", "enforced"),
    [
        ("UNIQUE INDEX", True),
        ("INDEX", False),
        ("UNIQUE INDEX partial", False),
        ("UNIQUE INDEX expression", False),
    ],
)
def test_only_a_unique_index_over_the_whole_column_keeps_a_key_unique(
    index: str, enforced: bool, rows: None
) -> None:
    kind, _, of = index.partition("INDEX")
    on = {
        "": "(customer_id)",
        " partial": "(customer_id) WHERE visits > 0",
        " expression": "((customer_id + 1))",
    }[of]
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE {kind} INDEX ON team_profile {on}")
    assert unique_keys.is_enforced(Profile._meta.get_field("customer")) is enforced
    assert unique_keys.is_enforced(Customer._meta.pk)
    assert not unique_keys.is_enforced(Line._meta.pk)


def test_a_view_whose_keys_are_null_is_refused(rows: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "ALTER TABLE team_line RENAME TO team_lines; CREATE VIEW team_line AS "
            "SELECT nullif(number, 3) AS purchase, number, amount, returned FROM team_lines"
        )
    [problem] = checks.check_product(lines())
    assert "4 rows of team_line have 3 different purchase" in problem.msg
    with pytest.raises(RowsMultiplied):
        build(lines())


def test_a_repeated_row_is_read_by_nobody(rows: None) -> None:
    repeated = customers(Customer.objects.filter(**PAYING))
    with pytest.raises(RowsMultiplied, match="have the key 1 more than once"):
        entities.find(repeated, ["1"])
    with pytest.raises(RowsMultiplied):
        entities.page(repeated, PageRequest(first=5))
    with pytest.raises(RowsMultiplied):
        entities.after(repeated, None, 5)


def test_the_preview_says_why_in_one_sentence(rows: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "get", lambda name: lines())
    with pytest.raises(CommandError, match="4 rows of team_line"):
        call_command("preview", "team")


#: How a queryset may select and join; each leaves some rows out, repeats some, or neither.
SHAPES: list[Callable[[Any], Any]] = [
    lambda rows: rows,
    lambda rows: rows.filter(tenant=1),
    lambda rows: rows.filter(orders__paid__gt=1),
    lambda rows: rows.filter(orders__paid__gt=1).distinct(),
    lambda rows: rows.exclude(orders__paid=2),
    lambda rows: rows.annotate(paid=F("orders__paid")),
    lambda rows: rows.annotate(n=Count("orders")),
    lambda rows: rows.filter(profile__visits__gte=0),
    lambda rows: rows.select_related("profile"),
]


@settings(max_examples=draws(10))
@given(st.data())
def test_rows_are_refused_where_an_entity_comes_twice_and_nowhere_else(
    team: None, data: st.DataObject
) -> None:
    for model in (Customer, Order, Profile):
        model.objects.all().delete()
    Customer.objects.bulk_create([Customer(id=n, tenant=data.draw(st.integers(1, 2))) for n in (1, 2)])
    keys = st.lists(st.tuples(st.integers(1, 2), st.integers(0, 3)), max_size=3)
    Order.objects.bulk_create([Order(customer_id=n, paid=paid) for n, paid in data.draw(keys)])
    Profile.objects.bulk_create([Profile(customer_id=n, visits=visits) for n, visits in data.draw(keys)])
    features = data.draw(st.sampled_from([{"age": "age"}, {"visits": "profile__visits"}]))
    product = customers(data.draw(st.sampled_from(SHAPES))(Customer.objects.all()), **features)

    instances = list(product.join.instances().values_list("pk", *(f"feature_{name}" for name in features)))
    is_repeated = len({key for key, *_ in instances}) < len(instances)
    assert is_repeated == bool(list(checks.check_product(product)))
    for reader in (preview.preview, build):
        with pytest.raises(RowsMultiplied) if is_repeated else nullcontext(), transaction.atomic():
            reader(product)
            transaction.set_rollback(True)


def test_one_row_that_is_repeated_refuses_none_of_the_others(
    rows: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    Order.objects.filter(customer_id=2, paid__gt=1).delete()
    paying = customers(Customer.objects.filter(**PAYING))
    monkeypatch.setattr(catalogue, "get", lambda name: paying)
    requests = [predict.PredictionRequest(entity=key) for key in ("1", "2")]
    refusal, request = predict.validate(paying, requests)
    assert isinstance(refusal, RowsMultiplied)
    assert isinstance(request, ValidRequest)
    both = [Prediction(product=paying.name, entity=key, subject=key) for key in ("1", "2")]
    page = prefetch.Prefetch(both)
    assert page.entity_of(both[1]) is not None
    with pytest.raises(RowsMultiplied):
        page.entity_of(both[0])
