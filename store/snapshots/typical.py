"""Typical values of a product's features, by the snapshot that its champion has learned from."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np
from django.db import connection
from numpy.typing import NDArray
from psycopg2 import sql

from learning.exceptions import ExemplarError

from ..db.row_cache import RowCache
from ..entities import base_rows
from ..exceptions import OutOfRange
from ..products.product import DataProduct
from ..registry.product_states import ProductState
from .snapshots import Snapshot

#: Examples of one call, by default and at most.
DEFAULT_EXAMPLES, MOST_EXAMPLES = 3, 20
#: Rows of a snapshot among which typical ones are sought, about.
SAMPLED = 2_000
#: Typical rows of each snapshot that stay in memory.
REMEMBERED = 100
#: The distance of a missing value from the middle, and of any value at most, in interquartile ranges.
FARTHEST = 3.0


class TypicalRange(NamedTuple):
    """Nine tenths of the values lie here: numbers, or days since 1970-01-01 of dates and times."""

    low: float
    median: float
    high: float


class Row(NamedTuple):
    """A row of a snapshot with a canonical instance."""

    entity: str
    label: str | None
    instance: Sequence[Any]


class Example(NamedTuple):
    """The features of a typical row by name, and its label as stored text."""

    features: Mapping[str, Any]
    label: str | None


#: By the snapshots' keys, the most typical rows first, the labels in turn.
_rows: RowCache[int, list[Row]] = RowCache(50)


class TypicalValues:
    """Typical values of one product, looked up once for all of its features."""

    def __init__(self, product: DataProduct):
        self.product = product

    @cached_property
    def snapshot(self) -> Snapshot | None:
        """The snapshot that the champion has learned from; None without a champion."""
        serving = ProductState.objects.filter(product=self.product.name, champion__isnull=False)
        return Snapshot.objects.filter(pk__in=serving.values("champion__snapshot")).first()

    @cached_property
    def ranges(self) -> Mapping[str, TypicalRange]:
        """The typical ranges of the features that have any, by name."""
        analysis = self.snapshot and self.snapshot.analysed
        quantiles = {feature.name: feature.quantiles for feature in analysis.features} if analysis else {}
        return {name: TypicalRange(each[0], each[2], each[4]) for name, each in quantiles.items() if each}

    @cached_property
    def example(self) -> Mapping[str, Any]:
        """The features of the most typical row that the actor of this thread may see, by name; empty without one."""
        return next((example.features for example in self.examples(1)), {})

    def examples(self, first: int | None) -> list[Example]:
        """The features of typical rows, the labels in turn, of rows that there still are and the actor may see.

        Raises OutOfRange.
        """
        first = DEFAULT_EXAMPLES if first is None else first
        if not 1 <= first <= MOST_EXAMPLES:
            message = f"There are 1 to {MOST_EXAMPLES} examples, not {first}."
            raise OutOfRange(message, argument=("first",), minimum=1, maximum=MOST_EXAMPLES)
        rows = self._typical_rows()
        visible = base_rows.existing(self.product, [row.entity for row in rows]) if rows else set()
        names = self.product.feature_names
        return [
            Example(dict(zip(names, row.instance, strict=True)), row.label)
            for row in rows
            if row.entity in visible
        ][:first]

    def _typical_rows(self) -> list[Row]:
        snapshot = self.snapshot
        if snapshot is None or snapshot.dropped_at:
            return []
        rows = _rows.find([snapshot.pk], lambda _: {snapshot.pk: find_typical_rows(self.product, snapshot)})
        return rows[snapshot.pk]


def find_typical_rows(product: DataProduct, snapshot: Snapshot) -> list[Row]:
    """Find rows of a snapshot that are near the middle of those with their label, the most frequent label first."""
    rows = list(_read(product, snapshot))
    labels = Counter(row.label if product.labels else None for row in rows)
    parts = [
        [row for row in rows if label is None or row.label == label] for label, _ in labels.most_common()
    ]
    ordered = [_by_distance(product, part) for part in parts]
    in_turn = (row for turn in zip_longest(*ordered) for row in turn if row is not None)
    return list(in_turn)[:REMEMBERED]


def _read(product: DataProduct, snapshot: Snapshot) -> Iterator[Row]:
    """Read a sample of the rows that have an entity and fit the declaration of today."""
    missing = snapshot.find_missing(product)
    columns = [
        sql.SQL("NULL") if column.name in missing else sql.Identifier(column.name)
        for column in product.inputs
    ]
    share = 100 * SAMPLED / max(snapshot.rows, 1)
    sample = f"TABLESAMPLE SYSTEM ({share}) REPEATABLE (0)" if share < 100 else ""
    statement = sql.SQL("SELECT {} FROM {} WHERE _entity IS NOT NULL").format(
        sql.SQL(", ").join([*map(sql.Identifier, ("_entity", "_label")), *columns]),
        sql.SQL(f"{snapshot.table} {sample}"),
    )
    with connection.cursor() as cursor:
        cursor.execute(statement)
        for entity, label, *inputs in cursor.fetchall():
            with suppress(ExemplarError):
                yield Row(entity, label, product.clean_stored(inputs))


def _by_distance(product: DataProduct, rows: Sequence[Row]) -> list[Row]:
    """Order rows by their distance from the middle of all of them; equally far ones by their keys."""
    cells = zip(*(row.instance for row in rows), strict=True)
    distance = sum(_distances(column, values) for column, values in zip(product.columns, cells, strict=True))
    assert isinstance(distance, np.ndarray)
    order = sorted(range(len(rows)), key=lambda place: (distance[place], rows[place].entity))
    return [rows[place] for place in order]


def _distances(column: Any, values: Sequence[Any]) -> NDArray[np.float64]:
    """Distance of each value from the middle of the column: `(n,)`, from 0 to FARTHEST."""
    learned = column.learning_column()
    if not learned.kind.is_ranged:
        ((usual, _),) = Counter(values).most_common(1)
        return np.array([FARTHEST if value is None else float(value != usual) for value in values])
    numbers = np.asarray(learned.kind.encode_cells(learned.choices, values), dtype=np.float64)
    if np.isnan(numbers).all():
        return np.full(len(numbers), FARTHEST)
    low, middle, high = np.nanquantile(numbers, (0.25, 0.5, 0.75))
    far = np.abs(numbers - middle) / ((high - low) or 1.0)
    return np.minimum(np.nan_to_num(far, nan=FARTHEST), FARTHEST)
