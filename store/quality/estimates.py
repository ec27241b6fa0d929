"""Estimates without labels, of a random sample of what was answered in a window."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
import orjson
from django.db import connection
from numpy.typing import NDArray

from learning.lazy_imports import LazyModule

from ..products.product import DataProduct
from ..registry.versions import ModelVersion
from . import windows

if TYPE_CHECKING:
    from learning.evaluation import live_estimates, live_measures
    from learning.evaluation.live_measures import LiveMeasure
else:
    live_estimates = LazyModule("learning.evaluation.live_estimates")
    live_measures = LazyModule("learning.evaluation.live_measures")

#: Predictions of a sample, about.
MOST_SAMPLED = 5_000
#: Methods of estimates, as their measures name them.
CBPE, CONFORMAL = "CBPE", "CONFORMAL"

#: Ids are hashes: those below a number are as random as a draw, and the same each time.
SELECT = """
SELECT extract(epoch FROM created_at)::float8, model_id, answer, value, output::text, features::text
FROM ({selected}) p ORDER BY id
"""


@dataclass(frozen=True, eq=False)
class Sample:
    """Predictions that were drawn at random, in a random order."""

    #: `(n,)` microseconds since 1970-01-01 UTC.
    at: NDArray[np.int64]
    #: Of each: primary key of the version, answer, value, output and instance as they are stored.
    rows: list[tuple[int, str, float | None, Any, Mapping[str, Any]]]
    #: Of a classification: those of the newest version first.
    classes: tuple[str, ...] = ()

    def cut(self, since: datetime | None, until: datetime | None) -> "Sample":
        """Choose a part of the time."""
        low = -(2**62) if since is None else windows.to_microseconds(since)
        high = 2**62 if until is None else windows.to_microseconds(until)
        chosen = (self.at >= low) & (self.at < high)
        return Sample(self.at[chosen], [row for row, is_in in zip(self.rows, chosen, strict=True) if is_in])


def read_sample(
    product: DataProduct,
    version: ModelVersion | None,
    since: datetime | None,
    until: datetime | None,
    predictions: int,
) -> Sample:
    """Draw predictions of a window that the actor of this thread may see.

    Args:
        predictions: the number of all predictions of the window.
    """
    rows = windows.select(product, version, since, until).order_by()
    if predictions > MOST_SAMPLED:
        rows = rows.filter(pk__lt=str(UUID(int=(MOST_SAMPLED << 128) // predictions)))
    columns = ("id", "created_at", "model_id", "answer", "value", "output", "features")
    selected = windows.fill_in(rows.values(*columns))
    with connection.cursor() as cursor:
        cursor.execute(SELECT.format(selected=selected), {})
        rows = cursor.fetchall()
    at = np.array([round(row[0] * 1e6) for row in rows], dtype=np.int64)
    parsed = [
        (pk, answer, value, None if output is None else orjson.loads(output), orjson.loads(features))
        for _, pk, answer, value, output, features in rows
    ]
    return Sample(at, parsed, _list_classes(parsed) if product.problem.has_classes else ())


def _list_classes(rows: Iterable[tuple[Any, ...]]) -> tuple[str, ...]:
    versions = ModelVersion.objects.filter(pk__in={row[0] for row in rows}).order_by("-number")
    return tuple(dict.fromkeys(label for version in versions for label in version.signature["classes"]))


def estimate(product: DataProduct, sample: Sample, metric: str) -> "LiveMeasure | None":
    """Estimate a metric from a sample; None where that cannot be."""
    if not sample.rows:
        return None
    if product.problem.has_classes:
        estimated, method = _estimate_classes(sample, metric), CBPE
    else:
        estimated, method = _estimate_values(sample, metric), CONFORMAL
    if estimated is None:
        return None
    value, error = estimated
    bounds = live_estimates.interval(value, error)
    measured = live_measures.LiveMeasure.of(metric, None, value, len(sample.rows), bounds, method)
    return replace(measured, method=method)


def _estimate_classes(sample: Sample, metric: str) -> tuple[float, float | None] | None:
    classes = sample.classes
    code = {label: place for place, label in enumerate(classes)}
    rows = [row for row in sample.rows if row[3] and row[1] in code]
    if not rows:
        return None
    probabilities = np.array(
        [[row[3].get(label, 0.0) for label in classes] for row in rows], dtype=np.float64
    )
    answer = np.array([code[row[1]] for row in rows], dtype=np.int64)
    return live_estimates.estimate_classification(metric, probabilities, answer)


def _estimate_values(sample: Sample, metric: str) -> tuple[float, float | None] | None:
    """Estimate from the errors that the intervals of each version expect at its instances."""
    intervals = ModelVersion.objects.intervals_of({row[0] for row in sample.rows})
    expected = [
        (value, *own.expect_error(value, features))
        for pk, _, value, _, features in sample.rows
        if value is not None and (own := intervals.get(pk)) is not None
    ]
    if len(expected) < len(sample.rows) / 2:
        return None
    values, absolute, squared = np.array(expected, dtype=np.float64).T
    return live_estimates.estimate_regression(metric, values, absolute, squared)
