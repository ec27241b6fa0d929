"""A PostgreSQL that is too old is refused by every command, in one sentence."""

import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from tests import commands
from tests.keys import KEYS
from tests.system import ROOT, System, state_folder
from tests.waiting import PATIENCE

pytestmark = pytest.mark.system

SENTENCE = (
    "exemplar: DATABASE_URL names a PostgreSQL 13.22, and the oldest that can be used is 14: "
    "upgrade that server, or name a newer one.\n"
)
#: What the server says of itself before the first statement.
PARAMETERS = {
    "server_version": "13.22 (Debian 13.22-0+deb11u1)",
    "server_encoding": "UTF8",
    "client_encoding": "UTF8",
    "DateStyle": "ISO, MDY",
    "TimeZone": "UTC",
    "integer_datetimes": "on",
    "standard_conforming_strings": "on",
}


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def greeting() -> bytes:
    """What a server sends to a client that it lets in."""
    told = b"".join(message(b"S", f"{name}\0{value}\0".encode()) for name, value in PARAMETERS.items())
    return message(b"R", struct.pack("!I", 0)) + told + message(b"K", bytes(8)) + message(b"Z", b"I")


@pytest.fixture
def old_server() -> Iterator[str]:
    """The URL of a server of version 13, of which there is no more than the beginning of every connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:  # closed
                    return
                client.recv(4096)
                client.sendall(greeting())
                clients.append(client)

        clients: list[socket.socket] = []
        threading.Thread(target=serve, daemon=True).start()
        host, port = listener.getsockname()
        yield f"postgresql://me:secret@{host}:{port}/db?sslmode=disable"
        for client in clients:
            client.close()


#: One of each kind: a supervisor, a server, a command of Django's, a worker. Others, which differ by name, are slow.
COMMANDS = [
    *(["manage.py", name] for name in ("up", "web", "migrate")),
    ["worker.py"],
    *(
        pytest.param(["manage.py", *words], marks=pytest.mark.slow)
        for words in (
            *(["check"], ["prepare"], ["export_schema"], ["showmigrations"]),
            *(["build", "tumor"], ["report", "tumor"], ["shell", "-c", "1"]),
        )
    ),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_server_that_is_too_old_is_refused_by_every_command(old_server: str, command: list[str]) -> None:
    settings = {"DATABASE_URL": old_server, "REDIS_URL": "redis://127.0.0.1:9"}
    environment = System(state_folder(), **KEYS, **settings).supervisor.environment
    refused = commands.run(
        ROOT / command[0], *command[1:], cwd=ROOT, environment=environment, timeout=PATIENCE
    )
    assert (refused.returncode, refused.stderr, refused.stdout) == (1, SENTENCE, "")
