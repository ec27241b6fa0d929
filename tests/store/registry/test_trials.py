"""Trials: one at a time, started by who may promote, and ended once."""

from typing import Any

import pytest

from store.access.audit import Act, AuditEntry
from store.exceptions import (
    BadInput,
    Conflict,
    ForeignModel,
    NoChampion,
    OutOfRange,
    StoreError,
    UnknownProduct,
)
from store.notices.deliveries import Delivery
from store.notices.kinds import EventKind
from store.notices.receivers import Receiver
from store.products.product import DataProduct
from store.registry import trials
from store.registry.promotions import Promotion
from store.registry.trials import MOST_FAILURES, Trial
from store.registry.versions import CHALLENGER, CHAMPION, RETIRED, SHADOW, SPLIT, ModelVersion

from ..conftest import at_once, version

pytestmark = pytest.mark.django_db


@pytest.fixture
def champion(stay: DataProduct) -> ModelVersion:
    promoted = version(stay)
    Promotion.objects.promote(promoted, "The first.", "ann")
    return promoted


@pytest.fixture
def challenger(stay: DataProduct, champion: ModelVersion) -> ModelVersion:
    return version(stay)


def status_of(row: ModelVersion) -> str:
    return ModelVersion.objects.get(pk=row.pk).status


def test_a_version_in_a_trial_has_its_kind_as_status(
    challenger: ModelVersion, champion: ModelVersion
) -> None:
    assert status_of(challenger) == CHALLENGER
    Trial.objects.start_shadow(challenger, "To see.", "ann")
    assert (status_of(challenger), status_of(champion)) == (SHADOW, CHAMPION)
    Trial.objects.end("stay", "Seen.", "ann")
    Trial.objects.start_split("stay", challenger, 0.1, "To see.", "ann")
    assert status_of(challenger) == SPLIT
    [tried] = ModelVersion.objects.with_roles().filter(role=SPLIT)  # type: ignore[misc]
    assert tried == challenger
    Trial.objects.end("stay", "Seen.", "ann")
    assert status_of(challenger) == CHALLENGER


def test_a_product_has_one_trial_at_a_time(challenger: ModelVersion) -> None:
    Trial.objects.start_shadow(challenger, "To see.", "ann")
    for start in (
        lambda: Trial.objects.start_shadow(challenger, "Again.", "ann"),
        lambda: Trial.objects.start_split("stay", challenger, 0.5, "Beside it.", "ann"),
    ):
        with pytest.raises(Conflict):
            start()


@pytest.mark.django_db(transaction=True)
def test_of_two_that_start_at_once_one_is_refused(challenger: ModelVersion) -> None:
    def start() -> str:
        try:
            Trial.objects.start_shadow(challenger, "To see.", "ann")
        except StoreError as error:
            return error.code
        return "started"

    assert sorted(at_once(start, start)) == ["CONFLICT", "started"]
    assert Trial.objects.count() == 1


def test_a_greater_share_replaces_the_split(challenger: ModelVersion) -> None:
    first = Trial.objects.start_split("stay", challenger, 0.1, "A tenth.", "ann")
    second = Trial.objects.start_split("stay", challenger, 0.5, "Half.", "ann")
    first.refresh_from_db()
    assert first.ended_at is not None and first.end_reason == "The share is 0.5 from now on."
    assert Trial.objects.running().get() == second
    with pytest.raises(Conflict):
        Trial.objects.start_split("stay", challenger, 0.5, "Half.", "ann")


def test_what_is_in_a_share_is_in_every_greater_one() -> None:
    hashes = [0, 2**40, 2**62, 2**63, 2**64 - 1]
    for hashed in hashes:
        within = [trials.is_within(share, hashed) for share in (1e-9, 0.1, 0.25, 0.5, 0.75, 1.0)]
        assert within == sorted(within)
        assert within[-1]
    assert not trials.is_within(0.5, 2**63)


@pytest.mark.parametrize("share", [0.0, -0.1, 1.0000001, float("nan"), float("inf")])
def test_a_share_outside_of_its_range_is_refused(challenger: ModelVersion, share: float) -> None:
    with pytest.raises(OutOfRange):
        Trial.objects.start_split("stay", challenger, share, "To see.", "ann")


def test_what_cannot_be_tried_is_refused(
    challenger: ModelVersion, champion: ModelVersion, relapse: DataProduct
) -> None:
    foreign = version(relapse)
    with pytest.raises(ForeignModel):
        Trial.objects.start_split("stay", foreign, 0.5, "To see.", "ann")
    with pytest.raises(UnknownProduct):
        Trial.objects.start_split("nothing", foreign, 0.5, "To see.", "ann")
    with pytest.raises(NoChampion):
        Trial.objects.start_shadow(foreign, "To see.", "ann")
    with pytest.raises(Conflict):
        Trial.objects.start_shadow(champion, "To see.", "ann")
    for reason in ("", "  ", "a\0b"):
        with pytest.raises(BadInput):
            Trial.objects.start_shadow(challenger, reason, "ann")
    with pytest.raises(Conflict):
        Trial.objects.end("stay", "There is none.", "ann")
    assert not Trial.objects.exists()


def test_a_promotion_and_a_rollback_end_a_trial(
    stay: DataProduct, challenger: ModelVersion, champion: ModelVersion
) -> None:
    first = Trial.objects.start_shadow(challenger, "To see.", "ann")
    Promotion.objects.promote(challenger, "It is better.", "bob")
    first.refresh_from_db()
    assert (first.ended_by, first.end_reason) == ("bob", "It serves now. It is better.")
    second = Trial.objects.start_split("stay", version(stay), 0.2, "To see.", "ann")
    Promotion.objects.rollback("stay", challenger, "No.", "cid")
    second.refresh_from_db()
    assert second.end_reason == f"Version {champion.number} serves now. No."
    assert status_of(challenger) == RETIRED


def test_too_many_failures_end_a_trial_once(challenger: ModelVersion) -> None:
    Receiver.objects.create(
        product="stay", kinds=[EventKind.TRIAL_ENDED], url="https://x.example", created_by="ann"
    )
    trial = Trial.objects.start_split("stay", challenger, 0.2, "To see.", "ann")
    trial.note_failures(MOST_FAILURES, "ValueError: x")
    assert Trial.objects.running().get().failures == MOST_FAILURES
    trial.note_failures(1, "ValueError: x")
    trial.note_failures(1, "ValueError: x")
    ended = Trial.objects.get()
    assert (ended.failures, ended.ended_by) == (MOST_FAILURES + 1, "the trial")
    assert not ended.end("Once more.", "ann")
    assert AuditEntry.objects.filter(act=Act.END_TRIAL).count() == 1
    data: dict[str, Any] = Delivery.objects.get(kind=EventKind.TRIAL_ENDED).data
    assert data["version"] == challenger.number and "failed" in data["reason"]


def test_one_process_runs_a_shadow(challenger: ModelVersion) -> None:
    trial = Trial.objects.start_shadow(challenger, "To see.", "ann")
    assert trial.claim("one") and trial.claim("one")
    assert not trial.claim("two")
    trial.release("two")
    assert not trial.claim("two")
    trial.release("one")
    assert trial.claim("two")
    Trial.objects.update(runner_until="2000-01-01T00:00Z")
    assert trial.claim("one")
    trial.end("Seen.", "ann")
    assert not trial.claim("one")
