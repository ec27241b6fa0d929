"""What a process finds out about rows when it starts."""

import logging

import pytest
from django.db import connection

from project import asgi
from store.products import catalogue
from store.runtime import row_checks

from ..conftest import declared
from ..team import Customer, Line, customers, lines, team

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("team")]
__all__ = ["team"]


def test_a_product_whose_rows_are_repeated_is_named_at_start(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    Customer.objects.create(id=1, tenant=1)
    Line.objects.bulk_create([Line(purchase=7, number=number, amount=number) for number in (1, 2)])
    wrong = declared({"cost": "nothing"})
    monkeypatch.setattr(catalogue, "products", lambda: (wrong, customers(), lines()))
    monkeypatch.setattr(row_checks, "_repeated", {})
    with caplog.at_level(logging.ERROR):
        row_checks.check()
    [record] = caplog.records
    assert "Rows of Team are repeated" in record.message
    assert "2 rows of team_line have 1 different purchase" in record.message
    assert {"product": "team", "reason": row_checks.repeated()["team"]} in asgi.list_degraded()

    Line.objects.filter(number=2).delete()
    row_checks.check()
    assert row_checks.repeated() == {}


def test_a_product_whose_columns_the_database_lacks_is_named_at_start(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "products", lambda: (declared({"cost": "cost"}), customers()))
    monkeypatch.setattr(row_checks, "_unreadable", {})
    rename = "ALTER TABLE clinic_operation RENAME COLUMN {} TO {}"
    with connection.cursor() as cursor, caplog.at_level(logging.ERROR):
        cursor.execute(rename.format("cost", "price"))
        row_checks.check()
        [record] = caplog.records
        assert "Rows of Declared cannot be read: PostgreSQL refuses (column" in record.message
        reasons = row_checks.unreadable()
        assert list(reasons) == ["declared"]
        assert {"product": "declared", "reason": reasons["declared"]} in asgi.list_degraded()

        cursor.execute(rename.format("price", "cost"))
        row_checks.check()
        assert row_checks.unreadable() == {}
