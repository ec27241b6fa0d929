"""What a client is told about a key that is not unique, and about a row that the queryset leaves out."""

from typing import Any

import pytest

from schema.composition import compose
from schema.core.context import Context
from store.access.actors import Actor
from store.predictions.feedback import Feedback
from store.products.product import DataProduct
from tests.store.team import OURS, Customer, Line, contents, customers, lines, team

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("team")]
__all__ = ["team"]

FEEDBACK = (
    'mutation { teamFeedback(input: {about: {entity: "7"}, label: YES}) { created featureRowsChanged } }'
)
PATCH = 'mutation { teamPatch(input: {entity: "7", features: {%s: 9}}) { changed } }'


def codes(product: DataProduct, document: str) -> tuple[Any, list[Any]]:
    """The data of a response, and the codes of its errors."""
    context = Context(Actor(author="ann", name="ann"), None)  # type: ignore[arg-type]
    result = compose([product]).execute_sync(document, context_value=context)
    return result.data, [(error.extensions or {}).get("code") for error in result.errors or []]


def test_a_client_learns_that_a_write_would_reach_several_rows(team: None) -> None:
    Line.objects.bulk_create([Line(purchase=7, number=number, amount=number) for number in range(4)])
    before = contents(Line)
    assert codes(lines(), FEEDBACK) == ({"teamFeedback": None}, ["NOT_ONE_ROW"])
    assert codes(lines(), PATCH % "amount") == ({"teamPatch": None}, ["NOT_ONE_ROW"])
    assert codes(lines(), '{ team { entity(key: "7") { key } } }')[1] == ["ROWS_MULTIPLIED"]
    assert contents(Line) == before
    assert not Feedback.objects.exists()


def test_a_client_learns_nothing_of_a_row_that_is_left_out(team: None) -> None:
    Customer.objects.create(id=7, tenant=OURS + 1)
    before = contents(Customer)
    assert codes(customers(), FEEDBACK) == ({"teamFeedback": None}, ["UNKNOWN_ENTITY"])
    assert codes(customers(), PATCH % "age") == ({"teamPatch": None}, ["UNKNOWN_ENTITY"])
    read = '{ team { entity(key: "7") { key } entities { totalCount } } }'
    assert codes(customers(), read) == ({"team": {"entity": None, "entities": {"totalCount": 0}}}, [])
    assert contents(Customer) == before
