"""Soak test: mixed load beside builds, promotions, rollbacks and killed workers; errors, times and memory per minute.

Exits with status 1 where there was an error, or where the memory of a process grew by more than a tenth after the
warm-up.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT, SIGTERM

from django.conf import settings
from django.core.management import call_command
from rich.console import Console
from rich.table import Table

from benchmarks import _servers
from benchmarks._disturbances import Disturbances
from benchmarks._mixed_load import AnsweredRequest, Client, MixedLoad
from project.processes import Child

#: The kinds of requests whose times are printed.
KINDS = ("predict", "predictMany", "page")
#: The share of the time that is warm-up, and the largest growth of memory after it.
WARM_UP, MAX_GROWTH = 0.2, 1.1
#: Seconds to wait for the first champions.
PATIENCE = 300.0


@dataclass(frozen=True, kw_only=True)
class Part:
    """Results of a minute, or of a third of a shorter test."""

    requests: Sequence[AnsweredRequest]
    #: Unexpected errors of the disturbances.
    disturbance_errors: Sequence[str]
    #: Counts of the disturbances, by kind.
    disturbances: Mapping[str, int]
    #: Resident MB at the end, by process.
    memory: Mapping[str, float]

    @property
    def errors(self) -> list[str]:
        return [*self.disturbance_errors, *(request.error for request in self.requests if request.error)]

    def percentiles(self, kind: str) -> tuple[float, float]:
        """Compute p50 and p99 of the requests of a kind, in milliseconds."""
        times = [request.seconds * 1e3 for request in self.requests if request.kind == kind]
        if len(times) < 2:
            return (float("nan"),) * 2
        percentiles = statistics.quantiles(times, n=100)
        return percentiles[49], percentiles[98]


@contextmanager
def system(folder: Path) -> Iterator[int]:
    """Start the whole system with the examples. Yields its port once they have champions."""
    port = _servers.find_free_port()
    examples = [name for name in settings.EXEMPLAR_PRODUCTS if name.startswith("examples.")]
    environment = {"EXEMPLAR_STATE": str(folder), "EXEMPLAR_PRODUCTS": ",".join(examples)}
    command = [sys.executable, "manage.py", "up", f"--port={port}"]
    log = folder.with_suffix(".log")
    child = _servers.create_child(
        "up", command, log, environment, signals=(SIGINT,), patience=30, orphaned=SIGTERM
    )
    child.start()
    try:
        _servers.await_answer(child, f"http://127.0.0.1:{port}/ready")
        _await_champions(child, Client(port))
        yield port
    finally:
        child.stop()


def _await_champions(child: Child, client: Client) -> None:
    until = time.monotonic() + PATIENCE
    query = "{ tumor { champion { id } } diabetes { champion { id } } }"
    while None in [product["champion"] for product in client.ask(query)["data"].values()]:
        if not child.alive or time.monotonic() > until:
            raise SystemExit("The examples have no champions.")
        time.sleep(0.5)


def soak(port: int, folder: Path, seconds: float) -> Iterator[Part]:
    """Apply the load and the disturbances. Yields each part when it is over."""
    length = min(60.0, seconds / 3)
    with Disturbances(port, folder) as disturbances, MixedLoad(port) as load:
        started, count = time.monotonic(), 0
        for number in range(1, round(seconds / length) + 1):
            time.sleep(max(0.0, started + number * length - time.monotonic()))
            requests, count = load.requests[count:], len(load.requests)
            pids = {name: disturbances.get_pid(name) for name in ("web", "worker")}
            memory = {name: _servers.get_resident_memory(pid) for name, pid in pids.items()}
            errors, counts = disturbances.take()
            yield Part(requests=requests, disturbance_errors=errors, disturbances=counts, memory=memory)


def find_growth(parts: Sequence[Part]) -> dict[str, float]:
    """Find the processes whose memory grew too much after the warm-up, with the ratio of growth."""
    warm, last = parts[min(len(parts) - 1, int(len(parts) * WARM_UP))], parts[-1]
    ratios = {name: last.memory[name] / warm.memory[name] for name in last.memory}
    return {name: ratio for name, ratio in ratios.items() if ratio > MAX_GROWTH}


def print_table(parts: Sequence[Part], length: float) -> None:
    """Print a line for each part of `length` seconds."""
    headings = ("part", "requests", "errors", *(f"{kind} p50/p99 [ms]" for kind in KINDS))
    table = Table(*headings, title=f"Parts of {length:.0f} s")
    for heading in ("web [MB]", "worker [MB]", "builds", "promotions", "kills"):
        table.add_column(heading, justify="right")
    for number, part in enumerate(parts, 1):
        times = ["{:.1f} / {:.1f}".format(*part.percentiles(kind)) for kind in KINDS]
        memory = [f"{part.memory[name]:.0f}" for name in ("web", "worker")]
        counts = [str(part.disturbances.get(name, 0)) for name in ("builds", "promotions", "kills")]
        table.add_row(str(number), f"{len(part.requests):,}", str(len(part.errors)), *times, *memory, *counts)
    Console(width=150).print(table)


def main() -> None:
    """Run the test, print a table and check the results."""
    parser = argparse.ArgumentParser(prog="./dev bench soak", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    options = parser.parse_args()
    # The requests are made of rows in the benchmark's own database; the system has the same examples.
    call_command("load_examples", verbosity=0)
    folder = settings.EXEMPLAR_STATE / "soaked"
    with system(folder) as port:
        parts = list(soak(port, folder, options.minutes * 60))
    print_table(parts, options.minutes * 60 / len(parts))
    check(parts)


def check(parts: Sequence[Part]) -> None:
    """Raise SystemExit, with a sentence for each failure, where there were errors or memory grew too much."""
    errors = [error for part in parts for error in part.errors]
    failures = [f"{len(errors)} errors; the first: {errors[0]}"] if errors else []
    failures += [
        f"The memory of {name} grew {ratio:.2f} times." for name, ratio in find_growth(parts).items()
    ]
    if failures:
        sys.exit("\n".join(failures))
