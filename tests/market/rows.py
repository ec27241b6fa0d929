"""Customers with their rows, and products over them that no app declares."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from learning.problem import Classification
from store.entities import entities
from store.products.features import Join
from store.products.product import DataProduct
from tests.market.models import Call, Customer, Order, Tag

NOON = datetime(2024, 5, 17, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def product_of(
    features: dict[str, Any], rows: Any = None, label: str | None = "churned", **more: Any
) -> DataProduct:
    """A product over customers."""
    rows = Customer.objects.all() if rows is None else rows
    options = {name: more.pop(name) for name in ("at", "group", "visible_to") if name in more}
    join = Join(rows, features=features, label=label, **options)
    return DataProduct(**{"name": "loyalty", "problem": Classification(folds=3), **more}, join=join)


def customer(
    orders: Sequence[tuple[float, float]] = (),
    calls: Sequence[tuple[int, int]] = (),
    tags: Sequence[str] = (),
    **columns: Any,
) -> Customer:
    """A customer who joined at noon; orders are (days from then, amount), calls are (days from then, minutes)."""
    row = Customer.objects.create(**{"joined_at": NOON, **columns})
    Order.objects.bulk_create(
        Order(customer=row, placed_at=NOON + day * DAY, amount=amount) for day, amount in orders
    )
    Call.objects.bulk_create(
        Call(customer=row, on=(NOON + day * DAY).date(), minutes=minutes) for day, minutes in calls
    )
    row.tags.set([Tag.objects.get_or_create(label=label)[0] for label in tags])
    return row


def snapshot_values(product: DataProduct) -> dict[str, dict[str, Any]]:
    """The features of all instances as a snapshot has them, by key."""
    names = [f"feature_{name}" for name in product.feature_names]
    rows = product.join.instances().values_list("pk", *names)
    return {str(key): dict(zip(product.feature_names, values, strict=True)) for key, *values in rows}


def served_values(product: DataProduct, *keys: Any) -> dict[str, dict[str, Any]]:
    """The features of entities as a prediction reads them, one query for each."""
    found = (entities.get(product, str(key)) for key in keys)
    return {entity.key: entity.features for entity in found}
