"""The embedded engines: real servers in folders of their own."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from signal import SIGKILL

import psycopg2
import pytest

from project import engines, state
from project.engines import PostgreSQL, Valkey
from tests.waiting import PATIENCE


@pytest.fixture
def engine_folder() -> Iterator[Path]:
    """A state folder, with a space in its path, for engines of the test's own."""
    parent = Path(tempfile.mkdtemp(prefix="exemplar tests "))
    parent.chmod(0o711)
    yield parent / "state"
    shutil.rmtree(parent)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Path]:
    """A state folder in which PostgreSQL has been initialised."""
    parent = Path(tempfile.mkdtemp(prefix="exemplar tests "))
    parent.chmod(0o711)
    [child] = engines.start([PostgreSQL(parent / "state", durable=False)])
    child.stop()
    yield parent / "state"
    shutil.rmtree(parent)


@pytest.fixture
def initialised(engine_folder: Path, cluster: Path) -> Path:
    """A copy of that folder, of the test's own."""
    subprocess.run(["cp", "-a", cluster, engine_folder], check=True)
    return engine_folder


def test_postgresql_keeps_its_data_through_a_kill(engine_folder: Path) -> None:
    postgres = PostgreSQL(engine_folder)
    [child] = engines.start([postgres])
    try:
        execute(postgres, "CREATE TABLE kept AS SELECT 42 AS answer")
        child.send_signal(SIGKILL)
        assert child.wait(PATIENCE)
        child.start()
        engines.wait_until_ready(postgres, child)
        assert execute(postgres, "SELECT answer FROM kept") == (42,)
    finally:
        child.stop()


def test_postgresql_starts_despite_a_stale_lock_file_that_names_a_living_process(initialised: Path) -> None:
    postgres = PostgreSQL(initialised, durable=False)
    [child] = engines.start([postgres])
    child.stop()
    stale = postgres.cluster / "postmaster.pid"
    stale.write_text(f"{os.getppid()}\n{postgres.cluster}\n1\n5432\n{postgres.socket}\n\n  0 0\nready\n")
    [child] = engines.start([PostgreSQL(initialised, durable=False)])
    assert postgres.is_ready()
    child.stop()


def test_postgresql_requires_its_password_and_sorts_alike_on_every_machine(initialised: Path) -> None:
    postgres = PostgreSQL(initialised, durable=False)
    [child] = engines.start([postgres])
    try:
        with pytest.raises(psycopg2.OperationalError, match="password"):
            psycopg2.connect(**postgres.dsn | {"password": "wrong"})
        assert execute(postgres, "SELECT 'B' < 'a', lower('Ä') = 'ä'") == (True, True)
        assert execute(postgres, "SHOW listen_addresses") == ("",)
    finally:
        child.stop()


def test_valkey_keeps_its_data_and_is_closed_to_others(engine_folder: Path) -> None:
    from redis import Redis

    valkey = Valkey(engine_folder)
    for expected in (None, b"kept"):
        [child] = engines.start([valkey])
        try:
            with Redis.from_url(valkey.url) as client:
                assert client.get("key") == expected
                client.set("key", "kept")
            assert valkey.socket.stat().st_mode & 0o777 == 0o700
        finally:
            child.stop()


def test_an_engine_that_cannot_start_is_reported_in_one_line(initialised: Path) -> None:
    postgres = PostgreSQL(initialised, durable=False)
    [child] = engines.start([postgres])
    child.stop()
    (postgres.cluster / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(state.Unusable, match=r"PostgreSQL does not start: .*not compatible"):
        engines.start([postgres])


def test_a_second_command_joins_the_engines_of_the_first(initialised: Path) -> None:
    chosen = [PostgreSQL(initialised, durable=False), Valkey(initialised)]
    with engines.running(initialised, chosen, "first"):
        with engines.running(initialised, chosen, "second"):
            assert all(engine.is_ready() for engine in chosen)
        assert all(engine.is_ready() for engine in chosen)
    assert not any(engine.is_ready() for engine in chosen)


def execute(postgres: PostgreSQL, statement: str) -> tuple[object, ...] | None:
    connection = psycopg2.connect(**postgres.dsn)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchone() if cursor.description else None
    finally:
        connection.close()


def test_engines_that_are_being_stopped_are_started_by_who_has_joined_them(engine_folder: Path) -> None:
    engine = Valkey(engine_folder)
    with ExitStack() as first:
        first.enter_context(state.hold(engine_folder, "the first"))
        with engines.starting(engine_folder, [engine], "the second") as wait:
            first.close()  # it had seen nobody, and has stopped them
            wait()
            assert engine.is_ready()
    assert not engine.is_ready()
