"""Rules by age, the pause between builds, and the budget of a product."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from learning.exceptions import InvalidRule
from learning.retrain import AfterFeedback, Budget, Every, OlderThan
from store.builds.builds import Build
from store.db import clock
from store.jobs.jobs import FAILED, SUCCEEDED
from store.products import checks
from store.products.product import DataProduct
from store.registry.promotions import Promotion
from store.snapshots.snapshots import Snapshot

from ..conftest import at_once, examples, version
from .test_retraining import began, build_over, declared, end, look, newest, say

pytestmark = pytest.mark.usefixtures("tables")

DAY = timedelta(days=1)
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.fixture
def served(stay: DataProduct) -> DataProduct:
    """A product with a version that serves."""
    examples(6)
    champion = version(stay)
    Build.objects.filter(pk=champion.build_id).update(status=SUCCEEDED)
    Promotion.objects.promote(champion, "It serves.", "ann")
    return stay


def with_rules(
    product: DataProduct, monkeypatch: Any, *rules: Any, budget: Budget | None = None
) -> DataProduct:
    return declared(replace(product, retrain=rules, retrain_budget=budget), monkeypatch)


def test_a_version_that_is_too_old_begins_one_build_whoever_looks(served, monkeypatch):
    product = with_rules(served, monkeypatch, OlderThan(days=30))
    now = clock.now()
    look(now + 29 * DAY)
    assert began(product) == []
    assert newest(product).reason.startswith("Not yet: the newest rows that were learned from are of 20")
    at_once(*[lambda: look(now + 31 * DAY)] * 10)
    (build,) = began(product)
    assert build.reason.endswith("30 days ago or more.")


def test_a_build_that_changed_nothing_is_not_begun_again_before_its_time(served, monkeypatch):
    product = with_rules(served, monkeypatch, OlderThan(days=30))
    now = clock.now()
    look(now + 31 * DAY)
    (build,) = began(product)
    build.snapshot = Snapshot.objects.take(product)
    Snapshot.objects.filter(pk=build.snapshot.pk).update(taken_at=now + 31 * DAY)
    build.save()
    end(build)
    look(now + 32 * DAY)
    look(now + 60 * DAY)
    assert len(began(product)) == 1
    look(now + 61 * DAY)
    assert len(began(product)) == 2


def test_a_build_that_failed_is_tried_again_a_day_later(served, monkeypatch):
    product = with_rules(served, monkeypatch, OlderThan(days=30))
    now = clock.now()
    look(now + 31 * DAY)
    (build,) = began(product)
    Build.objects.filter(pk=build.pk).update(status=FAILED, requested_at=now + 31 * DAY)
    look(now + 31 * DAY + timedelta(hours=23))
    assert len(began(product)) == 1
    assert "the newest build came to nothing" in newest(product).reason
    look(now + 32 * DAY)
    assert len(began(product)) == 2


def test_nothing_is_too_old_before_the_first_version(stay, monkeypatch):
    product = with_rules(stay, monkeypatch, OlderThan(days=1))
    look(clock.now() + 99 * DAY)
    assert newest(product).reason == "Not yet: no version serves."


def test_a_rule_pauses_after_any_build(served, monkeypatch):
    product = with_rules(served, monkeypatch, AfterFeedback(2, pause=timedelta(hours=6)))
    build_over(product)
    for author in ("ann", "bob"):
        say(product, 0, author)
    look()
    assert began(product) == []
    assert "the rule pauses until" in newest(product).reason
    at_once(*[lambda: look(clock.now() + timedelta(hours=7))] * 10)
    assert [build.requested_by for build in began(product)] == ["AfterFeedback(2, pause=6 hours)"]


def test_a_due_moment_waits_for_the_pause(served, monkeypatch):
    product = with_rules(served, monkeypatch, Every("0 3 * * *", pause=10 * DAY))
    start = clock.now()
    look(start)
    look(start + 2 * DAY)
    assert began(product) == []
    assert "the rule pauses until" in newest(product).reason
    look(start + 11 * DAY)
    (build,) = began(product)
    end(build)
    look(start + 11 * DAY)
    assert len(began(product)) == 1


def test_a_spent_budget_makes_all_rules_wait_and_refuses_nobody(served, monkeypatch):
    rules = AfterFeedback(1), Every("* * * * *")
    product = with_rules(served, monkeypatch, *rules, budget=Budget(builds=2, per=timedelta(days=7)))
    build_over(product)
    say(product, 0, "ann")
    look(clock.now())
    look(clock.now() + timedelta(minutes=2))
    assert began(product) == []
    assert "The budget of 2 builds per 7 days is spent until" in newest(product).reason
    Build.objects.request(product, by="ann", enqueue=False)
    end(Build.objects.unfinished(product.name))
    at_once(*[lambda: look(clock.now() + 8 * DAY)] * 10)
    assert len(began(product)) == 1


@pytest.mark.parametrize(
    "declare",
    [
        lambda: OlderThan(days=0),
        lambda: OlderThan(days=-1),
        lambda: OlderThan(days=float("nan")),
        lambda: OlderThan(days=float("inf")),
        lambda: OlderThan(days=True),
        lambda: OlderThan(days=10**9),
        lambda: OlderThan(days="30"),
        lambda: OlderThan(days=1, pause=timedelta(-1)),
        lambda: AfterFeedback(1, pause=3),
        lambda: Every("0 3 * * *", pause=-DAY),
        lambda: Budget(builds=0, per=DAY),
        lambda: Budget(builds=1.5, per=DAY),
        lambda: Budget(builds=1, per=timedelta(0)),
        lambda: Budget(builds=1, per=7),
    ],
)
def test_a_rule_that_means_nothing_is_refused(declare):
    with pytest.raises(InvalidRule, match=r"\(.*\): give "):
        declare()


def test_a_budget_without_rules_is_refused(stay):
    product = replace(stay, retrain=[], retrain_budget=Budget(builds=1, per=DAY))
    assert any("retrain_budget" in problem for problem in checks.find_problems(product))
