"""Predictions: the same question of the same version is one row, and removing them takes along what must go."""

from typing import Any

import pytest
from django.db import connection

from learning.model import ClassAnswer
from store.exceptions import BadInput
from store.predictions import erasure, upsert
from store.predictions.feedback import About, Feedback
from store.predictions.predictions import Prediction, checked_name
from store.predictions.upsert import PredictionBatch, ValidRequest
from store.products.product import DataProduct
from store.registry.versions import ModelVersion

from ..conftest import STAY, at_once, operate, version

pytestmark = pytest.mark.django_db

ANSWER = ClassAnswer("True", 0.75, (0.25, 0.75))


def question(product: DataProduct, about: dict[str, str] | None = None, **features: Any) -> ValidRequest:
    return ValidRequest(instance=product.clean(STAY | features), **(about or {}))


def record(product: DataProduct, version: ModelVersion, *questions: ValidRequest) -> list[Prediction]:
    return upsert.store(PredictionBatch(product, version, questions, [ANSWER] * len(questions)))


@pytest.fixture
def served(stay: DataProduct) -> ModelVersion:
    return version(stay)


def test_a_prediction_keeps_question_answer_and_version(stay: DataProduct, served: ModelVersion) -> None:
    [returned] = record(stay, served, question(stay, {"reference": "form 7"}, cost=12.5))
    stored = Prediction.objects.get()
    assert stored == returned
    assert (stored.model_id, stored.reference, stored.entity) == (served.pk, "form 7", None)
    assert stored.features["cost"] == "12.50"
    assert (stored.answer, stored.confidence, stored.output) == ("True", 0.75, {"False": 0.25, "True": 0.75})
    assert (stored.created_at, stored.updated_at) == (returned.created_at, returned.updated_at)


def test_asking_again_is_the_same_row(stay: DataProduct, served: ModelVersion) -> None:
    [first] = record(stay, served, question(stay))
    [second] = record(stay, served, question(stay))
    assert first.pk == second.pk
    assert second.times_asked == 2
    assert second.created_at == first.created_at


def test_the_first_answer_is_kept_where_a_later_one_differs_in_the_last_digit(
    stay: DataProduct, served: ModelVersion
) -> None:
    [first] = record(stay, served, question(stay))
    later = ClassAnswer("False", 0.7500000000000001, (0.7500000000000001, 0.2499999999999999))
    [second] = upsert.store(PredictionBatch(stay, served, [question(stay)], [later]))
    assert (second.answer, second.confidence, second.output) == ("True", 0.75, first.output)
    assert list(second.output) == list(first.output) == ["False", "True"]


@pytest.mark.django_db(transaction=True)
def test_asking_again_updates_the_time_of_the_prediction(stay: DataProduct) -> None:
    served = version(stay)
    [first], [second] = (record(stay, served, question(stay)) for _ in range(2))
    assert second.updated_at > first.updated_at


def test_the_same_question_twice_in_one_call_is_one_row(stay: DataProduct, served: ModelVersion) -> None:
    first, other, second = record(stay, served, question(stay), question(stay, age=62), question(stay))
    assert (first.pk, first.times_asked) == (second.pk, 2)
    assert other.times_asked == 1
    assert Prediction.objects.count() == 2


def test_rows_that_are_put_by_the_thousand_are_those_that_are_recorded(
    stay: DataProduct, served: ModelVersion
) -> None:
    notes = ['say "hi"', "back\\slash", "{a,b}", "NULL", "", "line\nbreak", "'", "%s", "ä\u2028"]
    questions = [question(stay, {"entity": note or "0"}, note=note) for note in notes]
    answers = [ANSWER] * len(questions)
    recorded = {
        row.pk: row.features for row in upsert.store(PredictionBatch(stay, served, questions, answers))
    }
    upsert.insert(PredictionBatch(stay, served, questions, answers))
    again = Prediction.objects.all()
    assert {row.pk: row.features for row in again} == recorded
    assert {row.times_asked for row in again} == {2}
    again.delete()
    upsert.insert(PredictionBatch(stay, served, questions, answers))
    assert {row.pk: row.features for row in Prediction.objects.all()} == recorded
    upsert.insert(PredictionBatch(stay, served, [], []))


def test_the_same_features_written_otherwise_are_the_same_question(
    stay: DataProduct, served: ModelVersion
) -> None:
    asked = [question(stay, cost=cost, note=note) for cost, note in [(0.0, "café"), (-0.0, "cafe\u0301")]]
    assert len({row.pk for row in record(stay, served, *asked)}) == 1


def test_other_features_subjects_and_versions_are_other_rows(stay: DataProduct, served: ModelVersion) -> None:
    key = str(operate().pk)
    asked = [
        question(stay),
        question(stay, age=62),
        question(stay, {"entity": key}),
        question(stay, {"reference": key}),
        question(stay, {"reference": "other"}),
    ]
    rows = record(stay, served, *asked) + record(stay, version(stay), *asked)
    assert len({row.pk for row in rows}) == 10
    assert len({row.subject for row in rows}) == 5


def test_nothing_asked_is_nothing_stored(stay: DataProduct, served: ModelVersion) -> None:
    assert record(stay, served) == []


@pytest.mark.django_db(transaction=True)
def test_concurrent_upserts_of_the_same_rows_do_not_deadlock(stay: DataProduct) -> None:
    served = version(stay)
    asked = [question(stay, note=str(number)) for number in range(200)]
    orders = (asked, asked[::-1], asked[100:] + asked[:100])
    for _ in range(3):
        at_once(*(lambda rows=rows: record(stay, served, *rows) for rows in orders))
    assert set(Prediction.objects.values_list("times_asked", flat=True)) == {9}


def test_predictions_are_filtered_by_their_answer(
    stay: DataProduct, served: ModelVersion, relapse: DataProduct
) -> None:
    key = str(operate().pk)
    about_entity, about_form = record(
        stay, served, question(stay, {"entity": key}), question(stay, {"reference": "form"})
    )
    rows = Prediction.objects.all()
    assert list(rows.matching(stay, entity={"eq": key})) == [about_entity]
    assert list(rows.matching(stay, reference={"in": ["form", "other"]})) == [about_form]
    assert list(rows.matching(stay, reference={"is_null": True})) == [about_entity]
    assert not rows.matching(relapse).exists()
    assert not rows.matching(stay, answer={"eq": "False"}).exists()
    wanted = {"confidence": {"lt": 0.76}, "model_id": {"eq": served.pk}, "answer": {"in": ["True"]}}
    assert rows.matching(stay, **wanted).count() == 2
    assert rows.matching(stay, confidence={"lt": 0.75}).count() == 0
    when = about_entity.created_at
    assert rows.matching(stay, created_at={"gte": when}).count() == 2
    assert rows.matching(stay, created_at={"lt": when}).count() == 0


def test_predictions_about_one_subject_know_each_other(stay: DataProduct, served: ModelVersion) -> None:
    first, second, _ = record(
        stay,
        served,
        question(stay, {"reference": "a"}),
        question(stay, {"reference": "a"}, age=9),
        question(stay),
    )
    assert list(Prediction.objects.all().others(first)) == [second]


def test_a_tie_is_no_label(stay: DataProduct, served: ModelVersion) -> None:
    [row] = record(stay, served, question(stay))
    for author, answer in [("ann", "True"), ("bob", "False")]:
        Feedback.objects.give(stay, About(prediction=row.pk), answer, author)
    assert list(Prediction.objects.matching(stay, labelled=True)) == []
    assert list(Prediction.objects.matching(stay, labelled=False)) == [row]


@pytest.fixture
def spoken_of(stay: DataProduct, served: ModelVersion) -> list[Prediction]:
    """About an entity, a reference and nobody, each with a feedback."""
    about = [{"entity": str(operate().pk)}, {"reference": "form"}, {}]
    rows = record(stay, served, *(question(stay, subject) for subject in about))
    for row in rows:
        Feedback.objects.give(stay, About(prediction=row.pk), "True", "ann")
    return rows


def test_deleting_predictions_deletes_only_feedback_without_a_subject(
    stay: DataProduct, spoken_of: list[Prediction]
) -> None:
    removed = erasure.remove_predictions(Prediction.objects.all())
    assert (set(removed.ids), removed.feedback) == ({row.pk for row in spoken_of}, 1)
    assert not Prediction.objects.exists()
    left = Feedback.objects.filter(author="ann")
    assert {(row.subject, row.prediction_id) for row in left} == {
        (row.subject, None) for row in spoken_of[:2]
    }


def test_a_dry_run_removes_nothing(spoken_of: list[Prediction]) -> None:
    removed = erasure.remove_predictions(Prediction.objects.all(), dry_run=True)
    assert (len(removed.ids), removed.feedback) == (3, 1)
    assert (Prediction.objects.count(), Feedback.objects.filter(author="ann").count()) == (3, 3)


def test_a_deleted_prediction_returns_under_its_id_with_its_subjects_feedback(
    stay: DataProduct, served: ModelVersion, spoken_of: list[Prediction]
) -> None:
    erasure.remove_predictions(Prediction.objects.all())
    [again] = record(stay, served, question(stay, {"reference": "form"}))
    assert (again.pk, again.times_asked) == (spoken_of[1].pk, 1)
    assert list(Prediction.objects.matching(stay, labelled=True)) == [again]


@pytest.mark.django_db(transaction=True)
def test_feedback_on_a_prediction_that_is_being_removed_leaves_nothing_half_done(stay: DataProduct) -> None:
    served = version(stay)
    for _ in range(5):
        [row] = record(stay, served, question(stay))
        at_once(
            lambda: erasure.remove_predictions(Prediction.objects.all()),
            lambda row=row: _try_to_speak(stay, row),
        )
        assert not Prediction.objects.exists()
        assert not Feedback.objects.exists()


def _try_to_speak(product: DataProduct, row: Prediction) -> None:
    try:
        Feedback.objects.give(product, About(prediction=row.pk), "True", "ann")
    except Exception as error:
        assert getattr(error, "code", None) == "UNKNOWN_ID", error


def test_numbers_and_clusters_are_stored_as_they_were_answered(diabetes: DataProduct) -> None:
    registered = version(diabetes)
    features = {c.name: 1 for c in diabetes.columns} | {"bmi": 20.0, "blood_pressure": 80.0}
    asked = ValidRequest(instance=diabetes.clean(features))
    [row] = upsert.store(
        PredictionBatch(diabetes, registered, [asked], registered.load(diabetes).predict([asked.instance]))
    )
    assert (row.answer, row.value, row.confidence) == ("1.5", 1.5, None)
    assert Prediction.objects.get().value == 1.5


@pytest.mark.parametrize("name", ["", "a\0", "\ud800", "x" * 201])
def test_a_reference_that_cannot_be_stored_is_refused(name: str) -> None:
    with pytest.raises(BadInput):
        checked_name(name, ("reference",))
    assert checked_name("x" * 200, ()) == "x" * 200


def test_a_stored_instance_is_an_object_of_json(stay: DataProduct, served: ModelVersion) -> None:
    record(stay, served, question(stay, note="100 % \"so\" \\ 'that'"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT jsonb_typeof(features), features ->> 'note' FROM store_prediction")
        assert cursor.fetchone() == ("object", "100 % \"so\" \\ 'that'")
