"""Command `ingest` beside bare `COPY` and `INSERT … ON CONFLICT` of the same file: 12 columns, in turns, medians."""

import argparse
import random
import statistics
import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import connection, models
from rich.console import Console
from rich.table import Table

from benchmarks._measurements import measure_peak, measure_seconds, run_psql
from learning.problem import Classification
from store import ingest
from store.products.features import Join
from store.products.product import DataProduct

#: The largest ratio of our seconds to those of the bare statements.
TARGET = 2.0
#: The largest peak in MB.
MEMORY = 200


class Customer(models.Model):
    """A customer with twelve columns."""

    class Plan(models.TextChoices):
        BASIC = "basic"
        FAMILY = "family"
        BUSINESS = "business"

    customer = models.CharField(max_length=20, primary_key=True)
    age = models.PositiveSmallIntegerField(validators=[MaxValueValidator(130)])
    plan = models.CharField(max_length=10, choices=Plan.choices)
    city = models.CharField(max_length=40)
    since = models.DateField()
    seen_at = models.DateTimeField()
    minutes = models.FloatField(validators=[MinValueValidator(0.0)])
    bill = models.DecimalField(max_digits=8, decimal_places=2)
    calls = models.IntegerField()
    score = models.FloatField(null=True)
    roams = models.BooleanField()
    churned = models.BooleanField(null=True)

    class Meta:
        app_label = "benchmarks"


FEATURES = ["age", "plan", "city", "minutes", "bill", "calls", "score", "roams"]
product = DataProduct(
    name="churn",
    join=Join(Customer._default_manager.all(), features={name: name for name in FEATURES}, label="churned"),
    problem=Classification(),
)


def write(path: Path, rows: int, seed: int) -> None:
    """Write `rows` customers to a file; another seed gives the same customers other values."""
    draw = random.Random(seed)
    start = datetime(2020, 1, 1)
    plans = Customer.Plan.values
    with path.open("w") as file:
        file.write(",".join(field.name for field in Customer._meta.concrete_fields) + "\n")
        for number in range(rows):
            when = start + timedelta(minutes=draw.randrange(2_000_000))
            score = f"{draw.gauss(0, 1):.5f}" if draw.random() < 0.9 else ""
            file.write(
                f"C{number:08},{draw.randrange(18, 95)},{draw.choice(plans)},city {draw.randrange(400)},"
                f"{when:%Y-%m-%d},{when:%Y-%m-%d %H:%M:%S},{draw.expovariate(0.01):.3f},"
                f"{draw.randrange(20000) / 100:.2f},{draw.randrange(500)},{score},"
                f"{'true' if draw.random() < 0.2 else 'false'},{draw.choice(('true', 'false', ''))}\n"
            )


def empty_table() -> None:
    """Delete all customers and write a checkpoint, so that none falls into a measurement."""
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE benchmarks_customer")
        cursor.execute("CHECKPOINT")


def load_with_psql(path: Path) -> None:
    """Load the file with the statements that a person would write."""
    names = [field.column for field in Customer._meta.concrete_fields]
    updates = ", ".join(f"{name} = excluded.{name}" for name in names[1:])
    run_psql(f"""BEGIN;
CREATE TEMPORARY TABLE given (LIKE benchmarks_customer) ON COMMIT DROP;
\\copy given FROM '{path}' (FORMAT csv, HEADER true)
INSERT INTO benchmarks_customer SELECT * FROM given ON CONFLICT (customer) DO UPDATE SET {updates};
COMMIT;""")


def load_with_ingest(path: Path) -> None:
    """Load the file as the command `ingest` does."""
    ingest.load(product, [path])


def measure_steps(paths: Sequence[Path], repeats: int) -> dict[str, dict[str, list[float]]]:
    """Measure the seconds of both loads for each step: new rows, the same file again, every row changed."""
    steps = dict(zip(("new rows", "the same again", "every row changed"), (paths[0], *paths), strict=True))
    seconds: dict[str, dict[str, list[float]]] = {step: {"bare": [], "ingest": []} for step in steps}
    for _ in range(repeats):
        for name, load in (("bare", load_with_psql), ("ingest", load_with_ingest)):
            empty_table()
            for step, path in steps.items():
                seconds[step][name].append(measure_seconds(partial(load, path)))
    return seconds


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="./dev bench ingest", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with connection.schema_editor() as editor:
        editor.create_model(Customer)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, "customers.csv"), Path(folder, "changed.csv")]
        for seed, path in enumerate(paths):
            write(path, options.rows, seed)
        seconds = measure_steps(paths, options.repeats)
        empty_table()
        memory = measure_peak(partial(load_with_ingest, paths[0]))
    print_table(options.rows, seconds, memory)


def print_table(rows: int, seconds: dict[str, dict[str, list[float]]], memory: float) -> None:
    """Print a line for each step, and the peak memory."""
    table = Table(
        "", "bare [s]", "ingest [s]", "ratio", "rows a second", title=f"{rows:,} rows of 12 columns"
    )
    for step, by_name in seconds.items():
        medians = {name: statistics.median(values) for name, values in by_name.items()}
        ratio = medians["ingest"] / medians["bare"]
        table.add_row(
            step,
            f"{medians['bare']:.2f}",
            f"{medians['ingest']:.2f}",
            f"{ratio:.2f}{'' if ratio <= TARGET else ' (!)'}",
            f"{rows / medians['ingest']:,.0f}",
        )
    console = Console(width=100)
    console.print(table)
    console.print(f"Peak memory of the Python process: {memory:.0f} MB (at most {MEMORY}).")
