"""Pages of the GraphQL API beside PostGraphile's on the same tables: requests a second and their medians, in turns."""

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
from benchmarks._load import Load, Measured, load, measure
from benchmarks._measurements import libpq

CONNECTIONS = (1, 16)
OURS, PEER = "ours", "PostGraphile"

Found = dict[tuple[str, int, str], list[Measured]]


@contextmanager
def ours(folder: Path) -> Iterator[tuple[int, str]]:
    """Its port and path, once it is ready."""
    port = _servers.free_port()
    with _servers.served(OURS, _servers.web(port), f"http://127.0.0.1:{port}/ready", folder / "ours.log"):
        yield port, "/graphql/"


@contextmanager
def postgraphile(command: list[str | Path], folder: Path) -> Iterator[tuple[int, str]]:
    port = _servers.free_port()
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
    with _servers.served(PEER, [*command, *options, *quiet], url, folder / "peer.log", libpq()):
        yield port, "/graphql"


def loads(servers: Mapping[str, tuple[int, str]]) -> dict[tuple[str, str], Load]:
    """What is posted to each for each page; each has answered once, with the whole page."""
    found = {}
    for page in _pages.PAGES:
        for name, (port, path) in servers.items():
            body = _pages.body(page.ours if name == OURS else page.postgraphile)
            _pages.check(page, _post(port, path, body))
            found[page.name, name] = load(port, path, body, "varied")
    return found


def _post(port: int, path: str, body: str) -> str:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", body.encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
        return str(answer.read().decode())


def turns(posted: Mapping[tuple[str, str], Load], repeats: int, seconds: float) -> Found:
    found: Found = {}
    for each in posted.values():
        measure(each, max(CONNECTIONS), 1, 1)  # what comes first takes longer
    for _ in range(repeats):
        for connections in CONNECTIONS:
            for (page, name), each in posted.items():
                measured = measure(each, connections, seconds, 1)
                found.setdefault((page, connections, name), []).append(measured)
    return found


def show(found: Found, peer: bool) -> None:
    names = [OURS, PEER] if peer else [OURS]
    table = Table("page", "connections", title="Pages a second (median in ms)")
    for heading in (*names, *(["ours/PostGraphile"] if peer else [])):
        table.add_column(heading, justify="right")
    for page in _pages.PAGES:
        for connections in CONNECTIONS:
            of = [_median(found[page.name, connections, name]) for name in names]
            ratio = [f"{of[0][0] / of[1][0]:.2f}"] if peer else []
            cells = [f"{rate:,.0f} ({p50:.1f})" for rate, p50 in of]
            table.add_row(page.name, str(connections), *cells, *ratio)
    Console(width=100).print(table)


def _median(measured: list[Measured]) -> tuple[float, float]:
    return statistics.median(m.rate for m in measured), statistics.median(m.p50 for m in measured)


def main() -> None:
    parser = argparse.ArgumentParser(prog="./dev bench graphql", description=__doc__)
    parser.add_argument("--alone", action="store_true", help="leave the peer out")
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    command = None if options.alone else _peers.script("postgraphile")
    _pages.fill()
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        servers = {OURS: stack.enter_context(ours(Path(place)))}
        if command:
            servers[PEER] = stack.enter_context(postgraphile(command, Path(place)))
        show(turns(loads(servers), options.repeats, options.seconds), peer=bool(command))
