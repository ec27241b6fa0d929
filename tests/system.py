"""A whole Exemplar in processes of its own, for tests which go through the front door."""

import atexit
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGINT, SIGTERM
from typing import Any

import httpx

from project.processes import Child
from tests import commands
from tests.commands import outer_environment
from tests.waiting import PATIENCE

ROOT = Path(__file__).resolve().parent.parent
#: What a copy of the project leaves out: bytecode that is being written. The rest is copied along, or each process of
#: a copy compiles all modules once more.
UNFINISHED = shutil.ignore_patterns("*.pyc.*")


#: Tests send more than people and programs do; those of the limits set their own.
UNLIMITED = dict.fromkeys(("EXEMPLAR_RATE", "EXEMPLAR_STRANGER_RATE", "EXEMPLAR_STRANGER_QUOTA"), "unlimited")


#: Runs commands, one a line, and prints what each has printed; ends with the first that fails.
CALLS = """
import contextlib, io, json, sys
from django.core.management import call_command
from django.db import connections
for line in sys.stdin:
    with contextlib.redirect_stdout(io.StringIO()) as output:
        call_command(*json.loads(line))
    connections.close_all()
    print(json.dumps(output.getvalue()), flush=True)
"""


class System:
    """What `./dev up` starts in `root`, in the state folder `folder`; `settings` are environment variables.

    Rates are unlimited unless they are set. Builds are quick unless `quick` is False: few tests are about what is found
    by a search.
    """

    def __init__(self, folder: Path, *arguments: str, root: Path = ROOT, quick: bool = True, **settings: str):
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.client = httpx.Client(base_url=self.url, trust_env=False, timeout=PATIENCE)
        self.log = folder.with_name(f"{folder.name}.log")
        self.root = root
        self.environment = {
            **outer_environment(root),
            "EXEMPLAR_STATE": str(folder),
            "EXEMPLAR_QUICK_BUILDS": "on" if quick else "off",
            **UNLIMITED,
            **settings,
        }
        self.caller: subprocess.Popen[str] | None = None
        self.supervisor = Child(
            name="up",
            command=[sys.executable, root / "manage.py", "up", f"--port={self.port}", *arguments],
            signals=[SIGINT],
            patience=30,
            orphaned=SIGTERM,
            environment=self.environment,
            log=self.log,
        )

    def start(self, seconds: float = 2 * PATIENCE) -> "System":
        """Start it; return when it is healthy."""
        self.supervisor.start()
        until = time.monotonic() + seconds
        while not self.healthy():
            if not self.supervisor.alive or time.monotonic() > until:
                raise AssertionError(f"not healthy: {self.output}")
            time.sleep(0.05)
        return self

    @contextmanager
    def running(self) -> Iterator["System"]:
        """Run it until the end of the block."""
        try:
            yield self.start()
        finally:
            self.stop()

    def healthy(self) -> bool:
        return self.status("/health") == 200

    def status(self, path: str) -> int | None:
        """The status of a GET; None: no answer."""
        try:
            return self.client.get(path, timeout=10).status_code
        except httpx.HTTPError:
            return None

    def ask(self, query: str, variables: dict[str, Any] | None = None, **headers: str) -> Any:
        """Post a GraphQL operation; return the whole answer, `errors` included. `x_y="z"` sends `x-y: z`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        body = {"query": query, "variables": variables or {}}
        return self.client.post("/graphql/", json=body, headers=named).json()

    def process(self, name: str) -> int:
        """The pid of `supervisor`, `postgres`, `valkey`, `web` or `worker`."""
        return int(json.loads((self.folder / "processes.json").read_text())[name])

    def run(self, *command: str, **settings: str) -> str:
        """Run a command of manage.py in this system; return what it printed."""
        done = commands.run(
            self.root / "manage.py", *command, cwd=self.root, environment=self.environment | settings
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def call(self, *command: str) -> str:
        """Run a command in a process of this system that runs many of them; return what it printed."""
        if not self.caller:
            self.caller = subprocess.Popen(
                [sys.executable, self.root / "manage.py", "shell", "--verbosity=0", "-c", CALLS],
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self.caller.stdin and self.caller.stdout
        print(json.dumps(command), file=self.caller.stdin, flush=True)
        if not (line := self.caller.stdout.readline()):
            self.caller.communicate()
            self.caller = None  # the next command has a new one
            raise AssertionError(f"{command} failed")
        return str(json.loads(line))

    @property
    def output(self) -> str:
        """What was printed so far, by the supervisor, the web processes and the workers."""
        return self.log.read_text() if self.log.exists() else ""

    def stop(self) -> None:
        """Ctrl-C."""
        self.client.close()
        if self.caller:
            self.caller.communicate()
        self.supervisor.stop()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def state_folder() -> Path:
    """A path for a state folder that does not exist yet, in a folder that goes when the tests end."""
    # Not one of pytest's: those are closed to others, and PostgreSQL, which root runs as nobody, must pass through.
    folder = tempfile.mkdtemp(prefix="exemplar-tests-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if os.geteuid() == 0:
        os.chmod(folder, 0o711)
    return Path(folder) / "exemplar"


def copied(folder: Path) -> Path:
    """A copy of the state folder of a system that was stopped; whose it is stays."""
    copy = state_folder()
    subprocess.run(["cp", "-a", folder, copy], check=True)
    return copy
