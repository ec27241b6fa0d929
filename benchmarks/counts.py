"""Counts for charts over a million stored predictions, beside bare SQL that counts the same.

    ./dev bench counts [--rows 1000000] [--repeats 7]

Each repeat counts once as the API does, and once by the shortest statement that a person would write, in turns. Told
are the medians, their ratio, and how PostgreSQL reads the predictions.
"""

import argparse
import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext
from rich.console import Console
from rich.table import Table

from benchmarks import _champions, _million
from benchmarks._measurements import measure_seconds
from benchmarks.mixed import loader
from benchmarks.mixed.products import mixed
from learning.estimators.families import Candidate
from store.charts.counts import Count, PredictionCountBy, TimeFrame, count_predictions
from store.charts.groups import READ_INDEX
from store.predictions.predictions import Prediction
from store.snapshots.snapshots import Snapshot

BY = PredictionCountBy
#: Milliseconds of the counts by day and label, at most.
TARGET = 150.0
ZONE = "Europe/Berlin"
LOCAL = TimeFrame(zone=ZONE)
#: Statements of which each counts as the line of the same name does.
BARE = {
    "day and label": f"""SELECT date_trunc('day', created_at, '{ZONE}'), answer, count(*) FROM store_prediction
        WHERE product = 'mixed' GROUP BY 1, 2""",
    "hour and model": f"""SELECT date_trunc('hour', created_at, '{ZONE}'), model_id, count(*) FROM store_prediction
        WHERE product = 'mixed' GROUP BY 1, 2""",
    "day, last week": f"""SELECT date_trunc('day', created_at, '{ZONE}'), count(*) FROM store_prediction
        WHERE product = 'mixed' AND created_at >= now() - interval '7 days' GROUP BY 1""",
    "label and truth": """SELECT p.answer, t.answer, count(*) FROM store_prediction p
        LEFT JOIN store_truth t ON t.product = p.product AND t.subject = p.subject
        WHERE p.product = 'mixed' GROUP BY 1, 2""",
    "feature": """SELECT features ->> 'plan', count(*) FROM store_prediction WHERE product = 'mixed' GROUP BY 1""",
}
#: Every twentieth prediction has feedback.
GIVE = """INSERT INTO store_feedback (product, subject, author, answer, comment)
    SELECT product, subject, 'ann', answer, '' FROM store_prediction ORDER BY id LIMIT %s"""
#: Rows of the table that the model is fitted on.
LEARNED = 2_000


@dataclass(frozen=True)
class Counting:
    """One of the API's counts."""

    by: Sequence[PredictionCountBy]
    times: TimeFrame = LOCAL
    feature: str = ""

    def __call__(self) -> list[Count]:
        """Count as the API does."""
        column = next((column for column in mixed.columns if column.name == self.feature), None)
        rows = Prediction.objects.matching(mixed)
        return count_predictions(mixed, rows, self.by, self.times, column)


def list_countings() -> dict[str, Counting]:
    """List the counts by the names of the statements beside them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT now() - interval '7 days'")
        (last_week,) = cursor.fetchone()
    return {
        "day and label": Counting([BY.DAY, BY.LABEL]),
        "hour and model": Counting([BY.HOUR, BY.MODEL]),
        "day, last week": Counting([BY.DAY], TimeFrame(since=last_week, zone=ZONE)),
        "label and truth": Counting([BY.LABEL, BY.TRUTH]),
        "feature": Counting([BY.FEATURE], feature="plan"),
    }


def fill_tables(rows: int) -> None:
    """Store predictions of one version, and feedback on a twentieth of them."""
    loader.load(LEARNED)
    snapshot, recipe = Snapshot.objects.take(mixed), Candidate("linear", {"C": 1.0})
    model = _champions.fit_model(mixed, snapshot.dataset(mixed), recipe)
    version = _champions.register(mixed, snapshot, recipe, model)
    _million.load(version.pk, ["Bonn", "Kiel"], rows)
    with connection.cursor() as cursor:
        cursor.execute(GIVE, [rows // 20])
        cursor.execute("VACUUM ANALYZE store_prediction")
        cursor.execute("ANALYZE store_feedback")


def run(statement: str) -> list[Any]:
    """Run a statement of a person."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def describe_scan(count: Callable[[], object]) -> str:
    """Name the node by which PostgreSQL reads predictions."""
    with CaptureQueriesContext(connection) as captured:
        count()
    statement = next(q["sql"] for q in captured.captured_queries if "store_prediction" in q["sql"])
    with connection.cursor() as cursor:
        cursor.execute(
            f"{READ_INDEX}; EXPLAIN {statement.removeprefix(f'{READ_INDEX}; ')}".replace("%", "%%"), []
        )
        nodes = [
            line.strip(" ->")
            for (line,) in cursor.fetchall()
            if "Scan" in line and "store_prediction" in line
        ]
    return nodes[0].split("  (")[0].split(" on store_")[0] if nodes else ""


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="./dev bench counts", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    fill_tables(options.rows)
    title = f"{options.rows:,} predictions, load {os.getloadavg()[0]:.1f}"
    table = Table("counts by", "ms", "bare SQL [ms]", "ratio", "groups", "read by", title=title)
    for name, count in list_countings().items():
        pairs = [
            (measure_seconds(count), measure_seconds(partial(run, BARE[name])))
            for _ in range(options.repeats)
        ]
        ours, bare = (1000 * statistics.median(column) for column in zip(*pairs, strict=True))
        ratio = statistics.median(one / other for one, other in pairs)
        missed = " (!)" if name == "day and label" and ours > TARGET else ""
        groups = len(count())
        table.add_row(
            name, f"{ours:,.0f}{missed}", f"{bare:,.0f}", f"{ratio:.2f}", str(groups), describe_scan(count)
        )
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
