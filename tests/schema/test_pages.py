"""Pages cost the same number of queries however many nodes they have."""

from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest import MonkeyPatch

from schema.context import Context
from schema.served import schema
from store import kept
from store.access import Actor
from store.models import Candidate, ModelVersion

PREDICTIONS = """{ tumor { predictions(first: %d) { totalCount edges { cursor node {
  id label confidence truth disputed timesAsked features { meanRadius } feedback { author status }
  entity { key label } model { number status family score }
  probabilities { label probability } product { name } } } } } }"""
REGISTRY = """{ tumor {
  models(first: %d) { edges { node { number status score build { number } snapshot { rows }
    scores { metric value fold } means: scores(metric: "roc_auc") { value } diagnostics { title } } } }
  builds(first: %d) { edges { node { number status decision model { number status } snapshot { rows } } } }
  promotions(first: %d) { edges { node { at reason model { number status } previous { number status } } } } } }"""


def queries(document: str) -> int:
    """How many queries an operation takes in a new process; it must not be refused."""
    with MonkeyPatch.context() as patch, CaptureQueriesContext(connection) as captured:
        patch.setattr(kept, "_rows", {})
        result = schema.execute_sync(
            document, context_value=Context(Actor(author="tests", superuser=True), None)
        )  # type: ignore[arg-type]
    assert result.errors is None
    return len(captured)


def test_a_page_of_predictions_has_no_query_for_each_node(predictions: list[Any]) -> None:
    assert queries(PREDICTIONS % 2) == queries(PREDICTIONS % 20) <= 10


def test_a_page_of_the_registry_has_no_query_for_each_node(registry: list[ModelVersion]) -> None:
    assert queries(REGISTRY % (2, 2, 2)) == queries(REGISTRY % (8, 8, 8)) <= 15


def test_a_page_of_candidates_has_no_query_for_each_node(registry: list[ModelVersion]) -> None:
    build = registry[0].build
    Candidate.objects.bulk_create(
        Candidate(build=build, key=f"k{n}", position=n, family="linear", hyperparameters={})
        for n in range(1, 9)
    )
    document = """{ tumor { build(number: 1) { candidates(first: %d) { edges { node {
      family seconds scores { metric value } } } } } } }"""
    assert queries(document % 2) == queries(document % 9) <= 6
