"""Indexes of features of stored predictions: those that products declare, and no others."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from django.db import connection

from store.predictions import feature_indexes
from store.predictions.predictions import Prediction
from store.products.checks import find_problems
from store.products.product import DataProduct

from ..conftest import version

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def indexed(stay: DataProduct) -> Iterator[DataProduct]:
    yield replace(stay, indexed_features=("age", "cost", "born"))
    feature_indexes.synchronise([])


def names() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(feature_indexes.EXISTING, ["store_prediction", f"{feature_indexes.PREFIX}%"])
        return {name for name, _ in cursor.fetchall()}


#: Many predictions, of which a condition on a feature has few: else another index would do as well.
PREDICTED = """
INSERT INTO store_prediction (id, product, model_id, subject, features, answer, confidence, created_at, updated_at,
    times_asked)
SELECT md5('id' || i)::uuid, 'stay', %s, md5(i::text)::uuid,
    jsonb_build_object('age', i, 'cost', i, 'born', '1990-01-01'), 'True', 0.5, now(), now(), 1
FROM generate_series(1, 5000) i
"""


def test_declared_features_have_an_index_that_serves_their_conditions(indexed: DataProduct) -> None:
    with connection.cursor() as cursor:
        cursor.execute(PREDICTED, [version(indexed).pk])
    feature_indexes.synchronise([indexed])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE store_prediction")
    assert len(names()) == 3
    conditions = [
        ("age", {"gte": 7, "lt": 9}),
        ("cost", {"lt": Decimal(7)}),
        ("born", {"eq": date(2000, 1, 1)}),
    ]
    for feature, condition in conditions:
        rows = Prediction.objects.matching(indexed, features={feature: condition}).order_by()
        plan = rows.explain()
        assert feature_indexes.PREFIX in plan, plan


def test_indexes_follow_the_declaration(indexed: DataProduct) -> None:
    feature_indexes.synchronise([indexed])
    before = names()
    feature_indexes.synchronise([indexed])
    assert names() == before
    feature_indexes.synchronise([replace(indexed, indexed_features=("age",))])
    assert len(names()) == 1
    assert names() < before
    feature_indexes.synchronise([])
    assert names() == set()


def test_an_unknown_feature_is_refused_by_the_checks(indexed: DataProduct) -> None:
    [problem] = find_problems(replace(indexed, indexed_features=("age", "weight")))
    assert problem.startswith("indexed_features: 'weight' is no feature: name some of age, smokes, ")
