"""Skew: features as they were served, against the rows of their entities."""

from typing import Any

import pytest

from store.models import Prediction
from store.predictions import truth
from store.products.product import DataProduct
from store.quality import skew

from ..conftest import NOON, operate, version

pytestmark = pytest.mark.django_db


def predict_entity(product: DataProduct, served: Any, key: str, **changes: Any) -> Prediction:
    """A prediction about a row, with other features where they are given."""
    features = {
        "age": 61, "smokes": None, "born": None, "note": "", "urgency": "planned", "cost": "100", "woken": None,
    }  # fmt: skip
    return Prediction.objects.create(
        id=truth.digest(f"{key} {changes}"),
        product=product.name,
        model=served,
        subject=truth.subject_of_entity(product, key),
        entity=key,
        features={**features, **changes},
        answer="True",
        created_at=NOON,
        updated_at=NOON,
    )


def by_name(result: skew.Skew) -> dict[str, skew.FeatureSkew]:
    return {each.column.name: each for each in result.features}


def test_features_that_differ_from_the_row_are_counted_with_examples(stay):
    served, row = version(stay), operate(age=61)
    key = str(row.pk)
    stored = predict_entity(stay, served, key)
    for age in (62, 63, 64, 65):
        predict_entity(stay, served, key, age=age)
    predict_entity(stay, served, "987654321")
    result = skew.find(stay, served)
    assert (result.n, result.without_row) == (5, 1)
    differing = {name: each.differing for name, each in by_name(result).items() if each.differing}
    assert differing == {"age": 4}
    age = by_name(result)["age"]
    assert len(age.examples) == skew.MOST_EXAMPLES
    assert {example.row for example in age.examples} == {61}
    assert stored.pk not in {example.prediction.pk for example in age.examples}


def test_a_window_without_entities_compares_nothing(stay):
    result = skew.find(stay, version(stay))
    assert (result.n, result.without_row) == (0, 0)
    assert {each.n for each in result.features} == {0}


def test_a_row_that_cannot_be_predicted_is_counted_apart(stay):
    served, row = version(stay), operate(age=None)
    predict_entity(stay, served, str(row.pk))
    assert (skew.find(stay).n, skew.find(stay).without_row) == (0, 1)


def test_what_was_not_served_is_not_compared(stay):
    served, row = version(stay), operate(age=61)
    predict_entity(stay, served, str(row.pk))
    Prediction.objects.update(served=False)
    assert skew.find(stay).n == 0
