"""Editing of entities: create, replace and patch their rows."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pytest

from examples.diabetes.models import Patient
from store.entities import entities
from store.entities.entities import KEEP
from store.exceptions import (
    BadInput,
    Conflict,
    NotWritable,
    OutOfRange,
    StaleVersion,
    StoreError,
    UnknownEntity,
)
from store.ingest import editing
from store.ingest.editing import EditResult
from store.predictions.feedback import About, Feedback
from store.products import catalogue
from store.products.product import DataProduct
from tests.clinic.models import Anamnesis, Operation

from ..conftest import HOUR, NOON, STAY, at_once, operate

pytestmark = pytest.mark.django_db


def create(product: DataProduct, key: str | None = None, label: Any = None, **features: Any) -> EditResult:
    return editing.create(product, key, STAY | features, label, NOON)


def patch(
    product: DataProduct, key: Any, label: Any = KEEP, version: str | None = None, **features: Any
) -> EditResult:
    return editing.patch(product, str(key), features, label, KEEP, version)


def replace(
    product: DataProduct, key: Any, label: Any = None, version: str | None = None, **features: Any
) -> EditResult:
    return editing.replace(product, str(key), STAY | features, label, NOON, version)


def test_a_new_entity_has_rows_in_every_table(stay: DataProduct) -> None:
    features = {"born": date(1960, 1, 2), "smokes": True, "note": "x", "woken": time(6, 30)}
    result = create(stay, label=True, cost=12.345, **features)
    operation = Operation.objects.get()
    assert (result.created, result.entity.key) == (True, str(operation.pk))
    assert result.entity.features == {
        "age": 61,
        "born": date(1960, 1, 2),
        "cost": Decimal("12.35"),
        "note": "x",
        "smokes": True,
        "urgency": "planned",
        "woken": time(6, 30),
    }
    assert (result.entity.label, result.entity.at, result.entity.complete) == (True, NOON, True)
    assert set(result.changed) == {*STAY, "woken", "label", "at"}


def test_a_new_entity_has_the_requested_key(stay: DataProduct) -> None:
    assert create(stay, key="4711").entity.key == "4711"


def test_the_sequence_continues_after_an_inserted_key(stay: DataProduct) -> None:
    first = int(create(stay).entity.key)
    create(stay, key=str(first + 5))
    assert int(create(stay).entity.key) == first + 6


def test_a_small_key_does_not_set_the_sequence_back(stay: DataProduct) -> None:
    last = int(create(stay).entity.key)
    Operation.objects.all().delete()
    create(stay, key="-3")
    assert int(create(stay).entity.key) == last + 1


def test_a_key_that_exists_is_a_conflict(stay: DataProduct) -> None:
    operation = operate()
    with pytest.raises(Conflict, match=f"with the key '{operation.pk}' exists already"):
        create(stay, key=str(operation.pk))


@pytest.mark.parametrize("key", ["x", "", "007", "a\0", "9" * 30])
def test_an_invalid_key_is_rejected(stay: DataProduct, key: str) -> None:
    with pytest.raises(BadInput, match="cannot be the key of a operation"):
        create(stay, key=key)


def test_a_key_is_required_where_the_table_generates_none(diabetes: DataProduct) -> None:
    features = {c.name: 1 for c in diabetes.columns} | {"bmi": 20, "blood_pressure": 80}
    with pytest.raises(BadInput, match="A patient needs a key"):
        editing.create(diabetes, None, features, None, None)
    assert editing.create(diabetes, "P-1", features, 151.5, None).entity.label == 151.5
    assert Patient.objects.get().serum.hdl == 1


def test_nothing_is_written_where_a_feature_is_invalid(stay: DataProduct) -> None:
    with pytest.raises(OutOfRange) as raised:
        create(stay, age=0)
    assert raised.value.argument == ("features", "age")
    with pytest.raises(BadInput, match="Urgency must be one of planned, 1st, not 'never'"):
        create(stay, urgency="never")
    assert not Operation.objects.exists()


def test_a_missing_event_time_is_named_in_the_error(stay: DataProduct) -> None:
    with pytest.raises(BadInput, match="done_at"):
        editing.create(stay, None, STAY, None, None)
    assert not Operation.objects.exists()


def test_a_patch_changes_its_features_only(stay: DataProduct) -> None:
    operation = operate(age=50, note="old")
    done = patch(stay, operation.pk, age=51, note="old")
    assert (done.created, done.changed) == (False, ["age"])
    assert (done.entity.features["age"], done.entity.features["note"]) == (51, "old")


def test_a_patch_may_set_null(stay: DataProduct) -> None:
    operation = operate(smokes=True, relapsed=True)
    assert patch(stay, operation.pk, smokes=None, label=None).changed == ["smokes", "label"]
    assert entities.get(stay, str(operation.pk)).label is None


def test_a_patch_changes_the_time_of_the_event(stay: DataProduct) -> None:
    operation = operate()
    done = editing.patch(stay, str(operation.pk), {}, KEEP, NOON + HOUR, None)
    assert (done.changed, done.entity.at) == (["at"], NOON + HOUR)


def test_an_invalid_patch_changes_nothing(stay: DataProduct) -> None:
    operation = operate(age=50)
    for features in (
        {"age": 51, "cost": -(10**9)},
        {"age": 51, "urgency": None},
        {"age": 51, "note": "x" * 51},
    ):
        with pytest.raises(StoreError):
            patch(stay, operation.pk, **features)
    assert Anamnesis.objects.get().age == 50


@pytest.mark.parametrize("key", ["0", "x", "a\0", ""])
def test_an_unknown_entity_cannot_be_patched(stay: DataProduct, key: str) -> None:
    with pytest.raises(UnknownEntity, match="No operation has the key"):
        patch(stay, key, age=51)


def test_a_computed_or_shared_column_cannot_be_patched(relapse: DataProduct) -> None:
    operation = operate(age=50)
    for name in ("cost_per_year", "beds", "visits", "last_marker"):
        title = name.capitalize().replace("_", " ")
        with pytest.raises(NotWritable, match=f"{title} is computed, or belongs to a row that others share"):
            patch(relapse, operation.pk, **{name: 3})
    assert patch(relapse, operation.pk, age=51).changed == ["age"]


def test_entities_with_computed_columns_cannot_be_created_or_replaced(relapse: DataProduct) -> None:
    for write in (lambda: create(relapse), lambda: replace(relapse, 7)):
        with pytest.raises(NotWritable, match="cannot be written as a whole"):
            write()


def test_replacing_sets_absent_features_to_null(stay: DataProduct) -> None:
    operation = operate(smokes=True, relapsed=True)
    done = replace(stay, operation.pk)
    assert not done.created
    assert (done.entity.features["smokes"], done.entity.features["age"], done.entity.label) == (
        None,
        61,
        None,
    )


def test_replacing_an_unknown_entity_creates_it(stay: DataProduct) -> None:
    assert replace(stay, 4711, label=False).created
    assert Operation.objects.get(pk=4711).relapsed is False


def test_replacing_needs_a_key(stay: DataProduct) -> None:
    with pytest.raises(BadInput, match="Name the entity to replace"):
        editing.replace(stay, None, STAY, None, NOON, None)


def test_a_version_that_was_read_before_others_wrote_is_stale(stay: DataProduct) -> None:
    key = str(operate(age=50).pk)
    read = entities.get(stay, key).version
    assert patch(stay, key, version=read, age=51).changed == ["age"]
    for write in (patch, replace):
        with pytest.raises(StaleVersion, match="read it again"):
            write(stay, key, version=read, age=52)
    assert patch(stay, key, version=entities.get(stay, key).version, age=52).changed == ["age"]


def test_the_version_of_a_deleted_entity_is_stale(stay: DataProduct) -> None:
    with pytest.raises(StaleVersion, match="does not exist any more"):
        replace(stay, 4711, version="x")


@pytest.mark.parametrize(
    "change", [{"age": 51}, {"smokes": True}, {"note": "x"}, {"cost": 3}, {"label": True}, {"urgency": "1st"}]
)
def test_every_change_leads_to_another_version(stay: DataProduct, change: dict[str, Any]) -> None:
    key = str(operate(age=50).pk)
    read = entities.get(stay, key).version
    assert patch(stay, key, **change).entity.version != read


@pytest.mark.django_db(transaction=True)
def test_one_of_several_concurrent_edits_of_a_version_succeeds(stay: DataProduct) -> None:
    key = str(operate(age=50).pk)
    read = entities.get(stay, key).version

    def write(age: int) -> bool:
        try:
            return bool(patch(stay, key, version=read, age=age).changed)
        except StaleVersion:
            return False

    assert sorted(at_once(lambda: write(51), lambda: write(52), lambda: write(53))) == [False, False, True]


@pytest.mark.django_db(transaction=True)
def test_one_of_several_concurrent_creations_of_a_key_succeeds(stay: DataProduct) -> None:
    def write() -> bool:
        try:
            return create(stay, key="4711").created
        except Conflict:
            return False

    assert sorted(at_once(write, write, write)) == [False, False, True]


def test_a_missing_one_to_one_row_is_inserted_where_all_its_columns_are_given(stay: DataProduct) -> None:
    operation = operate(age=None)
    assert not entities.get(stay, str(operation.pk)).complete
    done = patch(stay, operation.pk, age=40)
    assert (done.changed, done.entity.complete) == (["age"], True)
    assert done.entity.features["note"] == ""


def test_a_part_of_a_missing_one_to_one_row_is_rejected_with_the_missing_columns(stay: DataProduct) -> None:
    operation = operate(age=None)
    with pytest.raises(BadInput, match="A anamnesis needs age too"):
        patch(stay, operation.pk, smokes=True)
    assert not Anamnesis.objects.exists()


def test_a_missing_one_to_one_row_is_not_inserted_where_none_of_its_columns_is_given(
    stay: DataProduct,
) -> None:
    operation = operate(age=None)
    assert patch(stay, operation.pk, cost=3).changed == ["cost"]
    assert not Anamnesis.objects.exists()


def test_an_edited_label_is_feedback_by_the_table(stay: DataProduct) -> None:
    key = str(operate(relapsed=False).pk)
    result = Feedback.objects.give(stay, About(entity=key), "False", "ann")
    assert patch(stay, key, label=True).entity.label is False  # people agree on it
    assert result.feedback.status_of() == "COUNTS"


def test_feedback_about_a_key_decides_the_label_of_a_row_created_again(stay: DataProduct) -> None:
    key = str(operate().pk)
    Feedback.objects.give(stay, About(entity=key), "True", "ann")
    Operation.objects.all().delete()
    assert create(stay, key=key, label=False).entity.label is True


def test_a_row_created_again_without_a_label_gets_the_label_of_the_feedback(stay: DataProduct) -> None:
    key = str(operate().pk)
    Feedback.objects.give(stay, About(entity=key), "True", "ann")
    Operation.objects.all().delete()
    assert create(stay, key=key).entity.label is True


def test_entities_of_a_product_without_labels_can_be_edited() -> None:
    wine = catalogue.get("wine")
    features = {column.name: 1.0 for column in wine.columns}
    assert editing.replace(wine, "W-1", features, None, None, None).created
    changed = editing.replace(wine, "W-1", features | {"ash": 2.0}, None, None, None)
    assert (changed.changed, changed.entity.label) == (["ash"], None)


def test_times_are_stored_in_utc(stay: DataProduct) -> None:
    result = editing.create(stay, None, STAY, None, datetime(2024, 1, 1, tzinfo=UTC))
    assert result.entity.at == datetime(2024, 1, 1, tzinfo=UTC)
