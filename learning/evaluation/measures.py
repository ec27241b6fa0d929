"""Results of a scored fold: the score that candidates are ranked by, and further measures."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """One number of a report; errors are positive, unlike in scikit-learn's scorers."""

    metric: str
    #: The class that the number is about; None: all classes.
    label: str | None
    #: None if it is not defined, such as the precision of a class that was never predicted.
    value: float | None


@dataclass(frozen=True)
class Scores:
    """Score and measures of one fold."""

    #: Value of the problem's metric; finite, greater is better.
    score: float
    measures: tuple[Measure, ...]
