"""The declarations in "What a Join can say" pass the check, and compile to SQL that PostgreSQL runs."""

import inspect
import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, models
from django.db.models import functions

from learning.problem import Classification, Clustering
from store import products
from store.entities import entities
from store.products import checks
from store.products.features import Join
from store.products.product import DataProduct
from store.snapshots import snapshots
from tests.market import models as market
from tests.market.rows import customer
from tests.system import ROOT

PAGE = (ROOT / "docs" / "how-to" / "what-a-join-can-say.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
EXAMPLES = [block for block in BLOCKS if "Join(" in block]
NAMES: dict[str, Any] = {
    **vars(models),
    **vars(functions),
    **vars(market),
    **vars(products),
    "models": models,
    "timedelta": timedelta,
}


def declared(example: str) -> DataProduct:
    """The product of the Join in an example."""
    names = dict(NAMES)
    exec(example, names)
    join: Join = names["join"]
    problem = Classification(folds=3) if join.label else Clustering()
    return DataProduct(name="example", join=join, problem=problem)


def test_the_page_shows_the_models_as_they_are() -> None:
    [shown] = [block for block in BLOCKS if "class Customer" in block]
    for model in (market.Customer, market.Order, market.Call):
        assert inspect.getsource(model).strip() in shown


@pytest.mark.django_db
@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_is_checked_joined_and_read_for_one_entity(example: str) -> None:
    customer(
        orders=[(-1, 5.0), (-40, 7.0)],
        calls=[(-2, 3)],
        tags=["new", "loud"],
        points=2,
        profile={"age": 40, "address": {"city": "Rome"}},
        churned=True,
    )
    product = declared(example)
    assert not list(checks.find_problems(product))
    with connection.cursor() as cursor:
        cursor.execute(snapshots.join_sql(product))
        rows = cursor.fetchall()
    assert rows
    for key, *_ in rows:
        assert entities.get(product, key).complete
