"""Cost of each index to the statement that stores predictions, on copies of the table in turns."""

import random
import statistics
from pathlib import Path

from django.db import connection
from rich.console import Console
from rich.table import Table

from benchmarks.mixed.models import Customer
from benchmarks.mixed.products import mixed
from learning.model import ClassAnswer
from store.predictions.upsert import UPSERT, PredictionBatch, ValidRequest
from store.registry.versions import ModelVersion

#: Rows of each copy, and of each batch; batches of a copy.
ROWS, BATCH, BATCHES = 300_000, 32, 600
#: What an index is of, by what it is for. The copies have the other indexes of the table.
INDEXES = {
    "none more": "",
    "CONFIDENCE": "(confidence) WHERE confidence IS NOT NULL",
    "UPDATED_AT": "(product, updated_at, id)",
    "keys": '(product, (lower(entity) COLLATE "C")) WHERE entity IS NOT NULL',
    "a feature": "((features -> 'minutes')) WHERE product = 'mixed'",
}


def print_costs(version: ModelVersion) -> None:
    """Store the same batches in copies of the table that differ in one index, and print a line for each."""
    _copy_table()
    times: dict[str, list[float]] = {name: [] for name in INDEXES}
    order = list(enumerate(INDEXES))
    for _ in range(BATCHES):
        batch = _draw_batch(version)
        random.shuffle(order)
        for place, name in order:
            times[name].append(_store(batch, place))
    table = Table(
        "index of", "µs of a row", "ratio", title="Processor time of the statement that stores a row"
    )
    medians = {name: statistics.median(values[BATCHES // 6 :]) / BATCH for name, values in times.items()}
    for name, seconds in medians.items():
        table.add_row(name, f"{seconds * 1e6:.1f}", f"{seconds / medians['none more']:.3f}")
    Console(width=100).print(table)


def _copy_table() -> None:
    with connection.cursor() as cursor:
        for place, index in enumerate(INDEXES.values()):
            name = f"copy_{place}"
            cursor.execute(
                f"CREATE TABLE {name} (LIKE store_prediction INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"
            )
            cursor.execute(f"ALTER TABLE {name} ADD PRIMARY KEY (id)")
            cursor.execute(f"CREATE INDEX ON {name} (product, created_at DESC, id DESC)")
            cursor.execute(f"CREATE INDEX ON {name} (product, subject)")
            cursor.execute(f"CREATE INDEX ON {name} USING brin (created_at)")
            cursor.execute(
                f'CREATE INDEX ON {name} (product, (lower(reference) COLLATE "C")) WHERE reference IS NOT NULL'
            )
            if index:
                cursor.execute(f"CREATE INDEX ON {name} {index}")
            cursor.execute(f"INSERT INTO {name} SELECT * FROM store_prediction LIMIT {ROWS}")
            cursor.execute(f"VACUUM ANALYZE {name}")


def _draw_batch(version: ModelVersion) -> PredictionBatch:
    """Draw a batch of which a tenth are about a row and a tenth about a reference."""
    requests, answers = [], []
    for place in range(BATCH):
        features = {
            "age": random.randint(18, 88),
            "calls": random.randint(0, 300),
            "minutes": random.expovariate(0.01),
            "bill": random.uniform(0, 120),
            "megabytes": random.uniform(0, 9_000),
            "score": random.gauss(),
            "overdue": random.randint(0, 4),
            "roams": random.random() < 0.2,
            "plan": random.choice(Customer.Plan.values),
            "city": random.choice(Customer.City.values),
        }
        number = str(random.randrange(10**6))
        entity, reference = (number if place % 10 == kind else None for kind in (1, 2))
        requests.append(ValidRequest(mixed.clean(features), entity, reference))
        confidence = random.uniform(0.5, 1)
        answers.append(ClassAnswer("stays", confidence, (confidence, 1 - confidence)))
    return PredictionBatch(mixed, version, requests, answers)


def _store(batch: PredictionBatch, place: int) -> float:
    """Store a batch in a copy. Returns: seconds that the server's process took of the processor."""
    statement = UPSERT.replace("store_prediction", f"copy_{place}")
    with connection.cursor() as cursor:
        process = cursor.connection.info.backend_pid
        start = _seconds(process)
        cursor.execute(statement, batch.parameters)
        cursor.fetchall()
        return _seconds(process) - start


def _seconds(process: int) -> float:
    return int(Path(f"/proc/{process}/schedstat").read_text().split()[0]) / 1e9
