"""Hostile clients at one web process: what they are answered, what that costs, and what others notice of it."""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.core.management import call_command
from rich.console import Console
from rich.table import Table

from benchmarks import _servers
from benchmarks._hostile import bodies, connections, documents, heads, sockets
from benchmarks._hostile.case import Case, Outcome, play
from benchmarks._hostile.target import Target

GROUPS = {
    "heads": heads.CASES,
    "bodies": bodies.CASES,
    "connections": connections.CASES,
    "sockets": sockets.CASES,
    "documents": documents.CASES,
}


@contextmanager
def serve() -> Iterator[Target]:
    """Start a web process with the examples. Yields it once it is ready."""
    call_command("load_examples", verbosity=0)
    port = _servers.find_free_port()
    with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
        url = f"http://127.0.0.1:{port}/health"
        with _servers.serve("web", _servers.web_command(port), url, Path(folder) / "web.log") as child:
            assert child.pid
            yield Target(port, child.pid)


def add_row(table: Table, case: Case, outcome: Outcome) -> None:
    """Add the line of a case."""
    wrong = "" if outcome.answer in case.answers and outcome.growth <= case.growth else " (!)"
    table.add_row(
        case.name,
        outcome.answer + wrong,
        f"{outcome.milliseconds:,.0f}",
        f"{outcome.cpu:,.0f}",
        f"{outcome.growth:,.0f}",
        f"{outcome.slowest:,.0f}" + (f" ({len(outcome.failures)} failed)" if outcome.failures else ""),
    )


def main() -> None:
    """Play the cases and print a table."""
    parser = argparse.ArgumentParser(prog="./dev bench hostile", description=__doc__)
    parser.add_argument("groups", nargs="*", metavar="group", help=f"of {', '.join(GROUPS)}; default: all")
    parser.add_argument("--case", help="only cases with this in their name", default="")
    options = parser.parse_args()
    columns = ("answer", "ms", "server's CPU [ms]", "memory [MB]", "slowest /health [ms]")
    with serve() as target:
        for group in options.groups or GROUPS:
            table = Table(group, *columns, title="What hostile clients are answered")
            for case in GROUPS[group]:
                if options.case in case.name:
                    add_row(table, case, play(case, target))
            Console(width=140).print(table)
