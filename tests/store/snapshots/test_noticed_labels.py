"""Labels that come into the table without Exemplar: what two snapshots tell of them, and which predictions count."""

from typing import Any

import pytest

from store.access.actors import TABLE, Actor
from store.predictions import truth
from store.predictions.erasure import SubjectName
from store.predictions.feedback import About, Feedback
from store.predictions.predictions import Prediction
from store.products.product import DataProduct
from store.quality import counted
from store.quality.windows import LeftOut
from store.registry.versions import ModelVersion
from store.serving import erasing
from store.snapshots.snapshots import Snapshot
from tests.clinic.models import Operation

from ..conftest import declared, operate, version
from ..predictions.test_predictions import question, record

pytestmark = pytest.mark.usefixtures("tables")

ADMIN = Actor(author="admin", name="admin", superuser=True)


@pytest.fixture
def served(stay: DataProduct) -> ModelVersion:
    """A version, after which come only snapshots that were taken."""
    registered = version(stay)
    Snapshot.objects.filter(product=stay.name).update(dropped_at="2024-05-17T12:00:00Z")
    return registered


def predict(product: DataProduct, by: ModelVersion, operation: Operation, **features: Any) -> Prediction:
    [prediction] = record(product, by, question(product, {"entity": str(operation.pk)}, **features))
    return prediction


def write(operation: Operation, label: bool | None) -> None:
    """Write a label as a team does."""
    Operation.objects.filter(pk=operation.pk).update(relapsed=label)


def words(product: DataProduct, operation: Operation) -> list[tuple[str, str | None]]:
    subject = truth.subject_of_entity(product, str(operation.pk))
    return list(Feedback.objects.filter(subject=subject).order_by("pk").values_list("author", "answer"))


def test_a_label_judges_what_was_predicted_before_the_snapshot_without_it(
    stay: DataProduct, served: ModelVersion
) -> None:
    operation, silent = operate(relapsed=None), operate(relapsed=None)
    predict(stay, served, operation, age=20), predict(stay, served, silent)
    first = Snapshot.objects.take(stay)
    predict(stay, served, operation, age=30)
    write(operation, True)
    assert len(counted.find(stay, None)) == 0
    second = Snapshot.objects.take(stay)
    predict(stay, served, operation, age=40)
    rows = counted.find(stay, None)
    assert (len(rows), rows.left_out) == (1, {LeftOut.TRUTH_BEFORE: 2})
    assert [rows.classes[code] for code in rows.truth] == ["True"]
    judged = Prediction.objects.get(pk=counted.texts(rows.prediction_id)[0])
    assert judged.features["age"] == 20
    assert rows.delay_seconds.tolist() == [
        pytest.approx((second.taken_at - judged.created_at).total_seconds())
    ]
    told = Feedback.objects.filter(product=stay.name).order_by("pk").values_list("answer", "created_at")
    assert list(told) == [(None, first.taken_at), ("True", second.taken_at)]
    Snapshot.objects.take(stay)
    assert len(words(stay, operation)) == 2 and words(stay, silent) == []


def test_of_a_label_that_was_there_before_nothing_is_said(stay: DataProduct, served: ModelVersion) -> None:
    always, new, unasked = operate(relapsed=True), None, operate(relapsed=None)
    Snapshot.objects.take(stay)
    new = operate(relapsed=True)
    predict(stay, served, always), predict(stay, served, new)
    write(unasked, True)
    Snapshot.objects.take(stay)
    assert words(stay, always) == words(stay, new) == words(stay, unasked) == []
    assert len(counted.find(stay, None)) == 0


def test_a_label_that_a_version_may_have_learned_from_does_not_count_when_it_comes_back(
    stay: DataProduct, served: ModelVersion
) -> None:
    operation = operate(relapsed=True)
    Snapshot.objects.take(stay)
    write(operation, None)
    Snapshot.objects.take(stay)
    predict(stay, served, operation)
    Snapshot.objects.take(stay)
    write(operation, True)
    Snapshot.objects.take(stay)
    assert words(stay, operation) == [(TABLE, "True"), (TABLE, None), (TABLE, "True")]
    assert len(counted.find(stay, None)) == 0


def test_the_newest_label_is_the_truth_and_none_where_it_went(
    stay: DataProduct, served: ModelVersion
) -> None:
    operation = operate(relapsed=None)
    predict(stay, served, operation)
    Snapshot.objects.take(stay)
    for label, truths in [(True, ["True"]), (False, ["False"]), (None, [])]:
        write(operation, label)
        Snapshot.objects.take(stay)
        rows = counted.find(stay, None)
        assert [rows.classes[code] for code in rows.truth] == truths
    assert words(stay, operation) == [(TABLE, None), (TABLE, "True"), (TABLE, "False"), (TABLE, None)]


def test_who_speaks_later_decides_and_the_label_was_there_before(
    stay: DataProduct, served: ModelVersion
) -> None:
    operation, spoken = operate(relapsed=None), operate(relapsed=None)
    predict(stay, served, operation, age=20), predict(stay, served, spoken)
    Snapshot.objects.take(stay)
    Feedback.objects.give(stay, About(entity=str(spoken.pk)), "False", "ann")
    write(operation, True)
    Snapshot.objects.take(stay)
    predict(stay, served, operation, age=30)
    word = Feedback.objects.give(stay, About(entity=str(operation.pk)), "False", "ann").feedback
    rows = counted.find(stay, None)
    assert [rows.classes[code] for code in rows.truth] == ["False", "False"]
    assert rows.left_out == {LeftOut.TRUTH_BEFORE: 1}
    assert words(stay, spoken) == [(TABLE, None), ("ann", "False")]
    Feedback.objects.retract(stay, word.pk, ADMIN)
    operation.refresh_from_db()
    assert operation.relapsed is True


def test_what_was_erased_does_not_come_back_from_a_table_that_waits_to_be_dropped(
    stay: DataProduct, served: ModelVersion
) -> None:
    operation = operate(relapsed=True)
    predict(stay, served, operation)
    Snapshot.objects.take(stay)
    erased = erasing.erase(stay, SubjectName(entity=str(operation.pk)))
    assert len(erased.snapshots) == 1
    write(operation, None)
    Snapshot.objects.take(stay)
    assert words(stay, operation) == []
    write(operation, False)
    predict(stay, served, operation)
    Snapshot.objects.take(stay)
    assert words(stay, operation) == [(TABLE, None), (TABLE, "False")]


def test_snapshots_that_read_another_label_or_have_no_rows_any_more_tell_nothing(stay: DataProduct) -> None:
    operation = operate(relapsed=None)
    product = declared({"cost": "cost"})
    predict(product, version(product), operation, age=20)
    first = Snapshot.objects.take(product)
    Snapshot.objects.filter(pk=first.pk).update(sql=first.sql.replace("relapsed", "smoked"))
    write(operation, True)
    second = Snapshot.objects.take(product)
    assert words(product, operation) == []
    second.drop()
    write(operation, False)
    Snapshot.objects.take(product)
    assert words(product, operation) == []
