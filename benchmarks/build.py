"""A build's way to its frame beside bare psql: three tables joined into a snapshot, and that read into memory, where
psql has it go nowhere; in turns, medians.
"""

import argparse
import statistics

from django.db import connection, models
from rich.console import Console
from rich.table import Table

from benchmarks._measurements import peak, psql, psql_peak, timed
from learning.dataset import Dataset
from learning.problem import Classification
from store.products.features import Join
from store.products.product import DataProduct
from store.snapshots.snapshots import Snapshot

#: Times what the bare statements take.
TARGETS = {"snapshot": 1.3, "frame": 2.0}
BARE = {"snapshot": "CREATE TABLE AS", "frame": "COPY … CSV"}


class Customer(models.Model):
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
    customer = models.OneToOneField(Customer, models.CASCADE, primary_key=True, related_name="usage")
    minutes = models.FloatField()
    megabytes = models.FloatField(null=True)
    calls = models.IntegerField()
    roams = models.BooleanField()
    latest_at = models.DateTimeField()

    class Meta:
        app_label = "benchmarks"


class Account(models.Model):
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

#: Each table in an order of its own; every tenth value of what may be null is, and every twentieth label.
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
#: What a person would write.
JOIN = f"""
CREATE TABLE snapshots.bare AS SELECT c.number, c."left", c.asked_at,
{", ".join([f"c.{n}" for n in OWN] + [f"u.{n}" for n in USAGE] + [f"a.{n}" for n in ACCOUNT])}
FROM benchmarks_customer c JOIN benchmarks_usage u ON u.customer_id = c.number
JOIN benchmarks_account a ON a.customer_id = c.number;
"""


def fill(rows: int) -> None:
    with connection.schema_editor() as editor:
        for model in TABLES:
            editor.create_model(model)
    psql(FILL.format(rows=rows))


def clear() -> None:
    """Leave no snapshot, and nothing to be written while somebody is measured."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS snapshots.bare")
        for snapshot in Snapshot.objects.all():
            snapshot.drop()
        cursor.execute("CHECKPOINT")


def take() -> Snapshot:
    return Snapshot.objects.take(product)


def load() -> Dataset:
    return Snapshot.objects.latest("pk").dataset(product)


def copy() -> None:
    psql(_copied())


def _copied() -> str:
    return f"COPY {Snapshot.objects.latest('pk').table} TO STDOUT (FORMAT csv);"


def turns(repeats: int) -> dict[str, dict[str, list[float]]]:
    """Seconds of each step, ours and bare."""
    seconds: dict[str, dict[str, list[float]]] = {step: {"bare": [], "ours": []} for step in TARGETS}
    for _ in range(repeats):
        clear()
        seconds["snapshot"]["bare"].append(timed(lambda: psql(JOIN)))
        clear()
        seconds["snapshot"]["ours"].append(timed(take))
        seconds["frame"]["bare"].append(timed(copy))
        seconds["frame"]["ours"].append(timed(load))
    return seconds


def peaks() -> dict[str, dict[str, float]]:
    """MB at the peak, of psql and of a Python process of ours; what that has when it does nothing is "idle"."""
    clear()
    found = {"idle": {"ours": peak(lambda: None)}}
    found["snapshot"] = {"bare": psql_peak(JOIN), "ours": peak(take)}
    found["frame"] = {"bare": psql_peak(_copied()), "ours": peak(load)}
    return found


def show(rows: int, seconds: dict[str, dict[str, list[float]]], memory: dict[str, dict[str, float]]) -> None:
    headings = ("", "bare [s]", "ours [s]", "ratio", "at most", "bare [MB]", "ours [MB]")
    features = len(product.join.features)
    table = Table(*headings, title=f"Three tables of {rows:,} rows, {features} features")
    for step, ways in seconds.items():
        bare, ours = statistics.median(ways["bare"]), statistics.median(ways["ours"])
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
    console = Console()
    console.print(table)
    console.print(
        f"Memory at its peak. A Python process that does nothing has {memory['idle']['ours']:.0f} MB."
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="./dev bench build", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    fill(options.rows)
    # First, as the processes that are measured begin with what this one has.
    memory = peaks()
    show(options.rows, turns(options.repeats), memory)
