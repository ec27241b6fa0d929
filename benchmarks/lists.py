"""Pages of lists of a million predictions and rows, filtered, searched and ordered, beside bare SQL in turns."""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from django.db import connection
from rich.console import Console
from rich.table import Table

from benchmarks import _index_costs, _million, _pages
from benchmarks.mixed import loader
from benchmarks.mixed.models import Customer
from benchmarks.mixed.products import mixed
from schema.core.context import Context
from schema.execution.execution import Schema
from schema.schema import schema
from store.access.acting import acting_as
from store.access.actors import Actor
from store.db import pagination
from store.predictions import feature_indexes
from store.registry.versions import ModelVersion

ACTOR = Actor(author="bench", name="bench", superuser=True)
#: Nodes of a page.
FIRST = 20
PREDICTIONS = f"""query($filter: MixedPredictionFilter, $order: PredictionOrder, $after: String) {{ mixed {{
    predictions(first: {FIRST}, filter: $filter, orderBy: $order, after: $after) {{
        nodes {{ id label confidence createdAt reference features {{ age minutes plan }} }}
        pageInfo {{ hasNextPage endCursor }} }} }} }}"""
ENTITIES = f"""query($filter: MixedEntityFilter, $order: EntityOrder, $after: String) {{ mixed {{
    entities(first: {FIRST}, filter: $filter, orderBy: $order, after: $after) {{
        nodes {{ key label features {{ age minutes plan }} }} pageInfo {{ hasNextPage endCursor }} }} }} }}"""
NEWEST = "ORDER BY created_at DESC, id DESC"
BY_KEY = "ORDER BY id"


class Row(NamedTuple):
    """A page, and the bare SQL that reads its rows."""

    name: str
    query: str
    filter: Mapping[str, Any]
    #: The condition and the order.
    sql: str
    order: Mapping[str, str] | None = None
    #: The columns of a cursor, for a page in the middle of the list.
    middle: str = ""


def between(low: float, high: float) -> Mapping[str, Any]:
    """Build a filter on `minutes`, which has an index where stored predictions are filtered."""
    return {"features": {"minutes": {"gte": low, "lt": high}}}


MINUTES = "features -> 'minutes' >= '{0}' AND features -> 'minutes' < '{1}' " + NEWEST
LOWER = ('lower(entity) COLLATE "C"', 'lower(reference) COLLATE "C"')
LIKE = f"({LOWER[0]} LIKE '{{0}}' OR {LOWER[1]} LIKE '{{0}}') {NEWEST}"
ROWS = (
    Row("predictions", PREDICTIONS, {}, NEWEST),
    Row("predictions, deep", PREDICTIONS, {}, NEWEST, middle="created_at, id::text"),
    Row("minutes 200-210: 1 in 80", PREDICTIONS, between(200, 210), MINUTES.format(200, 210)),
    Row("minutes 450-460: 1 in 900", PREDICTIONS, between(450, 460), MINUTES.format(450, 460)),
    Row("minutes 700-710: 1 in 10,000", PREDICTIONS, between(700, 710), MINUTES.format(700, 710)),
    Row("minutes from 2000: none", PREDICTIONS, between(2000, 9999), MINUTES.format(2000, 9999)),
    Row(
        "city and plan, without index",
        PREDICTIONS,
        {"features": {"city": {"in": ["KIEL"]}, "plan": {"eq": "FAMILY"}}},
        f"features -> 'city' = '\"kiel\"' AND features -> 'plan' = '\"family\"' {NEWEST}",
    ),
    Row("confidence < 0.6", PREDICTIONS, {"confidence": {"lt": 0.6}}, f"confidence < 0.6 {NEWEST}"),
    Row(
        "search of a reference",
        PREDICTIONS,
        {"search": "Order-12345"},
        LIKE.format("order-12345%"),
    ),
    Row(
        "search without a hit",
        PREDICTIONS,
        {"search": "zz"},
        LIKE.format("zz%"),
    ),
    Row(
        "by CONFIDENCE, deep",
        PREDICTIONS,
        {},
        "confidence IS NOT NULL ORDER BY confidence, id",
        {"field": "CONFIDENCE", "direction": "ASC"},
        "confidence, id::text",
    ),
    Row(
        "by UPDATED_AT, deep",
        PREDICTIONS,
        {},
        "true ORDER BY updated_at DESC, id DESC",
        {"field": "UPDATED_AT"},
        "updated_at, id::text",
    ),
    Row("entities", ENTITIES, {}, BY_KEY),
    Row("entities, deep", ENTITIES, {}, BY_KEY, middle="id"),
    Row(
        "entities: age 30-31",
        ENTITIES,
        {"features": {"age": {"gte": 30, "lt": 32}}},
        f"age >= 30 AND age < 32 {BY_KEY}",
    ),
    Row("entities: one key", ENTITIES, {"key": {"eq": "765432"}}, f"id = 765432 {BY_KEY}"),
)


def run(row: Row, after: str | None) -> Any:
    """Execute the query of a page. Returns its connection."""
    variables = {"filter": row.filter, "order": row.order, "after": after}
    assert isinstance(schema, Schema)
    with acting_as(ACTOR):
        result = schema.execute_sync(row.query, variables, context_value=Context(ACTOR, None))  # type: ignore[arg-type]
    if result.errors or not result.data:
        raise SystemExit(f"{row.name}: {result.errors}")
    return next(iter(result.data["mixed"].values()))


def find_place(row: Row) -> str | None:
    """Build the cursor of the row in the middle of the list; None for a first page."""
    if not row.middle:
        return None
    tag = pagination.decode(run(row, None)["pageInfo"]["endCursor"])[0]
    table = _table_of(row)
    order = row.sql[row.sql.index("ORDER BY") :]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {row.middle} FROM {table} {order} LIMIT 1 OFFSET (SELECT count(*) / 2 FROM {table})"
        )
        return pagination.encode([tag, *cursor.fetchone()])


def _table_of(row: Row) -> str:
    return connection.ops.quote_name(Customer._meta.db_table) if row.query is ENTITIES else "store_prediction"


def read_bare(row: Row) -> None:
    """Read the first rows of the list by bare SQL."""
    product = "true" if row.query is ENTITIES else "product = 'mixed'"
    condition = row.sql if row.sql.startswith("ORDER") else f"AND {row.sql}"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {_table_of(row)} WHERE {product} {condition} LIMIT {FIRST + 1}")
        cursor.fetchall()


def measure(function: Callable[[], Any], times: list[float]) -> None:
    """Add the milliseconds of a call."""
    start = time.perf_counter()
    function()
    times.append((time.perf_counter() - start) * 1_000)


def print_pages(repeats: int) -> None:
    """Measure each page and its bare SQL in turns, and print a line for each."""
    table = Table("list", title=f"The first {FIRST} nodes: medians in ms")
    for heading in ("API", "bare SQL", "ratio"):
        table.add_column(heading, justify="right")
    for row in ROWS:
        after = find_place(row)
        ours: list[float] = []
        bare: list[float] = []
        for _ in range(repeats + 1):
            measure(lambda row=row, after=after: run(row, after), ours)  # type: ignore[misc]
            measure(lambda row=row: read_bare(row), bare)  # type: ignore[misc]
        medians = statistics.median(ours[1:]), statistics.median(bare[1:])
        table.add_row(row.name, *(f"{value:.1f}" for value in medians), f"{medians[0] / medians[1]:.1f}")
    Console(width=100).print(table)


def main() -> None:
    """Fill the tables, and print the pages, or what each index costs a stored prediction."""
    parser = argparse.ArgumentParser(prog="./dev bench lists", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--costs", action="store_true", help="measure what each index costs instead")
    options = parser.parse_args()
    _pages.fill_tables()
    version = ModelVersion.objects.earliest("pk")
    loader.load(options.rows)
    _million.load(version.pk, list(Customer.City.values), options.rows)
    if options.costs:
        _index_costs.print_costs(version)
        return
    # Here alone: other benchmarks would pay for the index.
    object.__setattr__(mixed, "indexed_features", ("minutes",))
    feature_indexes.synchronise([mixed])
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    print_pages(options.repeats)
