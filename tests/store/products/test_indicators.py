"""Several values of a to-many relation as features of yes and no."""

from typing import Any

import pytest

from learning.columns import Kind
from store.exceptions import InvalidJoin
from store.products import checks
from store.products.features import Join
from store.products.indicators import Choices
from tests.market.models import Customer
from tests.market.rows import customer, product_of, served_values, snapshot_values

pytestmark = pytest.mark.django_db


def test_each_value_is_a_feature_of_yes_and_no() -> None:
    both, other = customer(tags=["new", "50% off"]), customer(tags=["other"])
    product = product_of({"tags": Choices("tags__label", ["new", "50% off"])})
    assert not list(checks.find_problems(product))
    assert {column.kind for column in product.columns} == {Kind.BOOLEAN}
    new, off = sorted(product.feature_names, key=lambda name: name != "tags_new")
    values = snapshot_values(product)
    assert values == {str(both.pk): {new: True, off: True}, str(other.pk): {new: False, off: False}}
    assert served_values(product, both.pk, other.pk) == values


def test_before_an_event_only_earlier_rows_count() -> None:
    row = customer(orders=[(-1, 5.0), (1, 7.0)])
    product = product_of(
        {"had": Choices("orders__amount", [5.0, 7.0], at="orders__placed_at")}, at="joined_at"
    )
    [values] = snapshot_values(product).values()
    assert sorted(values.values()) == [False, True]
    assert served_values(product, row.pk) == {str(row.pk): values}


@pytest.mark.parametrize(
    "declared, at, sentence",
    [
        (Choices("age", [30]), None, "name the path alone"),
        (Choices("tags__label", ["new"]), "joined_at", "write Choices"),
        (Choices("tags__label", ["new"], at="orders__placed_at"), "joined_at", "is not a column of 'tags'"),
        (Choices("orders__placed_at", ["x"]), None, "is no value of"),
        (Choices("tags__label", "new"), None, "takes a list of values"),
        (Choices("tags__label", []), None, "takes a list of values"),
        (Choices("tags__label", [None]), None, "None is no value"),
    ],
)
def test_what_cannot_be_an_indicator_is_refused(declared: Any, at: str | None, sentence: str) -> None:
    join = Join(Customer.objects.all(), features={"feature": declared}, at=at)
    with pytest.raises(InvalidJoin, match=sentence):
        _ = join.columns


def test_an_indicator_takes_the_name_of_no_other_feature() -> None:
    product = product_of({"tags": Choices("tags__label", ["new"]), "tags_new": "age"})
    [problem] = checks.find_problems(product)
    assert "tags: Choices makes the features tags_new, and another feature has" in problem
