"""Filters of predictions: by what they are about, by truth, by features of every kind, and by searches."""

from datetime import date, time
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from learning.kinds import Kind
from store.exceptions import BadInput, Faults, OutOfRange, StoreError
from store.predictions.feedback import About, Feedback
from store.predictions.predictions import Prediction
from store.products import filter_values
from store.products.product import DataProduct
from store.registry.versions import ModelVersion

from ..conftest import operate, version
from .test_predictions import question, record

pytestmark = pytest.mark.django_db

#: The features of three predictions, by the numbers that tests call them.
ROWS: list[dict[str, Any]] = [
    {
        "age": 40,
        "cost": Decimal("9.5"),
        "born": date(1984, 1, 31),
        "woken": time(9),
        "smokes": True,
        "note": "ab",
    },
    {"age": 61, "cost": Decimal(100), "born": date(1963, 1, 1), "woken": time(9, 0, 1), "urgency": "1st"},
    {"age": 100, "cost": Decimal("100.01"), "born": None, "woken": None, "smokes": False, "note": "AB%"},
]


@pytest.fixture
def served(stay: DataProduct) -> ModelVersion:
    return version(stay)


@pytest.fixture
def rows(stay: DataProduct, served: ModelVersion) -> list[Prediction]:
    return record(stay, served, *(question(stay, **features) for features in ROWS))


def numbers_of(rows: list[Prediction], matched: Any) -> list[int]:
    """The places among the rows of those that were matched."""
    ids = set(matched.values_list("pk", flat=True))
    return [place for place, row in enumerate(rows) if row.pk in ids]


@pytest.mark.parametrize(
    ("condition", "matched"),
    [
        ({"age": {"eq": 61}}, [1]),
        ({"age": {"in": [40, 100, 7]}}, [0, 2]),
        ({"age": {"in": []}}, []),
        ({"age": {"gte": 61}}, [1, 2]),
        ({"age": {"gt": 61}}, [2]),
        ({"age": {"lte": 61}}, [0, 1]),
        ({"age": {"gt": 40, "lt": 100}}, [1]),
        ({"age": {"gt": -5, "lt": 5_000}}, [0, 1, 2]),
        ({"age": {"gt": -(10**400), "lt": 10**400}}, [0, 1, 2]),
        ({"age": {"in": [61, 2**64]}}, [1]),
        ({"age": {"eq": None, "gt": None}}, [0, 1, 2]),
        ({"cost": {"gte": Decimal(100)}}, [1, 2]),
        ({"cost": {"lt": Decimal("100.005")}}, [0, 1]),
        ({"cost": {"eq": Decimal("9.50")}}, [0]),
        ({"born": {"lt": date(1970, 1, 1)}}, [1]),
        ({"born": {"is_null": True}}, [2]),
        ({"born": {"is_null": False}}, [0, 1]),
        ({"woken": {"gt": time(9)}}, [1]),
        ({"smokes": {"eq": False}}, [2]),
        ({"smokes": {"is_null": True}}, [1]),
        ({"smokes": {"in": [True, False]}}, [0, 2]),
        ({"urgency": {"eq": "1st"}}, [1]),
        ({"urgency": {"in": ["planned"]}}, [0, 2]),
        ({"note": {"eq": "ab"}}, [0]),
        ({"note": {"in": ["AB%", "x"]}}, [2]),
        ({"age": {"gte": 61}, "urgency": {"eq": "planned"}}, [2]),
    ],
)
def test_stored_features_are_filtered_by_their_kinds(
    stay: DataProduct, rows: list[Prediction], condition: Any, matched: list[int]
) -> None:
    faults = Faults()
    features = filter_values.clean_features(stay, condition, faults, ("filter", "features"))
    faults.check()
    assert numbers_of(rows, Prediction.objects.matching(stay, features=features)) == matched


def test_a_feature_that_was_of_another_kind_is_compared_without_an_error(
    stay: DataProduct, rows: list[Prediction]
) -> None:
    changed = {
        "age": "old",
        "cost": "dear",
        "born": 7,
        "woken": True,
        "smokes": "no",
        "urgency": 1,
        "note": [],
    }
    Prediction.objects.filter(pk=rows[0].pk).update(features=changed)
    Prediction.objects.filter(pk=rows[1].pk).update(features={})
    ranges = {"age": {"gte": 1}, "cost": {"gt": Decimal(1)}, "smokes": {"eq": False}}
    for name, condition in ranges.items():
        assert numbers_of(rows, Prediction.objects.matching(stay, features={name: condition})) == [2]
    assert numbers_of(rows, Prediction.objects.matching(stay, features={"age": {"lt": 200}})) == [2]
    assert numbers_of(rows, Prediction.objects.matching(stay, features={"age": {"is_null": True}})) == [1]


def test_what_a_condition_cannot_be_is_refused_all_at_once(stay: DataProduct) -> None:
    faults = Faults()
    wrong: Any = {
        "age": {"gt": "x"},
        "urgency": {"in": ["planned", "never"], "lt": "planned"},
        "note": {"in": ["a"] * (filter_values.MAX_VALUES + 1)},
    }
    filter_values.clean_features(stay, wrong, faults, ("filter", "features"))
    refusals = {error.argument: type(error) for error in faults.errors}
    assert refusals == {
        ("filter", "features", "age", "gt"): BadInput,
        ("filter", "features", "urgency", "lt"): BadInput,
        ("filter", "features", "note", "in"): OutOfRange,
    }
    for error in faults.errors:
        assert isinstance(error, StoreError)
        assert error.message


def test_the_filtered_features_are_of_many_kinds(stay: DataProduct) -> None:
    kinds = {column.kind for column in stay.columns}
    assert {Kind.DATE, Kind.BOOLEAN, Kind.CATEGORY, Kind.DECIMAL, Kind("TIME")} <= kinds


def test_a_search_compares_the_beginning_of_keys_and_references(
    stay: DataProduct, served: ModelVersion
) -> None:
    about = [{"entity": str(operate(pk=1234).pk)}, {"reference": "Ärzte-12%"}, {"reference": "1_2"}, {}]
    rows = record(stay, served, *(question(stay, subject) for subject in about))
    searches = {
        "123": [0],
        "1": [0, 2],
        "ärzte": [1],
        "ÄRZTE-12%": [1],
        "1_": [2],
        "23": [],
        "%": [],
        "_": [],
    }
    for search, matched in searches.items():
        assert numbers_of(rows, Prediction.objects.matching(stay, search=search)) == matched, search


def test_predictions_are_filtered_by_truth(stay: DataProduct, served: ModelVersion) -> None:
    rows = record(stay, served, *(question(stay, {"reference": name}) for name in "abcd"))
    for row, answers in zip(rows, (["True"], ["False", "False", "True"], ["True", "False"], []), strict=True):
        for author, answer in zip(("ann", "bob", "eve"), answers, strict=False):
            Feedback.objects.give(stay, About(prediction=row.pk), answer, author)
    expected: list[tuple[dict[str, Any], list[int]]] = [
        ({"truth": {"eq": "True"}}, [0]),
        ({"truth": {"in": ["True", "False"]}}, [0, 1]),
        ({"truth": {"is_null": True}}, [2, 3]),
        ({"labelled": True}, [0, 1]),
        ({"labelled": False}, [2, 3]),
        ({"disputed": True}, [1, 2]),
        ({"disputed": False}, [0, 3]),
        ({"disputed": True, "labelled": True}, [1]),
    ]
    for conditions, matched in expected:
        assert numbers_of(rows, Prediction.objects.matching(stay, **conditions)) == matched, conditions


#: A prediction and a word on each of many subjects.
PREDICTED = """
INSERT INTO store_prediction (id, product, model_id, subject, features, answer, confidence, created_at, updated_at,
    times_asked)
SELECT md5('id' || i)::uuid, 'stay', %s, md5(i::text)::uuid, '{}', 'True', 0.5, now() - i * interval '1 min', now(), 1
FROM generate_series(1, %s) i
"""
LABELLED = """
INSERT INTO store_feedback (product, subject, author, answer, comment)
SELECT 'stay', md5(i::text)::uuid, 'ann', CASE WHEN i % 3 = 0 THEN 'False' ELSE 'True' END, ''
FROM generate_series(1, 20000, 4) i
"""


def test_a_page_by_truth_looks_at_the_truths_of_its_predictions(
    stay: DataProduct, served: ModelVersion
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(PREDICTED, [served.pk, 20_000])
        cursor.execute(LABELLED)
        cursor.execute("ANALYZE store_prediction, store_truth")
    for condition in ({"labelled": True}, {"labelled": False}, {"wrong": True}, {"disputed": False}):
        page = Prediction.objects.matching(stay, **condition).order_by("-created_at", "-pk")[:20]
        plan = page.explain()
        assert "predictions_newest_first" in plan and "Seq Scan" not in plan, plan
