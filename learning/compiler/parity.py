"""Whether a compiled form says what its pipeline says."""

from dataclasses import dataclass, replace

import numpy as np

from ..inference.numeric import Floats
from ..inference.runtimes import ModelOutput

#: Numbers may differ by this much of 1, or of their own or their usual size where they are values and distances.
TOLERANCE = 1e-6


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Of two that were asked about the same rows."""

    rows: int = 0
    #: The largest, of 1 or of the numbers' size.
    largest: float = 0.0
    #: Labels that differ although the numbers behind them do not tie.
    labels: int = 0
    #: Labels that differ where the two best tie within the tolerance.
    ties: int = 0

    @property
    def agrees(self) -> bool:
        return not self.labels and self.largest <= TOLERANCE

    def __add__(self, other: "Difference") -> "Difference":
        return Difference(
            rows=self.rows + other.rows,
            largest=max(self.largest, other.largest),
            labels=self.labels + other.labels,
            ties=self.ties + other.ties,
        )


def difference(said: ModelOutput, pipeline: ModelOutput, size: float) -> Difference:
    """`size` is the usual one of values, which numbers that happen to be small are measured by."""
    if isinstance(said, tuple) and isinstance(pipeline, tuple):
        return _of_clusters(said, pipeline, size)
    assert not isinstance(said, tuple)
    assert not isinstance(pipeline, tuple)
    if pipeline.ndim == 1:
        return Difference(rows=len(pipeline), largest=_apart(said, pipeline, size))
    return _of_classes(said, pipeline)


def _of_classes(said: Floats, pipeline: Floats) -> Difference:
    found = Difference(rows=len(said), largest=_apart(said, pipeline, None))
    mine, labels = said.argmax(axis=1), pipeline.argmax(axis=1)
    other = np.flatnonzero(mine != labels)
    # What is said of both labels is as good as equal where neither's lead is more than two errors.
    lead = pipeline[other, labels[other]] - pipeline[other, mine[other]]
    ties = int((lead <= 2 * TOLERANCE).sum())
    return replace(found, labels=len(other) - ties, ties=ties)


def _of_clusters(
    said: tuple[np.ndarray, Floats], pipeline: tuple[np.ndarray, Floats], size: float
) -> Difference:
    (clusters, distances), (theirs, far) = said, pipeline
    labels = int((clusters != theirs).sum())
    return Difference(rows=len(clusters), largest=_apart(distances, far, size), labels=labels)


def _apart(said: Floats, pipeline: Floats, size: float | None) -> float:
    """The largest difference; infinite where one of both is no number and the other is, or where they have
    different shapes.
    """
    if said.shape != pipeline.shape:
        return np.inf
    finite = np.isfinite(pipeline)
    if (np.isfinite(said) != finite).any():
        return np.inf
    apart = np.abs(said[finite] - pipeline[finite])
    if size is not None:
        apart = apart / np.maximum(np.abs(pipeline[finite]), size)
    return float(apart.max(initial=0.0))
