"""What a build takes beyond its fits: the time of search and contest, over that of all fits on as many processors.

    ./dev bench overhead [--candidates 20] [--repeats 3] [--processes 1 2] [--products tumor --products diabetes]

The example products are built as a worker builds them, every fold a row; a fit is the estimator's own time to fit and
to predict. With one process what is over is the search's own; with more, it is also what the last long fits leave the
others to wait for. The first build of a product is not counted. Wine's clusters are left out: most of their time is
scoring.
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
MOST = 0.10


@dataclass(frozen=True)
class Measured:
    """One build's search and contest."""

    #: Of all fits together; of averages none is made.
    fits: int
    seconds: float
    #: From the analysis to the last score.
    wall: float
    processes: int

    @property
    def overhead(self) -> float:
        return self.wall * self.processes / self.seconds - 1

    @classmethod
    def middle(cls, product: str, options: argparse.Namespace, processes: int) -> "Measured":
        """Of several builds, the one in the middle."""
        settings.EXEMPLAR_CPUS = processes
        turns = track(range(options.repeats + 1), f"{product}, processes: {processes}", transient=True)
        builds = [build(product, options.candidates) for _ in turns][1:]
        return sorted(builds, key=lambda each: each.overhead)[len(builds) // 2]


def build(product: str, candidates: int) -> Measured:
    requested, _ = Build.objects.request(
        catalogue.get(product), by="a benchmark", options={"candidates": candidates}, enqueue=False
    )
    claimed = Build.objects.claim(requested.pk, "")
    assert claimed is not None
    runner.run(claimed)
    at = dict(claimed.events.order_by("sequence").values_list("kind", "at"))  # of each kind the last
    scored = FoldScore.objects.filter(candidate__build=claimed).exclude(candidate__family=ensemble.FAMILY)
    took = [sum(times) for times in scored.values_list("fit_seconds", "predict_seconds")]
    return Measured(
        fits=len(took),
        seconds=sum(took),
        wall=(at["CandidateScored"] - at["FeaturesAnalysed"]).total_seconds(),
        processes=settings.EXEMPLAR_CPUS,
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="./dev bench overhead", description=__doc__.splitlines()[0])
    parser.add_argument("--candidates", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--products", action="append", choices=PRODUCTS)
    parser.add_argument("--processes", type=int, nargs="+", default=sorted({1, settings.EXEMPLAR_CPUS}))
    options = parser.parse_args()
    call_command("load_examples", verbosity=0)
    table = Table(title=f"Builds of {options.candidates} candidates")
    headings = (
        "product",
        "processes",
        "fits",
        "ms a fit",
        "fits together, s",
        "search and contest, s",
        "overhead",
    )
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "product" else "right")
    for product in options.products or PRODUCTS:
        for processes in options.processes:
            middle = Measured.middle(product, options, processes)
            table.add_row(
                product,
                f"{processes}",
                f"{middle.fits}",
                f"{1e3 * middle.seconds / middle.fits:.0f}",
                f"{middle.seconds:.2f}",
                f"{middle.wall:.2f}",
                f"{middle.overhead:.0%}{'' if middle.overhead <= MOST else ' (!)'}",
            )
    Console().print(table)
