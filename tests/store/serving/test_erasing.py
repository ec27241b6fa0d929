"""What is erased of an entity or a reference: everything that Exemplar stores, for who may, with an entry."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models import Q

from learning.exceptions import NoRows
from learning.model import ClassAnswer
from store.access.acting import acting_as
from store.access.actors import Actor
from store.access.audit import Act, AuditEntry
from store.access.permissions import Grants, Permission
from store.builds import retention
from store.builds.builds import Build
from store.exceptions import BadInput, Forbidden, UnknownId
from store.models import Feedback, LabelCandidate, Prediction, Snapshot
from store.predictions import many_feedbacks, upsert
from store.predictions.erasure import SubjectName
from store.predictions.feedback import About, FeedbackResult
from store.predictions.upsert import PredictionBatch
from store.products.product import DataProduct
from store.registry.versions import ModelVersion
from store.serving import erasing
from tests.waiting import PATIENCE

from ..conftest import at_once, operate, version, wait_for_locks
from ..predictions.test_many_feedbacks import values
from ..predictions.test_predictions import question
from .test_label_queue import compute

pytestmark = pytest.mark.django_db

KEY = SubjectName(entity="7")
SLIP = SubjectName(reference="slip")


@pytest.fixture
def stored(stay: DataProduct) -> ModelVersion:
    """Predictions and feedback about 7, 8 and a slip, in a queue, of which 7 is a row."""
    operate(pk=7)
    served = version(stay)
    names = [{"entity": "7"}, {"entity": "7", "reference": "slip"}, {"entity": "8"}, {"reference": "slip"}]
    requests = [question(stay, name, age=20 + n) for n, name in enumerate(names)]
    upsert.store(PredictionBatch(stay, served, requests, [ClassAnswer("True", 0.6, (0.4, 0.6))] * 4))
    compute(stay)
    for about in (About(entity="7"), About(reference="slip")):
        Feedback.objects.give(stay, about, "True", "ann")
    return served


def counts(name: SubjectName) -> list[int]:
    tables: list[Any] = [Prediction, Feedback, LabelCandidate]
    return [table.objects.filter(name.condition).count() for table in tables]


def test_all_rows_about_an_entity_go_and_no_others(stay: DataProduct, stored: ModelVersion) -> None:
    assert all(counts(KEY))
    expected = erasing.erase(stay, KEY, dry_run=True)
    assert all(counts(KEY))
    erased = erasing.erase(stay, KEY, "She asked for it.")
    assert (erased.removed.ids, erased.removed.feedback) == (expected.removed.ids, expected.removed.feedback)
    assert len(erased.removed.ids) == 2
    assert counts(KEY) == [0, 0, 0]
    assert Prediction.objects.count() == 2
    assert Feedback.objects.filter(reference="slip").count() == 1


def test_all_rows_about_a_reference_go_also_those_about_an_entity(
    stay: DataProduct, stored: ModelVersion
) -> None:
    erased = erasing.erase(stay, SLIP)
    assert (len(erased.removed.ids), erased.removed.feedback) == (2, 1)
    assert not Prediction.objects.filter(reference="slip")
    assert not Feedback.objects.filter(reference="slip")
    assert Prediction.objects.filter(entity="7", reference=None).exists()


def test_a_second_time_finds_nothing_and_is_recorded(stay: DataProduct, stored: ModelVersion) -> None:
    erasing.erase(stay, KEY, "She asked for it.")
    erased = erasing.erase(stay, KEY)
    assert (erased.removed.ids, erased.removed.feedback) == ([], 0)
    first, second = AuditEntry.objects.filter(act=Act.ERASE).order_by("pk")
    assert first.ids == second.ids
    assert first.reason == "She asked for it."
    assert first.details["predictions"] == 2
    assert second.details["predictions"] == 0
    assert '"7"' not in str(first.ids)


def test_who_may_delete_may_not_erase(stay: DataProduct, stored: ModelVersion, settings: Any) -> None:
    settings.EXEMPLAR_OPEN = False
    deleter = Actor(
        author="bob", name="bob", grants=Grants(frozenset({Permission.DELETE, Permission.ADMINISTER}))
    )
    with acting_as(deleter), pytest.raises(Forbidden, match="ERASE on stay"):
        erasing.erase(stay, KEY)
    assert all(counts(KEY))


def test_a_row_that_the_caller_may_not_see_is_not_erased(
    stay: DataProduct, stored: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(stay.join), "sees_all", lambda self, actor: actor is None)
    monkeypatch.setattr(type(stay.join), "_visibility", lambda self, actor: Q(pk=8) if actor else Q())
    eraser = Actor(author="bob", name="bob", grants=Grants(frozenset({Permission.ERASE})))
    with acting_as(eraser), pytest.raises(Forbidden, match="visible to some callers"):
        erasing.erase(stay, KEY)
    assert all(counts(KEY))


def test_by_a_reference_nothing_goes_that_is_about_a_row_that_the_caller_may_not_see(
    stay: DataProduct, stored: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = Prediction.objects.get(entity="7", reference="slip")
    Feedback.objects.give(stay, About(prediction=both.pk), "True", "eve")
    hides = stay.join
    monkeypatch.setattr(
        type(hides), "_visibility", lambda self, actor: Q(pk=8) if actor and self is hides else Q()
    )
    with acting_as(Actor(author="bob", name="bob", grants=Grants(frozenset({Permission.ERASE})))):
        erased = erasing.erase(stay, SLIP)
    assert (len(erased.removed.ids), erased.removed.feedback) == (1, 1)
    assert Prediction.objects.filter(pk=both.pk).exists()
    assert Feedback.objects.filter(author="eve", entity="7").exists()
    assert LabelCandidate.objects.filter(entity="7").exists()


@pytest.mark.parametrize(
    "name",
    [
        SubjectName(),
        SubjectName(entity="7", reference="slip"),
        SubjectName(entity=""),
        SubjectName(reference="a\0b"),
        SubjectName(entity="x" * 201),
    ],
)
def test_a_name_that_is_none_is_refused(stay: DataProduct, name: SubjectName) -> None:
    with pytest.raises(BadInput):
        erasing.erase(stay, name)


@pytest.mark.usefixtures("tables")
@pytest.mark.django_db(transaction=True)
def test_tables_of_snapshots_that_have_it_are_dropped_once_no_build_reads_them(stay: DataProduct) -> None:
    for key in (8, 9):
        operate(pk=key, relapsed=True)
    without = Snapshot.objects.take(stay)
    operate(pk=7, relapsed=False)
    having = Snapshot.objects.take(stay)
    build, _ = Build.objects.request(stay, by="ann", enqueue=False)
    Build.objects.filter(pk=build.pk).update(snapshot=having)
    erased = erasing.erase(stay, KEY)
    assert [each.number for each in erased.snapshots] == [having.number]
    assert erased.is_being_read
    retention.drop_unwanted_snapshots()
    assert Snapshot.objects.get(pk=having.pk).dropped_at is None
    Build.objects.cancel(build.pk, "ann")
    retention.drop_unwanted_snapshots()
    dropped = Snapshot.objects.get(pk=having.pk)
    assert dropped.dropped_at
    with pytest.raises(NoRows, match="since something in it was erased"):
        dropped.dataset(stay)
    assert Snapshot.objects.get(pk=without.pk).dropped_at is None
    assert erasing.erase(stay, KEY).snapshots == []


@pytest.mark.usefixtures("tables")
@pytest.mark.django_db(transaction=True)
def test_a_snapshot_that_was_taken_meanwhile_is_unwanted_if_an_example_is_gone(
    stay: DataProduct, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in (8, 9):
        operate(pk=key, relapsed=True)
    served = version(stay)
    requests = [question(stay, {"reference": name}, age=20) for name in ("slip", "slope")]
    upsert.store(PredictionBatch(stay, served, requests, [ClassAnswer("True", 0.6, (0.4, 0.6))] * 2))
    for reference in ("slip", "slope"):
        Feedback.objects.give(stay, About(reference=reference), "True", "ann")
    undisturbed = Snapshot.objects.take(stay)
    assert undisturbed.from_predictions == 2
    Snapshot.objects.filter(pk=undisturbed.pk).update(dropped_at=undisturbed.taken_at)
    count = Snapshot.count_rows

    def count_late(self: Snapshot, product: DataProduct) -> None:
        count(self, product)
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(erase_apart, product, SLIP).result().snapshots == []

    monkeypatch.setattr(Snapshot, "count_rows", count_late)
    taken = Snapshot.objects.take(stay)
    stored = {row.pk: row.unwanted_at is not None for row in Snapshot.objects.filter(product=stay.name)}
    assert stored[taken.pk] and not stored[undisturbed.pk]
    retention.drop_unwanted_snapshots()
    assert Snapshot.objects.get(pk=taken.pk).dropped_at


@pytest.mark.usefixtures("tables")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", [1, 5])
def test_feedback_that_waits_for_an_erasure_is_refused(stay: DataProduct, number: int) -> None:
    names = [f"slip {place}" for place in range(number)]
    requests = [question(stay, {"reference": name}) for name in names]
    answers = [ClassAnswer("True", 0.6, (0.4, 0.6))] * number
    upsert.store(PredictionBatch(stay, version(stay), requests, answers))
    words = [values(About(reference=name)) for name in names]
    is_erased = Event()

    def speak() -> list[Any]:
        assert is_erased.wait(PATIENCE)
        return many_feedbacks.give(stay, words)

    def erase() -> None:
        with transaction.atomic():
            erasing.erase(stay, SubjectName(reference=names[-1]))
            is_erased.set()
            wait_for_locks(1)

    *stored, refused = at_once(speak, erase)[0]
    assert isinstance(refused, UnknownId)
    assert all(isinstance(result, FeedbackResult) for result in stored)
    assert Feedback.objects.count() == number - 1


def erase_apart(product: DataProduct, name: SubjectName) -> erasing.Erased:
    try:
        return erasing.erase(product, name)
    finally:
        connection.close()


@pytest.mark.usefixtures("tables")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_older", [False, True])
def test_a_snapshot_with_an_example_is_found_after_its_prediction_is_gone(
    stay: DataProduct, is_older: bool
) -> None:
    for key in (8, 9):
        operate(pk=key, relapsed=True)
    batch = PredictionBatch(
        stay, version(stay), [question(stay, {"reference": "slip"})], [ClassAnswer("True", 0.6, (0.4, 0.6))]
    )
    upsert.store(batch)
    Feedback.objects.give(stay, About(reference="slip"), "True", "ann")
    taken = Snapshot.objects.take(stay)
    assert taken.from_predictions == 1
    if is_older:  # as tables were before they had subjects
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {taken.table} DROP COLUMN _subject")
    assert [each.number for each in erasing.erase(stay, SLIP, dry_run=True).snapshots] == [taken.number]
    Prediction.objects.all().delete()
    expected = [] if is_older else [taken.number]
    assert [each.number for each in erasing.erase(stay, SLIP).snapshots] == expected


def test_a_snapshot_whose_table_is_gone_has_nothing(stay: DataProduct, stored: ModelVersion) -> None:
    assert Snapshot.objects.filter(product="stay", dropped_at=None).exists()  # a row alone
    assert erasing.erase(stay, KEY).snapshots == []


def test_the_command_counts_asks_and_erases(
    stay: DataProduct, stored: ModelVersion, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("erase", "stay", "--entity", "7", "--dry-run")
    assert "This would erase 2 predictions" in capsys.readouterr().out
    with pytest.raises(CommandError, match="add --yes"):
        call_command("erase", "stay", "--entity", "7")
    assert all(counts(KEY))
    call_command("erase", "stay", "--entity", "7", "--yes")
    assert "Erased 2 predictions" in capsys.readouterr().out
    assert counts(KEY) == [0, 0, 0]
    with pytest.raises(CommandError, match="No product is called"):
        call_command("erase", "nothing", "--entity", "7")
