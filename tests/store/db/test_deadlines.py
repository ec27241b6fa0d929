"""An operation ends when its time is up, and what runs for it in PostgreSQL ends with it."""

import time

import pytest
from django.db import DataError, connection, transaction

from learning.exceptions import TimedOut
from store.db import deadlines
from store.models import ProductState
from tests.waiting import PATIENCE

pytestmark = pytest.mark.django_db(transaction=True)


def execute(statement: str) -> object:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()


def test_a_statement_is_ended_by_the_server():
    started = time.monotonic()
    with pytest.raises(TimedOut), deadlines.ending_at(time.monotonic() + 0.2):
        execute(f"SELECT pg_sleep({PATIENCE})")
    assert time.monotonic() - started < PATIENCE
    running = "query LIKE '%pg_sleep(%' AND state = 'active' AND pid <> pg_backend_pid()"
    assert execute(f"SELECT count(*) FROM pg_stat_activity WHERE {running}") == (0,)


def test_no_statement_begins_when_time_is_up():
    with pytest.raises(TimedOut), deadlines.ending_at(time.monotonic() + 0.05):
        time.sleep(0.1)
        execute("SELECT 1")


def test_an_operation_whose_time_is_up_does_not_begin():
    with pytest.raises(TimedOut), deadlines.ending_at(time.monotonic() - 1):
        raise AssertionError("it began")


def test_the_limit_holds_for_no_later_statement():
    with deadlines.ending_at(time.monotonic() + PATIENCE):
        assert execute("SHOW statement_timeout") != ("0",)
        assert execute("SELECT 1") == (1,)
    assert execute("SHOW statement_timeout") == ("0",)


def test_a_transaction_that_takes_too_long_is_rolled_back():
    with pytest.raises(TimedOut), deadlines.ending_at(time.monotonic() + 0.2), transaction.atomic():
        ProductState.objects.create(product="tumor")
        execute(f"SELECT pg_sleep({PATIENCE})")
    assert not ProductState.objects.exists()
    assert execute("SHOW statement_timeout") == ("0",)


def test_rows_are_read_and_written_as_without_a_limit():
    with deadlines.ending_at(time.monotonic() + PATIENCE):
        ProductState.objects.create(product="tumor")
        with transaction.atomic():
            ProductState.objects.select_for_update().get(product="tumor")
        assert [state.product for state in ProductState.objects.iterator()] == ["tumor"]
        assert ProductState.objects.filter(product="tumor").update(hold=True) == 1
        assert ProductState.objects.all().delete()[0] == 1


def test_a_statement_that_fails_in_a_savepoint_leaves_the_transaction_usable():
    with deadlines.ending_at(time.monotonic() + PATIENCE), transaction.atomic():
        with pytest.raises(DataError), transaction.atomic():
            execute("SELECT 1 / 0")
        assert execute("SELECT 1") == (1,)
