"""The watchdog: a statement may take as long as it needs, but not wait for a server that is frozen."""

import io
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from django.conf import settings
from django.db import connection

from project import engines
from store.db import threads
from store.db.postgresql import watchdog
from store.db.unreachable import UNREACHABLE
from tests.freezing import frozen
from tests.store.pools import close_connections
from tests.waiting import PATIENCE, eventually

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not settings.EXEMPLAR_EMBEDDED, reason="PostgreSQL is not ours to freeze"),
]


def select() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return int(cursor.fetchone()[0])


def copy() -> None:
    with connection.cursor() as cursor:
        cursor.copy_expert(
            "COPY (SELECT pg_sleep(0.01) FROM generate_series(1, 100000)) TO STDOUT", io.StringIO()
        )


def sleep(seconds: float) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s)", [seconds])


#: As `threads.pool`, whose threads would keep connections to the tests' database.
THREADS = 4


class Pool(ThreadPoolExecutor):
    def call(self, function: Callable[..., object], *arguments: object) -> "Future[object]":
        return self.submit(threads.call, function, *arguments)


@pytest.fixture
def pool() -> Iterator[Pool]:
    with Pool(THREADS) as opened:
        yield opened
        close_connections(opened)
    with connection.cursor() as cursor:
        # The server goes on with what nobody waits for any more, and the database could not be dropped.
        cursor.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%pg_sleep%'"
        )


def postmaster() -> int:
    file = engines.PostgreSQL(settings.EXEMPLAR_STATE).cluster / "postmaster.pid"
    return int(file.read_text().split()[0])


def is_running(statement: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE %s", [f"{statement}%"]
        )
        return cursor.fetchone() is not None


@pytest.mark.parametrize("statement", [select, copy])
def test_a_statement_ends_that_a_frozen_server_does_not_answer(
    statement: Callable[[], object], pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "TICK", 0.1)
    monkeypatch.setattr(watchdog, "DEADLINE", 1.0)
    for each in [pool.call(select) for _ in range(THREADS)]:
        assert each.result(PATIENCE) == 1
    waiting = pool.call(copy) if statement is copy else None
    assert waiting is None or eventually(lambda: is_running("COPY"))
    with frozen(postmaster()):
        with pytest.raises(UNREACHABLE):
            (waiting or pool.call(select)).result(PATIENCE)
        # Every thread is free again, and is not held up by a server that is known to be frozen.
        for each in [pool.call(select) for _ in range(3 * THREADS)]:
            with pytest.raises(UNREACHABLE):
                each.result(PATIENCE)
    assert eventually(lambda: not watchdog.watchdog.frozen)
    for each in [pool.call(select) for _ in range(THREADS)]:
        assert each.result(PATIENCE) == 1


def test_a_statement_that_takes_long_is_waited_for(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    is_answering = watchdog.Watchdog._is_answering

    def record(self: watchdog.Watchdog, server: watchdog.Server) -> bool:
        asked.append(is_answering(self, server))
        return asked[-1]

    monkeypatch.setattr(watchdog, "TICK", 0.1)
    monkeypatch.setattr(watchdog, "DEADLINE", PATIENCE)
    monkeypatch.setattr(watchdog.Watchdog, "_is_answering", record)
    pool.call(sleep, 2).result(PATIENCE)
    assert asked and all(asked)


def test_a_closed_connection_is_watched_no_longer(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "TICK", 0.1)

    def open_and_close() -> watchdog.WatchedConnection:
        connection.close()
        before = set(watchdog.watchdog.watched)
        connection.ensure_connection()
        [opened] = set(watchdog.watchdog.watched) - before
        assert opened.socket.fileno() >= 0
        connection.close()
        return opened

    opened = pool.call(open_and_close).result(PATIENCE)
    assert isinstance(opened, watchdog.WatchedConnection)
    assert eventually(lambda: opened not in watchdog.watchdog.watched and opened.socket.fileno() == -1)
