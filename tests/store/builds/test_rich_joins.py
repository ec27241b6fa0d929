"""Joins that say all they can, from rows to a champion, predictions by key, feedback, and another build."""

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection, models
from django.db.models import Avg, Count, F, Sum, Window
from django.db.models.functions import Lag, Rank, TruncMonth

from learning.problem import Classification, Clustering, Regression
from schema.composition import compose
from schema.core.context import Context
from store.access.actors import Actor
from store.builds.builds import Build
from store.builds.runner import run
from store.entities import entities
from store.jobs.jobs import SUCCEEDED
from store.products import catalogue, checks
from store.products.features import Age, Before, Category, Latest
from store.products.indicators import Choices
from store.products.json_paths import Json
from store.products.product import DataProduct
from store.registry.promotions import Promotion
from store.serving import champions
from tests.market.models import Call, Customer, Order
from tests.market.rows import DAY, NOON, customer, product_of, snapshot_values

pytestmark = pytest.mark.usefixtures("tables")

LINEAR: dict[str, Any] = {"families": ("baseline", "linear"), "candidates": 2, "folds": 3, "pictures": 0.0}
PROFILES: tuple[Any, ...] = (
    {"age": 40, "score": 1.5, "address": {"city": "Zoë \"q\" 'x' \\ 😀"}},
    {"age": None, "score": "NaN", "address": None},
    {"age": 10**40, "score": 1e300, "address": {}},
    {"age": -1, "score": "Infinity", "address": {"city": ["Rome"]}},
    [],
    {"age": 25.5, "score": 10**400, "address": {"city": "x" * 41}},
)


@pytest.fixture
def rows() -> None:
    """Customers of two months with what is unusual, half of whom churned."""
    for place in range(24):
        churned, last = place % 2 == 0, place % 5
        customer(
            orders=[(-40 + place, 3.0 + place), (-last, 5.0 * churned), (-last, 2.0), (0, 1.0), (3, 99.0)][
                : place % 6
            ],
            calls=[(-place, place)] * (place % 3),
            tags=["new"] if churned else [],
            owner=("", "[null]", 'Zoë "q"')[place % 3],
            joined_at=NOON + timedelta(hours=place // 2),
            born=None if place % 7 == 0 else date(1960 + place, 2, 28),
            points=place + 20 * churned,
            patience=None if place % 4 == 0 else timedelta(days=place, microseconds=1),
            profile=PROFILES[place % len(PROFILES)],
            churned=churned,
        )
    with connection.cursor() as cursor:
        cursor.execute("UPDATE market_customer SET patience = '1 year -2 mons 3 days' WHERE points = 1")


def loyalty() -> DataProduct:
    """Customers, of whom only what was before they joined counts."""
    orders = "orders__placed_at"
    return product_of(
        {
            "spent": Before("spent", at=orders),
            "talked": Before("talked", at="calls__on"),
            "double": "double",
            "lately": Before(Sum("orders__amount"), at=orders, days=30, last=2),
            "profile_age": Json("profile__age", models.PositiveSmallIntegerField()),
            "score": Json("profile__score", models.FloatField()),
            "city": Json("profile__address__city", models.CharField(max_length=40)),
            "years": Age("born"),
            "patience": "patience",
            "paid": Choices("orders__paid", [True, False], at=orders),
            "owner": Category("owner"),
            "rank": Window(Rank(), partition_by="owner", order_by="joined_at"),
        },
        Customer.objects.annotate(
            spent=Sum("orders__amount"), talked=Sum("calls__minutes"), double=F("points") * 2
        ),
        at="joined_at",
        problem=Classification(**LINEAR),
    )


def months() -> DataProduct:
    """Months of customers."""
    groups = Order.objects.annotate(month=TruncMonth("placed_at")).values("customer", "month")
    return product_of(
        {
            "orders": "orders",
            "customer": "customer",
            "owner": Category("customer__owner"),
            "profile_age": Json("customer__profile__age", models.PositiveSmallIntegerField()),
            "years": Age("customer__born", at="month"),
            "patience": "customer__patience",
            "tags": Choices("customer__tags__label", ["new", "loud"]),
            "previous": Window(Lag("orders"), partition_by="customer", order_by="month"),
        },
        groups.annotate(orders=Count("pk"), worth=Avg("amount")),
        label="worth",
        problem=Regression(**LINEAR),
        writes="none",
    )


def middles() -> DataProduct:
    """Months of customers, of which only what was before their middle counts."""
    groups = Order.objects.annotate(middle=TruncMonth("placed_at") + timedelta(days=16, hours=12))
    earlier = "customer__orders__placed_at"
    return product_of(
        {
            "total": Before("total", at="placed_at"),
            "lately": Before(Sum("customer__orders__amount"), at=earlier, days=30, last=3),
            "paid": Choices("customer__orders__paid", [True], at=earlier),
            "latest": Latest("customer__orders__amount", at=earlier),
            "years": Age("customer__born"),
            "months": Window(Count("pk"), partition_by="customer"),
        },
        groups.values("customer", "middle").annotate(total=Sum("amount")),
        label=None,
        at="middle",
        problem=Clustering(),
    )


@pytest.fixture(params=[loyalty, months])
def product(request: pytest.FixtureRequest, rows: None, monkeypatch: pytest.MonkeyPatch) -> DataProduct:
    declared: DataProduct = request.param()
    monkeypatch.setattr(catalogue, "_products", {declared.name: declared})
    monkeypatch.setattr(champions, "_promoted", {})
    assert not list(checks.find_problems(declared))
    return declared


Ask = Callable[[str], Any]


@pytest.fixture
def ask(product: DataProduct) -> Ask:
    schema = compose([product])
    context = Context(Actor(author="ann", superuser=True), None)  # type: ignore[arg-type]

    def execute(query: str) -> Any:
        result = schema.execute_sync(query, context_value=context)
        codes = [(error.extensions or {})["code"] for error in result.errors or ()]
        return codes or result.data

    return execute


def built(product: DataProduct) -> Build:
    build = Build.objects.claim(Build.objects.request(product, by="ann", enqueue=False)[0].pk)
    assert build
    run(build)
    build = Build.objects.get(pk=build.pk)
    assert build.status == SUCCEEDED, build.problem_message
    if build.model is None:  # the feedback said what the table had
        assert Promotion.objects.filter(product=product.name).exists()
    elif not build.promoted:  # such few rows may tell nothing
        assert "no better than chance" in build.decision, build.decision
        Promotion.objects.promote(build.model, "To serve it.", "ann")
    champions.refresh()
    return build


def learned(product: DataProduct, build: Build) -> dict[str, str]:
    """The features of each row of a build's snapshot, written so that NaN equals itself."""
    assert build.snapshot
    names = ", ".join(map(connection.ops.quote_name, product.feature_names))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT _entity, {names} FROM {build.snapshot.table}")
        return {key: repr(tuple(values)) for key, *values in cursor.fetchall()}


def served(product: DataProduct, keys: Iterable[str]) -> dict[str, str]:
    """The features of each entity, read one at a time."""
    return {key: repr(entities.get(product, key).instance) for key in keys}


def test_rows_are_served_as_they_were_learned_until_they_are_deleted(product: DataProduct, ask: Ask) -> None:
    rows = learned(product, built(product))
    assert served(product, rows) == rows
    assert sorted(pages(ask)) == sorted(rows)
    answer, said = ("label", "label: YES") if product.labels else ("value", "value: 7.5")
    for key in rows:
        entity = f"entity: {json.dumps(key)}"
        predicted = ask(f"{{ loyalty {{ predictFor({entity}) {{ {answer} }} }} }}")
        assert predicted["loyalty"]["predictFor"][answer] is not None
    given = ask(f"mutation {{ loyaltyFeedback(input: {{about: {{{entity}}}, {said}}}) {{ created }} }}")
    assert given["loyaltyFeedback"]["created"]
    assert learned(product, built(product)) == rows
    Customer.objects.all().delete()
    assert ask(f"{{ loyalty {{ predictFor({entity}) {{ {answer} }} }} }}") == ["UNKNOWN_ENTITY"]


def pages(ask: Ask) -> Iterator[str]:
    """List the keys of all entities, by pages of five."""
    cursor: str | None = ""
    while cursor is not None:
        selected = "edges { cursor node { key } } pageInfo { hasNextPage }"
        page = ask(f"{{ loyalty {{ entities(first: 5{cursor}) {{ {selected} }} }} }}")["loyalty"]["entities"]
        yield from (edge["node"]["key"] for edge in page["edges"])
        last = json.dumps(page["edges"][-1]["cursor"])
        cursor = f", after: {last}" if page["pageInfo"]["hasNextPage"] else None


@pytest.mark.parametrize("declare", [loyalty, middles])
def test_rows_of_the_event_and_after_it_change_nothing(
    rows: None, declare: Callable[[], DataProduct]
) -> None:
    product = declare()
    assert not list(checks.find_problems(product))
    before = {key: repr(values) for key, values in snapshot_values(product).items()}
    for row in list(Customer.objects.all()):
        for wait in (timedelta(0), timedelta(microseconds=1), 3 * DAY, 400 * DAY):
            Order.objects.create(
                customer=row, placed_at=max(NOON, row.joined_at) + wait, amount=1e6, paid=False
            )
            Call.objects.create(customer=row, on=(row.joined_at + wait).date(), minutes=1000)
        customer(owner=row.owner, joined_at=row.joined_at + 2 * DAY, orders=[(-1, 1e6)], points=999)
    after = {key: repr(values) for key, values in snapshot_values(product).items()}
    assert before.items() <= after.items()
    assert served(product, after) == {
        key: repr(tuple(values[name] for name in product.feature_names))
        for key, values in snapshot_values(product).items()
    }
