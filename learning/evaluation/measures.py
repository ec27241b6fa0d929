"""A fold's report: the score that chooses, and the measures beside it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """One number of a report, in its natural sign."""

    metric: str
    #: The class it is about; None where it is about all.
    label: str | None
    #: None where it is not defined, as the precision of a class that was never predicted.
    value: float | None


@dataclass(frozen=True)
class Scores:
    """A fold's report."""

    #: The problem's metric, finite, greater is better.
    score: float
    measures: tuple[Measure, ...]
