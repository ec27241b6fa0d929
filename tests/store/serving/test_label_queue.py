"""What to label next: in one order for all who ask, without what has a label, and with few that are alike first."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from learning.model import ClassAnswer, ValueAnswer
from store.access.acting import acting_as
from store.access.actors import Actor
from store.db import pagination
from store.db.pagination import PageRequest
from store.exceptions import BadInput, OutOfRange
from store.jobs import queue
from store.models import Feedback, LabelCandidate, LabelQueue, Prediction, Promotion
from store.predictions import truth, upsert
from store.predictions.feedback import About
from store.predictions.upsert import PredictionBatch
from store.products.product import DataProduct
from store.registry import versions
from store.registry.versions import ModelVersion
from store.serving import label_ordering, label_pool, label_queue
from tests.market.rows import customer

from ..conftest import HOUR, NOON, at_once, operate, version
from ..predictions.test_predictions import question
from ..products.test_grouped_rows import monthly
from ..team import spelt

pytestmark = pytest.mark.django_db

ANN, BOB = (Actor(author=name, name=name, superuser=True) for name in ("ann", "bob"))


@pytest.fixture
def served(stay: DataProduct) -> ModelVersion:
    return version(stay)


def predict(
    product: DataProduct, served: ModelVersion, confidences: Sequence[float], kind: str = "reference"
) -> list[Prediction]:
    """Store a prediction for each confidence, about a reference or an entity of its own."""
    requests = [question(product, {kind: f"{n + 1}"}, age=20 + n % 90) for n in range(len(confidences))]
    answers = [ClassAnswer("True", share, (1 - share, share)) for share in confidences]
    return upsert.store(PredictionBatch(product, served, requests, answers))


def compute(product: DataProduct) -> list[LabelCandidate]:
    """Order the queue anew, and list it."""
    row, _ = LabelQueue.objects.get_or_create(product=product.name)
    label_ordering.update(row, product)
    return read(product, 500)


def read(product: DataProduct, first: int = 20, **bounds: Any) -> list[LabelCandidate]:
    return LabelCandidate.objects.page(product, PageRequest(first, **bounds)).nodes


def test_an_instance_of_a_feature_that_had_another_type_keeps_no_other_one_out(
    stay: DataProduct, served: ModelVersion
) -> None:
    text, *others = predict(stay, served, [0.6, 0.7, 0.8])
    Prediction.objects.filter(pk=text.pk).update(features=text.features | {"age": "old"})
    assert {row.prediction_id for row in compute(stay)} == {row.pk for row in others}
    Prediction.objects.update(features=text.features | {"age": "old"})
    assert compute(stay) == []


def test_a_key_that_only_its_column_calls_equal_is_another_entity() -> None:
    product = spelt()
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE team_spelt (key char(4) PRIMARY KEY, age integer, churned boolean)")
        cursor.execute("INSERT INTO team_spelt VALUES ('ann', 30, true), ('bert', 40, true)")
    subjects = {truth.subject_of_entity(product, key): key for key in ("ann", "bert")}
    assert label_pool.find_labelled(product, subjects) == {truth.subject_of_entity(product, "bert")}


def references(rows: Sequence[LabelCandidate]) -> list[str | None]:
    return [row.reference for row in rows]


def test_the_most_uncertain_come_first(stay: DataProduct, served: ModelVersion) -> None:
    predict(stay, served, [0.99, 0.51, 0.8, 0.6])
    rows = compute(stay)
    assert references(rows) == ["2", "4", "3", "1"]
    assert [row.position for row in rows] == [1, 2, 3, 4]
    first = rows[0]
    assert (first.answer, first.runner_up, first.confidence) == ("True", "False", 0.51)
    assert first.uncertainty == pytest.approx(0.98)
    assert first.find_prediction() == Prediction.objects.get(reference="2")
    assert first.find_entity() is None


def test_the_newest_prediction_of_each_subject_stands_for_it(stay: DataProduct, served: ModelVersion) -> None:
    predict(stay, served, [0.5, 0.9])
    other = version(stay)
    predict(stay, other, [0.95])
    Prediction.objects.filter(model=served).update(created_at=NOON)
    rows = compute(stay)
    assert references(rows) == ["2", "1"]
    assert [row.model_id for row in rows] == [served.pk, other.pk]


def test_what_was_not_served_is_not_in_it(stay: DataProduct, served: ModelVersion) -> None:
    predict(stay, served, [0.5, 0.9])
    Prediction.objects.filter(reference="1").update(served=False)
    assert references(compute(stay)) == ["2"]


def test_a_label_takes_it_out_at_once_and_its_retraction_brings_it_back(
    stay: DataProduct, served: ModelVersion
) -> None:
    predict(stay, served, [0.5, 0.6, 0.7])
    compute(stay)
    given = Feedback.objects.give(stay, About(reference="1"), "True", "ann")
    assert references(read(stay)) == ["2", "3"]
    Feedback.objects.retract(stay, given.feedback.pk, ANN)
    assert references(read(stay)) == ["1", "2", "3"]


def test_a_dispute_without_an_answer_waits_for_others_than_those_who_disagree(
    stay: DataProduct, served: ModelVersion
) -> None:
    predict(stay, served, [0.5, 0.6])
    for author, label in (("ann", "True"), ("cid", "False")):
        Feedback.objects.give(stay, About(reference="1"), label, author)
    assert references(compute(stay)) == ["1", "2"]
    with acting_as(BOB):
        assert references(read(stay)) == ["1", "2"]
    with acting_as(ANN):
        assert references(read(stay)) == ["2"]


def test_rows_whose_table_has_a_label_are_left_out(stay: DataProduct, served: ModelVersion) -> None:
    for key, relapsed in enumerate([None, True, None], start=1):
        operate(pk=key, relapsed=relapsed)
    predict(stay, served, [0.9, 0.5, 0.6], "entity")
    assert [row.entity for row in compute(stay)] == ["3", "1"]
    stay.join.model._default_manager.filter(pk=3).update(relapsed=False)
    assert [row.entity for row in read(stay)] == ["1"]


def test_rows_that_nobody_has_asked_about_are_predicted_by_the_champion(
    stay: DataProduct, served: ModelVersion
) -> None:
    for key in range(1, 5):
        operate(pk=key, age=20 + key, at=NOON + key * HOUR, relapsed=True if key == 4 else None)
    predict(stay, served, [0.5], "entity")
    unserved = compute(stay)
    assert {row.entity: row.uncertainty for row in unserved if not row.prediction_id} == {
        "2": None,
        "3": None,
    }
    Promotion.objects.promote(served, "It is the first.", by="ann")
    rows = {row.entity: row for row in compute(stay)}
    assert set(rows) == {"1", "2", "3"}
    assert rows["2"].prediction_id is None
    assert rows["2"].find_version() == served
    assert rows["2"].confidence == pytest.approx(0.75)
    assert rows["2"].uncertainty == pytest.approx(0.5)
    entity = rows["2"].find_entity()
    assert entity and entity.key == "2"
    assert Prediction.objects.count() == 1


def test_the_first_are_not_one_row_many_times(stay: DataProduct, served: ModelVersion) -> None:
    """A hundred times the same patient, of whom the model is least certain, is one among the first twenty."""
    same = [question(stay, {"reference": f"same {n}"}, age=50) for n in range(100)]
    others = [question(stay, {"reference": f"other {n}"}, age=20 + n) for n in range(30)]
    answers = [ClassAnswer("True", share, (1 - share, share)) for share in [0.5] * 100 + [0.6] * 30]
    upsert.store(PredictionBatch(stay, served, [*same, *others], answers))
    rows = references(compute(stay))
    assert len(rows) == 130
    assert sum(str(name).startswith("same") for name in rows[:20]) == 1
    assert len([name for name in rows[:31] if str(name).startswith("same")]) <= 2


def test_numbers_are_ordered_by_the_width_of_their_intervals(diabetes: DataProduct) -> None:
    curve = {"at": [0.0, 100.0], "below": [1.0, 3.0], "above": [1.0, 3.0]}
    intervals = {
        "errors": [-1.0, 0.0, 1.0], "count": 3, "coverage": {}, "width": {}, "basis": "PREDICTION", "curve": curve
    }  # fmt: skip
    served = version(diabetes, intervals=intervals)
    instance = [0.0] * len(diabetes.columns)
    requests = [upsert.ValidRequest([*instance[:-1], float(n)], reference=f"{n}") for n in range(3)]
    answers = [ValueAnswer(value) for value in (10.0, 90.0, 50.0)]
    upsert.store(PredictionBatch(diabetes, served, requests, answers))
    rows = compute(diabetes)
    assert references(rows) == ["1", "2", "0"]
    assert rows[0].uncertainty == pytest.approx(2 * 2.8)
    ModelVersion.objects.update(intervals=intervals | {"errors": [-1e308, 0.0, 1e308]})
    versions._intervals._values.clear()
    assert [row.uncertainty for row in compute(diabetes)] == [None] * 3


def test_a_cursor_goes_on_in_its_own_order(stay: DataProduct, served: ModelVersion) -> None:
    predict(stay, served, [0.5 + n / 100 for n in range(12)])
    compute(stay)
    first = LabelCandidate.objects.page(stay, PageRequest(4))
    Prediction.objects.filter(reference__in=["1", "2", "11", "12"]).delete()
    Prediction.objects.update(created_at=NOON)
    predict(stay, version(stay), [0.99] * 10)
    assert references(compute(stay))[0] != "3"
    second = LabelCandidate.objects.page(stay, PageRequest(100, first.cursor(first.nodes[-1])))
    assert references(second.nodes) == ["5", "6", "7", "8", "9", "10"]
    assert (second.has_next, second.has_previous, second.total()) == (False, True, 8)


def test_pages_go_both_ways(stay: DataProduct, served: ModelVersion) -> None:
    predict(stay, served, [0.5 + n / 100 for n in range(7)])
    rows = compute(stay)
    page = LabelCandidate.objects.page(stay, PageRequest(last=2))
    assert page.nodes == rows[5:] and (page.has_previous, page.has_next) == (True, False)
    before = LabelCandidate.objects.page(stay, PageRequest(last=9, before=page.cursor(page.nodes[0])))
    assert before.nodes == rows[:5] and (before.has_previous, before.has_next) == (False, True)
    with pytest.raises(OutOfRange):
        LabelCandidate.objects.page(stay, PageRequest(0))


@pytest.mark.parametrize(
    "values", [[], [1], [None, None], ["1", 1], [1.5, 2], [-1, 1], [2**40, 1], [True, 1], [7, 1]]
)
def test_an_invalid_cursor_is_refused(stay: DataProduct, served: ModelVersion, values: list[Any]) -> None:
    predict(stay, served, [0.5])
    compute(stay)
    tag = pagination.Cursors(label_queue.CURSORS).tag
    for cursor in (pagination.encode([tag, *values]), pagination.encode(values), "!"):
        with pytest.raises(BadInput) as refused:
            read(stay, after=cursor)
        assert refused.value.argument == ("after",)


def test_the_same_again_is_no_new_generation(stay: DataProduct, served: ModelVersion) -> None:
    predict(stay, served, [0.5, 0.6])
    compute(stay)
    compute(stay)
    assert LabelQueue.objects.get().generation == 1
    predict(stay, served, [0.5, 0.6, 0.7])
    compute(stay)
    assert LabelQueue.objects.get().generation == 2
    assert set(LabelCandidate.objects.values_list("generation", flat=True)) == {1, 2}


def test_a_generation_is_kept_for_some_time_after_the_next(stay: DataProduct, served: ModelVersion) -> None:
    for count in (1, 2, 3):
        predict(stay, served, [0.5] * count)
        compute(stay)
    LabelCandidate.objects.filter(generation__lte=2).update(created_at=NOON)
    row = LabelQueue.objects.get()
    row.replace([], {}, 0.0)
    assert set(LabelCandidate.objects.values_list("generation", flat=True)) == {2, 3}
    assert read(stay) == []


def test_a_deleted_prediction_takes_its_place_with_it(stay: DataProduct, served: ModelVersion) -> None:
    stored = predict(stay, served, [0.5, 0.6])
    row = LabelQueue.objects.create(product="stay")
    rows = label_ordering.order(stay, label_pool.gather(stay))
    Prediction.objects.filter(pk=stored[0].pk).delete()
    row.replace(rows, {}, 0.0)  # as if it had been deleted in between
    assert references(read(stay)) == ["2"]
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM store_prediction")
    assert not LabelCandidate.objects.exists()


@pytest.fixture
def enqueued(monkeypatch: Any, django_capture_on_commit_callbacks: Any) -> Any:
    """Look for queues that are due, as maintenance does, and list the jobs that are requested."""

    def look() -> list[tuple[str, int]]:
        jobs: list[tuple[str, int]] = []
        monkeypatch.setattr(queue, "enqueue", lambda kind, pk: jobs.append((kind, pk)))
        with django_capture_on_commit_callbacks(execute=True):
            LabelQueue.objects.request_due()
        return jobs

    return look


def test_a_job_is_requested_once_for_what_has_changed(
    stay: DataProduct, served: ModelVersion, enqueued: Any
) -> None:
    predict(stay, served, [0.5, 0.6])
    [job] = enqueued()
    row = LabelQueue.objects.get(product="stay")
    assert job == ("labels", row.pk)
    assert enqueued() == []
    label_ordering.run_job(row.pk)
    assert references(read(stay)) == ["1", "2"]
    row.refresh_from_db()
    assert row.requested_at is None
    # Nothing has changed, however long ago it was.
    LabelQueue.objects.filter(product="stay").update(computed_at=NOON, looked_at=NOON)
    assert enqueued() == []
    Feedback.objects.give(stay, About(reference="1"), "True", "ann")
    LabelQueue.objects.filter(product="stay").update(looked_at=NOON)
    assert enqueued() == [job]
    # A job that comes twice does nothing.
    label_ordering.run_job(row.pk)
    before = LabelQueue.objects.get(pk=row.pk).computed_at
    label_ordering.run_job(row.pk)
    assert LabelQueue.objects.get(pk=row.pk).computed_at == before


def test_labels_come_into_the_order_sooner_than_predictions(
    stay: DataProduct, served: ModelVersion, enqueued: Any
) -> None:
    predict(stay, served, [0.5, 0.6])
    compute(stay)
    minute = Now() - timezone.timedelta(seconds=60)
    LabelQueue.objects.filter(product="stay").update(computed_at=minute, looked_at=NOON)
    predict(stay, served, [0.5, 0.6, 0.7])
    Prediction.objects.filter(reference="3").update(created_at=Now() + HOUR)
    assert enqueued() == []
    Feedback.objects.give(stay, About(reference="1"), "True", "ann")
    LabelQueue.objects.filter(product="stay").update(looked_at=NOON)
    assert [kind for kind, _ in enqueued()] == ["labels"]


def test_a_lost_job_is_requested_again(stay: DataProduct, served: ModelVersion, enqueued: Any) -> None:
    predict(stay, served, [0.5])
    [job] = enqueued()
    LabelQueue.objects.filter(product="stay").update(requested_at=NOON, looked_at=NOON)
    assert enqueued() == [job]


def test_all_queues_are_looked_at_by_two_queries(stay: DataProduct, django_assert_num_queries: Any) -> None:
    LabelQueue.objects.request_due()
    LabelQueue.objects.update(generation=1)
    with django_assert_num_queries(2):
        LabelQueue.objects.request_due()


def test_an_empty_product_has_an_empty_page(stay: DataProduct) -> None:
    page = LabelCandidate.objects.page(stay, PageRequest())
    assert (page.nodes, page.has_next, page.total()) == ([], False, 0)
    assert compute(stay) == []


@pytest.mark.django_db(transaction=True)
def test_two_jobs_at_once_leave_one_order(stay: DataProduct) -> None:
    predict(stay, version(stay), [0.5, 0.6, 0.7])
    row = LabelQueue.objects.create(product="stay")
    at_once(*[lambda: label_ordering.update(LabelQueue.objects.get(pk=row.pk), stay)] * 3)
    assert LabelQueue.objects.get().generation == 1
    assert LabelCandidate.objects.count() == 3


def test_uncertainty_of_what_no_version_says_is_the_greatest() -> None:
    rows = [label_pool.Unlabelled(f"{n}", {}, uncertainty=value) for n, value in enumerate([None, 0.25, 0.5])]
    assert label_ordering._weigh(rows).tolist() == [0.5, 0.25, 0.5]
    assert np.array_equal(label_ordering._weigh(rows[:1]), [1.0])


def test_groups_of_rows_that_nobody_has_asked_about_are_in_it() -> None:
    rows = [customer(orders=[(0, 10.0 * n), (1, 5.0)]) for n in range(1, 4)]
    product = monthly()
    keys = [f'[{row.pk}, "2024-05-01T00:00:00+00:00"]' for row in rows]
    assert sorted(label_pool._list_unasked(product)) == sorted(keys)
    waiting = label_ordering.order(product, label_pool.gather(product))
    assert sorted(str(row.entity) for row in waiting) == sorted(keys)
    assert label_queue.read_facts(product)["entity"] is None


def test_a_table_that_is_not_there_ends_no_maintenance(
    stay: DataProduct, served: ModelVersion, enqueued: Any
) -> None:
    predict(stay, served, [0.5])
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE clinic_operation RENAME TO elsewhere")
    assert label_queue.read_facts(stay)["entity"] is None
    assert "labels" in [kind for kind, _ in enqueued()]
