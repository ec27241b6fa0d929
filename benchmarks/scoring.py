"""Batch scoring of a table, as the mutation `scoreTable` starts it: rows per second, and the worker's memory."""

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks import _champions, _servers
from benchmarks.mixed import loader
from benchmarks.mixed.products import mixed
from store.registry.versions import ModelVersion
from store.serving import champions
from store.serving.batch_scoring import Scoring

FAMILIES = ("linear", "boosting", "forest")
#: Rows of the training data.
LEARNED = 5_000
#: The smallest number of rows per second.
TARGET = 15_000
#: The largest ratio of the worker's memory at the end to that after a tenth of the time.
MAX_GROWTH = 1.1
#: Seconds between two measurements of the memory.
SAMPLE_SECONDS = 0.2


class ScoringCost(NamedTuple):
    """Seconds and memory of one scoring job."""

    seconds: float
    scored: int
    #: MB after a tenth of the time, at the peak, and at the end.
    early: float
    peak: float
    late: float


def score_table(version: ModelVersion, folder: Path) -> ScoringCost:
    """Score the table with a worker of its own. Raises SystemExit where the job fails."""
    _champions.promote(version)
    champions.refresh()
    scoring, _ = Scoring.objects.request(mixed, by="a benchmark")
    worker = _servers.start("worker", [sys.executable, "worker.py"], folder / "worker.log")
    memory = []
    try:
        while not scoring.ended and worker.alive:
            time.sleep(SAMPLE_SECONDS)
            memory += [_servers.get_resident_memory(pid) for pid in _servers.find_children(worker.pid or 0)]
            scoring.refresh_from_db()
    finally:
        worker.stop()
    if scoring.status != "SUCCEEDED" or scoring.ended_at is None or scoring.started_at is None:
        raise SystemExit(f"{version.family}: {scoring.status}: {scoring.problem_message}")
    seconds = (scoring.ended_at - scoring.started_at).total_seconds()
    return ScoringCost(seconds, scoring.scored, *_summarize(memory))


def _summarize(memory: Sequence[float]) -> tuple[float, float, float]:
    """Return the memory after a tenth of the samples, at the peak and at the end."""
    samples = [each for each in memory if not math.isnan(each)] or [float("nan")]
    return samples[len(samples) // 10], max(samples), samples[-1]


def print_table(costs: dict[str, ScoringCost], rows: int) -> None:
    """Print a line for each family."""
    table = Table("model", title=f"A table of {rows:,} rows of ten mixed columns, predicted and stored")
    for heading in ("seconds", "rows/s", "at least", "MB after a tenth", "at the peak", "at the end"):
        table.add_column(heading, justify="right")
    for family, cost in costs.items():
        rate = cost.scored / cost.seconds
        table.add_row(
            family,
            f"{cost.seconds:.1f}",
            f"{rate:,.0f}{' (!)' if rate < TARGET else ''}",
            f"{TARGET:,}",
            f"{cost.early:.0f}",
            f"{cost.peak:.0f}",
            f"{cost.late:.0f}{' (!)' if cost.late > cost.early * MAX_GROWTH else ''}",
        )
    Console(width=100).print(table)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="./dev bench scoring", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=["boosting"])
    options = parser.parse_args()
    loader.load(min(LEARNED, options.rows))
    versions = [_champions.serve_family(mixed, family)[0] for family in options.families]
    loader.load(options.rows)
    with tempfile.TemporaryDirectory() as folder:
        costs = {version.family: score_table(version, Path(folder)) for version in versions}
    print_table(costs, options.rows)
