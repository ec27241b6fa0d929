"""Preflight: what new code would break on the running database is said before it serves."""

import re
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from schema.schema import schema
from store.models import ServedSchema
from store.products import catalogue
from store.products.product import DataProduct
from store.registry import artifacts
from store.registry.promotions import Promotion
from store.registry.versions import ModelVersion
from tests.clinic.models import Operation

from ..store.conftest import declared, operate, version

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def stay() -> DataProduct:
    return catalogue.get("stay")


@pytest.fixture(autouse=True)
def served() -> None:
    """The schema of this code was the last that clients were served."""
    ServedSchema.objects.record(schema.as_str())


def preflight(*arguments: str) -> tuple[bool, str]:
    """Return whether the command succeeded, and what it said."""
    output = StringIO()
    try:
        call_command("preflight", *arguments, stdout=output)
    except CommandError as error:
        return False, f"{output.getvalue()}{error}"
    return True, output.getvalue()


def promote(product: DataProduct, **changes: Any) -> ModelVersion:
    registered = version(product, **changes)
    Promotion.objects.promote(registered, "It is good.", "ann")
    return registered


def test_nothing_is_said_to_break_where_nothing_changed(stay: DataProduct) -> None:
    promote(stay)
    passed, said = preflight()
    assert passed, said
    assert "BREAKS" not in said and said.endswith("Nothing would stop working.\n")
    assert "tumor has no champion" in said


def test_a_champion_that_will_not_serve_breaks_the_deploy_unless_that_is_allowed(stay: DataProduct) -> None:
    promoted = promote(stay)
    ModelVersion.objects.filter(pk=promoted.pk).update(seal="0" * 64)
    passed, said = preflight()
    assert not passed
    assert re.search(r"BREAKS +champions +stay would stop predicting: The seal of version 1 of stay", said)
    passed, said = preflight("--allow", "champions")
    assert passed and "1 of the findings would break something, 1 of them allowed" in said


def test_an_artifact_is_really_loaded(stay: DataProduct) -> None:
    promoted = promote(stay)
    ModelVersion.objects.filter(pk=promoted.pk).update(artifact=b"nothing")
    passed, said = preflight()
    assert not passed and "The artifact of version 1 of stay was changed" in said


def test_a_declaration_that_lost_a_feature_says_which(
    stay: DataProduct, monkeypatch: pytest.MonkeyPatch
) -> None:
    promote(stay)
    narrow = declared({"age": "anamnesis__age"}, name="stay")
    monkeypatch.setitem(catalogue._products, "stay", narrow)
    passed, said = preflight()
    assert not passed
    assert "its feature born is no longer declared; its feature cost is no longer declared" in said


def test_a_declaration_that_is_wider_is_a_note(stay: DataProduct, monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = declared({"age": "anamnesis__age"}, name="stay")
    promote(narrow)
    wide = declared({"smokes": "anamnesis__smokes", "age": "anamnesis__age"}, name="stay")
    monkeypatch.setitem(catalogue._products, "stay", wide)
    passed, said = preflight("--allow", "schema")  # which the fixture recorded with all features
    assert passed, said
    assert "stay is served by version 1 until its next build: the feature smokes is ignored." in said


def test_a_database_before_the_migration_is_read_as_it_is(stay: DataProduct) -> None:
    registered = promote(stay)
    seal = artifacts.seal(registered.digest, registered.versions, registered.signature, None)
    ModelVersion.objects.filter(pk=registered.pk).update(seal=seal)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE store_modelversion RENAME serving_versions TO gone")
        cursor.execute("ALTER TABLE store_servedschema RENAME TO gone_too")
    try:
        passed, said = preflight()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE store_modelversion RENAME gone TO serving_versions")
            cursor.execute("ALTER TABLE gone_too RENAME TO store_servedschema")
    assert passed, said
    assert "No schema was recorded yet" in said


def test_a_migration_that_is_not_applied_is_the_deploys_next_step() -> None:
    recorder = MigrationRecorder(connection)
    recorder.record_unapplied("clinic", "0001_initial")
    try:
        passed, said = preflight()
    finally:
        recorder.record_applied("clinic", "0001_initial")
    assert passed, said
    assert (
        "To apply before a web process or worker of this code starts, by ./dev migrate: clinic.0001_initial"
        in said
    )


def test_a_history_with_a_gap_breaks() -> None:
    recorder = MigrationRecorder(connection)
    recorder.record_unapplied("store", "0002_retraining_room_diagnostics_scoring")
    try:
        passed, said = preflight()
    finally:
        recorder.record_applied("store", "0002_retraining_room_diagnostics_scoring")
    assert not passed
    assert "store.0003_artifact_in_parts is applied before its dependency" in said


def test_a_migration_that_only_the_database_has_is_named() -> None:
    recorder = MigrationRecorder(connection)
    recorder.record_applied("store", "0999_from_the_future")
    try:
        passed, said = preflight()
    finally:
        recorder.record_unapplied("store", "0999_from_the_future")
    assert passed and "store.0999_from_the_future, which this code lacks" in said


def test_a_model_that_changed_without_a_migration_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Operation._meta.get_field("urgency"), "max_length", 99)
    passed, said = preflight()
    assert not passed
    assert "The models of clinic changed and no migration says so: ./dev makemigrations clinic" in said


def test_a_column_that_the_database_lacks_breaks(stay: DataProduct, monkeypatch: pytest.MonkeyPatch) -> None:
    operate()
    monkeypatch.setattr(Operation._meta.get_field("cost"), "column", "price")
    passed, said = preflight("--allow", "champions")
    assert not passed
    assert "The tables of stay lack what it declares (column" in said


def test_a_field_that_clients_use_and_that_is_gone_breaks() -> None:
    ServedSchema.objects.record(schema.as_str().replace("type Query {", "type Query {\n  gone: Int\n"))
    passed, said = preflight()
    assert not passed
    assert "Field Query.gone was removed. Requests that use it will be refused." in said
    assert preflight("--allow", "schema")[0]


def test_the_schema_that_was_served_last_is_the_one_to_compare_with() -> None:
    ServedSchema.objects.record("type Query { a: Int }")
    ServedSchema.objects.record("type Query { b: Int }")
    ServedSchema.objects.record("type Query { a: Int }")  # the deploy was undone
    newest = ServedSchema.objects.newest()
    assert newest and newest.sdl == "type Query { a: Int }"
    assert ServedSchema.objects.count() == 3
