"""Predictions over HTTP beside peers, with uvicorn's hello world as the lower bound of times; in turns, medians.

Our server and FastAPI with an upsert store each prediction. Each peer serves the same fitted pipeline, in an
environment of its own.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import joblib
from django.core.management import call_command
from rich.console import Console
from rich.table import Table

from benchmarks import _authenticated, _bulk_load, _champions, _footprint, _requests, _servers
from benchmarks._load import Load, LoadResult, load, measure
from benchmarks._peer_servers import FLOOR, PEER_SERVERS, PeerServer
from benchmarks.mixed import loader
from project.processes import Child
from schema.core import names
from store.predictions.predictions import Prediction
from store.products import catalogue
from store.products.product import DataProduct

FAMILIES = {"boosting": "gradient boosting", "forest": "random forest", "linear": "logistic regression"}
PRODUCTS: Mapping[str, Callable[[], object]] = {
    "tumor": lambda: call_command("load_examples", verbosity=0),
    "mixed": lambda: loader.load(5_000),
}
CONNECTIONS = (1, 16, 64)
#: The smallest ratio of our rate to hello world's, by connections.
TARGETS = {16: 0.18, 64: 0.25}
#: The largest p50 of one connection in milliseconds.
MAX_P50 = 1.5
OURS = "ours"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Servers of one model, and their results by number of connections (0: requests with a thousand rows)."""

    product: DataProduct
    family: str
    servers: Mapping[str, Load]
    #: Processes of the servers that can be frozen, by name.
    children: Mapping[str, Child]
    results: dict[tuple[str, int], list[LoadResult]]

    def run(self, options: argparse.Namespace) -> None:
        """Measure every server in turns."""
        self._warm_up()
        first = 1
        for _ in range(options.repeats):
            for connections in options.connections:
                for name in self.servers:
                    self._measure(name, connections, options.seconds, first)
                    first += 1_000_000
            with self._freeze_others(OURS):
                rows = _bulk_load.measure_rows(self.servers[OURS].port, self.product, options.requests, first)
            self._add(OURS, 0, rows)
            first += 1_000_000

    def _warm_up(self) -> None:
        """Apply each load for a second: first requests take longer."""
        for place, each in enumerate(self.servers.values(), 1):
            measure(each, 16, 1, -place * 100_000)

    def _measure(self, name: str, connections: int, seconds: float, first: int) -> None:
        before = Prediction.objects.count()
        with self._freeze_others(name):
            result = measure(self.servers[name], connections, seconds, first)
        if name == OURS and Prediction.objects.count() - before < result.rate * seconds * 0.9:
            raise SystemExit("Not every prediction was stored.")
        self._add(name, connections, result)

    def _freeze_others(self, name: str) -> AbstractContextManager[None]:
        return _servers.freeze([child for other, child in self.children.items() if other != name])

    def _add(self, name: str, connections: int, result: LoadResult) -> None:
        self.results.setdefault((name, connections), []).append(result)

    def median(self, name: str, connections: int) -> LoadResult:
        """Compute the median of each figure."""
        results = self.results[name, connections]
        rates, p50s, p99s = zip(*((each.rate, each.p50, each.p99) for each in results), strict=True)
        return LoadResult(
            rate=statistics.median(rates), p50=statistics.median(p50s), p99=statistics.median(p99s)
        )


@contextmanager
def start_servers(name: str, family: str, peers: Sequence[PeerServer]) -> Iterator[Comparison]:
    """Start all servers of a model. Yields them once they are ready."""
    product = catalogue.get(name)
    PRODUCTS[name]()
    with tempfile.TemporaryDirectory(prefix="peers-") as temporary_folder, ExitStack() as stack:
        folder = Path(temporary_folder)
        joblib.dump(_champions.serve_family(product, family)[1], folder / "pipeline.joblib")
        servers = {
            peer.name: stack.enter_context(_serve_peer(peer, product, folder)) for peer in (FLOOR, *peers)
        }
        servers[OURS] = stack.enter_context(serve_ours(product, folder))
        never_frozen = {peer.name for peer in peers if not peer.freezes}
        yield Comparison(
            product=product,
            family=FAMILIES[family],
            servers={name: load for name, (_, load) in servers.items()},
            children={name: child for name, (child, _) in servers.items() if name not in never_frozen},
            results={},
        )


@contextmanager
def _serve_peer(peer: PeerServer, product: DataProduct, folder: Path) -> Iterator[tuple[Child, Load]]:
    port = _servers.find_free_port()
    body = peer.text(_requests.get_features(product))
    environment = peer.environment_variables(folder / "pipeline.joblib", folder)
    with _servers.serve(
        peer.name,
        peer.arguments(port, folder),
        f"http://127.0.0.1:{port}{peer.ready}",
        folder / f"{peer.name}.log",
        environment,
    ) as child:
        yield child, load(port, peer.path, body, _requests.VARIED[product.name])


@contextmanager
def serve_ours(product: DataProduct, folder: Path) -> Iterator[tuple[Child, Load]]:
    """Serve a product that has a champion. Yields the web process, once it is ready, and its load."""
    port = _servers.find_free_port()
    url = f"http://127.0.0.1:{port}/ready"
    with _servers.serve(OURS, _servers.web_command(port), url, folder / "ours.log") as child:
        varied = names.field(_requests.VARIED[product.name])
        yield child, load(port, "/graphql/", _requests.render_request(product), varied)


def print_table(comparisons: Sequence[Comparison], peers: Sequence[str], footprint: str) -> None:
    """Print a line for each model and number of connections."""
    columns = ["hello", OURS, *peers, "ours/hello", "at least", "ours/best peer", "p50 [ms]", "p99 [ms]"]
    table = Table("model", "at once", title="Answers a second", caption=footprint)
    for column in columns:
        table.add_column(column, justify="right")
    for comparison in comparisons:
        for place, connections in enumerate(sorted({count for _, count in comparison.results if count})):
            model = f"{comparison.product.name}, {comparison.family}" if not place else ""
            table.add_row(model, str(connections), *_render_cells(comparison, connections, peers))
        rows = comparison.median(OURS, 0)
        times = (f"{rows.p50:,.0f}", f"{rows.p99:,.0f}")
        blank = [""] * (len(peers) + 3)
        at_once = f"{_bulk_load.AT_ONCE} × {_bulk_load.ROWS:,} rows"
        table.add_row("", at_once, "", f"{rows.rate:,.0f}", *blank, *times, end_section=True)
    Console(width=60 + 14 * len(columns)).print(table)


def _render_cells(comparison: Comparison, connections: int, peers: Sequence[str]) -> list[str]:
    ours, floor = (comparison.median(name, connections) for name in (OURS, FLOOR.name))
    rates = [comparison.median(name, connections).rate for name in peers]
    target, share = TARGETS.get(connections), ours.rate / floor.rate
    missed = " (!)" if (share < target if target else connections == 1 and ours.p50 > MAX_P50) else ""
    return [
        *(f"{rate:,.0f}" for rate in (floor.rate, ours.rate, *rates)),
        f"{share:.3f}{missed}",
        f"{target:.2f}" if target else f"p50 {MAX_P50} ms" if connections == 1 else "",
        f"{ours.rate / max(rates):.1f}" if rates else "",
        f"{ours.p50:.2f}",
        f"{ours.p99:.2f}",
    ]


def main() -> None:
    """Measure and print a table."""
    options = _parse_options()
    if options.authenticated:
        PRODUCTS[options.products[0]]()
        _authenticated.run(options)
        return
    peers = [PEER_SERVERS[name] for name in options.peers]
    comparisons = []
    for product in options.products:
        for family in options.families:
            with start_servers(product, family, peers) as comparison:
                comparison.run(options)
            comparisons.append(comparison)
    with tempfile.TemporaryDirectory() as folder:
        seconds, memory = _footprint.measure_footprint(Path(folder))
    footprint = (
        f"One web process with the four examples: ready after {seconds:.1f} s, {memory:,.0f} MB resident."
    )
    print_table(comparisons, [peer.name for peer in peers], footprint)


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench serving", description=__doc__)
    parser.add_argument("--products", nargs="+", choices=PRODUCTS, default=list(PRODUCTS))
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=list(FAMILIES))
    parser.add_argument(
        "--peers", nargs="*", choices=PEER_SERVERS, default=list(PEER_SERVERS), help="without names: no peers"
    )
    parser.add_argument("--connections", nargs="+", type=int, default=list(CONNECTIONS))
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--authenticated",
        action="store_true",
        help="instead: callers with a token and with a session beside strangers, of the first product and family",
    )
    parser.add_argument("--requests", type=int, default=40, help="of a thousand rows each")
    return parser.parse_args()
