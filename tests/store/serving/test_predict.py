"""Prediction service: what entities are predicted from, as their tables hold it."""

from datetime import timedelta

import pytest
from django.db.models import Avg, F

from store.entities import entities
from store.exceptions import BadInput, SeveralFaults, UnknownEntity
from store.predictions.upsert import ValidRequest
from store.products.features import Latest
from store.serving.predict import PredictionRequest, validate, validate_entity

from ..conftest import declared, operate

pytestmark = pytest.mark.django_db

MEASURES = {"latest": Latest("labs__marker", at="labs__taken_at"), "mean": Avg("labs__marker")}


def test_several_values_that_are_no_numbers_are_missing_as_one_is() -> None:
    product = declared({**MEASURES, "cost": "cost"})
    operation = operate(labs=[(timedelta(0), float("nan"))])
    [entity] = entities.find(product, [str(operation.pk)]).values()
    assert validate_entity(product, entity.key, entity) == ValidRequest([100, None, None], entity=entity.key)


def test_faults_beside_values_that_are_no_numbers_are_reported_alone() -> None:
    product = declared({**MEASURES, "age": "anamnesis__age", "urgency": "urgency"})
    operation = operate(labs=[(timedelta(0), float("nan"))], age=999, urgency="never")
    [entity] = entities.find(product, [str(operation.pk)]).values()
    refusal = validate_entity(product, entity.key, entity)
    assert isinstance(refusal, SeveralFaults)
    assert [fault.argument for fault in refusal.faults] == [("age",), ("urgency",)]


@pytest.mark.django_db(transaction=True)
def test_a_row_that_postgresql_cannot_compute_is_refused_alone() -> None:
    product = declared({"age": "anamnesis__age", "cost_per_year": F("cost") / F("anamnesis__age")})
    bad = operate(age=0)
    keys = [str(bad.pk), *(str(operate(age=50).pk) for _ in range(5)), str(bad.pk), "nobody"]
    requests = [PredictionRequest(entity=key, path=("entities", place)) for place, key in enumerate(keys)]
    outcomes = validate(product, requests)
    assert [type(outcome) for outcome in outcomes] == [BadInput, *[ValidRequest] * 5, BadInput, UnknownEntity]
    assert [getattr(outcomes[place], "argument", None) for place in (0, 6)] == [
        ("entities", "0"),
        ("entities", "6"),
    ]
