"""Pages cost the same number of queries however many nodes they have."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from learning.model import ClassAnswer
from schema.context import Context
from schema.served import schema
from store import catalogue
from store.access import Actor
from store.feedback import About
from store.models import (
    Build,
    Candidate,
    Feedback,
    ModelVersion,
    Prediction,
    ProductState,
    Promotion,
    Snapshot,
)
from store.predictions import Question

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
    """How many queries an operation takes, which must not be refused."""
    with CaptureQueriesContext(
        connection,
    ) as captured:
        result = schema.execute_sync(
            document, context_value=Context(Actor(author="tests", superuser=True), None)
        )  # type: ignore[arg-type]
    assert result.errors is None
    return len(captured)


@pytest.fixture
def registry(db: None) -> list[ModelVersion]:
    """Eight versions of tumor, each promoted after the other."""
    versions: list[ModelVersion] = []
    for number in range(1, 9):
        snapshot = Snapshot.objects.create(
            product="tumor", number=number, rows_in=1, incomplete=0, fingerprint="", sql=""
        )
        build = Build.objects.create(
            product="tumor",
            number=number,
            status="SUCCEEDED",
            requested_by="tests",
            seed=0,
            snapshot=snapshot,
        )
        candidate = Candidate.objects.create(
            build=build, key="k", position=0, family="linear", hyperparameters={}
        )
        version = ModelVersion.objects.create(
            product="tumor", number=number, build=build, snapshot=snapshot, candidate=candidate, family="linear",
            hyperparameters={}, metric="roc_auc", score=0.9, signature={"classes": ["benign", "malignant"]},
            versions={}, artifact=b"", size=0, digest="", seal="",
        )  # fmt: skip
        Build.objects.filter(pk=build.pk).update(model=version)
        Promotion.objects.record(ProductState.objects.lock("tumor"), version, "a test", "tests")
        versions.append(version)
    return versions


@pytest.fixture
def predictions(registry: list[ModelVersion]) -> list[Any]:
    """Twenty predictions of two versions, each with feedback."""
    product = catalogue.get("tumor")
    answer = ClassAnswer("benign", 0.75, (0.75, 0.25))
    rows = [Question(instance=[float(n)] * 30, reference=f"r{n}") for n in range(10)]
    stored = [
        p for v in registry[:2] for p in Prediction.objects.record(product, v, rows, [answer] * len(rows))
    ]
    for prediction in stored:
        Feedback.objects.give(product, About(prediction=prediction.pk), "malignant", "tests")
    return stored


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
