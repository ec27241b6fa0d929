"""Order of rows without a label: by what their labels would teach, with few rows that are alike among the first.

Rows are taken in batches, each from the most uncertain rows that are left: these are clustered by their features, with
their uncertainty as weights, and the row in the middle of each cluster is taken (Zhdanov, Diverse mini-batch active
learning, 2019). Uncertainty alone would take the same kind of row again and again, and distances alone would take
outliers. Uncertainty of a classification is that of margin sampling (Scheffer, Decomain and Wrobel, Active hidden
Markov models for information extraction, 2001).
"""

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..columns import Column, Row, frame
from ..lazy_imports import LazyModule

if TYPE_CHECKING:
    from sklearn import cluster, exceptions

    from ..estimators import preprocess
else:
    cluster = LazyModule("sklearn.cluster")
    exceptions = LazyModule("sklearn.exceptions")
    preprocess = LazyModule("learning.estimators.preprocess")

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

#: Rows of a batch: so many may be labelled before models learn from them.
BATCH = 20
#: Rows that a batch is chosen from, for each of its rows; Zhdanov's experiments found 10 to 50 alike.
BREADTH = 10
#: Standard deviations from the mean beyond which a coordinate counts no more: one value would fill all distances.
FARTHEST = 5.0


def margin_uncertainty(probabilities: Floats) -> Floats:
    """Compute 1 less the distance between the two most probable classes: `(n,)`, 0 for certain, 1 for a tie.

    Args:
        probabilities: `(n, classes)`. A single class is certain.
    """
    if probabilities.shape[1] < 2:
        return np.zeros(len(probabilities))
    second, first = np.partition(probabilities, -2, axis=1)[:, -2:].T
    return np.clip(1 - (first - second), 0.0, 1.0)  # type: ignore[no-any-return]


def place_rows(columns: Sequence[Column], rows: Sequence[Row]) -> Floats:
    """Place rows in the space of their standardised features: `(n, directions)`.

    Categories have a direction for each of their values, texts a few for their words. What is missing is in the middle.
    """
    points = preprocess.dense(columns).fit_transform(frame(columns, rows))
    return np.clip(np.asarray(points, dtype=np.float64), -FARTHEST, FARTHEST)


def are_readable(columns: Sequence[Column], rows: Sequence[Row]) -> bool:
    """Return True if the columns can read all rows: a value that was stored for another type may be none of theirs."""
    try:
        frame(columns, rows)
    except (ValueError, TypeError):
        return False
    return True


def order_rows(points: Floats, uncertainty: Floats, most: int) -> Rows:
    """Order rows by what their labels would teach: the places of at most `most` of them.

    Rows that equal an earlier one come after all others. The same rows have the same order each time.

    Args:
        points: `(n, directions)`, as `place_rows` has them.
        uncertainty: `(n,)`, 0 or more.
    """
    ranked = np.argsort(-uncertainty, kind="stable")
    _, firsts = np.unique(points[ranked], axis=0, return_index=True)
    is_first = np.zeros(len(ranked), dtype=bool)
    is_first[firsts] = True
    remaining, batches, count = ranked[is_first], [], 0
    while len(remaining) and count < most:
        pool = remaining[: BATCH * BREADTH]
        chosen = pool[np.sort(_choose(points[pool], uncertainty[pool]))]
        remaining = remaining[~np.isin(remaining, chosen)]
        batches.append(chosen)
        count += len(chosen)
    return np.concatenate([*batches, ranked[~is_first]])[:most].astype(np.intp)


def _choose(points: Floats, weights: Floats) -> Rows:
    """Choose the row in the middle of each of BATCH clusters; all rows where there are no more."""
    if len(points) <= BATCH:
        return np.arange(len(points))
    kmeans = cluster.KMeans(BATCH, n_init=1, random_state=0)
    with warnings.catch_warnings():
        # Rows that nearly equal each other may be fewer clusters.
        warnings.simplefilter("ignore", exceptions.ConvergenceWarning)
        distances = kmeans.fit_transform(points, sample_weight=weights / (weights.max() or 1.0) + 1e-9)
    nearest = [
        members[distances[members, number].argmin()]
        for number in range(BATCH)
        if len(members := np.flatnonzero(kmeans.labels_ == number))
    ]
    return np.array(nearest, dtype=np.intp)
