"""Mixed load beside builds, promotions, rollbacks and killed workers: errors, times and memory, minute by minute.

Ends with exit status 1 where there was an error, or where a process took more than a tenth more memory at the end than
it had after warming up.
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
from benchmarks._disturbances import Troubles
from benchmarks._mixed_load import Asked, Client, Mixture
from project.processes import Child

#: The kinds whose times are shown.
SHOWN = ("predict", "predictMany", "page")
#: Of the time, what warming up takes; and how much more memory is too much.
WARM, MOST = 0.2, 1.1
#: Seconds until both products have their first champions, at most.
PATIENCE = 300.0


@dataclass(frozen=True, kw_only=True)
class Part:
    """A minute, or less where all of it is short."""

    asked: Sequence[Asked]
    #: What whoever builds, promotes and kills met that it should not have.
    met: Sequence[str]
    troubles: Mapping[str, int]
    #: MB resident at its end, by process.
    memory: Mapping[str, float]

    @property
    def errors(self) -> list[str]:
        return [*self.met, *(asked.error for asked in self.asked if asked.error)]

    def times(self, kind: str) -> tuple[float, float]:
        """Milliseconds, of every second answer and of all but every hundredth, at most."""
        times = [asked.seconds * 1e3 for asked in self.asked if asked.kind == kind]
        if len(times) < 2:
            return (float("nan"),) * 2
        percentiles = statistics.quantiles(times, n=100)
        return percentiles[49], percentiles[98]


@contextmanager
def system(folder: Path) -> Iterator[int]:
    """What `./dev up` starts, with the examples, from when they have champions; its port."""
    port = _servers.free_port()
    examples = [name for name in settings.EXEMPLAR_PRODUCTS if name.startswith("examples.")]
    environment = {"EXEMPLAR_STATE": str(folder), "EXEMPLAR_PRODUCTS": ",".join(examples)}
    command = [sys.executable, "manage.py", "up", f"--port={port}"]
    log = folder.with_suffix(".log")
    child = _servers.child("up", command, log, environment, signals=(SIGINT,), patience=30, orphaned=SIGTERM)
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
    """The parts, each when it is over."""
    each = min(60.0, seconds / 3)
    with Troubles(port, folder) as troubles, Mixture(port) as mixture:
        began, seen = time.monotonic(), 0
        for number in range(1, round(seconds / each) + 1):
            time.sleep(max(0.0, began + number * each - time.monotonic()))
            asked, seen = mixture.asked[seen:], len(mixture.asked)
            memory = {name: _servers.resident(troubles.process(name)) for name in ("web", "worker")}
            met, happened = troubles.take()
            yield Part(asked=asked, met=met, troubles=happened, memory=memory)


def grown(parts: Sequence[Part]) -> dict[str, float]:
    """By process: how many times what it took after warming up it takes at the end, where that is too much."""
    warm, last = parts[min(len(parts) - 1, int(len(parts) * WARM))], parts[-1]
    times = {name: last.memory[name] / warm.memory[name] for name in last.memory}
    return {name: ratio for name, ratio in times.items() if ratio > MOST}


def show(parts: Sequence[Part], each: float) -> None:
    headings = ("part", "requests", "errors", *(f"{kind} p50/p99 [ms]" for kind in SHOWN))
    table = Table(*headings, title=f"Parts of {each:.0f} s")
    for heading in ("web [MB]", "worker [MB]", "builds", "promotions", "kills"):
        table.add_column(heading, justify="right")
    for number, part in enumerate(parts, 1):
        times = ["{:.1f} / {:.1f}".format(*part.times(kind)) for kind in SHOWN]
        memory = [f"{part.memory[name]:.0f}" for name in ("web", "worker")]
        troubles = [str(part.troubles.get(name, 0)) for name in ("builds", "promotions", "kills")]
        table.add_row(str(number), f"{len(part.asked):,}", str(len(part.errors)), *times, *memory, *troubles)
    Console(width=150).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(prog="./dev bench soak", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    options = parser.parse_args()
    call_command("load_examples", verbosity=0)  # what is asked is taken from our own tables, which are alike
    folder = settings.EXEMPLAR_STATE / "soaked"
    with system(folder) as port:
        parts = list(soak(port, folder, options.minutes * 60))
    show(parts, options.minutes * 60 / len(parts))
    verdict(parts)


def verdict(parts: Sequence[Part]) -> None:
    """Raises SystemExit with what is wrong, as sentences."""
    errors = [error for part in parts for error in part.errors]
    wrong = [f"{len(errors)} errors; the first: {errors[0]}"] if errors else []
    wrong += [f"{name} takes {ratio:.2f} times what it took." for name, ratio in grown(parts).items()]
    if wrong:
        sys.exit("\n".join(wrong))
