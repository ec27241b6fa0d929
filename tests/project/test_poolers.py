"""pgbouncer in transaction mode: a product's whole life, and what is said where the pooler drops the search path."""

import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from django.db import connections

from tests import poolers, test_lifecycle
from tests.keys import KEYS
from tests.system import ROOT, System, outer_environment, state_folder
from tests.waiting import PATIENCE

pytestmark = [pytest.mark.system, pytest.mark.pooler]

DATABASE, ROLE, PASSWORD = "pooled", "exemplar_pooled", "secret"
#: What a session would have that another one has not.
LOST = re.compile(
    r"prepared statement .* (does not exist|already exists)|cursor .* does not exist|relation .* does not exist"
    r"|permission denied|Traceback"
)


@pytest.fixture(scope="module")
def server(engines: None) -> dict[str, Any]:
    """The connection parameters of the tests' PostgreSQL, as its owner's."""
    names = {"USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    declared = connections.settings["default"]
    return {parameter: declared[name] for name, parameter in names.items() if declared.get(name)}


@pytest.fixture
def administrator(server: dict[str, Any]) -> Iterator[Any]:
    """The owner's cursor, beside a database that belongs to the role."""
    with closing(psycopg2.connect(**server, dbname="postgres")) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'")
        cursor.execute(f"CREATE DATABASE {DATABASE} OWNER {ROLE}")
        try:
            yield cursor
        finally:
            cursor.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")
            cursor.execute(f"DROP ROLE {ROLE}")


def run(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = outer_environment() | KEYS | {"EXEMPLAR_STATE": str(state_folder())} | variables
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.mark.parametrize("ignores_options", [False, True], ids=["refused", "ignored"])
def test_a_search_path_that_the_pooler_drops_is_asked_for_in_one_line(
    server: dict[str, Any], administrator: Any, ignores_options: bool
) -> None:
    with poolers.running(server, {ROLE: PASSWORD}, ignores_options) as pooler:
        url = pooler.url(ROLE, PASSWORD, DATABASE)
        refused = run("manage.py", "showmigrations", DATABASE_URL=url)
        assert refused.returncode == 1 and refused.stderr.count("\n") == 1, refused.stderr
        assert refused.stderr.startswith("exemplar: A pooler stands between this process and PostgreSQL")
        direct = f"postgresql://{ROLE}:{PASSWORD}@/{DATABASE}?host={server['host']}&port={server.get('port', 5432)}"
        printed = run("manage.py", "sql", "grants", "--pooler", DATABASE_URL=direct).stdout
        statement = printed.strip().splitlines()[-1]
        assert statement.startswith("ALTER ROLE") and statement in refused.stderr
        administrator.execute(statement)
    with poolers.running(server, {ROLE: PASSWORD}, ignores_options) as pooler:
        done = run("manage.py", "showmigrations", DATABASE_URL=pooler.url(ROLE, PASSWORD, DATABASE))
        assert done.returncode == 0, done.stderr


def test_options_that_a_pooler_refuses_are_named(server: dict[str, Any], administrator: Any) -> None:
    with poolers.running(server, {ROLE: PASSWORD}) as pooler:
        url = f"{pooler.url(ROLE, PASSWORD, DATABASE)}&options=-c%20work_mem%3D64MB"
        refused = run("manage.py", "showmigrations", DATABASE_URL=url)
        assert refused.returncode == 1 and refused.stderr.count("\n") == 1, refused.stderr
        assert "which refuses -c work_mem=64MB" in refused.stderr


def test_a_product_lives_behind_a_pooler_in_transaction_mode(
    server: dict[str, Any], administrator: Any
) -> None:
    administrator.execute(f"ALTER ROLE {ROLE} IN DATABASE {DATABASE} SET search_path = exemplar, public")
    with poolers.running(server, {ROLE: PASSWORD}) as pooler:
        system = System(
            state_folder(),
            DATABASE_URL=pooler.url(ROLE, PASSWORD, DATABASE),
            EXEMPLAR_PRODUCTS="examples.tumor",
            EXEMPLAR_OPEN="on",
            **KEYS,
        )
        try:
            # Whoever migrates at the same time waits for the other.
            with ThreadPoolExecutor(3) as threads:
                list(threads.map(lambda _: system.run("migrate"), range(4)))
            system.start()
            test_lifecycle.await_answer(system)
            test_lifecycle.test_a_product_is_built_serves_and_learns_from_feedback(system)
            check_that_batches_share_connections(system)
        finally:
            system.stop()
        assert not (lost := LOST.findall(system.output)), (lost, system.output)


def check_that_batches_share_connections(system: System) -> None:
    """Predict and write at once, by more callers than the pooler has connections."""
    query = "query($key: ID!) { tumor { predictFor(entity: $key) { label } } }"
    patch = "mutation($key: ID!) { tumorPatch(input: {entity: $key, features: {meanRadius: 9}}) { changed } }"
    with ThreadPoolExecutor(12) as threads:
        keys = [{"key": f"B-{number:04}"} for number in range(1, 121)]
        answers = list(threads.map(lambda key: system.ask(query, key), keys))
        answers += threads.map(lambda key: system.ask(patch, key), keys[:24])
    assert not [answer["errors"] for answer in answers if "errors" in answer]
