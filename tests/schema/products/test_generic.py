"""Feedback on any product, and answers in the one form for all products."""

from typing import Any

import pytest

from schema.core.context import Context
from schema.schema import schema
from schema.types.values import answer_as_json, answer_text
from store.access.actors import Actor
from store.predictions.feedback import Feedback
from store.products import catalogue
from tests.store.conftest import operate

pytestmark = pytest.mark.django_db

GIVE = """mutation($input: FeedbackInput!) { feedback(input: $input) { created featureRowsChanged
    feedback { answer answerText author } entity { key labelText truthText } product { name } prediction { id } } }"""


def give(**changes: Any) -> tuple[Any, list[tuple[str, str, list[str]]]]:
    """The payload, and of each error its code, message and path."""
    given = {"product": "stay", "about": {"entity": "1"}, "answer": "YES"} | changes
    context = Context(Actor(author="ann", superuser=True), None)  # type: ignore[arg-type]
    result = schema.execute_sync(GIVE, {"input": given}, context_value=context)
    errors = [(error.extensions or {}, error.message) for error in result.errors or []]
    told = [(more["code"], message, more.get("argument", [])) for more, message in errors]
    return (result.data or {}).get("feedback"), told


def test_feedback_about_any_product_is_what_the_typed_one_is() -> None:
    key = str(operate(relapsed=None).pk)
    payload, errors = give(about={"entity": key})
    assert not errors
    assert payload == {
        "created": True,
        "featureRowsChanged": 1,
        "feedback": {"answer": "True", "answerText": "yes", "author": "ann"},
        "entity": {"key": key, "labelText": "yes", "truthText": "yes"},
        "product": {"name": "stay"},
        "prediction": None,
    }
    assert give(about={"entity": key})[0]["created"] is False
    assert Feedback.objects.filter(author="ann").count() == 1


def test_feedback_is_listed_over_the_interface() -> None:
    give(about={"entity": str(operate(relapsed=None).pk)})
    query = """query($name: String!) { product(name: $name) { genericFeedback(filter: {author: {eq: "ann"}}) {
        totalCount nodes { answerText author } } } }"""
    context = Context(Actor(author="ann", superuser=True), None)  # type: ignore[arg-type]
    for name, nodes in {"stay": [{"answerText": "yes", "author": "ann"}], "wine": []}.items():
        result = schema.execute_sync(query, {"name": name}, context_value=context)
        assert not result.errors
        assert result.data
        assert result.data["product"]["genericFeedback"] == {"totalCount": len(nodes), "nodes": nodes}


@pytest.mark.parametrize("answer", ["True", "maybe", 1, None, {"a": 1}, ["YES"], True, [[[]]]])
def test_an_answer_that_is_no_label_is_refused_with_its_path(answer: Any) -> None:
    payload, [(code, message, argument), *others] = give(about={"entity": str(operate().pk)}, answer=answer)
    assert payload is None and not others
    assert (code, argument) == ("BAD_INPUT", ["input", "answer"])
    assert answer is None or "one of NO, YES" in message


def test_all_faults_of_a_feedback_come_at_once() -> None:
    _, errors = give(about={"prediction": "?"}, answer="perhaps", comment="x" * 20_000)
    assert [(code, argument) for code, _, argument in errors] == [
        ("UNKNOWN_ID", ["input", "about", "prediction"]),
        ("BAD_INPUT", ["input", "answer"]),
        ("BAD_INPUT", ["input", "comment"]),
    ]


@pytest.mark.parametrize(
    ("changes", "code", "argument"),
    [
        ({"product": "nothing"}, "UNKNOWN_PRODUCT", ["input", "product"]),
        ({"product": "wine", "answer": 1}, "BAD_INPUT", ["input", "product"]),
        ({"product": "bill", "answer": "much"}, "BAD_INPUT", ["input", "answer"]),
        ({"product": "bill", "answer": float("nan")}, "NOT_FINITE", ["input", "answer"]),
        ({"about": {"entity": "999999"}}, "UNKNOWN_ENTITY", ["input", "about", "entity"]),
        ({"about": {"reference": "unheard of"}}, "UNKNOWN_ID", ["input", "about", "reference"]),
    ],
)
def test_what_a_feedback_is_refused_for(changes: dict[str, Any], code: str, argument: list[str]) -> None:
    payload, [(its_code, _, its_argument)] = give(**changes)
    assert (payload, its_code, its_argument) == (None, code, argument)
    assert not Feedback.objects.exists()


@pytest.mark.parametrize(
    ("product", "answer", "value", "text"),
    [
        ("stay", "True", "YES", "yes"),
        ("stay", "unheard of", None, "unheard of"),
        ("tumor", "malignant", "MALIGNANT", "Malignant"),
        ("diabetes", "0.30000000000000004", 0.30000000000000004, "0.3"),
        ("diabetes", "151.0", 151.0, "151"),
        ("wine", "2", 2, "Cluster 2"),
        ("wine", "-1", -1, "No cluster"),
        ("wine", "red", None, "red"),
    ],
)
def test_an_answer_as_clients_send_it_and_as_people_read_it(
    product: str, answer: str, value: Any, text: str
) -> None:
    declared = catalogue.get(product)
    assert answer_as_json(declared, answer) == value
    assert answer_text(declared, answer) == text
