"""A worker that cannot start says why in one sentence, and ends: a service manager starts it again."""

from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.db import connection

from tests import commands
from tests.keys import KEYS
from tests.system import ROOT, System, state_folder
from tests.waiting import PATIENCE

pytestmark = pytest.mark.engine

#: Where nothing listens.
NOBODY = "127.0.0.1:9"


def start(database: str, redis: str) -> tuple[int, str]:
    """Start a worker that does not get far; return its exit status and what it said."""
    urls = {"DATABASE_URL": database, "REDIS_URL": redis}
    environment = System(state_folder(), **KEYS, **urls).supervisor.environment
    ended = commands.run(ROOT / "worker.py", cwd=ROOT, environment=environment, timeout=PATIENCE)
    return ended.returncode, ended.stderr


@pytest.fixture
def database(transactional_db: None) -> str:
    """The URL of the tests' database."""
    names = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD", "dbname": "NAME"}
    return f"postgresql:///?{urlencode({name: connection.settings_dict[key] for name, key in names.items()})}"


def test_a_worker_says_that_postgresql_cannot_be_reached() -> None:
    status, sentence = start(f"postgresql://me:secret@{NOBODY}/shop", settings.REDIS_URL)
    assert status == 1
    assert sentence.startswith("exemplar: PostgreSQL: Connection refused")
    assert sentence.count("\n") == 1
    assert "secret" not in sentence


def test_a_worker_says_that_redis_cannot_be_reached(database: str) -> None:
    status, sentence = start(database, f"redis://{NOBODY}")
    assert status == 1
    assert sentence.startswith("exemplar: Redis cannot be reached: ")
    assert sentence.count("\n") == 1


def test_a_worker_says_that_tables_are_missing(database: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE exemplar.exemplar_auditentry RENAME TO elsewhere")
    try:
        status, sentence = start(database, settings.REDIS_URL)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE exemplar.elsewhere RENAME TO exemplar_auditentry")
    assert status == 1
    assert sentence.startswith('exemplar: PostgreSQL refuses (relation "exemplar_auditentry" does not exist)')
    assert sentence.count("\n") == 1
