"""Filters of entities: by key, label, truth, time, features of every kind, and by searches, of visible rows alone."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from learning.problem import Regression
from store.exceptions import Faults
from store.predictions import entity_filters
from store.predictions.entity_filters import EntityConditions
from store.predictions.feedback import About, Feedback
from store.products import filter_values
from store.products.product import DataProduct
from tests.clinic.models import Operation

from ..conftest import HOUR, NOON, declared, operate, version

pytestmark = pytest.mark.django_db


@pytest.fixture
def keys() -> list[str]:
    """Keys of three operations; the second has no label, the third no anamnesis."""
    rows = [
        operate(
            pk=11, age=40, relapsed=True, born=date(1984, 1, 31), note="Lives alone", visits=[(-HOUR, 3)]
        ),
        operate(pk=12, age=61, at=NOON + HOUR, cost=Decimal("9.50"), urgency="1st", smokes=True),
        operate(pk=21, age=None, relapsed=False, at=NOON + 2 * HOUR),
    ]
    return [str(row.pk) for row in rows]


def keys_of(product: DataProduct, **conditions: Any) -> list[str]:
    rows = entity_filters.select(product, EntityConditions(**conditions))
    return [str(key) for key in rows.order_by("pk").values_list("pk", flat=True)]


@pytest.mark.parametrize(
    ("conditions", "matched"),
    [
        ({}, ["11", "12", "21"]),
        ({"key": {"eq": "12"}}, ["12"]),
        ({"key": {"in": ["11", "no key", "99"]}}, ["11"]),
        ({"label": {"eq": "True"}}, ["11"]),
        ({"label": {"is_null": True}}, ["12"]),
        ({"labelled": True}, ["11", "21"]),
        ({"labelled": False}, ["12"]),
        ({"at": {"gt": NOON, "lte": NOON + HOUR}}, ["12"]),
        ({"at": {"is_null": True}}, []),
        ({"search": "1"}, ["11", "12"]),
        ({"search": "ALONE"}, ["11"]),
        ({"search": "%"}, []),
        ({"search": "21", "labelled": True}, ["21"]),
    ],
)
def test_entities_are_filtered(
    stay: DataProduct, keys: list[str], conditions: dict[str, Any], matched: list[str]
) -> None:
    assert keys_of(stay, **conditions) == matched


@pytest.mark.parametrize(
    ("features", "matched"),
    [
        ({"age": {"gte": 41}}, ["12"]),
        ({"age": {"is_null": True}}, ["21"]),
        ({"age": {"in": [40, 61]}, "smokes": {"is_null": True}}, ["11"]),
        ({"cost": {"lt": Decimal(10)}}, ["12"]),
        ({"born": {"lt": date(2000, 1, 1)}}, ["11"]),
        ({"urgency": {"eq": "1st"}}, ["12"]),
        ({"note": {"eq": "Lives alone"}}, ["11"]),
        ({"smokes": {"eq": True}}, ["12"]),
    ],
)
def test_entities_are_filtered_by_their_features(
    stay: DataProduct, keys: list[str], features: Any, matched: list[str]
) -> None:
    faults = Faults()
    features = filter_values.clean_features(stay, features, faults, ())
    faults.check()
    assert keys_of(stay, features=features) == matched


def test_features_that_are_computed_or_aggregated_are_filtered_too(
    relapse: DataProduct, keys: list[str]
) -> None:
    assert keys_of(relapse, features={"visits": {"gte": 1}}) == ["11"]
    assert keys_of(relapse, features={"cost_per_year": {"lt": 1.0}}) == ["12"]
    assert keys_of(relapse, features={"minutes": {"eq": 3.0}, "urgency": {"eq": "planned"}}) == ["11"]


def test_the_majority_of_feedback_counts_before_the_label_column(
    relapse: DataProduct, keys: list[str]
) -> None:
    product = declared(dict(relapse.join.features), name="relapse", at="done_at", writes="none")
    version(product)
    for key, author, answer in [("11", "ann", "False"), ("12", "ann", "True"), ("21", "bob", "True")]:
        Feedback.objects.give(product, About(entity=key), answer, author)
    Feedback.objects.give(product, About(entity="21"), "False", "eve")
    assert keys_of(product, truth={"eq": "True"}) == ["12"]
    assert keys_of(product, truth={"in": ["False"]}) == ["11", "21"]
    assert keys_of(product, truth={"is_null": True}) == []
    assert keys_of(product, label={"eq": "True"}) == ["11"]


def test_numbers_are_filtered_as_labels(keys: list[str]) -> None:
    product = declared({"urgency": "urgency"}, label="cost", problem=Regression(), writes="none")
    Feedback.objects.give(product, About(entity="11"), "250.0", "ann")
    assert keys_of(product, label={"lte": 100}) == ["11", "12", "21"]
    assert keys_of(product, truth={"gt": 100}) == ["11"]
    assert keys_of(product, truth={"lt": 50.5}) == ["12"]


def test_rows_that_the_queryset_leaves_out_match_nothing(stay: DataProduct, keys: list[str]) -> None:
    product = declared({"urgency": "urgency"}, rows=Operation.objects.exclude(pk=11))
    assert keys_of(product) == ["12", "21"]
    assert keys_of(product, key={"eq": "11"}) == []
    assert keys_of(product, search="11") == []
