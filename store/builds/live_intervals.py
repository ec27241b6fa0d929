"""Live intervals: predictions of a champion whose truths came later, and what its intervals contained of these."""

import numpy as np

from learning.evaluation import live_coverage
from learning.evaluation.intervals import LiveCoverage
from learning.evaluation.live_coverage import MOST_ROWS, LiveRow

from ..predictions.predictions import Prediction
from ..products.product import DataProduct
from ..quality import counted
from ..registry.versions import ModelVersion


def measure(product: DataProduct, champion: ModelVersion) -> LiveCoverage | None:
    """Measure the coverage of a version's intervals by the newest truths; None if there are too few."""
    intervals = ModelVersion.objects.intervals_of([champion.pk]).get(champion.pk)
    return None if intervals is None else live_coverage.measure(intervals, find_rows(product, champion))


def find_rows(product: DataProduct, version: ModelVersion) -> list[LiveRow]:
    """Find the newest counted predictions of a version, the newest feedback first."""
    counted_rows = counted.find(product, version)
    by_word = np.argsort(-counted_rows.first_word, kind="stable")[:MOST_ROWS]
    rows = counted_rows.rows(by_word)
    keys = counted.texts(rows.prediction_id)
    features = dict(Prediction.objects.filter(pk__in=keys).values_list("pk", "features"))
    triples = zip(keys, rows.value.tolist(), rows.truth.tolist(), strict=True)
    return [LiveRow(value, truth, features[key]) for key, value, truth in triples if key in features]
