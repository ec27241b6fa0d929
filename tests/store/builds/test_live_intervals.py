"""Live intervals: which predictions of a champion have a truth that it could not know."""

from typing import Any

import pytest

from examples.diabetes.models import Patient
from learning.evaluation import live_coverage
from learning.evaluation.intervals import Intervals
from store.access.actors import Actor
from store.builds import live_intervals
from store.predictions import upsert
from store.predictions.feedback import About, Feedback
from store.predictions.upsert import PredictionBatch, ValidRequest
from store.products.product import DataProduct
from store.registry.versions import ModelVersion

from ..conftest import version

pytestmark = pytest.mark.django_db


def predict(product: DataProduct, by: ModelVersion, age: int = 50, **about: str) -> Any:
    instance = [age, *[1] * (len(product.columns) - 1)]
    question = ValidRequest(instance=instance, **about)
    answers = by.load(product).predict([instance])
    return upsert.store(PredictionBatch(product, by, [question], answers))[0]


def give(product: DataProduct, answer: str, reference: str) -> Any:
    return Feedback.objects.give(product, About(reference=reference), answer, "ann")


def truths(product: DataProduct, champion: ModelVersion) -> list[float]:
    return [row.truth for row in live_intervals.find_rows(product, champion)]


@pytest.mark.django_db(transaction=True)  # the time of a prediction is that of its transaction
def test_a_truth_counts_if_it_came_after_the_prediction(diabetes: DataProduct) -> None:
    champion, other = version(diabetes), version(diabetes)
    predict(diabetes, champion, reference="later")
    give(diabetes, "120.0", "later")
    predict(diabetes, other, reference="earlier")
    give(diabetes, "90.0", "earlier")
    predict(diabetes, champion, reference="earlier")
    predict(diabetes, other, reference="of another")
    give(diabetes, "80.0", "of another")
    predict(diabetes, champion, reference="without")
    [row] = live_intervals.find_rows(diabetes, champion)
    assert (row.value, row.truth, row.features["age"]) == (1.5, 120.0, 50)


def test_a_label_that_the_table_had_does_not_count(diabetes: DataProduct) -> None:
    champion = version(diabetes)
    for number, label in (("P-1", 70.0), ("P-2", None)):
        Patient.objects.create(number=number, age=50, sex=1, bmi=20, blood_pressure=90, progression=label)
        predict(diabetes, champion, entity=number)
        Feedback.objects.give(diabetes, About(entity=number), "110.0", "ann")
    assert truths(diabetes, champion) == [110.0]


@pytest.mark.django_db(transaction=True)
def test_the_newest_prediction_of_a_subject_counts_and_the_newest_feedback_is_first(
    diabetes: DataProduct,
) -> None:
    champion = version(diabetes)
    for age, reference in ((40, "a"), (41, "a"), (42, "b")):
        predict(diabetes, champion, age, reference=reference)
    give(diabetes, "100.0", "a")
    give(diabetes, "200.0", "b")
    rows = live_intervals.find_rows(diabetes, champion)
    assert [(row.truth, row.features["age"]) for row in rows] == [(200.0, 42), (100.0, 41)]


def test_what_was_taken_back_does_not_count(diabetes: DataProduct) -> None:
    champion = version(diabetes)
    predict(diabetes, champion, reference="a")
    given = give(diabetes, "100.0", "a")
    Feedback.objects.retract(diabetes, given.feedback.pk, Actor(author="ann", name="ann"))
    assert truths(diabetes, champion) == []


def test_a_champion_is_measured_by_its_own_intervals(
    diabetes: DataProduct, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_coverage, "LEAST_ROWS", 3)
    errors = tuple(each / 10 for each in range(-10, 11))
    intervals = Intervals(errors=errors, count=21, coverage={}, width={})
    champion = version(diabetes, intervals=intervals.as_json())
    for number, label in enumerate(("1.5", "9.0", "9.5", "10.0")):
        predict(diabetes, champion, reference=f"{number}")
        give(diabetes, label, f"{number}")
    live = live_intervals.measure(diabetes, champion)
    assert live is not None and (live.rows, live.coverage, live.widening) == (4, 0.25, 2.0)
    assert live_intervals.measure(diabetes, version(diabetes)) is None
