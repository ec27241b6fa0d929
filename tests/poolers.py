"""pgbouncer in transaction mode, before a PostgreSQL that tests run."""

import os
import pwd
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg2
import pytest

from project import state
from project.processes import Child
from tests.system import state_folder
from tests.waiting import eventually

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
PORT = 6432
#: Few connections to the server, taken in turn: two statements in a row have different sessions.
CONFIGURATION = """
[databases]
* = host={host} port={port}
[pgbouncer]
listen_port = {listen}
unix_socket_dir = {folder}
auth_type = scram-sha-256
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = 3
server_round_robin = 1
ignore_startup_parameters = extra_float_digits{ignored}
"""


@dataclass(frozen=True)
class Pooler:
    """A running pgbouncer."""

    folder: Path
    log: Path

    def url(self, user: str, password: str, database: str) -> str:
        credentials = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return f"postgresql://{credentials}@/{quote(database)}?host={quote(str(self.folder), safe='')}&port={PORT}"


@contextmanager
def running(server: dict[str, Any], users: dict[str, str], ignores_options: bool = False) -> Iterator[Pooler]:
    """Run pgbouncer for these users, with their passwords, before the server of these connection parameters.

    Args:
        ignores_options: True where the startup parameter `options` is dropped and not refused.
    """
    if PGBOUNCER is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("Install pgbouncer")
    folder = state_folder()
    owner = pwd.getpwnam("nobody")[2:4] if os.geteuid() == 0 else None  # it refuses to run as root
    state.create_private_folder(folder, owner=owner)
    texts = {
        "users": "".join(f'"{user}" "{password}"\n' for user, password in users.items()),
        "pgbouncer.ini": CONFIGURATION.format(
            host=server["host"],
            port=server.get("port", 5432),
            listen=PORT,
            folder=folder,
            ignored=", options" * ignores_options,
        ),
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o644)
    log = folder.with_name("pgbouncer.log")
    child = Child(name="pgbouncer", command=[PGBOUNCER, folder / "pgbouncer.ini"], owner=owner, log=log)
    child.start()
    try:
        user, password = next(iter(users.items()))
        parameters = {"host": str(folder), "port": PORT, "user": user, "password": password}
        assert eventually(lambda: accepts(parameters) or not child.alive) and child.alive, log.read_text()
        yield Pooler(folder, log)
    finally:
        child.stop()


def accepts(parameters: dict[str, Any]) -> bool:
    """Return True once pgbouncer lets its users in; its server it asks only for their first statement."""
    try:
        psycopg2.connect(**parameters, dbname="postgres").close()
    except psycopg2.OperationalError as error:
        return "No such file" not in str(error) and "refused" not in str(error)
    return True
