"""Lanes: what they answer is committed, and PostgreSQL may hang up, freeze and come back."""

import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from signal import SIGCONT, SIGSTOP

import psycopg2
import pytest
from django.conf import settings
from django.db import connection

from learning.model import ClassAnswer
from project import engines
from store.predictions.predictions import Prediction, Question
from store.products.product import DataProduct
from store.serving import connection_pool, dispatcher
from store.serving.champions import Champion, InferenceTime
from store.serving.connection_pool import ConnectionLost, ConnectionPool
from tests.store.conftest import STAY, version

pytestmark = pytest.mark.django_db(transaction=True)

PREPARED = "PREPARE three AS SELECT 3"


def run(test: Callable[[ConnectionPool], Awaitable[None]], number: int = 1) -> None:
    async def inside() -> None:
        opened = ConnectionPool(number, PREPARED)
        await opened.start()
        try:
            await asyncio.wait_for(test(opened), 20)
        finally:
            opened.stop()

    asyncio.run(inside())


async def pid_of(opened: ConnectionPool) -> int:
    [(pid,)] = await opened.run("SELECT pg_backend_pid()", {})
    return int(pid)


def terminate(pid: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [pid])


async def recovers(opened: ConnectionPool) -> None:
    """Returns once there is a lane again."""
    for _ in range(200):
        try:
            assert await opened.run("EXECUTE three", {}) == [(3,)]
            return
        except ConnectionLost:
            await asyncio.sleep(0.05)
    raise AssertionError("it does not come back")


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    os.kill(pid, SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, SIGCONT)


embedded = pytest.mark.skipif(not settings.EXEMPLAR_EMBEDDED, reason="PostgreSQL is not ours to freeze")


def test_a_statement_is_prepared_on_every_connection_and_answered() -> None:
    async def test(opened: ConnectionPool) -> None:
        assert await opened.run("EXECUTE three", {}) == [(3,)]
        assert await opened.run("SELECT %(text)s, %(list)s::int[]", {"text": "ä'\\", "list": [1, 2]}) == [
            ("ä'\\", [1, 2])
        ]

    run(test)


def test_a_large_statement_is_written_in_parts() -> None:
    async def test(opened: ConnectionPool) -> None:
        [(length,)] = await opened.run("SELECT length(%(text)s)", {"text": "x" * 30_000_000})
        assert length == 30_000_000

    run(test)


def test_what_postgresql_refuses_does_not_cost_the_connection() -> None:
    async def test(opened: ConnectionPool) -> None:
        pid = await pid_of(opened)
        with pytest.raises(psycopg2.errors.DivisionByZero):
            await opened.run("SELECT 1 / 0", {})
        with pytest.raises(psycopg2.ProgrammingError):
            await opened.run("SELEKT", {})
        assert await pid_of(opened) == pid

    run(test)


def test_lanes_run_at_the_same_time_and_others_wait_for_the_next() -> None:
    async def test(opened: ConnectionPool) -> None:
        start = time.monotonic()
        await asyncio.gather(*(opened.run("SELECT pg_sleep(0.2)", {}) for _ in range(6)))
        assert 0.6 <= time.monotonic() - start < 1.1

    run(test, number=2)


def test_a_connection_that_is_cut_refuses_its_statement_and_comes_back() -> None:
    async def test(opened: ConnectionPool) -> None:
        pid = await pid_of(opened)
        sleeping = asyncio.create_task(opened.run("SELECT pg_sleep(10)", {}))
        await asyncio.sleep(0.1)
        await asyncio.to_thread(in_thread, terminate, pid)
        with pytest.raises((ConnectionLost, psycopg2.errors.AdminShutdown)):
            await sleeping
        await recovers(opened)

    run(test)


def test_a_connection_that_is_cut_just_before_its_turn_is_lost() -> None:
    async def test(opened: ConnectionPool) -> None:
        [lane] = opened.all
        first = asyncio.create_task(opened.run("SELECT pg_sleep(0.1)", {}))
        await asyncio.sleep(0)
        second = asyncio.create_task(opened.run("SELECT 1", {}))
        first.add_done_callback(lambda _: lane.lose("cut"))  # it has handed the lane over by then
        with pytest.raises(ConnectionLost):
            await second
        await recovers(opened)

    run(test)


def test_a_connection_that_is_cut_while_idle_refuses_nothing() -> None:
    async def test(opened: ConnectionPool) -> None:
        pid = await pid_of(opened)
        await asyncio.to_thread(in_thread, terminate, pid)
        for _ in range(100):
            await asyncio.sleep(0.02)
            if opened.free and opened.all[0].connection:
                break
        assert await pid_of(opened) != pid

    run(test)


@embedded
def test_a_frozen_connection_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_pool, "PATIENCE", 0.5)

    async def test(opened: ConnectionPool) -> None:
        with frozen(await pid_of(opened)):
            start = time.monotonic()
            waiting = asyncio.create_task(opened.run("EXECUTE three", {}))
            with pytest.raises(ConnectionLost):
                await opened.run("EXECUTE three", {})
            with pytest.raises(ConnectionLost):
                await waiting
            assert time.monotonic() - start < 1
            await recovers(opened)

    run(test)


@embedded
def test_a_frozen_server_freezes_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_pool, "PATIENCE", 0.5)
    postmaster = int(
        (engines.PostgreSQL(settings.EXEMPLAR_STATE).cluster / "postmaster.pid").read_text().split()[0]
    )

    async def test(opened: ConnectionPool) -> None:
        pid = await pid_of(opened)
        with frozen(postmaster), frozen(pid):
            with pytest.raises(ConnectionLost):
                await opened.run("EXECUTE three", {})
            for _ in range(3):
                start = time.monotonic()
                with pytest.raises(ConnectionLost):
                    await opened.run("EXECUTE three", {})
                assert time.monotonic() - start < 0.2
                await asyncio.sleep(0.3)
        await recovers(opened)

    run(test)


def test_attempts_to_connect_become_rarer(monkeypatch: pytest.MonkeyPatch) -> None:
    attempts: list[float] = []

    def refuse(prepared: str) -> None:
        attempts.append(time.monotonic())
        raise psycopg2.OperationalError("connection refused")

    monkeypatch.setattr(connection_pool, "connected", refuse)
    monkeypatch.setattr(connection_pool, "PATIENCE", 1.0)

    async def test(opened: ConnectionPool) -> None:
        with pytest.raises(ConnectionLost):
            await opened.run("EXECUTE three", {})

    run(test)
    assert 3 <= len(attempts) <= 5
    pauses = [later - earlier for earlier, later in pairwise(attempts)]
    assert pauses == sorted(pauses)


ANSWER = ClassAnswer("True", 0.75, (0.25, 0.75))


class Yes:
    """Says the same of everything."""

    def predict(self, rows: list[object]) -> list[ClassAnswer]:
        return [ANSWER] * len(rows)


def test_an_answer_is_committed_before_it_is_given(stay: DataProduct) -> None:
    champion = Champion(stay, version(stay), Yes(), InferenceTime(1.0, 1.0))  # type: ignore[arg-type]
    questions = [Question(stay.clean(STAY | {"note": str(n % 7)}), reference="form") for n in range(20)]

    async def ask() -> None:
        desk = dispatcher.PredictionDispatcher()
        await desk.start()
        answers = await asyncio.gather(
            *(desk.predictions.ask(champion, [question]) for question in questions)
        )
        stored = await asyncio.to_thread(in_thread, lambda: {str(p.pk): p for p in Prediction.objects.all()})
        await desk.stop()
        assert len(stored) == 7
        for [answered] in answers:
            row = stored[answered.row.id]
            assert (row.features["note"], row.reference) == (answered.instance[3], "form")
            assert (row.created_at, row.updated_at, row.times_asked) == answered.stamps

    asyncio.run(ask())


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
def test_a_batch_that_takes_long_is_predicted_beside_the_event_loop(
    stay: DataProduct, pace: InferenceTime, rows: int, on_loop: bool
) -> None:
    threads = []

    class Where(Yes):
        def predict(self, rows: list[object]) -> list[ClassAnswer]:
            threads.append(threading.current_thread())
            return super().predict(rows)

    champion = Champion(stay, version(stay), Where(), pace)  # type: ignore[arg-type]
    questions = [Question(stay.clean(STAY | {"note": str(n)})) for n in range(rows)]

    async def ask() -> None:
        desk = dispatcher.PredictionDispatcher()
        await desk.start()
        await desk.predictions.ask(champion, questions)
        await desk.stop()

    asyncio.run(ask())
    assert [thread is threading.main_thread() for thread in threads] == [on_loop]


def test_both_ways_store_the_same_row(stay: DataProduct) -> None:
    champion = Champion(stay, version(stay), Yes(), InferenceTime(1.0, 1.0))  # type: ignore[arg-type]
    question = Question(stay.clean(STAY | {"born": None, "cost": 12.5, "note": "é"}), reference="form")
    first_said = ClassAnswer("True", 0.7500000000000001, (0.2499999999999999, 0.7500000000000001))
    [first] = Prediction.objects.record(stay, champion.version, [question], [first_said])

    async def ask() -> None:
        desk = dispatcher.PredictionDispatcher()
        await desk.start()
        [answered] = await desk.predictions.ask(champion, [question])
        await desk.stop()
        assert answered.row.id == str(first.pk)
        assert answered.row.confidence == first.confidence
        assert answered.stamps[2] == 2

    asyncio.run(ask())


def in_thread(function: Callable[..., object], *arguments: object) -> object:
    """Rows work on a thread whose connection is closed afterwards."""
    try:
        return function(*arguments)
    finally:
        connection.close()
