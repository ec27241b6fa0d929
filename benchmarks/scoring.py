"""A whole table predicted anew, as the job that `scoreTable` starts: rows a second, and the worker's memory."""

import argparse
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
#: Rows that the model learns from.
LEARNED = 5_000
#: Rows a second, at least; and how much of what the worker had after a tenth of them it may have at the end.
TARGET, FLAT = 15_000, 1.1
#: Seconds between two looks at a worker.
GLANCE = 0.2


class Outcome(NamedTuple):
    seconds: float
    scored: int
    #: MB after a tenth of the time, at the peak, and at the end.
    early: float
    peak: float
    late: float


def scored(version: ModelVersion, folder: Path) -> Outcome:
    """One passage by a worker of its own."""
    _champions.promote(version)
    champions.refresh()
    scoring, _ = Scoring.objects.request(mixed, by="a benchmark")
    worker = _servers.start("worker", [sys.executable, "worker.py"], folder / "worker.log")
    memory = []
    try:
        while not scoring.ended and worker.alive:
            time.sleep(GLANCE)
            memory += [_servers.resident(pid) for pid in _servers.children(worker.pid or 0)]
            scoring.refresh_from_db()
    finally:
        worker.stop()
    if scoring.status != "SUCCEEDED" or scoring.ended_at is None or scoring.started_at is None:
        raise SystemExit(f"{version.family}: {scoring.status}: {scoring.problem_message}")
    seconds = (scoring.ended_at - scoring.started_at).total_seconds()
    return Outcome(seconds, scoring.scored, *_memory(memory))


def _memory(seen: Sequence[float]) -> tuple[float, float, float]:
    known = [each for each in seen if each == each] or [float("nan")]
    return known[len(known) // 10], max(known), known[-1]


def show(outcomes: dict[str, Outcome], rows: int) -> None:
    table = Table("model", title=f"A table of {rows:,} rows of ten mixed columns, predicted and stored")
    for heading in ("seconds", "rows/s", "at least", "MB after a tenth", "at the peak", "at the end"):
        table.add_column(heading, justify="right")
    for family, of in outcomes.items():
        rate = of.scored / of.seconds
        table.add_row(
            family,
            f"{of.seconds:.1f}",
            f"{rate:,.0f}{' (!)' if rate < TARGET else ''}",
            f"{TARGET:,}",
            f"{of.early:.0f}",
            f"{of.peak:.0f}",
            f"{of.late:.0f}{' (!)' if of.late > of.early * FLAT else ''}",
        )
    Console(width=100).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(prog="./dev bench scoring", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=["boosting"])
    options = parser.parse_args()
    loader.load(min(LEARNED, options.rows))
    versions = [_champions.enthrone(mixed, family)[0] for family in options.families]
    loader.load(options.rows)
    with tempfile.TemporaryDirectory() as folder:
        outcomes = {version.family: scored(version, Path(folder)) for version in versions}
    show(outcomes, options.rows)
