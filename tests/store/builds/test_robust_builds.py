"""Builds over data and declarations that changed: what a person must decide is held, what can be learned is learned."""

import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from django.db.models import F

from learning.build import build as learn
from learning.problem import Classification
from learning.selection.steps import FoldScored
from store.builds.builds import Build
from store.builds.candidates import FoldScore
from store.builds.report import build_report
from store.builds.runner import _BuildRun, run
from store.jobs.jobs import FAILED, SUCCEEDED
from store.products import catalogue
from store.products.features import Latest
from store.products.product import DataProduct
from store.registry.versions import ModelVersion
from tests.clinic.models import Anamnesis, Operation

from ..conftest import HOUR, NOON, declared, operate

pytestmark = pytest.mark.usefixtures("tables")

PROBLEM = Classification(families=("baseline", "linear"), candidates=2, folds=3, pictures=0.0)
Declare = Callable[[DataProduct], DataProduct]


@pytest.fixture
def declare(monkeypatch: pytest.MonkeyPatch) -> Declare:
    """Declare a product instead of the one of the same name."""

    def declare(product: DataProduct) -> DataProduct:
        monkeypatch.setitem(catalogue._products, product.name, product)
        return product

    return declare


def built(product: DataProduct) -> Build:
    build = Build.objects.claim(Build.objects.request(product, by="ann", enqueue=False)[0].pk)
    assert build is not None
    run(build)
    build = Build.objects.get(pk=build.pk)
    assert build.status in (SUCCEEDED, FAILED)
    return build


def champion(product: DataProduct) -> ModelVersion | None:
    return ModelVersion.objects.champion_of(product.name)


def patients(n: int) -> None:
    """Operations whose patients' age and birthday nearly tell whether they relapsed, with other numbers beside."""
    for number in range(n):
        relapsed = number % 2 == 0
        age = 40 + number % 17 + (15 if relapsed else 0)
        born = date(1980, 1, 1) - timedelta(days=365 * age)
        operate(relapsed=relapsed, age=age, born=born, cost=number * 7 % 50, at=NOON + number * HOUR)


def by_age(**more: Any) -> DataProduct:
    return declared({"age": F("anamnesis__age") + 0, "cost": "cost"}, problem=PROBLEM, **more)


def test_a_feature_that_became_null_everywhere_is_held_although_its_column_had_to_become_nullable(
    declare: Declare,
) -> None:
    product = declare(by_age())
    patients(80)
    first = built(product)
    assert first.promoted and first.model and first.model.score > 0.8
    # The column may be null from now on, and nobody fills it any more.
    wider = declare(
        declared(
            {"age": Latest("labs__marker", at="labs__taken_at"), "cost": "cost"},
            at="done_at",
            problem=PROBLEM,
        )
    )
    assert [column.nullable for column in wider.columns] == [True, False]
    second = built(wider)
    assert second.model and second.model.score < 0.65, second.decision
    assert not second.promoted
    assert "below the champion's recorded" in second.decision
    assert "age (100% missing, was 0%)" in second.decision
    assert champion(wider) == first.model and first.model.load(wider)


def test_a_feature_that_became_null_everywhere_is_held(declare: Declare) -> None:
    product = declare(declared({"born": "anamnesis__born", "cost": "cost"}, problem=PROBLEM))
    patients(80)
    first = built(product)
    assert first.promoted and first.model and first.model.score > 0.8
    Anamnesis.objects.update(born=None)
    second = built(product)
    assert not second.promoted and champion(product) == first.model
    assert "born (100% missing, was 0%)" in second.decision


def test_a_model_that_would_be_held_serves_where_nothing_else_can_and_the_decision_says_so(
    declare: Declare,
) -> None:
    product = declare(declared({"born": "anamnesis__born", "cost": "cost"}, problem=PROBLEM))
    patients(80)
    assert built(product).promoted
    ModelVersion.objects.update(seal="0" * 64)
    Anamnesis.objects.update(born=None)
    second = built(product)
    assert second.promoted and second.model == champion(product)
    assert "It serves although it would be held, as nothing else can" in second.decision
    assert "below the champion's recorded" in second.decision and "made with another key" in second.decision


def test_the_recipe_of_a_champion_that_cannot_be_loaded_takes_part_and_a_model_is_fitted(
    declare: Declare,
) -> None:
    product = declare(by_age())
    patients(40)
    assert built(product).promoted
    ModelVersion.objects.update(seal="0" * 64)
    again = built(product)  # from the same rows
    assert again.promoted and again.model and again.model.misfit(product) is None
    assert again.candidates.filter(incumbent=True).count() == 1


def test_a_version_learns_a_wider_declaration_from_the_same_rows_once(declare: Declare) -> None:
    product = declare(declared({"age": F("anamnesis__age") + 0, "cost": "cost"}, problem=PROBLEM))
    patients(40)
    first = built(product)
    assert first.model
    wider = declare(
        declared(
            {"smokes": "anamnesis__smokes", "cost": "cost", "age": F("anamnesis__age") + 0}, problem=PROBLEM
        )
    )
    assert first.model.novelties(wider) == ["the feature smokes is ignored"]
    row, wide = {"age": 70, "cost": 3.0}, {"age": 70, "cost": 3.0, "smokes": True}
    narrow = first.model.load(product).predict([product.instance(row)])
    assert first.model.load(wider).predict([wider.instance(row), wider.instance(wide)]) == narrow * 2
    second = built(wider)
    assert second.model and second.model.novelties(wider) == []
    assert built(wider).model is None


def test_a_build_that_was_interrupted_by_a_deploy_starts_over_with_the_features_of_today(
    declare: Declare,
) -> None:
    product = declare(by_age())
    patients(40)
    build, _ = Build.objects.request(product, by="ann", enqueue=False)
    first = Build.objects.claim(build.pk)
    assert first
    steps = _BuildRun(first, threading.Event())
    dataset = steps.dataset()
    with closing(learn(product.problem, dataset, workers=1)) as learning:
        for step in learning:
            steps.record(step)
            if isinstance(step, FoldScored):
                break
    assert FoldScore.objects.filter(candidate__build=first).count() == 1
    Build.objects.abandon(first.pk, first.attempt)

    features = {"age": F("anamnesis__age") + 0, "cost": "cost", "smokes": "anamnesis__smokes"}
    wider = declare(declared(features, problem=PROBLEM))
    second = Build.objects.claim(build.pk)
    assert second
    run(second)
    second.refresh_from_db()
    assert second.status == SUCCEEDED and second.promoted, second.problem_message
    assert second.snapshot and second.snapshot.number == 2
    assert second.model and second.model.novelties(wider) == []


def interrupted(product: DataProduct) -> Build:
    """A build whose worker died after the first fold of the search."""
    build, _ = Build.objects.request(product, by="ann", enqueue=False)
    first = Build.objects.claim(build.pk)
    assert first
    attempt = _BuildRun(first, threading.Event())
    dataset = attempt.dataset()
    with closing(learn(first.problem(), dataset, load_recorded=attempt.load_folds, workers=1)) as learning:
        for step in learning:
            attempt.record(step)
            if isinstance(step, FoldScored):
                break
    Build.objects.abandon(first.pk, first.attempt)
    return first


def resumed(build: Build) -> Build:
    second = Build.objects.claim(build.pk)
    assert second
    run(second)
    return Build.objects.get(pk=build.pk)


def anew(build: Build) -> list[str]:
    """What a build's events say of folds that were scored in vain."""
    return [event.message for event in build.events.filter(message__startswith="Begins anew")]


def quick(product: DataProduct, monkeypatch: pytest.MonkeyPatch, settings: Any) -> DataProduct:
    settings.EXEMPLAR_QUICK_BUILDS = True
    return product


def of_other_metric(product: DataProduct, *_: Any) -> DataProduct:
    return replace(product, problem=replace(product.problem, metric="accuracy"))


@pytest.mark.parametrize("change", [quick, of_other_metric])
def test_a_build_that_goes_on_with_other_settings_begins_anew_and_says_so(
    declare: Declare, monkeypatch: pytest.MonkeyPatch, settings: Any, change: Callable[..., DataProduct]
) -> None:
    product = declare(
        declared({"age": F("anamnesis__age") + 0, "cost": "cost"}, problem=replace(PROBLEM, folds=4))
    )
    patients(40)
    first = interrupted(product)
    declare(change(product, monkeypatch, settings))
    build = resumed(first)
    assert build.status == SUCCEEDED and build.promoted, build.problem_message
    assert len(anew(build)) == 1
    folds = FoldScore.objects.filter(candidate__build=build, round="search", candidate__family="linear")
    plan = build.problem()
    assert folds.count() == (plan.folds or 0) * plan.repeats_for(40)


def test_a_build_that_goes_on_with_the_same_folds_keeps_its_scores(declare: Declare) -> None:
    product = declare(by_age())
    patients(40)
    first = interrupted(product)
    scored = FoldScore.objects.get(candidate__build=first)
    declare(replace(product, problem=replace(PROBLEM, candidates=3)))  # more candidates, on the same folds
    build = resumed(first)
    assert build.status == SUCCEEDED, build.problem_message
    assert not anew(build) and FoldScore.objects.filter(pk=scored.pk).exists()


def urgent(**labels: int) -> None:
    """Operations of different urgency, so many of each; older patients are more urgent."""
    number = 0
    for step, (urgency, count) in enumerate(labels.items()):
        for _ in range(count):
            number += 1
            operate(age=30 + 25 * step + number % 11, urgency=urgency, at=NOON + number * HOUR)


def by_urgency(monkeypatch: pytest.MonkeyPatch) -> DataProduct:
    field = Operation._meta.get_field("urgency")
    choices = [("planned", "Planned"), ("urgent", "Urgent"), ("emergency", "Emergency")]
    monkeypatch.setattr(field, "choices", choices)
    return declared({"age": "anamnesis__age", "cost": "cost"}, label="urgency", problem=PROBLEM)


def test_one_row_of_a_class_does_not_fail_the_build_and_is_named(
    declare: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    product = declare(by_urgency(monkeypatch))
    urgent(planned=30, urgent=30, emergency=1)
    build = built(product)
    assert build.promoted, build.problem_message
    assert "Left out of learning: 'emergency', which has 1 row" in build.decision
    assert build.model and build.model.signature["classes"] == ["planned", "urgent"]
    findings = [each for event in build.events.all() for each in event.findings or ()]
    assert any("'emergency'" in sentence for sentence in findings)
    worst = build_report(product).weaknesses.worst_rows
    by_key = dict(Operation.objects.values_list("pk", "urgency"))
    assert worst and all(by_key[int(key)] == row.truth for key, row in worst)


def test_a_class_that_vanished_is_held_and_its_score_is_not_compared(
    declare: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    product = declare(by_urgency(monkeypatch))
    urgent(planned=20, urgent=20, emergency=20)
    first = built(product)
    assert first.promoted and first.model and first.model.metric == "roc_auc_ovr"
    Operation.objects.filter(urgency="emergency").delete()
    second = built(product)
    assert second.status == SUCCEEDED and not second.promoted
    assert "The champion predicts 'emergency' and this model never would" in second.decision
    assert champion(product) == first.model


def test_a_class_that_appears_is_promoted_and_the_decision_says_that_scores_differ(
    declare: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    product = declare(by_urgency(monkeypatch))
    urgent(planned=20, urgent=20)
    assert built(product).promoted
    urgent(planned=1, urgent=1, emergency=20)
    second = built(product)
    assert second.promoted and "they were not compared" in second.decision
