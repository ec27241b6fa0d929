"""Old predictions go in small batches, but for those that somebody spoke of, and nobody has to wait for it."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from store.models import Prediction
from store.predictions import retention, upsert
from store.predictions.feedback import About, Feedback
from store.predictions.upsert import PredictionBatch, ValidRequest
from store.products.product import DataProduct

from ..conftest import STAY, at_once, version

pytestmark = pytest.mark.usefixtures("tables")

DAY = timedelta(days=1)


@pytest.fixture
def stored(stay: DataProduct, monkeypatch: Any) -> list[Prediction]:
    """Ten predictions, all but the last two of them ten days old."""
    monkeypatch.setattr(retention, "BATCH", 3)
    registered = version(stay)
    questions = [ValidRequest(stay.clean(STAY | {"age": 20 + n}), reference=f"form-{n}") for n in range(10)]
    answers = registered.load(stay).predict([question.instance for question in questions])
    rows = upsert.store(PredictionBatch(stay, registered, questions, answers))
    old = [row.pk for row in rows[:8]]
    long_ago = timezone.now() - 10 * DAY
    Prediction.objects.filter(pk__in=old).update(created_at=long_ago, updated_at=long_ago)
    return rows


def test_predictions_not_requested_for_days_are_deleted(stored):
    assert retention.delete_old_predictions(days=9) == 8
    assert set(Prediction.objects.values_list("pk", flat=True)) == {row.pk for row in stored[8:]}
    assert retention.delete_old_predictions(days=9) == 0


def test_without_a_limit_everything_stays(stored, settings):
    assert retention.delete_old_predictions() == 0
    settings.EXEMPLAR_KEEP_PREDICTIONS = 9
    assert retention.delete_old_predictions() == 8


def test_predictions_with_feedback_or_new_requests_are_kept(stored, stay):
    Prediction.objects.filter(pk=stored[0].pk).update(updated_at=timezone.now())
    Feedback.objects.give(stay, About(prediction=stored[1].pk), "True", "ann")
    assert retention.delete_old_predictions(days=9) == 6
    assert {stored[0].pk, stored[1].pk} <= set(Prediction.objects.values_list("pk", flat=True))


def test_locked_rows_are_skipped(stored):
    def sweep_beside() -> int:
        return retention.delete_old_predictions(days=9)

    with transaction.atomic():
        Prediction.objects.select_for_update().get(pk=stored[0].pk)
        (gone,) = at_once(sweep_beside)
    assert gone == 7
    assert Prediction.objects.filter(pk=stored[0].pk).exists()


def test_one_sweeps_at_a_time(stored):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [retention.SWEEPING])
        assert at_once(lambda: retention.delete_old_predictions(days=9)) == [0]
    assert (
        sum(at_once(*[lambda: retention.delete_old_predictions(days=9)] * 4))
        + retention.delete_old_predictions(days=9)
        == 8
    )
