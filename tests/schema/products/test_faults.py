"""All faults of an input come at once, each with its path, in the words of the product's columns."""

from enum import Enum
from random import Random
from typing import Any, cast

import pytest
from graphql import coerce_input_value, parse
from hypothesis import given
from hypothesis import strategies as st

from learning.exceptions import ExemplarError
from schema.compiled.input_coercion import InputReader, NotEligible
from schema.core import names
from schema.core.inputs import variable_refusals
from schema.schema import schema
from store.exceptions import StoreError
from store.products import catalogue
from store.products.columns import TypedColumn
from store.products.product import DataProduct
from tests.schema.compiled.random_requests import Drawing

#: Of a value: right, left out, of another type, or not accepted by its column.
STATES = ("right", "absent", "other type", "outside")
QUERY = "query($features: {0}Features!) {{ {1} {{ predict(features: $features) {{ id }} }} }}"


def outside(column: TypedColumn) -> Any:
    """A value of the column's type that it does not accept; None if there is none."""
    low, _ = column.limits
    if column.kind and column.kind.is_integer:
        return None if low is None or low <= -(2**31) else int(low) - 1
    if column.kind and column.kind.is_quantity:
        return None if low is None else float(low) - 1.0
    return "x" * (column.longest + 1) if column.longest and not column.choices else None


def spoiled(product: DataProduct, states: list[str], seed: int) -> tuple[dict[str, Any], set[str]]:
    """Features in these states, and the names of those that are wrong."""
    features = Drawing(Random(seed), product, (), badness=0.0).features()
    wrong = set()
    for column, state in zip(product.columns, states, strict=True):
        name = names.field(column.name)
        if state == "absent":
            del features[name]
        elif state == "other type":
            features[name] = {"not": "this"}
        elif state == "outside" and (value := outside(column)) is not None:
            features[name] = value
        else:
            continue
        if state != "absent" or not column.nullable:
            wrong.add(name)
    return features, wrong


def values_of(product: DataProduct, features: dict[str, Any]) -> dict[str, Any]:
    """The values by column that a resolver gets of features whose types are right."""
    type_ = schema._schema.type_map[f"{names.prefix(product.name)}Features"]
    coerced = coerce_input_value(features, type_)
    values = {column.name: coerced.get(names.field(column.name)) for column in product.columns}
    return {name: value.value if isinstance(value, Enum) else value for name, value in values.items()}


def faults_of(product: DataProduct, features: dict[str, Any]) -> list[ExemplarError]:
    """What the API reports: at the types, or else at the values."""
    document = parse(QUERY.format(names.prefix(product.name), names.field(product.name)))
    types = [
        fault
        for error in variable_refusals(schema._schema, document, None, {"features": features})
        if isinstance(fault := error.original_error, ExemplarError)
    ]
    if types:
        return types
    try:
        product.clean(values_of(product, features))
    except StoreError as error:
        return list(error.faults)
    return []


@pytest.mark.parametrize("name", ["tumor", "diabetes", "wine", "stay"])
@given(data=st.data(), seed=st.integers(0, 10**6))
def test_every_fault_is_reported_with_its_path_and_its_title(name: str, data: Any, seed: int) -> None:
    product = catalogue.get(name)
    states = data.draw(
        st.lists(st.sampled_from(STATES), min_size=len(product.columns), max_size=len(product.columns))
    )
    features, wrong = spoiled(product, states, seed)
    faults = faults_of(product, features)
    assert {names.field(fault.argument[-1]) for fault in faults} == wrong
    assert len(faults) == len(wrong)
    titles = {names.field(column.name): column.title for column in product.columns}
    for fault in faults:
        assert fault.message.startswith(titles[names.field(fault.argument[-1])])
        assert "!" not in fault.message and "Features" not in fault.message


@pytest.mark.parametrize("wrap", [lambda value: [value], lambda value: {"a": value}], ids=["list", "object"])
@pytest.mark.parametrize("name", [product.name for product in catalogue.products()])
def test_a_value_of_a_thousand_levels_is_a_fault_of_the_input(name: str, wrap: Any) -> None:
    product, deep = catalogue.get(name), cast(Any, 1)
    for _ in range(1_020):  # as deep as a request's JSON may be
        deep = wrap(deep)
    query = QUERY.format(names.prefix(name), names.field(name))
    right = Drawing(Random(0), product, (), badness=0.0).features()
    for features in (deep, *({**right, field: deep} for field in right)):
        errors = schema.execute_sync(query, variable_values={"features": features}).errors or []
        assert {(error.extensions or {})["code"] for error in errors} == {"BAD_INPUT"}
        with pytest.raises(NotEligible):
            InputReader(schema._schema, product).instance(features)
