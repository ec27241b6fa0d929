"""Predictions of two checkouts' servers, loaded in turns: what a change costs, where the machine's pace varies.

    ./dev bench checkouts --against ../another-checkout [--connections 32] [--rounds 8] [--seconds 2]

Both checkouts need this benchmark and an environment. Each has engines of its own; the server that is not loaded is
stopped meanwhile. The table has medians, and the medians of the ratios of the rounds: the two halves of a round lie
seconds apart, while figures of different minutes may differ by a factor of two.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from rich.console import Console
from rich.table import Table

from benchmarks import _champions, _servers
from benchmarks._load import Load, measure
from benchmarks.serving import FAMILIES, PRODUCTS, serve_ours
from store.products import catalogue

ROOT = Path(__file__).resolve().parent.parent
#: Seconds of requests in which a server becomes warm.
WARM_SECONDS = 2.0
COLUMNS = ("answers a second", "µs of the web's processor each", "µs of PostgreSQL's processor each")


class Half(NamedTuple):
    """One half of a round: what one server did."""

    rate: float
    #: Microseconds of a processor for each answer.
    web: float
    postgresql: float


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server of one checkout that runs."""

    name: str
    load: Load
    #: Process ids of the web process and of PostgreSQL's postmaster.
    web: int
    postmaster: int

    def measure(self, options: argparse.Namespace, first: int) -> Half:
        """Load the server, and count the time of its processes."""
        before = read_processor_time([self.web]), read_processor_time(find_family(self.postmaster))
        result = measure(self.load, options.connections, options.seconds, first)
        after = read_processor_time([self.web]), read_processor_time(find_family(self.postmaster))
        answers = result.rate * options.seconds
        web, postgresql = ((b - a) / answers * 1e6 for a, b in zip(before, after, strict=True))
        return Half(result.rate, web, postgresql)


def find_family(pid: int) -> list[int]:
    """Find a process and its children."""
    return [pid, *_servers.find_children(pid)]


def read_processor_time(pids: Sequence[int]) -> float:
    """Read the seconds that the threads of these processes ran, to the nanosecond (Linux)."""
    threads = [thread for pid in pids for thread in Path(f"/proc/{pid}/task").glob("*/schedstat")]
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


def serve_here(options: argparse.Namespace) -> None:
    """Serve this checkout's product until the standard input ends; write how to load it to the file `--serve`."""
    product = catalogue.get(options.product)
    PRODUCTS[options.product]()
    _champions.serve_family(product, options.family)
    with tempfile.TemporaryDirectory() as folder, serve_ours(product, Path(folder)) as (child, requests):
        pid_file = settings.EXEMPLAR_STATE / "postgres" / "postmaster.pid"
        draft = options.serve.with_suffix(".draft")
        draft.write_text(
            json.dumps(
                {
                    "load": asdict(requests),
                    "web": child.pid,
                    "postmaster": int(pid_file.read_text().split()[0]),
                }
            )
        )
        draft.rename(options.serve)
        sys.stdin.read()


@contextmanager
def start_server(name: str, checkout: Path, options: argparse.Namespace, folder: Path) -> Iterator[Server]:
    """Start the server of a checkout by its own copy of this benchmark. Raises SystemExit if it ends."""
    file, log = folder / f"{name}.json", folder / f"{name}.log"
    command: list[Any] = [checkout / ".venv" / "bin" / "python", "-m", "benchmarks", "checkouts"]
    command += ["--serve", file, "--product", options.product, "--family", options.family]
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=checkout, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        while not file.exists():
            if process.poll() is not None:
                raise SystemExit(f"{checkout} does not serve:\n{log.read_text()[-2_000:]}")
            time.sleep(0.1)
        content = json.loads(file.read_text())
        yield Server(name=name, load=Load(**content.pop("load")), **content)
    finally:
        process.communicate()


def run(servers: Sequence[Server], options: argparse.Namespace) -> list[tuple[Half, ...]]:
    """Load the servers in turns; return the halves of each round, in the order of the servers."""
    first = 1
    for server in servers:
        measure(server.load, options.connections, WARM_SECONDS, first)
    rounds = []
    for number in range(options.rounds):
        halves: dict[str, Half] = {}
        # Whoever comes first in one round comes last in the next.
        for server in servers if number % 2 else reversed(servers):
            first += 1_000_000
            with _servers.freeze_processes([other.web for other in servers if other is not server]):
                halves[server.name] = server.measure(options, first)
        rounds.append(tuple(halves[server.name] for server in servers))
    return rounds


def print_table(servers: Sequence[Server], rounds: Sequence[tuple[Half, ...]]) -> None:
    """Print a line for each server, and one for the ratios of the second to the first."""
    table = Table("checkout", *COLUMNS, title="Predictions, each of them stored")
    for place, server in enumerate(servers):
        figures = zip(*(halves[place] for halves in rounds), strict=True)
        table.add_row(server.name, *(f"{statistics.median(values):,.0f}" for values in figures))
    base, now = zip(*rounds, strict=True)
    ratios = [
        statistics.median(new / old for new, old in zip(ours, theirs, strict=True))
        for ours, theirs in zip(zip(*now, strict=True), zip(*base, strict=True), strict=True)
    ]
    table.add_row("ratio", *(f"{ratio:.3f}" for ratio in ratios))
    Console(width=120).print(table)


def main() -> None:
    """Measure and print a table, or serve for such a measurement."""
    options = _parse_options()
    if options.serve:
        serve_here(options)
        return
    with tempfile.TemporaryDirectory(prefix="checkouts-") as folder, ExitStack() as stack:
        pairs = (("there", options.against.resolve()), ("here", ROOT))
        servers = [
            stack.enter_context(start_server(name, checkout, options, Path(folder)))
            for name, checkout in pairs
        ]
        print_table(servers, run(servers, options))


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench checkouts", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--against", type=Path, help="another checkout, with an environment")
    what.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--product", choices=PRODUCTS, default="tumor")
    parser.add_argument("--family", choices=FAMILIES, default="linear")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=2, help="of each half of a round")
    parser.add_argument("--rounds", type=int, default=8)
    return parser.parse_args()
