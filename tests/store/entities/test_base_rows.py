"""A team's rows are reached through the Join's queryset, and a write reaches one row."""

from datetime import UTC, datetime
from threading import Event
from unittest import mock

import pytest
from django.db import connection, models, transaction
from django.test.utils import isolate_apps

from store.entities import base_rows, entities
from store.exceptions import NotOneRow, NotWritable, UnknownEntity
from store.ingest import editing
from store.predictions.feedback import About, Feedback
from tests.clinic.models import Operation
from tests.waiting import PATIENCE, eventually

from ..conftest import at_once, declared, operate
from ..team import Customer, Line, contents, customers, lines, product, team

pytestmark = pytest.mark.django_db
__all__ = ["team"]

DELETED = datetime(2024, 5, 17, tzinfo=UTC)


def test_feedback_whose_key_several_rows_have_is_rolled_back(team: None) -> None:
    Line.objects.bulk_create([Line(purchase=7, number=number, amount=number) for number in range(1, 5)])
    before = contents(Line)
    with pytest.raises(NotOneRow, match="Several rows of team_line have the key 7"), transaction.atomic():
        Feedback.objects.give(lines(), About(entity="7"), "True", "ann")
    assert contents(Line) == before
    assert not Feedback.objects.exists()


def test_a_row_that_the_queryset_leaves_out_does_not_exist_for_readers_and_writers(team: None) -> None:
    Customer.objects.bulk_create(
        [
            Customer(id=1, tenant=1),
            Customer(id=2, tenant=2),
            Customer(id=3, tenant=1, deleted_at=DELETED),
        ]
    )
    ours, before = customers(), contents(Customer)
    assert set(entities.find(ours, ["1", "2", "3"])) == {"1"}
    assert base_rows.hidden(ours, ["1", "2", "3", "4", "no key"]) == {"2", "3"}
    for key in ("2", "3"):
        with pytest.raises(UnknownEntity), transaction.atomic():
            Feedback.objects.give(ours, About(entity=key), "True", "ann")
        with pytest.raises(UnknownEntity), transaction.atomic():
            editing.patch(ours, key, {"age": 40}, True, entities.KEEP, None)
    assert contents(Customer) == before


@isolate_apps("tests.clinic")
def test_a_text_that_the_column_calls_equal_to_a_key_is_no_key_of_the_row(db: None) -> None:
    class Badge(models.Model):
        code = models.CharField(max_length=4, primary_key=True)
        worn = models.IntegerField()
        lost = models.BooleanField(null=True)

        class Meta:
            app_label, db_table = "clinic", "badge"

    with connection.cursor() as cursor:
        # To char(4), "A" and "A   " are equal; to citext, "A" and "a".
        cursor.execute("CREATE TABLE badge (code char(4) PRIMARY KEY, worn integer NOT NULL, lost boolean)")
    Badge.objects.create(code="A", worn=1)
    badges = product(Badge.objects.all(), {"worn": "worn"}, "lost")
    assert "A" not in entities.find(badges, ["A"])
    with pytest.raises(UnknownEntity), transaction.atomic():
        Feedback.objects.give(badges, About(entity="A"), "True", "ann")
    assert Feedback.objects.give(badges, About(entity="A   "), "True", "ann").feature_rows_changed == 1


def test_a_row_that_another_session_has_marked_as_deleted_meanwhile_is_not_locked(team: None) -> None:
    Customer.objects.create(id=1, tenant=1)
    real = base_rows.existing

    def deleted_meanwhile(*arguments: object) -> set[str]:
        Customer.objects.update(deleted_at=DELETED)
        return real(*arguments)  # type: ignore[arg-type]

    with mock.patch.object(base_rows, "existing", deleted_meanwhile), transaction.atomic():
        assert base_rows.lock(customers(), "1") is None


def test_a_row_that_would_leave_the_queryset_is_not_written(team: None) -> None:
    Customer.objects.create(id=1, tenant=1)
    ours, before = customers(), contents(Customer)
    with pytest.raises(NotWritable, match="its queryset leaves it out"), transaction.atomic():
        editing.patch(ours, "1", {"tenant": 2}, entities.KEEP, entities.KEEP, None)
    with pytest.raises(NotWritable, match="its queryset leaves it out"), transaction.atomic():
        editing.create(ours, "5", {"age": 3, "tenant": 2}, None, None)
    assert contents(Customer) == before


def test_feedback_that_waits_for_a_row_while_it_is_deleted_is_refused(tables: None) -> None:
    key = str(operate(cost=100).pk)
    cheap = declared({"cost": "cost"}, rows=Operation.objects.filter(cost__lt=500))
    is_locked = Event()

    def speak() -> object:
        assert is_locked.wait(PATIENCE)
        with pytest.raises(UnknownEntity):
            Feedback.objects.give(cheap, About(entity=key), "True", "ann")
        return Operation.objects.get(pk=key).relapsed

    def delete() -> None:
        with transaction.atomic():
            Operation.objects.filter(pk=key).update(cost=900)
            is_locked.set()
            assert eventually(is_waited_for)

    assert at_once(speak, delete)[0] is None
    assert not Feedback.objects.exists()


def is_waited_for() -> bool:
    """Whether a session waits for a lock of this one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid)))"
        )
        return bool(cursor.fetchone()[0])
