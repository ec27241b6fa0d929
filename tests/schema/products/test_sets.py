"""Sets of texts through the API: lists in any order, answered sorted, and the same on both paths."""

from collections.abc import Callable
from typing import Any

import pytest

from schema.compiled.input_coercion import InputReader, NotEligible
from schema.composition import compose
from schema.core.context import Context
from store.access.actors import Actor
from store.products import catalogue
from store.products.indicators import Choices
from store.products.product import DataProduct
from store.serving import champions as serving
from tests.market.rows import customer, product_of
from tests.schema.compiled.oracle import Oracle

from ...store.conftest import version

pytestmark = pytest.mark.django_db
Ask = Callable[..., Any]

PREDICT = (
    "query($features: LoyaltyFeatures!) { loyalty { predict(features: $features) { id features { tags } } } }"
)


@pytest.fixture
def loyalty(monkeypatch: pytest.MonkeyPatch) -> DataProduct:
    product = product_of({"tags": Choices("tags__label"), "points": "points"})
    monkeypatch.setitem(catalogue._products, product.name, product)
    model = Oracle(signature=product.signature, family="x", hyperparameters={}, estimator=None)
    champion = serving.Champion(product, version(product), model)
    monkeypatch.setitem(serving._promoted, product.name, champion)
    return product


@pytest.fixture
def ask(loyalty: DataProduct) -> Ask:
    schema = compose([loyalty])

    def execute(query: str, **variables: Any) -> Any:
        context = Context(Actor(author="tests", superuser=True), None)  # type: ignore[arg-type]
        return schema.execute_sync(query, variables, context_value=context)

    return execute


def test_equal_sets_are_one_prediction_however_they_are_given(ask: Ask) -> None:
    row = customer(tags=["new", "\u00c4rger"])
    given = [["new", "\u00c4rger"], ["A\u0308rger", "new", "new", " "]]
    results = [ask(PREDICT, features={"tags": tags, "points": 0}) for tags in given]
    literal = (
        '{ loyalty { predict(features: {tags: ["\u00c4rger", "new"], points: 0}) { id features { tags } } } }'
    )
    results.append(ask(literal))
    assert [result.errors for result in results] == [None] * 3
    [first, *others] = [result.data["loyalty"]["predict"] for result in results]
    assert first["features"] == {"tags": ["new", "\u00c4rger"]}
    assert others == [first, first]
    both = f'predictFor(entity: "{row.pk}") {{ features {{ tags }} }} entity(key: "{row.pk}") {{ features {{ tags }} }}'
    result = ask(f"{{ loyalty {{ {both} }} }}")
    assert result.errors is None
    assert (
        result.data["loyalty"]["predictFor"]
        == result.data["loyalty"]["entity"]
        == {"features": {"tags": ["new", "\u00c4rger"]}}
    )


@pytest.mark.parametrize("tags", ["new", [1], [None], {"a": "b"}, 7, None])
def test_what_is_no_list_of_texts_is_refused_with_what_it_takes(
    ask: Ask, loyalty: DataProduct, tags: Any
) -> None:
    [error] = ask(PREDICT, features={"tags": tags, "points": 0}).errors
    assert error.extensions["code"] == "BAD_INPUT"
    assert "must be a list of texts" in error.message
    reader = InputReader(compose([loyalty])._schema, loyalty)
    with pytest.raises(NotEligible):
        reader.instance({"tags": tags, "points": 0})


def test_the_fast_path_takes_sets(loyalty: DataProduct) -> None:
    assert compose([loyalty]).document_cache.make_plan(PREDICT, None) is not None


def test_the_schema_names_the_kind_where_a_product_has_it(loyalty: DataProduct) -> None:
    assert "TextSet!" in str(compose([loyalty])) and "TEXT_SET" in str(compose([loyalty]))
    assert "TextSet" not in str(compose([product_of({"points": "points"})]))
