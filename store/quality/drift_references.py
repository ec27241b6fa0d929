"""Drift references: the distributions that each version has learned from, stored as counts by bins.

They outlive the table of the version's snapshot, and hold no value of a row but the ends of ranges.
"""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from django.db import connection, models
from numpy.typing import NDArray
from psycopg2 import sql

from ..db.base import BaseModel
from ..db.fields import JSONField
from ..db.writes import Writes
from ..products.features import Feature
from ..products.product import DataProduct
from ..registry.versions import ModelVersion
from ..snapshots.snapshots import Snapshot
from .feature_bins import (
    MOST_LEVELS,
    MOST_VALUES,
    RANGES,
    BinsBasis,
    Counts,
    FeatureBins,
    basis_of,
    bins_of_numbers,
    edges_of,
    edges_of_values,
    key_sql,
    values_of,
)

#: Rows of a snapshot that are counted, about; of more, a random sample is.
SAMPLED = 100_000
#: What answers are compared with: the version's own, for rows that it had not learned from, or the labels.
OUT_OF_FOLD, LABELS = "OUT_OF_FOLD", "LABELS"
#: The name of the bins of answers.
ANSWER = ""


class DriftReferenceManager(models.Manager["DriftReference"]):
    """Computes and finds references."""

    def record(
        self, product: DataProduct, version: ModelVersion, predicted: NDArray[Any] | None
    ) -> "DriftReference":
        """Store the reference of a version, unless it is stored already.

        Args:
            predicted: out-of-fold predictions, `(n, classes)` or `(n,)`; None if there are none.
        """
        if stored := self.filter(model=version).first():
            return stored
        snapshot, problem, features = version.snapshot, "", []
        sibling = self.filter(model__snapshot=snapshot, problem="").first()
        if sibling is not None:
            features = sibling.features
        elif snapshot.dropped_at:
            problem = f"The table of snapshot {snapshot} was deleted before its distributions were stored."
        else:
            features = [bins.as_json() for bins in count_features(product, snapshot)]
        answers, basis = _count_answers(product, version, predicted)
        reference, _ = self.get_or_create(
            model=version,
            defaults={
                "problem": problem,
                "features": features,
                "answers": answers and answers.as_json(),
                "answers_basis": basis,
            },
        )
        return reference


class DriftReference(BaseModel):
    """The distributions that a version has learned from."""

    web_writes = worker_writes = Writes(insert=True, update=("counted_until",))

    model = models.OneToOneField(
        "store.ModelVersion", models.CASCADE, primary_key=True, related_name="drift_reference"
    )
    #: Why there are no features, as a sentence; empty if there are.
    problem = models.TextField(blank=True)
    #: `FeatureBins.as_json` of each feature.
    features = JSONField(default=list)
    #: `FeatureBins.as_json` of the answers; null if nothing is known of them.
    answers = JSONField(null=True)
    #: OUT_OF_FOLD, LABELS, or empty.
    answers_basis = models.CharField(max_length=11, blank=True)
    #: Hours of predictions before this have been counted; null before the first ones.
    counted_until = models.DateTimeField(null=True)

    objects = DriftReferenceManager()

    def __str__(self) -> str:
        return f"Reference of version {self.model_id}"

    @property
    def layout(self) -> "CountLayout":
        """The bins of all features and of the answers."""
        stored = [*self.features, *([self.answers] if self.answers else [])]
        return CountLayout([FeatureBins.from_json(each) for each in stored])


class CountLayout:
    """Bins side by side: each has its places in one row of counts."""

    def __init__(self, bins: Sequence[FeatureBins]):
        self.bins = bins
        ends = np.cumsum([0, *(each.size for each in bins)])
        self.starts: Sequence[int] = ends[:-1].tolist()
        self.size = int(ends[-1])

    def split(self, counts: Counts) -> "list[tuple[FeatureBins, Counts]]":
        """Split a row of counts into those of each feature."""
        return [
            (bins, counts[start : start + bins.size])
            for bins, start in zip(self.bins, self.starts, strict=True)
        ]

    def places_sql(self, keys: Sequence[str]) -> str:
        """Compile the array of a row's places in the row of counts, from the key of each feature."""
        places = [
            f"{start} + {bins.place_sql(key)}"
            for bins, start, key in zip(self.bins, self.starts, keys, strict=True)
        ]
        return f"ARRAY[{', '.join(places)}]::int[]"

    @classmethod
    def joined(cls, *bins: FeatureBins) -> Self:
        """Put bins side by side."""
        return cls(bins)


def count_features(product: DataProduct, snapshot: Snapshot) -> list[FeatureBins]:
    """Divide the features of the rows that were learned from into bins, and count these."""
    missing = snapshot.find_missing(product)
    columns = [column for column in product.columns if column.kind is not None and column.name not in missing]
    if not columns:
        return []
    keys = {column.name: key_sql(column, connection.ops.quote_name(column.name)) for column in columns}
    rows = _learned_rows(product, snapshot, keys)
    bins = [_find_bins(column, place, rows) for place, column in enumerate(columns)]
    layout = CountLayout(bins)
    places = layout.places_sql([f"key_{place}" for place in range(len(columns))])
    statement = f"SELECT place, count(*) FROM ({rows}) r, unnest({places}) place GROUP BY 1"
    counts = np.zeros(layout.size, dtype=np.int64)
    for place, count in _fetch(statement):
        counts[place] = count
    return [each.with_counts(own) for each, own in layout.split(counts)]


def _learned_rows(product: DataProduct, snapshot: Snapshot, keys: dict[str, str]) -> str:
    """Compile the keys of the rows that were learned from, or of a random sample of these."""
    share = 100 * SAMPLED / max(snapshot.rows, 1)
    sample = f" TABLESAMPLE BERNOULLI ({share}) REPEATABLE (0)" if share < 100 else ""
    selected = ", ".join(f"{key} AS key_{place}" for place, key in enumerate(keys.values()))
    labelled = " WHERE _label IS NOT NULL" if product.learns_from_labels else ""
    # OFFSET 0 so that each key is computed once.
    return f"SELECT {selected} FROM {snapshot.table}{sample}{labelled} OFFSET 0"


def _find_bins(column: Feature, place: int, rows: str) -> FeatureBins:
    basis, key = basis_of(column), f"key_{place}"
    if basis is BinsBasis.VALUES:
        return FeatureBins(name=column.name, basis=basis, values=tuple(values_of(column)))
    if basis is BinsBasis.LEVELS:
        frequent = (
            f"SELECT {key}, count(*) FROM ({rows}) r WHERE {key} IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1"
        )
        levels = [level for level, _ in _fetch(f"{frequent} LIMIT {MOST_LEVELS + 1}")]
        return FeatureBins(
            name=column.name,
            basis=basis,
            values=tuple(levels[:MOST_LEVELS]),
            is_complete=len(levels) <= MOST_LEVELS,
        )
    distinct = f"SELECT DISTINCT {key} FROM ({rows}) r WHERE {key} IS NOT NULL LIMIT {MOST_VALUES + 1}"
    values = sorted(float(value) for (value,) in _fetch(distinct))
    if len(values) <= MOST_VALUES:
        return FeatureBins(name=column.name, basis=basis, edges=edges_of_values(values))
    shares = ",".join(str(part / RANGES) for part in range(RANGES + 1))
    quantiles = f"percentile_disc('{{{shares}}}'::float8[]) WITHIN GROUP (ORDER BY {key})"
    [(points,)] = _fetch(f"SELECT {quantiles} FROM ({rows}) r WHERE {key} IS NOT NULL")
    return FeatureBins(name=column.name, basis=basis, edges=edges_of(points))


def _count_answers(
    product: DataProduct, version: ModelVersion, predicted: NDArray[Any] | None
) -> tuple[FeatureBins | None, str]:
    """Count the version's answers for rows that it had not learned from; without any, the labels of its snapshot."""
    classes = tuple(version.signature["classes"])
    if predicted is not None and len(predicted) and product.learns_from_labels:
        if not product.problem.has_classes:
            numbers = predicted.reshape(-1)
            return bins_of_numbers(ANSWER, numbers[np.isfinite(numbers)]), OUT_OF_FOLD
        if predicted.ndim == 2 and predicted.shape[1] == len(classes):
            counts = np.bincount(predicted.argmax(axis=1), minlength=len(classes))
            return _bins_of_classes(classes, counts), OUT_OF_FOLD
    labels = _count_labels(product, version)
    return (labels, LABELS) if labels else (None, "")


def _bins_of_classes(classes: tuple[str, ...], counts: Sequence[int] | Counts) -> FeatureBins:
    return FeatureBins(name=ANSWER, basis=BinsBasis.VALUES, values=classes).with_counts([*counts, 0, 0])


def _count_labels(product: DataProduct, version: ModelVersion) -> FeatureBins | None:
    analysis = version.snapshot.analysed
    if not product.problem.has_classes or analysis is None or not analysis.balance:
        return None
    counts = {share.label: share.count for share in analysis.balance}
    classes = tuple(version.signature["classes"])
    return _bins_of_classes(classes, [counts.get(label, 0) for label in classes])


def answer_key_sql(product: DataProduct, prediction: str) -> str:
    """Compile what answers are binned by, of a stored prediction."""
    return f"{prediction}.value" if product.problem.has_values else f"{prediction}.answer"


def _fetch(statement: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(statement.replace("%%", "%")))
        return list(cursor.fetchall())
