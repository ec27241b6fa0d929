"""What the next snapshot would hold, shown without taking it."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from store.models import Snapshot
from store.products.product import DataProduct
from store.snapshots.preview import preview
from tests.clinic.models import Operation

from ..conftest import HOUR, NOON, examples, operate

pytestmark = pytest.mark.django_db


def test_rows_are_counted_in_and_out(stay: DataProduct) -> None:
    examples(4)
    operate(age=None)
    operate(pk=900, relapsed=None)
    found = preview(stay)
    assert (found.rows_in, found.incomplete, found.rows_out, found.from_predictions) == (6, 1, 5, 0)
    assert (found.unlabelled, found.unlabelled_keys) == (1, ("900",))


def test_columns_report_missing_and_distinct_values(stay: DataProduct) -> None:
    operate(pk=1, age=40, relapsed=True, smokes=True)
    operate(pk=2, age=40, relapsed=False, at=NOON + HOUR)
    found = {column.name: column for column in preview(stay).columns}
    assert list(found) == ["relapsed", "done_at", "age", "born", "cost", "note", "smokes", "urgency", "woken"]
    assert (found["smokes"].missing, found["smokes"].distinct, found["smokes"].first) == (1, 1, (True, None))
    assert (found["age"].missing, found["age"].distinct, found["age"].kind) == (0, 1, "integer")
    assert found["done_at"].distinct == 2


def test_aggregates_in_a_preview_equal_a_builds(relapse: DataProduct) -> None:
    operate(pk=1, visits=[(-HOUR, 10.0), (-2 * HOUR, 20.0), (HOUR, 99.0)])
    found = {column.name: column.first for column in preview(relapse).columns}
    assert (found["visits"], found["minutes"]) == ((2,), (15.0,))


def test_nothing_is_kept(stay: DataProduct) -> None:
    examples(2)
    found = preview(stay)
    assert preview(stay) == found
    assert not Snapshot.objects.exists()
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('pg_temp.preview')")
        assert cursor.fetchone() == (None,)


def test_the_command_fits_into_eighty_columns(
    stay: DataProduct, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    examples(3)
    operate(pk=900, at=NOON + timedelta(days=1), note="a note of several words, longer than its column")
    call_command("preview", "stay")
    shown = capsys.readouterr().out
    sql, _, rest = shown.partition("\n\nThe planner expects it to cost ")
    assert sql.startswith("SELECT ")
    assert '"clinic_operation"."relapsed"' in sql
    assert "4 rows in, 4 out." in rest
    assert "1 have no label yet: 900" in rest
    assert max(map(len, rest.splitlines())) <= 80
    assert any(line.split()[:4] == ["note", "text", "0", "2"] for line in rest.splitlines())


def test_an_empty_product_is_shown_too(stay: DataProduct, capsys: pytest.CaptureFixture[str]) -> None:
    assert not Operation.objects.exists()
    call_command("preview", "stay")
    assert "0 rows in, 0 out." in capsys.readouterr().out


def test_an_unknown_product_is_one_sentence() -> None:
    with pytest.raises(CommandError, match="No product is called 'nothing'"):
        call_command("preview", "nothing")
