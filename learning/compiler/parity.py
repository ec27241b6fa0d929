"""Parity of a compiled form: comparison of its outputs with those of the pipeline."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..inference.numeric import Floats
from ..inference.runtimes import ModelOutput

#: Largest difference of probabilities; of values and distances relative to their own or their usual size.
TOLERANCE = 1e-6


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Differences between two outputs for the same rows; `+` merges those of further rows."""

    rows: int = 0
    #: Largest difference of any number, relative as TOLERANCE is.
    largest: float = 0.0
    #: Rows whose labels differ although the labels' probabilities do not tie.
    labels: int = 0
    #: Rows whose labels differ because the best two tie within the tolerance.
    ties: int = 0

    @property
    def agrees(self) -> bool:
        """True if the outputs are equal within the tolerance."""
        return not self.labels and self.largest <= TOLERANCE

    def __add__(self, other: "Difference") -> "Difference":
        return Difference(
            rows=self.rows + other.rows,
            largest=max(self.largest, other.largest),
            labels=self.labels + other.labels,
            ties=self.ties + other.ties,
        )


def compare(output: ModelOutput, expected: ModelOutput, size: float) -> Difference:
    """Compare an output with the pipeline's.

    Args:
        size: The usual size of values and distances; smaller numbers are measured by it instead of by themselves.
    """
    if isinstance(output, tuple) and isinstance(expected, tuple):
        return _compare_clusters(output, expected, size)
    assert not isinstance(output, tuple)
    assert not isinstance(expected, tuple)
    if expected.ndim == 1:
        return Difference(rows=len(expected), largest=_largest_difference(output, expected, size))
    return _compare_classes(output, expected)


def _compare_classes(output: Floats, expected: Floats) -> Difference:
    difference = Difference(rows=len(output), largest=_largest_difference(output, expected, None))
    labels, expected_labels = output.argmax(axis=1), expected.argmax(axis=1)
    unequal = np.flatnonzero(labels != expected_labels)
    # Each of two probabilities may be off by the tolerance, so a lead of up to twice of it is a tie.
    lead = expected[unequal, expected_labels[unequal]] - expected[unequal, labels[unequal]]
    ties = int((lead <= 2 * TOLERANCE).sum())
    return replace(difference, labels=len(unequal) - ties, ties=ties)


def _compare_clusters(
    output: tuple[NDArray[np.int64], Floats], expected: tuple[NDArray[np.int64], Floats], size: float
) -> Difference:
    (clusters, distances), (expected_clusters, expected_distances) = output, expected
    return Difference(
        rows=len(clusters),
        largest=_largest_difference(distances, expected_distances, size),
        labels=int((clusters != expected_clusters).sum()),
    )


def _largest_difference(output: Floats, expected: Floats, size: float | None) -> float:
    """Return the largest difference; infinite if the shapes differ or only one of two numbers is finite."""
    if output.shape != expected.shape:
        return np.inf
    finite = np.isfinite(expected)
    if (np.isfinite(output) != finite).any():
        return np.inf
    differences = np.abs(output[finite] - expected[finite])
    if size is not None:
        differences = differences / np.maximum(np.abs(expected[finite]), size)
    return float(differences.max(initial=0.0))
