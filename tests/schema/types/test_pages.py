"""Pages take the same number of queries however many nodes they have."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest import MonkeyPatch

from schema.core.context import Context
from schema.schema import schema
from store.access.actors import Actor
from store.builds import candidates
from store.builds.candidates import CONTEST, Measurement, ScorePart
from store.db import row_cache
from store.db.row_cache import RowCache
from store.models import Build, Candidate, FoldScore, ModelVersion, Prediction, Score

PREDICTIONS = """{ tumor { predictions(first: %d) { totalCount edges { cursor node {
  id label confidence truth disputed timesAsked features { meanRadius } feedback { author status }
  entity { key label } model { number status family score }
  probabilities { label probability } product { name } } } } } }"""
REGISTRY = """{ tumor {
  models(first: %d) { edges { node { number status score build { number } snapshot { rows }
    scores { metric value fold } means: scores(metric: "roc_auc") { value } diagnostics { title } } } }
  builds(first: %d) { edges { node { number status decision model { number status } snapshot { rows } } } }
  promotions(first: %d) { edges { node { at reason model { number status } previous { number status } } } } } }"""


def count_queries(document: str) -> int:
    """Count the queries that an operation takes in a new process."""
    with MonkeyPatch.context() as patch, CaptureQueriesContext(connection) as captured:
        patch.setattr(row_cache, "_rows", {})
        patch.setattr(candidates, "_final_scores", RowCache(10))
        result = schema.execute_sync(
            document, context_value=Context(Actor(author="tests", name="tests", superuser=True), None)
        )  # type: ignore[arg-type]
    assert result.errors is None
    return len(captured)


def test_a_page_of_predictions_has_no_query_for_each_node(predictions: list[Any]) -> None:
    assert count_queries(PREDICTIONS % 2) == count_queries(PREDICTIONS % 20) <= 10


def test_a_page_of_the_registry_has_no_query_for_each_node(registry: list[ModelVersion]) -> None:
    assert count_queries(REGISTRY % (2, 2, 2)) == count_queries(REGISTRY % (8, 8, 8)) <= 15


@pytest.mark.parametrize(
    ("conditions", "count"),
    [
        ({}, 9),
        ({"metric": "recall"}, 6),
        ({"fold": 1}, 3),
        ({"label": "malignant"}, 3),
        ({"label": ""}, 3),
        ({"metric": "recall", "fold": 0, "label": "benign"}, 1),
        ({"metric": "accuracy"}, 0),
        ({"part": ScorePart.MEANS}, 1),
        ({"part": ScorePart.FOLDS}, 2),
        ({"part": ScorePart.CLASSES}, 2),
        ({"part": ScorePart.CLASSES, "label": "benign"}, 1),
    ],
)
def test_each_version_has_the_measures_of_its_candidate(
    registry: list[ModelVersion], conditions: Any, count: int
) -> None:
    keys = [version.candidate_id for version in registry]
    each = Score.objects.of_candidates(keys, CONTEST)
    part = conditions.get("part")
    wanted = {
        name: value or None if name == "label" else value
        for name, value in conditions.items()
        if name != "part"
    }
    for _ in range(2):
        measures = Score.objects.of_versions(registry, **conditions)
        for version in registry:
            fits = [
                m
                for m in each[version.candidate_id]
                if wanted.items() <= m._asdict().items() and (part is None or part.has(m))
            ]
            assert measures[version.pk] == fits and len(fits) == count
    assert each[registry[2].candidate_id][:2] == [
        Measurement("recall", "benign", None, None), Measurement("recall", "malignant", None, 3.0625)
    ]  # fmt: skip


def test_measures_of_a_running_build_are_not_cached(registry: list[ModelVersion]) -> None:
    version = registry[0]
    Build.objects.filter(pk=version.build_id).update(status="RUNNING")
    before = Score.objects.of_versions([version])[version.pk]
    fold = FoldScore.objects.create(
        candidate=version.candidate, round="contest", fold=2, score=0.9, fit_seconds=0.1, predict_seconds=0.1
    )
    Score.objects.create(fold=fold, metric="roc_auc", label="", value=0.5)
    assert len(Score.objects.of_versions([version])[version.pk]) == len(before) + 1


def test_a_page_of_candidates_has_no_query_for_each_node(registry: list[ModelVersion]) -> None:
    build = registry[0].build
    Candidate.objects.bulk_create(
        Candidate(build=build, key=f"k{n}", position=n, family="linear", hyperparameters={})
        for n in range(1, 9)
    )
    document = """{ tumor { build(number: 1) { candidates(first: %d) { edges { node {
      family seconds scores { metric value } } } } } } }"""
    assert count_queries(document % 2) == count_queries(document % 9) <= 6


def run(document: str, **variables: Any) -> Any:
    """Execute an operation and return its data."""
    context = Context(Actor(author="tests", name="tests", superuser=True), None)  # type: ignore[arg-type]
    result = schema.execute_sync(document, variables, context)
    assert result.errors is None
    return result.data


SCORES = """query($of: ScorePart) { tumor { models(first: 1) { edges { node {
    scores(of: $of) { metric fold label } none: diagnostics(kinds: []) { title } } } } } }"""


@pytest.mark.parametrize(
    ("part", "of_one", "of_all"),
    [(None, True, True), ("MEANS", True, False), ("FOLDS", True, False), ("CLASSES", False, True)],
)
def test_a_part_of_the_scores_can_be_selected(
    registry: list[ModelVersion], part: str | None, of_one: bool, of_all: bool
) -> None:
    (edge,) = run(SCORES, of=part)["tumor"]["models"]["edges"]
    scores = edge["node"]["scores"]
    assert edge["node"]["none"] == []
    assert bool([score for score in scores if score["label"] is None]) is of_one
    assert bool([score for score in scores if score["label"]]) is of_all
    assert len(scores) == {None: 9, "MEANS": 1, "FOLDS": 2, "CLASSES": 2}[part]


ORDERED = """query($after: String, $direction: Direction!) {
    tumor { predictions(first: 3, after: $after, orderBy: { field: CONFIDENCE, direction: $direction }) {
        totalCount pageInfo { hasNextPage endCursor } edges { node { timesAsked } } } } }"""


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
def test_an_order_by_confidence_lists_all_that_have_one(predictions: list[Any], direction: str) -> None:
    """Number predictions by `times_asked`: those of a regression have no confidence."""
    for number, prediction in enumerate(predictions):
        row = Prediction.objects.filter(pk=prediction.pk)
        row.update(times_asked=number, confidence=None if number % 4 == 0 else number / 40)
    numbers: list[int] = []
    after = None
    while True:
        page = run(ORDERED, after=after, direction=direction)["tumor"]["predictions"]
        assert page["totalCount"] == 15
        numbers += [edge["node"]["timesAsked"] for edge in page["edges"]]
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]
    assert numbers == sorted((n for n in range(20) if n % 4), reverse=direction == "DESC")


LIMITED = """{ product(name: "tumor") { champion { number early } builds(first: 1) { edges { node {
  endsBy events(first: 1) {
  edges { node { __typename message ... on BuildStarted { endsBy } build { endsBy } } } } } } } } }"""


def test_a_build_says_when_it_ends_and_a_version_whether_it_is_early(registry: list[ModelVersion]) -> None:
    newest = Build.objects.get(number=8)
    newest.set_time_limit(600)
    ModelVersion.objects.filter(pk=registry[-1].pk).update(early=True)
    context = Context(Actor(author="tests", superuser=True), None)  # type: ignore[arg-type]
    result = schema.execute_sync(LIMITED, context_value=context)
    assert result.errors is None and result.data is not None
    product = result.data["product"]
    assert product["champion"] == {"number": 8, "early": True}
    (build,) = [edge["node"] for edge in product["builds"]["edges"]]
    (event,) = [edge["node"] for edge in build["events"]["edges"]]
    assert build["endsBy"] and event["endsBy"] == build["endsBy"] == event["build"]["endsBy"]
    assert event["__typename"] == "BuildStarted" and "it may take 10 min" in event["message"]
