"""Start-up: seconds until a command has ended, a web process is ready, a worker listens, a queued build begins.

    ./dev bench startup [--against ../another-checkout] [--runs 5] [--rows check web]

Every checkout is copied and gets a state folder of its own, in which the four example products are built. Each row is
run once to warm it, then as often as `--runs` says, the checkouts in turns. The table has the median of the wall clock
and, behind it, the processor time of the process and its children, which other load on the machine disturbs less.
"""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import httpx
import psycopg2
import redis
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks import _servers
from project import engines
from project.processes import Child

ROOT = Path(__file__).resolve().parent.parent
#: The example products, and the family that each is built with.
FAMILIES = {"diabetes": "boosting", "manual": "linear", "tumor": "linear", "wine": "kmeans"}
#: Beginnings of variables that are not passed on.
FOREIGN = ("DJANGO_", "EXEMPLAR_", "PYTHON")
#: What is not copied: environments, states, what tools have left.
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", ".exemplar", ".*_cache", ".hypothesis", "_site", "*.log")
#: Seconds between two looks at a process that starts.
GLANCE = 0.005
PATIENCE = 120.0

FLOWERS = "flower,petal,sepal,species\n" + "\n".join(
    f"{n},{n % 7 / 2},{n % 11},{'rose' if n % 7 > 3 else 'iris'}" for n in range(200)
)
REQUEST_BUILD = 'mutation { requestBuild(input: {product: "manual"}) { started build { id } } }'
#: Seconds from the request of the newest build to its first step.
FIRST_STEP = """
SELECT EXTRACT(EPOCH FROM min(event.at) - build.requested_at)
FROM exemplar.store_build build JOIN exemplar.store_buildevent event ON event.build_id = build.id
WHERE build.id = (SELECT max(id) FROM exemplar.store_build) AND event.kind <> 'BuildStarted'
GROUP BY build.id
"""


class Seconds(NamedTuple):
    """Times of one start."""

    wall: float
    processor: float


@dataclass(frozen=True)
class Checkout:
    """A copy of a checkout, with a state folder of its own."""

    name: str
    root: Path
    python: Path
    state: Path

    @classmethod
    def copied(cls, source: Path, folder: Path) -> "Checkout":
        """Copy a checkout into `folder`, make its database, and build each example."""
        name = source.resolve().name
        root = folder / name / "checkout"
        shutil.copytree(source, root, ignore=LEFT_OUT)
        checkout = cls(name, root, source.resolve() / ".venv" / "bin" / "python", folder / name / "state")
        checkout.run("prepare")
        for product, family in FAMILIES.items():
            checkout.run("build", product, "--families", family, "--candidates", "1")
        (root / "flowers.csv").write_text(FLOWERS)
        return checkout

    @property
    def environment(self) -> dict[str, str]:
        """The caller's, with this checkout's state folder; Python's variables would keep modules from being cached."""
        caller = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        return caller | {"EXEMPLAR_STATE": str(self.state)}

    def run(self, *arguments: str) -> Seconds:
        """Run a command of `manage.py` to its end."""
        before, start = _children_time(), time.perf_counter()
        command = [str(self.python), str(self.root / "manage.py"), *arguments]
        done = subprocess.run(command, cwd=self.root, env=self.environment, capture_output=True, text=True)
        seconds = Seconds(time.perf_counter() - start, _children_time() - before)
        if done.returncode:
            raise SystemExit(f"{self.name}: {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
        return seconds

    @contextmanager
    def engines(self) -> Iterator[tuple[engines.PostgreSQL, engines.Valkey]]:
        """Run PostgreSQL and Valkey in the state folder, for processes that join them."""
        postgres, valkey = engines.PostgreSQL(self.state), engines.Valkey(self.state)
        with engines.running(self.state, [postgres, valkey], "bench startup"):
            yield postgres, valkey

    @contextmanager
    def process(self, *command: str) -> Iterator[int]:
        """Run a process of this checkout; give its number."""
        program, *arguments = command
        child = Child(
            name=program,
            command=[self.python, self.root / program, *arguments],
            environment=self.environment,
            log=self.state / "logs" / "bench.log",
        )
        child.start()
        try:
            yield child.pid or 0
        finally:
            child.stop()


def _children_time() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _processor(pid: int) -> float:
    """Read the processor time that a running process has taken; NaN where /proc is missing."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return float("nan")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _await(condition: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > until:
            raise SystemExit(f"Nothing has happened for {PATIENCE:g} s.")
        time.sleep(GLANCE)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def command(*arguments: str) -> Callable[[Checkout], Seconds]:
    """Measure a command, with the engines that it starts and stops."""
    return lambda checkout: checkout.run(*arguments)


def new_product(checkout: Checkout) -> Seconds:
    """Measure `newproduct` of 200 rows; the product is removed again."""
    seconds = checkout.run("newproduct", "flowers", "flowers.csv", "--label", "species", "--yes")
    checkout.run("rmproduct", "flowers", "--drop-data", "--yes")
    return seconds


def remove_product(checkout: Checkout) -> Seconds:
    """Measure `rmproduct` of what `newproduct` has written."""
    checkout.run("newproduct", "flowers", "flowers.csv", "--label", "species", "--yes")
    return checkout.run("rmproduct", "flowers", "--drop-data", "--yes")


def ingest(checkout: Checkout) -> Seconds:
    """Measure `ingest` of 200 rows that are there already."""
    checkout.run("newproduct", "flowers", "flowers.csv", "--label", "species", "--yes")
    seconds = checkout.run("ingest", "flowers", "flowers.csv")
    checkout.run("rmproduct", "flowers", "--drop-data", "--yes")
    return seconds


def web(checkout: Checkout) -> Seconds:
    """Measure a web process until it is ready with four champions; the engines run already."""
    port = _servers.find_free_port()
    with checkout.engines():
        start = time.perf_counter()
        with checkout.process("manage.py", "web", f"--port={port}") as pid:
            _await(lambda: _answers(f"http://127.0.0.1:{port}/ready"))
            return Seconds(time.perf_counter() - start, _processor(pid))


def worker(checkout: Checkout) -> Seconds:
    """Measure a worker until it is registered with the queue; the engines run already."""
    with checkout.engines() as (_, valkey), redis.Redis.from_url(valkey.url) as server:
        server.delete("rq:workers")
        start = time.perf_counter()
        with checkout.process("worker.py") as pid:
            _await(lambda: server.scard("rq:workers"))
            return Seconds(time.perf_counter() - start, _processor(pid))


def queued_build(checkout: Checkout) -> Seconds:
    """Measure a build from its request to its first step; web and worker have been idle for some seconds."""
    port = _servers.find_free_port()
    with (
        checkout.engines() as (postgres, _),
        checkout.process("manage.py", "web", f"--port={port}"),
        checkout.process("worker.py") as pid,
    ):
        url = f"http://127.0.0.1:{port}"
        _await(lambda: _answers(f"{url}/ready"))
        _await(lambda: _is_idle(pid))
        httpx.post(f"{url}/graphql/", json={"query": REQUEST_BUILD}, trust_env=False).raise_for_status()
        connection = psycopg2.connect(**postgres.dsn)
        try:
            _await(lambda: _first_step(connection))
            wall = _first_step(connection)
            assert wall is not None
            return Seconds(wall, float("nan"))
        finally:
            connection.close()


def _is_idle(pid: int, seconds: float = 2.0) -> bool:
    """Return whether a process takes next to no processor time."""
    before = _processor(pid)
    time.sleep(seconds)
    return _processor(pid) - before < 0.05


def _first_step(connection: "psycopg2.extensions.connection") -> float | None:
    with connection, connection.cursor() as cursor:
        cursor.execute(FIRST_STEP)
        row = cursor.fetchone()
    return float(row[0]) if row else None


ROWS: Mapping[str, Callable[[Checkout], Seconds]] = {
    "help": command("help"),
    "check": command("check"),
    "makemigrations": command("makemigrations", "--check", "--dry-run"),
    "migrate": command("migrate"),
    "preview": command("preview", "tumor"),
    "report": command("report", "tumor", "--to", "report.html"),
    "newproduct": new_product,
    "ingest": ingest,
    "rmproduct": remove_product,
    "web": web,
    "worker": worker,
    "build": queued_build,
}
TITLES = {
    "makemigrations": "makemigrations --check",
    "migrate": "migrate, nothing to do",
    "newproduct": "newproduct, 200 rows",
    "ingest": "ingest, 200 rows",
    "web": "web process, ready",
    "worker": "worker, listening",
    "build": "queued build, first step",
}


def measure(row: str, checkouts: list[Checkout], runs: int) -> dict[str, Seconds]:
    """Run one row in every checkout in turns; return the medians, without the first run."""
    taken: dict[str, list[Seconds]] = {checkout.name: [] for checkout in checkouts}
    for _ in track(range(runs + 1), row, transient=True):
        for checkout in checkouts:
            taken[checkout.name].append(ROWS[row](checkout))
    return {
        name: Seconds(*map(statistics.median, zip(*each[1:], strict=True))) for name, each in taken.items()
    }


def render_cells(row: str, seconds: Mapping[str, Seconds], checkouts: list[Checkout]) -> list[str]:
    """Render the line of a row: its title and the seconds of each checkout."""
    cells = [TITLES.get(row, row)]
    for checkout in checkouts:
        wall, processor = seconds[checkout.name]
        cells.append(f"{wall:.2f}" + ("" if processor != processor else f"  ({processor:.2f})"))
    return cells


def main() -> None:
    """Measure the rows and print a table."""
    parser = argparse.ArgumentParser(prog="./dev bench startup")
    parser.add_argument("--against", type=Path, help="another checkout, which is measured in turns with this")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    options = parser.parse_args()
    folder = Path(os.environ["EXEMPLAR_STATE"]) / "startup"
    folder.mkdir(mode=0o711)
    sources = [*([options.against] if options.against else []), ROOT]
    checkouts = [Checkout.copied(source, folder) for source in sources]
    table = Table(
        "start", *(checkout.name for checkout in checkouts), title="Seconds, medians (processor time)"
    )
    for row in options.rows:
        table.add_row(*render_cells(row, measure(row, checkouts, options.runs), checkouts))
    Console(file=sys.stdout, width=110).print(table)
