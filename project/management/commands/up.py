"""Command that runs everything under one supervisor: engines, migrations, examples, workers, web."""

import os
import signal
import socket
import ssl
import sys
import time
import urllib.request
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2
from django.conf import settings
from django.core.management.base import BaseCommand

from learning.lazy_imports import LazyModule
from project import engines, logs, state
from project.listening import bind
from project.processes import Child
from project.supervisor import Supervisor, numbered_names
from store.db.postgresql import versions

if TYPE_CHECKING:
    import redis
    import redis.backoff
    import redis.retry
else:
    redis = LazyModule("redis")  # the embedded mode does without

#: Signals that request the end.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

QUERY = "{ products { name champion { number score } } }"


class Command(BaseCommand):
    """Run all processes until a signal ends them."""

    help = "Runs everything: engines, migrations, examples, workers and the web, until Ctrl-C."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=settings.EXEMPLAR_PORT, help="of HTTP and WebSocket")
        parser.add_argument("--web", type=int, default=settings.EXEMPLAR_WEB, help="web processes")
        parser.add_argument("--workers", type=int, default=settings.EXEMPLAR_WORKERS, help="RQ workers")

    def handle(self, *, port: int, web: int, workers: int, **options: object) -> None:
        with signals_as_interrupts():
            try:
                with (
                    state.hold(settings.EXEMPLAR_STATE, "./dev up"),
                    bind(settings.EXEMPLAR_HOST, port) as listener,
                ):
                    self.run(listener, web, workers)
            except KeyboardInterrupt:
                report("Stopped.")

    def run(self, listener: socket.socket, web: int, workers: int) -> None:
        """Start all processes in order, supervise them, and stop them in the opposite order."""
        supervisor = Supervisor(settings.EXEMPLAR_STATE, report)
        try:
            check_servers()
            start_engines(supervisor)
            with gate() as (reader, open_gate):
                for name in numbered_names("web", web):
                    supervisor.start(build_web_process(name, listener, reader))
                prepare()
                open_gate()
                for name in numbered_names("worker", workers):
                    supervisor.start(build_worker(name))
                wait_until_healthy(supervisor, listener)
                print_welcome(listener)
                supervisor.watch()
        finally:
            shut_down(supervisor)


def check_servers() -> None:
    """Check the servers that URLs name. Raises Unusable with one line."""
    if not settings.EXEMPLAR_EMBEDDED:
        check_database(settings.DATABASE_URL)
    if not settings.EXEMPLAR_EMBEDDED_REDIS:
        check_redis(settings.REDIS_URL)


def start_engines(supervisor: Supervisor) -> None:
    """Start the embedded engines and supervise them."""
    chosen = engines.embedded(settings)
    if not chosen:
        return
    first = " for the first time" if any(engine.is_new for engine in chosen) else ""
    report(f"Starting {' and '.join(engine.title for engine in chosen)}{first} …")
    for child in engines.start(chosen):
        supervisor.add(child)


def check_database(url: str) -> None:
    """Check that the database can be reached and is new enough. Raises Unusable, ImproperlyConfigured."""
    try:
        connection = psycopg2.connect(url, connect_timeout=5)
    except psycopg2.OperationalError as error:
        raise state.Unusable(f"DATABASE_URL: {' '.join(str(error).split())}") from None
    with connection:
        versions.check(connection.server_version)
    connection.close()


def check_redis(url: str) -> None:
    """Check that Redis answers. Raises Unusable."""
    once = redis.retry.Retry(redis.backoff.NoBackoff(), 0)
    try:
        redis.Redis.from_url(url, socket_connect_timeout=5, socket_timeout=5, retry=once).ping()
    except (redis.RedisError, ValueError) as error:
        raise state.Unusable(f"REDIS_URL: {error}") from None


def prepare() -> None:
    """Migrate and load the examples, in another process, so that the supervisor stays small. Raises Unusable."""
    child = Child(name="prepare", command=[sys.executable, settings.BASE_DIR / "manage.py", "prepare"])
    child.start()
    try:
        while not child.wait(60):
            report("Still preparing the database …")
    finally:
        child.stop()
    if child.process and child.process.returncode:
        raise state.Unusable("The database could not be prepared; the reason is printed above.")


def build_web_process(name: str, listener: socket.socket, reader: int) -> Child:
    """Build a web process on the shared socket; it loads at once and serves when the pipe `reader` ends."""
    command: list[str | Path] = [
        sys.executable,
        settings.BASE_DIR / "manage.py",
        "web",
        f"--fd={listener.fileno()}",
        f"--after={reader}",
    ]
    return Child(name=name, command=command, inherited=[listener.fileno(), reader])


def build_worker(name: str) -> Child:
    """Build a worker process."""
    # The first SIGTERM lets the job end, the second ends the job; other signals leave the work-horse behind.
    twice = (signal.SIGTERM, signal.SIGTERM)
    return Child(
        name=name, command=[sys.executable, settings.BASE_DIR / "worker.py"], signals=twice, patience=2
    )


@contextmanager
def gate() -> Iterator[tuple[int, Callable[[], None]]]:
    """Open a pipe for children; yield its reading end, and a function that ends the pipe."""
    reader, writer = os.pipe()
    opened = False

    def open_gate() -> None:
        nonlocal opened
        if not opened:
            os.close(writer)
        opened = True

    try:
        yield reader, open_gate
    finally:
        open_gate()
        os.close(reader)


def wait_until_healthy(supervisor: Supervisor, listener: socket.socket) -> None:
    """Supervise until the web answers."""
    while not is_healthy(f"{build_url(listener)}/health"):
        supervisor.tick()
        time.sleep(0.05)


def is_healthy(url: str) -> bool:
    """Return True if a GET of the URL, without a proxy, has the status 200."""
    # A certificate is for the name that clients use, and this process is asked by its address.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    handlers = urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    try:
        with urllib.request.build_opener(*handlers).open(url, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def build_url(listener: socket.socket) -> str:
    """Build the URL under which this machine reaches a listening socket."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    scheme = "https" if settings.EXEMPLAR_TLS_CERT else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def print_welcome(listener: socket.socket) -> None:
    """Print the URLs, the account and a first query."""
    url = build_url(listener)
    report("\nExemplar runs. Ctrl-C stops it.")
    report(f"  Console   {url}/")
    report(f"  GraphiQL  {url}/graphql/")
    report(f"  Admin     {url}/admin/   {describe_account()}")
    report(f"  Try       {QUERY}\n")


def describe_account() -> str:
    """Describe the account for the admin: the generated one, if the state folder has its password."""
    password: Path = settings.EXEMPLAR_STATE / "admin-password"
    return f"user admin, password {password.read_text()}" if password.exists() else "with your own account"


def shut_down(supervisor: Supervisor) -> None:
    """Stop all processes, those started last first; another signal meanwhile kills them at once."""
    for number in ENDING:
        signal.signal(number, lambda *_: supervisor.kill())
    if supervisor.supervised:
        report("Stopping …")
    supervisor.stop("web", "worker")
    supervisor.stop("valkey")
    supervisor.stop("postgres")
    supervisor.reap_orphans()


@contextmanager
def signals_as_interrupts() -> Iterator[None]:
    """Have every signal of `ENDING` raise KeyboardInterrupt, as Ctrl-C does."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def report(sentence: str) -> None:
    """Print a sentence at once; where its file can take no more, what it reports goes on all the same."""
    if settings.EXEMPLAR_LOG == "json":
        sentence = logs.line_of("INFO", "project.supervisor", sentence.strip())
    with suppress(OSError):
        print(sentence, flush=True)
