"""Many feedbacks of one request have the results of giving them one by one."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from store.exceptions import UnknownEntity, UnknownId
from store.predictions import many_feedbacks
from store.predictions.feedback import About, Feedback, FeedbackResult
from store.products.product import DataProduct

from ..conftest import operate
from .test_feedback import STAY, predicted
from .test_policies import column

pytestmark = pytest.mark.django_db


def values(about: About, answer: str = "True", author: str = "ann", **more: Any) -> dict[str, Any]:
    return {"about": about, "answer": answer, "author": author, "observed_at": None, "comment": None, **more}


def test_each_kind_of_subject_is_given(stay: DataProduct) -> None:
    one, two = operate(relapsed=None), operate(relapsed=True)
    about_two = predicted(stay, STAY | {"age": 33}, entity=str(two.pk))
    about_nobody, about_order = predicted(stay), predicted(stay, STAY | {"age": 44}, reference="order 7")
    new = predicted(stay, STAY | {"age": 55}, entity="4711")
    requests = [
        values(About(entity=str(one.pk))),
        values(About(prediction=about_two.pk), "False", comment="sure"),
        values(About(prediction=about_nobody.pk)),
        values(About(reference="order 7"), author="bob"),
        values(About(entity="999999")),
        values(About(prediction=new.pk)),
        values(About(reference="never")),
        values(About(entity=str(one.pk)), "False"),
    ]
    results = many_feedbacks.give(stay, requests)
    assert isinstance(results[4], UnknownEntity) and isinstance(results[6], UnknownId)
    stored = {place: result for place, result in enumerate(results) if isinstance(result, FeedbackResult)}
    assert {place: result.feature_rows_changed for place, result in stored.items()} == {
        0: 1,
        1: 1,
        2: 0,
        3: 0,
        5: 2,
        7: 1,
    }
    assert all(result.created for result in stored.values())
    assert stored[1].feedback.prediction == about_two
    assert stored[3].feedback.reference == about_order.reference
    assert (column(one), column(two)) == (False, False)


def test_many_take_few_queries_and_the_same_again_changes_nothing(stay: DataProduct) -> None:
    requests = [values(About(entity=str(operate().pk))) for _ in range(60)]
    with CaptureQueriesContext(
        connection,
    ) as queries:
        results = many_feedbacks.give(stay, requests)
    assert len(queries) < 25
    assert all(isinstance(result, FeedbackResult) and result.created for result in results)
    count = Feedback.objects.count()
    again = many_feedbacks.give(stay, requests)
    assert not any(isinstance(result, FeedbackResult) and result.created for result in again)
    assert Feedback.objects.count() == count
