"""What a build takes beyond its fits: the time of search and contest, over that of all fits on as many processors.

    ./dev bench overhead [--candidates 20] [--repeats 3] [--products tumor --products diabetes]

The example products are built as a worker builds them, every fold a row; a fit is the estimator's own time to fit and
to predict. The first build of a product is not counted. Wine's clusters are left out: most of their time is scoring.
"""

import argparse
from dataclasses import dataclass

from django.conf import settings
from django.core.management import call_command
from rich.console import Console
from rich.progress import track
from rich.table import Table

from learning import ensemble
from store import catalogue, execution
from store.builds import Build
from store.candidates import FoldScore

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

    @property
    def overhead(self) -> float:
        return self.wall * settings.EXEMPLAR_CPUS / self.seconds - 1


def build(product: str, candidates: int) -> Measured:
    requested, _ = Build.objects.request(
        catalogue.get(product), by="a benchmark", options={"candidates": candidates}, enqueue=False
    )
    claimed = Build.objects.claim(requested.pk, "")
    assert claimed is not None
    execution.run(claimed)
    at = dict(claimed.events.order_by("sequence").values_list("kind", "at"))  # of each kind the last
    scored = FoldScore.objects.filter(candidate__build=claimed).exclude(candidate__family=ensemble.FAMILY)
    took = [sum(times) for times in scored.values_list("fit_seconds", "predict_seconds")]
    return Measured(
        fits=len(took),
        seconds=sum(took),
        wall=(at["CandidateScored"] - at["FeaturesAnalysed"]).total_seconds(),
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="./dev bench overhead", description=__doc__.splitlines()[0])
    parser.add_argument("--candidates", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--products", action="append", choices=PRODUCTS)
    options = parser.parse_args()
    call_command("load_examples", verbosity=0)
    table = Table(title=f"Builds of {options.candidates} candidates on {settings.EXEMPLAR_CPUS} processors")
    for heading in ("product", "fits", "ms a fit", "fits together, s", "search and contest, s", "overhead"):
        table.add_column(heading, justify="left" if heading == "product" else "right")
    for product in options.products or PRODUCTS:
        builds = [
            build(product, options.candidates)
            for _ in track(range(options.repeats + 1), product, transient=True)
        ][1:]
        middle = sorted(builds, key=lambda each: each.overhead)[len(builds) // 2]
        table.add_row(
            product,
            f"{middle.fits}",
            f"{1e3 * middle.seconds / middle.fits:.0f}",
            f"{middle.seconds:.2f}",
            f"{middle.wall:.2f}",
            f"{middle.overhead:.0%}{'' if middle.overhead <= MOST else ' (!)'}",
        )
    Console().print(table)
