"""The analysis of a snapshot and its event, as clients read them."""

from typing import Any

import pytest

from learning.analysis import Analysis, Correlation, FeatureAnalysis, Finding, FindingKind, LabelShare
from learning.columns import Kind
from schema.core import ids
from schema.core.context import Context
from schema.schema import schema
from store.access.actors import Actor
from store.models import Build, Snapshot

SNAPSHOT = """query ($id: ID!) { node(id: $id) { ... on Snapshot {
  findings labelBalance { label share count } labelQuantiles
  analysis { feature { name column } kind missing distinct minimum maximum quantiles information informationError
             findings
             correlated { feature { name } rho } } } } }"""
EVENTS = """query ($id: ID!) { build(id: $id) { events { edges { node {
  __typename message percent ... on FeaturesAnalysed {
    findings build { snapshot { analysis { missing } } } } } } } } }"""


def feature(name: str, **more: Any) -> FeatureAnalysis:
    usual: dict[str, Any] = {
        "kind": Kind.NUMBER,
        "missing": 0.25,
        "distinct": 9,
        "minimum": 0.5,
        "maximum": 9.5,
        "quantiles": (1.0, 2.0, 3.0, 4.0, 5.0),
        "information": 0.125,
        "information_error": 0.03125,
        "correlated": (),
    }
    return FeatureAnalysis(name=name, **(usual | more))


ANALYSIS = Analysis(
    rows=12,
    features=(
        feature(
            "mean_radius",
            correlated=(Correlation(feature="gone", rho=0.99), Correlation(feature="mean_area", rho=-0.75)),
        ),
        feature("mean_area", kind=Kind.ORDINAL, minimum=None, maximum=None, quantiles=None, information=None),
        feature("gone"),
    ),
    findings=(
        Finding(
            kind=FindingKind.LEAKAGE, feature="mean_radius", sentence="mean_radius predicts the label alone."
        ),
        Finding(kind=FindingKind.REPETITION, feature="", sentence="3 of 12 rows repeat another."),
    ),
    balance=(
        LabelShare(label="benign", share=0.75, count=9),
        LabelShare(label="malignant", share=0.25, count=3),
    ),
    label_quantiles=None,
)


def ask(document: str, node: Any) -> dict[str, Any]:
    context = Context(Actor(author="tests", superuser=True), None)  # type: ignore[arg-type]
    result = schema.execute_sync(document, {"id": ids.node_id(node)}, context_value=context)
    assert result.errors is None, result.errors
    return result.data or {}


def snapshot(product: str, analysis: Analysis | None) -> Snapshot:
    stored = analysis and analysis.as_json()
    return Snapshot.objects.create(
        product=product, number=1, rows_in=1, incomplete=0, fingerprint="", sql="", analysis=stored
    )


@pytest.mark.django_db
def test_the_analysis_of_a_snapshot_has_the_stored_statistics() -> None:
    node = ask(SNAPSHOT, snapshot("tumor", ANALYSIS))["node"]
    radius, area = node["analysis"]  # without the feature that is no longer declared
    assert radius == {
        "feature": {"name": "meanRadius", "column": "mean_radius"},
        "kind": "NUMBER",
        "missing": 0.25,
        "distinct": 9,
        "minimum": 0.5,
        "maximum": 9.5,
        "quantiles": [1.0, 2.0, 3.0, 4.0, 5.0],
        "information": 0.125,
        "informationError": 0.03125,
        "findings": ["mean_radius predicts the label alone."],
        "correlated": [{"feature": {"name": "meanArea"}, "rho": -0.75}],
    }
    assert (area["kind"], area["minimum"], area["quantiles"], area["information"]) == (
        "ORDINAL",
        None,
        None,
        None,
    )
    assert node["labelBalance"] == [
        {"label": "benign", "share": 0.75, "count": 9},
        {"label": "malignant", "share": 0.25, "count": 3},
    ]
    assert node["labelQuantiles"] is None
    assert node["findings"] == ["mean_radius predicts the label alone.", "3 of 12 rows repeat another."]


@pytest.mark.django_db
def test_a_regression_has_the_quantiles_of_its_label() -> None:
    analysis = Analysis(
        rows=2, features=(), findings=(), balance=(), label_quantiles=(1.0, 2.0, 3.0, 4.0, 5.0)
    )
    node = ask(SNAPSHOT, snapshot("diabetes", analysis))["node"]
    assert node == {
        "findings": [],
        "labelBalance": None,
        "labelQuantiles": [1.0, 2.0, 3.0, 4.0, 5.0],
        "analysis": [],
    }


@pytest.mark.django_db
def test_a_snapshot_without_analysis_has_null_statistics() -> None:
    nothing = {"findings": None, "labelBalance": None, "labelQuantiles": None, "analysis": None}
    assert ask(SNAPSHOT, snapshot("tumor", None))["node"] == nothing


@pytest.mark.django_db
def test_an_event_has_the_findings_and_the_snapshot() -> None:
    build = Build.objects.create(
        product="tumor", number=1, requested_by="tests", seed=0, snapshot=snapshot("tumor", ANALYSIS)
    )
    build.add_event("FeaturesAnalysed", "2 features analysed.", 2.0, findings=ANALYSIS.sentences())
    build.add_event("FeaturesAnalysed", "Nothing is odd.", 3.0)
    found_some, found_none = [edge["node"] for edge in ask(EVENTS, build)["build"]["events"]["edges"]]
    assert found_some == {
        "__typename": "FeaturesAnalysed",
        "message": "2 features analysed.",
        "percent": 2.0,
        "findings": ["mean_radius predicts the label alone.", "3 of 12 rows repeat another."],
        "build": {"snapshot": {"analysis": [{"missing": 0.25}, {"missing": 0.25}]}},
    }
    assert found_none["findings"] == []
