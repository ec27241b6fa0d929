"""Whole columns are cleaned as their values are one by one."""

import datetime
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from hypothesis import given
from hypothesis import strategies as st

from store.entities import bulk_validation
from store.exceptions import BadInput, StoreError
from store.products.columns import TypedColumn

NOON = datetime.datetime(2025, 5, 5, 12, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))
FIELDS: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "share": (
        models.FloatField(validators=[MinValueValidator(0.0), MaxValueValidator(1.0)]),
        st.floats(-0.001, 1.001) | st.sampled_from([-0.0, float("nan")]),
    ),
    "number": (models.FloatField(), st.floats() | st.integers()),
    "count": (models.SmallIntegerField(), st.integers(-32_769, 32_768)),
    "price": (models.DecimalField(max_digits=4, decimal_places=2), st.decimals(-100, 100, places=3)),
    "roams": (models.BooleanField(), st.booleans()),
    "plan": (
        models.CharField(choices=[("a", "A"), ("b", "B")]),
        st.sampled_from(["a", "b"]) | st.sampled_from(["a", "b", "c"]),
    ),
    "grade": (models.IntegerField(choices=[(1, "one"), (2, "two")]), st.integers(1, 2) | st.booleans()),
    "word": (models.CharField(max_length=3), st.text(max_size=4)),
    "day": (models.DateField(), st.dates()),
    "at": (models.DateTimeField(), st.just(NOON)),
}


class Product:
    computed = ()

    def __init__(self, *columns: TypedColumn):
        self.inputs = columns


def outcome(clean: Callable[[], Sequence[Any]]) -> Any:
    """What it gives, with its types, or that it refuses."""
    try:
        return [(type(value), repr(value)) for value in clean()]
    except StoreError as error:
        return type(error)


@pytest.mark.parametrize("name", FIELDS)
@given(data=st.data(), nullable=st.booleans())
def test_a_column_is_cleaned_as_its_values_are(name: str, data: st.DataObject, nullable: bool) -> None:
    field, values = FIELDS[name]
    column = TypedColumn(name=name, field=field, nullable=nullable)
    drawn = data.draw(st.lists(values | st.none() if nullable else values, min_size=1, max_size=8))
    whole = outcome(
        lambda: [row[0] for row in bulk_validation.instances(Product(column), [(v,) for v in drawn])]
    )
    alone = outcome(lambda: [column.clean(value) for value in drawn])
    assert whole == alone


def test_nothing_may_be_missing_where_null_is_not_allowed() -> None:
    column = TypedColumn(name="number", field=models.FloatField(), nullable=False)
    with pytest.raises(BadInput, match="Number is required"):
        bulk_validation.instances(Product(column), [(1.0,), (None,)])


def test_rows_keep_their_order_and_their_columns() -> None:
    number = TypedColumn(name="number", field=models.FloatField(), nullable=True)
    price = TypedColumn(
        name="price", field=models.DecimalField(max_digits=4, decimal_places=1), nullable=True
    )
    rows = [(-0.0, Decimal("1.25")), (None, None), (2.5, Decimal("3"))]
    assert repr(bulk_validation.instances(Product(number, price), rows)) == (
        "[(0.0, Decimal('1.3')), (None, None), (2.5, Decimal('3.0'))]"
    )
