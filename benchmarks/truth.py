"""What is known of a million stored predictions with 200,000 labels, beside bare SQL in turns.

    ./dev bench truth [--rows 1000000] [--repeats 7]

The lines are medians. What has no statement of a person that does the same has that of its largest part.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from django.db import connection, transaction
from rich.console import Console
from rich.table import Table

from benchmarks import _champions, _million
from benchmarks.mixed import loader
from benchmarks.mixed.models import Customer
from benchmarks.mixed.products import mixed
from learning.estimators.families import Candidate
from schema.core import ids
from schema.core.context import Context
from schema.execution.execution import Schema
from schema.schema import schema
from store.access.acting import acting_as
from store.access.actors import Actor
from store.builds import drift_references
from store.comparisons import runner
from store.ingest import feedback_files
from store.ingest.files import sniff_all
from store.models import Comparison, LabelQueue, ModelVersion
from store.predictions import policies
from store.predictions.changed_subjects import ChangedSubject
from store.quality import rollups
from store.quality.days import QualityDay
from store.quality.drift_hours import DriftHour
from store.serving import label_ordering
from store.snapshots.snapshots import Snapshot

ACTOR = Actor(author="bench", name="bench", superuser=True)
#: Rows of the table that the models are fitted on.
LEARNED = 2_000
#: One prediction in so many has a label, which came within a week.
LABELLED = 5
#: Labels of one call of feedback in bulk, at most.
BULK = 10_000
#: Labels of a file, each of a row of the table.
FILE_ROWS = 20_000
#: Instances of a comparison.
SAMPLE = 100_000
NODES = 20

GIVE = """
INSERT INTO store_feedback (product, subject, prediction_id, author, answer, comment, created_at)
SELECT product, subject, id, 'ann', CASE WHEN random() < confidence THEN answer
    ELSE CASE answer WHEN 'stays' THEN 'leaves' ELSE 'stays' END END, '',
    least(now(), created_at + random() * interval '7 days')
FROM store_prediction WHERE entity IS NULL AND reference IS NULL AND abs(hashtext(id::text)) %% %(labelled)s = 0
"""
MONTH = "now() - interval '30 days'"
QUALITY = """query($since: DateTime) { mixed { quality(since: $since) {
    predictions labelled counted coverage medianDelaySeconds measured { metric value low high n label }
    history(by: DAY) { counted measured { metric value low high n label } } } } }"""
BARE_QUALITY = f"""
SELECT date_trunc('day', p.created_at), count(*), count(t.answer), avg((p.answer = t.answer)::int)
FROM store_prediction p LEFT JOIN store_truth t ON t.product = p.product AND t.subject = p.subject
WHERE p.product = 'mixed' AND p.created_at >= {MONTH} GROUP BY 1
"""
DRIFT = """query($since: DateTime) { mixed { quality(since: $since) {
    drift { feature { name } value n pValue adjustedPValue missing unseen } } } }"""
#: Of one of the ten features.
BARE_DRIFT = f"""
SELECT width_bucket((features ->> 'minutes')::float8, 0, 500, 10), count(*) FROM store_prediction
WHERE product = 'mixed' AND created_at >= {MONTH} GROUP BY 1
"""
NEXT = f"""{{ mixed {{ nextToLabel(first: {NODES}) {{ nodes {{
    position reason label uncertainty reference prediction {{ id createdAt features {{ age minutes plan }} }}
    entity {{ key }} }} pageInfo {{ hasNextPage endCursor }} }} }} }}"""
BARE_NEXT = f"""
SELECT * FROM store_prediction p WHERE product = 'mixed' AND served AND confidence IS NOT NULL
    AND NOT EXISTS (SELECT FROM store_feedback f WHERE f.product = p.product AND f.subject = p.subject)
ORDER BY confidence, id LIMIT {NODES + 1}
"""
FEEDBACK_MANY = """mutation($input: MixedFeedbackManyInput!) {
    mixedFeedbackMany(input: $input) { results { created } } }"""
BARE_FEEDBACK = """
INSERT INTO store_feedback (product, subject, prediction_id, author, answer, comment)
SELECT product, subject, id, 'bare', answer, '' FROM store_prediction WHERE id = ANY(%s::uuid[])
"""
BARE_FILE = """
WITH labelled AS (UPDATE {table} SET outcome = 'stays' WHERE id <= {rows} RETURNING id)
INSERT INTO store_feedback (product, subject, entity, author, answer, comment)
SELECT 'mixed', md5(id::text)::uuid, id::text, 'bare', 'stays', '' FROM labelled
"""
COMPARE = """mutation($input: CompareModelsInput!) { compareModels(input: $input) { started } }"""
BARE_COMPARISON = f"SELECT * FROM store_prediction WHERE product = 'mixed' ORDER BY subject LIMIT {SAMPLE}"


class Line(NamedTuple):
    """Something that is measured, and the bare SQL beside it."""

    name: str
    ours: Callable[[], Any]
    bare: Callable[[], Any]
    #: Statements that a call stores; 0 for a query.
    stored: int = 0
    #: How often it is measured; None: as often as asked.
    repeats: int | None = None


def fill_tables(rows: int) -> tuple[ModelVersion, ModelVersion]:
    """Store two versions, predictions of the first, and labels. Returns the versions."""
    loader.load(LEARNED)
    snapshot = Snapshot.objects.take(mixed)
    versions = []
    for strength in (1.0, 0.001):
        recipe = Candidate("linear", {"C": strength})
        model = _champions.fit_model(mixed, snapshot.dataset(mixed), recipe)
        versions.append(_champions.register(mixed, snapshot, recipe, model))
    _champions.promote(versions[0])
    loader.load(FILE_ROWS)
    _million.load(versions[0].pk, ["Bonn", "Kiel"], rows)
    with connection.cursor() as cursor:
        cursor.execute("SELECT setseed(0.5)")
        cursor.execute(
            GIVE, {"labelled": LABELLED - 1}
        )  # a fifth of them all: the others have an entity or a name
        cursor.execute("VACUUM ANALYZE")
    maintain()
    order_queue()
    return versions[0], versions[1]


def maintain() -> None:
    """Do what the maintenance does by and by, until nothing is left to do."""
    policies.insert_missing([mixed])
    drift_references.record_missing()
    before, after = None, count_maintained()
    while before != after:
        DriftHour.objects.count_ended()
        rollups.maintain()
        before, after = after, count_maintained()


def count_maintained() -> tuple[int, int, int, int]:
    """Count what is left to do, and what has been done."""
    dirty, packed = (QualityDay.objects.filter(dirty=each).count() for each in (True, False))
    return ChangedSubject.objects.count(), dirty, packed, DriftHour.objects.count()


def ask(document: str, **variables: Any) -> Any:
    """Execute an operation, and return its data."""
    assert isinstance(schema, Schema)
    with acting_as(ACTOR):
        result = schema.execute_sync(document, variables, context_value=Context(ACTOR, None))  # type: ignore[arg-type]
    if result.errors or not result.data:
        raise SystemExit(f"{document}: {result.errors}")
    return result.data


def run(statement: str, parameters: list[Any] | None = None) -> list[Any]:
    """Run a statement of a person."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []


def order_queue() -> None:
    """Order the label queue, as its job does."""
    row, _ = LabelQueue.objects.get_or_create(product="mixed")
    label_ordering.update(row, mixed)


def compare(versions: tuple[ModelVersion, ModelVersion]) -> None:
    """Compare two versions, as the job does."""
    models = [ids.node_id(version) for version in versions]
    ask(COMPARE, input={"product": "mixed", "models": models, "sample": SAMPLE})
    runner.run_job(Comparison.objects.latest("pk").pk)


def give_many(predictions: list[str]) -> None:
    """Give feedback on predictions in one call."""
    inputs = [
        {"about": {"prediction": ids.encode("MixedPrediction", pk)}, "label": "STAYS"} for pk in predictions
    ]
    ask(FEEDBACK_MANY, input={"inputs": inputs})


def give_file(file: Path) -> None:
    """Give the feedback of a file, as `./dev feedback` does."""
    feedback_files.load(mixed, [file], "bench", layouts=sniff_all([file]))


def undone(act: Callable[[], Any]) -> Callable[[], float]:
    """Time an act in a transaction that is rolled back."""

    def timed() -> float:
        with transaction.atomic():
            start = time.perf_counter()
            act()
            seconds = time.perf_counter() - start
            transaction.set_rollback(True)
        return seconds

    return timed


def list_lines(versions: tuple[ModelVersion, ModelVersion], labels: int, file: Path) -> list[Line]:
    """List what is measured."""
    file.write_text("\n".join(["entity,label", *(f"{key},stays" for key in range(1, FILE_ROWS + 1))]))
    table = connection.ops.quote_name(Customer._meta.db_table)
    [(since,)] = run(f"SELECT {MONTH}")
    predictions = [
        pk
        for (pk,) in run(f"SELECT id::text FROM store_prediction WHERE reference IS NOT NULL LIMIT {labels}")
    ]
    return [
        Line(
            "quality of a month, by day",
            lambda: ask(QUALITY, since=since.isoformat()),
            lambda: run(BARE_QUALITY),
        ),
        Line("drift of a month", lambda: ask(DRIFT, since=since.isoformat()), lambda: run(BARE_DRIFT)),
        Line("first page of nextToLabel", lambda: ask(NEXT), lambda: run(BARE_NEXT)),
        Line("ordering what to label next", order_queue, lambda: run(BARE_NEXT)),
        Line(
            f"{len(predictions):,} labels in one call",
            undone(lambda: give_many(predictions)),
            undone(lambda: run(BARE_FEEDBACK, [predictions])),
            stored=len(predictions),
            repeats=1,
        ),
        Line(
            f"{FILE_ROWS:,} labels of a file",
            undone(lambda: give_file(file)),
            undone(lambda: run(BARE_FILE.format(table=table, rows=FILE_ROWS))),
            stored=FILE_ROWS,
            repeats=1,
        ),
        Line(
            f"comparison of {SAMPLE:,} instances",
            lambda: compare(versions),
            lambda: run(BARE_COMPARISON),
            repeats=1,
        ),
    ]


def measure(act: Callable[[], Any]) -> float:
    """Measure the milliseconds of a call; of one that times itself, what it returns."""
    start = time.perf_counter()
    seconds = act()
    return 1_000 * (seconds if isinstance(seconds, float) else time.perf_counter() - start)


def print_lines(lines: list[Line], repeats: int) -> None:
    """Measure each line and its bare SQL in turns, and print a table."""
    load = "/".join(f"{value:.1f}" for value in os.getloadavg())
    table = Table("line", title=f"Medians in ms; load before {load}")
    for heading in ("ours", "bare SQL", "ratio", "a second"):
        table.add_column(heading, justify="right")
    for line in lines:
        times: tuple[list[float], list[float]] = ([], [])
        for _ in range((line.repeats or repeats) + 1):
            times[0].append(measure(line.ours))
            times[1].append(measure(line.bare))
        ours, bare = (statistics.median(each[1:]) for each in times)
        rate = f"{line.stored / ours * 1_000:,.0f}" if line.stored else ""
        table.add_row(line.name, f"{ours:,.1f}", f"{bare:,.1f}", f"{ours / bare:,.1f}", rate)
    Console(width=100).print(table)


def main() -> None:
    """Fill the tables, and print the lines."""
    parser = argparse.ArgumentParser(prog="./dev bench truth", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--labels", type=int, default=BULK, help="labels of one call of feedback in bulk")
    parser.add_argument("--only", default="", help="measure only lines whose names have this in them")
    options = parser.parse_args()
    versions = fill_tables(options.rows)
    with tempfile.TemporaryDirectory() as folder:
        lines = list_lines(versions, options.labels, Path(folder) / "labels.csv")
        print_lines([line for line in lines if options.only in line.name], options.repeats)
