"""Claims of cases: two people at once get different ones, and without Valkey each gets the first."""

import uuid
from typing import Any
from unittest import mock

import pytest
import redis

from store.access.acting import acting_as
from store.access.actors import Actor
from store.exceptions import Forbidden, OutOfRange
from store.jobs import events
from store.predictions import case_claims
from store.predictions.case_claims import claim
from store.predictions.feedback import About
from store.products.product import DataProduct
from tests.store.conftest import version
from tests.store.predictions.test_predictions import question, record

pytestmark = [pytest.mark.django_db, pytest.mark.engine]

ANN = Actor(author="ann", superuser=True)


def cases() -> list[About]:
    """Cases that no other test has claimed."""
    return [About(entity=uuid.uuid4().hex) for _ in range(3)]


def test_two_people_get_different_cases(stay: DataProduct) -> None:
    listed = cases()
    with acting_as(ANN):
        assert claim(stay, listed, "ann") == (0, True)
        assert claim(stay, listed, "bob") == (1, True)
        assert claim(stay, listed, "ann") == (0, True)
        assert claim(stay, listed[:2], "eve") == (None, True)


def test_two_screens_of_one_person_get_different_cases(stay: DataProduct) -> None:
    listed = cases()
    with acting_as(ANN):
        assert [claim(stay, listed, "ann", screen)[0] for screen in ("desk", "phone", "desk")] == [0, 1, 0]


def test_who_goes_on_frees_the_case_before(stay: DataProduct) -> None:
    first, second, third = cases()
    with acting_as(ANN):
        assert claim(stay, [first], "ann") == (0, True)
        assert claim(stay, [second], "ann") == (0, True)
        assert claim(stay, [third, first, second], "bob") == (0, True)
        assert claim(stay, [first], "eve") == (0, True)


def test_a_claim_stays_where_the_order_has_changed(stay: DataProduct) -> None:
    first, second, third = cases()
    with acting_as(ANN):
        assert claim(stay, [first, second], "ann") == (0, True)
        assert claim(stay, [third, second, first], "ann") == (2, True)


def test_a_prediction_about_a_row_is_the_same_case_as_the_row(stay: DataProduct) -> None:
    key = uuid.uuid4().hex
    [prediction] = record(stay, version(stay), question(stay, {"entity": key}))
    with acting_as(ANN):
        assert claim(stay, [About(prediction=str(prediction.pk))], "ann") == (0, True)
        assert claim(stay, [About(entity=key)], "bob") == (None, True)


def test_a_prediction_that_is_gone_is_passed_over(stay: DataProduct) -> None:
    with acting_as(ANN):
        assert claim(stay, [About(prediction=str(uuid.uuid4())), *cases()], "ann") == (1, True)


def test_without_valkey_everybody_gets_the_first(stay: DataProduct) -> None:
    listed = cases()
    with acting_as(ANN), mock.patch.object(events, "connect", side_effect=redis.ConnectionError("away")):
        assert claim(stay, listed, "ann") == claim(stay, listed, "bob") == (0, False)
        assert claim(stay, [], "ann") == (None, False)


def test_a_claim_is_refused_as_feedback_is(stay: DataProduct, settings: Any) -> None:
    settings.EXEMPLAR_OPEN = False
    with acting_as(Actor(author="nobody", name="nobody")), pytest.raises(Forbidden):
        claim(stay, cases(), "nobody")
    with acting_as(ANN), pytest.raises(OutOfRange):
        claim(stay, cases() * case_claims.MOST, "ann")
