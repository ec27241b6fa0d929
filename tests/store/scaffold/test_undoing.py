"""Undoing: what a refused newproduct has written is gone, whatever the database is like."""

from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.db.migrations.recorder import MigrationRecorder

from store import scaffold
from store.products import catalogue
from store.products.product import DataProduct
from store.scaffold.app import InvalidApp, check_snapshot

from ..conftest import declared, operate

SOURCES = {"__init__.py": "", "products.py": "", "migrations/__init__.py": ""}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(settings, "BASE_DIR", tmp_path)
    return tmp_path


def refuse(error: BaseException) -> None:
    with pytest.raises(type(error)), scaffold.undo_on_failure("oddity"):
        scaffold.write_files("oddity", SOURCES)
        raise error


@pytest.mark.django_db
@pytest.mark.parametrize("error", [InvalidApp("no"), DatabaseError("no"), KeyboardInterrupt()], ids=repr)
def test_a_refusal_leaves_no_folder(folder: Path, error: BaseException) -> None:
    refuse(error)
    assert list(folder.iterdir()) == []


@pytest.mark.django_db
def test_a_refusal_leaves_no_folder_where_nothing_was_ever_migrated(folder: Path) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {MigrationRecorder.Migration._meta.db_table}")
    refuse(InvalidApp("no"))
    assert list(folder.iterdir()) == []


@pytest.mark.django_db
@pytest.mark.parametrize("tables", [[], ["oddity_visit"]], ids=["without tables", "with a table"])
def test_migrations_are_forgotten_with_an_app_unless_its_tables_stay(folder: Path, tables: list[str]) -> None:
    scaffold.write_files("oddity", SOURCES)
    recorder = MigrationRecorder(connection)
    recorder.record_applied("oddity", "0001_initial")
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"CREATE TABLE {table} ()")
    call_command("rmproduct", "oddity", yes=True)
    assert recorder.migration_qs.filter(app="oddity").exists() == bool(tables)


def test_a_refusal_leaves_no_folder_where_the_database_is_gone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_: str) -> None:
        raise DatabaseError("gone")

    monkeypatch.setattr("store.scaffold.app.drop_tables", gone)
    with pytest.raises(DatabaseError, match="gone"), scaffold.undo_on_failure("oddity"):
        scaffold.write_files("oddity", SOURCES)
        raise InvalidApp("no")
    assert list(folder.iterdir()) == []


def checked(product: DataProduct, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setitem(catalogue._products, product.name, product)
    return check_snapshot(product.name).rows_out


@pytest.mark.django_db
def test_a_product_whose_rows_cannot_be_joined_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    product = declared({"cost": "cost"})
    with pytest.raises(InvalidApp, match="declared: its join has no rows: 0 base rows, 0 incomplete"):
        checked(product, monkeypatch)
    operate(cost=1.0)
    assert checked(product, monkeypatch) == 1
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE clinic_operation RENAME COLUMN cost TO price")
    with pytest.raises(
        InvalidApp, match=r"rows cannot be joined\. PostgreSQL refuses \(column .*cost does not exist"
    ):
        checked(product, monkeypatch)
