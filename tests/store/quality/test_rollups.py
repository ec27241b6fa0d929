"""Rollups: windows from packed days equal what the rows say, whatever has changed."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.db.models import Q

from store.access import acting
from store.access.actors import Actor
from store.predictions.changed_subjects import ChangedSubject
from store.predictions.erasure import remove_predictions
from store.predictions.feedback import Feedback
from store.predictions.predictions import Prediction
from store.predictions.truth import TruthPolicy
from store.products import catalogue
from store.products.product import DataProduct
from store.quality import counted, rollups, windows
from store.quality.days import QualityDay, QualityState
from store.registry.versions import ModelVersion

from ..conftest import NOON, at_once, version
from .streams import MINUTE, answer_class, store_prediction, store_word, stream

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
#: Windows: everything, whole days, parts of days, parts of steps, nothing.
WINDOWS = [
    (None, None),
    (NOON + DAY, None),
    (NOON + timedelta(hours=11, minutes=7, microseconds=3), NOON + 2 * DAY + timedelta(seconds=1)),
    (None, NOON + timedelta(hours=30, minutes=15)),
    (NOON + timedelta(minutes=1), NOON + timedelta(minutes=9)),
    (NOON - 9 * DAY, NOON - 8 * DAY),
]


def keep_up() -> None:
    """Have all days packed."""
    rollups.maintain()
    while QualityDay.objects.filter(dirty=True).exists() or ChangedSubject.objects.exists():
        rollups.maintain()


def equals_rows(product: DataProduct, *versions: ModelVersion | None) -> None:
    for each in versions:
        for window in WINDOWS:
            packed, fresh = (reader.read(product, each, *window) for reader in (rollups, windows))
            rows, expected = counted.count(packed), counted.count(fresh)
            assert (rows.predictions, rows.labelled, rows.disputed, rows.left_out) == (
                expected.predictions,
                expected.labelled,
                expected.disputed,
                expected.left_out,
            )
            for name in ("prediction_id", "at", "truth", "answer", "probabilities", "delay_seconds", "model"):
                np.testing.assert_array_equal(getattr(rows, name), getattr(expected, name))


@pytest.mark.parametrize("name", ["stay", "diabetes"])
def test_packed_days_say_what_the_rows_say(name: str) -> None:
    product = catalogue.get(name)
    versions = [version(product), version(product)]
    stream(product, versions, seed=7, size=600)
    Prediction.objects.filter(pk__in=list(Prediction.objects.values_list("pk", flat=True)[:20])).update(
        served=False
    )
    equals_rows(product, None, *versions)
    keep_up()
    assert QualityDay.objects.filter(dirty=False).count() > 4
    equals_rows(product, None, *versions)
    with connection.execute_wrapper(count_reads(reads := [])):
        rollups.read(product, versions[0], NOON + DAY, NOON + 2 * DAY)
    assert len([sql for sql in reads if "store_feedback" in sql]) == 0  # of packed days alone


def count_reads(reads: list[str]) -> object:
    def wrapper(execute: object, sql: str, params: object, many: bool, context: object) -> object:
        reads.append(sql)
        return execute(sql, params, many, context)  # type: ignore[operator]

    return wrapper


def test_each_change_counts_at_once_and_after_the_days_were_packed_again(stay: DataProduct) -> None:
    by = version(stay)
    stream(stay, [by], seed=8)
    keep_up()
    words = Feedback.objects.from_people().filter(retracted_at=None)
    subject = counted.texts(counted.find(stay, by).subject)[0]

    def add() -> None:
        store_word(stay, "subject 1", "eve", "True", NOON + 90 * DAY)

    def retract() -> None:
        words.filter(subject=subject).update(retracted_at=NOON)

    def delete_word() -> None:
        Feedback.objects.filter(pk=words.values("pk")[:1]).delete()

    def delete_prediction() -> None:
        remove_predictions(Prediction.objects.filter(product="stay", subject=subject))

    def change_policy() -> None:
        TruthPolicy.objects.update_or_create(product="stay", defaults={"kind": "LATEST"})

    def serve() -> None:
        Prediction.objects.filter(pk__in=Prediction.objects.values("pk")[:3]).update(served=False)

    for change in (add, retract, delete_word, delete_prediction, change_policy, serve):
        before = ChangedSubject.objects.count()
        change()
        assert ChangedSubject.objects.count() > before, change
        equals_rows(stay, by, None)
        keep_up()
        equals_rows(stay, by, None)


def test_what_changes_nothing_is_not_noted(stay: DataProduct) -> None:
    by = version(stay)
    prediction = store_prediction(stay, by, "a", NOON, 1, **answer_class(["False", "True"], [0.2, 0.8]))
    word = store_word(stay, "a", "ann", "True", NOON + MINUTE)
    keep_up()
    Feedback.objects.filter(pk=word.pk).update(prediction=None)
    Prediction.objects.filter(pk=prediction.pk).update(times_asked=2)
    assert not ChangedSubject.objects.exists()


def test_no_product_is_asked_alone_where_nothing_is_to_be_packed(
    stay: DataProduct, django_assert_num_queries: Any
) -> None:
    stream(stay, [version(stay)], seed=1, size=20)
    keep_up()
    assert len(catalogue.labelled()) > 1
    with django_assert_num_queries(3):  # what has changed, the time, and who is behind
        rollups.maintain()


def test_the_mark_is_read_from_the_newest_predictions_alone(stay: DataProduct) -> None:
    rows = """INSERT INTO store_prediction (id, product, model_id, subject, features, answer, created_at, updated_at,
            times_asked)
        SELECT gen_random_uuid(), 'stay', %s, gen_random_uuid(), '{}', 'True', %s + i * interval '1 minute', now(), 1
        FROM generate_series(1, 40000) i"""
    with connection.cursor() as cursor:
        cursor.execute(rows, [version(stay).pk, NOON])
        cursor.execute("ANALYZE store_prediction")
        cursor.execute(f"EXPLAIN {rollups.READ_MARK}", {"product": "stay", "most": rollups.MOST_RECENT})
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert plan.count("using predictions_newest_first") == 2 and "predictions_by_age" not in plan
    mark = rollups.read_mark(stay)
    assert mark[2] == 1
    columns = answer_class(["False", "True"], [0.2, 0.8])
    store_prediction(stay, version(stay), "late", NOON + 40_000 * MINUTE - timedelta(seconds=4), 1, **columns)
    assert rollups.read_mark(stay) == (mark[0], mark[1], 2)


def test_the_current_day_and_what_is_stored_today_come_from_the_rows(stay: DataProduct) -> None:
    from django.utils.timezone import now

    by = version(stay)
    columns = answer_class(["False", "True"], [0.2, 0.8])
    store_prediction(stay, by, "old", NOON, 1, **columns)
    keep_up()
    state = QualityState.objects.get(product="stay")
    store_prediction(stay, by, "new", now(), 2, **columns)
    keep_up()
    assert QualityState.objects.get(product="stay").packed_until >= state.packed_until
    assert counted.count(rollups.read(stay, by)).predictions == 2
    assert [row.day for row in QualityDay.objects.all()] == [NOON.date()]


def test_a_declaration_with_other_labels_reads_the_rows(stay: DataProduct) -> None:
    by = version(stay)
    stream(stay, [by], seed=9)
    keep_up()
    QualityDay.objects.update(classes=["False"])
    equals_rows(stay, by)


def test_an_answer_that_is_declared_no_longer_does_not_count(stay: DataProduct) -> None:
    old, new = version(stay), version(stay)
    old.signature["classes"] = ["False", "True", "unknown"]
    ModelVersion.objects.filter(pk=old.pk).update(signature=old.signature)
    for serial, label in enumerate(old.signature["classes"]):
        shares = [0.7 if each == label else 0.15 for each in old.signature["classes"]]
        columns = answer_class(old.signature["classes"], shares)
        store_prediction(stay, old, label, NOON + serial * MINUTE, serial, **columns)
        store_word(stay, label, "ann", "True", NOON + 2 * DAY)
    stream(stay, [new], seed=3, size=50)
    keep_up()
    equals_rows(stay, old, None)
    assert counted.count(rollups.read(stay, None)).left_out[windows.LeftOut.NOT_A_LABEL] == 1


def test_whoever_sees_some_rows_reads_the_rows(stay: DataProduct) -> None:
    by = version(stay)
    stream(stay, [by], seed=9)
    keep_up()
    object.__setattr__(stay.join, "visible_to", lambda actor: Q(pk=-1))
    try:
        with acting.acting_as(Actor(author="half", name="half")):
            rows = rollups.read(stay, by)
    finally:
        object.__setattr__(stay.join, "visible_to", None)
    assert rows.steps["n"].sum() == Prediction.objects.count()  # all are about references


@pytest.mark.django_db(transaction=True)
def test_many_processes_keep_days_up_while_words_come(stay: DataProduct) -> None:
    by = version(stay)
    stream(stay, [by], seed=10, size=200)

    def speak() -> None:
        for number in range(40):
            store_word(stay, f"subject {number}", "late", "True" if number % 2 else "False", NOON + 90 * DAY)

    def maintain() -> None:
        for _ in range(3):
            rollups.maintain()

    at_once(speak, maintain, maintain, maintain)
    equals_rows(stay, by)
    keep_up()
    equals_rows(stay, by)


def test_days_are_forgotten(stay: DataProduct) -> None:
    by = version(stay)
    stream(stay, [by], seed=10, size=100)
    keep_up()
    store_prediction(stay, by, "earlier", NOON + MINUTE, 1_000, **answer_class(["False", "True"], [0.2, 0.8]))
    rollups.forget(stay)
    equals_rows(stay, by)
    keep_up()
    equals_rows(stay, by)
