"""Truth: which label counts, and what is written to the label column."""

from typing import Any

import pytest

from store.access.actors import TABLE, Actor
from store.entities.entities import get
from store.predictions import truth
from store.predictions.feedback import About, Feedback, FeedbackResult
from store.products import catalogue
from store.products.product import DataProduct
from store.serving import prefetch
from tests.clinic.models import Operation

from ..conftest import declared, operate

pytestmark = pytest.mark.django_db

ADMIN = Actor(author="admin", name="admin", superuser=True)


def say(product: DataProduct, operation: Operation, author: str, answer: str, **more: Any) -> FeedbackResult:
    return Feedback.objects.give(product, About(entity=str(operation.pk)), answer, author, **more)


def take_back(product: DataProduct, given: FeedbackResult) -> FeedbackResult:
    return Feedback.objects.retract(product, given.feedback.pk, ADMIN)


def column(operation: Operation) -> bool | None:
    operation.refresh_from_db()
    return operation.relapsed


def agreed(product: DataProduct, operation: Operation) -> truth.Truth | None:
    subject = truth.subject_of_entity(product, str(operation.pk))
    return truth.find_truths(product, [subject]).get(subject)


def words(operation: Operation, author: str) -> list[str | None]:
    rows = Feedback.objects.filter(entity=str(operation.pk), author=author).order_by("pk")
    return list(rows.values_list("answer", flat=True))


def test_a_subject_without_feedback_has_no_truth(stay: DataProduct) -> None:
    assert agreed(stay, operate()) is None


def test_one_word_counts_against_the_table(stay: DataProduct) -> None:
    operation = operate(relapsed=False)
    given = say(stay, operation, "ann", "True")
    assert (given.created, given.feature_rows_changed) == (True, 1)
    assert column(operation) is True


def test_the_majority_counts(stay: DataProduct) -> None:
    operation = operate()
    for author, answer in [("ann", "True"), ("bob", "False"), ("cem", "True")]:
        say(stay, operation, author, answer)
    found = agreed(stay, operation)
    assert found and (found.answer, found.disputed) == ("True", True)
    assert column(operation) is True


def test_only_the_latest_word_of_each_counts(stay: DataProduct) -> None:
    operation = operate()
    for author, answer in [("ann", "True"), ("ann", "True"), ("bob", "False"), ("ann", "False")]:
        say(stay, operation, author, answer)
    found = agreed(stay, operation)
    assert found and (found.answer, found.disputed) == ("False", False)
    assert column(operation) is False


@pytest.mark.parametrize("before", [None, True, False])
def test_a_tie_gives_the_tables_value_back(stay: DataProduct, before: bool | None) -> None:
    operation = operate(relapsed=before)
    say(stay, operation, "ann", "True")
    say(stay, operation, "bob", "False")
    found = agreed(stay, operation)
    assert found and (found.answer, found.disputed) == (None, True)
    assert column(operation) is before


@pytest.mark.parametrize("before", [None, True, False])
def test_a_retraction_gives_the_tables_value_back(stay: DataProduct, before: bool | None) -> None:
    operation = operate(relapsed=before)
    given = say(stay, operation, "ann", "True")
    assert column(operation) is True
    taken = take_back(stay, given)
    assert taken.feedback.retracted_at is not None
    assert taken.feature_rows_changed == (before is not True)
    assert column(operation) is before
    assert agreed(stay, operation) is None


def test_feedback_is_retracted_once(stay: DataProduct) -> None:
    given = say(stay, operate(), "ann", "True")
    first, second = take_back(stay, given), take_back(stay, given)
    assert second.feature_rows_changed == 0
    assert second.feedback.retracted_at == first.feedback.retracted_at


def test_after_a_retraction_the_authors_word_before_it_counts(stay: DataProduct) -> None:
    operation = operate()
    say(stay, operation, "ann", "True")
    take_back(stay, say(stay, operation, "ann", "False"))
    assert column(operation) is True


def test_a_value_written_by_others_becomes_the_tables_newer_label(stay: DataProduct) -> None:
    operation = operate(relapsed=False)
    say(stay, operation, "ann", "False")
    Operation.objects.update(relapsed=True)
    given = say(stay, operation, "bob", "False")
    assert column(operation) is False
    assert words(operation, TABLE) == ["False", "True"]
    take_back(stay, given)
    assert column(operation) is False
    take_back(stay, FeedbackResult(Feedback.objects.get(author="ann"), True, 0))
    assert column(operation) is True


def test_an_unchanged_label_column_adds_no_feedback(stay: DataProduct) -> None:
    operation = operate(relapsed=False)
    for author, answer in [("ann", "True"), ("bob", "True"), ("cem", "False")]:
        say(stay, operation, author, answer)
    assert words(operation, TABLE) == ["False"]


def test_a_label_that_was_edited_counts_once_people_fall_silent(stay: DataProduct) -> None:
    operation = operate(relapsed=None)
    given = say(stay, operation, "ann", "True")
    operation.refresh_from_db()
    assert Feedback.objects.table_says(stay, operation, False) == 0
    assert column(operation) is True
    take_back(stay, given)
    assert column(operation) is False


def test_a_label_without_feedback_is_edited_without_a_trace(stay: DataProduct) -> None:
    operation = operate()
    assert Feedback.objects.table_says(stay, operation, True) == 1
    assert column(operation) is True
    assert not Feedback.objects.exists()


def test_a_retired_label_of_the_table_is_restored_as_it_was() -> None:
    product = declared({"cost": "cost"}, label="urgency", name="stay")
    operation = operate(urgency="2nd")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(catalogue._products, "stay", product)
        given = say(product, operation, "ann", "planned")
        take_back(product, given)
    operation.refresh_from_db()
    assert operation.urgency == "2nd"


def test_truth_is_shown_wherever_the_entity_is(stay: DataProduct) -> None:
    operation = operate(relapsed=True)
    key = str(operation.pk)
    assert prefetch.truth_of_entity(get(stay, key)) == "True"
    say(stay, operation, "ann", "False")
    assert prefetch.truth_of_entity(get(stay, key)) == "False"
    say(stay, operation, "bob", "True")
    assert prefetch.truth_of_entity(get(stay, key)) == "True"


def test_products_over_the_same_rows_have_truths_of_their_own(
    stay: DataProduct, relapse: DataProduct
) -> None:
    operation = operate()
    say(stay, operation, "ann", "True")
    assert agreed(relapse, operation) is None
