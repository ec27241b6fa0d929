"""Run pytest on a PostgreSQL that is installed on this machine, as a server that DATABASE_URL names.

python -m tests.on_postgresql /usr/lib/postgresql/15/bin [arguments of pytest]
"""

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

from project import engines
from tests.system import state_folder


class InstalledPostgreSQL(engines.PostgreSQL):
    """A new cluster in a folder of its own, run by the binaries of a folder."""

    #: Versions before 17 have no collations of their own.
    locale = ("--locale=C.UTF-8",)
    binaries: Path  # type: ignore[assignment]

    @property
    def url(self) -> str:
        dsn = self.dsn
        return f"postgresql://{dsn['user']}:{dsn['password']}@/{dsn['dbname']}?host={quote(dsn['host'], safe='')}"


def main(binaries: str, *arguments: str) -> int:
    """Return pytest's exit status."""
    server = InstalledPostgreSQL(state_folder(), durable=False)
    server.binaries = Path(binaries)
    with engines.running(server.folder, [server], "the tests"):
        command = [sys.executable, "-m", "pytest", *arguments]
        return subprocess.run(command, env=os.environ | {"DATABASE_URL": server.url}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
