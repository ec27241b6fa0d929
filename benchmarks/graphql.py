"""Pages of the GraphQL API beside PostGraphile's on the same tables: requests per second and medians, in turns."""

import argparse
import statistics
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import _pages, _peers, _servers
from benchmarks._load import Load, LoadResult, load, measure
from benchmarks._measurements import libpq_environment

CONNECTIONS = (1, 16)
OURS, PEER = "ours", "PostGraphile"

#: Results by page, connections and server.
Results = dict[tuple[str, int, str], list[LoadResult]]


@contextmanager
def serve_ours(folder: Path) -> Iterator[tuple[int, str]]:
    """Start our web process. Yields its port and path once it is ready."""
    port = _servers.find_free_port()
    with _servers.serve(
        OURS, _servers.web_command(port), f"http://127.0.0.1:{port}/ready", folder / "ours.log"
    ):
        yield port, "/graphql/"


@contextmanager
def serve_postgraphile(command: list[str | Path], folder: Path) -> Iterator[tuple[int, str]]:
    """Start PostGraphile. Yields its port and path once it is ready."""
    port = _servers.find_free_port()
    options = [
        "--connection",
        "postgres:///",
        "--schema",
        "exemplar",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    quiet = ["--disable-query-log", "--no-ignore-rbac", "--enhance-graphiql"]
    url = f"http://127.0.0.1:{port}/graphiql"
    with _servers.serve(PEER, [*command, *options, *quiet], url, folder / "peer.log", libpq_environment()):
        yield port, "/graphql"


def build_loads(servers: Mapping[str, tuple[int, str]]) -> dict[tuple[str, str], Load]:
    """Build the load of each page and server; each has answered once with the whole page."""
    loads = {}
    for page in _pages.PAGES:
        for name, (port, path) in servers.items():
            body = _pages.encode_body(page.ours if name == OURS else page.postgraphile)
            _pages.check(page, _post(port, path, body))
            loads[page.name, name] = load(port, path, body, "varied")
    return loads


def _post(port: int, path: str, body: str) -> str:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", body.encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
        return str(answer.read().decode())


def measure_in_turns(loads: Mapping[tuple[str, str], Load], repeats: int, seconds: float) -> Results:
    """Apply the loads one after the other, several times."""
    results: Results = {}
    for each in loads.values():
        measure(each, max(CONNECTIONS), 1, 1)  # warm up
    for _ in range(repeats):
        for connections in CONNECTIONS:
            for (page, name), each in loads.items():
                result = measure(each, connections, seconds, 1)
                results.setdefault((page, connections, name), []).append(result)
    return results


def print_table(results: Results, peer: bool) -> None:
    """Print a line for each page and number of connections."""
    names = [OURS, PEER] if peer else [OURS]
    table = Table("page", "connections", title="Pages a second (median in ms)")
    for heading in (*names, *(["ours/PostGraphile"] if peer else [])):
        table.add_column(heading, justify="right")
    for page in _pages.PAGES:
        for connections in CONNECTIONS:
            medians = [_median(results[page.name, connections, name]) for name in names]
            ratio = [f"{medians[0][0] / medians[1][0]:.2f}"] if peer else []
            cells = [f"{rate:,.0f} ({p50:.1f})" for rate, p50 in medians]
            table.add_row(page.name, str(connections), *cells, *ratio)
    Console(width=100).print(table)


def _median(results: list[LoadResult]) -> tuple[float, float]:
    return statistics.median(r.rate for r in results), statistics.median(r.p50 for r in results)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="./dev bench graphql", description=__doc__)
    parser.add_argument("--alone", action="store_true", help="leave the peer out")
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    command = None if options.alone else _peers.get_npm_command("postgraphile")
    _pages.fill_tables()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        servers = {OURS: stack.enter_context(serve_ours(Path(folder)))}
        if command:
            servers[PEER] = stack.enter_context(serve_postgraphile(command, Path(folder)))
        results = measure_in_turns(build_loads(servers), options.repeats, options.seconds)
        print_table(results, peer=bool(command))
