"""Predictions over HTTP, each stored before it is answered, beside uvicorn's hello world; in turns, medians."""

import argparse
import json
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from django.core.management import call_command
from django.db import transaction
from rich.console import Console
from rich.table import Table

from benchmarks._load import Load, Measured, measure
from learning.compiled.make import compiled
from learning.families import Candidate as Recipe
from learning.families import pipeline
from learning.model import Model
from learning.steps import Fitted
from store import catalogue, entities
from store.builds import Build
from store.candidates import Candidate
from store.predictions import Prediction
from store.registry import ModelVersion, ProductState, Promotion
from store.snapshots import Snapshot

CONNECTIONS = (1, 16, 64)
#: At least so much of the floor's rate; alone, at most so many milliseconds.
TARGETS = {16: 0.18, 64: 0.25}
ALONE = 1.5

product = catalogue.get("tumor")
RECIPE = Recipe("boosting", {})
QUERY = """query Ask($features: TumorFeatures!) { tumor { predict(features: $features) {
id label confidence probabilities { label probability } timesAsked model { number family } } } }"""


def champion() -> None:
    """A version that serves: gradient boosting, compiled as a build compiles it."""
    call_command("load_examples", verbosity=0)
    snapshot = Snapshot.objects.take(product)
    dataset = snapshot.dataset(product)
    fitted = pipeline(product.task, RECIPE, dataset.columns, 0).fit(dataset.X, dataset.y)
    model = Model(signature=product.signature, family=RECIPE.family, hyperparameters={}, estimator=fitted)
    register(snapshot, replace(model, compiled=compiled(model, dataset)))


@transaction.atomic
def register(snapshot: Snapshot, model: Model) -> None:
    build, _ = Build.objects.request(product, by="a benchmark", enqueue=False)
    build.snapshot, build.status = snapshot, "SUCCEEDED"
    build.save()
    Candidate.objects.draw(build, (RECIPE,))
    step = Fitted(percent=99.0, candidate=RECIPE, model=model, metric=product.metric, score=0.99, winner=True)
    version = ModelVersion.objects.register(build, step)
    Promotion.objects.record(
        ProductState.objects.lock(product.name), version, "It is measured.", "a benchmark"
    )


def load(port: int) -> Load:
    """What is posted; one of the features is another in each."""
    row = entities.page(product, 1, None).nodes[0]
    features = {_field(name): value for name, value in row.features.items()} | {"meanArea": "NUMBER"}
    body = json.dumps({"query": QUERY, "variables": {"features": features}})
    before, after = body.split('"NUMBER"')
    return Load(port=port, path="/graphql/", before=before, after=after)


def _field(column: str) -> str:
    first, *rest = column.split("_")
    return first + "".join(map(str.capitalize, rest))


@contextmanager
def served(port: int, path: str, *command: str) -> Iterator[None]:
    """A server as a process of its own, until it answers at `path`."""
    process = subprocess.Popen([sys.executable, *command])
    try:
        _await(process, f"http://127.0.0.1:{port}{path}")
        yield
    finally:
        process.terminate()
        process.wait()


def _await(process: "subprocess.Popen[bytes]", url: str) -> None:
    while process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("The server has ended.")


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def turns(servers: dict[str, Load], repeats: int, seconds: float) -> dict[tuple[str, int], list[Measured]]:
    """What was measured of each server at each number of connections."""
    found: dict[tuple[str, int], list[Measured]] = {}
    first = 1
    for _ in range(repeats):
        for connections in CONNECTIONS:
            for name, load in servers.items():
                before = Prediction.objects.count()
                measured = measure(load, connections, seconds, first)
                if name == "ours" and Prediction.objects.count() - before < measured.rate * seconds * 0.9:
                    raise SystemExit("Not every answer was stored: look at what is answered.")
                found.setdefault((name, connections), []).append(measured)
                first += 1_000_000
    return found


def show(measured: dict[tuple[str, int], list[Measured]]) -> None:
    headings = ("connections", "hello [1/s]", "ours [1/s]", "ratio", "at least", "p50 [ms]", "p99 [ms]")
    table = Table(*headings, title="Predictions over HTTP, each stored before it is answered")
    for connections in CONNECTIONS:
        floor = statistics.median(m.rate for m in measured["hello", connections])
        ours = measured["ours", connections]
        rate, p50, p99 = (
            statistics.median(values) for values in zip(*((m.rate, m.p50, m.p99) for m in ours), strict=True)
        )
        target = TARGETS.get(connections)
        missed = " (!)" if (rate / floor < target if target else p50 > ALONE) else ""
        table.add_row(
            str(connections),
            f"{floor:,.0f}",
            f"{rate:,.0f}",
            f"{rate / floor:.3f}{missed}",
            f"{target:.2f}" if target else f"p50 {ALONE} ms",
            f"{p50:.2f}",
            f"{p99:.2f}",
        )
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(prog="./dev bench serving", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    champion()
    hello, ours = load(free_port()), load(free_port())
    uvicorn = ("-m", "uvicorn", "--no-access-log", "--log-level=warning", "--loop=uvloop", "--http=httptools")
    with ExitStack() as stack:
        stack.enter_context(
            served(hello.port, "/", *uvicorn, f"--port={hello.port}", "benchmarks._hello:app")
        )
        stack.enter_context(served(ours.port, "/ready", "manage.py", "web", f"--port={ours.port}"))
        show(turns({"hello": hello, "ours": ours}, options.repeats, options.seconds))


if __name__ == "__main__":
    main()
