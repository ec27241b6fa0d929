"""Predictions over HTTP beside peers, and uvicorn's hello world as the floor; in turns, medians. Ours, and FastAPI with
an upsert, have stored what they answer; each peer serves the same fitted pipeline, in an environment of its own.
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

from benchmarks import _bulk_load, _champions, _footprint, _requests, _servers
from benchmarks._load import Load, Measured, load, measure
from benchmarks._peer_servers import FLOOR, RIVALS, Rival
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
#: At least so much of the floor's rate; alone, at most so many milliseconds.
TARGETS = {16: 0.18, 64: 0.25}
ALONE = 1.5
OURS = "ours"


@dataclass(frozen=True, kw_only=True)
class Game:
    """Servers of one model, and what was measured of each at each number of connections (0: thousands at once)."""

    product: DataProduct
    family: str
    servers: Mapping[str, Load]
    #: Of those servers that may be frozen, by name.
    children: Mapping[str, Child]
    found: dict[tuple[str, int], list[Measured]]

    def play(self, options: argparse.Namespace) -> None:
        self._warm_up()
        first = 1
        for _ in range(options.repeats):
            for connections in options.connections:
                for name in self.servers:
                    self._measure(name, connections, options.seconds, first)
                    first += 1_000_000
            with self._alone(OURS):
                rows = _bulk_load.measure(self.servers[OURS].port, self.product, options.requests, first)
            self._keep(OURS, 0, rows)
            first += 1_000_000

    def _warm_up(self) -> None:
        """What comes first takes longer, and does not count."""
        for place, each in enumerate(self.servers.values(), 1):
            measure(each, 16, 1, -place * 100_000)

    def _measure(self, name: str, connections: int, seconds: float, first: int) -> None:
        before = Prediction.objects.count()
        with self._alone(name):
            measured = measure(self.servers[name], connections, seconds, first)
        if name == OURS and Prediction.objects.count() - before < measured.rate * seconds * 0.9:
            raise SystemExit("Not every answer was stored: look at what is answered.")
        self._keep(name, connections, measured)

    def _alone(self, name: str) -> AbstractContextManager[None]:
        return _servers.frozen([child for other, child in self.children.items() if other != name])

    def _keep(self, name: str, connections: int, measured: Measured) -> None:
        self.found.setdefault((name, connections), []).append(measured)

    def median(self, name: str, connections: int) -> Measured:
        rates, p50s, p99s = zip(*((m.rate, m.p50, m.p99) for m in self.found[name, connections]), strict=True)
        return Measured(
            rate=statistics.median(rates), p50=statistics.median(p50s), p99=statistics.median(p99s)
        )


@contextmanager
def game(name: str, family: str, rivals: Sequence[Rival]) -> Iterator[Game]:
    """All servers of a model, started and ready."""
    product = catalogue.get(name)
    PRODUCTS[name]()
    with tempfile.TemporaryDirectory(prefix="peers-") as place, ExitStack() as stack:
        folder = Path(place)
        joblib.dump(_champions.enthrone(product, family)[1], folder / "pipeline.joblib")
        playing = {
            rival.name: stack.enter_context(_playing(rival, product, folder)) for rival in (FLOOR, *rivals)
        }
        playing[OURS] = stack.enter_context(_ours(product, folder))
        restless = {rival.name for rival in rivals if not rival.freezes}
        children = {name: child for name, (child, _) in playing.items() if name not in restless}
        servers = {name: posted for name, (_, posted) in playing.items()}
        yield Game(product=product, family=FAMILIES[family], servers=servers, children=children, found={})


@contextmanager
def _playing(rival: Rival, product: DataProduct, folder: Path) -> Iterator[tuple[Child, Load]]:
    port = _servers.free_port()
    body = rival.text(_requests.features(product))
    environment = rival.surroundings(folder / "pipeline.joblib", folder)
    with _servers.served(
        rival.name,
        rival.arguments(port, folder),
        f"http://127.0.0.1:{port}{rival.ready}",
        folder / f"{rival.name}.log",
        environment,
    ) as child:
        yield child, load(port, rival.path, body, _requests.VARIED[product.name])


@contextmanager
def _ours(product: DataProduct, folder: Path) -> Iterator[tuple[Child, Load]]:
    port = _servers.free_port()
    url = f"http://127.0.0.1:{port}/ready"
    with _servers.served(OURS, _servers.web(port), url, folder / "ours.log") as child:
        yield child, load(port, "/graphql/", _requests.text(product), names.field(_requests.VARIED[product.name]))


def show(games: Sequence[Game], rivals: Sequence[str], footprint: str) -> None:
    columns = ["hello", OURS, *rivals, "ours/hello", "at least", "ours/best peer", "p50 [ms]", "p99 [ms]"]
    table = Table("model", "at once", title="Answers a second", caption=footprint)
    for column in columns:
        table.add_column(column, justify="right")
    for game in games:
        for place, connections in enumerate(sorted({c for _, c in game.found if c})):
            named = f"{game.product.name}, {game.family}" if not place else ""
            table.add_row(named, str(connections), *_cells(game, connections, rivals))
        rows = game.median(OURS, 0)
        times = (f"{rows.p50:,.0f}", f"{rows.p99:,.0f}")
        blank = [""] * (len(rivals) + 3)
        at_once = f"{_bulk_load.AT_ONCE} × {_bulk_load.ROWS:,} rows"
        table.add_row("", at_once, "", f"{rows.rate:,.0f}", *blank, *times, end_section=True)
    Console(width=60 + 14 * len(columns)).print(table)


def _cells(game: Game, connections: int, rivals: Sequence[str]) -> list[str]:
    ours, floor = (game.median(name, connections) for name in (OURS, FLOOR.name))
    peers = [game.median(name, connections).rate for name in rivals]
    target, share = TARGETS.get(connections), ours.rate / floor.rate
    missed = " (!)" if (share < target if target else connections == 1 and ours.p50 > ALONE) else ""
    return [
        *(f"{rate:,.0f}" for rate in (floor.rate, ours.rate, *peers)),
        f"{share:.3f}{missed}",
        f"{target:.2f}" if target else f"p50 {ALONE} ms" if connections == 1 else "",
        f"{ours.rate / max(peers):.1f}" if peers else "",
        f"{ours.p50:.2f}",
        f"{ours.p99:.2f}",
    ]


def main() -> None:
    options = _options()
    rivals = [RIVALS[name] for name in options.peers]
    played = []
    for product in options.products:
        for family in options.families:
            with game(product, family, rivals) as playing:
                playing.play(options)
            played.append(playing)
    with tempfile.TemporaryDirectory() as folder:
        seconds, memory = _footprint.measure(Path(folder))
    footprint = (
        f"One web process with the four examples: ready after {seconds:.1f} s, {memory:,.0f} MB resident."
    )
    show(played, [rival.name for rival in rivals], footprint)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench serving", description=__doc__)
    parser.add_argument("--products", nargs="+", choices=PRODUCTS, default=list(PRODUCTS))
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=list(FAMILIES))
    parser.add_argument(
        "--peers", nargs="*", choices=RIVALS, default=list(RIVALS), help="none: leave them out"
    )
    parser.add_argument("--connections", nargs="+", type=int, default=list(CONNECTIONS))
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--requests", type=int, default=40, help="of a thousand rows each")
    return parser.parse_args()
