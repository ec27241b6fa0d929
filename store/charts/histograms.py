"""Histograms of a feature: of the champion's snapshot, predictions and the tables, on the same bins."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.db import connection
from psycopg2 import sql

from ..access import acting
from ..db.statements import compile_rows
from ..entities import base_rows
from ..exceptions import BadInput, NoChampion
from ..predictions.predictions import PredictionQuerySet
from ..products.features import Feature, refusals_explained
from ..products.product import DataProduct
from ..snapshots.typical import TypicalValues
from .bins import Bin, Bins, check_in_snapshot, find_bins, stored_value


class HistogramSource(StrEnum):
    """The rows that a histogram counts."""

    SNAPSHOT = "SNAPSHOT"
    PREDICTIONS = "PREDICTIONS"
    ENTITIES = "ENTITIES"


@dataclass(frozen=True)
class Bar:
    """A bin, and the number of rows in it by their source; sources that were not asked for are absent."""

    bin: Bin
    counts: Mapping[HistogramSource, int]


def count_values(
    product: DataProduct,
    column: Feature,
    sources: Sequence[HistogramSource],
    predictions: PredictionQuerySet,
    number: int | None = None,
) -> list[Bar]:
    """Count the values of a feature in each bin, in one statement.

    Raises: BadInput, OutOfRange, NoChampion, NoRows.
    """
    if not sources or len(set(sources)) < len(sources):
        raise BadInput("Name what to count, each once.", argument=("of",))
    bins = find_bins(product, column, number)
    parts = [_part(source, _select(source, product, column, predictions), bins) for source in sources]
    statement = " UNION ALL ".join(statement for statement, _ in parts)
    with refusals_explained(product.join), connection.cursor() as cursor:
        cursor.execute(statement, [value for _, values in parts for value in values])
        counts = {(source, place): n for source, place, n in cursor.fetchall()}
    places = [*range(len(bins.bins) - 1), None]
    return [
        Bar(bins.find(place), {source: counts.get((source, place), 0) for source in sources})
        for place in places
    ]


def _part(
    source: HistogramSource, selected: tuple[str, Sequence[Any]], bins: Bins
) -> tuple[str, Sequence[Any]]:
    statement, parameters = selected
    place = bins.place_sql("r.value")
    return f"SELECT '{source}', {place}, count(*) FROM ({statement}) r (value) GROUP BY 2", parameters


def _select(
    source: HistogramSource, product: DataProduct, column: Feature, predictions: PredictionQuerySet
) -> tuple[str, Sequence[Any]]:
    """Compile the values of the feature in the rows of a source."""
    match source:
        case HistogramSource.SNAPSHOT:
            return _select_snapshot(product, column)
        case HistogramSource.PREDICTIONS:
            stored = predictions.order_by().annotate(feature_value=stored_value(column))
            return compile_rows(stored.values("feature_value"))
    rows = product.join.with_features(base_rows.select(product), [column])
    return compile_rows(rows.values(f"feature_{column.name}"))


def _select_snapshot(product: DataProduct, column: Feature) -> tuple[str, Sequence[Any]]:
    """Compile the rows of the champion's snapshot that the actor of this thread may see."""
    snapshot = TypicalValues(product).snapshot
    if snapshot is None:
        raise NoChampion(f"{product} has no champion yet, of whose snapshot there could be a histogram.")
    snapshot.check_stored()
    check_in_snapshot(snapshot, column)
    statement = sql.SQL("SELECT {} FROM {}").format(sql.Identifier(column.name), sql.SQL(snapshot.table))
    if not product.join.sees_all(acting.current()):
        visible = "{} WHERE _entity IN (SELECT key::text FROM ({}) AS visible (key))"
        statement = sql.SQL(visible).format(statement, base_rows.keys_sql(product))
    with connection.cursor() as cursor:
        return cursor.mogrify(statement).decode().replace("%", "%%"), []
