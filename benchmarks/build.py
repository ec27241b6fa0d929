"""Snapshot and dataset of a build beside bare psql: join three tables into a snapshot, and read it into memory.

psql discards what it reads. Both run in turns; the table has medians.
"""

import argparse
import statistics

from django.db import connection, models
from rich.console import Console
from rich.table import Table

from benchmarks._measurements import measure_peak, measure_psql_peak, measure_seconds, run_psql
from learning.dataset import Dataset
from learning.problem import Classification
from store.products.features import Join
from store.products.product import DataProduct
from store.snapshots.snapshots import Snapshot

#: The largest ratios of our seconds to those of the bare statements.
TARGETS = {"snapshot": 1.3, "frame": 2.0}
BARE = {"snapshot": "CREATE TABLE AS", "frame": "COPY … CSV"}


class Customer(models.Model):
    """A customer, with the label."""

    class Plan(models.TextChoices):
        BASIC = "basic"
        FAMILY = "family"
        BUSINESS = "business"

    number = models.CharField(max_length=20, primary_key=True)
    plan = models.CharField(max_length=10, choices=Plan.choices)
    city = models.CharField(max_length=40)
    born = models.DateField(null=True)
    left = models.BooleanField(null=True)
    asked_at = models.DateTimeField()

    class Meta:
        app_label = "benchmarks"


class Usage(models.Model):
    """A customer's use of the network."""

    customer = models.OneToOneField(Customer, models.CASCADE, primary_key=True, related_name="usage")
    minutes = models.FloatField()
    megabytes = models.FloatField(null=True)
    calls = models.IntegerField()
    roams = models.BooleanField()
    latest_at = models.DateTimeField()

    class Meta:
        app_label = "benchmarks"


class Account(models.Model):
    """A customer's account."""

    class Payment(models.TextChoices):
        CARD = "card"
        CASH = "cash"
        DEBIT = "debit"
        INVOICE = "invoice"

    customer = models.OneToOneField(Customer, models.CASCADE, primary_key=True, related_name="account")
    bill = models.DecimalField(max_digits=8, decimal_places=2)
    overdue = models.SmallIntegerField()
    payment = models.CharField(max_length=10, choices=Payment.choices)
    score = models.FloatField(null=True)

    class Meta:
        app_label = "benchmarks"


TABLES = (Customer, Usage, Account)
OWN = ("plan", "city", "born")
USAGE = ("minutes", "megabytes", "calls", "roams", "latest_at")
ACCOUNT = ("bill", "overdue", "payment", "score")
product = DataProduct(
    name="leaving",
    join=Join(
        Customer._default_manager.all(),
        features={name: name for name in OWN}
        | {name: f"usage__{name}" for name in USAGE}
        | {name: f"account__{name}" for name in ACCOUNT},
        label="left",
        at="asked_at",
    ),
    problem=Classification(),
)

#: Rows in another order in each table; of columns that may be null every tenth value is, of labels every twentieth.
FILL = """
INSERT INTO benchmarks_customer (number, plan, city, born, "left", asked_at)
SELECT 'C' || lpad(i::text, 8, '0'), (ARRAY['basic', 'family', 'business'])[1 + i % 3],
    'city ' || (hashint4(i) & 255), CASE WHEN i % 10 > 0 THEN date '1940-01-01' + (hashint4(i + 1) & 32767) % 25000 END,
    CASE WHEN i % 20 > 0 THEN (hashint4(i + 2) & 7) = 0 END,
    timestamptz '2024-01-01' + (hashint4(i + 3) & 16777215) * interval '1 second'
FROM generate_series(1, {rows}) i ORDER BY hashint4(i);
INSERT INTO benchmarks_usage (customer_id, minutes, megabytes, calls, roams, latest_at)
SELECT 'C' || lpad(i::text, 8, '0'), (hashint4(i + 4) & 1048575) / 1000.0,
    CASE WHEN i % 10 > 0 THEN (hashint4(i + 5) & 16777215) / 7.0 END, hashint4(i + 6) & 511,
    (hashint4(i + 7) & 3) = 0, timestamptz '2023-01-01' + (hashint4(i + 8) & 16777215) * interval '1 second'
FROM generate_series(1, {rows}) i ORDER BY hashint4(i + 1);
INSERT INTO benchmarks_account (customer_id, bill, overdue, payment, score)
SELECT 'C' || lpad(i::text, 8, '0'), (hashint4(i + 9) & 65535) / 100.0, hashint4(i + 10) & 31,
    (ARRAY['card', 'cash', 'debit', 'invoice'])[1 + i % 4],
    CASE WHEN i % 10 > 0 THEN (hashint4(i + 11) & 16777215) / 1e7 - 0.8 END
FROM generate_series(1, {rows}) i ORDER BY hashint4(i + 2);
VACUUM ANALYZE benchmarks_customer, benchmarks_usage, benchmarks_account;
"""
#: The join as a person would write it.
JOIN = f"""
CREATE TABLE snapshots.bare AS SELECT c.number, c."left", c.asked_at,
{", ".join([f"c.{n}" for n in OWN] + [f"u.{n}" for n in USAGE] + [f"a.{n}" for n in ACCOUNT])}
FROM benchmarks_customer c JOIN benchmarks_usage u ON u.customer_id = c.number
JOIN benchmarks_account a ON a.customer_id = c.number;
"""


def fill_tables(rows: int) -> None:
    """Create the tables and fill each with `rows` rows."""
    with connection.schema_editor() as editor:
        for model in TABLES:
            editor.create_model(model)
    run_psql(FILL.format(rows=rows))


def clear() -> None:
    """Drop all snapshots and write a checkpoint, so that none falls into a measurement."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS snapshots.bare")
        for snapshot in Snapshot.objects.all():
            snapshot.drop()
        cursor.execute("CHECKPOINT")


def take_snapshot() -> Snapshot:
    """Take a snapshot of the product."""
    return Snapshot.objects.take(product)


def load_dataset() -> Dataset:
    """Load the newest snapshot into memory."""
    return Snapshot.objects.latest("pk").dataset(product)


def copy() -> None:
    """Read the newest snapshot with psql."""
    run_psql(_render_copy())


def _render_copy() -> str:
    return f"COPY {Snapshot.objects.latest('pk').table} TO STDOUT (FORMAT csv);"


def measure_steps(repeats: int) -> dict[str, dict[str, list[float]]]:
    """Measure the seconds of each step, ours and bare, in turns."""
    seconds: dict[str, dict[str, list[float]]] = {step: {"bare": [], "ours": []} for step in TARGETS}
    for _ in range(repeats):
        clear()
        seconds["snapshot"]["bare"].append(measure_seconds(lambda: run_psql(JOIN)))
        clear()
        seconds["snapshot"]["ours"].append(measure_seconds(take_snapshot))
        seconds["frame"]["bare"].append(measure_seconds(copy))
        seconds["frame"]["ours"].append(measure_seconds(load_dataset))
    return seconds


def measure_peaks() -> dict[str, dict[str, float]]:
    """Measure the peak memory in MB of psql and of a Python process, by step; "idle" is a process without work."""
    clear()
    megabytes = {"idle": {"ours": measure_peak(lambda: None)}}
    megabytes["snapshot"] = {"bare": measure_psql_peak(JOIN), "ours": measure_peak(take_snapshot)}
    megabytes["frame"] = {"bare": measure_psql_peak(_render_copy()), "ours": measure_peak(load_dataset)}
    return megabytes


def print_table(
    rows: int, seconds: dict[str, dict[str, list[float]]], memory: dict[str, dict[str, float]]
) -> None:
    """Print a line for each step."""
    headings = ("", "bare [s]", "ours [s]", "ratio", "at most", "bare [MB]", "ours [MB]")
    features = len(product.join.features)
    table = Table(*headings, title=f"Three tables of {rows:,} rows, {features} features")
    for step, by_program in seconds.items():
        bare, ours = statistics.median(by_program["bare"]), statistics.median(by_program["ours"])
        ratio, target = ours / bare, TARGETS[step]
        table.add_row(
            f"{step} beside {BARE[step]}",
            f"{bare:.2f}",
            f"{ours:.2f}",
            f"{ratio:.2f}{'' if ratio <= target else ' (!)'}",
            f"{target:.1f}",
            f"{memory[step]['bare']:.0f}",
            f"{memory[step]['ours']:.0f}",
        )
    console = Console(width=100)
    console.print(table)
    console.print(
        f"MB are the peak of the process; a Python process without work has {memory['idle']['ours']:.0f} MB."
    )


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="./dev bench build", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    fill_tables(options.rows)
    # Memory is measured first: the child processes begin with the memory of this one.
    memory = measure_peaks()
    print_table(options.rows, measure_steps(options.repeats), memory)
