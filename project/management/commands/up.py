"""The supervisor: engines, migrations, examples, workers, web; one command, which leaves nothing behind."""

import os
import signal
import socket
import sys
import time
import urllib.request
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
from django.conf import settings
from django.core.management.base import BaseCommand

from project import engines, state
from project.listening import bind
from project.processes import Child
from project.supervisor import Supervisor, numbered

#: What asks for the end.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
OLDEST_POSTGRESQL = 16

QUERY = "{ products { name champion { number score } } }"


class Command(BaseCommand):
    help = "Runs everything: engines, migrations, examples, workers and the web, until Ctrl-C."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=settings.EXEMPLAR_PORT, help="of HTTP and WebSocket")
        parser.add_argument("--web", type=int, default=settings.EXEMPLAR_WEB, help="web processes")
        parser.add_argument("--workers", type=int, default=settings.EXEMPLAR_WORKERS, help="RQ workers")

    def handle(self, *, port: int, web: int, workers: int, **options: Any) -> None:
        with endings_raise():
            try:
                with (
                    state.held(settings.EXEMPLAR_STATE, "./dev up"),
                    bind(settings.EXEMPLAR_HOST, port) as listener,
                ):
                    self.run(listener, web, workers)
            except KeyboardInterrupt:
                say("Stopped.")

    def run(self, listener: socket.socket, web: int, workers: int) -> None:
        """Start everything in its order, keep it running, and stop it in the opposite order."""
        supervisor = Supervisor(settings.EXEMPLAR_STATE, say)
        try:
            check_servers()
            start_engines(supervisor)
            with gate() as (closed, open_it):
                for name in numbered("web", web):
                    supervisor.start(web_process(name, listener, closed))
                prepare()
                open_it()
                for name in numbered("worker", workers):
                    supervisor.start(worker(name))
                await_answer(supervisor, listener)
                welcome(listener)
                supervisor.watch()
        finally:
            shut_down(supervisor)


def check_servers() -> None:
    """Raise `Unusable` with one line where a server that a URL names cannot be used."""
    if not settings.EXEMPLAR_EMBEDDED:
        check_database(settings.DATABASE_URL)
    if not settings.EXEMPLAR_EMBEDDED_REDIS:
        check_redis(settings.REDIS_URL)


def start_engines(supervisor: Supervisor) -> None:
    chosen = engines.embedded(settings)
    if not chosen:
        return
    first = " for the first time" if any(engine.is_new for engine in chosen) else ""
    say(f"Starting {' and '.join(engine.title for engine in chosen)}{first} …")
    for child in engines.start(chosen):
        supervisor.keep(child)


def check_database(url: str) -> None:
    try:
        connection = psycopg2.connect(url, connect_timeout=5)
    except psycopg2.OperationalError as error:
        raise state.Unusable(f"DATABASE_URL: {' '.join(str(error).split())}") from None
    with connection:
        if connection.server_version < OLDEST_POSTGRESQL * 10_000:
            raise state.Unusable(f"DATABASE_URL: this PostgreSQL is older than {OLDEST_POSTGRESQL}.")
    connection.close()


def check_redis(url: str) -> None:
    from redis import Redis, RedisError  # a tenth of a second, which the embedded mode can save
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    try:
        Redis.from_url(url, socket_connect_timeout=5, retry=Retry(NoBackoff(), 0)).ping()
    except (RedisError, ValueError) as error:
        raise state.Unusable(f"REDIS_URL: {error}") from None


def prepare() -> None:
    """Migrate and load the examples, in another process: it takes Django a while to load."""
    child = Child(name="prepare", command=[sys.executable, settings.BASE_DIR / "manage.py", "prepare"])
    child.start()
    try:
        while not child.wait(60):
            say("Still preparing the database …")
    finally:
        child.stop()
    if child.process and child.process.returncode:
        raise state.Unusable("The database could not be prepared.")


def web_process(name: str, listener: socket.socket, closed: int) -> Child:
    """A web process on the socket that all of them share; it is loaded while the database is prepared."""
    web: list[str | Path] = [
        sys.executable,
        settings.BASE_DIR / "manage.py",
        "web",
        f"--fd={listener.fileno()}",
        f"--after={closed}",
    ]
    return Child(name=name, command=web, inherited=[listener.fileno(), closed])


def worker(name: str) -> Child:
    # Its first SIGTERM lets the job end, the second ends the job; other signals than these leave its work-horse behind.
    twice = (signal.SIGTERM, signal.SIGTERM)
    return Child(
        name=name, command=[sys.executable, settings.BASE_DIR / "worker.py"], signals=twice, patience=2
    )


@contextmanager
def gate() -> Iterator[tuple[int, Callable[[], None]]]:
    """A pipe whose reader, a child, gets to its end when the gate is opened."""
    reader, writer = os.pipe()
    opened = False

    def open_it() -> None:
        nonlocal opened
        if not opened:
            os.close(writer)
        opened = True

    try:
        yield reader, open_it
    finally:
        open_it()
        os.close(reader)


def await_answer(supervisor: Supervisor, listener: socket.socket) -> None:
    while not healthy(f"{address(listener)}/health"):
        supervisor.look()
        time.sleep(0.05)


def healthy(url: str) -> bool:
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def welcome(listener: socket.socket) -> None:
    url = address(listener)
    print(
        f"\nExemplar runs. Ctrl-C stops it.\n  GraphiQL  {url}/graphql/\n  Admin     {url}/admin/   {administrator()}"
    )
    print(f"  Try       {QUERY}\n", flush=True)


def administrator() -> str:
    password: Path = settings.EXEMPLAR_STATE / "admin-password"
    return f"user admin, password {password.read_text()}" if password.exists() else "with your own account"


def shut_down(supervisor: Supervisor) -> None:
    """Stop what was started, the last first; whoever asks again while it lasts does not have to wait."""
    for number in ENDING:
        signal.signal(number, lambda *_: supervisor.kill())
    if supervisor.kept:
        say("Stopping …")
    supervisor.stop("web", "worker")
    supervisor.stop("valkey")
    supervisor.stop("postgres")
    supervisor.farewell()


@contextmanager
def endings_raise() -> Iterator[None]:
    """Make every signal that asks for the end raise `KeyboardInterrupt`, as Ctrl-C does."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def say(sentence: str) -> None:
    print(sentence, flush=True)
