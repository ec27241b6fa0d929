"""Every entity is predicted anew, in order, once, and whoever was interrupted goes on."""

from typing import Any

import pytest
from django.db import transaction

from store.entities import entities
from store.exceptions import JobEnded, NoChampion, UnknownId
from store.jobs import leases
from store.jobs.jobs import CANCELLED, SUCCEEDED, Superseded
from store.models import Prediction, Promotion, Scoring
from store.products.product import DataProduct
from store.serving import batch_scoring, champions

from ..conftest import operate, version

pytestmark = pytest.mark.usefixtures("tables")

N = 25


@pytest.fixture
def champion(stay: DataProduct, monkeypatch: Any) -> Any:
    """A version that serves; entities come in chunks of ten, and one of them cannot be predicted."""
    monkeypatch.setattr(batch_scoring, "CHUNK", 10)
    monkeypatch.setattr(champions, "_promoted", {})
    for number in range(N):
        operate(age=None if number == 12 else 30 + number)
    registered = version(stay)
    Promotion.objects.promote(registered, "It is the first.", by="ann")
    champions.refresh()
    return registered


def requested(product: DataProduct) -> Scoring:
    return Scoring.objects.request(product, by="ann")[0]


def claimed(scoring: Scoring) -> Scoring:
    found = Scoring.objects.claim(scoring.pk)
    assert found is not None
    return found


def test_every_entity_is_predicted_and_stored(champion, stay):
    scoring = claimed(requested(stay))
    batch_scoring.run(scoring)
    scoring.refresh_from_db()
    assert (scoring.status, scoring.percent) == (SUCCEEDED, 100.0)
    assert (scoring.scored, scoring.refused) == (N - 1, 1)
    assert "lacks a feature row" in scoring.refusal
    stored = Prediction.objects.filter(product="stay", model=champion)
    keys = set(map(str, stay.join.complete().values_list("pk", flat=True)))
    assert {prediction.entity for prediction in stored} == keys


def test_a_row_that_postgresql_cannot_compute_is_left_out_alone(relapse, monkeypatch):
    monkeypatch.setattr(batch_scoring, "CHUNK", 10)
    monkeypatch.setattr(champions, "_promoted", {})
    for number in range(N):
        operate(age=0 if number in (12, 24) else 30 + number)  # the cost per year of life
    Promotion.objects.promote(version(relapse), "It is the first.", by="ann")
    champions.refresh()
    scoring = claimed(requested(relapse))
    batch_scoring.run(scoring)
    scoring.refresh_from_db()
    assert (scoring.status, scoring.scored, scoring.refused) == (SUCCEEDED, N - 2, 2)
    assert "division by zero" in scoring.refusal


def test_a_second_request_is_answered_by_the_first(champion, stay):
    first, started = Scoring.objects.request(stay, by="ann")
    again, begun = Scoring.objects.request(stay, by="bob")
    assert (started, begun, again) == (True, False, first)


def test_without_a_champion_nothing_is_scored(stay, monkeypatch):
    monkeypatch.setattr(champions, "_promoted", {})
    with pytest.raises(NoChampion):
        requested(stay)


def test_an_interrupted_scoring_continues_after_the_stored_rows(champion, stay, monkeypatch):
    scoring = claimed(requested(stay))
    keep, calls = batch_scoring._advance, []

    def lost(*args: Any) -> None:
        keep(*args)
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(batch_scoring, "_advance", lost)
    with pytest.raises(KeyboardInterrupt):
        batch_scoring.run(scoring)
    # The second chunk was in a transaction that did not end.
    assert Prediction.objects.count() == 10
    Scoring.objects.abandon(scoring.pk, scoring.attempt)
    again = claimed(scoring)
    assert (again.attempt, again.scored) == (2, 10)
    batch_scoring.run(again)
    again.refresh_from_db()
    assert (again.status, again.scored, again.refused) == (SUCCEEDED, N - 1, 1)
    assert not Prediction.objects.exclude(times_asked=1).exists()


def test_a_superseded_attempt_writes_nothing(champion, stay):
    slow = claimed(requested(stay))
    Scoring.objects.abandon(slow.pk, slow.attempt)
    claimed(slow)
    with pytest.raises(Superseded), transaction.atomic():
        slow.hold()
    leases.run_with_lease(slow, lambda finished: batch_scoring._score_all(slow, finished))
    assert not Prediction.objects.exists()


def test_a_cancelled_scoring_never_starts(champion, stay):
    scoring = requested(stay)
    cancelled = Scoring.objects.cancel(scoring.pk, by="ann")
    assert cancelled.status == CANCELLED and cancelled.ended_at
    assert Scoring.objects.claim(scoring.pk) is None
    batch_scoring.run_job(scoring.pk)  # as the queue still has it
    assert not Prediction.objects.exists()
    with pytest.raises(JobEnded, match="has already ended as CANCELLED"):
        Scoring.objects.cancel(scoring.pk, by="bob")
    assert Scoring.objects.request(stay, by="ann")[1]


def test_a_running_scoring_stops_between_two_chunks(champion, stay, monkeypatch):
    scoring = claimed(requested(stay))
    advance = batch_scoring._advance

    def cancel_afterwards(*args: Any) -> None:
        advance(*args)
        transaction.on_commit(lambda: Scoring.objects.cancel(scoring.pk, by="ann"))

    monkeypatch.setattr(batch_scoring, "_advance", cancel_afterwards)
    batch_scoring.run(scoring)
    scoring.refresh_from_db()
    # The chunk that was committed stays.
    assert (scoring.status, scoring.scored, Prediction.objects.count()) == (CANCELLED, 10, 10)


def test_a_scoring_that_has_ended_is_not_cancelled(champion, stay):
    scoring = claimed(requested(stay))
    batch_scoring.run(scoring)
    with pytest.raises(JobEnded):
        Scoring.objects.cancel(scoring.pk, by="ann")
    with pytest.raises(UnknownId):
        Scoring.objects.cancel(scoring.pk + 1, by="ann")
    scoring.refresh_from_db()
    assert scoring.status == SUCCEEDED


def test_a_version_that_does_not_fit_ends_it_with_a_reason(champion, stay):
    scoring = requested(stay)
    type(champion).objects.filter(pk=champion.pk).update(seal="forged")
    batch_scoring.run(claimed(scoring))
    scoring.refresh_from_db()
    assert (scoring.status, scoring.problem_code) == ("FAILED", "MODEL_DOES_NOT_FIT")


def test_entities_come_in_the_order_of_their_keys_behind_any(stay):
    keys = [operate(age=40 + number).pk for number in range(5)]
    assert [entity.key for entity in entities.after(stay, None, 3)] == [str(key) for key in keys[:3]]
    assert [entity.key for entity in entities.after(stay, keys[2], 3)] == [str(key) for key in keys[3:]]
    assert entities.after(stay, keys[-1], 3) == []


def test_the_row_records_the_progress(champion, stay):
    scoring = claimed(requested(stay))
    batch_scoring.run(scoring)
    assert Scoring.objects.get(pk=scoring.pk).cursor == str(stay.join.queryset.order_by("-pk")[0].pk)
