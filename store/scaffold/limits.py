"""Limits of builds over many rows: what `newproduct` writes, for the owner to change."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt

from learning.kinds import Kind

#: Rows from which on a product gets limits.
MANY_ROWS = 100_000
#: Time limit at so many rows, in seconds: it grows with their square root, as the search learns from samples.
SECONDS = 600
#: Bytes that a fit needs for each cell, besides the shared arrays: a copy of the rows, and what estimators make of it.
CELL_BYTES = 64
#: Cells that the directions of a text take in a fit.
TEXT_CELLS = 20
#: Memory of the libraries alone, and the step that limits are rounded up to, in megabytes.
LEAST_MEGABYTES, STEP = 1024, 512


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of a build in a product's declaration."""

    #: Time limit of the whole build.
    seconds: int
    #: Memory limit of one fit.
    megabytes: int


def limits_for(rows: int, kinds: Sequence[Kind]) -> Limits | None:
    """Estimate the limits for so many rows with features of these kinds; None if the rows are few."""
    if rows < MANY_ROWS:
        return None
    minutes = ceil(SECONDS * sqrt(rows / MANY_ROWS) / 60)
    cells = rows * sum(TEXT_CELLS if kind.is_text else 1 for kind in kinds)
    megabytes = LEAST_MEGABYTES + cells * CELL_BYTES / 2**20
    return Limits(seconds=60 * minutes, megabytes=STEP * ceil(megabytes / STEP))
