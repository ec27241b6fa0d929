"""Connections of the pool: what they answer is committed, and PostgreSQL may hang up, freeze and come back."""

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from signal import SIGCONT, SIGSTOP

import psycopg2
import pytest
from django.conf import settings
from django.db import connection

from learning.model import ClassAnswer
from project import engines
from store.predictions import upsert
from store.predictions.predictions import Prediction
from store.predictions.upsert import PredictionBatch, ValidRequest
from store.products.product import DataProduct
from store.serving import connection_pool, dispatcher
from store.serving.champions import Champion, InferenceTime
from store.serving.connection_pool import ConnectionLost, ConnectionPool
from tests.store.conftest import STAY, version, with_rows

pytestmark = pytest.mark.django_db(transaction=True)

PREPARED = "PREPARE three AS SELECT 3"


@asynccontextmanager
async def pool(number: int = 1) -> AsyncIterator[ConnectionPool]:
    opened = ConnectionPool(number, PREPARED)
    await opened.start()
    try:
        yield opened
    finally:
        opened.stop()


async def pid_of(opened: ConnectionPool) -> int:
    [(pid,)] = await opened.run("SELECT pg_backend_pid()", {})
    return int(pid)


def signal_backend(function: str, pid: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s)", [pid])


def is_active(pid: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT state FROM pg_stat_activity WHERE pid = %s", [pid])
        return cursor.fetchone() == ("active",)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    while not await condition():
        await asyncio.sleep(0.02)


async def recovers(opened: ConnectionPool) -> None:
    """Return once there is a connection again."""
    while True:
        try:
            assert await opened.run("EXECUTE three", {}) == [(3,)]
            return
        except ConnectionLost:
            await asyncio.sleep(0.05)


@dataclass(frozen=True, order=True)
class Interval:
    begin: datetime
    end: datetime


def intervals(rows: list[tuple[int, datetime, datetime]]) -> list[list[Interval]]:
    """Return for each process, in the order of its statements, when it ran them."""
    found: dict[int, list[Interval]] = {}
    for pid, begin, end in rows:
        found.setdefault(pid, []).append(Interval(begin, end))
    return [sorted(each) for each in found.values()]


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    os.kill(pid, SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, SIGCONT)


embedded = pytest.mark.skipif(not settings.EXEMPLAR_EMBEDDED, reason="PostgreSQL is not ours to freeze")


async def test_a_statement_is_prepared_on_every_connection_and_answered() -> None:
    async with pool() as opened:
        assert await opened.run("EXECUTE three", {}) == [(3,)]
        assert await opened.run("SELECT %(text)s, %(list)s::int[]", {"text": "ä'\\", "list": [1, 2]}) == [
            ("ä'\\", [1, 2])
        ]


async def test_a_large_statement_is_written_in_parts() -> None:
    async with pool() as opened:
        [(length,)] = await opened.run("SELECT length(%(text)s)", {"text": "x" * 30_000_000})
        assert length == 30_000_000


async def test_an_error_from_postgresql_does_not_close_the_connection() -> None:
    async with pool() as opened:
        pid = await pid_of(opened)
        with pytest.raises(psycopg2.errors.DivisionByZero):
            await opened.run("SELECT 1 / 0", {})
        with pytest.raises(psycopg2.ProgrammingError):
            await opened.run("SELEKT", {})
        assert await pid_of(opened) == pid


async def test_connections_run_at_the_same_time_and_others_wait_for_the_next() -> None:
    async with pool(2) as opened:
        statement = "SELECT pg_backend_pid(), statement_timestamp(), clock_timestamp() FROM pg_sleep(0.2)"
        answers = await asyncio.gather(*(opened.run(statement, {}) for _ in range(6)))
    [first, second] = intervals([row for [row] in answers])
    assert first[0].begin < second[0].end and second[0].begin < first[0].end
    for each in (first, second):
        assert all(earlier.end <= later.begin for earlier, later in pairwise(each))


async def test_a_lost_connection_fails_its_statement_and_reconnects() -> None:
    async with pool() as opened:
        pid = await pid_of(opened)
        sleeping = asyncio.create_task(opened.run("SELECT pg_sleep(10)", {}))
        await until(lambda: with_rows(is_active, pid))
        await with_rows(signal_backend, "pg_terminate_backend", pid)
        with pytest.raises((ConnectionLost, psycopg2.errors.AdminShutdown)):
            await sleeping
        await recovers(opened)


async def test_a_connection_that_is_cut_just_before_its_turn_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    async with pool() as opened:
        release = opened.release

        def release_and_cut(pooled: connection_pool.PooledConnection) -> None:
            monkeypatch.setattr(opened, "release", release)
            release(pooled)  # to the second
            pooled.fail("cut")

        pid = await pid_of(opened)
        monkeypatch.setattr(opened, "release", release_and_cut)
        first = asyncio.create_task(opened.run("SELECT pg_sleep(10)", {}))
        await until(lambda: with_rows(is_active, pid))
        second = asyncio.create_task(opened.run("SELECT 2", {}))
        await asyncio.sleep(0)
        await with_rows(signal_backend, "pg_cancel_backend", pid)
        with pytest.raises(psycopg2.errors.QueryCanceled):
            await first
        with pytest.raises(ConnectionLost, match="before its turn"):
            await second
        await recovers(opened)


async def test_a_connection_that_is_cut_while_idle_refuses_nothing() -> None:
    async with pool() as opened:
        pid, before = await pid_of(opened), opened.all[0].connection
        await with_rows(signal_backend, "pg_terminate_backend", pid)
        while not opened.free or opened.all[0].connection is before:
            await asyncio.sleep(0.02)
        assert await pid_of(opened) != pid


@embedded
async def test_a_frozen_connection_is_closed_after_its_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_pool, "TIMEOUT", 0.5)
    async with pool() as opened:
        with frozen(await pid_of(opened)):
            waiting = asyncio.create_task(opened.run("EXECUTE three", {}))
            with pytest.raises(ConnectionLost, match=r"no answer within 0\.5 s"):
                await opened.run("EXECUTE three", {})
            # It does not begin to wait now.
            with pytest.raises(ConnectionLost, match="no connection to PostgreSQL any more"):
                await waiting
            await recovers(opened)


async def test_a_process_that_was_stopped_itself_finds_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_pool, "TIMEOUT", 0.2)
    async with pool() as opened:
        answer = asyncio.create_task(opened.run("EXECUTE three", {}))
        await asyncio.sleep(0)
        time.sleep(0.4)  # nothing runs on the event loop meanwhile
        assert await answer == [(3,)]


@embedded
async def test_a_frozen_server_freezes_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_pool, "TIMEOUT", 0.5)
    postmaster = int(
        (engines.PostgreSQL(settings.EXEMPLAR_STATE).cluster / "postmaster.pid").read_text().split()[0]
    )
    async with pool() as opened:
        pid = await pid_of(opened)
        with frozen(postmaster), frozen(pid):
            with pytest.raises(ConnectionLost):
                await opened.run("EXECUTE three", {})
            for _ in range(3):
                with pytest.raises(ConnectionLost, match=r"There is no connection to PostgreSQL\."):
                    await opened.run("EXECUTE three", {})
                await asyncio.sleep(0.3)
        await recovers(opened)


async def test_attempts_to_connect_become_rarer(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def record(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(0)

    def refuse(prepared: str) -> None:
        raise psycopg2.OperationalError("connection refused")

    monkeypatch.setattr(connection_pool, "open_connection", refuse)
    monkeypatch.setattr(connection_pool, "TIMEOUT", 0.01)
    monkeypatch.setattr(asyncio, "sleep", record)
    async with pool() as opened:
        while len(pauses) < 8:
            await sleep(0.01)
        with pytest.raises(ConnectionLost):
            await opened.run("EXECUTE three", {})
    assert pauses[:8] == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0]


ANSWER = ClassAnswer("True", 0.75, (0.25, 0.75))


class Yes:
    """Says the same of everything."""

    def predict(self, rows: list[object]) -> list[ClassAnswer]:
        return [ANSWER] * len(rows)


async def test_an_answer_is_committed_before_it_is_given(stay: DataProduct) -> None:
    champion = Champion(stay, await with_rows(version, stay), Yes(), InferenceTime(1.0, 1.0))  # type: ignore[arg-type]
    questions = [ValidRequest(stay.clean(STAY | {"note": str(n % 7)}), reference="form") for n in range(20)]
    started = dispatcher.PredictionDispatcher()
    await started.start()
    answers = await asyncio.gather(
        *(started.predictions.submit(champion, [question]) for question in questions)
    )
    stored = await with_rows(lambda: {str(p.pk): p for p in Prediction.objects.all()})
    await started.stop()
    assert len(stored) == 7
    for [answered] in answers:
        row = stored[answered.pk]
        assert answered.reference == "form"
        for field in Prediction._meta.concrete_fields:
            assert getattr(row, field.attname) == getattr(answered, field.attname)


@pytest.mark.parametrize(
    ("pace", "rows", "on_loop"),
    [
        (InferenceTime(50.0, 5.0), 1, True),
        # Thirty-two of the first would be too many.
        (InferenceTime(100.0, 5.0), 32, True),
        (InferenceTime(100.0, 100.0), 32, False),
        (InferenceTime(3_000.0, 0.0), 1, False),
        (InferenceTime(), 1, False),
    ],
)
async def test_a_batch_that_takes_long_is_predicted_beside_the_event_loop(
    stay: DataProduct, pace: InferenceTime, rows: int, on_loop: bool
) -> None:
    threads = []

    class Where(Yes):
        def predict(self, rows: list[object]) -> list[ClassAnswer]:
            threads.append(threading.current_thread())
            return super().predict(rows)

    champion = Champion(stay, await with_rows(version, stay), Where(), pace)  # type: ignore[arg-type]
    questions = [ValidRequest(stay.clean(STAY | {"note": str(n)})) for n in range(rows)]
    started = dispatcher.PredictionDispatcher()
    await started.start()
    await started.predictions.submit(champion, questions)
    await started.stop()
    assert [thread is threading.main_thread() for thread in threads] == [on_loop]


async def test_both_paths_store_the_same_row(stay: DataProduct) -> None:
    champion = Champion(stay, await with_rows(version, stay), Yes(), InferenceTime(1.0, 1.0))  # type: ignore[arg-type]
    question = ValidRequest(stay.clean(STAY | {"born": None, "cost": 12.5, "note": "é"}), reference="form")
    first_said = ClassAnswer("True", 0.7500000000000001, (0.2499999999999999, 0.7500000000000001))
    batch = PredictionBatch(stay, champion.version, [question], [first_said])
    [first] = await with_rows(upsert.store, batch)
    started = dispatcher.PredictionDispatcher()
    await started.start()
    [again] = await started.predictions.submit(champion, [question])
    await started.stop()
    assert (again.pk, again.confidence, again.output) == (first.pk, first.confidence, first.output)
    assert again.times_asked == 2
