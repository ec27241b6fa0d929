"""Embedded PostgreSQL and Valkey: real servers from wheels, on sockets in the state folder."""

from pathlib import Path

from project import state


class PostgreSQL:
    """PostgreSQL in the state folder `folder`, reached by a socket and a generated password."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.socket = state.sockets(folder, "postgres")

    @property
    def dsn(self) -> dict[str, str]:
        """What libpq needs to reach it."""
        password = state.secret(self.folder, "postgres-password")
        return {"dbname": "exemplar", "user": "exemplar", "password": password, "host": str(self.socket)}


class Valkey:
    """Valkey in the state folder `folder`, reached by a socket that only its owner may open."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.socket = state.sockets(folder, "valkey") / "valkey.sock"

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"
