"""What is said where a pooler drops the search path; tests/project/test_process_roles.py lives behind one."""

import subprocess
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from django.db import connections

from tests import commands, poolers
from tests.commands import outer_environment
from tests.keys import KEYS
from tests.system import ROOT, state_folder
from tests.waiting import PATIENCE

pytestmark = [pytest.mark.system, pytest.mark.pooler]

DATABASE, ROLE, PASSWORD = "pooled", "exemplar_pooled", "secret"


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
    return commands.run(ROOT / command[0], *command[1:], cwd=ROOT, environment=environment, timeout=PATIENCE)


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
