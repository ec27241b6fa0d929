"""Promotion on evidence: a winner serves once enough labels show that it is not worse; each fact is judged once."""

from typing import Any

import pytest
from django.db import transaction

from learning.exceptions import InvalidRule
from learning.problem import Clustering
from learning.promote import ComparedScores, OnEvidence, Outcome
from learning.retrain import AfterFeedback
from store.builds.builds import Build
from store.builds.pending_promotions import OVERTAKEN, PROMOTED, WORSE, PendingPromotion
from store.builds.runner import _BuildRun
from store.comparisons import runner
from store.comparisons.comparisons import Comparison
from store.jobs.jobs import SUCCEEDED
from store.predictions.feedback import About, Feedback
from store.products import checks
from store.products.product import DataProduct
from store.registry.product_states import ProductState
from store.registry.promotions import Promotion
from store.registry.versions import ModelVersion

from ..comparisons.test_comparisons import ask, by_age
from ..conftest import at_once, declared, version

pytestmark = pytest.mark.usefixtures("tables")

LEAST = 30


@pytest.fixture
def careful(stay: DataProduct, monkeypatch: pytest.MonkeyPatch) -> DataProduct:
    """The product, declared to promote on evidence."""
    monkeypatch.setitem(vars(stay), "promote", OnEvidence(least=LEAST))
    return stay


@pytest.fixture
def champion(careful: DataProduct) -> ModelVersion:
    registered = version(careful, by_age(careful, 50.5))
    Promotion.objects.promote(registered, "It is the first.", by="ann")
    ask(careful, registered, [f"form {n}" for n in range(60)])
    return registered


def win(product: DataProduct, threshold: float) -> tuple[ModelVersion, Build]:
    """Have a build promote a version of this threshold."""
    model = version(product, by_age(product, threshold))
    build = model.build
    build.decision = "It is better."
    run = object.__new__(_BuildRun)
    run.build, run.product = build, product
    state = ProductState.objects.get(product=product.name)
    run.champion, run.early, run.hold_reason, run.holds_first = state.champion, None, None, False
    with transaction.atomic():
        run.promote(model)
    build.refresh_from_db()
    return model, build


def say(product: DataProduct, references: range, threshold: int = 50) -> None:
    for n in references:
        answer = str(20 + n % 60 > threshold)
        Feedback.objects.give(product, About(reference=f"form {n}"), answer, "ann")


def compare() -> Comparison:
    """Run the one comparison that waits."""
    comparison = Comparison.objects.get(status="READY")
    runner.run(Comparison.objects.claim(comparison.pk))
    comparison.refresh_from_db()
    assert comparison.status == SUCCEEDED
    return comparison


def pending() -> PendingPromotion:
    return PendingPromotion.objects.order_by("-pk")[0]


def serving(product: DataProduct) -> Any:
    return ProductState.objects.get(product=product.name).champion


def test_a_winner_serves_once_enough_labels_show_that_it_is_not_worse(careful, champion):
    model, build = win(careful, 50.7)
    assert serving(careful) == champion and not build.promoted
    assert f"Version {model.number} is registered and waits for evidence." in build.decision
    compare()
    PendingPromotion.objects.decide_all()
    assert pending().message == (
        "There are 0 labels that neither version has learned from; 30 are needed, so 30 are lacking."
    )
    say(careful, range(20))
    PendingPromotion.objects.decide_all()
    assert Comparison.objects.count() == 1  # 10 more labels cannot be there
    say(careful, range(20, 40))
    PendingPromotion.objects.decide_all()
    PendingPromotion.objects.decide_all()
    assert Comparison.objects.count() == 2
    comparison = compare()
    at_once(*[PendingPromotion.objects.decide_all] * 2)
    assert serving(careful) == model
    row = pending()
    assert (row.outcome, row.counted, row.comparison) == (PROMOTED, 40, comparison)
    promotion = Promotion.objects.newest("stay")[0]
    assert (promotion.previous, promotion.by) == (champion, str(build))
    assert promotion.reason.startswith(
        "By 40 labels that neither version has learned from, roc_auc differs by"
    )
    assert "It is better." in promotion.reason
    assert Build.objects.get(pk=build.pk).promoted
    PendingPromotion.objects.decide_all()
    assert Promotion.objects.count() == 2


def test_a_winner_that_is_worse_waits_for_a_person(careful, champion, monkeypatch):
    notified = []
    monkeypatch.setattr(
        Build, "notify", lambda self, kind, message, **facts: notified.append((str(kind), message))
    )
    model = version(careful, by_age(careful, 60.5, cost=-5))
    with transaction.atomic():
        state = ProductState.objects.lock("stay")
        PendingPromotion.objects.begin(model.build, state, model, "It is better.")
    say(careful, range(60))
    compare()
    PendingPromotion.objects.decide_all()
    row = pending()
    assert (row.outcome, serving(careful)) == (WORSE, champion)
    assert row.message.startswith(f"Version {model.number} waits for a person to promote it. By 60 labels")
    assert row.message.endswith("worse beyond noise.")
    assert [message for _, message in notified] == [row.message]
    PendingPromotion.objects.decide_all()
    assert Comparison.objects.count() == 1


def test_without_predictions_a_winner_waits_for_them(careful):
    first = version(careful, by_age(careful, 50.5))
    Promotion.objects.promote(first, "It is the first.", by="ann")
    win(careful, 50.7)
    assert "No prediction of" in pending().message and "30 labels are lacking." in pending().message
    assert not Comparison.objects.exists()
    ask(careful, first, [f"form {n}" for n in range(60)])
    say(careful, range(40))
    PendingPromotion.objects.decide_all()
    compare()
    PendingPromotion.objects.decide_all()
    assert pending().outcome == PROMOTED


def test_the_first_version_serves_at_once(careful):
    Promotion.objects.all().delete()
    ProductState.objects.get_or_create(product="stay")
    model, build = win(careful, 50.5)
    assert serving(careful) == model and build.promoted
    assert not PendingPromotion.objects.exists()


def test_a_cancelled_comparison_is_made_again_with_new_labels(careful, champion):
    win(careful, 50.7)
    Comparison.objects.cancel(Comparison.objects.get().pk, by="ann")
    PendingPromotion.objects.decide_all()
    assert pending().message == "The comparison was cancelled. 30 labels are lacking."
    PendingPromotion.objects.decide_all()
    assert Comparison.objects.count() == 1
    say(careful, range(30))
    PendingPromotion.objects.decide_all()
    assert Comparison.objects.count() == 2


def test_whoever_decides_before_ends_the_waiting(careful, champion, monkeypatch):
    model, _ = win(careful, 50.7)
    newer, _ = win(careful, 50.8)
    assert list(PendingPromotion.objects.order_by("pk").values_list("outcome", flat=True)) == [OVERTAKEN, ""]
    Promotion.objects.promote(model, "I know better.", by="ann")
    compare_all = [
        Comparison.objects.cancel(pk, by="ann") for pk in Comparison.objects.values_list("pk", flat=True)
    ]
    assert len(compare_all) == 2
    PendingPromotion.objects.decide_all()
    row = pending()
    assert (row.model, row.outcome, row.message) == (
        newer,
        OVERTAKEN,
        "Another version was promoted meanwhile.",
    )
    win(careful, 50.9)
    Promotion.objects.rollback("stay", model, "Worse.", by="ann")
    Comparison.objects.cancel(Comparison.objects.get(status="READY").pk, by="ann")
    PendingPromotion.objects.decide_all()
    assert pending().outcome == OVERTAKEN
    assert serving(careful) == champion


def test_the_verdict_is_by_the_interval_and_says_what_is_lacking():
    rule = OnEvidence(least=100)
    wait = rule.judge(ComparedScores(counted=99, metric="r2", difference=0.1, low=0.05, high=0.15))
    assert (wait.outcome, wait.lacking) == (Outcome.WAIT, 1)
    assert wait.reason.endswith("100 are needed, so 1 is lacking.")
    unclear = rule.judge(ComparedScores(counted=120, metric="r2", difference=0.1))
    assert (unclear.outcome, unclear.lacking) == (Outcome.WAIT, 12)
    for low, high, outcome in [
        (-0.2, -0.1, Outcome.WORSE),
        (-0.2, 0.0, Outcome.PROMOTE),
        (-0.2, 0.1, Outcome.PROMOTE),
        (0.1, 0.2, Outcome.PROMOTE),
    ]:
        evidence = ComparedScores(counted=100, metric="r2", difference=(low + high) / 2, low=low, high=high)
        assert rule.judge(evidence).outcome == outcome
    for least in (0, -1, 1.5, True):
        with pytest.raises(InvalidRule):
            OnEvidence(least=least)


def test_silly_evidence_is_refused_by_the_check():
    def problems(**options: Any) -> list[str]:
        product = declared({"age": "anamnesis__age"}, **options)
        return [text for text in checks.find_problems(product) if text.startswith("promote=")]

    assert problems(promote=OnEvidence(least=10)) == []
    assert problems(promote=OnEvidence(least=10), retrain=[AfterFeedback(11)]) == []
    [early] = problems(promote=OnEvidence(least=10), retrain=[AfterFeedback(10)])
    assert "AfterFeedback(10) builds again" in early
    [clustering] = problems(promote=OnEvidence(least=10), problem=Clustering(), label=None)
    assert "waits for labels, which a clustering does not have" in clustering
    [wrong] = problems(promote="later")
    assert "is no rule: write OnEvidence" in wrong
