"""Promotions and rollbacks under full load: answers a second with and without them, and whose answers they are.

Ends with exit status 1 where a request failed, where an answer is not that of the version that it names, or where p99
doubled.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count

from django.db import connection
from rich.console import Console
from rich.table import Table

from benchmarks import _champions
from benchmarks._load import Load, Measured, measure
from benchmarks.serving import OURS, game
from learning.model import ClassAnswer
from store.predictions.predictions import Prediction
from store.products.product import DataProduct
from store.registry.versions import ModelVersion

CONNECTIONS = 64
#: Seconds between two promotions, and of one measurement.
PAUSE, SECONDS = 0.25, 5.0
#: Times the p99 without promotions, at most; stored predictions that are computed again; how far they may be off, as
#: others are computed beside them.
MOST, CHECKED, OFF = 2.0, 5_000, 1e-5


def promote(versions: Sequence[ModelVersion], times: int) -> None:
    """Let two versions serve in turns."""
    try:
        for number in range(times):
            _champions.promote(versions[number % 2])
            time.sleep(PAUSE)
    finally:
        connection.close()


def wrong(product: DataProduct, versions: Sequence[ModelVersion]) -> int:
    """Of the newest predictions, those that the version which they name does not make."""
    models = {version.pk: version.load(product) for version in versions}
    found = 0
    for stored in Prediction.objects.filter(product=product.name).order_by("-created_at")[:CHECKED]:
        values = {c.name: c.from_json(stored.features[c.name]) for c in product.columns}
        said = models[stored.model_id].predict([product.clean(values)])[0]
        assert isinstance(said, ClassAnswer) and stored.confidence is not None
        found += said.label != stored.answer or abs(said.confidence - stored.confidence) > OFF
    return found


def under_load(load: Load, firsts: Iterator[int]) -> Measured:
    """Raises RuntimeError where a request failed."""
    return measure(load, CONNECTIONS, SECONDS, next(firsts))


def show(found: dict[str, list[Measured]]) -> float:
    """Prints the medians; returns how many times the p99 grew."""
    table = Table("", "answers a second", "p50 [ms]", "p99 [ms]", title=f"{CONNECTIONS} connections")
    p99s = []
    for name, measured in found.items():
        p99s.append(statistics.median(m.p99 for m in measured))
        cells = (statistics.median(m.rate for m in measured), statistics.median(m.p50 for m in measured))
        table.add_row(name, f"{cells[0]:,.0f}", f"{cells[1]:.2f}", f"{p99s[-1]:.2f}")
    Console(width=80).print(table)
    return p99s[1] / p99s[0]


def main() -> None:
    parser = argparse.ArgumentParser(prog="./dev bench promotions", description=__doc__)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--product", default="tumor")
    options = parser.parse_args()
    firsts = count(10_000_000, 1_000_000)
    with game(options.product, "boosting", []) as playing:
        load, product = playing.servers[OURS], playing.product
        other, _ = _champions.enthrone(product, "linear")
        versions = [ModelVersion.objects.exclude(pk=other.pk).get(product=product.name), other]
        under_load(load, firsts)  # what comes first takes longer
        quiet = [under_load(load, firsts) for _ in range(3)]
        busy = []
        with ThreadPoolExecutor(1) as pool:
            promoted = pool.submit(promote, versions, options.times)
            while not promoted.done():
                busy.append(under_load(load, firsts))
            promoted.result()
        times = show({"no promotions": quiet, f"{options.times} promotions": busy})
        mistaken = wrong(product, versions)
    print(f"p99: × {times:.2f}. Wrong among the newest {CHECKED:,} answers: {mistaken}.")
    sys.exit(1 if mistaken or times > MOST else 0)
