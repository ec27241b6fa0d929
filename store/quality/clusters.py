"""Clusters that were answered: the share of each, and how far from its centre the instances lay."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from django.db.models import Count
from numpy.typing import NDArray

from learning.lazy_imports import LazyModule

from ..products.product import DataProduct
from ..registry.versions import ModelVersion
from . import windows
from .estimates import Sample

if TYPE_CHECKING:
    from learning.evaluation import score_error
else:
    score_error = LazyModule("learning.evaluation.score_error")

Array = NDArray[Any]
NUMBERS = np.dtype([("at", "<i8"), ("cluster", "<i8"), ("n", "<i8")])


@dataclass(frozen=True)
class Cluster:
    """A cluster's part of the predictions."""

    #: −1 is noise.
    cluster: int
    n: int
    share: float
    #: Wilson's interval of the share, of 95 %.
    low: float
    high: float
    #: Mean distance to the cluster's centre, of a sample; None where there is no centre.
    mean_distance: float | None


def read_numbers(
    product: DataProduct, version: ModelVersion | None, since: datetime | None, until: datetime | None
) -> Array:
    """Read the numbers of predictions by steps of time and clusters: `(n,)` of NUMBERS."""
    rows = windows.select(product, version, since, until).order_by().annotate(step=windows.step())
    numbers = rows.values("step", "answer").annotate(n=Count("pk"))
    low = -(2**62) if since is None else windows.to_microseconds(since)
    read = [(max(windows.to_microseconds(row["step"]), low), int(row["answer"]), row["n"]) for row in numbers]
    return windows.in_order(np.array(read, NUMBERS))


def count_clusters(numbers: Array, sample: Sample) -> list[Cluster]:
    """Count the predictions of each cluster, by number."""
    total = int(numbers["n"].sum())
    clusters = np.unique(numbers["cluster"]).tolist()
    counts = {cluster: int(numbers["n"][numbers["cluster"] == cluster].sum()) for cluster in clusters}
    return [
        Cluster(
            cluster, n, n / total, *score_error.proportion_interval(n, total), _mean_distance(cluster, sample)
        )
        for cluster, n in counts.items()
    ]


def _mean_distance(cluster: int, sample: Sample) -> float | None:
    distances: Sequence[float] = [
        output[cluster]
        for _, answer, _, output, _ in sample.rows
        if answer == str(cluster) and output and 0 <= cluster < len(output)
    ]
    return float(np.mean(distances)) if len(distances) else None
