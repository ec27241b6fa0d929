"""Promotions under full load: answers per second with and without them, and checks of the stored predictions.

Exits with status 1 where a request failed, where a prediction differs from that of its version, or where p99 doubled.
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
from benchmarks._load import Load, LoadResult, measure
from benchmarks.serving import OURS, start_servers
from learning.model import ClassAnswer
from store.predictions.predictions import Prediction
from store.products.product import DataProduct
from store.registry.versions import ModelVersion

CONNECTIONS = 64
#: Seconds between two promotions, and of one measurement.
PAUSE, SECONDS = 0.25, 5.0
#: The largest ratio of the p99 with promotions to that without.
MAX_RATIO = 2.0
#: Stored predictions that are computed again, and the largest difference; other rows of a batch change the last digits.
CHECKED, TOLERANCE = 5_000, 1e-5


def promote(versions: Sequence[ModelVersion], times: int) -> None:
    """Promote two versions in turns."""
    try:
        for number in range(times):
            _champions.promote(versions[number % 2])
            time.sleep(PAUSE)
    finally:
        connection.close()


def count_wrong(product: DataProduct, versions: Sequence[ModelVersion]) -> int:
    """Count the newest predictions that differ from the answer of their version."""
    models = {version.pk: version.load(product) for version in versions}
    wrong = 0
    for stored in Prediction.objects.filter(product=product.name).order_by("-created_at")[:CHECKED]:
        values = {c.name: c.from_json(stored.features[c.name]) for c in product.columns}
        answer = models[stored.model_id].predict([product.clean(values)])[0]
        assert isinstance(answer, ClassAnswer) and stored.confidence is not None
        differs = abs(answer.confidence - stored.confidence) > TOLERANCE
        wrong += answer.label != stored.answer or differs
    return wrong


def measure_load(load: Load, firsts: Iterator[int]) -> LoadResult:
    """Apply the load once. Raises RuntimeError where a request failed."""
    return measure(load, CONNECTIONS, SECONDS, next(firsts))


def print_table(results: dict[str, list[LoadResult]]) -> float:
    """Print the medians, and return the ratio of the second p99 to the first."""
    table = Table("", "answers a second", "p50 [ms]", "p99 [ms]", title=f"{CONNECTIONS} connections")
    p99s = []
    for name, repeats in results.items():
        p99s.append(statistics.median(result.p99 for result in repeats))
        rate = statistics.median(result.rate for result in repeats)
        p50 = statistics.median(result.p50 for result in repeats)
        table.add_row(name, f"{rate:,.0f}", f"{p50:.2f}", f"{p99s[-1]:.2f}")
    Console(width=80).print(table)
    return p99s[1] / p99s[0]


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="./dev bench promotions", description=__doc__)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--product", default="tumor")
    options = parser.parse_args()
    firsts = count(10_000_000, 1_000_000)
    with start_servers(options.product, "boosting", []) as comparison:
        load, product = comparison.servers[OURS], comparison.product
        other, _ = _champions.serve_family(product, "linear")
        versions = [ModelVersion.objects.exclude(pk=other.pk).get(product=product.name), other]
        measure_load(load, firsts)  # warm up
        before = [measure_load(load, firsts) for _ in range(3)]
        during = []
        with ThreadPoolExecutor(1) as pool:
            promotions = pool.submit(promote, versions, options.times)
            while not promotions.done():
                during.append(measure_load(load, firsts))
            promotions.result()
        ratio = print_table({"no promotions": before, f"{options.times} promotions": during})
        wrong = count_wrong(product, versions)
    print(f"p99: × {ratio:.2f}. Wrong among the newest {CHECKED:,} predictions: {wrong}.")
    sys.exit(1 if wrong or ratio > MAX_RATIO else 0)
