"""Documents are parsed and validated once, and limited in size."""

import time

import pytest
from graphql import get_introspection_query

from schema.execution.documents import (
    MAX_ALIASES,
    MAX_CACHED_LENGTH,
    MAX_DEPTH,
    MAX_LENGTH,
    MAX_OPERATIONS,
    MAX_TOKENS,
    DocumentCache,
)
from tests.schema.conftest import schema


def code(answer):
    return answer["errors"][0]["extensions"]["code"]


def test_a_document_is_cached_by_its_text():
    documents = DocumentCache(schema._schema)
    assert documents.get("{ hello }") is documents.get("{ hello }")
    assert documents.get("{ hello }") is not documents.get("{  hello }")


def test_a_long_document_is_not_cached():
    documents = DocumentCache(schema._schema)
    text = "{ hello }" + " " * 30_000
    assert documents.get(text) is not documents.get(text)


def test_introspection_is_within_the_limits(ask):
    assert "errors" not in ask(get_introspection_query(input_value_deprecation=True))


def test_an_operation_that_is_too_deep_is_refused(ask):
    query = (
        "{ predict(features: { radius: 1 }) " + "{ again " * MAX_DEPTH + "{ radius }" + "}" * MAX_DEPTH + "}"
    )
    assert code(ask(query)) == "TOO_COMPLEX"


def test_an_operation_with_too_many_aliases_is_refused(ask):
    query = "{" + " ".join(f"a{number}: hello" for number in range(MAX_ALIASES + 1)) + "}"
    assert code(ask(query)) == "TOO_COMPLEX"


def test_fragments_that_multiply_are_refused_quickly(ask):
    steps = [
        f"fragment F{n} on TumorPrediction {{ again {{ ...F{n + 1} }} more: again {{ ...F{n + 1} }} }}"
        for n in range(15)
    ]
    query = " ".join(
        [
            "{ predict(features: { radius: 1 }) { ...F0 } }",
            *steps,
            "fragment F15 on TumorPrediction { radius }",
        ]
    )
    start = time.process_time()  # of the server's thread, too
    assert code(ask(query)) == "TOO_COMPLEX"
    assert time.process_time() - start < 2


def test_fragments_that_spread_themselves_are_refused(ask):
    fragments = "fragment A on TumorPrediction { ...B } fragment B on TumorPrediction { ...A }"
    query = "{ predict(features: { radius: 1 }) { ...A } } " + fragments
    assert code(ask(query)) == "BAD_REQUEST"


@pytest.mark.parametrize("query", ["{" * 5_000, "{ hello " * 5_000, "{" + "hello " * 30_000 + "}"])
def test_a_huge_document_is_refused(ask, query):
    assert code(ask(query)) in ("BAD_REQUEST", "TOO_COMPLEX")


def test_two_operations_without_a_name_are_refused(ask):
    query = "query A { hello } query B { thread }"
    assert code(ask(query)) == "BAD_REQUEST"
    assert ask(query, operationName="A")["data"] == {"hello": "Hello, world"}


@pytest.mark.parametrize(
    ("query", "predicts"),
    [
        ("{ hello }", False),
        ("{ predict(features: { radius: 1 }) { radius } }", True),
        ("{ predictMany(rows: []) { radius } }", True),
        ("{ predictions { totalCount } }", True),
        ("{ __typename __schema { types { name } } }", False),
        (
            "query A { hello } query B { ...F } fragment F on Query { predictMany(rows: []) { radius } }",
            True,
        ),
    ],
)
def test_a_document_that_selects_predictions_is_recognised(query, predicts):
    assert DocumentCache(schema._schema).get(query).predicts is predicts


def chain(length: int) -> str:
    fragments = [f"fragment F{n} on Query {{ ...F{n + 1} }}" for n in range(length)]
    return " ".join(["{ ...F0 }", *fragments, f"fragment F{length} on Query {{ hello }}"])


@pytest.mark.parametrize(
    "query",
    [
        "#" + "a" * MAX_LENGTH + "\n{ hello }",
        "{" + "hello " * MAX_TOKENS + "}",
        "{ hello " * 5_000,
        "{" + "hello " * 6_500 + "}",
        "{" + "hello " * 1_900 + "}",
        " ".join(f"query A{n} {{ hello }}" for n in range(MAX_OPERATIONS + 1)),
        chain(1_000),
    ],
)
def test_what_is_over_a_limit_is_too_complex(ask, query):
    (error,) = ask(query)["errors"]
    assert error["extensions"]["code"] == "TOO_COMPLEX"


async def test_a_stream_reads_its_document_once(monkeypatch):
    texts = []
    read = DocumentCache.read
    monkeypatch.setattr(DocumentCache, "read", lambda cache, text: texts.append(text) or read(cache, text))
    text = "{ hello }" + " " * MAX_CACHED_LENGTH
    results = [result async for result in await schema.stream(text, context_value=None)]
    assert results[0].data == {"hello": "Hello, world"}
    assert texts == [text]


async def test_a_stream_refuses_a_document_that_is_too_long():
    results = [result async for result in await schema.stream(" " * (MAX_LENGTH + 1), context_value=None)]
    assert results[0].errors[0].extensions["code"] == "TOO_COMPLEX"
