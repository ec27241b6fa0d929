"""Feedback: about whom or what it is given, what it changes, and what is shown of it."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from examples.diabetes.models import Patient, Serum
from store.access.actors import TABLE, Actor
from store.exceptions import BadInput, Forbidden, StoreError, UnknownEntity, UnknownId
from store.predictions import feedback as feedback_of
from store.predictions import truth, upsert
from store.predictions.feedback import COUNTS, RETRACTED, SUPERSEDED, About, Feedback, FeedbackResult
from store.predictions.predictions import Prediction
from store.predictions.upsert import PredictionBatch, ValidRequest
from store.products.product import DataProduct
from tests.clinic.models import Operation

from ..conftest import NOON, STAY, at_once, operate, version

pytestmark = pytest.mark.django_db

ANN = Actor(author="ann", name="ann")


def predicted(product: DataProduct, features: dict[str, Any] = STAY, **about: str) -> Prediction:
    """A stored prediction of a new version."""
    registered = version(product)
    question = ValidRequest(instance=product.clean(features), **about)
    answers = registered.load(product).predict([question.instance])
    return upsert.store(PredictionBatch(product, registered, [question], answers))[0]


def give(
    product: DataProduct, answer: str, author: str = "ann", comment: str | None = None, **about: Any
) -> FeedbackResult:
    return Feedback.objects.give(product, About(**about), answer, author, comment=comment)


def test_saying_the_same_twice_is_one_feedback(stay: DataProduct) -> None:
    key = str(operate().pk)
    first, second = give(stay, "True", entity=key), give(stay, "True", entity=key)
    assert (first.created, second.created, second.feature_rows_changed) == (True, False, 0)
    assert first.feedback == second.feedback


def test_saying_more_is_another_feedback(stay: DataProduct) -> None:
    key = str(operate().pk)
    give(stay, "True", entity=key)
    assert give(stay, "True", comment="I saw it", entity=key).created
    said = Feedback.objects.give(stay, About(entity=key), "True", "ann", NOON - timedelta(days=1), "I saw it")
    assert said.created
    assert give(stay, "True", author="bob", entity=key).created


def test_saying_the_same_after_taking_it_back_is_another_feedback(stay: DataProduct) -> None:
    key = str(operate().pk)
    given = give(stay, "True", entity=key)
    Feedback.objects.retract(stay, given.feedback.pk, ANN)
    assert give(stay, "True", entity=key).created


def test_saying_the_same_again_still_corrects_a_column_that_others_have_changed(stay: DataProduct) -> None:
    operation = operate()
    give(stay, "True", entity=str(operation.pk))
    Operation.objects.update(relapsed=False)
    again = give(stay, "True", entity=str(operation.pk))
    assert (again.created, again.feature_rows_changed) == (False, 1)


def test_feedback_on_a_prediction_about_an_entity_reaches_its_row(stay: DataProduct) -> None:
    operation = operate()
    prediction = predicted(stay, entity=str(operation.pk))
    given = give(stay, "True", prediction=prediction.pk)
    operation.refresh_from_db()
    assert operation.relapsed is True
    assert given.feedback.entity_of().key == prediction.entity  # type: ignore[union-attr]


def test_feedback_on_an_entity_and_on_its_prediction_have_one_subject(stay: DataProduct) -> None:
    key = str(operate().pk)
    prediction = predicted(stay, entity=key)
    give(stay, "True", prediction=prediction.pk)
    assert not give(stay, "True", entity=key).created


def test_feedback_on_an_entity_is_feedback_on_later_predictions_too(stay: DataProduct) -> None:
    key = str(operate().pk)
    give(stay, "True", entity=key)
    prediction = predicted(stay, entity=key)
    assert list(Prediction.objects.matching(stay, labelled=True)) == [prediction]
    assert list(Prediction.objects.matching(stay, truth={"eq": "True"})) == [prediction]


def test_feedback_on_a_reference_holds_for_all_its_predictions(stay: DataProduct) -> None:
    first, second = predicted(stay, reference="form 7"), predicted(stay, reference="form 7")
    given = give(stay, "False", reference="form 7")
    assert given.feature_rows_changed == 0
    assert truth.find_truths(stay, [first.subject, second.subject])[first.subject].answer == "False"
    assert not give(stay, "False", prediction=second.pk).created


def test_feedback_without_a_subject_holds_for_equal_features(stay: DataProduct) -> None:
    first = predicted(stay)
    give(stay, "True", prediction=first.pk)
    second = predicted(stay)
    assert second.pk != first.pk
    assert set(Prediction.objects.matching(stay, labelled=True)) == {first, second}


def test_feedback_about_an_unknown_subject_is_refused(stay: DataProduct, relapse: DataProduct) -> None:
    with pytest.raises(UnknownId, match="it may have been deleted"):
        give(stay, "True", prediction=str(uuid.uuid4()))
    with pytest.raises(UnknownId, match="predict with this reference first"):
        give(stay, "True", reference="never")
    with pytest.raises(UnknownId):
        give(relapse, "True", prediction=predicted(stay).pk)
    assert not Feedback.objects.exists()


@pytest.mark.parametrize("key", ["0", "x", "", "a\0", "99999999999999999999"])
def test_feedback_about_an_unknown_entity_is_refused(stay: DataProduct, key: str) -> None:
    with pytest.raises(UnknownEntity, match="No operation has the key"):
        give(stay, "True", entity=key)


def test_a_key_that_is_written_otherwise_is_another_entity(stay: DataProduct) -> None:
    operation = operate()
    with pytest.raises(UnknownEntity):
        give(stay, "True", entity=f"0{operation.pk}")


@pytest.mark.parametrize("comment", ["a\0", "x" * 10_001])
def test_a_comment_that_cannot_be_stored_is_refused(stay: DataProduct, comment: str) -> None:
    with pytest.raises(BadInput, match="A comment has at most"):
        give(stay, "True", comment=comment, entity=str(operate().pk))


def test_feedback_inserts_the_rows_of_an_entity_that_was_predicted_before_it_was_known(
    stay: DataProduct,
) -> None:
    prediction = predicted(stay, STAY | {"cost": 12.5, "note": "ünïcode"}, entity="4711")
    given = give(stay, "True", prediction=prediction.pk)
    operation = Operation.objects.get(pk=4711)
    assert given.feature_rows_changed == 2  # the row, and its label
    assert (operation.relapsed, str(operation.cost), operation.done_at) == (
        True,
        "12.50",
        prediction.created_at,
    )
    assert (operation.anamnesis.age, operation.anamnesis.note) == (61, "ünïcode")


def test_after_a_retraction_the_inserted_row_stays_unlabelled(stay: DataProduct) -> None:
    given = give(stay, "True", prediction=predicted(stay, entity="4711").pk)
    Feedback.objects.retract(stay, given.feedback.pk, ANN)
    assert Operation.objects.get(pk=4711).relapsed is None


def test_the_tables_own_numbering_goes_on_behind_an_inserted_key(stay: DataProduct) -> None:
    give(stay, "True", prediction=predicted(stay, entity=str(operate().pk + 1)).pk)
    assert operate().pk


def test_feedback_inserts_nothing_where_the_rows_cannot_be_written(relapse: DataProduct) -> None:
    features = {"age": 5, "urgency": "1st", "cost_per_year": 1, "visits": 0, "labs": 0}
    prediction = predicted(relapse, features, entity="4711")
    assert give(relapse, "True", prediction=prediction.pk).feature_rows_changed == 0
    assert not Operation.objects.exists()


def test_the_tables_label_is_shown_unless_it_was_null(stay: DataProduct) -> None:
    silent, told = operate(), operate(relapsed=False)
    for operation in (silent, told):
        give(stay, "True", entity=str(operation.pk))
    assert [row.author for row in shown(stay, silent)] == ["ann"]
    assert [row.author for row in shown(stay, told)] == ["ann", TABLE]


def shown(product: DataProduct, operation: Operation) -> list[Feedback]:
    subject = truth.subject_of_entity(product, str(operation.pk))
    return feedback_of.about_subjects(product, [subject]).get(subject, [])


def test_each_feedback_shows_whether_it_counts(stay: DataProduct) -> None:
    operation = operate(relapsed=False)
    key = str(operation.pk)
    give(stay, "True", entity=key)
    give(stay, "False", entity=key)
    taken = give(stay, "True", author="bob", entity=key)
    Feedback.objects.retract(stay, taken.feedback.pk, Actor(author="bob"))
    assert [(row.author, row.status) for row in shown(stay, operation)] == [
        ("bob", RETRACTED),
        ("ann", COUNTS),
        ("ann", SUPERSEDED),
        (TABLE, SUPERSEDED),
    ]
    assert Feedback.objects.get(pk=taken.feedback.pk).status_of() == RETRACTED


def test_the_tables_label_counts_once_all_feedback_is_retracted(stay: DataProduct) -> None:
    operation = operate(relapsed=False)
    given = give(stay, "True", entity=str(operation.pk))
    Feedback.objects.retract(stay, given.feedback.pk, ANN)
    assert [row.status for row in shown(stay, operation)] == [RETRACTED, COUNTS]


def test_only_its_author_takes_a_word_back(stay: DataProduct, settings: Any) -> None:
    settings.EXEMPLAR_OPEN = False
    given = give(stay, "True", entity=str(operate().pk))
    with pytest.raises(Forbidden):
        Feedback.objects.retract(stay, given.feedback.pk, Actor(author="bob", name="bob"))
    assert Feedback.objects.retract(stay, given.feedback.pk, ANN).feedback.retracted_at


def test_the_tables_feedback_cannot_be_retracted(stay: DataProduct, relapse: DataProduct) -> None:
    given = give(stay, "True", entity=str(operate(relapsed=False).pk))
    for product, pk in [
        (stay, Feedback.objects.get(author=TABLE).pk),
        (relapse, given.feedback.pk),
        (stay, 0),
    ]:
        with pytest.raises(UnknownId):
            Feedback.objects.retract(product, pk, Actor(author="admin", superuser=True))


def test_feedback_by_people_has_an_answer() -> None:
    with pytest.raises(IntegrityError, match="people_say_something"), transaction.atomic():
        Feedback.objects.create(product="stay", subject=uuid.uuid4(), author="ann", answer=None)


@pytest.mark.parametrize("author", ["", "  ", TABLE, "x" * 201, "a\0"])
def test_an_author_is_neither_the_table_nor_empty(author: str) -> None:
    with pytest.raises(BadInput):
        ANN.author_for(author)


@pytest.fixture
def patient() -> Patient:
    patient = Patient.objects.create(number="P-1", age=50, sex=1, bmi=20, blood_pressure=80, progression=151)
    Serum.objects.create(
        patient=patient,
        total_cholesterol=1,
        ldl=1,
        hdl=1,
        cholesterol_ratio=1,
        log_triglycerides=1,
        glucose=1,
    )
    return patient


@pytest.mark.parametrize("number", [0.1 + 0.2, 1e22, 5e-324, 0.0, 346])
def test_a_number_is_kept_to_the_last_digit(diabetes: DataProduct, patient: Patient, number: float) -> None:
    give(diabetes, diabetes.answer_of(number), entity="P-1")
    patient.refresh_from_db()
    assert patient.progression == number


def test_equal_numbers_by_several_authors_are_one_label(diabetes: DataProduct, patient: Patient) -> None:
    for author, number in [("ann", 100), ("bob", 100.0), ("cem", 99)]:
        give(diabetes, diabetes.answer_of(number), author=author, entity="P-1")
    patient.refresh_from_db()
    assert patient.progression == 100
    assert give(diabetes, diabetes.answer_of(100.00), entity="P-1").created is False


def test_a_tie_of_numbers_gives_the_tables_back(diabetes: DataProduct, patient: Patient) -> None:
    for author, number in [("ann", 100), ("bob", 200)]:
        give(diabetes, diabetes.answer_of(number), author=author, entity="P-1")
    patient.refresh_from_db()
    assert patient.progression == 151


@pytest.mark.django_db(transaction=True)
def test_two_concurrent_feedbacks_both_count(stay: DataProduct) -> None:
    operation = operate(relapsed=False)
    for _ in range(3):
        authors = [f"author {n}" for n in range(4)]
        at_once(*(lambda a=a: give(stay, "True", author=a, entity=str(operation.pk)) for a in authors))
    operation.refresh_from_db()
    assert operation.relapsed is True
    assert sorted(row.author for row in shown(stay, operation)) == [TABLE, *authors]


@pytest.mark.django_db(transaction=True)
def test_the_same_feedback_sent_twice_at_once_is_stored_once(stay: DataProduct) -> None:
    prediction = predicted(stay, reference="form 7")
    about_it = [{"prediction": prediction.pk}, {"reference": "form 7"}] * 2
    given = at_once(*(lambda about=about: give(stay, "True", **about) for about in about_it))
    assert sorted(each.created for each in given) == [False, False, False, True]


@pytest.mark.django_db(transaction=True)
def test_two_concurrent_inserts_of_an_entity_insert_it_once(stay: DataProduct) -> None:
    prediction = predicted(stay, entity="4711")
    given = at_once(*(lambda a=a: give(stay, "True", author=a, prediction=prediction.pk) for a in "abc"))
    assert sorted(each.feature_rows_changed for each in given) == [0, 0, 2]


@pytest.mark.django_db(transaction=True)
def test_speaking_about_an_entity_and_its_prediction_at_once_does_not_deadlock(stay: DataProduct) -> None:
    operation = operate()
    prediction = predicted(stay, entity=str(operation.pk))
    taken = give(stay, "False", author="cem", prediction=prediction.pk)
    at_once(
        lambda: give(stay, "True", author="ann", entity=str(operation.pk)),
        lambda: give(stay, "True", author="bob", prediction=prediction.pk),
        lambda: Feedback.objects.retract(stay, taken.feedback.pk, Actor(author="cem")),
    )
    operation.refresh_from_db()
    assert operation.relapsed is True


def test_an_unknown_label_is_refused_before_anything_is_written(stay: DataProduct) -> None:
    with pytest.raises(StoreError):
        give(stay, stay.answer_of("maybe"), entity=str(operate().pk))
    assert not Feedback.objects.exists()
