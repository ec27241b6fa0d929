"""Rules with a limit: quality below a floor and drift, each firing once on the same facts, whoever looks."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import recall_score

from learning.evaluation import live_measures
from learning.exceptions import InvalidRule
from learning.retrain import Budget, Drift, QualityBelow, limits
from store.builds import rule_checks
from store.builds.builds import Build
from store.db import clock
from store.jobs.jobs import FAILED, SUCCEEDED
from store.models import Delivery, DriftReference, Prediction, Receiver, RetrainDecision
from store.notices.kinds import CHOICES, EventKind
from store.predictions import truth
from store.predictions.feedback import Feedback
from store.products import catalogue, checks
from store.products.product import DataProduct
from store.registry.promotions import Promotion
from store.registry.versions import ModelVersion
from store.snapshots.snapshots import Snapshot

from ..conftest import at_once, examples, version
from .test_retraining import began, declared, look, newest

pytestmark = pytest.mark.usefixtures("tables")

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
FLOOR = QualityBelow("recall", 0.9, least=20, label="True")
DRIFT = Drift(0.2, least=50)


def serve(product: DataProduct) -> ModelVersion:
    """A version that serves, whose build was requested an hour ago."""
    served = version(product, snapshot=Snapshot.objects.take(product))
    DriftReference.objects.record(product, served, None)
    past = clock.now() - timedelta(hours=1)
    Build.objects.filter(pk=served.build_id).update(status=SUCCEEDED, requested_at=past)
    Promotion.objects.promote(served, "It serves.", "ann")
    return served


@pytest.fixture
def watched(stay: DataProduct, monkeypatch: Any) -> DataProduct:
    """A product with both rules, and a version that serves."""
    examples(60)
    product = declared(replace(stay, retrain=[FLOOR, DRIFT]), monkeypatch)
    serve(product)
    Receiver.objects.create(product="", email="ann@example.org", kinds=list(CHOICES), created_by="ann")
    return product


def predict(product: DataProduct, size: int, seed: int, right: float = 1.0, age: int | None = None) -> None:
    """Predictions of the version that serves, with a truth that came a moment later."""
    served, random = ModelVersion.objects.champion_of(product.name), np.random.default_rng(seed)
    assert served is not None
    for serial in range(size):
        label = serial % 2 == 0
        answer = label if random.random() < right else not label
        subject = truth.subject_of_reference(product, f"{seed} {serial}")
        at = clock.now()
        features = {
            "age": age or 40 + serial % 16 + 15 * label,
            "urgency": "planned",
            "note": "",
            "cost": "100",
        }
        Prediction.objects.create(
            id=truth.digest(f"{served.pk} {seed} {serial}"),
            product=product.name,
            model=served,
            subject=subject,
            reference=f"{seed} {serial}",
            features=features,
            answer=str(answer),
            output={"True": float(answer), "False": float(not answer)},
            created_at=at,
            updated_at=at,
        )
        Feedback.objects.create(
            product=product.name,
            subject=subject,
            reference=f"{seed} {serial}",
            author="ann",
            answer=str(label),
            created_at=at + timedelta(microseconds=1),
        )


def later(minutes: int) -> None:
    """All processes look, so much later."""
    at_once(*[lambda: look(clock.now() + minutes * MINUTE)] * 8)


def decision(product: DataProduct, rule: Any) -> str:
    rows = RetrainDecision.objects.decisions(product, rule).order_by("-pk")
    return rows[0].reason


def told(kind: EventKind) -> list[dict[str, Any]]:
    return [row.data for row in Delivery.objects.filter(kind=kind).order_by("pk")]


def fired(product: DataProduct, rule: Any) -> list[Build]:
    return [build for build in began(product) if build.requested_by == str(rule)]


def end_build(product: DataProduct, status: str = SUCCEEDED) -> None:
    """End the build that runs, so that it changed nothing."""
    build = Build.objects.unfinished(product.name)
    assert build is not None
    build.snapshot = Snapshot.objects.take(product)
    build.status = status
    build.save()


def test_quality_below_its_floor_begins_one_build_and_tells_once(watched):
    predict(watched, 10, seed=1)
    later(0)
    assert decision(watched, FLOOR) == (
        "Not yet: 5 labelled predictions of version 1 count in the last 30 days; 20 are needed."
    )
    predict(watched, 60, seed=2)
    later(2)
    assert decision(watched, FLOOR) == (
        "Not yet: recall of True is 1.00 on 35 labelled predictions of version 1, 0.90 is the floor."
    )
    assert told(EventKind.QUALITY_FELL) == []
    predict(watched, 100, seed=3, right=0.5)
    rows = Prediction.objects.filter(product="stay")
    labels = {row.subject: row.answer for row in truth.Truth.objects.filter(product="stay")}
    value = recall_score([labels[r.subject] for r in rows], [r.answer for r in rows], pos_label="True")
    later(4)
    (build,) = fired(watched, FLOOR)
    assert build.reason == (
        f"recall of True is {value:.2f} on 85 labelled predictions of version 1, 0.90 is the floor."
    )
    (event,) = told(EventKind.QUALITY_FELL)
    assert (event["value"], event["n"], event["floor"], event["label"]) == (value, 85, 0.9, "True")
    assert event["message"].startswith("Stay: recall of True is 0.")


@pytest.mark.parametrize("status", [SUCCEEDED, FAILED])
def test_a_build_that_changed_nothing_is_not_begun_again_by_the_same_truths(watched, status):
    predict(watched, 100, seed=3, right=0.5)
    later(0)
    assert len(fired(watched, FLOOR)) == 1
    later(2)
    end_build(watched, status)
    later(4)
    later(6)
    assert len(fired(watched, FLOOR)) == 1
    assert "0 truths came since build 2, 20 are needed." in decision(watched, FLOOR)
    predict(watched, 60, seed=4, right=0.5)
    later(8)
    assert len(fired(watched, FLOOR)) == 2
    assert len(told(EventKind.QUALITY_FELL)) == 1  # it never rose above the floor


def test_quality_that_fell_again_is_told_again(watched, monkeypatch):
    predict(watched, 60, seed=3, right=0.5)
    later(0)
    Prediction.objects.all().delete()
    predict(watched, 60, seed=4)
    later(2)
    predict(watched, 60, seed=5, right=0.2)
    later(4)
    assert len(told(EventKind.QUALITY_FELL)) == 2


def test_a_new_version_starts_anew(watched):
    predict(watched, 100, seed=3, right=0.5)
    later(0)
    end_build(watched)
    serve(watched)
    later(2)
    assert decision(watched, FLOOR) == (
        "Not yet: 0 labelled predictions of version 2 count in the last 30 days; 20 are needed."
    )
    predict(watched, 100, seed=6, right=0.5)
    later(4)
    assert len(told(EventKind.QUALITY_FELL)) == 2


def test_drift_begins_one_build_and_tells_once(watched):
    predict(watched, 60, seed=1)
    later(0)
    assert decision(watched, DRIFT).startswith("Not yet: ")
    assert fired(watched, DRIFT) == []
    predict(watched, 120, seed=2, age=88)
    later(2)
    (build,) = fired(watched, DRIFT)
    assert build.reason.startswith("age has a distance of 0.")
    assert build.reason.endswith("in 180 predictions of version 1, 0.20 is the threshold.")
    (event,) = told(EventKind.DRIFT_FOUND)
    assert (event["feature"], event["n"], event["threshold"]) == ("age", 180, 0.2)
    end_build(watched)
    later(4)
    assert len(fired(watched, DRIFT)) == 1
    assert "0 predictions came since build 2, 50 are needed." in decision(watched, DRIFT)
    predict(watched, 60, seed=3, age=88)
    later(6)
    assert (len(fired(watched, DRIFT)), len(told(EventKind.DRIFT_FOUND))) == (2, 1)


def test_a_costly_rule_is_evaluated_now_and_then(watched, monkeypatch):
    evaluated = []
    monkeypatch.setattr(
        Drift, "evaluate", lambda self, inputs: evaluated.append(1) or limits.RuleResult(reason="No.")
    )
    now = clock.now()
    at_once(*[lambda: look(now)] * 10)
    look(now + timedelta(seconds=rule_checks.INTERVAL - 1))
    assert len(evaluated) == 1
    second = timedelta(seconds=1)
    look(now + timedelta(seconds=rule_checks.INTERVAL))
    # A process that read the clock before another one.
    look(now + timedelta(seconds=rule_checks.INTERVAL) - second)
    assert len(evaluated) == 2
    look(now - second)  # the clock was set back
    assert len(evaluated) == 3


def test_a_build_that_runs_and_a_spent_budget_make_a_limit_wait(stay, monkeypatch):
    examples(60)
    budget = Budget(builds=1, per=DAY)
    product = declared(replace(stay, retrain=[FLOOR], retrain_budget=budget), monkeypatch)
    serve(product)
    predict(product, 100, seed=3, right=0.5)
    later(0)
    assert began(product) == []
    assert "The budget of 1 build per 1 day is spent until" in newest(product).reason
    later(25 * 60)
    assert len(began(product)) == 1


def test_the_metrics_of_a_class_are_those_that_are_measured():
    assert limits.OF_A_CLASS == live_measures.OF_CLASS


@pytest.mark.parametrize(
    "declare",
    [
        lambda: QualityBelow("beauty", 0.9, least=1),
        lambda: QualityBelow("recall", float("nan"), least=1),
        lambda: QualityBelow("recall", "0.9", least=1),
        lambda: QualityBelow("recall", 0.9, least=0),
        lambda: QualityBelow("recall", 0.9, least=True),
        lambda: QualityBelow("recall", 0.9, least=1, days=0),
        lambda: QualityBelow("recall", 0.9, least=1, days=10**6),
        lambda: QualityBelow("recall", 0.9, least=1, pause=-DAY),
        lambda: QualityBelow("accuracy", 0.9, least=1, label="True"),
        lambda: Drift(0),
        lambda: Drift(-0.1),
        lambda: Drift(1.1),
        lambda: Drift(float("nan")),
        lambda: Drift(True),
        lambda: Drift(0.1, least=0),
        lambda: Drift(0.1, days=-1),
        lambda: Drift(0.1, pause=-DAY),
    ],
)
def test_a_limit_that_means_nothing_is_refused(declare):
    with pytest.raises(InvalidRule):
        declare()


@pytest.mark.parametrize(
    ("name", "rule", "sentence"),
    [
        ("stay", QualityBelow("r2", 0.5, least=1), "'r2' does not score a classification"),
        (
            "stay",
            QualityBelow("recall", 0.5, least=1, label="perhaps"),
            "is not a class of Stay. Its classes: ",
        ),
        ("stay", QualityBelow("top_k_accuracy", 0.5, least=1), "is of three classes or more"),
        ("stay", QualityBelow("recall", 0.5, least=1, label="True", pause=None, days=30), None),
        ("diabetes", QualityBelow("recall", 0.5, least=1), "'recall' does not score a regression"),
        ("diabetes", QualityBelow("recall", 0.5, least=1, label="True"), "Its classes: none."),
        ("wine", QualityBelow("accuracy", 0.5, least=1), "which a clustering does not have"),
        ("wine", Drift(0.5), None),
        ("manual", QualityBelow("recall", 0.5, least=1), "name a class by label="),
    ],
)
def test_a_limit_that_the_product_does_not_have_is_refused(name, rule, sentence):
    product = replace(catalogue.get(name), retrain=[rule])
    problems = [problem for problem in checks.find_problems(product) if "retrain" in problem]
    assert (sentence is None and not problems) or any(sentence in problem for problem in problems)
