"""Deletion of entities: their own rows, whole or not at all; what is about them stays."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from store.access import acting
from store.access.actors import Actor
from store.access.audit import Act, AuditEntry
from store.access.permissions import Grants, Permission
from store.entities import entities
from store.exceptions import (
    Conflict,
    ExemplarError,
    Forbidden,
    NotWritable,
    StaleVersion,
    StoreError,
    UnknownEntity,
)
from store.ingest import deleting, editing
from store.ingest.deleting import Deleted
from store.models import Prediction
from store.predictions.feedback import About, Feedback
from store.products.product import DataProduct
from tests.clinic.models import Anamnesis, Operation, Ward

from ..conftest import NOON, STAY, at_once, operate, version
from ..predictions.test_predictions import question, record

pytestmark = pytest.mark.django_db


def delete(product: DataProduct, key: object, version: str | None = None, dry_run: bool = False) -> Deleted:
    return deleting.delete(product, str(key), version, dry_run)


def test_the_rows_of_an_entity_are_deleted_and_no_others(stay: DataProduct) -> None:
    ward = Ward.objects.create(beds=3)
    one, other = operate(ward=ward), operate(ward=ward)
    assert delete(stay, one.pk) == Deleted(0, 0)
    assert (Operation.objects.get(), Anamnesis.objects.get().operation) == (other, other)
    assert Ward.objects.get() == ward  # which others share
    entry = AuditEntry.objects.get(act=Act.DELETE)
    assert (entry.product, entry.ids) == ("stay", [f"Operation:{one.pk}"])


def test_an_entity_that_lacks_a_row_is_deleted_too(stay: DataProduct) -> None:
    delete(stay, operate(age=None).pk)
    assert not Operation.objects.exists()


def test_what_is_about_a_deleted_entity_is_counted_and_stays(stay: DataProduct) -> None:
    operation = operate()
    key = str(operation.pk)
    [prediction] = record(stay, version(stay), question(stay, {"entity": key}))
    Feedback.objects.give(stay, About(entity=key), "True", "ann")
    Feedback.objects.give(stay, About(prediction=prediction.pk), "False", "bob")
    assert delete(stay, key, dry_run=True) == delete(stay, key) == Deleted(1, 2)
    assert Prediction.objects.get().entity == key
    feedback = Feedback.objects.filter(author="ann").get()
    assert feedback.entity_of() is None and feedback.status_of() == "COUNTS"


def test_a_dry_run_deletes_nothing_and_refuses_the_same(stay: DataProduct) -> None:
    operation = operate()
    delete(stay, operation.pk, dry_run=True)
    assert entities.get(stay, str(operation.pk)).complete and not AuditEntry.objects.exists()
    visited = operate(visits=[(timedelta(), 3)])
    with pytest.raises(Conflict):
        delete(stay, visited.pk, dry_run=True)


def test_rows_that_refer_to_an_entity_keep_it_and_are_named(stay: DataProduct) -> None:
    operation = operate(visits=[(timedelta(), 3)], labs=[(timedelta(), 1.5)])
    with pytest.raises(Conflict, match="rows of clinic_lab, clinic_visit refer to it"):
        delete(stay, operation.pk)
    assert Anamnesis.objects.get().operation == operation
    operation.labs.all().delete()
    with pytest.raises(Conflict, match="rows of clinic_visit refer to it"):
        delete(stay, operation.pk)
    assert not AuditEntry.objects.exists()


def test_a_row_that_refers_to_itself_among_others_keeps_it(stay: DataProduct) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE clinic_operation ADD before bigint REFERENCES clinic_operation")
        first, second = operate(), operate()
        cursor.execute("UPDATE clinic_operation SET before = %s WHERE id = %s", [first.pk, second.pk])
    with pytest.raises(Conflict, match="rows of clinic_operation refer to it"):
        delete(stay, first.pk)
    delete(stay, second.pk)
    delete(stay, first.pk)


def test_another_version_and_an_unknown_key_are_refused(stay: DataProduct) -> None:
    operation = operate()
    read = entities.get(stay, str(operation.pk)).version
    editing.patch(stay, str(operation.pk), {"age": 51}, None, NOON, None)
    with pytest.raises(StaleVersion):
        delete(stay, operation.pk, read)
    for key in (operation.pk + 1, "", "x", "0" * 400, "-0", f" {operation.pk}"):
        with pytest.raises(UnknownEntity):
            delete(stay, key)
    delete(stay, operation.pk, entities.get(stay, str(operation.pk)).version)
    with pytest.raises(UnknownEntity):
        delete(stay, operation.pk)


@pytest.mark.parametrize("writes", ["label", "none"])
def test_rows_that_are_not_written_are_not_deleted(stay: DataProduct, writes: str) -> None:
    operation = operate()
    with pytest.raises(NotWritable):
        delete(replace(stay, writes=writes), operation.pk)  # type: ignore[arg-type]
    assert Operation.objects.exists()


def test_a_product_with_computed_features_deletes_nothing(relapse: DataProduct) -> None:
    with pytest.raises(NotWritable):
        delete(relapse, operate().pk)


@pytest.mark.parametrize("permission", [Permission.FEEDBACK, Permission.DELETE])
def test_one_of_the_two_permissions_is_not_enough(
    stay: DataProduct, permission: Permission, settings: Any
) -> None:
    settings.EXEMPLAR_OPEN = False
    operation = operate()
    actor = Actor(author="ann", name="ann", grants=Grants(by_product={"stay": frozenset({permission})}))
    with acting.acting_as(actor), pytest.raises(Forbidden):
        delete(stay, operation.pk)
    assert Operation.objects.exists()


def test_a_trigger_that_keeps_a_row_keeps_all(stay: DataProduct) -> None:
    operation = operate()
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION pg_temp.keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
        )
        cursor.execute(
            "CREATE TRIGGER keep BEFORE DELETE ON clinic_operation FOR EACH ROW EXECUTE FUNCTION pg_temp.keep()"
        )
    with pytest.raises(StoreError, match="was not deleted: a trigger or a policy"):
        delete(stay, operation.pk)
    assert entities.get(stay, str(operation.pk)).complete


def test_a_deleted_key_can_be_used_again(stay: DataProduct) -> None:
    operation = operate()
    delete(stay, operation.pk)
    assert editing.create(stay, str(operation.pk), STAY, None, NOON).created


@pytest.mark.django_db(transaction=True)
def test_of_two_deletions_at_once_one_finds_no_row(stay: DataProduct) -> None:
    key = operate().pk

    def attempt() -> object:
        try:
            return delete(stay, key)
        except ExemplarError as refusal:
            return type(refusal)

    assert set(at_once(attempt, attempt)) == {UnknownEntity, Deleted(0, 0)}
