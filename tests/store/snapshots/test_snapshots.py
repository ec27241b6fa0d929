"""Snapshots: every row accounted for, and a fingerprint of what was learned from."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.db.models import DateTimeField, F, FloatField, Func, IntegerField, Q
from django.db.models.functions import Cast

from examples.diabetes.models import Patient, Serum
from learning.evaluation.learnable import select_learnable
from learning.exceptions import NoRows, OneClass, TooFewInstances
from learning.problem import Classification
from store.exceptions import RowsMultiplied
from store.predictions import upsert
from store.predictions.feedback import About, Feedback
from store.predictions.predictions import Prediction
from store.predictions.upsert import PredictionBatch, ValidRequest
from store.products.product import DataProduct
from store.snapshots import fingerprint
from store.snapshots.snapshots import Snapshot
from tests.clinic.models import Anamnesis, Operation, Visit, Ward

from ..conftest import HOUR, NOON, STAY, declared, operate, version

pytestmark = pytest.mark.usefixtures("tables")


def take(product: DataProduct) -> Snapshot:
    return Snapshot.objects.take(product)


def rows(snapshot: Snapshot, *columns: str) -> list[tuple[Any, ...]]:
    names = ", ".join(f'"{name}"' for name in columns)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {names} FROM {snapshot.table} ORDER BY 1")
        return cursor.fetchall()


def counts(snapshot: Snapshot) -> dict[str, int]:
    names = ("rows_in", "rows", "unlabelled", "incomplete", "from_predictions")
    return {name: getattr(snapshot, name) for name in names}


def predicted(
    product: DataProduct, answer: str | None = None, about: dict[str, str] | None = None, **more: Any
) -> Any:
    """A prediction, and feedback on it where an answer is given."""
    registered = version(product)
    question = ValidRequest(instance=product.clean(STAY | more), **(about or {}))
    answers = registered.load(product).predict([question.instance])
    [prediction] = upsert.store(PredictionBatch(product, registered, [question], answers))
    if answer is not None:
        Feedback.objects.give(product, About(prediction=prediction.pk), answer, "ann")
    return prediction


def test_every_row_is_accounted_for(stay: DataProduct) -> None:
    operate(relapsed=True)
    operate(relapsed=None)
    operate(age=None, relapsed=True)
    predicted(stay, "True", {"reference": "form"})
    predicted(stay, "False")
    predicted(stay, None, {"reference": "unlabelled"})
    snapshot = take(stay)
    assert counts(snapshot) == {
        "rows_in": 3,
        "rows": 4,
        "unlabelled": 1,
        "incomplete": 1,
        "from_predictions": 2,
    }
    assert Snapshot.objects.latest("pk") == snapshot


def test_a_table_without_rows_is_a_snapshot_too(stay: DataProduct) -> None:
    snapshot = take(stay)
    assert counts(snapshot) == dict.fromkeys(counts(snapshot), 0)
    with pytest.raises(NoRows):
        snapshot.dataset(stay)


def test_labels_in_a_snapshot_are_the_majoritys_else_the_tables(stay: DataProduct) -> None:
    agreed, disputed, silent = operate(relapsed=False), operate(relapsed=False), operate(relapsed=True)
    for operation, author, answer in [
        (agreed, "a", "True"),
        (disputed, "a", "True"),
        (disputed, "b", "False"),
    ]:
        Feedback.objects.give(stay, About(entity=str(operation.pk)), answer, author)
    Operation.objects.filter(pk=agreed.pk).update(relapsed=None)
    found = dict(rows(take(stay), "_entity", "_label"))
    assert found == {str(agreed.pk): "True", str(disputed.pk): "False", str(silent.pk): "True"}


def test_the_newest_prediction_of_a_subject_is_the_example(stay: DataProduct) -> None:
    predicted(stay, None, {"reference": "form"}, age=20)
    newest = predicted(
        stay, "True", {"reference": "form"}, age=30, cost=12.5, born=date(1990, 1, 1), smokes=True
    )
    snapshot = take(stay)
    names = ("_prediction", "_entity", "_label", "_at", "age", "born", "cost", "smokes", "note", "urgency")
    [found] = rows(snapshot, *names)
    stored = (newest.created_at, 30, date(1990, 1, 1), 12.5, True, "", "planned")
    assert found == (UUID(newest.pk), None, "True", *stored)


def test_a_labelled_prediction_about_an_entity_is_its_row(stay: DataProduct) -> None:
    operation = operate()
    predicted(stay, "True", {"entity": str(operation.pk)})
    predicted(stay, "True", {"entity": "4711"})
    expected = {"rows_in": 2, "rows": 2, "unlabelled": 0, "incomplete": 0, "from_predictions": 0}
    assert counts(take(stay)) == expected


def test_examples_from_predictions_join_where_rows_cannot_be_written(relapse: DataProduct) -> None:
    features = {"cost_per_year": 1.5, "visits": 2, "labs": 0, "beds": 2**40, "minutes": 0.5}
    predicted(relapse, "True", {"reference": "form"}, **features)
    assert counts(take(relapse))["from_predictions"] == 1
    [found] = rows(take(relapse), "cost_per_year", "visits", "beds", "minutes", "last_marker")
    assert found == (1.5, 2, 2**40, 0.5, None)


def test_a_stored_feature_that_no_longer_fits_its_column_is_null(stay: DataProduct) -> None:
    predicted(stay, "True")
    stored = Prediction.objects.get()
    stored.features |= {"age": "old", "cost": "1e9"}
    stored.save()
    assert rows(take(stay), "age", "cost", "urgency") == [(None, None, "planned")]


def test_a_percent_sign_is_a_percent_sign(stay: DataProduct) -> None:
    operate(note="100 % %s %(x)s %%", relapsed=True)
    predicted(stay, "True", {"reference": "50 %"}, note="%s")
    snapshot = take(stay)
    assert {note for (note,) in rows(snapshot, "note")} == {"%s", "100 % %s %(x)s %%"}
    some = declared({"cost": "cost"}, rows=Operation.objects.filter(anamnesis__note__contains="0 % %s"))
    assert take(some).rows == 1


def test_the_snapshots_statement_is_stored_with_its_parameters(relapse: DataProduct) -> None:
    sql = take(relapse).sql
    assert sql.startswith('CREATE TABLE snapshots."relapse_1"')
    assert "'relapse'" in sql and "%s" not in sql


def test_snapshots_are_numbered_for_each_product(stay: DataProduct, relapse: DataProduct) -> None:
    assert [str(take(product)) for product in (stay, relapse, stay)] == ["stay 1", "relapse 1", "stay 2"]


def test_a_snapshot_does_not_change_with_its_tables(stay: DataProduct) -> None:
    operate(cost=1)
    snapshot = take(stay)
    Operation.objects.update(cost=2)
    assert rows(snapshot, "cost") == [(1,)]
    snapshot.drop()
    snapshot.drop()
    assert Snapshot.objects.get() == snapshot


def test_equal_content_has_an_equal_fingerprint_whatever_the_order(stay: DataProduct) -> None:
    for pk in (1, 2, 3):
        operate(pk=pk, age=pk)
    first = take(stay)
    Operation.objects.all().delete()
    for pk in (3, 1, 2):
        operate(pk=pk, age=pk)
    Anamnesis.objects.update(note="")
    assert take(stay).fingerprint == first.fingerprint


@pytest.mark.parametrize(
    "change",
    [
        lambda: Anamnesis.objects.update(age=51),
        lambda: Anamnesis.objects.update(smokes=False),
        lambda: Operation.objects.update(relapsed=True),
        lambda: Operation.objects.update(done_at=NOON + HOUR),
        lambda: operate(),
        lambda: Operation.objects.all().delete(),
    ],
)
def test_changed_content_has_another_fingerprint(stay: DataProduct, change: Any) -> None:
    operate(relapsed=False)
    first = take(stay)
    change()
    assert take(stay).fingerprint != first.fingerprint


def test_values_that_change_places_between_rows_change_the_fingerprint() -> None:
    with connection.cursor() as cursor:
        for number in range(1, 100):
            found = set()
            for labels in (["yes", "no"], ["no", "yes"]):
                cursor.execute(
                    "CREATE TABLE snapshots.pair AS SELECT _entity, NULL::uuid _prediction, _label "
                    "FROM unnest(%s, %s) AS t(_entity, _label)",
                    [[f"{number}", f"{-number}"], labels],
                )
                found.add(fingerprint.scan_table("snapshots.pair").fingerprint)
                cursor.execute("DROP TABLE snapshots.pair")
            assert len(found) == 2


def test_large_numbers_and_times_that_postgresql_hashes_alike_have_other_fingerprints() -> None:
    ward = Ward.objects.create(beds=1)
    operation = operate(ward=ward)
    product = declared({"beds": "ward__beds", "nearly": Cast("done_at", DateTimeField())}, at="done_at")
    found = {take(product).fingerprint}
    for beds in (2**32, -1, 2**32 - 1, -(2**32) - 1):
        Ward.objects.update(beds=beds)
        found.add(take(product).fingerprint)
    # The low half of the microseconds since 2000 changes as the high half does.
    moved = (operation.done_at - datetime(2000, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    alike = (moved ^ 1) + (1 << 32) if not moved >> 32 & 1 else (moved ^ 1) - (1 << 32)
    Operation.objects.update(done_at=datetime(2000, 1, 1, tzinfo=UTC) + timedelta(microseconds=alike))
    found.add(take(product).fingerprint)
    assert len(found) == 6


def test_repeated_rows_count_in_the_fingerprint() -> None:
    found = set()
    with connection.cursor() as cursor:
        for times in (0, 1, 2, 3):
            cursor.execute(
                "CREATE TABLE snapshots.same AS SELECT NULL::text _entity, NULL::uuid _prediction, '1' _label "
                "FROM generate_series(1, %s)",
                [times],
            )
            found.add(fingerprint.scan_table("snapshots.same").fingerprint)
            cursor.execute("DROP TABLE snapshots.same")
    assert len(found) == 4


def test_other_columns_have_another_fingerprint() -> None:
    operate()
    names = [declared({"a": "cost"}), declared({"b": "cost"}), declared({"a": Cast("cost", FloatField())})]
    assert len({take(product).fingerprint for product in names}) == 3


def test_feedback_that_confirms_the_label_changes_nothing_that_is_learned(
    stay: DataProduct, diabetes: DataProduct
) -> None:
    operation = operate(relapsed=True)
    patient = Patient.objects.create(number="P-1", age=50, sex=1, bmi=20, blood_pressure=80, progression=151)
    Serum.objects.create(
        patient=patient,
        total_cholesterol=1,
        ldl=1,
        hdl=1,
        cholesterol_ratio=1,
        log_triglycerides=1,
        glucose=1,
    )
    for product, key, answer in [
        (stay, str(operation.pk), "True"),
        (diabetes, "P-1", diabetes.answer_of(151)),
    ]:
        before = take(product).fingerprint
        Feedback.objects.give(product, About(entity=key), answer, "ann")
        assert take(product).fingerprint == before


def series(upto: int) -> Func:
    """A feature that gives `upto` rows for each instance."""
    return Func(F("cost"), template=f"generate_series(1, {upto})", output_field=IntegerField())


def test_a_join_that_multiplies_instances_is_refused_with_the_counts() -> None:
    operate()
    operate()
    with pytest.raises(RowsMultiplied, match=r"multiplies: 6 rows for 2 entities \(2 rows in\)"):
        take(declared({"many": series(3)}))
    filtered = declared({"cost": "cost"}, rows=Operation.objects.filter(visits__minutes__gt=0))
    Visit.objects.bulk_create(Visit(operation=Operation.objects.first(), on=NOON, minutes=n) for n in (1, 2))
    with pytest.raises(RowsMultiplied, match="multiplies: 2 rows for 1 entities"):
        take(filtered)
    assert take(declared({"cost": "cost"}, rows=filtered.join.queryset.distinct())).rows == 1


def test_instances_that_come_twice_do_not_hide_those_that_are_lost() -> None:
    for cost in (0, 2, 1):
        operate(cost=cost)
    some = Func(F("cost"), template="generate_series(1, %(expressions)s::int)", output_field=IntegerField())
    with pytest.raises(RowsMultiplied, match=r"multiplies: 3 rows for 2 entities \(3 rows in\)"):
        take(declared({"some": some}))


def test_instances_are_counted_where_the_base_is_more_than_one_table() -> None:
    for beds in (0, 5):
        operate(ward=Ward.objects.create(beds=beds))
    filtered = declared({"cost": "cost"}, rows=Operation.objects.filter(ward__beds__gt=0))
    assert counts(take(filtered))["rows"] == counts(take(filtered))["rows_in"] == 1


def test_a_join_that_loses_instances_is_refused_with_the_counts() -> None:
    operate()
    operate(age=None)
    with pytest.raises(RowsMultiplied, match="loses rows: 2 in, 1 incomplete, and 0 out"):
        take(declared({"none": series(0), "age": "anamnesis__age"}))


def test_a_snapshot_that_is_refused_leaves_nothing() -> None:
    operate()
    with pytest.raises(RowsMultiplied):
        take(declared({"many": series(3)}))
    assert not Snapshot.objects.exists()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'snapshots'")
        assert cursor.fetchone() == (0,)


def test_a_queryset_narrows_the_instances(stay: DataProduct) -> None:
    ward = Ward.objects.create(beds=1)
    operate(ward=ward)
    operate()
    product = declared({"cost": "cost"}, rows=Operation.objects.filter(Q(ward__beds__gt=0)).order_by("-cost"))
    assert counts(take(product))["rows_in"] == 1


def test_a_dataset_holds_the_labelled_rows_in_a_fixed_order(stay: DataProduct) -> None:
    for number in range(12):
        operate(age=number + 1, relapsed=[True, False, None][number % 3])
    snapshot = take(stay)
    first, again = snapshot.dataset(stay), snapshot.dataset(stay)
    assert len(first) == 8
    assert first.classes == ("False", "True")
    assert first.fingerprint == snapshot.fingerprint
    assert (first.X["age"] == again.X["age"]).all() and (first.y == again.y).all()
    assert sorted(first.X["age"]) == [1, 2, 4, 5, 7, 8, 10, 11]


def test_too_few_or_one_sided_labels_are_refused(stay: DataProduct) -> None:
    for _ in range(4):
        operate(relapsed=True)
    with pytest.raises(OneClass, match="All 4 labelled instances are 'True'"):
        take(stay).dataset(stay)
    operate(relapsed=False)
    with pytest.raises(TooFewInstances, match="'False' has 1"):
        select_learnable(stay.problem, take(stay).dataset(stay))
    Operation.objects.update(relapsed=None)
    with pytest.raises(NoRows, match="No row has a label yet"):
        take(stay).dataset(stay)


def test_an_undeclared_label_is_not_learned_from() -> None:
    product = declared({"cost": "cost"}, label="urgency", problem=Classification(folds=2))
    for urgency in ["planned", "1st", "2nd"] * 2:
        operate(urgency=urgency)
    assert len(take(product).dataset(product)) == 4
