"""Cost of trials: the champion's answers per second alone, beside a shadow, and in a split, in turns.

One web process and one worker, which runs the shadow, on the same machine as the load and the engines: what a shadow
costs is what its process and its rows in PostgreSQL take of the processors.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path

from django.db import connection
from rich.console import Console
from rich.table import Table

from benchmarks import _champions, _requests, _servers
from benchmarks._load import Load, load, measure
from benchmarks.serving import FAMILIES, PRODUCTS
from schema.core import names
from store.jobs import events
from store.predictions.predictions import Prediction
from store.products import catalogue
from store.registry.trials import Trial
from store.registry.versions import ModelVersion

ALONE, SHADOW, SPLIT = "alone", "shadow", "split"
#: The smallest shares of the rate alone.
TARGETS = {SHADOW: 0.85, SPLIT: 0.97}
#: Seconds until every process has begun or ended a trial.
SETTLING = 3.0
#: The share of a split.
SHARE = 0.1


def begin(way: str, challenger: ModelVersion) -> None:
    """Begin the trial of a turn, and wait until all processes have it."""
    if way == SHADOW:
        Trial.objects.start_shadow(challenger, "It is measured.", _champions.BY)
        until = time.monotonic() + _servers.PATIENCE
        while not Trial.objects.running().exclude(read_at=None).exists():
            if time.monotonic() > until:
                raise SystemExit("No worker runs the shadow.")
            time.sleep(0.1)
    elif way == SPLIT:
        Trial.objects.start_split(challenger.product, challenger, SHARE, "It is measured.", _champions.BY)
    time.sleep(SETTLING)


def end() -> Trial | None:
    """End the trial of a turn."""
    trial = Trial.objects.running().select_related("model").first()
    if trial is not None:
        trial.end("It was measured.", _champions.BY)
        events.publish("trial", product=trial.product, trial=trial.pk)
        trial.refresh_from_db()
    time.sleep(SETTLING)
    return trial


def measure_turns(
    load_of: Load, challenger: ModelVersion, options: argparse.Namespace
) -> tuple[dict[str, list[float]], list[float]]:
    """Measure each way in turns; returns the rates, and the shares of what was asked that shadows have predicted."""
    firsts, rates, followed = count(1_000_000, 1_000_000), dict[str, list[float]](), list[float]()
    measure(load_of, 16, 2, next(firsts))  # first requests take longer
    for _ in range(options.repeats):
        for way in (ALONE, SHADOW, SPLIT):
            begin(way, challenger)
            before = Prediction.objects.served().count()
            result = measure(load_of, options.connections, options.seconds, next(firsts))
            rates.setdefault(way, []).append(result.rate)
            answered = Prediction.objects.served().count() - before
            trial = end()
            if way == SHADOW and trial is not None:
                followed.append(trial.predicted / answered)
            with connection.cursor() as cursor:
                cursor.execute("CHECKPOINT")  # of none of the next turn's writes
    return rates, followed


def print_table(rates: Mapping[str, Sequence[float]], followed: Sequence[float], title: str) -> None:
    """Print a line for each way."""
    table = Table("champion", "answers a second", "share of alone", "at least", title=title)
    for way, values in rates.items():
        # The ratios of the same turn: what else the machine does changes from turn to turn.
        share = statistics.median(one / other for one, other in zip(values, rates[ALONE], strict=True))
        least = TARGETS.get(way, 0.0)
        missed = " (!)" if share < least else ""
        table.add_row(
            way, f"{statistics.median(values):,.0f}", f"{share:.3f}{missed}", f"{least:.2f}" if least else ""
        )
    table.caption = f"The shadow has predicted {statistics.median(followed):.0%} of what was asked meanwhile."
    Console(width=90).print(table)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="./dev bench trials", description=__doc__)
    parser.add_argument("--product", choices=PRODUCTS, default="tumor")
    parser.add_argument("--family", choices=FAMILIES, default="boosting")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    product = catalogue.get(options.product)
    PRODUCTS[options.product]()
    challenger, _ = _champions.serve_family(product, "linear")
    _champions.serve_family(product, options.family)
    port = _servers.find_free_port()
    url = f"http://127.0.0.1:{port}/ready"
    varied = names.field(_requests.VARIED[product.name])
    with tempfile.TemporaryDirectory(prefix="trials-") as folder:
        worker = _servers.start("worker", [sys.executable, "worker.py"], Path(folder) / "worker.log")
        try:
            with _servers.serve("web", _servers.web_command(port), url, Path(folder) / "web.log"):
                body = _requests.render_request(product)
                rates, followed = measure_turns(load(port, "/graphql/", body, varied), challenger, options)
        finally:
            worker.stop()
    title = f"{product.name}, {FAMILIES[options.family]}, {options.connections} connections"
    print_table(rates, followed, title)
