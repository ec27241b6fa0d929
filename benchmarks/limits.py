"""Overhead of the limits on the fast path: two servers of one model, with a rate and a quota and without, in pairs.

    ./dev bench limits [--connections 1 16 64] [--pairs 15] [--seconds 2]

Both store every prediction. Each pair is two short bursts, one after the other, with the other server frozen; which
of the two comes first alternates. Told are the medians of the pairs' ratios: of answers a second, and of the processor
time that the server takes for an answer, which depends less on what else the machine does (Linux).
"""

import argparse
import os
import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from django.core.management import call_command
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks import _champions, _requests, _servers
from benchmarks._load import Load, load, measure
from project.processes import Child
from schema.core import names
from store.products import catalogue

PRODUCT, FAMILY = "tumor", "linear"
#: Limits that no burst reaches; the quota is of a day, as in production.
LIMITS = {"EXEMPLAR_STRANGER_RATE": "100000/second", "EXEMPLAR_STRANGER_QUOTA": "1000000000/day"}
#: The largest ratio of the processor time with limits to that without.
TARGET = 1.03
LIMITED, UNLIMITED = "with limits", "without"


class Burst(NamedTuple):
    """Measurement of one burst."""

    #: Answers a second.
    rate: float
    #: Seconds of the server's processor time for an answer.
    cost: float


class Pairs:
    """Bursts of two servers in turns."""

    def __init__(self, servers: dict[str, tuple[Child, Load]]):
        self.servers = servers
        self.first = 1

    def ratios(self, connections: int, seconds: float, turn: int) -> Burst:
        """The figures with limits over those without, of one pair."""
        order = (LIMITED, UNLIMITED) if turn % 2 else (UNLIMITED, LIMITED)
        bursts = {name: self.burst(name, connections, seconds) for name in order}
        limited, unlimited = bursts[LIMITED], bursts[UNLIMITED]
        return Burst(limited.rate / unlimited.rate, limited.cost / unlimited.cost)

    def burst(self, name: str, connections: int, seconds: float) -> Burst:
        """Measure one server, while the other one is frozen."""
        self.first += 1_000_000
        child, its_load = self.servers[name]
        others = [other for each, (other, _) in self.servers.items() if each != name]
        with _servers.freeze(others):
            before = processor_seconds(child)
            rate = measure(its_load, connections, seconds, self.first).rate
            return Burst(rate, (processor_seconds(child) - before) / (rate * seconds))


def processor_seconds(child: Child) -> float:
    """The processor time of a process so far (Linux; elsewhere NaN)."""
    try:
        fields = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return float("nan")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="./dev bench limits", description=__doc__)
    parser.add_argument("--connections", nargs="+", type=int, default=[1, 16, 64])
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=2)
    options = parser.parse_args()
    product = catalogue.get(PRODUCT)
    call_command("load_examples", verbosity=0)
    _champions.serve_family(product, FAMILY)
    body, varied = _requests.render_request(product), names.field(_requests.VARIED[PRODUCT])
    table = Table("at once", "answers a second", "processor time", "quartiles", title="With limits / without")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        servers: dict[str, tuple[Child, Load]] = {}
        for name, environment in ((UNLIMITED, {}), (LIMITED, LIMITS)):
            port = _servers.find_free_port()
            log = Path(folder) / f"{len(servers)}.log"
            url = f"http://127.0.0.1:{port}/ready"
            command = _servers.web_command(port)
            child = stack.enter_context(_servers.serve(name, command, url, log, environment))
            servers[name] = child, load(port, "/graphql/", body, varied)
        pairs = Pairs(servers)
        for name in servers:
            pairs.burst(name, 16, 1)
        for connections in options.connections:
            turns = track(range(options.pairs), f"{connections} at once", transient=True)
            ratios = [pairs.ratios(connections, options.seconds, turn) for turn in turns]
            rates, costs = zip(*ratios, strict=True)
            low, median, high = statistics.quantiles(costs, n=4)
            missed = " (!)" if median > TARGET else ""
            cells = (f"{statistics.median(rates):.3f}", f"{median:.3f}{missed}", f"{low:.3f} to {high:.3f}")
            table.add_row(str(connections), *cells)
    Console(width=90).print(table)


if __name__ == "__main__":
    main()
