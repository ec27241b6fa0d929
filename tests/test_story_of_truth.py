"""The life of a model whose world changes: seen, learned from, tried beside the champion, and promoted on evidence.

Every number that the API gives is computed once more by scikit-learn from what this test itself sent and was answered.
"""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import accuracy_score, recall_score, roc_auc_score

from tests.system import ROOT, System, copied
from tests.test_deploy import replace_in
from tests.test_lifecycle import champion, data
from tests.test_newproduct import copied_project
from tests.waiting import BUILD_PATIENCE, eventually

#: Accuracy below which the rule builds, and truths that it needs.
FLOOR, LEAST = 0.9, 60
#: Truths that neither version has learned from, before a promotion.
EVIDENCE = 100
#: By how much two other devices measure everything larger than the one that was learned from.
DEVICES = (1.1, 1.3)

PREDICT = """mutation($rows: [TumorPredictInput!]!) { tumorPredictMany(input: {rows: $rows}) {
  predictions { id label served createdAt probabilities { label probability } model { number } } } }"""
FEEDBACK = """mutation($inputs: [TumorFeedbackInput!]!) { tumorFeedbackMany(input: {inputs: $inputs}) {
  results { feedback { id } } } }"""
QUALITY = """query($since: DateTime, $model: ID) { tumor { quality(since: $since, model: $model) {
  predictions labelled counted coverage leftOut { reason n }
  measured(metrics: ["accuracy", "roc_auc"]) { metric label value low high n }
  estimated(metric: "accuracy") { value low high n } } } }"""

SHADOW = """mutation($model: ID!) {
  startShadow(input: {model: $model, reason: "It has seen the other devices."}) { trial { id } } }"""
COMPARE = """mutation($models: [ID!]!, $since: DateTime) {
  compareModels(input: {product: "tumor", models: $models, since: $since}) { job { id } } }"""
COMPARED = """query($id: ID!) { job(id: $id) { status message ... on Comparison {
  id instances counted flipped measures { metric label difference low high n } } } }"""
STATE = """{ tumor { trial { id }
  builds(first: 50) { nodes { requestedBy status promoted decision model { id number } } }
  promotions(first: 1) { nodes { reason comparison { counted measures { metric difference } } } }
  retraining { decisions(first: 5) { nodes { rule reason } } } } }"""
SHADOWED = """query($ids: [ID!]!) { nodes(ids: $ids) { ... on TumorPrediction { others(first: 5) { nodes {
  id label served createdAt probabilities { label probability } model { id number } } } } } }"""


@dataclass
class Cases:
    """Predictions of one time: what was sent, what was answered, and the truth."""

    since: str
    truths: list[str]
    answers: list[dict[str, Any]] = field(default_factory=list)

    @property
    def labels(self) -> list[str]:
        return [answer["label"] for answer in self.answers]

    @property
    def malignant(self) -> list[float]:
        return [probability_of(answer, "MALIGNANT") for answer in self.answers]

    @property
    def is_malignant(self) -> list[bool]:
        return [truth == "MALIGNANT" for truth in self.truths]


def probability_of(answer: dict[str, Any], label: str) -> float:
    [probability] = [each["probability"] for each in answer["probabilities"] if each["label"] == label]
    return float(probability)


@pytest.fixture
def system(tmp_path: Path, grown: Path) -> Iterator[System]:
    """Exemplar with the tumors, which build when live accuracy falls, and promote on evidence."""
    root = copied_project(tmp_path / "project")
    shutil.copytree(
        ROOT / "examples", root / "examples", ignore=shutil.ignore_patterns("node_modules", "*.pyc.*")
    )
    replace_in(
        root / "examples" / "tumor" / "products.py",
        ("import AfterFeedback, Every", "import QualityBelow"),
        ("import Classification", "import Classification\nfrom learning.promote import OnEvidence"),
        ("candidates=8),", f"candidates=8),\n    promote=OnEvidence(least={EVIDENCE}),"),
        (
            '        Every("0 3 * * *"),\n        AfterFeedback(50),\n',
            f'        QualityBelow("accuracy", {FLOOR}, least={LEAST}),\n',
        ),
    )
    system = System(copied(grown), root=root, EXEMPLAR_PRODUCTS="examples.tumor")
    with system.running():
        yield system


class World:
    """Patients whose tumors are measured, told, and later known."""

    def __init__(self, system: System):
        self.system = system
        self.draw = np.random.default_rng(8)
        bunch = load_breast_cancer()
        self.rows, self.is_benign = bunch.data, bunch.target
        prefixes = {"mean": "mean", "error": "error", "worst": "worst"}
        self.names = [self._name(name, prefixes) for name in bunch.feature_names]
        self.patients = 0

    def _name(self, name: str, prefixes: dict[str, str]) -> str:
        words = name.split()
        prefix = next(word for word in words if word in prefixes)
        return prefix + "".join(word.capitalize() for word in words if word != prefix)

    def predict(self, n: int, devices: Sequence[float] = (1.0,)) -> Cases:
        """Have `n` new patients predicted, whose measures differ a little from those of known ones."""
        places = self.draw.choice(len(self.rows), n, replace=False)
        noise = self.draw.normal(1, 0.02, (n, self.rows.shape[1]))
        measured = self.rows[places] * noise * self.draw.choice(devices, (n, 1))
        rows = [
            {
                "features": dict(zip(self.names, map(float, row), strict=True)),
                "reference": f"patient-{self.patients + place}",
            }
            for place, row in enumerate(measured)
        ]
        self.patients += n
        answers = data(self.system.ask(PREDICT, {"rows": rows}))["tumorPredictMany"]["predictions"]
        truths = ["BENIGN" if self.is_benign[place] else "MALIGNANT" for place in places]
        return Cases(min(answer["createdAt"] for answer in answers), truths, answers)

    def tell(self, cases: Cases) -> None:
        """Give the truth of each case."""
        inputs = [
            {"about": {"prediction": answer["id"]}, "label": truth}
            for answer, truth in zip(cases.answers, cases.truths, strict=True)
        ]
        results = data(self.system.ask(FEEDBACK, {"inputs": inputs}))["tumorFeedbackMany"]["results"]
        assert all(results)

    def is_shadowed(self, cases: Cases) -> bool:
        """Return whether another version has predicted the cases, too."""
        return eventually(lambda: all(self._others(cases)), 5)

    def shadow_of(self, cases: Cases, model: str) -> Cases | None:
        """What a version said of the same cases without being served; None while it has not said all."""
        others = [[each for each in row if each["model"]["id"] == model] for row in self._others(cases)]
        return Cases(cases.since, cases.truths, [row[0] for row in others]) if all(others) else None

    def _others(self, cases: Cases) -> list[list[dict[str, Any]]]:
        nodes = data(self.system.ask(SHADOWED, {"ids": [answer["id"] for answer in cases.answers]}))["nodes"]
        return [node["others"]["nodes"] for node in nodes]

    def quality(self, cases: Cases, model: str | None = None) -> dict[str, Any]:
        variables = {"since": cases.since, "model": model}
        return dict(data(self.system.ask(QUALITY, variables))["tumor"]["quality"])


def check_quality(quality: dict[str, Any], cases: Cases) -> float:
    """Check every measure against scikit-learn's; return the accuracy."""
    assert quality["counted"] == quality["labelled"] == quality["predictions"] == len(cases.truths)
    assert quality["coverage"] == 1 and quality["leftOut"] == []
    measures = {(each["metric"], each["label"]): each for each in quality["measured"]}
    expected = {
        ("accuracy", None): accuracy_score(cases.truths, cases.labels),
        ("roc_auc", None): roc_auc_score(cases.is_malignant, cases.malignant),
        ("recall", "malignant"): recall_score(cases.truths, cases.labels, pos_label="MALIGNANT"),
    }
    assert {key: measures[key]["value"] for key in expected} == pytest.approx(expected, rel=1e-12)
    assert all(each["low"] <= each["value"] <= each["high"] for each in measures.values())
    return float(expected["accuracy", None])


def test_a_model_whose_world_changes_is_replaced_on_evidence(system: System) -> None:
    first = champion(system)
    world = World(system)
    calm = world.predict(100)
    estimated = world.quality(calm)["estimated"]
    world.tell(calm)
    assert check_quality(world.quality(calm), calm) > FLOOR + 0.03
    assert eventually(lambda: "Not yet" in decisions(system)[0]["reason"]), decisions(system)
    assert builds_of_rule(system) == []

    changed = world.predict(300, DEVICES)
    warning = world.quality(changed)
    assert warning["counted"] == 0 and all(each["value"] is None for each in warning["measured"])
    # Before anybody knows a label.
    assert warning["estimated"]["value"] < estimated["value"] - 0.01
    world.tell(changed)
    assert check_quality(world.quality(changed), changed) < FLOOR
    assert eventually(lambda: builds_of_rule(system), BUILD_PATIENCE), decisions(system)
    assert eventually(lambda: builds_of_rule(system)[0]["status"] == "SUCCEEDED", BUILD_PATIENCE)
    [build] = builds_of_rule(system)
    challenger = build["model"]["id"]
    assert not build["promoted"] and champion(system)["id"] == first["id"], build
    assert "labels" in build["decision"], build

    data(system.ask(SHADOW, {"model": challenger}))
    assert eventually(lambda: world.is_shadowed(world.predict(1, DEVICES)))
    tried = world.predict(150, DEVICES)
    assert {answer["model"]["number"] for answer in tried.answers} == {first["number"]}
    assert eventually(lambda: world.shadow_of(tried, challenger))
    shadow = world.shadow_of(tried, challenger)
    assert shadow and not any(answer["served"] for answer in shadow.answers)
    world.tell(tried)
    before = check_quality(world.quality(tried, first["id"]), tried)
    after = check_quality(world.quality(tried, challenger), shadow)
    assert after > FLOOR > before

    # What was compared before the promotion, by all that neither version had learned from.
    assert eventually(lambda: champion(system)["id"] == challenger), decisions(system)
    product = data(system.ask(STATE))["tumor"]
    evidence = product["promotions"]["nodes"][0]["comparison"]
    assert product["trial"] is None and evidence["counted"] == len(tried.truths)
    assert evidence["measures"][0]["metric"] == "roc_auc"

    comparison = compare(system, [first["id"], challenger], tried.since)
    flips = sum(a != b for a, b in zip(tried.labels, shadow.labels, strict=True))
    assert (comparison["counted"], comparison["flipped"]) == (len(tried.truths), flips)
    measures = {each["metric"]: each for each in comparison["measures"] if each["label"] is None}
    assert measures["accuracy"]["difference"] == pytest.approx(after - before, abs=1e-12)
    assert measures["accuracy"]["low"] > 0
    assert eventually(lambda: world.predict(1, DEVICES).answers[0]["model"]["number"] != first["number"])
    recovered = world.predict(150, DEVICES)
    world.tell(recovered)
    assert check_quality(world.quality(recovered), recovered) > FLOOR
    # The rule has fired once.
    assert len(builds_of_rule(system)) == 1


def decisions(system: System) -> list[dict[str, Any]]:
    return list(data(system.ask(STATE))["tumor"]["retraining"]["decisions"]["nodes"])


def builds_of_rule(system: System) -> list[dict[str, Any]]:
    """The builds that the rule has requested."""
    builds = data(system.ask(STATE))["tumor"]["builds"]["nodes"]
    return [build for build in builds if build["requestedBy"].startswith("QualityBelow")]


def compare(system: System, models: list[str], since: str) -> dict[str, Any]:
    """Compare two versions on what was predicted since then, and wait for the end."""
    job = data(system.ask(COMPARE, {"models": models, "since": since}))["compareModels"]["job"]["id"]

    def find() -> dict[str, Any]:
        return dict(data(system.ask(COMPARED, {"id": job}))["job"])

    assert eventually(lambda: find()["status"] not in ("READY", "RUNNING"))
    assert find()["status"] == "SUCCEEDED", find()
    return find()
