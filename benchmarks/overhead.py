"""Overhead of a build: the time of search and final round, over that of all fits on as many processors.

    ./dev bench overhead [--candidates 20] [--repeats 3] [--processes 1 2] [--products tumor --products diabetes]

The example products are built as a worker builds them, with a row for every fold; the time of a fit is that of the
estimator to fit and to predict. With several processes the overhead includes the time in which some of them wait for
the last long fits. The first build of a product is not counted. The clustering of wines is left out: it spends most of
its time on scores.
"""

import argparse
from dataclasses import dataclass

from django.conf import settings
from django.core.management import call_command
from rich.console import Console
from rich.progress import track
from rich.table import Table

from learning.estimators import ensemble
from store.builds import runner
from store.builds.builds import Build
from store.builds.candidates import FoldScore
from store.products import catalogue

PRODUCTS = ("tumor", "diabetes", "manual")
MAX_OVERHEAD = 0.10


@dataclass(frozen=True)
class BuildCost:
    """The cost of one build's search and final round."""

    #: The number of fits, and their seconds; ensembles need none.
    fits: int
    seconds: float
    #: Seconds from the analysis to the last score.
    wall: float
    processes: int

    @property
    def overhead(self) -> float:
        return self.wall * self.processes / self.seconds - 1

    @classmethod
    def measure_median(cls, product: str, options: argparse.Namespace, processes: int) -> "BuildCost":
        """Measure several builds and return the one with the median overhead."""
        settings.EXEMPLAR_CPUS = processes
        turns = track(range(options.repeats + 1), f"{product}, processes: {processes}", transient=True)
        builds = [build(product, options.candidates) for _ in turns][1:]
        return sorted(builds, key=lambda each: each.overhead)[len(builds) // 2]


def build(product: str, candidates: int) -> BuildCost:
    """Run a build and read its cost from its rows."""
    requested, _ = Build.objects.request(
        catalogue.get(product), by="a benchmark", options={"candidates": candidates}, enqueue=False
    )
    claimed = Build.objects.claim(requested.pk, "")
    assert claimed is not None
    runner.run(claimed)
    at = dict(claimed.events.order_by("sequence").values_list("kind", "at"))  # the last of each kind
    scored = FoldScore.objects.filter(candidate__build=claimed).exclude(candidate__family=ensemble.FAMILY)
    seconds = [sum(times) for times in scored.values_list("fit_seconds", "predict_seconds")]
    return BuildCost(
        fits=len(seconds),
        seconds=sum(seconds),
        wall=(at["CandidateScored"] - at["FeaturesAnalysed"]).total_seconds(),
        processes=settings.EXEMPLAR_CPUS,
    )


HEADINGS = (
    "product",
    "processes",
    "fits",
    "ms a fit",
    "fits together, s",
    "search and final round, s",
    "overhead",
)


def main() -> None:
    """Measure and print a table."""
    options = _parse_options()
    call_command("load_examples", verbosity=0)
    table = Table(title=f"Builds of {options.candidates} candidates")
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading == "product" else "right")
    for product in options.products or PRODUCTS:
        for processes in options.processes:
            cost = BuildCost.measure_median(product, options, processes)
            table.add_row(product, f"{processes}", *_render_cells(cost))
    Console(width=100).print(table)


def _render_cells(cost: BuildCost) -> list[str]:
    return [
        f"{cost.fits}",
        f"{1e3 * cost.seconds / cost.fits:.0f}",
        f"{cost.seconds:.2f}",
        f"{cost.wall:.2f}",
        f"{cost.overhead:.0%}{'' if cost.overhead <= MAX_OVERHEAD else ' (!)'}",
    ]


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench overhead", description=__doc__.splitlines()[0])
    parser.add_argument("--candidates", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--products", action="append", choices=PRODUCTS)
    parser.add_argument("--processes", type=int, nargs="+", default=sorted({1, settings.EXEMPLAR_CPUS}))
    return parser.parse_args()
