"""Rules begin builds exactly once, whoever looks and whatever the clock does."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import pytest
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from learning.retrain import AfterFeedback, Every
from store.access.actors import Actor
from store.builds import retraining
from store.builds.builds import Build
from store.builds.runner import run
from store.jobs.jobs import CANCELLED, FAILED
from store.models import ModelVersion, RetrainDecision
from store.predictions.feedback import About, Feedback
from store.products import catalogue
from store.products.product import DataProduct
from store.snapshots.snapshots import Snapshot
from tests.waiting import PATIENCE

from ..conftest import at_once, examples, operate, version
from .test_builds import built

pytestmark = pytest.mark.usefixtures("tables")

NIGHTLY, ENOUGH = Every("0 3 * * *"), AfterFeedback(3)
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def nightly(stay: DataProduct, monkeypatch: Any) -> DataProduct:
    return declared(replace(stay, retrain=[NIGHTLY]), monkeypatch)


@pytest.fixture
def attentive(stay: DataProduct, monkeypatch: Any) -> DataProduct:
    """Learns again after three words; it has learned before."""
    examples(6)
    version(stay)
    return declared(replace(stay, retrain=[ENOUGH]), monkeypatch)


def declared(product: DataProduct, monkeypatch: Any) -> DataProduct:
    monkeypatch.setitem(catalogue._products, product.name, product)
    return product


def look(now: datetime | None = None) -> None:
    RetrainDecision.objects.decide_all(now)


def began(product: DataProduct) -> list[Build]:
    """Builds that rules requested, the first one first."""
    return list(Build.objects.filter(product=product.name, requested_by__contains="(").order_by("pk"))


def end(build: Build, status: str = "SUCCEEDED") -> None:
    Build.objects.filter(pk=build.pk).update(status=status)


def say(product: DataProduct, entity: int, author: str, answer: str = "True") -> Feedback:
    return Feedback.objects.give(product, About(entity=str(keys()[entity])), answer, author).feedback


def keys() -> list[int]:
    return list(catalogue.get("stay").join.queryset.order_by("pk").values_list("pk", flat=True))


def newest(product: DataProduct) -> RetrainDecision:
    decision = RetrainDecision.objects.decisions(product).order_by("-pk").first()
    assert decision is not None
    return decision


def test_a_new_rule_makes_up_for_nothing(nightly):
    look(NOON)
    assert began(nightly) == []
    look(NOON)
    assert newest(nightly).reason == "Not yet: it is due next at 2026-03-11 03:00 UTC."


def test_every_due_moment_begins_one_build(nightly):
    look(NOON)
    for day in (1, 2, 3):
        for _ in range(3):
            look(NOON + day * DAY)
        assert len(began(nightly)) == day
        end(began(nightly)[-1])
    assert [b.requested_by for b in began(nightly)] == ["Every('0 3 * * *')"] * 3


def test_missed_schedules_start_one_build(nightly):
    look(NOON)
    look(NOON + 30 * DAY)
    look(NOON + 30 * DAY)
    assert len(began(nightly)) == 1
    decision = RetrainDecision.objects.decisions(nightly).get(build=began(nightly)[0])
    assert decision.reason == "It was due at 2026-04-09 03:00 UTC."


def test_twenty_concurrent_evaluations_start_one_build(nightly):
    look(NOON)
    at_once(*[lambda: look(NOON + DAY)] * 20)
    assert len(began(nightly)) == 1
    assert RetrainDecision.objects.decisions(nightly).exclude(build=None).count() == 1


def test_a_clock_that_jumps_begins_each_due_build_once(nightly):
    look(NOON)
    for now in (NOON + DAY, NOON + 5 * DAY, NOON + DAY, NOON, NOON + 2 * DAY, NOON + 5 * DAY, NOON + 6 * DAY):
        look(now)
        for build in began(nightly):
            end(build)
    answered = RetrainDecision.objects.decisions(nightly).exclude(build=None)
    assert sorted(d.due.day for d in answered) == [11, 12, 15, 16]
    assert len(began(nightly)) == 4


def test_a_build_that_runs_already_answers_a_due_moment(nightly):
    look(NOON)
    running, _ = Build.objects.request(nightly, by="ann", enqueue=False)
    look(NOON + DAY)
    decision = RetrainDecision.objects.decisions(nightly).get(build=running)
    assert decision.reason.endswith(f"{running} was running already.")
    end(running)
    look(NOON + DAY)
    assert began(nightly) == []


def test_feedback_of_several_authors_starts_one_build(attentive):
    say(attentive, 0, "ann")
    look()
    assert newest(attentive).reason == "Not yet: 1 feedback item arrived since build 1; 3 are needed."
    say(attentive, 0, "bob", "False")
    say(attentive, 1, "cleo")
    at_once(*[look] * 10)
    (build,) = began(attentive)
    assert build.requested_by == "AfterFeedback(3)"
    decision = RetrainDecision.objects.decisions(attentive).get(build=build)
    assert decision.reason == "3 feedback items arrived since build 1; 3 are needed."


def test_only_the_newest_decision_against_a_build_is_stored_and_only_if_it_changed(attentive):
    for author in ("ann", "bob"):
        say(attentive, 0, author)
        look()
    kept = newest(attentive).pk
    look()
    assert newest(attentive).pk == kept
    assert RetrainDecision.objects.decisions(attentive).count() == 1


def test_retracted_feedback_and_the_tables_own_do_not_count(attentive):
    words = [say(attentive, n, "ann") for n in range(3)]
    Feedback.objects.retract(attentive, words[0].pk, Actor(author="ann"))
    look()
    assert began(attentive) == []
    assert newest(attentive).reason == "Not yet: 2 feedback items arrived since build 1; 3 are needed."


def test_feedback_waits_while_a_build_runs(attentive):
    running, _ = Build.objects.request(attentive, by="ann", enqueue=False)
    for entity in range(3):
        say(attentive, entity, "ann")
    look()
    assert began(attentive) == []
    assert f"{running} has not ended" in newest(attentive).reason


@pytest.mark.parametrize("status", [FAILED, CANCELLED])
def test_a_build_that_came_to_nothing_is_not_begun_again_by_the_same_words(attentive, status):
    for entity in range(3):
        say(attentive, entity, "ann")
    look()
    (build,) = began(attentive)
    with_end = Build.objects.get(pk=build.pk)
    with_end.end(status, f"Build{status.capitalize()}", "It came to nothing.")
    look()
    assert len(began(attentive)) == 1
    for entity in range(3, 6):
        say(attentive, entity, "ann")
    look()
    assert len(began(attentive)) == 2


def test_words_count_whatever_the_clock_of_a_host_says(attentive, monkeypatch):
    monkeypatch.setattr(timezone, "now", lambda: datetime(2001, 1, 1, tzinfo=UTC))
    build_over(attentive)
    say(attentive, 0, "ann")
    look()
    assert newest(attentive).reason == "Not yet: 1 feedback item arrived since build 2; 3 are needed."


def test_words_count_after_the_databases_clock_was_set_back(attentive):
    build_over(attentive)
    Snapshot.objects.update(taken_at=Now() + timedelta(hours=1))
    Build.objects.update(requested_at=Now() + timedelta(hours=1), ended_at=Now() + timedelta(hours=1))
    say(attentive, 0, "ann")
    look()
    assert newest(attentive).reason == "Not yet: 1 feedback item arrived since build 2; 3 are needed."


def test_words_that_were_committed_while_a_snapshot_was_taken_count_for_the_next_build(attentive):
    """They were given before the snapshot, and it cannot see them."""
    said, taken = Event(), Event()

    def speak() -> None:
        with transaction.atomic():
            say(attentive, 0, "ann")
            said.set()
            assert taken.wait(PATIENCE)

    def build() -> None:
        assert said.wait(PATIENCE)
        build_over(attentive)
        taken.set()

    at_once(speak, build)
    look()
    assert newest(attentive).reason == "Not yet: 1 feedback item arrived since build 2; 3 are needed."
    build_over(attentive)
    look()
    assert newest(attentive).reason == "Not yet: 0 feedback items arrived since build 3; 3 are needed."


def build_over(product: DataProduct) -> None:
    """A build that has ended, with a snapshot of the rows as they are."""
    build, _ = Build.objects.request(product, by="ann", enqueue=False)
    Build.objects.filter(pk=build.pk).update(snapshot=Snapshot.objects.take(product))
    end(build)


def test_the_next_due_moment_is_known(nightly, attentive):
    due = retraining.due_at(nightly.retrain)
    assert due is not None
    assert due.hour == 3
    assert retraining.due_at(attentive.retrain) is None


def test_five_words_of_three_people_make_a_champion_that_learned_from_them(stay, monkeypatch):
    product = declared(replace(stay, retrain=[AfterFeedback(5)]), monkeypatch)
    examples(30)
    for _ in range(3):
        operate(age=90, relapsed=None)
    first = built(product)
    assert (first.snapshot.unlabelled, first.promoted) == (3, True)
    one, two, three = keys()[-3:]
    for author, key in (("ann", one), ("bob", two), ("cleo", three), ("ann", two), ("bob", three)):
        look()
        Feedback.objects.give(product, About(entity=str(key)), "True", author)
    at_once(*[look] * 10)
    (build,) = began(product)
    decision = RetrainDecision.objects.decisions(product).get(build=build)
    assert decision.reason == "5 feedback items arrived since build 1; 5 are needed."
    claimed = Build.objects.claim(build.pk)
    assert claimed is not None
    run(claimed)
    champion = ModelVersion.objects.champion_of("stay")
    assert champion is not None
    assert champion.build == build
    assert champion.snapshot.unlabelled == 0
    assert len(champion.snapshot.dataset(product)) == len(first.snapshot.dataset(product)) + 3
    at_once(*[look] * 10)
    assert len(began(product)) == 1
