"""Paired measures: one metric of two models on the same rows, as a comparison stores it."""

from dataclasses import dataclass
from enum import StrEnum


class IntervalMethod(StrEnum):
    """A method of computing the interval around a difference."""

    TANGO = "TANGO"
    DELONG = "DELONG"
    DELTA = "DELTA"
    BOOTSTRAP = "BOOTSTRAP"


@dataclass(frozen=True, kw_only=True)
class PairedMeasure:
    """One metric of two models on the same rows. Greater is better, as scikit-learn's scorers have it."""

    metric: str
    #: The class; None: all classes.
    label: str | None
    #: None where the metric is not defined on these rows.
    first: float | None
    second: float | None
    #: Second less first; None unless both are defined.
    difference: float | None
    #: The 95 % interval around the difference; None where too few rows show its error.
    low: float | None
    high: float | None
    #: Rows; of a class, those that are truly of it.
    n: int
    #: None without an interval.
    method: IntervalMethod | None
