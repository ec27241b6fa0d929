"""Horizon of a score: how long after the rows that were learned from lay the rows that it was measured on."""

from collections.abc import Sequence

import numpy as np

from ..dataset import Dataset
from .folds import Fold

#: Units of a span, in days, the longest first.
_UNITS = {"days": 1.0, "hours": 1 / 24, "minutes": 1 / 1_440, "seconds": 1 / 86_400}
#: Least number of a unit in a sentence.
_LEAST = 2


def describe_horizon(dataset: Dataset, folds: Sequence[Fold], *, ordered: bool) -> str:
    """Describe the horizon of scores on these folds in a sentence; empty for a dataset without times.

    Args:
        ordered: Whether the folds follow the time.
    """
    if dataset.times is None or not len(folds):
        return ""
    if not ordered:
        return "The scores are of rows of the same time as those learned from, not of later ones."
    spans = np.concatenate(
        [dataset.times[held_out] - dataset.times[learn].max() for learn, held_out in folds]
    )
    return (
        f"The scores are of rows up to {format_span(float(spans.max()))} after the last one learned from, half of them "
        f"up to {format_span(float(np.median(spans)))}."
    )


def format_span(days: float) -> str:
    """Render a span of time in the longest unit of which it has two or more."""
    unit, length = next(
        ((unit, length) for unit, length in _UNITS.items() if days >= _LEAST * length),
        ("seconds", 1 / 86_400),
    )
    return f"{days / length:,.0f} {unit}"
